"""Smart processes: ``crm.type.*`` and ``crm.enum.ownertype``.

Source: crm/universal/user-defined-object-types/*.md, crm/auxiliary/enum/crm-enum-owner-type.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox import restrictions
from b24.sandbox.crm import categories, filters
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import COMPANY, CONTACT, OWNER_TYPES, upper_name
from b24.sandbox.crm.params import (
    PAGE,
    fields_of,
    integer,
    is_yes,
    listing,
    mapping,
    required,
    start_of,
    text,
)
from b24.sandbox.crm.schema import as_entity_type_id, changed, read_schema, short_symbol
from b24.sandbox.crm.values import iso_of, parse_timestamp, reader
from b24.sandbox.kernel import Answer, Call, RestError, method

FLAGS = (
    "isCategoriesEnabled",
    "isStagesEnabled",
    "isBeginCloseDatesEnabled",
    "isClientEnabled",
    "isUseInUserfieldEnabled",
    "isLinkWithProductsEnabled",
    "isMycompanyEnabled",
    "isDocumentsEnabled",
    "isSourceEnabled",
    "isObserversEnabled",
    "isRecyclebinEnabled",
    "isAutomationEnabled",
    "isBizProcEnabled",
    "isSetOpenPermissions",
)
FIXED_FLAGS = ("isPaymentsEnabled", "isCountersEnabled")
LINKED = ("CALENDAR_EVENT|UF_CRM_CAL_EVENT", "TASKS_TASK|UF_CRM_TASK", "TASKS_TASK_TEMPLATE|UF_CRM_TASK")


def _admin(call: Call) -> None:
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied")


def _free_entity_type_id(db: sqlite3.Connection) -> int:
    taken = db.execute("SELECT max(entity_type_id) FROM crm_type WHERE entity_type_id >= 1030").fetchone()[0]
    return 1030 if taken is None else (taken + 2 if taken % 2 == 0 else taken + 1)


def _chosen_entity_type_id(db: sqlite3.Connection, wanted: Any) -> int:
    if wanted in (None, "", 0, "0"):
        return _free_entity_type_id(db)
    number = as_entity_type_id(wanted)
    if not (128 <= number <= 192 or (number >= 1030 and number % 2 == 0)):
        raise RestError("INVALID_ARG_VALUE", "entityTypeId is out of allowed range")
    if db.execute("SELECT 1 FROM crm_type WHERE entity_type_id = ?", (number,)).fetchone():
        raise RestError("INVALID_ARG_VALUE", f"entityTypeId {number} is already in use")
    return number


def _flags(fields: dict[str, Any], before: dict[str, str]) -> dict[str, str]:
    return {
        name: ("Y" if is_yes(fields[name]) else "N") if name in fields else before[name] for name in FLAGS
    }


def _linked(fields: dict[str, Any], flags: dict[str, str], before: dict[str, str]) -> dict[str, str]:
    """``linkedUserFields`` count only beside ``isUseInUserfieldEnabled = Y`` and only as "true" or
    "false"."""
    if flags["isUseInUserfieldEnabled"] != "Y":
        return dict.fromkeys(LINKED, "N")
    wanted = mapping(fields.get("linkedUserFields"))
    return {
        name: ("Y" if wanted[name] == "true" else "N") if name in wanted else before.get(name, "N")
        for name in LINKED
    }


def _save_relations(db: sqlite3.Connection, entity_type_id: int, relations: Any) -> None:
    """Replace the whole set; what cannot be saved is left out without an error, as documented."""
    sides = mapping(relations)
    client = read_schema(db).types[entity_type_id].settings["isClientEnabled"] == "Y"
    fixed = (CONTACT, COMPANY) if client else ()
    for side, own, other in (("parent", "child_type", "parent_type"), ("child", "parent_type", "child_type")):
        if side not in sides:
            continue
        db.execute(f"DELETE FROM crm_relation WHERE {own} = ?", (entity_type_id,))
        for position, relation in enumerate(listing(sides[side])):
            number = as_entity_type_id(mapping(relation).get("entityTypeId"))
            if number == entity_type_id or (side == "parent" and number in fixed) or not _related(db, number):
                continue
            shown = "Y" if mapping(relation).get("isChildrenListEnabled") == "true" else "N"
            db.execute(
                f"INSERT OR REPLACE INTO crm_relation ({own}, {other}, children_list, position)"
                " VALUES (?, ?, ?, ?)",
                (entity_type_id, number, shown, position),
            )


def _related(db: sqlite3.Connection, number: int) -> bool:
    return number in read_schema(db).types


def _relations(db: sqlite3.Connection, entity_type_id: int, flags: dict[str, str]) -> dict[str, Any]:
    parents = []
    if flags["isClientEnabled"] == "Y":
        parents = [
            {"entityTypeId": number, "isChildrenListEnabled": "Y", "isPredefined": "Y"}
            for number in (CONTACT, COMPANY)
        ]
    return {
        "parent": parents + _related_rows(db, "parent_type", "child_type", entity_type_id),
        "child": _related_rows(db, "child_type", "parent_type", entity_type_id),
    }


def _related_rows(db: sqlite3.Connection, shown: str, own: str, number: int) -> list[dict[str, Any]]:
    rows = db.execute(
        f"SELECT {shown}, children_list FROM crm_relation WHERE {own} = ? ORDER BY position, {shown}",
        (number,),
    )
    return [{"entityTypeId": row[0], "isChildrenListEnabled": row[1], "isPredefined": "N"} for row in rows]


def _base(row: sqlite3.Row) -> dict[str, Any]:
    flags = json.loads(row["settings"])
    return {
        "id": row["id"],
        "title": row["title"],
        "code": row["code"],
        "createdBy": row["created_by"],
        "entityTypeId": row["entity_type_id"],
        "customSectionId": None,
        **{name: flags[name] for name in FLAGS},
        **dict.fromkeys(FIXED_FLAGS, "N"),
        "createdTime": iso_of(row["created_time"]),
        "updatedTime": iso_of(row["updated_time"]),
        "updatedBy": row["updated_by"],
    }


def _full(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "type": _base(row)
        | {
            "relations": _relations(db, row["entity_type_id"], json.loads(row["settings"])),
            "linkedUserFields": json.loads(row["linked"]),
            "customSections": [],
        }
    }


def _row(db: sqlite3.Connection, column: str, value: Any) -> sqlite3.Row:
    found = db.execute(f"SELECT * FROM crm_type WHERE {column} = ?", (integer(value),)).fetchone()
    if found is None:
        raise RestError(0, "Smart process not found")
    row: sqlite3.Row = found
    return row


@method("crm.type.add", scope="crm")
def type_add(call: Call) -> Any:
    """A new smart process with its default funnel and automatic stages."""
    _admin(call)
    fields = fields_of(call)
    title = text(fields.get("title")).strip()
    if not title:
        raise RestError("BX_EMPTY_REQUIRED", 'Required field "Title" is not filled in')
    restrictions.demand(call.portal, "type_add")
    number = _chosen_entity_type_id(call.db, fields.get("entityTypeId"))
    flags = _flags(fields, dict.fromkeys(FLAGS, "N") | {"isSetOpenPermissions": "Y"})
    now = int(call.portal.now().timestamp())
    cursor = call.db.execute(
        "INSERT INTO crm_type (entity_type_id, title, code, settings, linked, created_by, created_time,"
        " updated_by, updated_time) VALUES (?, ?, '', ?, ?, ?, ?, ?, ?)",
        (
            number,
            title,
            json.dumps(flags),
            json.dumps(_linked(fields, flags, {})),
            call.user_id,
            now,
            call.user_id,
            now,
        ),
    )
    categories.create(call.db, number, "Общая", sort=500, default=True)
    _save_relations(call.db, number, fields.get("relations"))
    changed(call.db)
    call.portal.emit("ONCRMTYPEADD", {"FIELDS": {"ID": cursor.lastrowid}}, user_id=call.user_id)
    return _full(call.db, _row(call.db, "id", cursor.lastrowid))


@method("crm.type.update", scope="crm")
def type_update(call: Call) -> Any:
    """Change settings; relations are replaced as a whole, their errors are silent."""
    _admin(call)
    row = _row(call.db, "id", required(call, "id"))
    restrictions.demand(call.portal, "type_update")
    fields = mapping(call.params.get("fields"))
    flags = _flags(fields, json.loads(row["settings"]))
    linked = _linked(fields, flags, json.loads(row["linked"]))
    title = text(fields.get("title")).strip() or row["title"]
    call.db.execute(
        "UPDATE crm_type SET title = ?, settings = ?, linked = ?, updated_by = ?, updated_time = ?"
        " WHERE id = ?",
        (
            title,
            json.dumps(flags),
            json.dumps(linked),
            call.user_id,
            int(call.portal.now().timestamp()),
            row["id"],
        ),
    )
    changed(call.db)
    if "relations" in fields:
        _save_relations(call.db, row["entity_type_id"], fields["relations"])
        changed(call.db)
    call.portal.emit("ONCRMTYPEUPDATE", {"FIELDS": {"ID": row["id"]}}, user_id=call.user_id)
    return _full(call.db, _row(call.db, "id", row["id"]))


@method("crm.type.get", scope="crm")
def type_get(call: Call) -> Any:
    """One smart process by the ``id`` of ``crm.type.*``."""
    return _full(call.db, _row(call.db, "id", required(call, "id")))


@method("crm.type.getByEntityTypeId", scope="crm")
def type_get_by_entity_type_id(call: Call) -> Any:
    """One smart process by its ``entityTypeId``."""
    return _full(call.db, _row(call.db, "entity_type_id", required(call, "entityTypeId")))


_NUMBER = reader("integer")
_COLUMNS = (
    {
        "id": Column("id", _NUMBER, "number"),
        "title": Column("title"),
        "code": Column("code"),
        "entityTypeId": Column("entity_type_id", _NUMBER, "number"),
        "createdBy": Column("created_by", _NUMBER, "number"),
        "updatedBy": Column("updated_by", _NUMBER, "number"),
        "createdTime": Column("created_time", parse_timestamp, "number"),
        "updatedTime": Column("updated_time", parse_timestamp, "number"),
    }
    | {name: Column(f"json_extract(settings, '$.{name}')", reader("boolean")) for name in FLAGS}
    | {name: Column("'N'", reader("boolean")) for name in FIXED_FLAGS}
)


@method("crm.type.list", scope="crm")
def type_list(call: Call) -> Answer:
    """Smart processes, 50 a page; without relations."""
    _admin(call)
    resolve = filters.resolver(_COLUMNS)
    where, values = filters.where(call.params.get("filter"), resolve)
    order = filters.order_by(call.params.get("order"), resolve, default=["id ASC"])
    rows = call.db.execute(f"SELECT * FROM crm_type WHERE {where} ORDER BY {order}", values).fetchall()
    start = max(start_of(call), 0)
    page = rows[start : start + PAGE]
    following = start + PAGE if len(rows) > start + PAGE else None
    return Answer({"types": [_base(row) | {"isInitialized": "Y"} for row in page]}, len(rows), following)


@method("crm.type.delete", scope="crm")
def type_delete(call: Call) -> Any:
    """Remove a smart process without items; ``null`` (and nothing done) when no ``id`` came."""
    _admin(call)
    if call.params.get("id") is None:
        return None
    row = _row(call.db, "id", call.params["id"])
    number = row["entity_type_id"]
    if call.db.execute("SELECT 1 FROM crm_item WHERE entity_type_id = ? LIMIT 1", (number,)).fetchone():
        raise RestError("BX_ERROR", "You cannot delete an entity type that has elements")
    entity = f"CRM_{row['id']}"
    call.db.execute(
        "DELETE FROM crm_userfield_enum WHERE userfield_id IN (SELECT id FROM crm_userfield WHERE"
        " entity_id = ?)",
        (entity,),
    )
    call.db.execute("DELETE FROM crm_userfield WHERE entity_id = ?", (entity,))
    call.db.execute("DELETE FROM crm_status WHERE entity_id LIKE ?", (f"DYNAMIC_{number}_STAGE_%",))
    call.db.execute("DELETE FROM crm_category WHERE entity_type_id = ?", (number,))
    call.db.execute("DELETE FROM crm_stage_required WHERE entity_type_id = ?", (number,))
    call.db.execute("DELETE FROM crm_trigger_rule WHERE entity_type_id = ?", (number,))
    call.db.execute("DELETE FROM crm_relation WHERE ? IN (parent_type, child_type)", (number,))
    call.db.execute("DELETE FROM crm_type WHERE id = ?", (row["id"],))
    changed(call.db)
    call.portal.emit("ONCRMTYPEDELETE", {"FIELDS": {"ID": row["id"]}}, user_id=call.user_id)
    return []


def _described(name: str) -> dict[str, Any]:
    kind = "boolean" if name.startswith("is") else "string"
    if name in ("id", "entityTypeId", "customSectionId"):
        kind = "integer"
    elif name.endswith("By"):
        kind = "user"
    elif name.endswith("Time"):
        kind = "datetime"
    fixed = name in ("id", "createdBy", "createdTime", "updatedBy", "updatedTime", *FIXED_FLAGS)
    return {
        "type": kind,
        "isRequired": name in ("title", "entityTypeId"),
        "isReadOnly": fixed,
        "isImmutable": name == "entityTypeId",
        "isMultiple": False,
        "isDynamic": False,
        "title": name,
        "upperName": upper_name(name),
    }


@method("crm.type.fields", scope="crm")
def type_fields(call: Call) -> Any:
    """Description of the settings of a smart process."""
    _admin(call)
    names = ("id", "title", "code", "createdBy", "entityTypeId", "customSectionId", *FLAGS)
    return {
        "fields": {name: _described(name) for name in (*names, "createdTime", "updatedTime", "updatedBy")}
    }


@method("crm.enum.ownertype", scope="crm")
def owner_types(call: Call) -> list[dict[str, Any]]:
    """All kinds of CRM objects with their symbol codes."""
    fixed = [
        {"ID": number, "NAME": title, "SYMBOL_CODE": symbol, "SYMBOL_CODE_SHORT": short}
        for number, (symbol, short, title) in OWNER_TYPES.items()
    ]
    smart = [
        {
            "ID": kind.entity_type_id,
            "NAME": kind.title,
            "SYMBOL_CODE": kind.symbol,
            "SYMBOL_CODE_SHORT": short_symbol(kind.entity_type_id),
        }
        for kind in read_schema(call.db).types.values()
        if kind.is_smart_process
    ]
    return fixed + smart
