"""The conflict desk: scans a phone acted on although the server would have said no, each one a case for a person.

A case ends with a decision, which is a fact of its own, or with the arrival taken back. A decision can be taken back
as well: the case is open again, and what the decision annulled counts again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from b24.store.engine import Tx
from b24.store.marks import HOT
from smart_process.checkin import flag_key
from smart_process.facts import GROUNDS, Kind, NewFact, passage_key
from smart_process.floor import annulled, flag_back
from smart_process.store import conflicts as rows
from smart_process.store import journal

TOGETHER = timedelta(minutes=2)
"""Two phones within this time: most likely one guest between two lanes."""


class Answer(StrEnum):
    """What a person decides: everything stays as it is, or one of the passages did not happen."""

    SAME = "same"
    ANNUL = "annul"


class Why(StrEnum):
    """The likely reason of a case."""

    CANCELLED = "cancelled"
    WRONG_GATE = "wrong_gate"
    ONE_PHONE = "one_phone"
    TOGETHER = "together"
    APART = "apart"


class Settled(Exception):
    """There is no such case, or somebody has decided it."""


@dataclass(frozen=True)
class Showing:
    """One time the ticket was let through; ``key`` is what an annulment names, ``skew_s`` how far that phone's clock
    was ahead."""

    key: str
    at: datetime
    gate: str
    device: str
    skew_s: int = 0


@dataclass(frozen=True)
class Case:
    """Somebody let in against the server's answer, and every time their ticket was let through there."""

    key: str
    participation_id: int
    item_id: int | None
    why: Why
    showings: tuple[Showing, ...]

    @property
    def gap(self) -> timedelta:
        """Between the first and the last time."""
        return self.showings[-1].at - self.showings[0].at


@dataclass(frozen=True)
class Decided:
    """A case somebody decided: what, who (as facts name people) and when."""

    key: str
    participation_id: int
    item_id: int | None
    answer: Answer
    by: str
    at: datetime


def open_cases(tx: Tx, event_id: int) -> list[Case]:
    """Cases of an event nobody has decided, the latest first."""
    found = rows.disputed(tx, event_id)
    known = journal.history(tx, {one.participation_id for one in found})
    cases = (
        case_of(one.key, one.participation_id, one.item_id, known[one.participation_id]) for one in found
    )
    return [case for case in cases if case is not None]


def case_of(key: str, participation_id: int, item_id: int | None, known: Sequence[NewFact]) -> Case | None:
    """The case of a disputed scan from its guest's facts; ``None`` when it is settled or left nothing."""
    left = [one for one in known if one.key in (key, passage_key(key))]
    if not left or annulled(known, key) or _standing(key, known) is not None:
        return None
    # A scan at a session may leave an arrival too; the passage is what is disputed.
    area = _area(next((one for one in left if one.kind is Kind.PASSED), left[0]))
    passed = [
        one for one in known if _let_in(one) and _area(one) == area and not annulled(known, arrival_of(one))
    ]
    showings = sorted((_showing(one) for one in passed), key=lambda one: one.at)
    told = next((str(one.data["conflict"]) for one in left if one.data.get("conflict")), "")
    return Case(key, participation_id, item_id, _why(told, showings), tuple(showings))


def settle(tx: Tx, event_id: int, key: str, answer: Answer, showing: str, *, by: str, now: datetime) -> None:
    """Write a decision down.

    Args:
        showing: with ``annul``: which of the passages did not happen.
        by: who decided, as facts name people.
    Raises:
        Settled: nothing is to be decided.
    """
    case = next((one for one in open_cases(tx, event_id) if one.key == key), None)
    if case is None or (answer is Answer.ANNUL and showing not in {one.key for one in case.showings}):
        raise Settled
    known = journal.history(tx, [case.participation_id])[case.participation_id]
    # Decided before and opened again, it is decided once more.
    own = f"case:{key}:{len(_decisions(key, known))}"
    data = {"case": key, "answer": answer.value, **({"annuls": showing} if showing else {})}
    facts = [NewFact(Kind.CASE_SETTLED, now, by, own, data=data)]
    if answer is Answer.ANNUL:
        undo = NewFact(
            Kind.ARRIVAL_ANNULLED, now, by, f"{own}:annulled", data={"annuls": showing, "reason": "case"}
        )
        facts += [undo, *flag_back(known, showing, undo)]
    journal.record(tx, {case.participation_id: facts}, now=now, priority=HOT)


def decided_cases(tx: Tx, event_id: int) -> list[Decided]:
    """Cases of an event whose decision stands, the latest decision first."""
    found = rows.disputed(tx, event_id)
    known = journal.history(tx, {one.participation_id for one in found})
    decided = [
        Decided(one.key, one.participation_id, one.item_id, Answer(last.data["answer"]), last.actor, last.at)
        for one in found
        if (last := _standing(one.key, known[one.participation_id])) is not None
    ]
    return sorted(decided, key=lambda one: one.at, reverse=True)


def reopen(tx: Tx, event_id: int, key: str, *, by: str, now: datetime) -> None:
    """Take a decision back, as a fact: what it annulled counts again, the case waits for another one.

    Raises:
        Settled: there is no such case, or it is open.
    """
    one = next((one for one in rows.disputed(tx, event_id) if one.key == key), None)
    known = journal.history(tx, [one.participation_id])[one.participation_id] if one else []
    last = _standing(key, known)
    if one is None or last is None:
        raise Settled
    own = f"case:{key}:{len(_decisions(key, known))}"
    showing = str(last.data.get("annuls") or "")
    facts = [NewFact(Kind.CASE_REOPENED, now, by, own, data={"case": key, "restores": showing})]
    facts += _flag_again(known, flag_key(f"{last.key}:annulled"), facts[0])
    journal.record(tx, {one.participation_id: facts}, now=now, priority=HOT)


def _flag_again(known: Sequence[NewFact], withdrawn: str, back: NewFact) -> list[NewFact]:
    """The flag that went with a passage comes with it, unless somebody touched it since."""
    gone = next((one for one in known if one.key == withdrawn), None)
    if gone is None:
        return []
    about = [one for one in known if one.kind in (Kind.FLAG_SET, Kind.FLAG_WITHDRAWN)]
    last = next(one for one in reversed(about) if one.data["flag"] == gone.data["flag"])
    data = {"flag": gone.data["flag"]}
    flag = NewFact(Kind.FLAG_SET, back.at, back.actor, flag_key(back.key), gate=gone.gate, data=data)
    return [flag] if last is gone else []


def arrival_of(fact: NewFact) -> str:
    """The key by which a passage is taken back: that of the arrival its scan left or would have left."""
    return fact.key.removesuffix(passage_key("")) if fact.kind is Kind.PASSED else fact.key


def _decisions(key: str, known: Sequence[NewFact]) -> list[NewFact]:
    kinds = (Kind.CASE_SETTLED, Kind.CASE_REOPENED)
    return [one for one in known if one.kind in kinds and one.data.get("case") == key]


def _standing(key: str, known: Sequence[NewFact]) -> NewFact | None:
    """The decision that stands."""
    last = next(reversed(_decisions(key, known)), None)
    return last if last is not None and last.kind is Kind.CASE_SETTLED else None


def _let_in(fact: NewFact) -> bool:
    passed = fact.kind is Kind.PASSED and fact.data.get("direction") != "exit"
    return (fact.kind is Kind.ARRIVED or passed) and "device" in fact.data


def _area(fact: NewFact) -> str:
    return str(fact.data.get("area", GROUNDS)) if fact.kind is Kind.PASSED else GROUNDS


def _showing(fact: NewFact) -> Showing:
    skew = fact.data.get("skew_s", 0)
    return Showing(arrival_of(fact), fact.at, fact.gate, str(fact.data["device"]), int(skew or 0))


def _why(told: str, showings: Sequence[Showing]) -> Why:
    if told in (Why.CANCELLED, Why.WRONG_GATE):
        return Why(told)
    if len({one.device for one in showings}) == 1:
        return Why.ONE_PHONE
    return Why.TOGETHER if showings[-1].at - showings[0].at <= TOGETHER else Why.APART
