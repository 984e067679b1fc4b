"""Filters of lists: one question for every field the list shows and for every custom field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import request

from b24.sandbox.ui.fields import choices, linked_type, moment_with_zone, number_at_the_end
from b24.sandbox.ui.structure import Kind, fields

RANGES = {"integer": "number", "double": "number", "date": "date", "datetime": "date", "money": "number"}
TEXTS = ("string", "text", "url", "address")


@dataclass(frozen=True)
class Question:
    """One filter of a list; ``input`` is ``text``, ``select``, ``link``, ``number`` or ``date`` (from and to)."""

    name: str
    title: str
    input: str
    linked: int = 0
    options: list[tuple[str, str]] = field(default_factory=list)

    @property
    def given(self) -> list[str]:
        """What the address says: one value, or from and to."""
        keys = ("from", "to") if self.input in ("number", "date") else ("is",)
        return [request.args.get(f"{key}:{self.name}", "").strip() for key in keys]


def questions(kind: Kind, columns: list[str]) -> list[Question]:
    """What the list can be narrowed by, besides the search line, stage and responsible."""
    custom = [name for name, one in fields(kind).items() if one.get("isDynamic")]
    parents = [name for name in fields(kind) if name.startswith("parentId")]
    names = [name for name in columns if name not in ("stageId", "assignedById")]
    found = [question(kind, name) for name in dict.fromkeys([*names, *parents, *custom])]
    return [one for one in found if one is not None]


def question(kind: Kind, name: str) -> Question | None:
    """How a field is asked for; ``None`` for files and other fields nobody filters by."""
    about = fields(kind)[name]
    kind_of_field, title = str(about["type"]), str(about.get("title") or name)
    options = choices(kind, name, about, {})
    if kind_of_field in ("boolean", "char"):
        return Question(name, title, "select", options=[("Y", "да"), ("N", "нет")])
    if options:
        return Question(name, title, "select", options=options)
    if linked_type(about):
        return Question(name, title, "link", linked_type(about))
    if kind_of_field in RANGES and kind_of_field != "money":
        return Question(name, title, RANGES[kind_of_field])
    return Question(name, title, "text") if kind_of_field in TEXTS else None


def narrowed(kind: Kind, asked: list[Question]) -> dict[str, Any]:
    """The filter of ``crm.item.list`` for what the address says; nonsense is left out."""
    wanted: dict[str, Any] = {}
    for one in asked:
        given = one.given
        if one.input in ("number", "date"):
            wanted |= between(kind, one, *given)
        elif given[0] and one.input == "text":
            wanted[f"%{one.name}"] = given[0]
        elif given[0] and one.input == "link":
            number = number_at_the_end(given[0])
            wanted[f"={one.name}"] = int(number) if number and len(number) < 13 else -1
        elif given[0] in dict(one.options):
            wanted[f"={one.name}"] = flag(kind, one, given[0])
    return wanted


def flag(kind: Kind, one: Question, value: str) -> str:
    """Custom flags are filtered by 1 and 0, those of the portal by Y and N."""
    about = fields(kind)[one.name]
    if about["type"] == "boolean" and about.get("isDynamic"):
        return "1" if value == "Y" else "0"
    return value


def between(kind: Kind, one: Question, low: str, high: str) -> dict[str, Any]:
    """From and to, both included; of a moment the whole last day."""
    wanted: dict[str, Any] = {}
    moments = fields(kind)[one.name]["type"] == "datetime"
    for sign, text, time in ((">=", low, "T00:00:00"), ("<=", high, "T23:59:59")):
        value = moment_with_zone(text + time) if text and moments else text
        if value and usable(one, text):
            wanted[f"{sign}{one.name}"] = value
    return wanted


def usable(one: Question, text: str) -> bool:
    """Whether the text is a number or a date, as the question wants it."""
    if one.input == "number":
        return text.replace(".", "", 1).removeprefix("-").isdigit() and text.isascii()
    return (
        len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit() and text.isascii()
    )
