"""Activity on the floor: flags and notes, undone arrivals, guests who walk in, people looked up by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from b24.store.engine import Tx
from b24.store.marks import HOT
from smart_process import names
from smart_process.admission import Direction, Passing, Ticket, decide
from smart_process.checkin import WALK_IN, action_key, arrival_key, flag_key, left_behind, moment, walk_in_key
from smart_process.facts import Kind, NewFact, State, passage_key, project
from smart_process.pack import PHONE_TAIL
from smart_process.people import Identity
from smart_process.schema import FLAGS
from smart_process.store import door, journal, participations, people
from smart_process.store.devices import Device
from smart_process.store.door import Seat

OWN_UNDO = timedelta(minutes=2)
"""How long after we learned of it a device may take back its own scan."""
MOST_FOUND = 20
LONGEST_NOTE = 2000


class Result(StrEnum):
    """Answers to flags, annulments and walk-ins."""

    DONE = "done"
    ALREADY = "already"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    INVALID = "invalid"


@dataclass(frozen=True)
class FlagAction:
    """One tap on the floor: a flag set or withdrawn, a note, or both.

    Args:
        flag: key of ``FLAGS``; "" for a note alone.
        set_at: by the device's clock; ``None`` when it names no moment of our calendar.
    """

    action_id: str
    ticket: str
    participation: int | None
    flag: str
    product_line: str
    on: bool
    note: str
    set_at: datetime | None
    gate: str = ""


@dataclass(frozen=True)
class Annulment:
    """An arrival taken back: the one a scan left or, for supervisors, every arrival of a participation so far."""

    action_id: str
    scan_id: str
    reason: str
    set_at: datetime | None
    participation: int | None = None


@dataclass(frozen=True)
class WalkIn:
    """Somebody who came without registering. Phone and e-mail of ``who`` are normalised."""

    action_id: str
    who: Identity
    gate: str
    came_at: datetime | None
    host: str = ""


@dataclass(frozen=True)
class Done:
    """The answer to one action; ``why`` is a key of ``door_words``."""

    result: Result
    why: str
    seat: Seat | None = None


@dataclass
class _Tray:
    """Flags being worked through: what each participation's facts are so far."""

    device: Device
    lines: Mapping[str, str]
    skew: timedelta
    now: datetime
    seats: Mapping[int, Seat]
    tickets: Mapping[str, int]
    known: Mapping[int, Sequence[NewFact]]
    facts: dict[int, list[NewFact]] = field(default_factory=lambda: defaultdict(list))

    def take(self, action: FlagAction) -> Done:
        pid = self.tickets.get(action.ticket) if action.ticket else action.participation
        seat = self.seats.get(pid) if pid is not None else None
        refused = self._refusal(action, seat)
        if refused or seat is None:
            return refused or Done(Result.UNKNOWN, "unknown")
        so_far = [*self.known[seat.id], *self.facts[seat.id]]
        keys, state = {one.key for one in so_far}, project(so_far)
        key = action_key(self.device.id, action.action_id)
        if key in keys or f"{key}:note" in keys:
            return Done(Result.ALREADY, "already", seat)
        new = self._new_facts(action, key, state)
        if not new:
            return Done(Result.ALREADY, "already", seat)
        self.facts[seat.id] += new
        came = new[0].kind is Kind.ARRIVED
        return Done(Result.DONE, "done_arrived" if came else "done", seat)

    def _refusal(self, action: FlagAction, seat: Seat | None) -> Done | None:
        if action.flag and action.flag not in FLAGS:
            return Done(Result.INVALID, "no_flag")
        if seat is None:
            return Done(Result.UNKNOWN, "unknown")
        if seat.event_id != self.device.event_id:
            return Done(Result.REFUSED, "other_event")
        if seat.removed:
            return Done(Result.REFUSED, "removed")
        if action.on and action.product_line and self.lines and self._line(action) not in self.lines.values():
            return Done(Result.REFUSED, "no_line")
        return None

    def _line(self, action: FlagAction) -> str:
        """The product line as the event spells it."""
        return self.lines.get(action.product_line.casefold(), action.product_line)

    def _new_facts(self, action: FlagAction, key: str, state: State) -> list[NewFact]:
        at = moment(action.set_at, skew=self.skew, now=self.now, starts_at=self.device.starts_at)
        gate = action.gate if self.device.may_stand_at(action.gate) else ""
        gate = gate or self.device.only_gate
        new: list[NewFact] = []

        def fact(kind: Kind, its_key: str, **data: Any) -> None:
            data |= {"device": self.device.name}
            new.append(NewFact(kind, at, self.device.actor, its_key, gate=gate, data=data))

        if action.flag and self._changes(action, state):
            line = {"product_line": self._line(action)} if action.product_line else {}
            kind = Kind.FLAG_SET if action.on else Kind.FLAG_WITHDRAWN
            fact(kind, key, flag=action.flag, **line)
        if action.note and action.note not in state.note.split("\n"):
            fact(Kind.NOTE, f"{key}:note", text="\n".join(filter(None, [state.note, action.note])))
        if action.on and state.arrived_at is None:
            # Whoever is flagged stands in front of us.
            fact(Kind.ARRIVED, f"{key}:arrival", source="flag")
            new.insert(0, new.pop())
        return new

    def _changes(self, action: FlagAction, state: State) -> bool:
        on = action.flag in state.flags
        if action.product_line:
            on = on and self._line(action) in state.product_lines
        return on is not action.on


def set_flags(
    tx: Tx,
    device: Device,
    actions: Sequence[FlagAction],
    *,
    lines: Sequence[str],
    skew: timedelta,
    now: datetime,
) -> list[Done]:
    """Record flags and notes in their order. A flag on somebody who has not arrived is an arrival too.

    Args:
        lines: product lines of the event; none: any text is one.
    """
    tickets = {action.ticket for action in actions if action.ticket}
    ids = {action.participation for action in actions if action.participation is not None}
    found = door.seats_behind(tx, device.portal_id, tickets, ids)
    seats = door.survivors(tx, found) if any(seat.merged_into for seat in found) else _by_id(found)
    known = journal.history(tx, {seat.id for seat in seats.values()})
    tray = _Tray(
        device=device,
        lines={line.casefold(): line for line in lines},
        skew=skew,
        now=now,
        seats=seats,
        tickets={seat.ticket: seat.id for seat in found},
        known=known,
    )
    done = [tray.take(action) for action in actions]
    owned = {seat.id: seat.owner for seat in seats.values()}
    facts = {pid: some for pid, some in tray.facts.items() if some}
    journal.append(tx, owned, known, facts, now=now, priority=HOT)
    return done


def _by_id(found: Sequence[Seat]) -> dict[int, Seat]:
    return {seat.id: seat for seat in found}


def annul(tx: Tx, device: Device, one: Annulment, *, skew: timedelta, now: datetime) -> Done:
    """Take back the arrival a scan left. Supervisors: any scan; others: their own, shortly after."""
    if not one.scan_id:
        return _annul_all(tx, device, one, skew=skew, now=now)
    scan = door.scan_of_event(tx, device.event_id, one.scan_id, device.id)
    if scan is None:
        return Done(Result.UNKNOWN, "no_scan")
    if not _may_annul(device, scan, now):
        return Done(Result.REFUSED, "role")
    arrival = arrival_key(scan.device_id, scan.scan_id)
    seat = _seat(tx, device, scan.participation_id)
    known = journal.history(tx, [seat.id] if seat else [])
    if seat is None or _left_at(known[seat.id], arrival) is None:
        return Done(Result.REFUSED, "not_let_in")
    if annulled(known[seat.id], arrival):
        return Done(Result.ALREADY, "already", seat)
    at = moment(one.set_at, skew=skew, now=now, starts_at=device.starts_at)
    data = {"annuls": arrival, "reason": one.reason, "device": device.name}
    fact = NewFact(
        Kind.ARRIVAL_ANNULLED,
        at,
        device.actor,
        action_key(device.id, one.action_id),
        gate=scan.gate,
        data=data,
    )
    facts = [fact, *flag_back(known[seat.id], arrival, fact)]
    states = journal.append(tx, {seat.id: seat.owner}, known, {seat.id: facts}, now=now, priority=HOT)
    state = states.get(seat.id)
    return Done(Result.DONE, "still_in" if state and state.arrived_at else "annulled", seat)


def _annul_all(tx: Tx, device: Device, one: Annulment, *, skew: timedelta, now: datetime) -> Done:
    """Take back whoever noted it: a supervisor has the guest before them and no scan of their own."""
    if device.role != "supervise":
        return Done(Result.REFUSED, "role")
    seat = _seat(tx, device, one.participation)
    if seat is None or seat.event_id != device.event_id:
        return Done(Result.UNKNOWN, "unknown")
    if seat.arrived_at is None:
        return Done(Result.ALREADY, "already", seat)
    at = moment(one.set_at, skew=skew, now=now, starts_at=device.starts_at)
    key, data = action_key(device.id, one.action_id), {"reason": one.reason, "device": device.name}
    fact = NewFact(Kind.ARRIVAL_ANNULLED, at, device.actor, key, data=data)
    journal.record(tx, {seat.id: [fact]}, now=now, priority=HOT)
    return Done(Result.DONE, "annulled", seat)


def _seat(tx: Tx, device: Device, participation_id: int | None) -> Seat | None:
    """The guest's seat, or the one it was merged into: that one took all facts over and is what people see."""
    if participation_id is None:
        return None
    return door.survivors(tx, door.seats(tx, device.portal_id, [participation_id])).get(participation_id)


def _may_annul(device: Device, scan: Any, now: datetime) -> bool:
    own = bool(scan.device_id == device.id)
    return device.role == "supervise" or (own and now - scan.received_at <= OWN_UNDO)


def _left_at(known: Sequence[NewFact], arrival: str) -> int | None:
    """Where in the journal the arrival or the passage of a scan stands."""
    left = {arrival, passage_key(arrival)}
    return next((at for at, fact in enumerate(known) if fact.key in left), None)


def annulled(known: Sequence[NewFact], arrival: str) -> bool:
    """Whether an arrival was taken back since, by name or with all others, and not given again."""
    gone = False
    for fact in known[_left_at(known, arrival) or 0 :]:
        if fact.kind is Kind.ARRIVAL_ANNULLED and fact.data.get("annuls", arrival) == arrival:
            gone = True
        elif fact.kind is Kind.CASE_REOPENED and fact.data.get("restores") == arrival:
            gone = False
    return gone


def flag_back(known: Sequence[NewFact], arrival: str, undo: NewFact) -> list[NewFact]:
    """The flag a gate set by itself goes with the scan, unless somebody touched it since."""
    about = [fact for fact in known if fact.kind in (Kind.FLAG_SET, Kind.FLAG_WITHDRAWN)]
    own = next((fact for fact in about if fact.key == flag_key(arrival)), None)
    if own is None:
        return []
    last = next(fact for fact in reversed(about) if fact.data["flag"] == own.data["flag"])
    if last is not own:
        return []
    data = {
        "flag": own.data["flag"],
        **{name: undo.data[name] for name in ("reason", "device") if name in undo.data},
    }
    return [NewFact(Kind.FLAG_WITHDRAWN, undo.at, undo.actor, flag_key(undo.key), gate=undo.gate, data=data)]


def walk_in(tx: Tx, device: Device, one: WalkIn, *, skew: timedelta, now: datetime) -> Done:
    """Add somebody who came without registering: person, participation, registration and arrival.

    The same action again answers the same guest. Somebody already on the list simply arrives.
    """
    kept = door.earlier(tx, device.id, [one.action_id]).get(one.action_id)
    if kept is not None:
        seat = next(iter(door.seats(tx, device.portal_id, [kept.participation_id or 0])), None)
        return Done(Result.ALREADY, "already", seat)
    at = moment(one.came_at, skew=skew, now=now, starts_at=device.starts_at)
    gate = one.gate if one.gate and device.may_stand_at(one.gate) else device.only_gate
    person_id = people.find_or_add_person(tx, device.portal_id, one.who, now)
    listed = participations.of_person(tx, device.event_id, person_id) is not None
    pid = participations.find_or_add(
        tx, portal_id=device.portal_id, event_id=device.event_id, person_id=person_id
    ).id
    door.keep(tx, [_kept_walk_in(device, one, pid, gate, at, now)])
    facts = _came(device, one, gate, at)
    journal.record(tx, {pid: facts[1:] if listed else facts}, now=now, priority=HOT)
    return Done(Result.DONE, "was_listed" if listed else "added", door.seats(tx, device.portal_id, [pid])[0])


def _came(device: Device, one: WalkIn, gate: str, at: datetime) -> list[NewFact]:
    key = action_key(device.id, one.action_id)
    host = {"host": one.host} if one.host else {}
    data = {"source": "walk_in", "device": device.name} | host
    passing = Passing(gate, at)
    new = Ticket(device.event_id)
    effects = decide(replace(device.place, gates=(), called_off=False), new, passing).effects
    return [
        NewFact(Kind.REGISTERED, at, device.actor, f"{key}:registered", gate=gate, data=data),
        *left_behind(device, passing, effects, walk_in_key(device.id, one.action_id)),
    ]


def _kept_walk_in(
    device: Device, one: WalkIn, pid: int, gate: str, at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "device_id": device.id,
        "scan_id": one.action_id,
        "portal_id": device.portal_id,
        "participation_id": pid,
        "gate": gate,
        "direction": Direction.ENTRY.value,
        "verdict": WALK_IN,
        "first_admitted_at": at,
        "scanned_at": at,
        "skew_s": 0,
        "received_at": now,
    }


def find_people(tx: Tx, event_id: int, query: str) -> list[Any]:
    """People of an event whose name or company has every word of the query, in any order, as part of a word.

    Case and ё/е do not matter; when nothing is found so, names that sound alike are: "ivanov" finds «Иванов». Four
    digits or more without a letter are the end of a phone number.
    At most 20, those expected first, then by name.
    """
    wanted = fold(query).split()
    if not wanted:
        return []
    everybody = list(door.expected(tx, event_id))
    if tail := _phone_tail(query):
        found = [row for row in everybody if row.phone.endswith(tail)]
    else:
        found = [row for row in everybody if _has(fold(_told(row)), wanted)]
    if not found and not tail:
        keys = [names.sounds(word) for word in names.words(query)]
        found = [row for row in everybody if keys and _sounds_like(row, keys)]
    found.sort(key=lambda row: (row.arrived_at is not None, row.last_name, row.first_name, row.id))
    return found[:MOST_FOUND]


def _phone_tail(query: str) -> str:
    """The last digits of a query that is a phone number or the end of one: its start is written in many ways."""
    digits = "".join(one for one in query if one.isdecimal())
    return digits[-PHONE_TAIL:] if len(digits) >= PHONE_TAIL and not any(map(str.isalpha, query)) else ""


def fold(text: str) -> str:
    """The form in which texts are compared: lower case, ё as е."""
    return text.casefold().replace("ё", "е")


def _told(row: Any) -> str:
    return f"{row.last_name} {row.first_name} {row.company_name}"


def _has(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _sounds_like(row: Any, keys: Sequence[frozenset[str]]) -> bool:
    heard = [sound for word in names.words(_told(row)) for sound in names.sounds(word)]
    return all(any(key and key in sound for key in some for sound in heard) for some in keys)
