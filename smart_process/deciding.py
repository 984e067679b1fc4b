"""Decisions: rules are applied to a subject at an event, and its one live outcome follows.

A deal supersedes an untouched task; later facts raise an outcome, withdrawn ones lower or withdraw it; what a
person worked on is never taken away silently, and what a person deleted is a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import explaining, owners, refusals, rule_table, rules
from smart_process.door_words import zone_of
from smart_process.explaining import Evidence, Guest, Scene
from smart_process.facts import Kind, NewFact, Stage, reached_stages
from smart_process.language import Translator, translator
from smart_process.rules import Rule, Subject
from smart_process.schema import DEAL
from smart_process.settings import Settings
from smart_process.store import colleagues, journal, setups
from smart_process.store import outcomes as store
from smart_process.store import people as people_store
from smart_process.store.outcomes import LIVE, REMOVED, SUPERSEDED, WITHDRAWN

Row = Mapping[str, Any]
ORIGIN = "origin"
"""In an outcome's content: where a deal comes from that we did not make."""
FORM, LINKED = "form", "linked"
"""Origins: a mapped CRM form made it; a person linked it to the event."""


@dataclass(frozen=True)
class Case:
    """A subject at an event, with everything a decision needs."""

    event: Row
    subject: str
    settings: Settings
    now: datetime
    guests: Sequence[Row]
    account: Row | None
    scene: Scene
    seen: Subject
    # The journal's latest fact about these guests: names what a comment was said about.
    last_fact: int

    @property
    def portal_id(self) -> int:
        return int(self.event["portal_id"])

    @property
    def words(self) -> Translator:
        return translator(self.settings.language)

    @property
    def ids(self) -> list[int]:
        """Whom an outcome speaks for: a colleague who was only invited is not handed to sales."""
        return [row["id"] for row in self.guests if row["id"] in self.scene.concerned]


def decide(
    tx: Tx,
    portal_id: int,
    event_id: int,
    subject: str,
    settings: Settings,
    now: datetime,
    table: Sequence[Rule] | None = None,
) -> None:
    """Bring the outcome of a subject at an event up to what is known now; safe to repeat.

    Args:
        subject: ``company:<CRM id>`` or ``person:<our id>``; a person whose company is known meanwhile stands
            for it, one who is still being looked up is decided about after that.
        table: the rules; by default those of the settings.
    """
    table = rule_table.active(settings) if table is None else table
    event = store.event(tx, portal_id, event_id)
    if event is None or event["removed_at"] is not None or event["stage"] == "cancelled":
        return
    stands_for = _stands_for(tx, portal_id, subject)
    if stands_for is None:
        return
    guests = store.guests(tx, portal_id, event_id, stands_for)
    people = {row["person_id"] for row in guests}
    # Outcomes made for somebody who turned out to be one of them are theirs.
    people |= set(people_store.merged_with(tx, people))
    names = {stands_for, subject, *(f"person:{one}" for one in people)}
    current, guests = _settle(tx, event, stands_for, names, guests, translator(settings.language), now)
    if current is not None and current["state"] == REMOVED:
        return
    case = _case(tx, event, stands_for, guests, settings, now)
    rule = rules.first_match(table, case.seen)
    _apply(tx, case, current, rule, table)


def _stands_for(tx: Tx, portal_id: int, subject: str) -> str | None:
    kind, _, number = subject.partition(":")
    if kind not in ("company", "person") or not number.isascii() or not number.isdigit():
        return None
    if kind == "company":
        return subject
    person = store.person(tx, portal_id, int(number))
    if person is None:
        return None
    if person["company_id"]:
        return f"company:{person['company_id']}"
    if person["match"] == "new" and store.being_looked_up(tx, portal_id, person["id"]):
        return None
    return subject


def phase(event: Row) -> str:
    """``closing`` once the event's closing has begun to run, else ``live``."""
    return rules.CLOSING if event["closed_at"] is not None else rules.LIVE


# ------------------------------------------------------------------------ one outcome per subject


def _settle(
    tx: Tx, event: Row, subject: str, names: set[str], guests: Sequence[Row], _: Translator, now: datetime
) -> tuple[Row | None, list[Row]]:
    """Find the subject's outcome; those made while its people had no company follow them here.

    Returns:
        The one outcome left (its state is ``removed`` when a person deleted it), and the guests to be decided
        about: without those whose own outcome a person deleted before their company was known.
    """
    known = store.of_subjects(tx, event["id"], names)
    removed = [row for row in known if row["state"] == REMOVED]
    settled = next((row for row in removed if row["subject"] == subject), None)
    if settled is not None:
        return settled, list(guests)
    let_be = {pid for row in removed for pid in row["content"]["participations"]}
    live = sorted((row for row in known if row["state"] == LIVE), key=_weight)
    for other in live[1:]:
        text = _("Участник относится к компании, по которой уже есть: %(title)s.", title=live[0]["title"])
        supersede(tx, event, other, text, now)
    if live and live[0]["subject"] != subject:
        store.rename(tx, live[0]["id"], subject)
    return (live[0] if live else None), [row for row in guests if row["id"] not in let_be]


def _weight(row: Row) -> tuple[bool, bool, bool, int]:
    """A deal before a task, what exists before what does not, what people worked on, then the older."""
    return row["kind"] != rules.DEAL, not row["item_id"], not row["touched"], row["id"]


# ------------------------------------------------------------------------ what is known


def _case(tx: Tx, event: Row, subject: str, guests: Sequence[Row], settings: Settings, now: datetime) -> Case:
    kind, _, number = subject.partition(":")
    account = store.account(tx, event["portal_id"], int(number)) if kind == "company" else None
    known = store.facts(tx, [row["id"] for row in guests])
    people = [_guest(row) for row in guests]
    evidence = [one for guest in people for one in explaining.evidence(guest, known[guest.participation_id])]
    evidence.sort(key=lambda one: (one.at, one.fact_id))
    scene = Scene(
        event_title=event["title"],
        zone=zone_of(event["time_zone"]),
        subject=_subject_name(account, people, guests),
        guests=people,
        concerned=explaining.concerned(evidence),
        evidence=evidence,
        people=_names_of_users(tx, event["portal_id"], evidence),
        devices=store.device_names(tx, event["id"]),
    )
    last_fact = max((fact_id for some in known.values() for fact_id, _fact in some), default=0)
    seen = _seen(guests, account, evidence, phase(event), now)
    return Case(event, subject, settings, now, guests, account, scene, seen, last_fact)


def _guest(row: Row) -> Guest:
    name = " ".join(part for part in (row["last_name"], row["first_name"]) if part)
    return Guest(
        participation_id=row["id"],
        name=name or row["company_name"] or f"№ {row['id']}",
        position=row["position"],
        stage=row["stage"],
        flags=frozenset(flag for flag, on in row["flags"].items() if on),
        product_lines=tuple(row["product_lines"]),
        came_at=row["arrived_at"],
        note=row["note"],
    )


def _subject_name(account: Row | None, people: Sequence[Guest], guests: Sequence[Row]) -> str:
    if account is not None and account["title"]:
        return str(account["title"])
    company = next((row["company_name"] for row in guests if row["company_id"] and row["company_name"]), "")
    return company or (people[0].name if people else "")


def _names_of_users(tx: Tx, portal_id: int, evidence: Sequence[Evidence]) -> dict[int, str]:
    if not any(one.actor.startswith("user:") for one in evidence):
        return {}
    return {user_id: row["name"] for user_id, row in colleagues.everybody(tx, portal_id).items()}


def _seen(
    guests: Sequence[Row], account: Row | None, evidence: Sequence[Evidence], at: str, now: datetime
) -> Subject:
    segment = account or {}
    last = max((one.at for one in evidence), default=now)
    return Subject(
        reached=frozenset(stage for row in guests for stage in reached_stages(row["reached"])),
        stages=frozenset(row["stage"] for row in guests),
        flags=frozenset(flag for row in guests for flag, on in row["flags"].items() if on),
        product_lines=frozenset(line for row in guests for line in row["product_lines"]),
        guests=len(guests),
        arrived=sum(row["arrived_at"] is not None for row in guests),
        no_shows=sum(row["stage"] == Stage.NO_SHOW for row in guests),
        potential=segment.get("potential", ""),
        cooperation=segment.get("cooperation", ""),
        region=segment.get("region", ""),
        hours=max((now - last) / timedelta(hours=1), 0.0),
        phase=at,
    )


# ------------------------------------------------------------------------ what follows


def _apply(tx: Tx, case: Case, current: Row | None, rule: Rule | None, table: Sequence[Rule]) -> None:
    if rule is None:
        if current is not None:
            _baseless(tx, case, current, table)
        return
    may_begin = rule.when == rules.LIVE or phase(case.event) == rules.CLOSING
    if current is not None and not may_begin and current["rule"] == current["content"].get(ORIGIN):
        return
    if current is None:
        if may_begin:
            _create(tx, case, rule, table)
    elif rule.kind == rules.DEAL and current["kind"] == rules.TASK:
        if refusals.stands(current, case.settings):
            _keep_up(tx, case, current, rule, table, current["content"][refusals.REFUSED])
        elif may_begin:
            _replace(tx, case, current, rule, table)
    else:
        _keep_up(tx, case, current, rule, table)


def _create(tx: Tx, case: Case, rule: Rule, table: Sequence[Rule]) -> int | None:
    deadline = case.now + rule.within
    outcome_id = store.add(
        tx,
        {
            "portal_id": case.portal_id,
            "event_id": case.event["id"],
            "subject": case.subject,
            "kind": rule.kind,
            "owner_id": _owner(tx, case),
            "title": explaining.title(case.scene, rule, case.words),
            "deadline": deadline,
            "created_at": case.now,
            **_told(case, rule, deadline, table),
        },
    )
    if outcome_id is None:
        # Somebody was faster: look again.
        marks.mark(tx, case.portal_id, journal.DECIDE, [f"{case.event['id']}:{case.subject}"], now=case.now)
    else:
        store.push(tx, case.portal_id, outcome_id, now=case.now, priority=_urgency(rule))
    return outcome_id


def _told(case: Case, rule: Rule, deadline: datetime, table: Sequence[Rule]) -> dict[str, Any]:
    number = rules.version(table)
    return {
        "rule": rule.key,
        "rules_version": number,
        "priority": rule.priority,
        "explanation": explaining.explain(case.scene, rule, number, deadline, case.words),
        "content": _content(case, explaining.todo(case.scene, rule, case.words)),
    }


def _content(case: Case, todo: str) -> dict[str, Any]:
    return {
        "participations": case.ids,
        "product_lines": sorted(case.seen.product_lines),
        "flags": sorted(case.seen.flags),
        "facts": [
            {
                "id": one.fact_id,
                "participation": one.participation_id,
                "what": one.what,
                "product_line": one.product_line,
                "at": one.at.isoformat(),
                "by": one.actor,
            }
            for one in case.scene.evidence
        ],
        "fact_ids": [one.fact_id for one in case.scene.evidence],
        "todo": todo,
    }


def _urgency(rule: Rule) -> int:
    return marks.HOT if rule.when == rules.LIVE else marks.NORMAL


def _owner(tx: Tx, case: Case) -> int:
    return owners.owner(
        case.account["responsible_id"] if case.account else None,
        colleagues.everybody(tx, case.portal_id),
        fallback_id=case.settings.fallback_owner_id,
        event_responsible_id=case.event["responsible_id"],
        installer_id=store.installer(tx, case.portal_id),
    )


def _keep_up(
    tx: Tx, case: Case, current: Row, rule: Rule, table: Sequence[Rule], refused: Row | None = None
) -> None:
    """Same kind of outcome (or a deal that only deserves a task now): priority, reasons and people follow.

    Args:
        refused: why this is a task although the rule asks for a deal.
    """
    raised = _rank(rule.priority) > _rank(current["priority"])
    deadline = min(current["deadline"], case.now + rule.within) if raised else current["deadline"]
    told = _told(case, rule, deadline, table)
    _keep_origin(current, told["content"])
    if refused:
        told["explanation"] += f"\n{refusals.words(refused, case.settings)}"
        told["content"][refusals.REFUSED] = refused
    if all(current[name] == value for name, value in told.items()):
        return
    _left(tx, case, current)
    store.change(tx, current, now=case.now, urgency=_urgency(rule), deadline=deadline, **told)
    if current["todo_id"] and deadline != current["deadline"]:
        marks.mark(tx, case.portal_id, store.TO_DO, [current["id"]], now=case.now, priority=marks.HOT)
    if told["priority"] != current["priority"]:
        text = explaining.changed(current["priority"], told["priority"], case.words)
        _tell(
            tx, case.event, current, f"{text}\n{told['explanation']}", f"priority:{case.last_fact}", case.now
        )
    elif current["result"] and set(told["content"]["fact_ids"]) - set(current["content"].get("fact_ids", [])):
        _ = case.words
        text = _("После завершения появились новые отметки.")
        _tell(tx, case.event, current, f"{text}\n{told['explanation']}", f"news:{case.last_fact}", case.now)


def _keep_origin(current: Row, content: dict[str, Any]) -> None:
    """A deal we did not make stays what it is, also for whom a person has linked it."""
    origin = current["content"].get(ORIGIN)
    if origin:
        content[ORIGIN] = origin
    if origin == LINKED:
        linked = current["content"]["participations"]
        content["participations"] = sorted({*content["participations"], *linked})


def _rank(priority: str) -> int:
    return rules.PRIORITIES.index(priority)


def _left(tx: Tx, case: Case, current: Row) -> None:
    """Guests this outcome does not speak for any more are not handed over by it either."""
    if current["content"].get(ORIGIN) == LINKED:
        return
    gone = [pid for pid in current["content"]["participations"] if pid not in case.ids]
    _release(tx, current, gone, f"outcome:{current['id']}:left:{case.last_fact}", case.now)


def _release(tx: Tx, current: Row, participation_ids: Sequence[int], key: str, now: datetime) -> None:
    spoken_for = store.spoken_for(tx, current["id"], participation_ids)
    if not spoken_for:
        return
    store.let_go(tx, spoken_for)
    fact = NewFact(Kind.OUTCOME_WITHDRAWN, now, "app", key)
    journal.record(tx, {pid: [fact] for pid in spoken_for}, now=now)


def _replace(tx: Tx, case: Case, current: Row, rule: Rule, table: Sequence[Rule]) -> None:
    _ = case.words
    title = explaining.title(case.scene, rule, _)
    text = _("Вместо этой задачи теперь сделка: %(title)s.", title=title)
    supersede(tx, case.event, current, text, case.now)
    _create(tx, case, rule, table)


def supersede(tx: Tx, event: Row, current: Row, text: str, now: datetime) -> None:
    """Another outcome speaks for the subject now: an untouched task is closed; else people are told."""
    store.change(tx, current, now=now, state=SUPERSEDED)
    if current["kind"] == rules.DEAL or current["touched"]:
        _tell(tx, event, current, text, "superseded", now)


def _baseless(tx: Tx, case: Case, current: Row, table: Sequence[Rule]) -> None:
    """No rule matches any more: an untouched task goes; of a deal or a touched task people are told."""
    origin = current["content"].get(ORIGIN)
    if current["result"] or (origin and current["rule"] == origin):
        # Closed, or a deal that needs no rule to exist.
        return
    untouched = current["kind"] == rules.TASK and not current["touched"]
    if untouched or not store.may_exist(tx, current):
        store.change(tx, current, now=case.now, state=WITHDRAWN)
        pids = current["content"]["participations"]
        _release(tx, current, pids, f"outcome:{current['id']}:withdrawn", case.now)
        return
    known = (*table, *(row.rule for row in (*rule_table.rows(case.settings), *rule_table.SHIPPED)))
    name = next((rule.name for rule in known if rule.key == current["rule"]), current["rule"])
    text = explaining.baseless(case.scene, name, case.words)
    if current["explanation"] == text:
        return
    # Whom it spoke for stays: nobody else has a reason to be in it.
    kept = {name: current["content"].get(name) for name in ("participations", "todo")}
    content = _content(case, "") | kept | ({ORIGIN: origin} if origin else {})
    store.change(tx, current, now=case.now, priority="low", explanation=text, content=content)
    _tell(tx, case.event, current, text, f"baseless:{case.last_fact}", case.now)


def _tell(tx: Tx, event: Row, current: Row, text: str, about: str, now: datetime) -> None:
    """Say something at a deal; of a task its owner is told, and its first guest's card keeps the words."""
    if not current["item_id"]:
        return
    portal_id, key = current["portal_id"], f"outcome:{current['id']}:{about}"
    if current["kind"] == rules.DEAL:
        body = {"entity_type_id": DEAL, "item_id": current["item_id"], "text": text}
        store.say(tx, portal_id, "comment", key, body, now=now)
        return
    owner_id = current["shadow"].get("responsible_id") or current["owner_id"]
    said = f"{current['title']} (№ {current['item_id']})\n{text}"
    if owner_id:
        store.say(tx, portal_id, "notify", f"{key}:owner", {"user_id": owner_id, "text": said}, now=now)
    card = _card(tx, portal_id, current)
    if card is not None:
        store.say(tx, portal_id, "comment", f"{key}:card", {**card, "text": said}, now=now)


def _card(tx: Tx, portal_id: int, current: Row) -> dict[str, int] | None:
    binding = setups.read(tx, portal_id).binding
    item_id = store.first_item(tx, current["content"]["participations"])
    if binding is None or item_id is None:
        return None
    return {"entity_type_id": binding.participation.entity_type_id, "item_id": item_id}
