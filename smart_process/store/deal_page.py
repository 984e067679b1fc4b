"""What a deal's tab shows: why it exists, how its priority moved, and whom it speaks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.facts import Kind, NewFact
from smart_process.store import tables as t

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """One change of a decision, as it was said in the portal: ``text`` is in the portal's language.

    ``fact`` is what brought it about, as far as the journal names it, with the guest's participation.
    """

    at: datetime | None
    text: str
    fact: NewFact | None = None
    participation_id: int | None = None


@dataclass(frozen=True)
class Guest:
    """One participation a deal speaks for, or that people tied to it."""

    id: int
    item_id: int | None
    event_id: int
    stage: str
    note: str


def outcome_of(tx: Tx, portal_id: int, deal_id: int) -> Row | None:
    """The decision that made a deal, the latest one when several did."""
    o = t.outcome
    row = (
        tx.execute(
            sa.select(o)
            .where(o.c.portal_id == portal_id, o.c.kind == "deal", o.c.item_id == deal_id)
            .order_by((o.c.state == "live").desc(), o.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def turns(tx: Tx, outcome: Row) -> list[Turn]:
    """What was decided about an outcome after it was made, in the order in which it was said."""
    e = t.effect
    start = f"outcome:{outcome['id']}:"
    rows = tx.execute(
        sa.select(e.c.key, e.c.body, e.c.done_at)
        .where(
            e.c.portal_id == outcome["portal_id"],
            e.c.kind == "comment",
            e.c.key.startswith(start, autoescape=True),
        )
        .order_by(e.c.id)
    ).all()
    named = {row.key: row.key.rpartition(":")[2] for row in rows}
    facts = _facts(tx, outcome["portal_id"], {int(one) for one in named.values() if one.isdigit()})
    found = []
    for row in rows:
        number = named[row.key]
        at, fact, pid = facts.get(int(number), (None, None, None)) if number.isdigit() else (None, None, None)
        found.append(Turn(at or row.done_at, str(row.body.get("text", "")).partition("\n")[0], fact, pid))
    return found


def _facts(tx: Tx, portal_id: int, ids: Iterable[int]) -> dict[int, tuple[datetime, NewFact, int]]:
    f = t.fact
    rows = tx.execute(sa.select(f).where(f.c.portal_id == portal_id, f.c.id.in_(list(ids))))
    return {
        row.id: (
            row.known_at,
            NewFact(Kind(row.kind), row.at, row.actor, row.key, row.gate, row.data),
            row.participation_id,
        )
        for row in rows
    }


def guests(tx: Tx, portal_id: int, ids: Iterable[int], item_ids: Iterable[int]) -> list[Guest]:
    """Participations by our ids or their cards; merged and removed ones are left out."""
    p = t.participation.c
    rows: Any = tx.execute(
        sa.select(p.id, p.item_id, p.event_id, p.stage, p.note)
        .where(
            p.portal_id == portal_id,
            sa.or_(p.id.in_(list(ids)), p.item_id.in_(list(item_ids))),
            p.removed_at.is_(None),
            p.merged_into.is_(None),
        )
        .order_by(p.id)
    )
    return [Guest(*row) for row in rows]
