"""Layout of cards: ``crm.item.details.configuration.*``.

Source: crm/universal/item-details-configuration/*.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm.objects import DEAL, LEAD
from b24.sandbox.crm.params import integer, listing, mapping, text
from b24.sandbox.crm.schema import ObjectType, as_entity_type_id, read_schema
from b24.sandbox.kernel import Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_card_layout (
        entity_type_id INTEGER NOT NULL, extra INTEGER NOT NULL, user_id INTEGER NOT NULL,
        sections TEXT NOT NULL,
        PRIMARY KEY (entity_type_id, extra, user_id));
    """
)

#: Owner of the layout everybody shares.
COMMON = 0


def layout(
    db: sqlite3.Connection, entity_type_id: int, extra: int, user_id: int
) -> list[dict[str, Any]] | None:
    """The layout a user's card has: their own, else the common one (the web UI's view)."""
    row = db.execute(
        "SELECT sections FROM crm_card_layout WHERE entity_type_id = ? AND extra = ? AND user_id IN (?, 0)"
        " ORDER BY user_id DESC LIMIT 1",
        (entity_type_id, extra, user_id),
    ).fetchone()
    found: list[dict[str, Any]] | None = None if row is None else json.loads(row["sections"])
    return found


def _place(call: Call) -> tuple[int, int, int]:
    """(type, funnel or kind of leads, owner) a call is about."""
    value = call.params.get("entityTypeId")
    if value in (None, ""):
        raise RestError("", "Parameter 'entityTypeId' is not defined")
    schema = read_schema(call.db)
    number = as_entity_type_id(value)
    kind = schema.types.get(number)
    if kind is None:
        name = schema.symbol(number)
        raise RestError("", f"The entity type '{name}' is not supported in current context.")
    return number, _extra(kind, mapping(call.params.get("extras"))), _owner(call)


def _extra(kind: ObjectType, extras: dict[str, Any]) -> int:
    if kind.entity_type_id == LEAD:
        return integer(extras.get("leadCustomerType")) or 1
    if kind.entity_type_id == DEAL:
        return integer(extras.get("dealCategoryId")) or 0
    default = kind.default_category
    chosen = integer(extras.get("categoryId"))
    return chosen if chosen is not None else (default.id if default else 0)


def _owner(call: Call) -> int:
    if text(call.params.get("scope")).upper() == "C":
        return COMMON
    return integer(call.params.get("userId")) or call.user_id


def _demand(call: Call, owner: int, *, reading: bool) -> None:
    if call.is_admin or owner == call.user_id or (reading and owner == COMMON):
        return
    raise RestError("", "Access denied.")


def _sections(data: Any) -> list[dict[str, Any]]:
    if isinstance(data, dict) and data:
        raise RestError("", "The data must be indexed array.")
    if not isinstance(data, list | dict):
        raise RestError("", "Parameter 'data' must be array.")
    if not data:
        raise RestError("", "There are no data to write.")
    return [_section(position, mapping(each)) for position, each in enumerate(data)]


def _section(position: int, section: dict[str, Any]) -> dict[str, Any]:
    kind = text(section.get("type"))
    if kind != "section":
        raise RestError("", f"Section at index {position} have type {kind}. The expected type is 'section'.")
    for name in ("name", "title"):
        if not text(section.get(name)):
            raise RestError("", f"Section at index {position} does not have {name}.")
    elements = [mapping(each) for each in listing(section.get("elements"))]
    return {
        "name": text(section["name"]),
        "title": text(section["title"]),
        "type": "section",
        "elements": [_element(place, position, each) for place, each in enumerate(elements)],
    }


def _element(place: int, section: int, element: dict[str, Any]) -> dict[str, Any]:
    if not text(element.get("name")):
        raise RestError("", f"Element at index {place} in section at index {section} does not have name.")
    shown: dict[str, Any] = {
        "name": text(element["name"]),
        "optionFlags": str(integer(element.get("optionFlags")) or 0),
    }
    options = mapping(element.get("options"))
    return shown | ({"options": options} if options else {})


@method("crm.item.details.configuration.set", scope="crm")
def layout_set(call: Call) -> bool:
    """Set the sections of a card for one user or for everybody."""
    number, extra, owner = _place(call)
    _demand(call, owner, reading=False)
    sections = _sections(call.params.get("data"))
    call.db.execute(
        "INSERT INTO crm_card_layout (entity_type_id, extra, user_id, sections) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET sections = excluded.sections",
        (number, extra, owner, json.dumps(sections, ensure_ascii=False)),
    )
    return True


@method("crm.item.details.configuration.get", scope="crm")
def layout_get(call: Call) -> Any:
    """The sections of a card, ``null`` when nobody set any."""
    number, extra, owner = _place(call)
    _demand(call, owner, reading=True)
    row = call.db.execute(
        "SELECT sections FROM crm_card_layout WHERE entity_type_id = ? AND extra = ? AND user_id = ?",
        (number, extra, owner),
    ).fetchone()
    return None if row is None else json.loads(row["sections"])


@method("crm.item.details.configuration.reset", scope="crm")
def layout_reset(call: Call) -> bool:
    """Forget a layout."""
    number, extra, owner = _place(call)
    _demand(call, owner, reading=False)
    call.db.execute(
        "DELETE FROM crm_card_layout WHERE entity_type_id = ? AND extra = ? AND user_id = ?",
        (number, extra, owner),
    )
    return True


@method("crm.item.details.configuration.forceCommonScopeForAll", scope="crm")
def layout_force_common(call: Call) -> bool:
    """Forget everybody's own layout, the common one stays."""
    number, extra, _owner_id = _place(call)
    if not call.is_admin:
        raise RestError("", "Access denied.")
    call.db.execute(
        "DELETE FROM crm_card_layout WHERE entity_type_id = ? AND extra = ? AND user_id <> 0", (number, extra)
    )
    return True
