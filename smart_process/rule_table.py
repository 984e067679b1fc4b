"""The table of rules a portal works with: the shipped one, or what its administrators made of it. Pure.

A row is a rule and whether it is switched on. The settings page edits conditions as a flat list of simple questions;
a condition that is more than that is shown and kept as it stands.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from smart_process import rules
from smart_process.facts import Stage
from smart_process.language import Translator
from smart_process.rules import DEFAULT_RULES, BadRule, Condition, Rule
from smart_process.schema import FLAGS
from smart_process.settings import Settings

MOST_RULES, MOST_CONDITIONS = 30, 10
LONGEST_NAME, LONGEST_TODO = 120, 200
UNITS = {"minutes": 60, "hours": 3600, "days": 86400}
LEVELS = ("high", "medium", "low")
_KEY = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    rule: Rule
    on: bool = True


SHIPPED: tuple[Row, ...] = tuple(Row(rule) for rule in DEFAULT_RULES)


class WrongTable(ValueError):
    """The table sent cannot be applied; ``errors``: by ``rules.<number>.<field>`` what is wrong, Russian."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = dict(errors)


def rows(settings: Settings) -> tuple[Row, ...]:
    """The whole table of a portal in its order, switched off rules too."""
    if settings.rules is None:
        return SHIPPED
    return tuple(_row(one) for one in settings.rules)


def name_of(settings: Settings, key: str) -> str:
    """What a rule is called today; of one that was deleted meanwhile, its key."""
    known = (*rows(settings), *SHIPPED)
    return next((row.rule.name for row in known if row.rule.key == key), key)


def active(settings: Settings) -> tuple[Rule, ...]:
    """The rules that decide."""
    return _on(rows(settings))


def _on(table: Sequence[Row]) -> tuple[Rule, ...]:
    return tuple(row.rule for row in table if row.on)


def version(table: Sequence[Row]) -> str:
    """The version as explanations of outcomes show it."""
    return f"{rules.version(_on(table)):08x}"


def kept(table: Sequence[Row]) -> list[dict[str, Any]] | None:
    """The table as plain data for the settings; ``None`` when it is the shipped one."""
    if tuple(table) == SHIPPED:
        return None
    return [{**vars(row.rule), "within": int(row.rule.within.total_seconds()), "on": row.on} for row in table]


def _row(data: Mapping[str, Any]) -> Row:
    values = {name: value for name, value in data.items() if name != "on"}
    return Row(Rule(**values | {"within": timedelta(seconds=data["within"])}), bool(data["on"]))


# ------------------------------------------------------------------------ simple questions


@dataclass(frozen=True)
class Question:
    """A condition people fill in: one value of one kind.

    Attributes:
        kind: flag | level | stage | number | text | none: what the value is.
        build: the condition with a value; ``value_of``: the value in a condition, ``None`` when it is another one.
    """

    kind: str
    build: Callable[[Any], Condition]
    value_of: Callable[[Condition], Any]


def _leaf(kind: str, field: str, op: str) -> Question:
    def value_of(condition: Condition) -> Any:
        same = condition.get("field") == field and condition.get("op") == op
        return condition.get("value", "") if same else None

    def build(value: Any) -> Condition:
        asked = {"field": field, "op": op}
        return asked if kind == "none" else asked | {"value": value}

    return Question(kind, build, value_of)


def _not(inner: Question) -> Question:
    def value_of(condition: Condition) -> Any:
        return inner.value_of(condition["not"]) if isinstance(condition.get("not"), Mapping) else None

    return Question(inner.kind, lambda value: {"not": inner.build(value)}, value_of)


_FLAG = _leaf("flag", "flags", "has")
QUESTIONS: Mapping[str, Question] = {
    "flag": _FLAG,
    "not_flag": _not(_FLAG),
    "no_flags": _leaf("none", "flags", "empty"),
    "line": _leaf("text", "product_lines", "has"),
    "potential": _leaf("level", "potential", "eq"),
    "cooperation": _leaf("text", "cooperation", "eq"),
    "region": _leaf("text", "region", "eq"),
    "arrived_ge": _leaf("number", "arrived", "ge"),
    "arrived_eq": _leaf("number", "arrived", "eq"),
    "guests_ge": _leaf("number", "guests", "ge"),
    "no_shows_ge": _leaf("number", "no_shows", "ge"),
    "reached": _leaf("stage", "reached", "has"),
}
"""What the page can ask, by name."""
STAGES = tuple(one.value for one in Stage)


@dataclass(frozen=True)
class Form:
    """A condition as the page edits it: ``all`` or ``any`` of simple questions ``(name, value)``.

    ``complex``: it is more than that, and stays as it is.
    """

    join: str = "all"
    questions: tuple[tuple[str, Any], ...] = ()
    complex: bool = False


def form_of(condition: Condition) -> Form:
    """A condition as the page shows it."""
    join = next((name for name in ("all", "any") if name in condition), "")
    parts = condition[join] if join else [condition]
    asked = [_asked(one) for one in parts]
    if any(one is None for one in asked):
        return Form(complex=True)
    return Form(join or "all", tuple(one for one in asked if one is not None))


def _asked(condition: Condition) -> tuple[str, Any] | None:
    for name, question in QUESTIONS.items():
        value = question.value_of(condition)
        if value is not None:
            return name, value
    return None


def _condition(form: Form) -> Condition:
    built = [QUESTIONS[name].build(value) for name, value in form.questions]
    return built[0] if len(built) == 1 else {form.join: built}


# ------------------------------------------------------------------------ what a page sends


def parse(data: Any, before: Sequence[Row], _: Translator) -> tuple[Row, ...]:
    """The table a page sent.

    Args:
        before: the table it was made from: conditions too complex for the page are taken from there.
        _: of the portal's language, in which shipped names are shown.

    Raises:
        WrongTable: something in it is wrong.
    """
    if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
        raise WrongTable({"rules": "Таблица не читается."})
    if not data or len(data) > MOST_RULES:
        raise WrongTable({"rules": "В таблице должно быть от одного до тридцати правил."})
    known = {row.rule.key: row.rule for row in (*SHIPPED, *before)}
    errors: dict[str, str] = {}
    table: list[Row] = []
    taken: set[str] = set()
    for number, one in enumerate(data):
        row, wrong = _parsed(one, known, taken, _)
        errors |= {f"rules.{number}.{name}": text for name, text in wrong.items()}
        if row:
            taken.add(row.rule.key)
            table.append(row)
    if errors:
        raise WrongTable(errors)
    try:
        rules.check([row.rule for row in table])
    except BadRule:
        raise WrongTable({"rules": "Таблицу нельзя применить. Обновите страницу."}) from None
    return tuple(table)


def _parsed(
    data: Mapping[str, Any], known: Mapping[str, Rule], taken: set[str], _: Translator
) -> tuple[Row | None, dict[str, str]]:
    key = data.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key) or key in taken:
        key = f"own_{secrets.token_hex(6)}"
    wrong: dict[str, str] = {}
    texts = {
        "name": _text(data, "name", LONGEST_NAME, "Назовите правило (до 120 знаков).", wrong),
        "topic": _text(data, "topic", LONGEST_NAME, "Напишите, о чём это (до 120 знаков).", wrong),
        "todo": _text(data, "todo", LONGEST_TODO, "Напишите, что сделать (до 200 знаков).", wrong),
    }
    choices = {
        "kind": ((rules.DEAL, rules.TASK), "Выберите: сделка или задача."),
        "priority": (rules.PRIORITIES, "Выберите приоритет."),
        "when": ((rules.LIVE, rules.CLOSING), "Выберите, когда срабатывает правило."),
    }
    for name, (allowed, text) in choices.items():
        if data.get(name) not in allowed:
            wrong[name] = text
    within = _within(data, wrong)
    condition = _parsed_condition(data, known.get(key), wrong)
    if wrong or condition is None or within is None:
        return None, wrong
    rule = Rule(
        key=key,
        condition=condition,
        within=within,
        **{name: data[name] for name in choices},
        **{name: _original(text, name, DEFAULTS.get(key), _) for name, text in texts.items()},
    )
    return Row(rule, data.get("on") is True), {}


DEFAULTS: Mapping[str, Rule] = {rule.key: rule for rule in DEFAULT_RULES}


def _original(text: str, name: str, shipped: Rule | None, _: Translator) -> str:
    """A shipped text that was shown translated and left alone stays the shipped one."""
    original = str(getattr(shipped, name)) if shipped else ""
    return original if original and text == _(original) else text


def _text(data: Mapping[str, Any], name: str, longest: int, refusal: str, wrong: dict[str, str]) -> str:
    value = data.get(name)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(text) <= longest or not text.isprintable():
        wrong[name] = refusal
    return text


def _within(data: Mapping[str, Any], wrong: dict[str, str]) -> timedelta | None:
    amount, unit = data.get("amount"), data.get("unit")
    fits = isinstance(amount, int) and not isinstance(amount, bool) and isinstance(unit, str)
    seconds = amount * UNITS.get(unit, 0) if fits and 0 < amount <= 100_000 else 0  # type: ignore[operator,arg-type]
    if not 0 < seconds <= 366 * 86400:
        wrong["amount"] = "Срок: целое число, не больше года."
        return None
    return timedelta(seconds=seconds)


def _parsed_condition(data: Mapping[str, Any], known: Rule | None, wrong: dict[str, str]) -> Condition | None:
    if data.get("complex") is True:
        if known and form_of(known.condition).complex:
            return known.condition
        wrong["conditions"] = "Это условие уже изменили. Обновите страницу."
        return None
    asked, join = data.get("conditions"), data.get("join")
    if join not in ("all", "any") or not isinstance(asked, list) or not 0 < len(asked) <= MOST_CONDITIONS:
        wrong["conditions"] = "Добавьте от одного до десяти условий."
        return None
    answers = [_answer(one) for one in asked]
    bad = [number for number, one in enumerate(answers) if one is None]
    if bad:
        wrong |= {f"conditions.{number}": "Заполните условие." for number in bad}
        return None
    return _condition(Form(join, tuple(one for one in answers if one is not None)))


def _answer(data: Any) -> tuple[str, Any] | None:
    name = data.get("name") if isinstance(data, Mapping) else None
    question = QUESTIONS.get(name) if isinstance(name, str) else None
    if question is None or not isinstance(name, str):
        return None
    value = data.get("value")
    if question.kind == "none":
        return name, ""
    if question.kind == "number":
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000
        return (name, value) if fits else None
    text = value.strip() if isinstance(value, str) else ""
    allowed = {"flag": FLAGS, "level": LEVELS, "stage": STAGES}.get(question.kind)
    fits = text in allowed if allowed is not None else 0 < len(text) <= 100 and text.isprintable()
    return (name, text) if fits else None


# ------------------------------------------------------------------------ what a page shows


def shown_within(within: timedelta) -> tuple[int, str]:
    """A deadline as a number and the largest unit that divides it."""
    seconds = int(within.total_seconds())
    unit = next((name for name in ("days", "hours") if not seconds % UNITS[name]), "minutes")
    return max(seconds // UNITS[unit], 1), unit


def template(_: Translator) -> Row:
    """What «Добавить правило» begins with."""
    rule = replace(DEFAULTS["product_interest"], key="", name=_("Новое правило"))
    return Row(replace(rule, topic=_(rule.topic), todo=_(rule.todo)))
