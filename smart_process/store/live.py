"""The door while it is open: who came through which gate and when, phones and how they are, important guests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.attention import VIP
from smart_process.checkin import WALK_IN, arrival_key, walk_in_key
from smart_process.facts import FAILURES, PATH, RANK, Kind, Stage, passage_key, standing_passages
from smart_process.store import journal
from smart_process.store import tables as t

SHOWN = 20
_p, _d, _s, _h, _a = t.participation.c, t.device.c, t.scan.c, t.person.c, t.account.c
_LET_IN = ("admitted", "conflict", WALK_IN)
_f, _earlier = t.fact.c, t.fact.alias()
_person = sa.func.coalesce(_p.merged_into, _p.id)
_PASSED = (_s.device_id, _s.scan_id, _s.gate, _person.label("person"), _s.scanned_at, _s.skew_s)
_SCANS = t.scan.join(t.device, _d.id == _s.device_id).join(t.participation, _p.id == _s.participation_id)
_MOVED_BACK = sa.and_(
    _f.kind == Kind.STAGE_MOVED.value,
    _f.data["to"].as_string().in_([stage.value for stage in PATH[: RANK[Stage.ARRIVED]]]),
    sa.exists().where(
        _earlier.c.participation_id == _f.participation_id,
        _earlier.c.kind == Kind.ARRIVED.value,
        _earlier.c.id < _f.id,
    ),
)
_DOUBTFUL = (
    # People of whose passages one was taken back: only their journal says which of their scans still count.
    sa.select(_person)
    .distinct()
    .select_from(t.fact.join(t.participation, _p.id == _f.participation_id))
    .where(
        _p.event_id == sa.bindparam("event_id"),
        sa.or_(_f.kind == Kind.ARRIVAL_ANNULLED.value, _MOVED_BACK),
    )
)


@dataclass(frozen=True)
class Arrivals:
    """``expected``: registered or arrived, not cancelled; ``minutes``: how many came in each of the last minutes,
    the oldest first."""

    expected: int
    arrived: int
    minutes: tuple[int, ...]


@dataclass(frozen=True)
class Phone:
    """An enrolled phone as it last told of itself; ``distrusted``: scans it sent after it was revoked."""

    id: int
    name: str
    gates: tuple[str, ...]
    role: str
    expires_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None
    queue: int | None
    skew_s: int | None
    app_version: str
    scans: int
    distrusted: int
    last_scan_at: datetime | None


def arrivals(tx: Tx, event_id: int, now: datetime, minutes: int) -> Arrivals:
    """Who is expected and who came."""
    living = (_p.event_id == event_id, _p.removed_at.is_(None), _p.merged_into.is_(None))
    failed = _p.stage.in_([stage.value for stage in FAILURES])
    counted = sa.func.sum(sa.case((_p.arrived_at.is_not(None), 1), else_=0))
    row = tx.execute(
        sa.select(sa.func.count(), counted).where(
            *living,
            sa.or_(_p.arrived_at.is_not(None), sa.and_(_p.registered_at.is_not(None), ~failed)),
        )
    ).one()
    since = _first_minute(now, minutes)
    came = [0] * minutes
    for at in tx.scalars(sa.select(_p.arrived_at).where(*living, _p.arrived_at >= since)):
        minute = int((at - since).total_seconds() // 60)
        if minute < minutes:
            came[minute] += 1
    return Arrivals(row[0], int(row[1] or 0), tuple(came))


@dataclass(frozen=True)
class Through:
    """One gate: how many people were let in, everybody once, and how many in each of the last minutes, the oldest
    first."""

    people: int
    minutes: tuple[int, ...]


def by_gate(tx: Tx, event_id: int, now: datetime, minutes: int) -> dict[str, Through]:
    """Who came through each gate; a passage that was taken back did not happen."""
    since = _first_minute(now, minutes)
    doubtful = set(tx.scalars(_DOUBTFUL, {"event_id": event_id}))
    still = list(_still_through(tx, event_id, doubtful))
    rest = _person.not_in(doubtful)
    counted = _through(event_id, _s.gate, sa.func.count(sa.distinct(_person)).label("people"))
    people = Counter({row.gate: row.people for row in tx.execute(counted.where(rest).group_by(_s.gate))})
    people.update(gate for gate, _one in {(row.gate, row.person) for row in still})
    lately = tx.execute(_through(event_id, *_PASSED).where(rest, _s.received_at >= since)).all()
    passed = {
        (
            row.gate,
            row.person,
            int((row.scanned_at - timedelta(seconds=row.skew_s) - since).total_seconds() // 60),
        )
        for row in (*lately, *still)
    }
    came = {gate: [0] * minutes for gate in people}
    for gate, _one, minute in passed:
        if 0 <= minute < minutes:
            came[gate][minute] += 1
    return {gate: Through(people[gate], tuple(came[gate])) for gate in sorted(people)}


def _through(event_id: int, *columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .select_from(_SCANS)
        .where(
            _d.event_id == event_id,
            _s.verdict.in_(_LET_IN),
            _s.direction == "entry",
            _p.removed_at.is_(None),
            sa.or_(_p.arrived_at.is_not(None), _p.merged_into.is_not(None)),
        )
    )


def _still_through(tx: Tx, event_id: int, people: Collection[int]) -> Iterator[Any]:
    """Scans of these people that left an arrival or a passage which counts."""
    if not people:
        return
    standing = {pid: standing_passages(known) for pid, known in journal.history(tx, people).items()}
    for row in tx.execute(_through(event_id, *_PASSED, _s.verdict).where(_person.in_(people))):
        arrival = (walk_in_key if row.verdict == WALK_IN else arrival_key)(row.device_id, row.scan_id)
        if {arrival, passage_key(arrival)} & standing[row.person]:
            yield row


def _first_minute(now: datetime, minutes: int) -> datetime:
    return now.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)


def phones(tx: Tx, event_id: int) -> list[Phone]:
    """Phones ever enrolled for an event, the newest first."""
    counted = (
        sa.select(
            _s.device_id,
            sa.func.count().label("scans"),
            sa.func.sum(sa.case((_s.verdict == "revoked", 1), else_=0)).label("distrusted"),
            sa.func.max(_s.received_at).label("last_scan_at"),
        )
        .join(t.device, _d.id == _s.device_id)
        .where(_d.event_id == event_id)
        .group_by(_s.device_id)
        .subquery()
    )
    names = ("id", "name", "gates", "role", "expires_at", "revoked_at", "last_seen_at", "queue", "skew_s")
    rows = tx.execute(
        sa.select(
            *(_d[name] for name in (*names, "app_version")),
            sa.func.coalesce(counted.c.scans, 0).label("scans"),
            sa.func.coalesce(counted.c.distrusted, 0).label("distrusted"),
            counted.c.last_scan_at,
        )
        .outerjoin(counted, counted.c.device_id == _d.id)
        .where(_d.event_id == event_id)
        .order_by(_d.id.desc())
    )
    return [Phone(**{**row._mapping, "gates": tuple(row.gates)}) for row in rows]


def important(tx: Tx, event_id: int) -> list[Any]:
    """Latest arrivals of companies with a high potential: CRM ids, gate and time, no names."""
    return list(
        tx.execute(
            sa.select(_p.id, _p.item_id, _h.company_id, _p.arrived_at, _p.gate)
            .join(t.person, _h.id == _p.person_id)
            .join(t.account, sa.and_(_a.portal_id == _h.portal_id, _a.company_id == _h.company_id))
            .where(
                _p.event_id == event_id,
                _p.arrived_at.is_not(None),
                _p.removed_at.is_(None),
                _p.merged_into.is_(None),
                _a.potential == VIP,
            )
            .order_by(_p.arrived_at.desc(), _p.id)
            .limit(SHOWN)
        )
    )


def key_guests(tx: Tx, portal_id: int, event_id: int, company_id: int, since: datetime) -> list[Any]:
    """Arrivals of an important company's people since a moment, with whom to tell."""
    return list(
        tx.execute(
            sa.select(_p.id, _p.arrived_at, _p.gate, _h.first_name, _h.last_name, _a.title, _a.responsible_id)
            .join(t.person, _h.id == _p.person_id)
            .join(t.account, sa.and_(_a.portal_id == _h.portal_id, _a.company_id == _h.company_id))
            .where(
                _p.portal_id == portal_id,
                _p.event_id == event_id,
                _h.company_id == company_id,
                _p.arrived_at >= since,
                _p.removed_at.is_(None),
                _p.merged_into.is_(None),
                _a.potential == VIP,
                _a.responsible_id.is_not(None),
            )
            .order_by(_p.id)
        )
    )
