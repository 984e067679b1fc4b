"""The offline pack: who can read what of it, how it is kept fresh, how it ends."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from b24.store.engine import Store
from smart_process.facts import Kind
from smart_process.store import tables as t
from tests.door import Door, Guest, add_event, add_guest, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


def fetched(door: Door, since: str = "", token: str = "", **headers: str) -> Any:
    headers |= {"Authorization": f"Bearer {token or door.token}"}
    return door.web.get("/api/v1/pack", query_string={"since": since} if since else {}, headers=headers)


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number_and_key(pack: Any, ticket: str) -> tuple[str, bytes]:
    digest = hmac.digest(raw(pack["salt"]), ticket.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[16:25]).decode(), digest[:16]


def opened(sealed: str, key: bytes) -> Any:
    whole = raw(sealed)
    return json.loads(AESGCM(key).decrypt(whole[:12], whole[12:], None))


def record_of(pack: Any, guest: Guest, keys: Any = None) -> Any:
    """What a phone reads that is shown this guest's ticket."""
    number, key = number_and_key(keys or pack, guest.ticket)
    return next((opened(sealed, key) for one, sealed, *_ in pack["guests"] if one == number), None)


def found(pack: Any, token: str) -> list[str]:
    """Last names of the records a token of the search opens."""
    search, names = raw(pack["search"]), []
    locator = hmac.digest(search, f"find {token}".encode(), "sha256")[:6]
    for number, sealed, ways, _ in pack["guests"]:
        for way in map(raw, ways):
            if way[:6] == locator:
                pad = hmac.digest(search, f"open {token} {number}".encode(), "sha256")
                key = bytes(a ^ b for a, b in zip(way[6:], pad, strict=False))
                names.append(opened(sealed, key)["last_name"])
    return sorted(names)


def test_a_ticket_opens_its_own_record_and_no_other(door: Door) -> None:
    one, two = door.guest("Семёнова", first_name="Анна"), door.guest("Петров")
    door.scan(two.ticket)
    pack = fetched(door).json
    mine = record_of(pack, one)
    assert (mine["last_name"], mine["company"]) == ("Семёнова", "ТОО «Ромашка»")
    assert "arrived_at" not in mine
    assert record_of(pack, two)["arrived_at"] == "2026-11-21T04:05:00+00:00"
    _number, key = number_and_key(pack, one.ticket)
    number, _key = number_and_key(pack, two.ticket)
    other = next(sealed for which, sealed, *_ in pack["guests"] if which == number)
    with pytest.raises(InvalidTag):
        opened(other, key)


def test_the_pack_says_no_name_no_address_and_no_ticket_aloud(door: Door) -> None:
    guest = door.guest("Семёнова", email="anna@romashka.kz", phone="+77011234567")
    text = fetched(door).text
    for secret in (guest.ticket, "Семёнова", "\\u0421\\u0435\\u043c", "Ромашка", "anna@", "1234567"):
        assert secret not in text
    record = json.dumps(record_of(json.loads(text), guest), ensure_ascii=False)
    assert "anna@" not in record
    assert "4567" not in record


@pytest.mark.parametrize(
    ("token", "names"),
    [
        ("сем", ["Семёнова"]),
        ("анн", ["Семёнова"]),
        ("sem", ["Семёнова"]),
        ("ром", ["Ли", "Семёнова"]),
        ("ли", ["Ли"]),
        ("+4567", ["Семёнова"]),
        ("=тоо ромашка", ["Ли", "Семёнова"]),
        ("нов", []),
        ("се", []),
    ],
)
def test_the_search_opens_who_has_a_word_that_begins_so(door: Door, token: str, names: list[str]) -> None:
    door.guest("Семёнова", first_name="Анна", phone="+77011234567")
    door.guest("Ли", first_name="Юн")
    assert found(fetched(door).json, token) == names


def test_a_refresh_brings_who_changed_and_nobody_else(door: Door) -> None:
    one, two = door.guest(), door.guest("Петров")
    whole = fetched(door).json
    assert (whole["whole"], len(whole["guests"])) == (True, 2)
    door.now += timedelta(minutes=5)
    assert fetched(door, whole["version"]).json["guests"] == []
    door.scan(two.ticket)
    refresh = fetched(door, whole["version"]).json
    assert (refresh["whole"], len(refresh["guests"])) == (False, 1)
    assert record_of(refresh, two, keys=whole)["arrived_at"]
    assert record_of(refresh, one, keys=whole) is None
    newcomer = door.guest("Сидоров")
    door.record(newcomer, Kind.NOTE, text="только что")
    assert record_of(fetched(door, refresh["version"]).json, newcomer, keys=whole)["last_name"] == "Сидоров"


def test_what_changed_without_a_fact_comes_with_its_shelf_when_compared(door: Door) -> None:
    guests = [door.guest(name) for name in ("Ахметова", "Бекова", "Ван", "Гринёва")]
    whole = fetched(door)
    since, tag = whole.json["version"], whole.headers["ETag"]
    assert tag.startswith('W/"')
    same = fetched(door, since, **{"If-None-Match": tag})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    with door.store.transaction() as tx:
        renamed = sa.update(t.person).where(t.person.c.id == guests[1].person_id)
        tx.execute(renamed.values(last_name="Бекова-Ли"))
    assert fetched(door, since).json["guests"] == [], "no fact tells of a new name"
    compared = fetched(door, since, **{"If-None-Match": tag})
    number = number_and_key(whole.json, guests[1].ticket)[0]
    assert (compared.json["whole"], compared.json["shelves"]) == (False, [number[0]])
    assert record_of(compared.json, guests[1], keys=whole.json)["last_name"] == "Бекова-Ли"
    assert fetched(door, since, **{"If-None-Match": compared.headers["ETag"]}).status_code == 304
    add_guest(door.store, door.portal_id, add_event(door.store, door.portal_id))
    other = fetched(door, since, **{"If-None-Match": compared.headers["ETag"]}).json
    assert (other["shelves"], other["guests"], len(other["others"])) == ([], [], 1)


@pytest.mark.parametrize("tag", ["x", "*", 'W/""', f'W/"{"A" * 519}"', f'"{"A" * 520}", "b"', '"é"'])
def test_a_tag_of_another_make_gets_everything(door: Door, tag: str) -> None:
    door.guest()
    assert fetched(door, fetched(door).json["version"], **{"If-None-Match": tag}).json["whole"] is True


@pytest.mark.parametrize("since", ["x", "AAAAAAAA.1.1", "1.2", "AAAAAAAA.999999999999999999.1"])
def test_a_version_of_other_keys_gets_everything(door: Door, since: str) -> None:
    door.guest()
    assert fetched(door, since).json["whole"] is True


def test_an_old_ticket_of_a_merged_card_opens_the_one_that_stayed(door: Door) -> None:
    old, stays = door.guest("Петров"), door.guest("Петров", first_name="Пётр П.")
    version = fetched(door).json["version"]
    door.now += timedelta(minutes=5)
    with door.store.transaction() as tx:
        tx.execute(
            sa.update(t.participation).where(t.participation.c.id == old.id).values(merged_into=stays.id)
        )
    door.scan(stays.ticket)
    whole = fetched(door).json
    assert record_of(whole, old)["participation"] == stays.id
    assert found(whole, "пет") == ["Петров"]
    # The refresh brings the old ticket along as well: its record speaks of the same guest.
    assert len(fetched(door, version).json["guests"]) == 2


def test_a_ticket_of_another_event_is_told_from_an_unknown_one(door: Door) -> None:
    other = add_guest(door.store, door.portal_id, add_event(door.store, door.portal_id))
    pack = fetched(door).json
    number, _key = number_and_key(pack, other.ticket)
    assert number in pack["others"]
    assert record_of(pack, other) is None


def test_a_cancelled_and_a_removed_guest_are_refused_and_a_removed_one_is_not_found(door: Door) -> None:
    cancelled, removed = door.guest(), door.guest("Жанов")
    door.record(cancelled, Kind.CANCELLED)
    door.record(removed, Kind.REMOVED)
    pack = fetched(door).json
    assert record_of(pack, cancelled)["cancelled"] is True
    assert record_of(pack, removed)["cancelled"] is True
    assert (found(pack, "ива"), found(pack, "жан")) == (["Иванов"], [])


def test_notes_say_who_is_important_and_what_was_promised(door: Door) -> None:
    guest = door.guest(company_id=17)
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.participation).values(shadow={"door_note": "Докладчик"}))
    earlier = add_event(door.store, door.portal_id)
    with door.store.transaction() as tx:
        tx.execute(
            sa.insert(t.account).values(
                portal_id=door.portal_id, company_id=17, title="Ромашка", potential="high", read_at=door.now
            )
        )
        tx.execute(
            sa.insert(t.outcome).values(
                portal_id=door.portal_id,
                event_id=earlier,
                uid="u" * 32,
                subject="company:17",
                kind="task",
                rule="r",
                rules_version=1,
                priority="high",
                state="live",
                title="Отправить расчёт",
                explanation="",
                deadline=door.now,
                content={},
                created_at=door.now,
                shadow={},
            )
        )
    assert record_of(fetched(door).json, guest)["notes"] == [
        {"kind": "vip", "text": ""},
        {"kind": "told", "text": "Докладчик"},
        {"kind": "promise", "text": "Отправить расчёт"},
    ]


def test_the_pack_tells_place_device_and_its_own_end(door: Door) -> None:
    pack = fetched(door).json
    assert pack["place"] == {"gates": ["entrance"], "defined": [], "called_off": False}
    assert pack["device"]["name"] == "Вход 1"
    assert pack["expires_at"] == "2026-11-22T13:05:00+00:00"


def test_a_revoked_phone_gets_no_pack(door: Door) -> None:
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).values(revoked_at=door.now))
    reply = fetched(door)
    assert (reply.status_code, reply.json["type"]) == (403, "urn:event-app:problem:device-revoked")


def test_a_stranger_gets_no_pack(door: Door) -> None:
    assert fetched(door, token="x").status_code == 401


def test_a_large_pack_travels_compressed(door: Door) -> None:
    for number in range(5):
        door.guest(f"Иванов{number}")
    reply = fetched(door, **{"Accept-Encoding": "gzip"})
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(reply.data))["guests"]) == 5
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_phone_tells_of_itself_with_every_call(door: Door) -> None:
    clock = (door.now + timedelta(hours=3)).isoformat()
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).values(last_seen_at=None))
    told = {"X-Door-Queue": "7", "X-Door-Clock": clock, "X-Door-Version": "1.2"}
    assert fetched(door, **told).status_code == 200
    with door.store.reading() as tx:
        row = tx.execute(sa.select(t.device)).one()
    assert (row.queue, row.skew_s, row.app_version, row.last_seen_at) == (7, 10800, "1.2", door.now)


@pytest.mark.parametrize(
    "told",
    [
        {"X-Door-Queue": "-1"},
        {"X-Door-Queue": "9999999"},
        {"X-Door-Clock": "yesterday"},
        {"X-Door-Version": "<b>"},
    ],
)
def test_what_a_phone_tells_of_itself_may_be_nonsense(door: Door, told: dict[str, str]) -> None:
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).values(last_seen_at=None))
    assert fetched(door, **told).status_code == 200
    with door.store.reading() as tx:
        row = tx.execute(sa.select(t.device)).one()
    assert (row.queue, row.skew_s, row.app_version) == (None, None, "")
