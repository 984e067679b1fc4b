"""A rule as a sentence: what an administrator reads before the table is saved. Pure.

Texts are in the reader's language; Russian ones are their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from smart_process.language import Translator
from smart_process.rule_table import Row, shown_within
from smart_process.rules import DEAL, LIVE, Condition, Rule
from smart_process.schema import FLAGS, PRIORITIES, TYPES

LEVEL_WORDS = {"high": "высокий", "medium": "средний", "low": "низкий"}
STAGE_TITLES = {str(one.key): one.title for one in TYPES["participation"].stages}
NUMBERS = {
    "guests": "гостей от компании",
    "arrived": "пришедших",
    "no_shows": "не пришедших",
    "hours": "часов без новых событий",
}
TEXTS = {
    "potential": "потенциал компании",
    "cooperation": "форма сотрудничества",
    "region": "регион",
    "phase": "этап",
}
SETS = {
    "flags": "отметка",
    "product_lines": "линейка",
    "reached": "был на стадии",
    "stages": "сейчас на стадии",
}
SIGNS = {"eq": "=", "ne": "≠", "ge": "≥", "le": "≤"}


def sentence(row: Row, _: Translator) -> str:
    """«Если отметка «Просит расчёт»: сделка, приоритет высокий, в течение 1 ч, сразу. Позвонить …»."""
    rule = row.rule
    kind = _("сделка") if rule.kind == DEAL else _("задача")
    when = _("сразу") if rule.when == LIVE else _("после закрытия мероприятия")
    said = _(
        "Если %(condition)s: %(kind)s, приоритет «%(priority)s», срок %(within)s, %(when)s. %(todo)s.",
        condition=words(rule.condition, _),
        kind=kind,
        priority=PRIORITIES[rule.priority].get(_.lang),
        within=within(rule.within, _),
        when=when,
        todo=_(rule.todo),
    )
    return said if row.on else _("Выключено.") + " " + said


def within(time: timedelta, _: Translator) -> str:
    """«1 ч», «2 дн.»."""
    amount, unit = shown_within(time)
    return f"{amount} " + {"minutes": _("мин"), "hours": _("ч"), "days": _("дн.")}[unit]


def words(condition: Condition, _: Translator, *, inside: bool = False) -> str:
    """A checked condition; ``inside`` another one it is put in brackets where that matters."""
    for join, word in (("all", _("и")), ("any", _("или"))):
        if join in condition:
            parts = [words(one, _, inside=True) for one in condition[join]]
            text = f" {word} ".join(parts)
            return f"({text})" if inside and len(parts) > 1 else text
    if "not" in condition:
        return _("не (%(condition)s)", condition=words(condition["not"], _))
    return _leaf(condition, _)


def _leaf(leaf: Condition, _: Translator) -> str:
    field, op = str(leaf["field"]), str(leaf["op"])
    if op == "empty":
        return _("нет отметок") if field == "flags" else _("«%(name)s» пусто", name=_name(field, _))
    value = leaf.get("value")
    many = value if isinstance(value, list | tuple) else [value]
    shown = f" {_('или')} ".join(_value(field, one, _) for one in many)
    if field in NUMBERS or op == "ne":
        return f"{_name(field, _)} {SIGNS[op]} {shown}"
    return f"{_name(field, _)} {shown}"


def _name(field: str, _: Translator) -> str:
    return _({**NUMBERS, **TEXTS, **SETS}[field])


def _value(field: str, value: Any, _: Translator) -> str:
    if field in NUMBERS:
        return f"{value:g}"
    shown: Mapping[str, Callable[[str], str]] = {
        "flags": lambda key: FLAGS[key].get(_.lang) if key in FLAGS else key,
        "reached": lambda key: STAGE_TITLES[key].get(_.lang),
        "stages": lambda key: STAGE_TITLES[key].get(_.lang),
        "potential": lambda key: _(LEVEL_WORDS.get(key, key)),
    }
    return f"«{shown.get(field, str)(str(value))}»"


def never_reached(rules: Sequence[Rule]) -> list[str]:
    """Keys of rules behind one with the same condition: the first match decides, so they never do.

    Args:
        rules: those that are on, in order. A rule that waits for the closing stands in the way like any other.
    """
    seen: list[Condition] = []
    hidden = []
    for rule in rules:
        if rule.condition in seen:
            hidden.append(rule.key)
        seen.append(rule.condition)
    return hidden
