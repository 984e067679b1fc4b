"""When portal events are followed up: together, and the rarer the more often they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handlers.gathering import WINDOWS, Gathering

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_what_is_named_within_a_second_is_looked_at_together() -> None:
    gathering = Gathering()
    due = {gathering.due(1, f"1090:{n}", after(n / 50)) for n in range(40)}
    assert due == {after(1)}


@pytest.mark.parametrize(("doubled", "per_second"), [(25, 110.0), (25, 400.0), (25, 5000.0)])
def test_a_thousand_events_about_forty_objects_are_at_most_three_looks(
    doubled: int, per_second: float
) -> None:
    gathering = Gathering()
    order = [n % 40 for n in range(40 * doubled)]
    looks = {gathering.due(1, f"1090:{n}", after(at / per_second)) for at, n in enumerate(order)}
    assert len(looks) <= 3


def test_an_object_named_once_in_a_while_waits_for_the_shortest_window() -> None:
    gathering = Gathering()
    for at in (0, 20, 40, 60):
        assert gathering.due(1, "2:7", after(at)) == after(at) + WINDOWS[0]


def test_an_object_named_again_while_it_waits_is_not_put_off() -> None:
    gathering = Gathering()
    first = gathering.due(1, "2:7", NOW)
    assert gathering.due(1, "2:7", after(0.9)) == first


def test_portals_wait_for_their_own_only() -> None:
    gathering = Gathering()
    gathering.due(1, "2:7", NOW)
    assert gathering.due(2, "2:7", after(0.5)) == after(1.5)


def test_a_clock_set_back_makes_nobody_wait_longer() -> None:
    gathering = Gathering()
    gathering.due(1, "2:7", after(3600))
    assert gathering.due(1, "2:7", NOW) == after(1)
