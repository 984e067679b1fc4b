"""Rules: which outcome a subject at an event deserves. Pure.

A rule is a condition tree as plain data over what is known of a subject – a company with the union of its
guests, or one person while no company is known. Rules are ordered and the first match decides.

A condition is ``{"all": […]}``, ``{"any": […]}``, ``{"not": …}`` or ``{"field", "op", "value"}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from smart_process.facts import Stage

Condition = Mapping[str, Any]
LIVE, CLOSING = "live", "closing"
"""When a rule may make something new: as soon as it matches, or not before the event was closed."""
DEAL, TASK = "deal", "task"
PRIORITIES = ("low", "medium", "high")


class BadRule(ValueError):
    """A rule cannot be read; the text names the rule and what is wrong with it."""


@dataclass(frozen=True)
class Subject:
    """What rules may ask about a subject at an event.

    Args:
        reached: stages any of its guests ever reached; ``stages``: where they are now.
        guests, arrived, no_shows: how many people.
        potential: ``high`` | ``medium`` | ``low`` | ``""``; ``cooperation``, ``region`` as the CRM has them.
        hours: since its last fact that counts, 0 without any.
        phase: ``live`` until the event's closing has run, then ``closing``.
    """

    reached: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    product_lines: frozenset[str] = frozenset()
    guests: int = 0
    arrived: int = 0
    no_shows: int = 0
    potential: str = ""
    cooperation: str = ""
    region: str = ""
    hours: float = 0.0
    phase: str = LIVE


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Args:
        key: stays the same for life; outcomes remember it.
        name: Russian, how people call the rule; ``topic``: what goes into the title after the subject.
        within: the deadline, counted from the decision.
        todo: Russian, what is to be done, in the infinitive.
        when: ``live`` (hot: during the event) or ``closing``.
    """

    key: str
    name: str
    condition: Condition
    kind: str
    priority: str
    within: timedelta
    topic: str
    todo: str
    when: str = CLOSING


def _has(field: str, value: str) -> Condition:
    return {"field": field, "op": "has", "value": value}


def _is(field: str, op: str, value: Any) -> Condition:
    return {"field": field, "op": op, "value": value}


DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(
        key="quote_requested",
        name="Запрос расчёта",
        condition=_has("flags", "quote_requested"),
        kind=DEAL,
        priority="high",
        within=timedelta(hours=1),
        topic="запрос расчёта",
        todo="Позвонить и уточнить, что посчитать",
        when=LIVE,
    ),
    Rule(
        key="closed_session",
        name="Закрытая сессия и интерес к продукту",
        condition={"all": [_has("flags", "closed_session"), _has("flags", "product_interest")]},
        kind=DEAL,
        priority="medium",
        within=timedelta(days=1),
        topic="закрытая сессия и интерес к продукту",
        todo="Связаться по итогам закрытой сессии",
        when=LIVE,
    ),
    Rule(
        key="product_interest",
        name="Интерес к продукту",
        condition=_has("flags", "product_interest"),
        kind=TASK,
        priority="medium",
        within=timedelta(days=3),
        topic="интерес к продукту",
        todo="Узнать, что заинтересовало, и предложить следующий шаг",
    ),
    Rule(
        key="arrived",
        name="Был на мероприятии без отметок",
        condition={"all": [_is("arrived", "ge", 1), {"field": "flags", "op": "empty"}]},
        kind=TASK,
        priority="low",
        within=timedelta(weeks=2),
        topic="был на мероприятии",
        todo="Поблагодарить за визит и узнать впечатления",
    ),
    Rule(
        key="no_show",
        name="Не пришёл партнёр с высоким потенциалом",
        condition={
            "all": [_is("no_shows", "ge", 1), _is("arrived", "eq", 0), _is("potential", "eq", "high")]
        },
        kind=TASK,
        priority="low",
        within=timedelta(weeks=2),
        topic="не пришёл на мероприятие",
        todo="Узнать, почему не получилось прийти, и предложить встречу",
    ),
)
"""The table everybody starts with."""


_OPS: Mapping[str, Callable[[Any, Any], bool]] = {
    "has": lambda have, value: value in have,
    "has_any": lambda have, value: bool(frozenset(have) & frozenset(value)),
    "empty": lambda have, _: not have,
    "eq": lambda have, value: bool(have == value),
    "ne": lambda have, value: bool(have != value),
    "in": lambda have, value: have in value,
    "ge": lambda have, value: bool(have >= value),
    "le": lambda have, value: bool(have <= value),
}
_SETS = frozenset({"reached", "stages", "flags", "product_lines"})
_NUMBERS = frozenset({"guests", "arrived", "no_shows", "hours"})
_TEXTS = frozenset(one.name for one in fields(Subject)) - _SETS - _NUMBERS
_FITTING: Mapping[str, frozenset[str]] = {
    "has": _SETS,
    "has_any": _SETS,
    "empty": _SETS | _TEXTS,
    "eq": _NUMBERS | _TEXTS,
    "ne": _NUMBERS | _TEXTS,
    "in": _TEXTS,
    "ge": _NUMBERS,
    "le": _NUMBERS,
}
_DEEPEST = 8


def matches(condition: Condition, subject: Subject) -> bool:
    """Whether a checked condition holds for a subject."""
    if "all" in condition:
        return all(matches(one, subject) for one in condition["all"])
    if "any" in condition:
        return any(matches(one, subject) for one in condition["any"])
    if "not" in condition:
        return not matches(condition["not"], subject)
    return _OPS[condition["op"]](getattr(subject, condition["field"]), condition.get("value"))


def first_match(rules: Sequence[Rule], subject: Subject) -> Rule | None:
    """The rule that decides."""
    return next((rule for rule in rules if matches(rule.condition, subject)), None)


def version(rules: Sequence[Rule]) -> int:
    """A number that changes with the table: outcomes carry it, so that each can be explained later."""
    text = json.dumps([_plain(rule) for rule in rules], sort_keys=True, ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _plain(rule: Rule) -> dict[str, Any]:
    return {
        one.name: value.total_seconds() if isinstance(value := getattr(rule, one.name), timedelta) else value
        for one in fields(rule)
    }


def check(rules: Sequence[Rule]) -> None:
    """Refuse a table that cannot be applied.

    Raises:
        BadRule: with the rule's key and what is wrong.
    """
    keys = [rule.key for rule in rules]
    if len(set(keys)) != len(keys):
        raise BadRule("two rules have the same key")
    for rule in rules:
        try:
            _check_rule(rule)
        except BadRule as error:
            raise BadRule(f"rule {rule.key!r}: {error}") from None


def _check_rule(rule: Rule) -> None:
    if rule.kind not in (DEAL, TASK):
        raise BadRule(f"kind {rule.kind!r}")
    if rule.priority not in PRIORITIES:
        raise BadRule(f"priority {rule.priority!r}")
    if rule.when not in (LIVE, CLOSING):
        raise BadRule(f"when {rule.when!r}")
    if rule.within <= timedelta():
        raise BadRule("the deadline lies in the past")
    check_condition(rule.condition)


def check_condition(condition: Any, depth: int = 0) -> None:
    """Refuse a condition that cannot be applied, whatever it is.

    Raises:
        BadRule: it is no condition, or too deep.
    """
    if not isinstance(condition, Mapping) or depth > _DEEPEST:
        raise BadRule("a condition is expected")
    inner = [name for name in ("all", "any", "not") if name in condition]
    if not inner:
        _check_leaf(condition)
        return
    parts = condition[inner[0]] if inner[0] != "not" else [condition["not"]]
    if len(condition) != 1 or not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise BadRule(f"{inner[0]!r} needs a list of conditions and nothing beside it")
    for part in parts:
        check_condition(part, depth + 1)


def _check_leaf(leaf: Condition) -> None:
    field, op, value = leaf.get("field"), leaf.get("op"), leaf.get("value")
    if not isinstance(op, str) or op not in _FITTING:
        raise BadRule(f"unknown comparison {op!r}")
    if not isinstance(field, str) or field not in _FITTING[op]:
        raise BadRule(f"{op!r} cannot be asked of {field!r}")
    if field in _NUMBERS:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif op in ("has_any", "in"):
        fits = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    else:
        fits = op == "empty" or isinstance(value, str)
    if not fits or (field in ("reached", "stages") and not _stages(value)):
        raise BadRule(f"{field!r} {op!r} cannot be compared with {value!r}")


def _stages(value: Any) -> bool:
    named = [value] if isinstance(value, str) else value or []
    return all(one in set(Stage) for one in named)


check(DEFAULT_RULES)
