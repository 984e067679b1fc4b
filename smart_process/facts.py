"""Facts and what follows from them. Pure: no I/O, no clock.

A participation's state is a fold over its append-only facts, in the order in which we learned them. Undo is a
fact; nothing is ever deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Stages of a participation; codes in the portal are stored at install (schema.Binding)."""

    SELECTED = "selected"
    INVITED = "invited"
    REGISTERED = "registered"
    ARRIVED = "arrived"
    ENGAGED = "engaged"
    HANDED = "handed"
    WON = "won"
    DECLINED = "declined"
    NO_SHOW = "no_show"
    NOT_RELEVANT = "not_relevant"


PATH = (
    Stage.SELECTED,
    Stage.INVITED,
    Stage.REGISTERED,
    Stage.ARRIVED,
    Stage.ENGAGED,
    Stage.HANDED,
    Stage.WON,
)
RANK = {stage: rank for rank, stage in enumerate(PATH)}
FAILURES = frozenset({Stage.DECLINED, Stage.NO_SHOW, Stage.NOT_RELEVANT})
CRM_GATE = "CRM"
PORTAL_TICK = timedelta(seconds=1)
"""The portal tells times in whole seconds, without what is left: within one, the person's choice came last."""
GROUNDS = ""
"""The area behind every entrance; a session or a stand is an area of its own name."""


class Kind(StrEnum):
    """Kinds of facts, with the keys of ``data`` each carries."""

    SELECTED = "selected"
    REGISTERED = "registered"  # source, consent_version
    ARRIVED = "arrived"  # device
    PASSED = "passed"  # area, direction (entry | exit), device: through a gate, beside the first arrival
    ARRIVAL_ANNULLED = "arrival_annulled"  # reason; annuls (fact key), absent: every arrival so far
    CASE_SETTLED = (
        "case_settled"  # case (key of the disputed arrival), answer (same | annul): by a person in the portal
    )
    # case; restores (key of the passage that decision took back, "" when it took none back)
    CASE_REOPENED = "case_reopened"
    FLAG_SET = "flag_set"  # flag, product_line?
    FLAG_WITHDRAWN = "flag_withdrawn"  # flag, product_line?, line_only: the flag itself stays
    NOTE = "note"  # text
    DOOR_NOTE = "door_note"  # text: what phones at the door show of a guest (speaker, press); history only
    STAGE_MOVED = "stage_moved"  # to, from: by a person in the CRM
    CANCELLED = "cancelled"  # by the guest
    NO_SHOW = "no_show"
    MESSAGE_SENT = "message_sent"  # kind, message_id
    OUTCOME_CREATED = "outcome_created"  # kind, item_id, priority, rule
    OUTCOME_WITHDRAWN = "outcome_withdrawn"
    WON = "won"  # deal_id
    REOPENED = "reopened"  # deal_id
    MERGED = "merged"  # item_id of the card merged into this one
    REMOVED = "removed"
    RESTORED = "restored"


@dataclass(frozen=True)
class NewFact:
    """A fact to be recorded.

    ``at`` is when it happened (aware; the device's or the portal's time), ``key`` makes repeating it harmless,
    ``actor`` is ``guest``, ``app``, ``device:<id>`` or ``user:<portal user id>``.
    """

    kind: Kind
    at: datetime
    actor: str
    key: str
    gate: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Passage:
    """How often somebody went into an area comes down to this: first in, last seen at its gates, which way."""

    first: datetime
    last: datetime
    inside: bool

    def and_then(self, at: datetime, *, entry: bool) -> Passage:
        """One passing more, in whatever order they are learned."""
        first = min(self.first, at) if entry else self.first
        return Passage(first, at, entry) if at >= self.last else Passage(first, self.last, self.inside)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the column ``passages``."""
        return {"first": self.first.isoformat(), "last": self.last.isoformat(), "inside": self.inside}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Passage:
        """The reverse of :meth:`to_json`."""
        first, last = datetime.fromisoformat(data["first"]), datetime.fromisoformat(data["last"])
        return cls(first, last, bool(data["inside"]))


def passage_key(arrival: str) -> str:
    """Key of the passage a scan leaves, from the key of the arrival it leaves; undo takes both back."""
    return f"{arrival}:passed"


@dataclass(frozen=True)
class State:
    """The projection of a participation's facts."""

    stage: Stage = Stage.SELECTED
    reached: frozenset[Stage] = frozenset()
    registered_at: datetime | None = None
    arrived_at: datetime | None = None
    gate: str = ""
    device: str = ""
    source: str = ""
    flags: frozenset[str] = frozenset()
    product_lines: tuple[str, ...] = ()
    note: str = ""
    consent_version: str = ""
    consent_at: datetime | None = None
    cancelled: bool = False
    removed: bool = False
    passages: Mapping[str, Passage] = field(default_factory=dict)


def reached_bits(reached: Iterable[Stage]) -> int:
    """The stages ever reached as bits, bit n for ``PATH[n]``."""
    return sum(1 << RANK[stage] for stage in set(reached))


def reached_stages(bits: int) -> frozenset[Stage]:
    """The reverse of :func:`reached_bits`."""
    return frozenset(stage for stage, rank in RANK.items() if bits >> rank & 1)


def project(facts: Iterable[NewFact]) -> State:
    """Fold facts, in the order they were learned, into the state.

    A stage a person chose stands until a later fact goes further; a failure a person chose after an arrival
    stays, also when the arrival is learned later (a phone without network). A registration or an arrival
    after it counts, also when the choice is learned later (the portal's word was on its way).
    """
    return _folded(facts).state()


def standing_passages(facts: Iterable[NewFact]) -> frozenset[str]:
    """Keys of the arrivals and passages that were not taken back."""
    fold = _folded(facts)
    return frozenset((*fold.proof[Stage.ARRIVED], *fold.passed))


def _folded(facts: Iterable[NewFact]) -> _Fold:
    fold = _Fold()
    for one in facts:
        fold.take(one)
    return fold


class _Fold:
    def __init__(self) -> None:
        # Per stage of the path: what proves it was reached and still counts. Keys of facts, so that undo can name them.
        self.proof: dict[Stage, dict[str, NewFact]] = {stage: {} for stage in PATH}
        self.chosen: tuple[Stage, datetime, bool] | None = None  # stage, since, chosen by a person
        self.passed: dict[str, NewFact] = {}
        # Arrivals and passages taken back by name, so that they can be given again.
        self.taken_back: dict[str, NewFact] = {}
        self.flags: dict[str, bool] = {}
        self.lines: dict[str, bool] = {}
        self.engaged_valid = True
        self.note = ""
        self.source = ""
        self.consent: tuple[str, datetime] | None = None
        self.removed = False

    def take(self, fact: NewFact) -> None:
        getattr(self, f"_{fact.kind.value}", self._nothing)(fact)

    def _nothing(self, fact: NewFact) -> None:
        """Facts that are history only."""

    def _prove(self, stage: Stage, fact: NewFact) -> None:
        self.proof[stage][fact.key] = fact
        if self.chosen is None:
            return
        chosen, since, by_person = self.chosen
        if chosen in FAILURES:
            again = stage in (Stage.REGISTERED, Stage.ARRIVED)
            if again and not (by_person and fact.at < since):
                self.chosen = None
        elif RANK[stage] > RANK[chosen]:
            self.chosen = None

    def _selected(self, fact: NewFact) -> None:
        self._prove(Stage.SELECTED, fact)
        self.source = self.source or str(fact.data.get("source", ""))

    def _message_sent(self, fact: NewFact) -> None:
        if fact.data.get("kind") == "invitation":
            self._prove(Stage.INVITED, fact)

    def _registered(self, fact: NewFact) -> None:
        self._prove(Stage.REGISTERED, fact)
        self.source = str(fact.data.get("source", "")) or self.source
        version = str(fact.data.get("consent_version", ""))
        if version:
            self.consent = (version, fact.at)

    def _arrived(self, fact: NewFact) -> None:
        self._prove(Stage.ARRIVED, fact)
        self._engage(fact)

    def _passed(self, fact: NewFact) -> None:
        self.passed[fact.key] = fact

    def _arrival_annulled(self, fact: NewFact) -> None:
        which = fact.data.get("annuls")
        if which:
            self._take_back(self.passed, passage_key(str(which)))
        else:
            self.passed.clear()
        for key in [which] if which else list(self.proof[Stage.ARRIVED]):
            self._take_back(self.proof[Stage.ARRIVED], str(key))
        if self.chosen and self.chosen[0] is Stage.ARRIVED:
            self.chosen = None

    def _take_back(self, some: dict[str, NewFact], key: str) -> None:
        if key in some:
            self.taken_back[key] = some.pop(key)

    def _case_reopened(self, fact: NewFact) -> None:
        arrival = str(fact.data.get("restores") or "")
        if (passed := self.taken_back.pop(passage_key(arrival), None)) is not None:
            self.passed[passed.key] = passed
        if (arrived := self.taken_back.pop(arrival, None)) is not None:
            self._prove(Stage.ARRIVED, arrived)
            self._engage(arrived)

    def _flag_set(self, fact: NewFact) -> None:
        self.flags[str(fact.data["flag"])] = True
        if fact.data.get("product_line"):
            self.lines[str(fact.data["product_line"])] = True
        self.engaged_valid = True
        self._engage(fact)

    def _engage(self, fact: NewFact) -> None:
        engaged = bool(self.proof[Stage.ARRIVED]) and any(self.flags.values()) and self.engaged_valid
        if engaged and self.chosen and RANK.get(self.chosen[0], len(PATH)) < RANK[Stage.ENGAGED]:
            self.chosen = None

    def _flag_withdrawn(self, fact: NewFact) -> None:
        line = fact.data.get("product_line")
        if line:
            self.lines.pop(str(line), None)
        # One product line of several taken back leaves the interest itself.
        if not line or not (self.lines or fact.data.get("line_only")):
            self.flags.pop(str(fact.data["flag"]), None)

    def _note(self, fact: NewFact) -> None:
        self.note = str(fact.data.get("text", ""))

    def _stage_moved(self, fact: NewFact) -> None:
        to = Stage(fact.data["to"])
        if to is Stage.REGISTERED:
            self.proof[Stage.REGISTERED].setdefault(fact.key, fact)
        if to is Stage.ARRIVED:
            self.proof[Stage.ARRIVED].setdefault(fact.key, fact)
        later = [
            one
            for stage in (Stage.REGISTERED, Stage.ARRIVED)
            for one in self.proof[stage].values()
            if one.kind in (Kind.REGISTERED, Kind.ARRIVED) and one.at >= fact.at + PORTAL_TICK
        ]
        if to in RANK:
            self._take_back_beyond(to, fact.at)
        self.chosen = (to, fact.at, True)
        # The portal's word of the move came after the guest's: who registers or arrives after it is not held by it.
        for one in later:
            self.take(one)

    def _take_back_beyond(self, to: Stage, moved_at: datetime) -> None:
        for stage in PATH[RANK[to] + 1 :]:
            self.proof[stage].clear()
        if RANK[to] < RANK[Stage.ENGAGED]:
            self.engaged_valid = False
        if RANK[to] < RANK[Stage.ARRIVED]:
            self.passed = {key: one for key, one in self.passed.items() if one.at >= moved_at + PORTAL_TICK}

    def _cancelled(self, fact: NewFact) -> None:
        self.chosen = (Stage.DECLINED, fact.at, False)

    def _no_show(self, fact: NewFact) -> None:
        if not self.proof[Stage.ARRIVED]:
            self.chosen = (Stage.NO_SHOW, fact.at, False)

    def _outcome_created(self, fact: NewFact) -> None:
        self._prove(Stage.HANDED, fact)

    def _outcome_withdrawn(self, fact: NewFact) -> None:
        self.proof[Stage.HANDED].clear()

    def _won(self, fact: NewFact) -> None:
        self._prove(Stage.WON, fact)

    def _reopened(self, fact: NewFact) -> None:
        # Of several deals only the reopened one is won no more.
        deal = fact.data.get("deal_id")
        for key, won in list(self.proof[Stage.WON].items()):
            if won.data.get("deal_id") == deal:
                del self.proof[Stage.WON][key]
        if self.chosen and self.chosen[0] is Stage.WON:
            self.chosen = None

    def _removed(self, fact: NewFact) -> None:
        self.removed = True

    def _restored(self, fact: NewFact) -> None:
        self.removed = False

    def _standing(self) -> set[Stage]:
        standing = {stage for stage, proof in self.proof.items() if proof}
        if self.proof[Stage.ARRIVED] and self.engaged_valid and any(self.flags.values()):
            standing.add(Stage.ENGAGED)
        if self.chosen and self.chosen[0] in RANK:
            standing.add(self.chosen[0])
        return standing

    def _stage(self, standing: set[Stage]) -> Stage:
        if self.chosen and self.chosen[0] in FAILURES:
            return self.chosen[0]
        return max(standing, key=RANK.__getitem__, default=Stage.SELECTED)

    def _passages(self, arrived_at: datetime | None) -> dict[str, Passage]:
        found: dict[str, Passage] = {}
        for fact in sorted(self.passed.values(), key=lambda one: one.at):
            area, entry = str(fact.data.get("area", GROUNDS)), fact.data.get("direction") != "exit"
            # Who went out of the grounds had come in before.
            came = arrived_at if area == GROUNDS and arrived_at else fact.at
            known = found.get(area) or Passage(came, min(came, fact.at), inside=True)
            found[area] = known.and_then(fact.at, entry=entry)
        return found if arrived_at else {area: one for area, one in found.items() if area != GROUNDS}

    def state(self) -> State:
        standing = self._standing()
        stage = self._stage(standing)
        arrival = min(self.proof[Stage.ARRIVED].values(), key=lambda f: f.at, default=None)
        registered = min(self.proof[Stage.REGISTERED].values(), key=lambda f: f.at, default=None)
        moved = arrival is not None and arrival.kind is Kind.STAGE_MOVED
        return State(
            stage=stage,
            reached=frozenset(standing),
            registered_at=registered.at if registered else None,
            arrived_at=arrival.at if arrival else None,
            gate="" if arrival is None else CRM_GATE if moved else arrival.gate,
            device=str(arrival.data.get("device", "")) if arrival else "",
            source=self.source,
            flags=frozenset(flag for flag, on in self.flags.items() if on),
            product_lines=tuple(sorted(line for line, on in self.lines.items() if on)),
            note=self.note,
            consent_version=self.consent[0] if self.consent else "",
            consent_at=self.consent[1] if self.consent else None,
            cancelled=self.removed or stage in (Stage.DECLINED, Stage.NOT_RELEVANT),
            removed=self.removed,
            passages=self._passages(arrival.at if arrival else None),
        )
