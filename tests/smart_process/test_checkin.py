"""What a decision is made from: where a device stands, whose ticket it is, when it happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smart_process import door_words
from smart_process.admission import Verdict
from smart_process.checkin import Ruling, moment, skew_of
from smart_process.store.devices import Device
from smart_process.store.door import Seat

NOW = datetime(2026, 11, 21, 4, 5, tzinfo=UTC)
DEVICE = Device(
    id=1,
    portal_id=1,
    event_id=1,
    name="Вход 1",
    gates=("entrance",),
    role="scan",
    expires_at=NOW + timedelta(days=1),
    revoked_at=None,
    last_seen_at=None,
    portal_state="active",
    time_zone="Asia/Almaty",
    starts_at=NOW,
    event_stage="live",
    event_removed=False,
)
SEAT = Seat(
    id=1,
    portal_id=1,
    event_id=1,
    person_id=1,
    company_id=None,
    ticket="t",
    stage="registered",
    arrived_at=None,
    gate="",
    cancelled=False,
    removed=False,
    merged_into=None,
    flags=(),
    product_lines=(),
    first_name="Пётр",
    last_name="Иванов",
    company="",
    position="",
)


@pytest.mark.parametrize(
    ("changed", "called_off", "revoked"),
    [
        ({}, False, False),
        ({"event_stage": "cancelled"}, True, False),
        ({"event_removed": True}, True, False),
        ({"event_stage": "planning"}, False, False),
        ({"event_stage": "closed"}, False, False),
        ({"starts_at": NOW + timedelta(days=5)}, False, False),
        ({"revoked_at": NOW}, False, True),
    ],
)
def test_a_device_stands_where_its_event_and_its_revocation_say(
    changed: dict[str, Any], called_off: bool, revoked: bool
) -> None:
    place = replace(DEVICE, **changed).place
    assert (place.event, place.gates) == (1, ("entrance",))
    assert (place.called_off, place.revoked) == (called_off, revoked)


@pytest.mark.parametrize(
    ("changed", "cancelled"), [({}, False), ({"cancelled": True}, True), ({"removed": True}, True)]
)
def test_a_seat_is_a_ticket_that_counts_unless_cancelled_or_removed(
    changed: dict[str, Any], cancelled: bool
) -> None:
    assert replace(SEAT, **changed).as_ticket.cancelled is cancelled


@pytest.mark.parametrize(
    ("ahead", "skew"),
    [
        (None, timedelta()),
        (timedelta(seconds=59), timedelta()),
        (timedelta(seconds=-59), timedelta()),
        (timedelta(seconds=60), timedelta(seconds=60)),
        (timedelta(hours=-3), timedelta(hours=-3)),
    ],
)
def test_only_a_clock_off_by_a_minute_or_more_is_wrong(ahead: timedelta | None, skew: timedelta) -> None:
    assert skew_of(NOW + ahead if ahead is not None else None, NOW) == skew


@pytest.mark.parametrize(
    ("told", "starts", "expected"),
    [
        (timedelta(minutes=-5), timedelta(0), timedelta(minutes=-5)),
        (timedelta(seconds=1), timedelta(0), timedelta(0)),
        (timedelta(days=-2), timedelta(0), timedelta(days=-2)),
        (timedelta(days=-2, seconds=-1), timedelta(0), timedelta(0)),
        (timedelta(days=-11), timedelta(days=-10), timedelta(days=-11)),
        (timedelta(days=-1), timedelta(days=30), timedelta(days=-1)),
        (timedelta(days=-3), timedelta(days=30), timedelta(0)),
        (None, timedelta(0), timedelta(0)),
    ],
)
def test_the_stored_moment_is_never_ahead_of_ours_nor_long_before_the_event(
    told: timedelta | None, starts: timedelta, expected: timedelta
) -> None:
    at = moment(NOW + told if told is not None else None, skew=timedelta(), now=NOW, starts_at=NOW + starts)
    assert at == NOW + expected


def test_the_night_the_clocks_change_the_same_wall_time_is_two_moments() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    now = datetime(2026, 10, 25, 3, 0, tzinfo=berlin).astimezone(UTC)
    at = [moment(one.astimezone(UTC), skew=timedelta(), now=now, starts_at=None) for one in (first, second)]
    assert at[1] - at[0] == timedelta(hours=1)


@pytest.mark.parametrize(
    ("first", "text"),
    [(NOW, "Уже отмечен в 09:05"), (NOW - timedelta(days=1), "Уже отмечен в 20.11 09:05")],
)
def test_the_time_of_the_first_arrival_is_told_in_the_events_zone(first: datetime, text: str) -> None:
    ruling = Ruling(Verdict.ALREADY_ADMITTED, SEAT, first)
    zone = door_words.zone_of("Asia/Almaty")
    assert door_words.verdict_text(ruling, language="ru", gate="entrance", zone=zone, now=NOW) == text


@pytest.mark.parametrize("name", ["", "Nowhere/Here", "../../etc/passwd", "Asia"])
def test_an_unknown_time_zone_is_utc(name: str) -> None:
    assert door_words.zone_of(name) == ZoneInfo("UTC")
