"""Seats at the door: participations read and locked for scans and flags; scans kept with their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa

from b24.store.engine import Store, Tx, insert_of
from b24.store.hot import Hot
from smart_process.admission import Ticket
from smart_process.facts import NewFact, Passage
from smart_process.store import journal
from smart_process.store import tables as t
from smart_process.store.devices import (
    DEVICE_COLUMNS,
    DEVICE_FROM,
    Device,
    by_token_hash,
    device_of_row,
)
from smart_process.store.journal import Owner

T = TypeVar("T")
TRIES = 4


class SeenBefore(Exception):
    """A scan of the batch was kept before: roll back, and read the earlier verdicts this time."""


@dataclass(frozen=True)
class Seat:
    """A participation as the door sees it."""

    id: int
    portal_id: int
    event_id: int
    person_id: int
    company_id: int | None
    ticket: str
    stage: str
    arrived_at: datetime | None
    gate: str
    cancelled: bool
    removed: bool
    merged_into: int | None
    flags: tuple[str, ...]
    product_lines: tuple[str, ...]
    first_name: str
    last_name: str
    company: str
    position: str
    passages: Mapping[str, Passage] = field(default_factory=dict)

    @property
    def as_ticket(self) -> Ticket:
        """What a decision needs to know of it."""
        return Ticket(
            self.event_id,
            self.cancelled or self.removed,
            self.arrived_at,
            self.passages,
            frozenset(self.flags),
        )

    @property
    def owner(self) -> Owner:
        """What the journal needs to know of it."""
        return Owner(self.id, self.portal_id, self.event_id, self.person_id, self.company_id)


@dataclass(frozen=True)
class Kept:
    """A scan kept earlier, with the verdict it got."""

    scan_id: str
    participation_id: int | None
    verdict: str
    first_admitted_at: datetime | None


_p, _h = t.participation.c, t.person.c
_SEAT_COLUMNS = (
    _p.id,
    _p.portal_id,
    _p.event_id,
    _p.person_id,
    _p.ticket,
    _p.stage,
    _p.arrived_at,
    _p.gate,
    _p.cancelled,
    _p.removed_at,
    _p.merged_into,
    _p.flags,
    _p.product_lines,
    _p.passages,
    _h.company_id,
    _h.first_name,
    _h.last_name,
    _h.company_name,
    _h.position,
)
# Only a check, never the way in: without statistics SQLite takes one equality for better than a list of tickets or
# ids, and would read every guest of the portal. An expression has no index.
_of_portal = _p.portal_id + 0
# One read for the device and its tickets. An inner join, as PostgreSQL locks no row of an outer one.
_DOOR = (
    sa.select(*DEVICE_COLUMNS, *_SEAT_COLUMNS)
    .select_from(
        DEVICE_FROM.join(t.participation, _of_portal == t.device.c.portal_id).join(
            t.person, _h.id == _p.person_id
        )
    )
    .where(t.device.c.token_hash == sa.bindparam("token_hash"))
    .order_by(_p.id)
    .with_for_update(of=t.participation)
)
_BY_ONE = Hot(lambda _dialect: _DOOR.where(_p.ticket == sa.bindparam("ticket")))
_BY_TICKET = _DOOR.where(_p.ticket.in_(sa.bindparam("tickets", expanding=True)))
_BY_EITHER = _DOOR.where(
    sa.or_(
        _p.ticket.in_(sa.bindparam("tickets", expanding=True)),
        _p.id.in_(sa.bindparam("ids", expanding=True)),
    )
)
_BY_ID = (
    sa.select(*_SEAT_COLUMNS)
    .select_from(t.participation.join(t.person, _h.id == _p.person_id))
    .where(_of_portal == sa.bindparam("portal_id"), _p.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_p.id)
)
_BEHIND = (
    sa.select(*_SEAT_COLUMNS)
    .select_from(t.participation.join(t.person, _h.id == _p.person_id))
    .where(
        _of_portal == sa.bindparam("portal_id"),
        sa.or_(
            _p.ticket.in_(sa.bindparam("tickets", expanding=True)),
            _p.id.in_(sa.bindparam("ids", expanding=True)),
        ),
    )
    .order_by(_p.id)
    .with_for_update(of=t.participation)
)
_BY_ID_LOCKED = _BY_ID.with_for_update(of=t.participation)
_EARLIER = sa.select(
    t.scan.c.scan_id, t.scan.c.participation_id, t.scan.c.verdict, t.scan.c.first_admitted_at
).where(
    t.scan.c.device_id == sa.bindparam("device_id"),
    t.scan.c.scan_id.in_(sa.bindparam("scan_ids", expanding=True)),
)


def settled(store: Store, work: Callable[[Tx, bool], T]) -> T:
    """Run ``work(tx, careful)`` in a transaction until it settles.

    Careless first: most scans are new, so earlier verdicts are read only once a scan proves to be a repeat.
    Also repeated when PostgreSQL broke a deadlock at our cost.
    """
    try:
        return store.shared(lambda tx: work(tx, False))
    except (SeenBefore, sa.exc.OperationalError):
        pass
    for left in reversed(range(TRIES - 1)):
        try:
            return store.shared(lambda tx: work(tx, True))
        except (SeenBefore, sa.exc.OperationalError):
            if not left:
                raise
    raise AssertionError("unreachable")


def open_door(
    tx: Tx, token_hash: str, tickets: Iterable[str], participation_ids: Iterable[int] = ()
) -> tuple[Device | None, list[Seat]]:
    """The device with this token and its portal's seats behind tickets or ids, locked in the order of ids."""
    found = _rows_of(tx, token_hash, list(tickets), list(participation_ids))
    if not found:
        return by_token_hash(tx, token_hash), []
    return device_of_row(found[0]), [_seat(row) for row in found]


def _rows_of(tx: Tx, token_hash: str, tickets: list[str], ids: list[int]) -> Sequence[Any]:
    params: dict[str, Any] = {"token_hash": token_hash, "tickets": tickets}
    if ids:
        return tx.execute(_BY_EITHER, params | {"ids": ids}).all()
    if len(tickets) == 1:
        return _BY_ONE.run(tx, {"token_hash": token_hash, "ticket": tickets[0]})
    return tx.execute(_BY_TICKET, params).all()


def seats(tx: Tx, portal_id: int, participation_ids: Iterable[int], *, lock: bool = True) -> list[Seat]:
    """Seats of a portal by id."""
    ids = list(participation_ids)
    if not ids:
        return []
    rows = tx.execute(_BY_ID_LOCKED if lock else _BY_ID, {"portal_id": portal_id, "ids": ids})
    return [_seat(row) for row in rows]


def seats_behind(
    tx: Tx, portal_id: int, tickets: Iterable[str], participation_ids: Iterable[int]
) -> list[Seat]:
    """Seats of a portal behind tickets or ids, locked in the order of ids."""
    params = {"portal_id": portal_id, "tickets": list(tickets), "ids": list(participation_ids)}
    return [_seat(row) for row in tx.execute(_BEHIND, params)]


def survivors(tx: Tx, found: Sequence[Seat]) -> dict[int, Seat]:
    """Per id the seat itself, or the one it was merged into: old tickets keep resolving."""
    known = {seat.id: seat for seat in found}
    while missing := {s.merged_into for s in known.values() if s.merged_into} - known.keys():
        more = seats(tx, found[0].portal_id, [one for one in missing if one])
        if not more:
            break
        known |= {seat.id: seat for seat in more}
    return {pid: _last(known, seat) for pid, seat in known.items()}


def _last(known: Mapping[int, Seat], seat: Seat) -> Seat:
    passed = {seat.id}
    while (into := known.get(seat.merged_into or 0)) and into.id not in passed:
        seat = into
        passed.add(seat.id)
    return seat


def earlier(tx: Tx, device_id: int, scan_ids: Iterable[str]) -> dict[str, Kept]:
    """Scans of a device kept before, by id."""
    rows = tx.execute(_EARLIER, {"device_id": device_id, "scan_ids": list(scan_ids)})
    return {row.scan_id: Kept(*row) for row in rows}


def keep(tx: Tx, scans: Sequence[Mapping[str, Any]]) -> None:
    """Keep scans with their verdicts. ``SeenBefore`` when one of them is there already."""
    if not scans:
        return
    kept = _KEEP.run(tx, scans[0]) if len(scans) == 1 else tx.execute(_keeping(tx.dialect.name), scans).all()
    if len(kept) < len(scans):
        raise SeenBefore


@cache
def _keeping(dialect: str) -> Any:
    return insert_of(dialect, t.scan).on_conflict_do_nothing().returning(t.scan.c.scan_id)


_KEEP = Hot(_keeping, [column.name for column in t.scan.c])


def keep_and_recall(
    tx: Tx, scans: Sequence[Mapping[str, Any]], participation_ids: Iterable[int]
) -> dict[int, list[NewFact]]:
    """:func:`keep` scans and read the journal of participations; for one of each PostgreSQL does both at once."""
    ids = list(participation_ids)
    if tx.dialect.name != "postgresql" or (len(scans), len(ids)) != (1, 1):
        keep(tx, scans)
        return journal.history(tx, ids) if ids else {}
    rows = _KEEP_AND_RECALL.run(tx, {**scans[0], "recalled": ids[0]})
    if not rows[0].kept:
        raise SeenBefore
    return {ids[0]: [journal.fact_of(row) for row in rows if row.kind is not None]}


def _keeping_and_recalling(dialect: str) -> Any:
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in t.scan.c}
    kept = _keeping(dialect).values(values).cte("kept")
    counted = sa.select(sa.func.count()).select_from(kept).scalar_subquery()
    always = sa.select(sa.literal(1).label("one")).subquery()
    facts = always.outerjoin(t.fact, t.fact.c.participation_id == sa.bindparam("recalled"))
    columns = counted.label("kept"), *journal.FACT_COLUMNS
    return sa.select(*columns).select_from(facts).order_by(t.fact.c.id)


_KEEP_AND_RECALL = Hot(_keeping_and_recalling)


def scan_of_event(tx: Tx, event_id: int, scan_id: str, prefer_device: int) -> Any:
    """A scan by any device of an event; the given device's own when two devices used one id."""
    return tx.execute(
        sa.select(t.scan)
        .join(t.device, t.device.c.id == t.scan.c.device_id)
        .where(t.scan.c.scan_id == scan_id, t.device.c.event_id == event_id)
        .order_by(sa.case((t.scan.c.device_id == prefer_device, 0), else_=1), t.scan.c.received_at)
        .limit(1)
    ).first()


def expected(tx: Tx, event_id: int) -> Iterable[Any]:
    """Everybody of an event: ids, names, company, position, phone, stage, arrival."""
    return tx.execute(
        sa.select(
            _p.id,
            _h.last_name,
            _h.first_name,
            _h.company_name,
            _h.position,
            _h.phone,
            _p.stage,
            _p.arrived_at,
            _p.cancelled,
        )
        .join(t.person, _h.id == _p.person_id)
        .where(_p.event_id == event_id, _p.merged_into.is_(None), _p.removed_at.is_(None))
    )


def _seat(row: Any) -> Seat:
    return Seat(
        id=row.id,
        portal_id=row.portal_id,
        event_id=row.event_id,
        person_id=row.person_id,
        company_id=row.company_id,
        ticket=row.ticket,
        stage=row.stage,
        arrived_at=row.arrived_at,
        gate=row.gate,
        cancelled=row.cancelled,
        removed=row.removed_at is not None,
        merged_into=row.merged_into,
        flags=tuple(flag for flag, on in row.flags.items() if on),
        product_lines=tuple(row.product_lines),
        first_name=row.first_name,
        last_name=row.last_name,
        company=row.company_name,
        position=row.position,
        passages={area: Passage.from_json(one) for area, one in row.passages.items()},
    )
