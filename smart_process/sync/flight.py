"""Requests of one step that are on their way at the same time.

A portal takes so many requests a second for ever, however long it works on each: who waits for every answer before
the next request leaves uses a part of that only. The next one is prepared once the one before it has left, so its
marks are claimed as late as they can be, and what became urgent meanwhile comes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType

AT_A_TIME = 8
"""Twice what a portal of 2 requests a second needs when it works 2 s on each: what was missed while the last answers
of a step came is made up for at the start of the next."""

Leaving = Callable[[], None]
Job = Callable[[Leaving], None]
"""Sends one request and settles it; calls what it is given as soon as the request leaves."""


class Flight:
    """Sends requests from threads of its own; leaving the ``with`` waits for all of them and raises the first error."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="flight")
        self._out: list[Future[None]] = []

    def __enter__(self) -> Flight:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None:
            for one in self._out:
                one.result()

    def send(self, job: Job) -> None:
        """Start a request; comes back when it has left, or when it never will."""
        left = threading.Event()
        sent = self._pool.submit(copy_context().run, job, left.set)
        sent.add_done_callback(lambda _: left.set())
        self._out.append(sent)
        left.wait()

    @property
    def room(self) -> bool:
        """Whether another one may leave before an answer is waited for: nothing came back yet, and few are out."""
        return len(self._out) < AT_A_TIME and not any(one.done() for one in self._out)
