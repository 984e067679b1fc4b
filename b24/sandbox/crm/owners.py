"""Finding the item a comment, an activity or a task belongs to."""

from __future__ import annotations

import re
from typing import Any

from b24.sandbox.crm import rights, store
from b24.sandbox.crm.objects import OWNER_TYPES
from b24.sandbox.crm.params import integer
from b24.sandbox.crm.schema import read_schema, short_symbol
from b24.sandbox.crm.store import Item
from b24.sandbox.kernel import Call, RestError


def type_by_symbol(symbol: str) -> int:
    """``deal``, ``dynamic_177`` -> entityTypeId; 0 for what is not a CRM object."""
    dynamic = re.fullmatch(r"dynamic_([0-9]{1,9})", symbol.strip().lower())
    if dynamic:
        return int(dynamic[1])
    wanted = symbol.strip().upper()
    return next((number for number, (name, _, _) in OWNER_TYPES.items() if name == wanted), 0)


def symbol_of(entity_type_id: int) -> str:
    """The lower-case name of a type as comments use it."""
    known = OWNER_TYPES.get(entity_type_id)
    return known[0].lower() if known else f"dynamic_{entity_type_id}"


def find(db: Any, entity_type_id: int, item_id: int | None) -> Item | None:
    """The item, or ``None`` when type or item do not exist."""
    kind = read_schema(db).types.get(entity_type_id)
    return None if kind is None else store.find(db, kind, item_id)


def demand(call: Call, entity_type_id: int, item_id: Any, action: str) -> Item:
    """The owner a caller names, if they may ``action`` it.

    Raises:
        RestError: ``OWNER_NOT_FOUND`` or ``ACCESS_DENIED``.
    """
    owner = find(call.db, entity_type_id, integer(item_id))
    if owner is None:
        raise RestError("OWNER_NOT_FOUND", "Owner was not found")
    rights.demand(call.portal, call.user_id, entity_type_id, action, owner.row)
    return owner


def demand_known(call: Call, entity_type_id: Any, item_id: Any) -> Item:
    """The owner to change, for methods whose pages know one error for whatever is not there.

    Raises:
        RestError: ``NOT_FOUND`` or ``ACCESS_DENIED``.
    """
    owner = find(call.db, integer(entity_type_id) or 0, integer(item_id))
    if owner is None:
        raise RestError("NOT_FOUND", "Not found.")
    rights.demand(call.portal, call.user_id, owner.kind.entity_type_id, "update", owner.row)
    return owner


def binding_code(entity_type_id: int, item_id: int) -> str:
    """``C_5``, ``Tb1_29``."""
    return f"{short_symbol(entity_type_id)}_{item_id}"


def read_binding(code: str) -> tuple[int, int] | None:
    """(entityTypeId, id) of a binding code; ``None`` when it is none."""
    symbol, _, number = code.strip().rpartition("_")
    if not re.fullmatch(r"[0-9]{1,11}", number):
        return None
    for entity_type_id, (_, short, _) in OWNER_TYPES.items():
        if short == symbol.upper():
            return entity_type_id, int(number)
    smart = re.fullmatch(r"T([0-9a-f]{1,5})", symbol, re.IGNORECASE)
    return (int(smart[1], 16), int(number)) if smart else None
