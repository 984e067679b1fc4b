"""Participations as guests meet them: behind a ticket, an invitation, or a person at an event."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.store import tables as t
from smart_process.store.journal import add_participation

# What cannot be a token is not asked of the database: PostgreSQL refuses some characters.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Participation:
    """One person at one event, as projected from its facts."""

    id: int
    portal_id: int
    event_id: int
    person_id: int
    uid: str
    item_id: int | None
    ticket: str
    invitation: str
    stage: str
    registered_at: datetime | None
    arrived_at: datetime | None
    cancelled: bool
    flags: dict[str, bool]
    product_lines: list[str]
    note: str
    removed_at: datetime | None
    merged_into: int | None

    @property
    def holds_ticket(self) -> bool:
        """Registered (or let in without it) and not cancelled: the ticket opens the door."""
        return (self.registered_at is not None or self.arrived_at is not None) and not self.cancelled


def by_ticket(tx: Tx, ticket: str) -> Participation | None:
    """The participation behind a ticket; of one merged into another, the survivor."""
    found = _first(tx, t.participation.c.ticket == ticket) if _TOKEN.fullmatch(ticket) else None
    return _survivor(tx, found)


def by_invitation(tx: Tx, event_id: int, invitation: str) -> Participation | None:
    """The participation behind a personal link to this event."""
    known = _TOKEN.fullmatch(invitation)
    found = _survivor(tx, _first(tx, t.participation.c.invitation == invitation)) if known else None
    return found if found and found.event_id == event_id and found.removed_at is None else None


def by_id(tx: Tx, participation_id: int) -> Participation:
    """The participation with our id.

    Raises:
        LookupError: there is none.
    """
    found = _first(tx, t.participation.c.id == participation_id)
    if found is None:
        raise LookupError(f"participation {participation_id}")
    return found


def by_item(tx: Tx, portal_id: int, item_id: int) -> Participation | None:
    """The participation of a CRM item; of one merged into another, the survivor."""
    p = t.participation.c
    return _survivor(tx, _first(tx, sa.and_(p.portal_id == portal_id, p.item_id == item_id)))


def of_person(tx: Tx, event_id: int, person_id: int) -> Participation | None:
    """The one live participation of a person at an event."""
    p = t.participation.c
    return _first(
        tx,
        sa.and_(
            p.event_id == event_id,
            p.person_id == person_id,
            p.merged_into.is_(None),
            p.removed_at.is_(None),
        ),
    )


def find_or_add(tx: Tx, *, portal_id: int, event_id: int, person_id: int) -> Participation:
    """The participation of a person at an event, made when there is none; safe against somebody faster."""
    found = of_person(tx, event_id, person_id)
    if found is None:
        add_participation(tx, portal_id=portal_id, event_id=event_id, person_id=person_id)
        found = of_person(tx, event_id, person_id)
    assert found is not None  # noqa: S101  # just made, or made by whoever was faster
    return found


def give_item(tx: Tx, seat: Participation, item_id: int) -> int | None:
    """Tie a CRM item to a participation without one. Returns the other item it is tied to already, if any."""
    if seat.item_id is None:
        tx.execute(sa.update(t.participation).where(t.participation.c.id == seat.id).values(item_id=item_id))
        return None
    return None if seat.item_id == item_id else seat.item_id


def known_as(tx: Tx, participation_id: int, *, uid: str, ticket: str) -> None:
    """Give a participation the key and the ticket it had before; what is somebody's already, in any portal, it does not
    get."""
    p = t.participation
    for column, value in ((p.c.uid, uid), (p.c.ticket, ticket)):
        taken = sa.exists().where(p.alias().c[column.name] == value)
        tx.execute(sa.update(p).where(p.c.id == participation_id, ~taken).values({column: value}))


def knows(tx: Tx, participation_id: int, key: str) -> bool:
    """Whether a fact with this key was recorded: the same submission, form item or action."""
    f = t.fact.c
    return tx.scalar(sa.select(f.id).where(f.participation_id == participation_id, f.key == key)) is not None


def _survivor(tx: Tx, found: Participation | None) -> Participation | None:
    seen: set[int] = set()
    while found and found.merged_into and found.id not in seen:
        seen.add(found.id)
        found = _first(tx, t.participation.c.id == found.merged_into)
    return found


def _first(tx: Tx, condition: sa.ColumnElement[bool]) -> Participation | None:
    columns = [t.participation.c[name] for name in Participation.__dataclass_fields__]
    row: Any = tx.execute(sa.select(*columns).where(condition)).first()
    return Participation(*row) if row else None
