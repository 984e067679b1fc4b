"""The one decision at the door. Pure: no I/O, no clock; ``placements/static/scanner/admission.js`` is its twin.

Both are held together by the cases in ``tests/admission_cases.json``, which both test suites read. The time is
never a reason to refuse: early guests and nights when clocks change are let in like everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from smart_process.facts import GROUNDS, Passage


class Verdict(StrEnum):
    """Answers to a scan."""

    ADMITTED = "admitted"
    ALREADY_ADMITTED = "already_admitted"
    WRONG_EVENT = "wrong_event"
    WRONG_GATE = "wrong_gate"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    CONFLICT = "conflict"
    INVALID = "invalid"


class GateKind(StrEnum):
    """``entrance`` leads to the grounds, all entrances to the same; a session and a stand count for themselves."""

    ENTRANCE = "entrance"
    SESSION = "session"
    STAND = "stand"


class Direction(StrEnum):
    """Which way somebody goes through a gate."""

    ENTRY = "entry"
    EXIT = "exit"


class Effect(StrEnum):
    """What a scan leaves behind: the arrival at the event, a passage through the gate, the gate's flag."""

    ARRIVAL = "arrival"
    PASSAGE = "passage"
    FLAG = "flag"


LET_IN = frozenset({Verdict.ADMITTED, Verdict.CONFLICT})
"""Verdicts that leave something behind."""
NAMELESS = frozenset({Verdict.UNKNOWN, Verdict.WRONG_EVENT, Verdict.INVALID, Verdict.REVOKED})
"""Verdicts that tell nothing about a person."""
OVERRULED = frozenset({Verdict.WRONG_GATE, Verdict.CANCELLED, Verdict.ALREADY_ADMITTED})
"""Refusals that come too late when the phone already let the person in: a conflict, recorded all the same."""
LATE = timedelta(minutes=1)
"""A scan learned this long after it happened may be earlier than the arrival we know."""


@dataclass(frozen=True)
class Gate:
    """A door, hall or stand. A name nobody defined is an entrance.

    Args:
        flag: key of the flag that passing sets by itself, "" for none.
        reentry: exits are counted here, and who went out may come back.
    """

    name: str
    kind: GateKind = GateKind.ENTRANCE
    flag: str = ""
    reentry: bool = False

    @property
    def area(self) -> str:
        """Where the gate leads: one passage into it is enough."""
        return GROUNDS if self.kind is GateKind.ENTRANCE else self.name


@dataclass(frozen=True)
class Place:
    """Where a device stands: its event, the gates it may serve (none: every gate) and the defined ones."""

    event: int | str
    gates: tuple[str, ...] = ()
    defined: Mapping[str, Gate] = field(default_factory=dict)
    called_off: bool = False
    revoked: bool = False

    def gate(self, name: str) -> Gate:
        """The gate of a name."""
        return self.defined.get(name) or Gate(name)


@dataclass(frozen=True)
class Ticket:
    """What is known of a ticket before a scan."""

    event: int | str
    cancelled: bool = False
    arrived_at: datetime | None = None
    passages: Mapping[str, Passage] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def passage(self, area: str) -> Passage | None:
        """Whether and when the holder passed into an area; ``None``: never."""
        if area != GROUNDS:
            return self.passages.get(area)
        if self.arrived_at is None:
            return None
        known = self.passages.get(GROUNDS)
        return known or Passage(self.arrived_at, self.arrived_at, inside=True)


@dataclass(frozen=True)
class Passing:
    """Somebody at a gate.

    Args:
        at: when, corrected (see :func:`smart_process.checkin.moment`).
        shown: the verdict the phone already acted on, "" for none.
        late: we learned of it at least ``LATE`` after it happened.
    """

    gate: str
    at: datetime
    direction: Direction = Direction.ENTRY
    shown: str = ""
    late: bool = False


@dataclass(frozen=True)
class Decision:
    """The answer, when the holder was first admitted, and what has to be recorded.

    ``overruled`` is the refusal that came too late, for a conflict.
    """

    verdict: Verdict
    first_admitted_at: datetime | None = None
    effects: tuple[Effect, ...] = ()
    overruled: Verdict | None = None


def decide(place: Place, ticket: Ticket | None, passing: Passing) -> Decision:
    """The verdict on one scan."""
    refusal = _refusal(place, ticket, passing)
    if ticket is None or refusal in NAMELESS:
        return Decision(refusal or Verdict.UNKNOWN)
    gate = place.gate(passing.gate)
    known = ticket.passage(gate.area)
    first = known.first if known else None
    if passing.direction is Direction.EXIT:
        return _out(gate, known, refusal)
    verdict = refusal or _entry(known)
    if verdict in OVERRULED and passing.shown == Verdict.ADMITTED:
        return Decision(Verdict.CONFLICT, first or passing.at, _effects(gate, ticket, known), verdict)
    if verdict is Verdict.ADMITTED:
        return Decision(verdict, first or passing.at, _effects(gate, ticket, known))
    return Decision(verdict, first, _earlier(gate, ticket, passing, verdict))


def _refusal(place: Place, ticket: Ticket | None, passing: Passing) -> Verdict | None:
    if place.revoked:
        return Verdict.REVOKED
    if ticket is None:
        return Verdict.UNKNOWN
    if ticket.event != place.event:
        return Verdict.WRONG_EVENT
    if place.gates and passing.gate not in place.gates:
        return Verdict.WRONG_GATE
    # Whoever is inside may leave.
    if passing.direction is Direction.ENTRY and (ticket.cancelled or place.called_off):
        return Verdict.CANCELLED
    return None


def _out(gate: Gate, known: Passage | None, refusal: Verdict | None) -> Decision:
    first = known.first if known else None
    if refusal:
        return Decision(refusal, first)
    if not gate.reentry:
        return Decision(Verdict.INVALID)
    if known and known.inside:
        return Decision(Verdict.ADMITTED, first, (Effect.PASSAGE,))
    return Decision(Verdict.ALREADY_ADMITTED, first)


def _entry(known: Passage | None) -> Verdict:
    return Verdict.ALREADY_ADMITTED if known and known.inside else Verdict.ADMITTED


def _effects(gate: Gate, ticket: Ticket, known: Passage | None) -> tuple[Effect, ...]:
    flag = (Effect.FLAG,) if gate.flag and gate.flag not in ticket.flags else ()
    arrives = ticket.arrived_at is None or ticket.cancelled
    if gate.area == GROUNDS:
        # Back from outside is a passage; somebody let in twice is a second arrival, so that both are seen.
        back = known is not None and not known.inside and not ticket.cancelled
        return (Effect.PASSAGE if back else Effect.ARRIVAL, *flag)
    return (*((Effect.ARRIVAL,) if arrives else ()), Effect.PASSAGE, *flag)


def _earlier(gate: Gate, ticket: Ticket, passing: Passing, verdict: Verdict) -> tuple[Effect, ...]:
    """The earliest true arrival wins, also when it is learned late from a phone that had no network."""
    known = ticket.arrived_at
    wins = gate.area == GROUNDS and known is not None and passing.late and passing.at < known
    return (Effect.ARRIVAL,) if wins and verdict is Verdict.ALREADY_ADMITTED else ()


def after(place: Place, ticket: Ticket, passing: Passing, decision: Decision) -> Ticket:
    """The ticket after what a decision recorded."""
    gate = place.gate(passing.gate)
    if Effect.ARRIVAL in decision.effects:
        first = min(passing.at, ticket.arrived_at or passing.at)
        ticket = replace(ticket, arrived_at=first, cancelled=False)
    if Effect.PASSAGE in decision.effects:
        entry = passing.direction is Direction.ENTRY
        passed = (ticket.passage(gate.area) or Passage(passing.at, passing.at, entry)).and_then(
            passing.at, entry=entry
        )
        ticket = replace(ticket, passages={**ticket.passages, gate.area: passed})
    if Effect.FLAG in decision.effects:
        ticket = replace(ticket, flags=ticket.flags | {gate.flag})
    return ticket


def gates_of(stored: Iterable[Mapping[str, Any]]) -> dict[str, Gate]:
    """Gates by name, as the event's row keeps them."""
    gates = (
        Gate(one["name"], GateKind(one["kind"]), one.get("flag", ""), bool(one.get("reentry")))
        for one in stored
    )
    return {gate.name: gate for gate in gates}


def gate_json(gate: Gate) -> dict[str, Any]:
    """The reverse, one gate at a time; phones get the same."""
    return {"name": gate.name, "kind": gate.kind.value, "flag": gate.flag, "reentry": gate.reentry}
