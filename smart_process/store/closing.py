"""What closing an event reads and writes, a portion of guests at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from smart_process.facts import Stage
from smart_process.store import journal
from smart_process.store import tables as t

MARK = "close"
"""Mark: an event is to be closed; key is our event id, due when the closing runs."""
ANNOUNCE = "close_notice"
"""Mark: people are to be told what the armed closing will do; key is our event id."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Counts:
    """Guests of an event as its closing sees them. ``materials`` and ``missed``: mails that will be sent."""

    no_shows: int
    arrived: int
    materials: int
    missed: int


def lock(tx: Tx, event_id: int) -> Row | None:
    """An event, held until the transaction ends."""
    found = tx.execute(_LOCK, {"id": event_id}).mappings().first()
    return dict(found) if found else None


# Built once: it runs with every decision.
_LOCK = sa.select(t.event).where(t.event.c.id == sa.bindparam("id")).with_for_update()


def set_times(tx: Tx, event_id: int, **times: datetime | None) -> None:
    """Set ``closing_at`` or ``closed_at``."""
    tx.execute(sa.update(t.event).where(t.event.c.id == event_id).values(**times))


def schedule(tx: Tx, portal_id: int, event_id: int, *, at: datetime, now: datetime, announce: bool) -> None:
    """Have the closing run at a moment; an earlier or later one planned before is forgotten."""
    marks.unmark(tx, portal_id, MARK, event_id)
    marks.mark(tx, portal_id, MARK, [event_id], now=now, due_at=max(at, now), priority=marks.HOT)
    if announce:
        marks.mark(tx, portal_id, ANNOUNCE, [event_id], now=now, priority=marks.HOT)


def unschedule(tx: Tx, portal_id: int, event_id: int) -> None:
    """Forget a planned closing."""
    marks.unmark(tx, portal_id, MARK, event_id)
    marks.unmark(tx, portal_id, ANNOUNCE, event_id)


def guests(tx: Tx, event_id: int, *, after: int, limit: int) -> list[Row]:
    """The next living guests who registered or came, by our id."""
    p = t.participation
    found = tx.execute(
        sa.select(p.c.id, p.c.stage, p.c.arrived_at, p.c.registered_at)
        .where(
            p.c.event_id == event_id,
            p.c.id > after,
            p.c.removed_at.is_(None),
            p.c.merged_into.is_(None),
            p.c.cancelled.is_(False),
            sa.or_(p.c.registered_at.is_not(None), p.c.arrived_at.is_not(None)),
        )
        .order_by(p.c.id)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def counts(tx: Tx, event_id: int) -> Counts:
    """What closing would do to the guests now."""
    p, m = t.participation, t.message
    told = sa.exists().where(
        m.c.participation_id == p.c.id,
        m.c.kind == sa.case((p.c.arrived_at.is_not(None), "materials"), else_="missed"),
    )
    absent = sa.and_(p.c.arrived_at.is_(None), p.c.stage == Stage.REGISTERED.value)
    missing = sa.and_(p.c.arrived_at.is_(None), p.c.stage.in_([Stage.REGISTERED.value, Stage.NO_SHOW.value]))
    came = p.c.arrived_at.is_not(None)
    reachable = sa.and_(t.person.c.email != "", ~told)
    row = tx.execute(
        sa.select(
            _count(absent),
            _count(came),
            _count(sa.and_(came, reachable)),
            _count(sa.and_(missing, reachable)),
        )
        .select_from(p.join(t.person, t.person.c.id == p.c.person_id))
        .where(
            p.c.event_id == event_id,
            p.c.removed_at.is_(None),
            p.c.merged_into.is_(None),
            p.c.cancelled.is_(False),
        )
    ).one()
    return Counts(*(int(number) for number in row))


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def subjects(tx: Tx, event_id: int) -> Iterator[str]:
    """Every subject of an event that has a living guest."""
    p, h = t.participation, t.person
    alone = sa.case((h.c.company_id.is_(None), h.c.id))
    rows = tx.execute(
        sa.select(h.c.company_id, alone)
        .select_from(p.join(h, h.c.id == p.c.person_id))
        .where(p.c.event_id == event_id, p.c.removed_at.is_(None), p.c.merged_into.is_(None))
        .distinct()
    )
    for company_id, person_id in rows:
        yield journal.subject_of(company_id, person_id or 0)


def standings(tx: Tx, portal_id: int, event_id: int) -> Iterator[Row]:
    """Living guests with what rules ask about them, ordered by subject: for a forecast over a whole event."""
    p, h, a = t.participation, t.person, t.account
    rows = tx.execute(
        sa.select(
            p.c.id,
            p.c.person_id,
            p.c.stage,
            p.c.reached,
            p.c.flags,
            p.c.product_lines,
            p.c.arrived_at,
            h.c.company_id,
            a.c.potential,
            a.c.cooperation,
            a.c.region,
        )
        .select_from(
            p.join(h, h.c.id == p.c.person_id).outerjoin(
                a, sa.and_(a.c.portal_id == portal_id, a.c.company_id == h.c.company_id)
            )
        )
        .where(
            p.c.event_id == event_id,
            p.c.removed_at.is_(None),
            p.c.merged_into.is_(None),
            p.c.cancelled.is_(False),
        )
        .order_by(h.c.company_id, h.c.id),
        execution_options={"yield_per": 2000},
    )
    yield from (dict(row) for row in rows.mappings())


def decided(tx: Tx, event_id: int) -> dict[str, tuple[str, str]]:
    """Per subject what it has: kind and state of its live or removed outcome."""
    o = t.outcome
    found = tx.execute(
        sa.select(o.c.subject, o.c.kind, o.c.state).where(
            o.c.event_id == event_id, o.c.state.in_(("live", "removed"))
        )
    )
    return {row.subject: (row.kind, row.state) for row in found}


def mark_subjects(tx: Tx, portal_id: int, event_id: int, names: Sequence[str], *, now: datetime) -> None:
    """Have rules look at these subjects, after whatever is more urgent."""
    keys = [f"{event_id}:{name}" for name in names]
    marks.mark(tx, portal_id, journal.DECIDE, keys, now=now, priority=marks.BULK)
