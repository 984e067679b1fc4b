"""Rows of rehearsals: a tenant in the state ``rehearsal``, which no drain, sweep or event of a portal ever reaches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import portal
from smart_process.store import setups
from smart_process.store import tables as t
from smart_process.store.journal import new_token

STATE = "rehearsal"
PRACTICE, OTHER = 1, 2
"""Numbers of the two events of a rehearsal: the one phones stand at, and one whose tickets are wrong there."""


def _member(event_id: int) -> str:
    # No portal's: theirs are hexadecimal.
    return f"rehearsal:{event_id}"


def add_tenant(tx: Tx, event_id: int, portal_id: int, nothing: str, *, now: datetime) -> int:
    """A tenant for the rehearsal of an event; ``nothing``: the empty text, encrypted, for its tokens."""
    made = tx.execute(
        sa.insert(portal)
        .values(
            member_id=_member(event_id),
            client_endpoint="",
            access_token=nothing,
            refresh_token=nothing,
            token_expires_at=now,
            user_id=0,
            state=STATE,
            installed_at=now,
            updated_at=now,
        )
        .returning(portal.c.id)
    ).one()
    region = setups.read(tx, portal_id).settings.region
    tx.execute(sa.insert(t.setup).values(portal_id=made.id, binding={}, settings={"region": region}))
    return int(made.id)


def add_event(tx: Tx, portal_id: int, event_id: int, *, title: str, item_id: int, now: datetime) -> int:
    """A practice event with the real one's gates, product lines and zone, under way for a day."""
    e = t.event.c
    real = tx.execute(sa.select(e.time_zone, e.place, e.product_lines, e.gates).where(e.id == event_id)).one()
    made = tx.execute(
        sa.insert(t.event)
        .values(
            portal_id=portal_id,
            item_id=item_id,
            code=new_token(),
            title=title,
            stage="live",
            starts_at=now,
            ends_at=now + timedelta(hours=12),
            shadow={},
            **real._mapping,
        )
        .returning(e.id)
    ).one()
    return int(made.id)


def tenant(tx: Tx, event_id: int) -> Any:
    """The tenant of an event's rehearsal: its id and when it began."""
    return tx.execute(
        sa.select(portal.c.id, portal.c.installed_at).where(portal.c.member_id == _member(event_id))
    ).first()


def practice_event(tx: Tx, portal_id: int) -> int:
    """The event phones enrol for."""
    e = t.event.c
    found = tx.execute(sa.select(e.id).where(e.portal_id == portal_id, e.item_id == PRACTICE)).one()
    return int(found.id)


def begun_before(tx: Tx, moment: datetime) -> list[int]:
    """Events whose rehearsal began before a moment."""
    members = tx.scalars(
        sa.select(portal.c.member_id).where(portal.c.state == STATE, portal.c.installed_at < moment)
    )
    return [int(one.partition(":")[2]) for one in members]


def remove_tenant(tx: Tx, portal_id: int) -> None:
    """Remove the tenant's row, after everything of it is gone."""
    tx.execute(sa.delete(portal).where(portal.c.id == portal_id, portal.c.state == STATE))


def guests(tx: Tx, portal_id: int) -> list[Any]:
    """Practice guests with their tickets, in the order they were made; walk-ins come after them."""
    p, h = t.participation.c, t.person.c
    return list(
        tx.execute(
            sa.select(h.last_name, h.first_name, p.ticket)
            .select_from(t.participation.join(t.person, h.id == p.person_id))
            .where(p.portal_id == portal_id)
            .order_by(p.id)
        )
    )


def verdicts(tx: Tx, event_id: int) -> dict[str, int]:
    """Scans of an event by verdict."""
    rows = tx.execute(
        sa.select(t.scan.c.verdict, sa.func.count().label("times"))
        .join(t.device, t.device.c.id == t.scan.c.device_id)
        .where(t.device.c.event_id == event_id)
        .group_by(t.scan.c.verdict)
    )
    return {row.verdict: row.times for row in rows}
