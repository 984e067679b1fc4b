"""The scans endpoint: verdicts in order, once per id, whatever is sent."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from b24.store.engine import Store
from smart_process.devices import secret_hash
from smart_process.facts import Kind
from smart_process.store import devices, journal
from tests.door import NOW, Door, Guest, add_event, add_guest, add_portal, at_once, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


@pytest.fixture
def any_door(either_store: Store) -> Door:
    return open_door(either_store)


def test_a_guest_is_admitted_and_the_arrival_is_a_fact_with_marks(any_door: Door) -> None:
    guest = any_door.guest()
    verdict = any_door.scan(guest.ticket)
    assert verdict == verdict | {
        "verdict": "admitted",
        "first_admitted_at": "2026-11-21T09:05:00+05:00",
        "person": {
            "participation": guest.id,
            "first_name": "Пётр",
            "last_name": "Иванов",
            "company": "ТОО «Ромашка»",
            "position": "директор",
            "flags": [],
            "product_lines": [],
        },
    }
    seat = any_door.seat(guest)
    assert (seat.stage, seat.arrived_at, seat.gate, seat.device) == ("arrived", NOW, "entrance", "Вход 1")
    (fact,) = any_door.facts(guest, Kind.ARRIVED)
    assert (fact.at, fact.gate, fact.actor) == (NOW, "entrance", "device:1")
    assert any_door.marks() >= {
        ("participation", str(guest.id), 0),
        ("decide", f"{any_door.event_id}:person:{guest.person_id}", 0),
    }
    assert any_door.woken == [any_door.portal_id]


def test_what_a_scan_records_is_what_the_journal_would_have_recorded(any_door: Door) -> None:
    scanned, told = any_door.guest(), any_door.guest("Петров")
    any_door.scan(scanned.ticket)
    (fact,) = any_door.facts(scanned, Kind.ARRIVED)
    with any_door.store.transaction() as tx:
        journal.record(tx, {told.id: [fact]}, now=any_door.now, priority=0)
    mine, its = any_door.seat(scanned)._asdict(), any_door.seat(told)._asdict()
    differing = {key for key in mine if mine[key] != its[key]}
    assert differing == {"id", "person_id", "uid", "ticket", "invitation"}


def test_the_second_scan_of_a_ticket_is_already_admitted_with_the_first_time(any_door: Door) -> None:
    guest = any_door.guest()
    any_door.scan(guest.ticket)
    any_door.now += timedelta(minutes=10)
    verdict = any_door.scan(guest.ticket)
    assert (verdict["verdict"], verdict["first_admitted_at"]) == (
        "already_admitted",
        "2026-11-21T09:05:00+05:00",
    )
    assert verdict["message"] == "Уже отмечен в 09:05"
    assert len(any_door.facts(guest, Kind.ARRIVED)) == 1


@pytest.mark.parametrize("respell", [str, lambda one: str(one).upper(), lambda one: _hyphens(str(one))])
def test_the_same_scan_id_again_gets_the_same_verdict_and_no_second_fact(
    any_door: Door, respell: Any
) -> None:
    guest, scan_id = any_door.guest(), secrets.token_hex(16)
    first = any_door.scan(guest.ticket, scan_id=scan_id)
    again = any_door.scan(guest.ticket, scan_id=respell(scan_id))
    assert again == first | {"scan_id": respell(scan_id)}
    assert first["verdict"] == "admitted"
    assert len(any_door.facts(guest, Kind.ARRIVED)) == 1


def _hyphens(one: str) -> str:
    return f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}"


def test_the_same_scan_id_from_another_phone_is_another_scan(door: Door) -> None:
    guest, scan_id = door.guest(), secrets.token_hex(16)
    assert door.scan(guest.ticket, scan_id=scan_id)["verdict"] == "admitted"
    assert door.scan(guest.ticket, door.enrol(), scan_id=scan_id)["verdict"] == "already_admitted"


def test_one_batch_is_judged_in_its_order_with_repeats_and_unreadable_entries(any_door: Door) -> None:
    one, two = any_door.guest(), any_door.guest("Петров")
    first = any_door.a_scan(one.ticket)
    batch = [
        any_door.a_scan(two.ticket),
        first,
        any_door.a_scan(one.ticket),
        first | {"scan_id": _hyphens(first["scan_id"])},
        "?",
        any_door.a_scan("x" * 22),
    ]
    verdicts = any_door.call("/api/v1/scans", {"scans": batch}).json["verdicts"]
    assert [one["verdict"] for one in verdicts] == [
        "admitted",
        "admitted",
        "already_admitted",
        "admitted",
        "invalid",
        "unknown",
    ]
    assert [one["scan_id"] for one in verdicts[:4]] == [one["scan_id"] for one in batch[:4]]  # type: ignore[index]
    again = any_door.call("/api/v1/scans", {"scans": batch}).json["verdicts"]
    assert again == verdicts


def test_a_batch_of_200_is_taken_and_one_of_201_is_not(any_door: Door) -> None:
    guests = [any_door.guest(f"Гость{n}") for n in range(3)]
    scans = [any_door.a_scan(guests[n % 3].ticket) for n in range(201)]
    refused = any_door.call("/api/v1/scans", {"scans": scans})
    assert (refused.status_code, refused.mimetype) == (413, "application/problem+json")
    assert any_door.facts(guests[0], Kind.ARRIVED) == []
    verdicts = any_door.call("/api/v1/scans", {"scans": scans[:200]}).json["verdicts"]
    assert [one["verdict"] for one in verdicts] == ["admitted"] * 3 + ["already_admitted"] * 197


@pytest.mark.parametrize(
    "form",
    [
        "{ticket}",
        " {ticket}\n",
        "https://app.example/t/{ticket}",
        "https://other.example/sub/t/{ticket}?lang=kk",
    ],
)
def test_a_ticket_is_read_as_a_token_or_as_its_link(door: Door, form: str) -> None:
    assert door.scan(form.format(ticket=door.guest().ticket))["verdict"] == "admitted"


@pytest.mark.parametrize(
    "code",
    [
        "WIFI:S:hall;P:1;;",
        "x",
        "https://app.example/t/",
        "https://evil.example/x?/t/abc",
        "я" * 3000,
        "'; --",
    ],
)
def test_a_code_that_is_no_ticket_is_unknown_without_a_person(door: Door, code: str) -> None:
    verdict = door.scan(code)
    assert (verdict["verdict"], verdict["person"], verdict["first_admitted_at"]) == ("unknown", None, None)


def test_somebody_found_by_name_is_admitted_without_a_ticket(door: Door) -> None:
    guest = door.guest()
    scan = {key: value for key, value in door.a_scan("").items() if key != "ticket"}
    reply = door.call("/api/v1/scans", {"scans": [scan | {"participation": guest.id}]})
    assert reply.json["verdicts"][0]["verdict"] == "admitted"


def test_a_ticket_of_another_event_is_wrong_event_and_of_another_portal_unknown(any_door: Door) -> None:
    other_event = add_event(any_door.store, any_door.portal_id)
    elsewhere = add_portal(any_door.store, "m2")
    neighbour = any_door.guest(event_id=other_event)
    stranger = add_guest(any_door.store, elsewhere, add_event(any_door.store, elsewhere))
    for guest, expected in ((neighbour, "wrong_event"), (stranger, "unknown")):
        for shown in ("", "admitted"):
            verdict = any_door.scan(guest.ticket, shown=shown)
            assert (verdict["verdict"], verdict["person"]) == (expected, None)
        scan = any_door.a_scan("") | {"ticket": None, "participation": guest.id}
        by_id = any_door.call("/api/v1/scans", {"scans": [scan]}).json["verdicts"][0]
        assert (by_id["verdict"], by_id["person"]) == (expected, None)
        assert any_door.facts(guest, Kind.ARRIVED) == []


def test_a_gate_the_phone_does_not_serve_is_the_wrong_gate(door: Door) -> None:
    guest = door.guest()
    verdict = door.scan(guest.ticket, gate="hall")
    assert verdict["verdict"] == "wrong_gate"
    assert verdict["person"]["participation"] == guest.id
    assert door.facts(guest, Kind.ARRIVED) == []
    assert door.scan(guest.ticket, door.enrol(gates=[]), gate="hall")["verdict"] == "admitted"


def test_cancelled_tickets_are_cancelled(door: Door) -> None:
    guest, gone = door.guest(), door.guest("Петров")
    door.record(guest, Kind.CANCELLED)
    door.record(gone, Kind.REMOVED)
    assert door.scan(guest.ticket)["verdict"] == "cancelled"
    assert door.scan(gone.ticket)["verdict"] == "cancelled"
    late = door.guest(event_id=add_event(door.store, door.portal_id, stage="cancelled"))
    token = door.enrol(event_id=door.seat(late).event_id)
    assert door.scan(late.ticket, token)["verdict"] == "cancelled"


@pytest.mark.parametrize("refusal", ["already_admitted", "cancelled", "wrong_gate"])
def test_a_person_let_in_offline_is_a_fact_even_when_the_server_would_refuse(
    any_door: Door, refusal: str
) -> None:
    guest, gate = any_door.guest(), "entrance"
    if refusal == "already_admitted":
        any_door.scan(guest.ticket, any_door.enrol())
    elif refusal == "cancelled":
        any_door.record(guest, Kind.CANCELLED)
    else:
        gate = "hall"
    before = len(any_door.facts(guest, Kind.ARRIVED))
    verdict = any_door.scan(guest.ticket, shown="admitted", gate=gate)
    assert (verdict["verdict"], verdict["person"]["participation"]) == ("conflict", guest.id)
    arrivals = any_door.facts(guest, Kind.ARRIVED)
    assert len(arrivals) == before + 1
    assert arrivals[-1].data["conflict"] == refusal
    assert any_door.seat(guest).stage == "arrived"


def test_a_refusal_the_phone_showed_itself_stays_a_refusal(door: Door) -> None:
    guest = door.guest()
    door.record(guest, Kind.CANCELLED)
    assert door.scan(guest.ticket, shown="cancelled")["verdict"] == "cancelled"
    assert door.facts(guest, Kind.ARRIVED) == []


ABSURD_TIMES = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "1970-01-01T00:00:00Z",
    "2038-01-19T03:14:08Z",
    "2026-02-30T25:61:61+05:00",
    "0000-00-00T00:00:00Z",
]


# One database for all cases: making one takes longer than judging a scan.
def test_an_absurd_time_never_refuses_and_is_stored_as_our_own(any_door: Door) -> None:
    for number, scanned_at in enumerate(ABSURD_TIMES):
        guest = any_door.guest(f"Гость{number}")
        scan = any_door.a_scan(guest.ticket, scanned_at=scanned_at)
        for sent_at in (None, scanned_at):
            reply = any_door.call("/api/v1/scans", {"scans": [scan], "sent_at": sent_at})
            assert reply.json["verdicts"][0]["verdict"] == "admitted", scanned_at
        assert any_door.seat(guest).arrived_at == NOW, scanned_at


@pytest.mark.parametrize(
    ("scanned", "sent", "expected"),
    [
        (timedelta(minutes=-3), None, timedelta(minutes=-3)),
        (timedelta(minutes=-3), timedelta(seconds=5), timedelta(minutes=-3)),
        (timedelta(hours=5, minutes=-3), timedelta(hours=5), timedelta(minutes=-3)),
        (timedelta(hours=-7, minutes=-3), timedelta(hours=-7), timedelta(minutes=-3)),
        (timedelta(minutes=20), None, timedelta()),
        (timedelta(days=-3), None, timedelta()),
    ],
)
def test_a_wrong_clock_is_corrected_by_its_skew(
    door: Door, scanned: timedelta, sent: timedelta | None, expected: timedelta
) -> None:
    guest = door.guest()
    scan = door.a_scan(guest.ticket, scanned_at=(NOW + scanned).isoformat())
    door.call("/api/v1/scans", {"scans": [scan], "sent_at": (NOW + sent).isoformat() if sent else None})
    assert door.seat(guest).arrived_at == NOW + expected


def test_the_earliest_arrival_wins_also_when_it_is_learned_late(any_door: Door) -> None:
    guest = any_door.guest()
    any_door.scan(guest.ticket)
    any_door.now += timedelta(hours=1)
    early = (NOW - timedelta(minutes=30)).isoformat()
    verdict = any_door.scan(guest.ticket, any_door.enrol(name="Вход 2"), scanned_at=early)
    assert (verdict["verdict"], verdict["first_admitted_at"]) == (
        "already_admitted",
        "2026-11-21T09:05:00+05:00",
    )
    seat = any_door.seat(guest)
    assert (seat.arrived_at, seat.device) == (NOW - timedelta(minutes=30), "Вход 2")


@pytest.mark.parametrize(
    "broken",
    [
        {"scan_id": None},
        {"scan_id": 7},
        {"scan_id": "abc"},
        {"scan_id": "g" * 32},
        {"scan_id": "a" * 33},
        {"scan_id": {"a": 1}},
        {"ticket": None},
        {"ticket": ""},
        {"ticket": 5},
        {"ticket": "a" * 5000},
        {"ticket": "\u0000"},
        {"ticket": None, "participation": "7"},
        {"ticket": None, "participation": True},
        {"ticket": None, "participation": -1},
        {"ticket": None, "participation": 10**30},
        {"gate": 5},
        {"gate": "a" * 65},
        {"scanned_at": None},
        {"scanned_at": 1700000000},
        {"scanned_at": "yesterday"},
        {"scanned_at": "2026-11-21T09:05:00"},
        {"direction": "sideways"},
    ],
)
def test_one_unreadable_scan_is_invalid_and_the_others_are_judged(door: Door, broken: dict[str, Any]) -> None:
    guest = door.guest()
    scan = door.a_scan(guest.ticket) | broken
    verdicts = door.call("/api/v1/scans", {"scans": [scan, door.a_scan(guest.ticket)]}).json["verdicts"]
    assert [one["verdict"] for one in verdicts] == ["invalid", "admitted"]
    assert verdicts[0] == verdicts[0] | {"scan_id": scan["scan_id"], "person": None}


@pytest.mark.parametrize("entry", [None, 5, "x", [], ["a"], {}])
def test_an_entry_that_is_no_scan_at_all_is_invalid(door: Door, entry: Any) -> None:
    (verdict,) = door.call("/api/v1/scans", {"scans": [entry]}).json["verdicts"]
    assert (verdict["scan_id"], verdict["verdict"], verdict["person"]) == (None, "invalid", None)


@pytest.mark.parametrize(
    ("told", "status"), [("NaN", 400), ('{"a": -Infinity}', 400), ("1e999", 200), ('{"a": [1e999]}', 200)]
)
def test_an_answer_is_json_whatever_numbers_were_sent(door: Door, told: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {door.token}"}
    for path, key in (("scans", "scan_id"), ("flags", "action_id")):
        body = f'{{"{path}": [{{"{key}": {told}}}]}}'
        reply = door.web.post(f"/api/v1/{path}", data=body, headers=headers)
        assert reply.status_code == status
        json.loads(reply.text, parse_constant=pytest.fail)


STRANGE: list[dict[str, Any]] = [
    {"gate": "entrance\u0000"},
    {"gate": "\ud800entrance"},
    {"ticket": "\ud800"},
    {"shown": 5},
    {"shown": "whatever"},
    {"shown": {"a": []}},
    {"extra": "field"},
    {"scanned_at": "2026-11-21t09:05:00.123456789z"},
]


def test_strange_values_are_never_a_server_error(any_door: Door) -> None:
    for number, strange in enumerate(STRANGE):
        scan = any_door.a_scan(any_door.guest(f"Гость{number}").ticket) | strange
        (verdict,) = any_door.call("/api/v1/scans", {"scans": [scan]}).json["verdicts"]
        assert verdict["verdict"] == ("invalid" if "ticket" in strange else "admitted"), strange


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"scans": {}}',
        b'{"scans": []}',
        b'{"scans": "x"}',
        b"\xff\xfe",
        b'{"scans": [' + b"[" * 50_000,
        b'{"scans": ' + b"9" * 5_000 + b"}",
        b"scans=1",
    ],
)
def test_an_unreadable_envelope_is_400_as_a_problem_document(door: Door, body: bytes) -> None:
    reply = door.web.post("/api/v1/scans", data=body, headers={"Authorization": f"Bearer {door.token}"})
    assert (reply.status_code, reply.mimetype) == (400, "application/problem+json")
    assert reply.json is not None
    assert reply.json["type"].endswith("unreadable")
    assert set(reply.json) >= {"type", "title", "status", "detail"}


def test_a_huge_body_is_413(door: Door) -> None:
    scan = door.a_scan("x") | {"ticket": "x" * 1_100_000}
    assert door.call("/api/v1/scans", {"scans": [scan]}).status_code == 413


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic eDp5", "Bearer \u00e9", "token"]
)
def test_without_a_valid_token_nothing_is_told_or_changed(door: Door, header: str) -> None:
    guest = door.guest()
    for path in ("scans", "flags", "annulments", "walk-ins"):
        reply = door.web.post(
            f"/api/v1/{path}",
            json={"scans": [door.a_scan(guest.ticket)]},
            headers={"Authorization": header} if header else {},
        )
        assert (reply.status_code, reply.mimetype) == (401, "application/problem+json")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert door.facts(guest, Kind.ARRIVED) == []


def test_an_expired_phone_is_refused(door: Door) -> None:
    guest = door.guest()
    door.now = NOW + timedelta(days=3)
    assert door.call("/api/v1/scans", {"scans": [door.a_scan(guest.ticket)]}).status_code == 401


def test_a_revoked_phone_gets_verdicts_revoked_and_learns_nothing(door: Door) -> None:
    guest = door.guest()
    with door.store.transaction() as tx:
        found = devices.by_token_hash(tx, secret_hash(door.token))
        assert found
        assert devices.revoke(tx, door.portal_id, found.id, now=door.now)
        assert not devices.revoke(tx, door.portal_id, found.id, now=door.now)
    for shown in ("", "admitted"):
        verdict = door.scan(guest.ticket, shown=shown)
        assert (verdict["verdict"], verdict["person"], verdict["first_admitted_at"]) == (
            "revoked",
            None,
            None,
        )
    assert door.facts(guest, Kind.ARRIVED) == []
    assert door.call("/api/v1/flags", {"flags": [{}]}).status_code == 403


def test_the_last_contact_is_written_once_a_minute(door: Door) -> None:
    def seen() -> Any:
        with door.store.reading() as tx:
            found = devices.by_token_hash(tx, secret_hash(door.token))
            return found and found.last_seen_at

    door.now = NOW + timedelta(seconds=59)
    door.scan(door.guest().ticket)
    assert seen() == NOW
    door.now = NOW + timedelta(seconds=60)
    door.scan(door.guest("Петров").ticket)
    assert seen() == door.now


def test_two_phones_with_one_ticket_at_once_admit_one_person(any_door: Door) -> None:
    tokens = [any_door.enrol(name=f"Вход {n}") for n in range(4)]
    for round_ in range(5):
        guest = any_door.guest(f"Гость{round_}")
        verdicts = at_once(*(partial(any_door.scan, guest.ticket, token) for token in tokens))
        assert sorted(one["verdict"] for one in verdicts) == ["admitted"] + ["already_admitted"] * 3
        assert len(any_door.facts(guest, Kind.ARRIVED)) == 1
        assert {one["first_admitted_at"] for one in verdicts} == {"2026-11-21T09:05:00+05:00"}


def test_one_scan_sent_twice_at_once_gets_one_verdict(any_door: Door) -> None:
    for round_ in range(5):
        guest = any_door.guest(f"Гость{round_}")
        scan_id = secrets.token_hex(16)
        verdicts = at_once(*[partial(any_door.scan, guest.ticket, scan_id=scan_id)] * 4)
        assert {one["verdict"] for one in verdicts} == {"admitted"}
        assert len(any_door.facts(guest, Kind.ARRIVED)) == 1


def test_batches_in_opposite_order_at_once_lose_nothing(any_door: Door) -> None:
    guests = [any_door.guest(f"Гость{n}", company_id=n % 3 + 1) for n in range(20)]
    tokens = [any_door.enrol(name=f"Вход {n}") for n in range(2)]

    def send(token: str, order: list[Guest]) -> list[str]:
        scans = [any_door.a_scan(guest.ticket) for guest in order]
        reply = any_door.call("/api/v1/scans", {"scans": scans}, token)
        return [one["verdict"] for one in reply.json["verdicts"]]

    answers = at_once(lambda: send(tokens[0], guests), lambda: send(tokens[1], list(reversed(guests))))
    assert sorted(answers[0] + answers[1]) == ["admitted"] * 20 + ["already_admitted"] * 20
    assert all(len(any_door.facts(guest, Kind.ARRIVED)) == 1 for guest in guests)


@pytest.mark.parametrize(
    ("header", "message"),
    [("ru", "Проходите"), ("en-GB,en;q=0.9", "Welcome"), ("kk", "Қош келдіңіз"), ("fr", "Проходите")],
)
def test_the_phone_is_answered_in_its_language(door: Door, header: str, message: str) -> None:
    reply = door.web.post(
        "/api/v1/scans",
        json={"scans": [door.a_scan(door.guest().ticket)]},
        headers={"Authorization": f"Bearer {door.token}", "Accept-Language": header},
    )
    assert reply.json is not None
    assert reply.json["verdicts"][0]["message"] == message
