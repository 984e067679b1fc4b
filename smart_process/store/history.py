"""Which events a contact or a company's people took part in, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.facts import Stage, reached_stages
from smart_process.store import tables as t
from smart_process.store.outcomes import LIVE

MOST = 500
"""So many of the latest are read; a batch of ten lists tells which of them somebody may see."""


@dataclass(frozen=True)
class Visit:
    """One person at one event. Ids ending in ``item_id`` are the portal's.

    ``outcome_kind`` is "" while nothing speaks for this participation; ``outcome_item_id`` is ``None`` until the deal
    or task is made; ``result``: won, lost, done or ``None``.
    """

    id: int
    item_id: int | None
    event_title: str
    event_item_id: int
    starts_at: datetime | None
    time_zone: str
    stage: str
    reached: int
    arrived_at: datetime | None
    flags: dict[str, bool]
    product_lines: list[str]
    note: str
    outcome_kind: str
    outcome_item_id: int | None
    outcome_owner_id: int | None
    result: str | None

    @property
    def invited(self) -> bool:
        """Whether an invitation was ever sent."""
        return Stage.INVITED in reached_stages(self.reached)


def of_contact(tx: Tx, portal_id: int, contact_id: int) -> list[Visit]:
    """The participations of the person behind a contact, the latest event first; at most :data:`MOST`."""
    return _visits(tx, portal_id, t.person.c.contact_id == contact_id)


def of_company(tx: Tx, portal_id: int, company_id: int) -> list[Visit]:
    """The participations of everybody who belongs to a company, the latest event first."""
    return _visits(tx, portal_id, t.person.c.company_id == company_id)


def contacts_at(tx: Tx, event_id: int, contact_ids: Iterable[int]) -> dict[int, int]:
    """Which of these contacts take part in an event: contact → our participation."""
    p, h = t.participation, t.person
    rows = tx.execute(
        sa.select(h.c.contact_id, p.c.id)
        .select_from(p.join(h, h.c.id == p.c.person_id))
        .where(p.c.event_id == event_id, h.c.contact_id.in_(list(contact_ids)), *_living())
    )
    return {int(row.contact_id): int(row.id) for row in rows}


def _living() -> tuple[sa.ColumnElement[bool], ...]:
    p = t.participation.c
    return p.removed_at.is_(None), p.merged_into.is_(None)


def _visits(tx: Tx, portal_id: int, who: sa.ColumnElement[bool]) -> list[Visit]:
    p, e, o = t.participation, t.event, t.outcome
    joined = (
        p.join(t.person, t.person.c.id == p.c.person_id)
        .join(e, e.c.id == p.c.event_id)
        .outerjoin(o, sa.and_(o.c.id == p.c.outcome_id, o.c.state == LIVE))
    )
    rows: Any = tx.execute(
        sa.select(
            p.c.id,
            p.c.item_id,
            e.c.title,
            e.c.item_id,
            e.c.starts_at,
            e.c.time_zone,
            p.c.stage,
            p.c.reached,
            p.c.arrived_at,
            p.c.flags,
            p.c.product_lines,
            p.c.note,
            sa.func.coalesce(o.c.kind, ""),
            o.c.item_id,
            o.c.owner_id,
            o.c.result,
        )
        .select_from(joined)
        .where(p.c.portal_id == portal_id, t.person.c.portal_id == portal_id, who, *_living())
        .order_by(e.c.starts_at.desc().nulls_last(), e.c.id.desc(), p.c.id.desc())
        .limit(MOST)
    )
    return [Visit(*row) for row in rows]
