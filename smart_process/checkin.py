"""Scans: read together with their device, judged by ``smart_process.admission``, recorded; one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from b24.store.engine import Tx
from b24.store.marks import HOT
from smart_process import devices
from smart_process.admission import (
    LATE,
    NAMELESS,
    Decision,
    Direction,
    Effect,
    Gate,
    Passing,
    Verdict,
    after,
    decide,
)
from smart_process.facts import Kind, NewFact, passage_key
from smart_process.store import door, journal
from smart_process.store.devices import Device
from smart_process.store.door import Kept, Seat

SKEW_MATTERS = timedelta(minutes=1)
EARLY_GUESTS = timedelta(days=2)
WALK_IN = "walk_in"
"""Kept as the verdict on somebody added at the door."""


@dataclass(frozen=True)
class Scan:
    """One scan as the device reports it.

    Args:
        scan_id: 32 hex digits, lower case.
        ticket: token of the ticket, or any text that is none; ``participation``: of somebody found by name.
        scanned_at: by the device's clock; ``None`` when it names no moment of our calendar.
        shown: the verdict the phone already acted on.
    """

    scan_id: str
    gate: str
    scanned_at: datetime | None
    ticket: str = ""
    participation: int | None = None
    shown: str = ""
    direction: Direction = Direction.ENTRY


@dataclass(frozen=True)
class Ruling:
    """The answer to one scan; ``seat`` is ``None`` when nothing may be told about a person."""

    verdict: Verdict
    seat: Seat | None = None
    first_admitted_at: datetime | None = None


@dataclass(frozen=True)
class Rulings:
    """Answers to a batch, by scan id."""

    device: Device
    by_scan: Mapping[str, Ruling]
    recorded: bool


def skew_of(sent_at: datetime | None, now: datetime) -> timedelta:
    """How far the device's clock is ahead of ours; less than a minute is the network and counts as none."""
    skew = sent_at - now if sent_at else timedelta()
    return skew if abs(skew) >= SKEW_MATTERS else timedelta()


def moment(told: datetime | None, *, skew: timedelta, now: datetime, starts_at: datetime | None) -> datetime:
    """When something happened at the door: the device's time, corrected by its skew; now, if that cannot be.

    Nothing happens in the future, nor long before the event.
    """
    try:
        at = told - skew if told else now
    except OverflowError:
        return now
    earliest = min(starts_at or now, now) - EARLY_GUESTS
    return at if earliest <= at <= now else now


@dataclass
class _Batch:
    """A batch while it is judged: seats as they are after the scans so far, and what will be recorded."""

    device: Device
    seats: dict[int, Seat]
    tickets: Mapping[str, int]
    skew: timedelta
    now: datetime
    rulings: dict[str, Ruling] = field(default_factory=dict)
    facts: dict[int, list[NewFact]] = field(default_factory=lambda: defaultdict(list))
    kept: list[dict[str, object]] = field(default_factory=list)

    def judge(self, scan: Scan) -> None:
        scan = replace(scan, gate=scan.gate or self.device.only_gate)
        pid = self.tickets.get(scan.ticket) if scan.ticket else scan.participation
        seat = self.seats.get(pid) if pid is not None else None
        at = moment(scan.scanned_at, skew=self.skew, now=self.now, starts_at=self.device.starts_at)
        passing = Passing(scan.gate, at, scan.direction, scan.shown, late=self.now - at >= LATE)
        decision = decide(self.device.place, seat.as_ticket if seat else None, passing)
        if seat and decision.effects:
            self._record(seat, scan, passing, decision)
        self._answer(scan, decision, seat)

    def _record(self, seat: Seat, scan: Scan, passing: Passing, decision: Decision) -> None:
        told: dict[str, object] = {}
        if decision.overruled:
            told["conflict"] = decision.overruled.value
        if scan.scanned_at != passing.at:
            told["device_time"] = scan.scanned_at.isoformat() if scan.scanned_at else None
        if self.skew:
            told["skew_s"] = seconds(self.skew)
        key = arrival_key(self.device.id, scan.scan_id)
        self.facts[seat.id] += left_behind(self.device, passing, decision.effects, key, told)
        ticket = after(self.device.place, seat.as_ticket, passing, decision)
        self._seat_changed(
            replace(
                seat,
                arrived_at=ticket.arrived_at,
                gate=seat.gate or scan.gate,
                cancelled=ticket.cancelled,
                passages=ticket.passages,
                flags=tuple(sorted(ticket.flags)),
            )
        )

    def _seat_changed(self, seat: Seat) -> None:
        for pid, other in self.seats.items():
            if other.id == seat.id:
                self.seats[pid] = seat

    def _answer(self, scan: Scan, decision: Decision, seat: Seat | None) -> None:
        verdict = decision.verdict
        told = None if verdict in NAMELESS or seat is None else self.seats.get(seat.id, seat)
        first = decision.first_admitted_at if told else None
        self.rulings[scan.scan_id] = Ruling(verdict, told, first)
        self.kept.append(
            {
                "device_id": self.device.id,
                "scan_id": scan.scan_id,
                "portal_id": self.device.portal_id,
                "participation_id": seat.id if seat else None,
                "gate": scan.gate,
                "direction": scan.direction.value,
                "verdict": verdict.value,
                "first_admitted_at": first,
                "scanned_at": _storable(scan.scanned_at, self.now),
                "skew_s": seconds(self.skew),
                "received_at": self.now,
            }
        )


def arrival_key(device_id: int, scan_id: str) -> str:
    """Idempotency key of the arrival a scan leaves."""
    return f"scan:{device_id}:{scan_id}"


def walk_in_key(device_id: int, action_id: str) -> str:
    """Idempotency key of the arrival of somebody without a ticket."""
    return f"{action_key(device_id, action_id)}:arrival"


def action_key(device_id: int, action_id: str) -> str:
    """Idempotency key of what an action does."""
    return f"action:{device_id}:{action_id}"


def left_behind(
    device: Device,
    passing: Passing,
    effects: Sequence[Effect],
    key: str,
    told: Mapping[str, object] | None = None,
) -> list[NewFact]:
    """The facts of a passing; ``told`` goes with the first of them."""
    gate: Gate = device.place.gate(passing.gate)
    kinds = {
        Effect.ARRIVAL: (Kind.ARRIVED, key, {}),
        Effect.PASSAGE: (
            Kind.PASSED,
            passage_key(key),
            {"area": gate.area, "direction": passing.direction.value},
        ),
        Effect.FLAG: (Kind.FLAG_SET, flag_key(key), {"flag": gate.flag}),
    }
    facts: list[NewFact] = []
    for effect in effects:
        kind, its_key, its_data = kinds[effect]
        data = {"device": device.name, **its_data, **({} if facts else told or {})}
        facts.append(NewFact(kind, passing.at, device.actor, its_key, gate=passing.gate, data=data))
    return facts


def flag_key(arrival: str) -> str:
    """Key of the flag a scan sets by itself."""
    return f"{arrival}:flag"


def seconds(skew: timedelta) -> int:
    """A skew as databases keep it; no clock is off by more than a lifetime."""
    return max(-(2**31), min(2**31 - 1, round(skew.total_seconds())))


def check_in(
    tx: Tx, token: str, scans: Sequence[Scan], *, sent_at: datetime | None, now: datetime, careful: bool
) -> Rulings:
    """Judge scans in their order and record them: arrivals as facts, every scan with its verdict.

    Args:
        token: the device's bearer token.
        careful: read earlier verdicts first; otherwise a repeat raises ``SeenBefore`` (see ``door.settled``).
    Raises:
        DeviceRefused: unknown or expired device (a revoked one gets verdicts ``revoked``).
    """
    wanted = {scan.scan_id: scan for scan in reversed(scans)}
    device, seats = door.open_door(
        tx,
        devices.secret_hash(token),
        {scan.ticket for scan in scans if scan.ticket},
        {scan.participation for scan in scans if scan.participation is not None},
    )
    if device is None:
        raise devices.DeviceRefused("token_unknown")
    devices.check(device, now=now)
    batch = _batch(tx, device, seats, skew_of(sent_at, now), now)
    if careful:
        batch.rulings |= _earlier(tx, device, wanted)
    for scan in scans:
        if scan.scan_id not in batch.rulings:
            batch.judge(scan)
    known = door.keep_and_recall(tx, batch.kept, batch.facts)
    if batch.facts:
        owned = {seat.id: seat.owner for seat in batch.seats.values() if seat.id in batch.facts}
        journal.append(tx, owned, known, batch.facts, now=batch.now, priority=HOT)
    return Rulings(device, batch.rulings, bool(batch.facts))


def _batch(tx: Tx, device: Device, seats: Sequence[Seat], skew: timedelta, now: datetime) -> _Batch:
    living = {seat.id: seat for seat in seats}
    if any(seat.merged_into for seat in seats):
        living = door.survivors(tx, seats)
    return _Batch(device, living, {seat.ticket: seat.id for seat in seats}, skew, now)


def _earlier(tx: Tx, device: Device, wanted: Mapping[str, Scan]) -> dict[str, Ruling]:
    kept = door.earlier(tx, device.id, wanted)
    pids = {one.participation_id for one in kept.values() if one.participation_id is not None}
    seats = {seat.id: seat for seat in door.seats(tx, device.portal_id, pids, lock=False)}
    return {scan_id: _ruled(one, seats) for scan_id, one in kept.items()}


def _ruled(kept: Kept, seats: Mapping[int, Seat]) -> Ruling:
    verdict = Verdict(kept.verdict)
    seat = seats.get(kept.participation_id) if kept.participation_id is not None else None
    return Ruling(verdict, None if verdict in NAMELESS else seat, kept.first_admitted_at)


def _storable(told: datetime | None, now: datetime) -> datetime:
    """A device's time as kept with the scan; ours instead of one no database should have to hold."""
    plausible = told is not None and datetime(2000, 1, 1, tzinfo=UTC) <= told < datetime(
        2100, 1, 1, tzinfo=UTC
    )
    return told if told is not None and plausible else now
