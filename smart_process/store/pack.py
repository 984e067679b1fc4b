"""What an offline pack is made of: guests of an event with their tickets, and who changed since a fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.admission import Ticket
from smart_process.attention import notes
from smart_process.facts import Passage
from smart_process.pack import Cursor, Guest
from smart_process.store import tables as t

OVERLAP_FACTS = 2000
OVERLAP = timedelta(seconds=15)
"""Transactions end in another order than they begin: a refresh looks back this far, by number and by time."""
AROUND = timedelta(days=14)
MOST_OTHERS = 20_000

_p, _h, _a, _o = t.participation.c, t.person.c, t.account.c, t.outcome.c
_GUESTS = (
    sa.select(
        _p.id,
        _p.ticket,
        _p.event_id,
        _p.cancelled,
        _p.removed_at,
        _p.merged_into,
        _p.arrived_at,
        _p.passages,
        _p.flags,
        _p.product_lines,
        _h.first_name,
        _h.last_name,
        _h.company_name,
        _h.company_id,
        _h.position,
        _h.phone,
        _h.id.label("person_id"),
        sa.func.coalesce(_a.potential, "").label("potential"),
        # As people typed it on the card.
        _p.shadow["door_note"].as_string().label("door_note"),
    )
    .select_from(
        t.participation.join(t.person, _h.id == _p.person_id).outerjoin(
            t.account, sa.and_(_a.portal_id == _h.portal_id, _a.company_id == _h.company_id)
        )
    )
    .where(_p.event_id == sa.bindparam("event_id"))
    .order_by(_p.id)
)
_SOME = _GUESTS.where(_p.id.in_(sa.bindparam("ids", expanding=True)))
_CHANGED = (
    sa.select(t.fact.c.participation_id)
    .distinct()
    .join(t.participation, _p.id == t.fact.c.participation_id)
    .where(
        t.fact.c.id > sa.bindparam("fact"),
        t.fact.c.known_at >= sa.bindparam("known_at"),
        _p.event_id == sa.bindparam("event_id"),
    )
)


def last_fact(tx: Tx) -> int:
    """Number of the newest fact of all."""
    return tx.scalar(sa.select(sa.func.max(t.fact.c.id))) or 0


def everybody(tx: Tx, portal_id: int, event_id: int) -> list[Guest]:
    """Every ticket ever given out for an event, with who holds it now."""
    rows = {row.id: row for row in tx.execute(_GUESTS, {"event_id": event_id})}
    return _guests(rows, rows, _promises(tx, portal_id, event_id))


def changed(tx: Tx, portal_id: int, event_id: int, since: Cursor) -> list[Guest]:
    """Guests about whom something was learned since a cursor; some of them may be known to the phone already."""
    read_at = datetime.fromtimestamp(since.read_at, tz=UTC)
    params = {
        "fact": max(0, since.fact - OVERLAP_FACTS),
        "known_at": read_at - OVERLAP,
        "event_id": event_id,
    }
    ids = set(tx.scalars(_CHANGED, params))
    if not ids:
        return []
    merged = sa.select(_p.id, _p.merged_into).where(_p.event_id == event_id, _p.merged_into.is_not(None))
    aliases = {row.id: row.merged_into for row in tx.execute(merged)}
    ids |= {one for one in aliases if _last(aliases, one) in ids}
    holders = {_last(aliases, one) for one in ids}
    rows = {row.id: row for row in tx.execute(_SOME, {"event_id": event_id, "ids": list(ids | holders)})}
    return _guests({pid: rows[pid] for pid in ids if pid in rows}, rows, _promises(tx, portal_id, event_id))


def tickets_of_others(tx: Tx, portal_id: int, event_id: int, now: datetime) -> list[str]:
    """Tickets of the portal's other events of these weeks."""
    e = t.event.c
    return list(
        tx.scalars(
            sa.select(_p.ticket)
            .join(t.event, e.id == _p.event_id)
            .where(
                _p.portal_id == portal_id,
                _p.event_id != event_id,
                sa.or_(e.starts_at.is_(None), e.starts_at.between(now - AROUND, now + AROUND)),
            )
            .order_by(_p.id.desc())
            .limit(MOST_OTHERS)
        )
    )


def _promises(tx: Tx, portal_id: int, event_id: int) -> dict[str, str]:
    """Titles of deals and tasks of earlier events still open, by subject."""
    rows = tx.execute(
        sa.select(_o.subject, _o.title)
        .where(_o.portal_id == portal_id, _o.event_id != event_id, _o.state == "live", _o.result.is_(None))
        .order_by(_o.id)
    )
    return {row.subject: row.title for row in rows}


def _guests(some: Mapping[int, Any], known: Mapping[int, Any], promises: Mapping[str, str]) -> list[Guest]:
    merged = {pid: row.merged_into for pid, row in known.items() if row.merged_into}
    found = []
    for pid, row in some.items():
        holder = known.get(_last(merged, pid), row)
        found.append(_guest(row.ticket, holder, promises, listed=holder is row))
    return found


def _last(merged: Mapping[int, int | None], pid: int) -> int:
    passed = {pid}
    while (into := merged.get(pid)) and into not in passed:
        pid = into
        passed.add(pid)
    return pid


def _guest(ticket: str, row: Any, promises: Mapping[str, str], *, listed: bool) -> Guest:
    subjects: Iterable[str] = (f"company:{row.company_id}", f"person:{row.person_id}")
    state = Ticket(
        row.event_id,
        row.cancelled or row.removed_at is not None,
        row.arrived_at,
        {area: Passage.from_json(one) for area, one in row.passages.items()},
        frozenset(flag for flag, on in row.flags.items() if on),
    )
    return Guest(
        participation=row.id,
        ticket=ticket,
        state=state,
        first_name=row.first_name,
        last_name=row.last_name,
        company=row.company_name,
        company_id=row.company_id,
        position=row.position,
        phone=row.phone,
        product_lines=tuple(row.product_lines),
        notes=notes(
            row.potential, row.door_note or "", [promises[one] for one in subjects if one in promises]
        ),
        listed=listed and row.removed_at is None,
    )
