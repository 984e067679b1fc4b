"""A rehearsal: the whole chain with practice guests, nothing of it in the real event, nothing left of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.secrets import Secrets
from b24.store import marks
from b24.store.engine import Store
from b24.store.tables import metadata, portal
from smart_process import rehearsal
from smart_process.rehearsal import Rehearsal
from smart_process.store import events, live
from tests.door import Door, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


def counted(door: Door) -> dict[str, int]:
    """Rows of every table."""
    with door.store.reading() as tx:
        return {
            table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


@pytest.fixture
def practice(door: Door) -> Rehearsal:
    with door.store.transaction() as tx:
        event = events.by_id(tx, door.event_id)
        rehearsal.start(tx, event, Secrets(("k" * 40,)), title="РЕПЕТИЦИЯ", now=door.now)
        found = rehearsal.under_way(tx, door.event_id)
    assert found is not None
    return found


def test_every_practice_ticket_gets_the_verdict_it_is_for(door: Door, practice: Rehearsal) -> None:
    token = door.enrol(event_id=practice.event_id)
    told = [door.scan(one.ticket, token)["verdict"] for one in practice.guests]
    assert told == [one.expected for one in practice.guests] == list(rehearsal.EXPECTED)
    with door.store.reading() as tx:
        assert sum(rehearsal.counts(tx, practice).values()) == len(told)
    described: Any = door.web.get("/api/v1/device", headers={"Authorization": f"Bearer {token}"}).json
    assert (described["rehearsal"], described["event"]["title"]) == (True, "РЕПЕТИЦИЯ")


def test_practice_and_the_real_event_do_not_know_each_other(door: Door, practice: Rehearsal) -> None:
    guest = door.guest()
    token = door.enrol(event_id=practice.event_id)
    assert door.scan(guest.ticket, token)["verdict"] == "unknown"
    assert door.scan(practice.guests[0].ticket)["verdict"] == "unknown"
    door.scan(practice.guests[0].ticket, token)
    with door.store.reading() as tx:
        assert live.arrivals(tx, door.event_id, door.now, 60).expected == 1
        assert live.by_gate(tx, door.event_id, door.now, 60) == {}
        # Nothing of it is ever sent to a portal.
        assert practice.portal_id not in marks.due_portals(tx, now=door.now + timedelta(days=1))


def test_wiping_leaves_nothing_and_touches_nothing_else(door: Door) -> None:
    guest = door.guest()
    door.scan(guest.ticket)
    before = counted(door)
    with door.store.transaction() as tx:
        event = events.by_id(tx, door.event_id)
        rehearsal.start(tx, event, Secrets(("k" * 40,)), title="РЕПЕТИЦИЯ", now=door.now)
        found = rehearsal.under_way(tx, door.event_id)
    assert found is not None
    token = door.enrol(event_id=found.event_id)
    door.scan(found.guests[0].ticket, token)
    walk_in = {"action_id": "w1", "last_name": "Зашедший", "first_name": "Иван", "gate": "entrance"}
    assert (
        door.call("/api/v1/walk-ins", {"walk_ins": [walk_in]}, token).json["results"][0]["result"] == "done"
    )
    with door.store.transaction() as tx:
        assert rehearsal.wipe(tx, door.event_id) is True
        assert rehearsal.wipe(tx, door.event_id) is False
    assert counted(door) == before
    assert door.call("/api/v1/scans", {"scans": [door.a_scan("x")]}, token).status_code == 401


def test_a_new_rehearsal_replaces_the_old_one(door: Door, practice: Rehearsal) -> None:
    with door.store.transaction() as tx:
        event = events.by_id(tx, door.event_id)
        rehearsal.start(tx, event, Secrets(("k" * 40,)), title="ЕЩЁ", now=door.now)
        tenants = tx.scalar(sa.select(sa.func.count()).where(portal.c.state == "rehearsal"))
        again = rehearsal.under_way(tx, door.event_id)
    assert tenants == 1
    assert again is not None
    assert {one.ticket for one in again.guests}.isdisjoint({one.ticket for one in practice.guests})


@pytest.mark.parametrize(("hours", "left"), [(23, 1), (25, 0)])
def test_a_rehearsal_nobody_ended_is_wiped_after_a_day(
    door: Door, practice: Rehearsal, hours: int, left: int
) -> None:
    with door.store.transaction() as tx:
        assert rehearsal.wipe_old(tx, practice.started_at + timedelta(hours=hours)) == 1 - left
        assert (rehearsal.under_way(tx, door.event_id) is not None) is bool(left)
