"""Wait for what another thread or process brings about, without guessing how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], within: float = 30.0, every: float = 0.02, waiting_for: str = ""
) -> T:
    """Call ``condition`` until its answer is true (or it stops failing an assert) and return that answer.

    ``within`` and ``every`` are seconds. After the deadline the test fails with ``waiting_for`` and what was
    seen last. ``perf_counter`` is the one clock that time-machine leaves alone.
    """
    deadline = time.perf_counter() + within
    while True:
        try:
            seen = condition()
            failure: AssertionError | None = None
            if seen:
                return seen
            last = f"last seen: {seen!r}"
        except AssertionError as error:
            failure, last = error, f"last failure: {error}"
        if time.perf_counter() >= deadline:
            what = waiting_for or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"after {within:g} s still waiting for {what}; {last}") from failure
        time.sleep(every)
