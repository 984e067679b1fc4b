"""The older methods of each object: ``crm.{lead,deal,contact,company}.*``: upper-case names, string values.

Frozen by the vendor and still spoken by many integrations. Source: crm/{leads,deals,contacts,companies}/*.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from b24.sandbox.crm import filters, multifields, reading, recycle, rights, store
from b24.sandbox.crm.classic_fields import (
    MANY,
    address_names,
    described,
    listed_names,
    old_names,
    shown_value,
)
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD, WITH_COMMUNICATIONS
from b24.sandbox.crm.params import PAGE, either, integer, is_yes, listing, mapping, start_of, text
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import read_value
from b24.sandbox.kernel import Answer, Call, RestError, method

NAMES = {LEAD: "lead", DEAL: "deal", CONTACT: "contact", COMPANY: "company"}


def _communications(rows: list[sqlite3.Row]) -> dict[str, list[dict[str, str]]]:
    shown: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        shown.setdefault(row["type_id"], []).append(
            {
                "ID": str(row["id"]),
                "VALUE_TYPE": row["value_type"],
                "VALUE": row["value"],
                "TYPE_ID": row["type_id"],
            }
        )
    return shown


def show(portal: Any, item: Item, select: set[str] | None) -> dict[str, Any]:
    """One item; ``select`` ``None`` is everything, phones and e-mails included."""
    kind = item.kind
    modern = reading.show(portal, item)
    listed = listed_names(kind)
    shown: dict[str, Any] = {"ID": str(item.id)}
    for name, field in old_names(kind).items():
        if _wanted(name, select, listed=name in listed, dynamic=field.dynamic):
            shown[name] = shown_value(kind, field, modern.get(field.name))
    extra = [name for name, _, _ in address_names(kind)]
    extra += {COMPANY: ["LAST_COMMUNICATION_TIME"], CONTACT: ["FACE_ID"]}.get(kind.entity_type_id, [])
    shown |= {name: None for name in extra if _wanted(name, select, listed=True, dynamic=False)}
    if kind.entity_type_id in WITH_COMMUNICATIONS:
        many = _communications(multifields.rows_of(portal.db, kind.entity_type_id, item.id))
        shown |= {k: v for k, v in many.items() if select is None or k in select}
    if select is None and modern.get("webformId"):
        shown["WEBFORM_ID"] = str(modern["webformId"])
    return shown


def _wanted(name: str, select: set[str] | None, *, listed: bool, dynamic: bool) -> bool:
    if select is None:
        return listed
    return name in select or ("UF_*" in select if dynamic else listed and "*" in select)


def _kind(call: Call, entity_type_id: int) -> ObjectType:
    return read_schema(call.db).types[entity_type_id]


def item_of(call: Call, entity_type_id: int, action: str) -> Item:
    """The item a call works with; errors carry an empty code, as the pages show."""
    number = integer(either(call, "id"))
    if not number or number < 0:
        raise RestError("", "ID is not defined or invalid.")
    found = store.find(call.db, _kind(call, entity_type_id), number)
    if found is None:
        raise RestError("", "Not found" if action == "read" else f"{found_name(entity_type_id)} is not found")
    if not rights.allowed(call.portal, call.user_id, entity_type_id, action, found.row):
        raise RestError("", "Access denied.")
    return found


def found_name(entity_type_id: int) -> str:
    """How error texts name an object."""
    return NAMES[entity_type_id].capitalize()


def _values(call: Call, kind: ObjectType, fields: dict[str, Any]) -> dict[str, Any]:
    known = old_names(kind)
    values = {}
    for name, value in fields.items():
        field = known.get(name) or kind.by_upper.get(name)
        if field is not None and not (field.read_only or field.disabled or field.derived):
            values[field.upper] = read_value(call.db, field, value)
    return values


def _changes(fields: dict[str, Any]) -> list[Change]:
    changes = []
    for kind in MANY:
        for row in listing(fields.get(kind)):
            each = mapping(row)
            value = "" if is_yes(each.get("DELETE")) else text(each.get("VALUE")).strip()
            value_type = text(each.get("VALUE_TYPE")).upper() or "WORK"
            changes.append(Change(integer(each.get("ID")), kind, value_type, value))
    return changes


def fields_map(call: Call) -> dict[str, Any]:
    """The required ``fields`` of a call."""
    fields = either(call, "fields")
    if not isinstance(fields, dict | list):
        raise RestError("", "Parameter 'fields' must be array.")
    return mapping(fields)


def _register(entity_type_id: int) -> None:
    """The six methods of one object."""
    name = NAMES[entity_type_id]

    @method(f"crm.{name}.add", scope="crm")
    def add(call: Call) -> int:
        """A new item; answers with its id."""
        fields = fields_map(call)
        kind = _kind(call, entity_type_id)
        if not rights.allowed(call.portal, call.user_id, entity_type_id, "add"):
            raise RestError("", "Access denied.")
        return store.create(call.portal, call.user_id, kind, _values(call, kind, fields), _changes(fields))

    @method(f"crm.{name}.update", scope="crm")
    def update(call: Call) -> bool:
        """Change an item."""
        fields = fields_map(call)
        item = item_of(call, entity_type_id, "update")
        store.update(call.portal, call.user_id, item, _values(call, item.kind, fields), _changes(fields))
        return True

    @method(f"crm.{name}.get", scope="crm")
    def get(call: Call) -> Any:
        """One item."""
        return show(call.portal, item_of(call, entity_type_id, "read"), None)

    @method(f"crm.{name}.delete", scope="crm")
    def delete(call: Call) -> bool:
        """Delete an item."""
        recycle.delete(call.portal, call.user_id, item_of(call, entity_type_id, "delete"))
        return True

    @method(f"crm.{name}.list", scope="crm")
    def list_(call: Call) -> Answer:
        """Items by filter, 50 a page."""
        return _list(call, _kind(call, entity_type_id))

    @method(f"crm.{name}.fields", scope="crm")
    def fields(call: Call) -> Any:
        """Description of the fields."""
        return described(_kind(call, entity_type_id))


def _resolver(kind: ObjectType) -> Callable[[str], Column | None]:
    names = old_names(kind)
    modern = reading.columns_of(kind, original=False)

    def resolve(name: str) -> Column | None:
        if name in MANY and kind.entity_type_id in WITH_COMMUNICATIONS:
            source = (
                "EXISTS (SELECT 1 FROM crm_multifield AS many"
                " WHERE many.entity_type_id = crm_item.entity_type_id"
                f" AND many.item_id = crm_item.id AND many.type_id = '{name}' AND {{}})"
            )
            return Column("many.value", exists=source)
        field = names.get(name) or kind.by_upper.get(name)
        return modern(field.name) if field is not None else None

    return resolve


def _list(call: Call, kind: ObjectType) -> Answer:
    resolve = _resolver(kind)
    filter_ = {k: v for k, v in mapping(either(call, "filter")).items() if not k.isdigit()}
    where, values = filters.where(filter_, resolve, ignore_unknown=True)
    order = filters.order_by(either(call, "order"), resolve, default=["crm_item.id ASC"], ignore_unknown=True)
    seen, mine = rights.readable(call.portal, call.user_id, kind.entity_type_id)
    source = f"FROM crm_item WHERE crm_item.entity_type_id = ? AND {where} AND {seen}"
    arguments = [kind.entity_type_id, *values, *mine]
    start = start_of(call)
    rows = call.db.execute(
        f"SELECT crm_item.* {source} ORDER BY {order} LIMIT ? OFFSET ?", (*arguments, PAGE, max(start, 0))
    ).fetchall()
    select = {text(each) for each in listing(either(call, "select"))} or {"*"}
    shown = [show(call.portal, store.from_row(kind, row), select) for row in rows]
    if start < 0:
        return Answer(shown, 0)
    total = call.db.execute(f"SELECT count(*) {source}", arguments).fetchone()[0]
    return Answer(shown, total, start + PAGE if total > start + PAGE else None)


for _number in NAMES:
    _register(_number)


@method("crm.settings.mode.get", scope="crm")
def mode_get(_call: Call) -> int:
    """1: the CRM works with leads."""
    return 1
