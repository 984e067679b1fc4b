"""Flags, annulments, walk-ins and the name search of a device."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from smart_process.facts import Kind
from smart_process.store import sync
from smart_process.store import tables as t
from smart_process.sync.merging import join
from tests.door import NOW, Door, Guest, add_event, add_guest, add_portal, at_once, open_door


@pytest.fixture
def any_door(either_store: Store) -> Door:
    return open_door(either_store)


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


def a_flag(guest: Guest, **fields: Any) -> dict[str, Any]:
    return {
        "action_id": secrets.token_hex(8),
        "ticket": guest.ticket,
        "flag": "quote_requested",
        "on": True,
        "set_at": NOW.isoformat(),
    } | fields


def flag(door: Door, guest: Guest, token: str | None = None, **fields: Any) -> dict[str, Any]:
    return send(door, "flags", a_flag(guest, **fields), token)


def send(door: Door, kind: str, entry: Any, token: str | None = None) -> dict[str, Any]:
    reply = door.call(f"/api/v1/{kind}", {kind.replace("-", "_"): [entry]}, token)
    assert reply.status_code == 200, reply.text
    (result,) = reply.json["results"]
    return dict(result)


def kinds(door: Door, guest: Guest) -> list[str]:
    return [fact.kind.value for fact in door.facts(guest)]


def test_a_flag_after_arrival_is_a_fact_and_engages(any_door: Door) -> None:
    guest = any_door.guest()
    any_door.scan(guest.ticket)
    any_door.woken.clear()
    answer = flag(any_door, guest, action_id="tap-1")
    assert (answer["action_id"], answer["result"], answer["message"]) == ("tap-1", "done", "Записано")
    seat = any_door.seat(guest)
    assert (seat.stage, seat.flags) == ("engaged", {"quote_requested": True})
    (fact,) = any_door.facts(guest, Kind.FLAG_SET)
    assert (fact.at, fact.actor, fact.gate) == (NOW, "device:1", "entrance")
    assert any_door.woken == [any_door.portal_id]


def test_a_flag_on_somebody_not_yet_arrived_is_their_arrival_too(any_door: Door) -> None:
    guest = any_door.guest()
    stand = any_door.enrol(gates=["stand A", "stand B"], name="Стенд")
    answer = flag(any_door, guest, stand, gate="stand B")
    assert (answer["result"], answer["message"]) == ("done", "Записано, приход тоже отмечен")
    assert kinds(any_door, guest) == ["registered", "arrived", "flag_set"]
    (arrival,) = any_door.facts(guest, Kind.ARRIVED)
    assert (arrival.gate, arrival.data["source"]) == ("stand B", "flag")
    assert any_door.scan(guest.ticket)["verdict"] == "already_admitted"


def test_the_same_action_again_changes_nothing(any_door: Door) -> None:
    guest = any_door.guest()
    entry = a_flag(guest, note="ждёт звонка", flag="product_interest", product_line="crm")
    assert send(any_door, "flags", entry)["result"] == "done"
    before = kinds(any_door, guest)
    assert send(any_door, "flags", entry)["result"] == "already"
    assert kinds(any_door, guest) == before


def test_one_action_sent_twice_at_once_is_one_fact(any_door: Door) -> None:
    guest = any_door.guest()
    entry = a_flag(guest)
    answers = at_once(*[partial(send, any_door, "flags", entry)] * 4)
    assert sorted(one["result"] for one in answers) == ["already"] * 3 + ["done"]
    assert kinds(any_door, guest) == ["registered", "arrived", "flag_set"]


def test_two_phones_flagging_one_guest_at_once_lose_nothing(any_door: Door) -> None:
    flags = ["quote_requested", "closed_session", "materials_requested", "question_asked"]
    tokens = [any_door.enrol() for _ in flags]
    guest = any_door.guest()
    at_once(*[partial(flag, any_door, guest, t, flag=f) for t, f in zip(tokens, flags, strict=True)])
    assert any_door.seat(guest).flags == dict.fromkeys(sorted(flags), True)
    assert kinds(any_door, guest).count("arrived") == 1


def test_product_lines_are_the_events_own_in_its_spelling(door: Door) -> None:
    guest = door.guest()
    for line, result in (
        ("телефония", "done"),
        ("ТЕЛЕФОНИЯ", "already"),
        ("CRM", "done"),
        ("ERP", "refused"),
    ):
        assert flag(door, guest, flag="product_interest", product_line=line)["result"] == result
    assert door.seat(guest).product_lines == ["CRM", "Телефония"]


def test_a_withdrawn_flag_is_a_fact_and_one_that_is_off_is_already(door: Door) -> None:
    guest = door.guest()
    flag(door, guest)
    assert flag(door, guest, on=False)["result"] == "done"
    assert flag(door, guest, on=False)["result"] == "already"
    assert kinds(door, guest)[-2:] == ["flag_set", "flag_withdrawn"]
    assert door.seat(guest).flags == {}


def test_notes_are_facts_and_add_up(door: Door) -> None:
    guest = door.guest()
    assert flag(door, guest, flag=None, note="просил прайс")["result"] == "done"
    assert flag(door, guest, note=" звонить после 15 ")["result"] == "done"
    assert flag(door, guest, flag=None, note="просил прайс")["result"] == "already"
    assert door.seat(guest).note == "просил прайс\nзвонить после 15"


def test_several_flags_in_one_request_are_done_in_their_order(any_door: Door) -> None:
    one, two = any_door.guest(), any_door.guest("Петров")
    batch = [a_flag(two), a_flag(one), "?", a_flag(one, on=False), a_flag(one), a_flag(two)]
    results = any_door.call("/api/v1/flags", {"flags": batch}).json["results"]
    assert [r["result"] for r in results] == ["done", "done", "invalid", "done", "done", "already"]
    assert kinds(any_door, one) == ["registered", "arrived", "flag_set", "flag_withdrawn", "flag_set"]


def test_flags_find_people_by_participation_only_within_their_event(door: Door) -> None:
    guest = door.guest()
    neighbour = door.guest(event_id=add_event(door.store, door.portal_id))
    elsewhere = add_portal(door.store, "m2")
    stranger = add_guest(door.store, elsewhere, add_event(door.store, elsewhere))
    for who, result in ((guest, "done"), (neighbour, "refused"), (stranger, "unknown")):
        for entry in (a_flag(who, ticket=None, participation=who.id), a_flag(who, flag="question_asked")):
            answer = send(door, "flags", entry)
            assert answer["result"] == result
            assert (answer["person"] is None) is (result != "done")
    assert kinds(door, neighbour) == kinds(door, stranger) == ["registered"]


@pytest.mark.parametrize(
    "broken",
    [
        {"action_id": None},
        {"action_id": ""},
        {"action_id": "a" * 65},
        {"ticket": None},
        {"flag": "no_such_flag"},
        {"flag": None},
        {"flag": 5},
        {"on": "yes"},
        {"on": None},
        {"note": ["x"]},
        {"note": "x" * 3000},
        {"set_at": "now"},
        {"product_line": {}},
    ],
)
def test_an_unreadable_flag_is_invalid_and_changes_nothing(door: Door, broken: dict[str, Any]) -> None:
    guest = door.guest()
    assert send(door, "flags", a_flag(guest) | broken)["result"] == "invalid"
    assert kinds(door, guest) == ["registered"]


def annul(door: Door, scan_id: str | None, token: str | None = None, **fields: Any) -> dict[str, Any]:
    entry = {
        "action_id": secrets.token_hex(8),
        "scan_id": scan_id,
        "reason": "не тот гость",
        "set_at": door.now.isoformat(),
    }
    return send(door, "annulments", entry | fields, token)


def test_an_own_scan_is_taken_back_and_the_ticket_admits_again(any_door: Door) -> None:
    guest = any_door.guest()
    scan_id = any_door.scan(guest.ticket)["scan_id"]
    answer = annul(any_door, scan_id)
    assert (answer["result"], answer["message"]) == ("done", "Приход отменён")
    assert (any_door.seat(guest).stage, any_door.seat(guest).arrived_at) == ("registered", None)
    assert annul(any_door, scan_id)["result"] == "already"
    assert any_door.facts(guest, Kind.ARRIVAL_ANNULLED)[0].data["reason"] == "не тот гость"
    assert any_door.scan(guest.ticket)["verdict"] == "admitted"


def test_an_arrival_after_an_annulment_of_all_can_be_taken_back(door: Door) -> None:
    guest = door.guest()
    door.scan(guest.ticket)
    door.record(guest, Kind.ARRIVAL_ANNULLED)
    scan_id = door.scan(guest.ticket)["scan_id"]
    assert annul(door, scan_id)["result"] == "done"
    assert door.seat(guest).arrived_at is None


def test_later_or_for_another_phones_scan_it_takes_a_supervisor(door: Door) -> None:
    guest, supervisor = door.guest(), door.enrol(role="supervise")
    scan_id = door.scan(guest.ticket)["scan_id"]
    assert annul(door, scan_id, door.enrol())["result"] == "refused"
    door.now += timedelta(minutes=3)
    assert annul(door, scan_id)["result"] == "refused"
    assert door.seat(guest).stage == "arrived"
    assert annul(door, scan_id, supervisor)["result"] == "done"
    assert door.seat(guest).stage == "registered"


def test_an_annulled_scan_leaves_another_arrival_standing(door: Door) -> None:
    guest = door.guest()
    door.scan(guest.ticket, door.enrol())
    scan_id = door.scan(guest.ticket, shown="admitted")["scan_id"]
    answer = annul(door, scan_id)
    assert (answer["result"], answer["message"]) == ("done", "Скан отменён, но есть и другой приход")
    assert door.seat(guest).stage == "arrived"


def test_a_scan_of_a_card_merged_since_is_taken_back_where_the_guest_is_now(any_door: Door) -> None:
    old, stays = any_door.guest(), any_door.guest()
    scan_id = any_door.scan(old.ticket)["scan_id"]
    with any_door.store.transaction() as tx:
        rows = {row["id"]: row for row in sync.participations(tx, [old.id, stays.id])}
        join(tx, any_door.portal_id, rows[stays.id], rows[old.id], any_door.now)
    assert any_door.seat(stays).stage == "arrived"
    assert annul(any_door, scan_id)["result"] == "done"
    assert (any_door.seat(stays).stage, any_door.seat(stays).arrived_at) == ("registered", None)
    assert annul(any_door, scan_id)["result"] == "already"
    any_door.scan(old.ticket)
    supervisor = any_door.enrol(role="supervise")
    everything = annul(any_door, None, supervisor, participation=old.id)
    assert (everything["result"], any_door.seat(stays).arrived_at) == ("done", None)


def test_scans_that_let_nobody_in_or_never_were_cannot_be_taken_back(door: Door) -> None:
    guest = door.guest()
    door.scan(guest.ticket)
    repeated = door.scan(guest.ticket)["scan_id"]
    assert annul(door, repeated)["result"] == "refused"
    assert annul(door, secrets.token_hex(16))["result"] == "unknown"
    assert annul(door, "abc")["result"] == "invalid"
    assert annul(door, "a" * 32, reason=5)["result"] == "invalid"
    other = door.enrol(event_id=add_event(door.store, door.portal_id), role="supervise")
    assert annul(door, repeated, other)["result"] == "unknown"
    assert door.seat(guest).stage == "arrived"


def a_walk_in(**fields: Any) -> dict[str, Any]:
    return {
        "action_id": secrets.token_hex(8),
        "last_name": "Сергеева",
        "first_name": "Анна",
        "company": "ТОО «Луч»",
        "phone": "8 701 123-45-67",
        "email": "anna@example.com",
    } | fields


def test_a_walk_in_is_registered_arrived_and_gets_a_ticket(any_door: Door) -> None:
    answer = send(any_door, "walk-ins", a_walk_in(action_id="w1", host="Ержан"))
    assert (answer["action_id"], answer["result"]) == ("w1", "done")
    guest = Guest(answer["person"]["participation"], answer["ticket"], 0)
    seat = any_door.seat(guest)
    assert (seat.stage, seat.source, seat.gate, seat.ticket) == (
        "arrived",
        "walk_in",
        "entrance",
        answer["ticket"],
    )
    assert kinds(any_door, guest) == ["registered", "arrived"]
    assert any_door.facts(guest)[0].data["host"] == "Ержан"
    with any_door.store.reading() as tx:
        person = tx.execute(sa.select(t.person).where(t.person.c.id == seat.person_id)).one()
    assert (person.phone, person.email, person.company_name) == (
        "+77011234567",
        "anna@example.com",
        "ТОО «Луч»",
    )
    assert any_door.scan(answer["ticket"])["verdict"] == "already_admitted"
    assert ("person", str(seat.person_id)) in {mark[:2] for mark in any_door.marks()}


def test_a_walk_in_sent_again_or_at_once_is_one_guest(any_door: Door) -> None:
    entry = a_walk_in()
    answers = at_once(*[partial(send, any_door, "walk-ins", entry)] * 3)
    assert sorted(one["result"] for one in answers) == ["already", "already", "done"]
    assert len({one["ticket"] for one in answers}) == 1
    assert len(any_door.call("/api/v1/walk-ins", {"walk_ins": [entry, entry]}).json["results"]) == 2
    with any_door.store.reading() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(t.participation)) == 1


def test_somebody_on_the_list_who_walks_in_just_arrives(door: Door) -> None:
    listed = door.guest("Сергеева", first_name="Анна", email="anna@example.com")
    answer = send(door, "walk-ins", a_walk_in())
    assert (answer["ticket"], answer["message"]) == (
        listed.ticket,
        "Гость уже был в списке, приход отмечен",
    )
    assert (door.seat(listed).stage, door.seat(listed).source) == ("arrived", "page")


@pytest.mark.parametrize(
    "broken",
    [
        {"last_name": ""},
        {"first_name": None},
        {"last_name": "x" * 200},
        {"phone": "позвоню сам"},
        {"email": "not an address"},
        {"set_at": "now"},
        {"action_id": None},
    ],
)
def test_an_unreadable_walk_in_is_invalid_and_makes_nobody(door: Door, broken: dict[str, Any]) -> None:
    answer = send(door, "walk-ins", a_walk_in() | broken)
    assert answer["result"] == "invalid"
    with door.store.reading() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(t.person)) == 0


def search(door: Door, query: str, token: str | None = None) -> list[str]:
    reply = door.web.get(
        "/api/v1/people",
        query_string={"q": query},
        headers={"Authorization": f"Bearer {token or door.token}"},
    )
    assert reply.status_code == 200, reply.text
    assert reply.json is not None
    return [one["last_name"] for one in reply.json["people"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("серг", ["Сергеева"]),
        ("АННА серге", ["Сергеева"]),
        ("геев анн", ["Сергеева"]),
        ("луч", ["Сергеева"]),
        ("семенов", ["Семёнов"]),
        ("Семён", ["Семёнов"]),
        ("sergeeva", ["Сергеева"]),
        ("zzz", []),
        ("ромашка", ["Семёнов"]),
        ("луч семёнов", []),
        ("45-67", ["Сергеева"]),
        ("8 (701) 123 45 67", ["Сергеева"]),
        ("4568", []),
    ],
)
def test_people_are_found_by_parts_in_any_order_whatever_case(
    door: Door, query: str, found: list[str]
) -> None:
    door.guest("Сергеева", first_name="Анна", company_name="ТОО «Луч»", phone="+77011234567")
    door.guest("Семёнов", first_name="Олег")
    door.guest("Сергеева", event_id=add_event(door.store, door.portal_id))
    assert search(door, query) == found


def test_those_still_expected_come_first_and_at_most_20(door: Door) -> None:
    for n in range(25):
        guest = door.guest(f"Алиев{n:02}")
        if n < 10:
            door.scan(guest.ticket)
    found = search(door, "алиев")
    assert len(found) == 20
    assert found[0] == "Алиев10"
    assert found[15] == "Алиев00"


@pytest.mark.parametrize("query", ["", "а", " а ", "x" * 101])
def test_a_search_needs_two_letters(door: Door, query: str) -> None:
    reply = door.web.get(
        "/api/v1/people", query_string={"q": query}, headers={"Authorization": f"Bearer {door.token}"}
    )
    assert (reply.status_code, reply.mimetype) == (400, "application/problem+json")


@pytest.mark.parametrize(("role", "result"), [("supervise", "done"), ("scan", "refused")])
def test_a_supervisor_takes_back_whoever_noted_the_arrival(door: Door, role: str, result: str) -> None:
    guest = door.guest()
    door.scan(guest.ticket)
    undo = {
        "action_id": "s1",
        "participation": guest.id,
        "reason": "не тот гость",
        "set_at": door.now.isoformat(),
    }
    token = door.enrol(role=role)
    (answer,) = door.call("/api/v1/annulments", {"annulments": [undo]}, token).json["results"]
    assert answer["result"] == result
    assert (door.seat(guest).arrived_at is None) is (result == "done")
    assert len(door.facts(guest, Kind.ARRIVAL_ANNULLED)) == (result == "done")
