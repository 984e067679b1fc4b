"""Why an outcome exists, in words a colleague understands without looking anything up. Pure.

Texts are in the portal's language, moments in the event's own zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from smart_process import language
from smart_process.facts import Kind, NewFact, Stage
from smart_process.language import Translator
from smart_process.rules import Rule
from smart_process.schema import FLAGS, PRIORITIES

LONGEST_TITLE = 255
MOST_LINES = 20
MOST_NAMES = 6


@dataclass(frozen=True)
class Guest:
    """One guest of a subject, as projected.

    ``flags`` are those that are on; ``came_at`` and ``gate`` are empty for somebody who did not come.
    """

    participation_id: int
    name: str
    position: str
    stage: str
    flags: frozenset[str]
    product_lines: tuple[str, ...]
    came_at: datetime | None
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """One fact that still counts, with its id in the journal; ``what``: a flag, ``arrived``, ``no_show``."""

    fact_id: int
    participation_id: int
    what: str
    at: datetime
    actor: str
    gate: str = ""
    product_line: str = ""
    device: str = ""


@dataclass(frozen=True)
class Scene:
    """Where and about whom: event, zone, name of the subject, and what people and devices are called.

    ``people`` maps portal user ids, ``devices`` our device ids to names; ``concerned`` are the participations an
    outcome would speak for.
    """

    event_title: str
    zone: ZoneInfo
    subject: str
    guests: Sequence[Guest]
    concerned: frozenset[int]
    evidence: Sequence[Evidence]
    people: Mapping[int, str]
    devices: Mapping[int, str]


def evidence(guest: Guest, facts: Sequence[tuple[int, NewFact]]) -> list[Evidence]:
    """The facts of one guest that still count, oldest first.

    Args:
        facts: all of the guest's facts with their journal ids, in the order they were learned.
    """
    found: dict[tuple[str, str], Evidence] = {}
    for fact_id, fact in facts:
        what, line = _what(fact), str(fact.data.get("product_line", ""))
        if what and _counts(guest, what, line, fact):
            found.setdefault(
                (what, line),
                Evidence(
                    fact_id,
                    guest.participation_id,
                    what,
                    fact.at,
                    fact.actor,
                    fact.gate,
                    line,
                    str(fact.data.get("device", "")),
                ),
            )
        elif fact.kind is Kind.FLAG_WITHDRAWN:
            _take_back(found, str(fact.data.get("flag", "")), line)
    return sorted(found.values(), key=lambda one: (one.at, one.fact_id))


def concerned(found: Sequence[Evidence]) -> frozenset[int]:
    """Participations of those who were there or left a flag; where nobody was, of those who did not come."""
    active = frozenset(one.participation_id for one in found if one.what != Kind.NO_SHOW)
    return active or frozenset(one.participation_id for one in found)


def _what(fact: NewFact) -> str:
    if fact.kind is Kind.FLAG_SET:
        return str(fact.data.get("flag", ""))
    if fact.kind in (Kind.ARRIVED, Kind.NO_SHOW):
        return fact.kind.value
    to = str(fact.data.get("to", "")) if fact.kind is Kind.STAGE_MOVED else ""
    return to if to in (Stage.ARRIVED, Stage.NO_SHOW) else ""


def _counts(guest: Guest, what: str, line: str, fact: NewFact) -> bool:
    if what == Kind.ARRIVED:
        return fact.at == guest.came_at
    if what == Kind.NO_SHOW:
        return guest.stage == Stage.NO_SHOW
    return what in guest.flags and (not line or line in guest.product_lines)


def _take_back(found: dict[tuple[str, str], Evidence], flag: str, line: str) -> None:
    """A flag set again later counts from then on."""
    for known in [key for key in found if key[0] == flag and line in ("", key[1])]:
        del found[known]


def title(scene: Scene, rule: Rule, _: Translator) -> str:
    """«Alser: запрос расчёта – Партнёрская конференция», at most 255 characters."""
    lead = f"{scene.subject}: {_(rule.topic)}"
    return f"{lead} – {scene.event_title}"[:LONGEST_TITLE]


def todo(scene: Scene, rule: Rule, _: Translator) -> str:
    """What is to be done, for the to-do in the timeline; its deadline the portal shows in the reader's own zone."""
    return f"{_(rule.todo)}: {scene.subject}"[:LONGEST_TITLE]


def _quoted(title: str) -> str:
    return title if "«" in title else f"«{title}»"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def explain(scene: Scene, rule: Rule, rules_version: int, deadline: datetime, _: Translator) -> str:
    """The whole explanation: the decision in one sentence, then who, what they did, and by which rule."""
    parts = [
        _(
            "%(who)s: %(topic)s, мероприятие %(event)s. Что сделать: %(todo)s – до %(until)s.",
            who=scene.subject,
            topic=_(rule.topic),
            event=_quoted(scene.event_title),
            todo=_lower(_(rule.todo)),
            until=language.moment(deadline, scene.zone, _),
        ),
        _("Кто: %(names)s.", names=_names(scene, _)),
        *_told(scene, _),
        *(f"{guest.name}: «{guest.note}»" for guest in scene.guests if guest.note),
        _because(rule, rules_version, _),
        _("Время везде – по мероприятию (%(zone)s).", zone=scene.zone.key),
    ]
    return "\n".join(parts)


def headline(explanation: str) -> str:
    """The decision in one sentence: how every explanation begins."""
    return explanation.partition("\n")[0]


def baseless(scene: Scene, rule_name: str, _: Translator) -> str:
    """The explanation of an outcome whose reasons were taken back but which people keep."""
    said = _(
        "Основания больше нет: отметки сняты или участие отменено (правило «%(rule)s»). "
        "Решите, нужно ли это дальше.",
        rule=_(rule_name),
    )
    return "\n".join([said, *_told(scene, _)])


def changed(before: str, after: str, _: Translator) -> str:
    """What happened to a priority, for a comment."""
    return _(
        "Приоритет изменён: %(before)s → %(after)s.", before=priority(before, _), after=priority(after, _)
    )


def priority(key: str, _: Translator) -> str:
    """A priority in the portal's language, in lower case."""
    return PRIORITIES[key].get(_.lang).lower()


def _names(scene: Scene, _: Translator) -> str:
    guests = [one for one in scene.guests if one.participation_id in scene.concerned]
    shown = [f"{one.name} ({one.position})" if one.position else one.name for one in guests[:MOST_NAMES]]
    rest = len(guests) - len(shown)
    return "; ".join([*shown, _("и ещё %(n)s", n=rest)] if rest else shown)


def _told(scene: Scene, _: Translator) -> list[str]:
    names = {guest.participation_id: guest.name for guest in scene.guests}
    lines = [_line(scene, one, names[one.participation_id], _) for one in scene.evidence[:MOST_LINES]]
    rest = len(scene.evidence) - len(lines)
    return [*lines, _("… и ещё отметок: %(n)s", n=rest)] if rest else lines


def _line(scene: Scene, one: Evidence, name: str, _: Translator) -> str:
    if one.what == Kind.NO_SHOW:
        return _("– %(name)s: регистрация есть, прихода не было.", name=name)
    what = _("приход") if one.what == Kind.ARRIVED else _flag(one, _)
    where = f", {one.gate}" if one.gate else ""
    return f"– {name}: {what} – {language.moment(one.at, scene.zone, _)}{where}, {_by(scene, one, _)}."


def _flag(one: Evidence, _: Translator) -> str:
    known = FLAGS.get(one.what)
    said = known.get(_.lang).lower() if known else one.what
    return f"{said} ({one.product_line})" if one.product_line else said


def _by(scene: Scene, one: Evidence, _: Translator) -> str:
    kind, _sep, number = one.actor.partition(":")
    if kind == "device":
        name = one.device or scene.devices.get(int(number), number)
        return _("отметка с телефона «%(name)s»", name=name)
    if kind == "user":
        name = scene.people.get(int(number), f"#{number}")
        return _("отметка в CRM: %(name)s", name=name)
    return _("отметка гостя") if kind == "guest" else _("отметка приложения")


def _because(rule: Rule, rules_version: int, _: Translator) -> str:
    return _(
        "Почему так: правило «%(rule)s» – %(kind)s, приоритет %(priority)s (таблица правил %(version)s).",
        rule=_(rule.name),
        kind=_("сделка") if rule.kind == "deal" else _("задача"),
        priority=priority(rule.priority, _),
        version=f"{rules_version:08x}",
    )
