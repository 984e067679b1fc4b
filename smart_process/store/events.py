"""Events as the app knows them: read by their code, id or CRM id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.facts import FAILURES
from smart_process.store import tables as t

_A_DAY = timedelta(days=1)
INVITING = ("planning", "inviting", "open", "live")
"""Stages of an event that still takes guests."""


@dataclass(frozen=True)
class Event:
    """One event. Moments are aware UTC; ``zone`` is where it takes place; ``item_id`` is the CRM's id."""

    id: int
    portal_id: int
    item_id: int
    code: str
    title: str
    stage: str
    starts_at: datetime | None
    ends_at: datetime | None
    time_zone: str
    place: str
    capacity: int | None
    product_lines: tuple[str, ...]
    sender: str
    responsible_id: int | None
    closing_at: datetime | None
    closed_at: datetime | None
    removed_at: datetime | None

    @property
    def zone(self) -> ZoneInfo:
        """The event's own zone; UTC when the CRM names one nobody knows."""
        try:
            return ZoneInfo(self.time_zone)
        except (OSError, ValueError):
            return ZoneInfo("UTC")

    def over(self, now: datetime) -> bool:
        """Whether its time has passed; without an end it lasts a day, without a start it never passes."""
        end = self.ends_at or (self.starts_at + _A_DAY if self.starts_at else None)
        return end is not None and now.astimezone(UTC) > end


def by_code(tx: Tx, code: str) -> Event | None:
    """The event behind a public link; removed ones too, so that their pages can say so."""
    # What cannot be a code is not asked of the database: PostgreSQL refuses some characters.
    return _first(tx, t.event.c.code == code) if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", code) else None


def by_id(tx: Tx, event_id: int) -> Event:
    """The event with our id.

    Raises:
        LookupError: there is none.
    """
    found = _first(tx, t.event.c.id == event_id)
    if found is None:
        raise LookupError(f"event {event_id}")
    return found


def by_item(tx: Tx, portal_id: int, item_id: int) -> Event | None:
    """The event of a CRM item of a portal."""
    return _first(tx, sa.and_(t.event.c.portal_id == portal_id, t.event.c.item_id == item_id))


def ahead(tx: Tx, portal_id: int, now: datetime) -> list[Event]:
    """Events people can still be invited to, the next one first; those without a date last."""
    e = t.event.c
    rows = tx.execute(
        sa.select(t.event)
        .where(e.portal_id == portal_id, e.removed_at.is_(None), e.stage.in_(INVITING))
        .order_by(e.starts_at.asc().nulls_last(), e.id)
    )
    return [one for one in map(_event, rows) if not one.over(now)]


def latest(tx: Tx, portal_id: int, limit: int) -> list[Event]:
    """Events a deal may have begun at: all but the cancelled, the latest first, those without a date last."""
    e = t.event.c
    rows = tx.execute(
        sa.select(t.event)
        .where(e.portal_id == portal_id, e.removed_at.is_(None), e.stage != "cancelled")
        .order_by(e.starts_at.desc().nulls_last(), e.id.desc())
        .limit(limit)
    )
    return [_event(row) for row in rows]


def lock(tx: Tx, event_id: int) -> None:
    """Hold an event until the transaction ends: two guests must not both take its last seat."""
    tx.execute(sa.select(t.event.c.id).where(t.event.c.id == event_id).with_for_update())


def registered_count(tx: Tx, event_id: int) -> int:
    """How many people hold a seat: registered or further, neither cancelled nor removed."""
    p = t.participation.c
    return (
        tx.scalar(
            sa.select(sa.func.count()).where(
                p.event_id == event_id,
                p.removed_at.is_(None),
                p.merged_into.is_(None),
                p.stage.not_in([stage.value for stage in FAILURES]),
                sa.or_(p.registered_at.is_not(None), p.arrived_at.is_not(None)),
            )
        )
        or 0
    )


def _first(tx: Tx, condition: sa.ColumnElement[bool]) -> Event | None:
    row = tx.execute(sa.select(t.event).where(condition)).first()
    return _event(row) if row else None


def _event(row: sa.Row[Any]) -> Event:
    values = {name: getattr(row, name) for name in Event.__dataclass_fields__}
    return Event(**values | {"product_lines": tuple(row.product_lines)})
