"""What the app's main page shows: events with their numbers, and how the exchange with the portal goes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from b24.store.tables import mark
from smart_process.facts import Stage, reached_bits
from smart_process.store import tables as t


@dataclass(frozen=True)
class EventLine:
    """One event; ``registered`` and ``arrived`` count people who ever reached that stage."""

    id: int
    item_id: int
    title: str
    stage: str
    starts_at: datetime | None
    ends_at: datetime | None
    time_zone: str
    place: str
    code: str
    registered: int
    arrived: int


@dataclass(frozen=True)
class Held:
    """Marks of one kind that wait for a person: ``reason`` is permanent, setup or internal."""

    kind: str
    reason: str
    count: int
    error: str


def recent_events(tx: Tx, portal_id: int, item_ids: Collection[int]) -> list[EventLine]:
    """Events among ``item_ids`` (those the viewer may read), the next or latest first."""
    registered, arrived = _reached(Stage.REGISTERED), _reached(Stage.ARRIVED)
    e = t.event.c
    columns = (
        e.id,
        e.item_id,
        e.title,
        e.stage,
        e.starts_at,
        e.ends_at,
        e.time_zone,
        e.place,
        e.code,
    )
    counted = sa.and_(
        t.participation.c.event_id == e.id,
        t.participation.c.removed_at.is_(None),
        t.participation.c.merged_into.is_(None),
    )
    rows = tx.execute(
        sa.select(*columns, sa.func.count(registered), sa.func.count(arrived))
        .select_from(t.event.outerjoin(t.participation, counted))
        .where(e.portal_id == portal_id, e.removed_at.is_(None), e.item_id.in_(list(item_ids)))
        .group_by(*columns)
        .order_by(e.starts_at.desc().nulls_first(), e.id.desc())
    )
    return [EventLine(*row) for row in rows]


def held(tx: Tx, portal_id: int) -> list[Held]:
    """What waits for a person, by kind and reason, with one example of an error."""
    rows = tx.execute(
        sa.select(mark.c.kind, mark.c.held, sa.func.count(), sa.func.max(mark.c.error))
        .where(mark.c.portal_id == portal_id, mark.c.held.is_not(None), mark.c.held != marks.DROPPED)
        .group_by(mark.c.kind, mark.c.held)
        .order_by(mark.c.kind, mark.c.held)
    )
    return [Held(kind, reason, count, error or "") for kind, reason, count, error in rows]


def _reached(stage: Stage) -> sa.ColumnElement[int]:
    bit = reached_bits([stage])
    return sa.case((t.participation.c.reached.bitwise_and(bit) != 0, 1))
