"""How many lanes the entrance needs."""

from __future__ import annotations

import pytest

from smart_process.lanes import plan, planned


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


@pytest.mark.parametrize(
    ("minutes", "a_minute"),
    [(-121, 0.0), (-90, 0.8), (-16, 3.3), (-15, 21.7), (14, 21.7), (15, 3.3), (180, 0.0)],
)
def test_the_plan_of_a_minute(minutes: float, a_minute: float) -> None:
    assert round(planned(1000, minutes), 1) == a_minute


def test_the_plan_brings_everybody() -> None:
    assert round(sum(planned(1000, minute) for minute in range(-200, 300))) == 1050
