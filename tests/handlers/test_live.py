"""The live view for a supervisor's phone: gates by the minute, silent phones, disputed passages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from handlers import openapi
from smart_process.facts import Kind
from smart_process.store import tables as t
from tests.door import Door, open_door
from tests.handlers.test_devices import conforms

HALL = {"name": "Зал", "kind": "session", "flag": "closed_session", "reentry": False}
DOORS = {"name": "entrance", "kind": "entrance", "flag": "", "reentry": True}


@pytest.fixture
def door(either_store: Store) -> Door:
    door = open_door(either_store)
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.event).values(gates=[DOORS, HALL]))
    return door


def live(door: Door) -> dict[str, Any]:
    token = door.enrol(gates=[], role="supervise", name="Старшая")
    reply = door.web.get("/api/v1/live", headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.get_json()
    assert conforms(told, openapi.SCHEMAS["Live"])
    return told


def gates(told: dict[str, Any]) -> dict[str, tuple[int, int, int, int]]:
    """Per gate: people, of how many, through within the hour, phones in touch."""
    return {
        one["name"]: (one["people"], one["of"], sum(one["minutes"]), one["phones"]) for one in told["gates"]
    }


def test_gates_count_people_once_and_by_the_minute_they_came(door: Door) -> None:
    one, two, _absent = door.guest(), door.guest("Петров"), door.guest("Сидоров")
    hall = door.enrol(gates=["Зал"], name="Зал")
    door.scan(one.ticket)
    door.scan(one.ticket, direction="exit")
    door.scan(one.ticket, hall, gate="Зал")
    door.now += timedelta(minutes=7)
    door.scan(one.ticket)
    door.scan(two.ticket)
    told = live(door)
    assert (told["arrived"], told["expected"]) == (2, 3)
    assert gates(told) == {"entrance": (2, 3, 3, 1), "Зал": (1, 2, 1, 0)}
    (entrance, _hall) = told["gates"]
    assert (entrance["minutes"][-1], entrance["minutes"][-8]) == (2, 1)
    assert (told["minutes"][-1], told["minutes"][-8]) == (1, 1)
    door.now += timedelta(hours=2)
    assert gates(live(door))["entrance"][:3] == (2, 3, 0)


def test_an_upload_of_an_hour_ago_counts_when_it_happened(door: Door) -> None:
    guest, at = door.guest(), door.now
    door.now += timedelta(minutes=20)
    door.scan(guest.ticket, scanned_at=at.isoformat(), shown="admitted")
    told = live(door)
    assert told["gates"][0]["minutes"][-21:].index(1) == 0


def test_an_arrival_taken_back_has_not_come(door: Door) -> None:
    guest = door.guest()
    door.scan(guest.ticket)
    door.record(guest, Kind.ARRIVAL_ANNULLED)
    assert (gates(live(door))["entrance"][0], live(door)["arrived"]) == (0, 0)


def test_a_gate_forgets_whose_passage_there_was_taken_back(door: Door) -> None:
    everywhere = door.enrol(gates=[], name="Обход")
    both, hall_only, walked = (
        door.guest(),
        door.guest("Петров"),
        {"last_name": "Гость", "first_name": "Без билета"},
    )
    here, there = door.a_scan(both.ticket), door.a_scan(both.ticket, gate="Зал")
    for scan in (here, there, door.a_scan(hall_only.ticket, gate="Зал")):
        door.call("/api/v1/scans", {"scans": [scan]}, everywhere)
    walk_in = {"action_id": "w" * 8, "gate": "entrance", "set_at": door.now.isoformat(), **walked}
    door.call("/api/v1/walk-ins", {"walk_ins": [walk_in]}, everywhere)
    assert gates(live(door)) == {"entrance": (2, 3, 2, 2), "Зал": (2, 3, 2, 1)}
    for number, scan in enumerate((there, here)):
        undo = {
            "action_id": f"u{number}",
            "scan_id": scan["scan_id"],
            "reason": "не тот",
            "set_at": here["scanned_at"],
        }
        door.call("/api/v1/annulments", {"annulments": [undo]}, everywhere)
        assert gates(live(door))["Зал"][:3] == (1, 3 - number, 1)
    assert gates(live(door))["entrance"][:3] == (1, 3, 1)
    door.now += timedelta(minutes=1)
    door.scan(both.ticket, everywhere, gate="Второй вход")
    assert {name: one[0] for name, one in gates(live(door)).items()} == {
        "entrance": 1,
        "Зал": 1,
        "Второй вход": 1,
    }


def test_phones_not_heard_of_are_silent_and_their_queue_is_told(door: Door) -> None:
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).values(queue=12))
    door.now += timedelta(minutes=4)
    told = live(door)
    assert [(one["name"], one["queue"]) for one in told["silent"]] == [("Вход 1", 12)]
    assert told["queued"] == 12
    assert gates(told)["entrance"][3] == 0
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).where(t.device.c.name == "Вход 1").values(revoked_at=door.now))
    assert live(door)["silent"] == []


def test_disputed_passages_are_told_with_times_and_phones(door: Door) -> None:
    guest, at, second = door.guest(), door.now, door.enrol(name="Вход 2")
    door.now += timedelta(hours=1)
    for token, minutes in ((None, 0), (second, 20)):
        moment = (at + timedelta(minutes=minutes)).isoformat()
        door.scan(guest.ticket, token, scanned_at=moment, shown="admitted")
    told = live(door)
    (case,) = told["cases"]
    assert (case["name"], case["why"], told["cases_in_all"]) == ("Иванов Пётр", "apart", 1)
    assert [one["device"] for one in case["showings"]] == ["Вход 1", "Вход 2"]


def test_only_supervisors_look_over_the_whole_door(door: Door) -> None:
    reply = door.web.get("/api/v1/live", headers={"Authorization": f"Bearer {door.token}"})
    assert (reply.status_code, reply.mimetype) == (403, "application/problem+json")
    assert door.web.get("/api/v1/live").status_code == 401
