"""The conflict desk: what becomes a case, what is told of it, how it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from smart_process import conflicts
from smart_process.conflicts import Answer, Case, Settled, Why
from smart_process.facts import Kind
from smart_process.store import tables as t
from tests.door import Door, Guest, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


def cases(door: Door) -> list[Case]:
    with door.store.reading() as tx:
        return conflicts.open_cases(tx, door.event_id)


def settle(door: Door, case: Case, answer: Answer, showing: str = "") -> None:
    with door.store.transaction() as tx:
        conflicts.settle(tx, door.event_id, case.key, answer, showing, by="user:5", now=door.now)


def shown_twice(door: Door, guest: Guest, minutes: int, **fields: object) -> None:
    """Two phones without network let the same ticket in, so many minutes apart."""
    began, second = door.now, door.enrol(name="Вход 2")
    door.now += timedelta(hours=1)
    for token, at in ((None, began), (second, began + timedelta(minutes=minutes))):
        verdict = door.scan(guest.ticket, token, scanned_at=at.isoformat(), shown="admitted", **fields)
        assert verdict["verdict"] in ("admitted", "conflict")


@pytest.mark.parametrize(("minutes", "why"), [(1, Why.TOGETHER), (20, Why.APART)])
def test_one_ticket_at_two_phones_is_one_case_with_both_times(door: Door, minutes: int, why: Why) -> None:
    guest = door.guest()
    shown_twice(door, guest, minutes)
    (case,) = cases(door)
    assert (case.why, case.gap) == (why, timedelta(minutes=minutes))
    assert [one.device for one in case.showings] == ["Вход 1", "Вход 2"]
    assert case.participation_id == guest.id


def test_leaving_it_is_a_fact_and_ends_the_case(door: Door) -> None:
    guest = door.guest()
    shown_twice(door, guest, 1)
    (case,) = cases(door)
    settle(door, case, Answer.SAME)
    assert cases(door) == []
    (decided,) = door.facts(guest, Kind.CASE_SETTLED)
    assert (decided.actor, decided.data) == ("user:5", {"case": case.key, "answer": "same"})
    assert door.seat(guest).arrived_at == case.showings[0].at
    with pytest.raises(Settled):
        settle(door, case, Answer.SAME)


@pytest.mark.parametrize("which", [0, 1])
def test_either_passage_can_be_taken_back(door: Door, which: int) -> None:
    guest = door.guest()
    shown_twice(door, guest, 20)
    (case,) = cases(door)
    settle(door, case, Answer.ANNUL, case.showings[which].key)
    assert cases(door) == []
    assert door.seat(guest).arrived_at == case.showings[1 - which].at


def test_a_cancelled_guest_let_in_offline_can_be_put_out_again(door: Door) -> None:
    guest = door.guest()
    door.record(guest, Kind.CANCELLED)
    assert door.scan(guest.ticket, shown="admitted")["verdict"] == "conflict"
    (case,) = cases(door)
    assert (case.why, len(case.showings)) == (Why.CANCELLED, 1)
    settle(door, case, Answer.ANNUL, case.showings[0].key)
    assert (door.seat(guest).arrived_at, cases(door)) == (None, [])


def test_a_closed_session_passed_twice_is_a_case_of_its_own(door: Door) -> None:
    hall = [{"name": "hall", "kind": "session", "flag": "closed_session", "reentry": False}]
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.event).values(gates=hall))
        tx.execute(sa.update(t.device).values(gates=["hall"]))
    guest = door.guest()
    began, second = door.now, door.enrol(gates=["hall"], name="Зал 2")
    door.now += timedelta(hours=1)
    door.scan(guest.ticket, gate="hall", scanned_at=began.isoformat(), shown="admitted")
    later = (began + timedelta(minutes=30)).isoformat()
    door.scan(guest.ticket, second, gate="hall", scanned_at=later, shown="admitted")
    (case,) = cases(door)
    assert [one.gate for one in case.showings] == ["hall", "hall"]
    settle(door, case, Answer.ANNUL, case.showings[1].key)
    assert cases(door) == []
    assert door.seat(guest).passages["hall"]["last"] == began.isoformat()


def test_an_arrival_a_supervisor_took_back_is_no_case_any_more(door: Door) -> None:
    guest = door.guest()
    door.record(guest, Kind.CANCELLED)
    supervisor = door.enrol(role="supervise")
    scan = door.a_scan(guest.ticket, shown="admitted")
    door.call("/api/v1/scans", {"scans": [scan]})
    undo = {"action_id": "a1", "scan_id": scan["scan_id"], "reason": "ошибка", "set_at": door.now.isoformat()}
    door.call("/api/v1/annulments", {"annulments": [undo]}, supervisor)
    assert cases(door) == []


@pytest.mark.parametrize("showing", ["", "scan:9:x"])
def test_only_a_passage_of_the_case_can_be_taken_back(door: Door, showing: str) -> None:
    guest = door.guest()
    shown_twice(door, guest, 1)
    (case,) = cases(door)
    with pytest.raises(Settled):
        settle(door, case, Answer.ANNUL, showing)
    assert len(cases(door)) == 1


def reopen(door: Door, key: str) -> None:
    with door.store.transaction() as tx:
        conflicts.reopen(tx, door.event_id, key, by="user:6", now=door.now)


@pytest.mark.parametrize("which", [0, 1])
def test_a_decision_can_be_taken_back_and_made_again(door: Door, which: int) -> None:
    guest = door.guest()
    shown_twice(door, guest, 20)
    (case,) = cases(door)
    first = case.showings[0].at
    settle(door, case, Answer.ANNUL, case.showings[which].key)
    with door.store.reading() as tx:
        (decided,) = conflicts.decided_cases(tx, door.event_id)
    assert (decided.key, decided.answer, decided.by) == (case.key, Answer.ANNUL, "user:5")
    reopen(door, case.key)
    assert cases(door) == [case]
    assert door.seat(guest).arrived_at == first
    with door.store.reading() as tx:
        assert conflicts.decided_cases(tx, door.event_id) == []
    with pytest.raises(Settled):
        reopen(door, case.key)
    settle(door, case, Answer.ANNUL, case.showings[1 - which].key)
    assert (cases(door), door.seat(guest).arrived_at) == ([], case.showings[which].at)
    assert [one.actor for one in door.facts(guest, Kind.CASE_SETTLED)] == ["user:5", "user:5"]


def test_a_session_given_again_has_its_flag_again(door: Door) -> None:
    hall = [{"name": "hall", "kind": "session", "flag": "closed_session", "reentry": False}]
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.event).values(gates=hall))
        tx.execute(sa.update(t.device).values(gates=["hall"]))
    guest = door.guest()
    door.record(guest, Kind.CANCELLED)
    door.scan(guest.ticket, gate="hall", shown="admitted")
    (case,) = cases(door)
    before = door.seat(guest)
    settle(door, case, Answer.ANNUL, case.showings[0].key)
    after = door.seat(guest)
    assert (after.flags, after.passages, after.arrived_at) == ({}, {}, None)
    reopen(door, case.key)
    again = door.seat(guest)
    assert (again.flags, again.passages) == ({"closed_session": True}, before.passages)
    assert again.arrived_at == before.arrived_at


@pytest.mark.parametrize("key", ["", "scan:9:x"])
def test_only_a_decided_case_can_be_opened_again(door: Door, key: str) -> None:
    guest = door.guest()
    shown_twice(door, guest, 1)
    with pytest.raises(Settled):
        reopen(door, key or cases(door)[0].key)
