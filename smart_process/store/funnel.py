"""Counting an event's guests, and finding the people behind a number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process import funnel
from smart_process.facts import RANK, Stage
from smart_process.funnel import STEPS, WALK_IN, Funnel, Group
from smart_process.store import tables as t

PAGE = 50


class Where(StrEnum):
    """Which people of a step."""

    REACHED = "reached"
    NOW = "now"
    THROUGH = "through"
    LOST = "lost"
    BESIDE = "beside"


@dataclass(frozen=True)
class Behind:
    """One person behind a number: ids for the portal, whose own rights decide what the viewer reads.

    ``item_id`` is ``None`` while the card is being made.
    """

    id: int
    item_id: int | None
    stage: str
    came_at: datetime | None


def of_event(tx: Tx, event_id: int) -> Funnel:
    """The funnel of an event, counted by one covering index."""
    p = t.participation.c
    rows = tx.execute(
        sa.select(p.stage, p.reached, p.source, sa.func.count())
        .where(*_living(event_id))
        .group_by(p.stage, p.reached, p.source)
    )
    return funnel.funnel(Group(*row) for row in rows)


def people_behind(
    tx: Tx, event_id: int, stage: Stage, where: Where, *, after: int = 0, limit: int = PAGE
) -> list[Behind]:
    """People behind a number, a page at a time, by our id.

    Args:
        stage: of ``funnel.STEPS``; with ``Where.NOW`` any stage of the kanban.
        after: the last id of the page before.
    """
    p = t.participation.c
    rows = tx.execute(
        sa.select(p.id, p.item_id, p.stage, p.arrived_at)
        .where(*_living(event_id), _condition(stage, where), p.id > after)
        .order_by(p.id)
        .limit(limit)
    )
    return [Behind(*row) for row in rows]


def _living(event_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    p = t.participation.c
    return p.event_id == event_id, p.removed_at.is_(None), p.merged_into.is_(None)


def _condition(stage: Stage, where: Where) -> sa.ColumnElement[bool]:
    if where is Where.NOW:
        return t.participation.c.stage == stage.value
    here = _got_to(stage)
    at = STEPS.index(stage)
    before = _got_to(STEPS[at - 1]) if at else sa.true()
    conditions: dict[Where, sa.ColumnElement[bool]] = {
        Where.REACHED: here,
        Where.THROUGH: sa.and_(here, before),
        Where.LOST: sa.and_(sa.not_(here), before) if at else sa.false(),
        Where.BESIDE: sa.and_(here, sa.not_(before)) if at else sa.false(),
    }
    return conditions[where]


def _got_to(stage: Stage) -> sa.ColumnElement[bool]:
    p = t.participation.c
    reached = p.reached.bitwise_and(1 << RANK[stage]) != 0
    # As funnel.bits_of sees it.
    return sa.and_(reached, p.source != WALK_IN) if stage is Stage.REGISTERED else reached
