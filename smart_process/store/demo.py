"""The journal of one event as the demo compares it with the portal."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import mark
from smart_process.store import sync
from smart_process.store import tables as t
from smart_process.store.sync import Row


def living_participations(tx: Tx, event_id: int) -> list[Row]:
    """Participations that have a card of their own: neither merged into another nor removed."""
    p = t.participation
    ids = tx.scalars(
        sa.select(p.c.id).where(p.c.event_id == event_id, p.c.merged_into.is_(None), p.c.removed_at.is_(None))
    ).all()
    return sync.participations(tx, ids)


def outcomes(tx: Tx, event_id: int, participation_eti: int) -> list[Row]:
    """Outcomes with the contacts and bindings they should have in the portal."""
    o = t.outcome
    rows: list[dict[str, Any]] = [
        dict(row) for row in tx.execute(sa.select(o).where(o.c.event_id == event_id)).mappings()
    ]
    for row in rows:
        bound = sync.contacts_and_items(tx, row["content"]["participations"])
        row["contacts"] = sorted({one["contact_id"] for one in bound if one["contact_id"]})
        row["bindings"] = [f"T{participation_eti:x}_{one['item_id']}" for one in bound if one["item_id"]]
    return list(rows)


def held(tx: Tx, portal_id: int) -> list[str]:
    """Work that waits for a person, in words."""
    found = tx.execute(
        sa.select(mark.c.kind, mark.c.key, mark.c.error).where(
            mark.c.portal_id == portal_id, mark.c.held.is_not(None)
        )
    )
    return [f"{row.kind} {row.key}: {row.error}" for row in found]


def waiting_kinds(tx: Tx, portal_id: int) -> dict[str, int]:
    """What waits to be done, by kind."""
    found = tx.execute(
        sa.select(mark.c.kind, sa.func.count())
        .where(mark.c.portal_id == portal_id, mark.c.held.is_(None))
        .group_by(mark.c.kind)
    )
    return {row[0]: row[1] for row in found}
