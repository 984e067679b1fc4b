"""Values people typed on a participation's card, as facts. Pure.

Every look at a card that finds something new has a number, kept in the shadow that is written with the facts: a
value typed, changed and typed again within one second of the portal's clock is three facts, a look that is repeated
after a crash is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from smart_process.facts import Kind, NewFact
from smart_process.schema import FLAGS, flag_field, flag_of
from smart_process.sync.picture import Picture, number

Item = Mapping[str, Any]
TYPED = frozenset({"note", "door_note", "product_lines", *(flag_field(flag) for flag in FLAGS)})
"""Fields that belong to people as much as to us; the others of ours are written back when somebody edits them."""
LOOKS = "_looks"
"""In a shadow: how many looks found something a person had typed."""


def looks(shadow: Picture) -> int:
    """How many looks at the card found something."""
    return int(shadow.get(LOOKS, 0))


def looked(shadow: Picture) -> None:
    """Note in the shadow one more look that found something."""
    shadow[LOOKS] = looks(shadow) + 1


def facts(item: Item, typed: Picture, before: Mapping[str, Any], *, looks: int) -> list[NewFact]:
    """Facts for values found on a card.

    Args:
        item: the card as read, with ``id``, ``updatedTime`` and ``updatedBy``.
        typed: field names and values that differ from what was there ``before``; fields of ours are no facts.
        looks: number of the look, see :func:`looks`.
    """
    by = f"user:{number(item.get('updatedBy'))}"
    at = datetime.fromisoformat(item["updatedTime"])
    key = f"crm:{item['id']}:{item['updatedTime']}:{looks}"
    found: list[NewFact] = []
    for name, value in typed.items():
        found += _of_field(name, value, before.get(name), by, at, f"{key}:{name}")
    return found


def _of_field(name: str, value: Any, before: Any, by: str, at: datetime, key: str) -> list[NewFact]:
    if name == "note":
        return [NewFact(Kind.NOTE, at, by, key, data={"text": value})]
    if name == "door_note":
        return [NewFact(Kind.DOOR_NOTE, at, by, key, data={"text": value})]
    if name == "product_lines":
        return [
            *(_line(Kind.FLAG_SET, line, by, at, key) for line in value if line not in (before or [])),
            *(_line(Kind.FLAG_WITHDRAWN, line, by, at, key) for line in before or [] if line not in value),
        ]
    flag = flag_of(name)
    if flag is None:
        return []
    return [NewFact(Kind.FLAG_SET if value else Kind.FLAG_WITHDRAWN, at, by, key, data={"flag": flag})]


def _line(kind: Kind, line: str, by: str, at: datetime, key: str) -> NewFact:
    data = {"flag": "product_interest", "product_line": line, "line_only": True}
    return NewFact(kind, at, by, f"{key}:{hashlib.sha256(line.encode()).hexdigest()[:12]}", data=data)
