"""The journal: facts once, projections from all of them, marks in the same transaction – on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from smart_process.facts import Kind, NewFact, Stage
from smart_process.people import Identity
from smart_process.store import journal, participations
from smart_process.store import tables as t
from smart_process.store.people import find_or_add_person
from tests.guest_world import NOW, GuestWorld


@pytest.fixture
def seat(guests_anywhere: GuestWorld) -> int:
    """A participation without facts; no marks wait."""
    world = guests_anywhere
    with world.store.transaction() as tx:
        person_id = find_or_add_person(tx, world.portal_id, Identity("Ли", "Ким", "li@x.example"), NOW)
        pid = journal.add_participation(
            tx, portal_id=world.portal_id, event_id=world.event_id, person_id=person_id
        )
        tx.execute(sa.text("DELETE FROM mark"))
    assert pid is not None
    return pid


def arrived(key: str = "scan:1:a", minutes: int = 0) -> NewFact:
    return NewFact(Kind.ARRIVED, NOW + timedelta(minutes=minutes), "device:1", key, "Вход", {"device": "Т1"})


def record(world: GuestWorld, pid: int, *facts: NewFact, shadowed: bool = False) -> bool:
    with world.store.transaction() as tx:
        return bool(journal.record(tx, {pid: facts}, now=NOW, shadowed=shadowed))


def row(world: GuestWorld, pid: int) -> sa.Row[tuple[object, ...]]:
    (found,) = world.rows(t.participation, t.participation.c.id == pid)
    return found


def test_a_fact_its_projection_and_its_marks_are_written_together(
    guests_anywhere: GuestWorld, seat: int
) -> None:
    assert record(guests_anywhere, seat, arrived())
    assert row(guests_anywhere, seat).stage == Stage.ARRIVED
    assert guests_anywhere.marked(journal.PUSH) == [str(seat)]
    assert len(guests_anywhere.marked(journal.DECIDE)) == 1


def test_the_same_key_again_is_the_same_fact_and_marks_nothing(
    guests_anywhere: GuestWorld, seat: int
) -> None:
    record(guests_anywhere, seat, arrived())
    with guests_anywhere.store.transaction() as tx:
        tx.execute(sa.text("DELETE FROM mark"))
    assert not record(guests_anywhere, seat, arrived(minutes=5))
    assert len(guests_anywhere.rows(t.fact)) == 1
    assert row(guests_anywhere, seat).arrived_at == NOW
    assert guests_anywhere.marked(journal.PUSH) == []


def test_one_key_twice_in_one_recording_is_one_fact(guests_anywhere: GuestWorld, seat: int) -> None:
    record(guests_anywhere, seat, arrived(), arrived(minutes=3))
    (fact,) = guests_anywhere.rows(t.fact)
    assert fact.at == NOW


def test_a_failed_transaction_leaves_neither_fact_nor_mark(guests_anywhere: GuestWorld, seat: int) -> None:
    def broken() -> None:
        with guests_anywhere.store.transaction() as tx:
            journal.record(tx, {seat: [arrived()]}, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert guests_anywhere.rows(t.fact) == []
    assert guests_anywhere.marked(journal.PUSH) == []
    assert row(guests_anywhere, seat).stage == Stage.SELECTED


def test_what_the_portal_has_already_is_not_marked_to_be_pushed(
    guests_anywhere: GuestWorld, seat: int
) -> None:
    removed = NewFact(Kind.REMOVED, NOW, "portal", "crm:1:removed")
    record(guests_anywhere, seat, removed, shadowed=True)
    assert guests_anywhere.marked(journal.PUSH) == []
    assert row(guests_anywhere, seat).cancelled
    assert len(guests_anywhere.marked(journal.DECIDE)) == 1


def test_two_writers_at_once_lose_no_fact(guests_anywhere: GuestWorld, seat: int) -> None:
    """Each projects with the other's fact, whoever comes second."""
    flags = ("question_asked", "materials_requested", "closed_session", "quote_requested")
    facts = [NewFact(Kind.FLAG_SET, NOW, "device:1", f"action:{one}", data={"flag": one}) for one in flags]
    threads = [threading.Thread(target=record, args=(guests_anywhere, seat, fact)) for fact in facts]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert len(guests_anywhere.rows(t.fact)) == len(flags)
    assert set(row(guests_anywhere, seat).flags) == set(flags)


def test_a_participation_is_made_once_per_person_and_event(guests_anywhere: GuestWorld, seat: int) -> None:
    person_id = row(guests_anywhere, seat).person_id
    with guests_anywhere.store.transaction() as tx:
        again = journal.add_participation(
            tx, portal_id=guests_anywhere.portal_id, event_id=guests_anywhere.event_id, person_id=person_id
        )
    assert again is None
    assert len(guests_anywhere.rows(t.participation)) == 1


@pytest.mark.parametrize(("company_id", "subject"), [(17, "company:17"), (None, "person:5")])
def test_rules_look_at_the_company_or_the_person_while_there_is_none(
    company_id: int | None, subject: str
) -> None:
    assert journal.subject_of(company_id, 5) == subject


def test_a_key_and_a_ticket_from_before_are_nobody_elses(guests_anywhere: GuestWorld, seat: int) -> None:
    world, before = guests_anywhere, "f" * 32
    with world.store.transaction() as tx:
        other = find_or_add_person(tx, world.portal_id, Identity("Пак", "Ан", "pak@x.example"), NOW)
        second = journal.add_participation(
            tx, portal_id=world.portal_id, event_id=world.event_id, person_id=other
        )
        assert second is not None
        participations.known_as(tx, seat, uid=before, ticket="T" * 22)
        # A copy of the card shows the same key and the same link.
        participations.known_as(tx, second, uid=before, ticket="T" * 22)
    first, copy = row(world, seat), row(world, second)
    assert (first.uid, first.ticket) == (before, "T" * 22)
    assert copy.uid != before
    assert copy.ticket != "T" * 22
