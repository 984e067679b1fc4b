"""How many lanes the entrance needs."""

from __future__ import annotations

import pytest

from smart_process.lanes import plan


@pytest.mark.parametrize(
    ("expected", "arrived", "from_start", "last", "opened", "needed", "short"),
    [
        (500, 0, -90, 0, 1, 2, 1),  # the peak to come: 500 × 0.65 / 30 a minute
        (500, 0, -5, 12.0, 3, 2, 0),
        (1000, 100, 0, 30.0, 2, 4, 2),  # more than planned are coming: what is measured counts
        (1000, 900, 40, 0, 2, 1, 0),
        (1000, 998, 0, 0, 0, 1, 1),  # two are left
        (1000, 1000, 300, 0, 1, 0, 0),
        (0, 0, 0, 0, 0, 0, 0),
    ],
)
def test_lanes_follow_from_who_is_to_come_and_who_is_coming(
    expected: int, arrived: int, from_start: float, last: float, opened: int, needed: int, short: int
) -> None:
    lanes = plan(
        expected=expected, arrived=arrived, minutes_from_start=from_start, last_minutes=last, opened=opened
    )
    assert (lanes.needed, lanes.short, lanes.open) == (needed, short, opened)
