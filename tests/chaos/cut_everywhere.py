"""Every single call of a small day is the one at which the process ends; takes minutes, so nobody runs it by default:

``python -m pytest tests/chaos/cut_everywhere.py``. The suite has the short version, see ``test_cut_anywhere.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import eq
from typing import Any

import pytest

from tests.smart_process.sync.conftest import place, stories
from tests.smart_process.sync.story import Story
from tests.smart_process.sync.test_cut_anywhere import Day, Killed, cut, end, whole

__all__ = ["place", "stories", "whole"]


@pytest.mark.parametrize("executed", [False, True], ids=["before-it-leaves", "after-it-was-executed"])
@pytest.mark.parametrize("part", range(4), ids=["morning", "doubled", "noon", "evening"])
def test_cut_at_any_call_the_day_ends_the_same(
    stories: Callable[[], Story], whole: dict[str, Any], part: int, executed: bool
) -> None:
    for at in range(1, 100):
        day = Day(stories())
        for before in day.parts[:part]:
            before()
            day.story.settle()
        day.parts[part]()
        with cut(day.story, partial(eq, at), executed=executed) as calls, suppress(Killed):
            day.story.settle()
        if calls() < at:
            assert at > 1
            return
        day.story.settle()
        for after in day.parts[part + 1 :]:
            after()
            day.story.settle()
        assert end(day) == whole, f"cut at call {at}"
    raise AssertionError("a part of a day takes more calls than anybody expected")
