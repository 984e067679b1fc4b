"""The door while it is open, in numbers: for the organiser's tab and for a supervisor's phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from b24.store.engine import Tx
from smart_process import lanes
from smart_process.admission import Gate, GateKind
from smart_process.lanes import Lanes
from smart_process.store import event_gates, live
from smart_process.store.live import Phone, Through

SILENT = timedelta(minutes=3)
"""A phone not heard of for this long while the event is on is silent: off, asleep, or without network."""
BUSY = 5
"""Minutes over which the pace at the door is measured."""
MINUTES = 60


@dataclass(frozen=True)
class GateNow:
    """A gate: people let in, everybody once, of how many; ``minutes`` as in :class:`LiveView`; ``phones`` in touch."""

    name: str
    kind: GateKind
    people: int
    of: int
    minutes: tuple[int, ...]
    phones: int


@dataclass(frozen=True)
class LiveView:
    """What happens at the door now.

    Args:
        minutes: arrivals in each of the last 60 minutes, the oldest first; ``planned``: what the plan expected.
        silent: phones that should be in touch and are not; ``queued``: entries phones have not sent yet.
    """

    expected: int
    arrived: int
    minutes: tuple[int, ...]
    planned: tuple[float, ...]
    gates: tuple[GateNow, ...]
    lanes: Lanes
    silent: tuple[Phone, ...]
    queued: int

    @property
    def most(self) -> float:
        """The highest point of both curves."""
        return max(*self.minutes, *self.planned)


def look(tx: Tx, event_id: int, starts_at: datetime | None, now: datetime) -> LiveView:
    """The door at this moment. Without a start the event counts as just begun."""
    came = live.arrivals(tx, event_id, now, MINUTES)
    working = [one for one in live.phones(tx, event_id) if works(one, now)]
    heard = [one for one in working if not is_silent(one, now) and _scans(one, now)]
    gates = event_gates.read(tx, event_id)
    minutes = (now - (starts_at or now)).total_seconds() / 60
    return LiveView(
        expected=came.expected,
        arrived=came.arrived,
        minutes=came.minutes,
        planned=tuple(lanes.planned(came.expected, minutes - back) for back in reversed(range(MINUTES))),
        gates=_gates(live.by_gate(tx, event_id, now, MINUTES), gates, came, heard),
        lanes=lanes.plan(
            expected=came.expected,
            arrived=came.arrived,
            minutes_from_start=minutes,
            last_minutes=sum(came.minutes[-BUSY:]) / BUSY,
            opened=sum(_serves_entrance(one, gates) for one in heard),
        ),
        silent=tuple(one for one in working if is_silent(one, now)),
        queued=sum(one.queue or 0 for one in working),
    )


def works(one: Phone, now: datetime) -> bool:
    """Whether a phone may act."""
    return one.revoked_at is None and one.expires_at > now


def is_silent(one: Phone, now: datetime) -> bool:
    """Whether nothing was heard of a phone for too long."""
    return one.last_seen_at is None or now - one.last_seen_at > SILENT


def _scans(one: Phone, now: datetime) -> bool:
    """A supervisor walks about: only scanning makes their phone a lane."""
    lately = one.last_scan_at is not None and now - one.last_scan_at <= timedelta(minutes=BUSY)
    return one.role == "scan" or lately


def _gates(
    through: Mapping[str, Through], gates: Mapping[str, Gate], came: live.Arrivals, heard: list[Phone]
) -> tuple[GateNow, ...]:
    nobody = Through(0, (0,) * MINUTES)
    found = []
    for name in [*gates, *(name for name in through if name not in gates)]:
        kind, one = (gates.get(name) or Gate(name)).kind, through.get(name, nobody)
        # Into a hall or to a stand goes who has arrived; through an entrance whoever is expected.
        of = came.expected if kind is GateKind.ENTRANCE else came.arrived
        phones = sum(not phone.gates or name in phone.gates for phone in heard)
        found.append(GateNow(name, kind, one.people, of, one.minutes, phones))
    return tuple(found)


def _serves_entrance(one: Phone, gates: Mapping[str, Gate]) -> bool:
    kinds = {(gates.get(name) or Gate(name)).kind for name in one.gates or gates or ("",)}
    return GateKind.ENTRANCE in kinds
