"""Directories of the CRM: stages, sources, kinds of companies – ``crm.status.*``.

Source: crm/status/*.md. Codes of errors differ from page to page and are kept so.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from b24.sandbox.crm import filters
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import DEAL, LEAD, QUOTE, SMART_INVOICE
from b24.sandbox.crm.params import integer, is_yes, mapping, text
from b24.sandbox.crm.schema import ObjectType, Schema, changed, read_schema
from b24.sandbox.crm.values import reader
from b24.sandbox.kernel import Answer, Call, RestError, method

#: Directories every portal has: id -> title.
DIRECTORIES = {
    "STATUS": "Стадии лидов",
    "SOURCE": "Источники",
    "CONTACT_TYPE": "Тип контакта",
    "COMPANY_TYPE": "Тип компании",
    "EMPLOYEES": "Количество сотрудников",
    "INDUSTRY": "Сфера деятельности",
    "DEAL_TYPE": "Тип сделки",
    "QUOTE_STATUS": "Стадии предложений",
    "HONORIFIC": "Обращения",
    "CALL_LIST": "Статусы обзвона",
    "EVENT_TYPE": "Тип события",
}
_STAGES = re.compile(r"(STATUS|QUOTE_STATUS|DEAL_STAGE(_\d+)?|DYNAMIC_\d+_STAGE_\d+|SMART_INVOICE_STAGE_\d+)")
#: Stages without funnels: directory -> (type, code of the first, successful and failed stage).
_PLAIN_STAGES = {
    "STATUS": (LEAD, "NEW", "CONVERTED", "JUNK"),
    "QUOTE_STATUS": (QUOTE, "DRAFT", "APPROVED", "DECLAINED"),
}
_LIMITS = {"STATUS": 21, "QUOTE_STATUS": 22}
_NUMBER = reader("integer")
_COLUMNS = {
    "ID": Column("id", _NUMBER, "number"),
    "ENTITY_ID": Column("entity_id"),
    "STATUS_ID": Column("status_id"),
    "NAME": Column("name"),
    "NAME_INIT": Column("name_init"),
    "SORT": Column("sort", _NUMBER, "number"),
    "SYSTEM": Column("system"),
    "CATEGORY_ID": Column("category_id", _NUMBER, "number"),
    "COLOR": Column("color"),
    "SEMANTICS": Column("semantics"),
}


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """One directory element: numbers as strings, a stage on the way has ``SEMANTICS`` null."""
    category = row["category_id"]
    return {
        "ID": str(row["id"]),
        "ENTITY_ID": row["entity_id"],
        "STATUS_ID": row["status_id"],
        "NAME": row["name"],
        "NAME_INIT": row["name_init"],
        "SORT": str(row["sort"]),
        "SYSTEM": row["system"],
        "CATEGORY_ID": None if not category else str(category),
        "COLOR": row["color"],
        "SEMANTICS": row["semantics"] or None,
    }


def _extra(row: sqlite3.Row, failures_before: int) -> dict[str, Any]:
    if not re.fullmatch(r"STATUS|QUOTE_STATUS|DEAL_STAGE(_\d+)?", row["entity_id"]):
        return {}
    meaning = {"S": "success", "F": "apology" if failures_before else "failure"}
    return {"EXTRA": {"SEMANTICS": meaning.get(row["semantics"], "process"), "COLOR": row["color"]}}


@method("crm.status.list", scope="crm")
def status_list(call: Call) -> Answer:
    """Elements of directories by filter."""
    resolve = filters.resolver(_COLUMNS)
    where, values = filters.where(call.params.get("filter"), resolve, ignore_unknown=True)
    order = filters.order_by(
        call.params.get("order"), resolve, default=["sort ASC", "id ASC"], ignore_unknown=True
    )
    rows = call.db.execute(f"SELECT * FROM crm_status WHERE {where} ORDER BY {order}, id", values)
    failures: dict[str, int] = {}
    result = []
    for row in rows:
        before = failures.get(row["entity_id"], 0)
        result.append(shown(row) | _extra(row, before))
        failures[row["entity_id"]] = before + (row["semantics"] == "F")
    return Answer(result, total=len(result))


@method("crm.status.get", scope="crm")
def status_get(call: Call) -> Any:
    """One element by id."""
    return shown(_row(call))


def _row(call: Call) -> sqlite3.Row:
    number = integer(call.params.get("id", call.params.get("ID")))
    if number is None or number <= 0:
        raise RestError("Invalid identifier.", "Invalid identifier.")
    found = call.db.execute("SELECT * FROM crm_status WHERE id = ?", (number,)).fetchone()
    if found is None:
        raise RestError("Status is not found.", "Status is not found.")
    row: sqlite3.Row = found
    return row


def known_directory(schema: Schema, entity_id: str) -> bool:
    """Whether a directory exists in this portal."""
    if entity_id in DIRECTORIES:
        return True
    return any(
        kind.stage_entity(category.id) == entity_id
        for kind in schema.types.values()
        for category in kind.categories
    )


def _prefix(entity_id: str) -> str:
    deal = re.fullmatch(r"DEAL_STAGE_(\d+)", entity_id)
    smart = re.fullmatch(r"(?:DYNAMIC_(\d+)|SMART_INVOICE)_STAGE_(\d+)", entity_id)
    if deal:
        return f"C{deal[1]}:"
    return f"DT{smart[1] or SMART_INVOICE}_{smart[2]}:" if smart else ""


def _category_of(entity_id: str) -> int | None:
    found = re.search(r"STAGE_(\d+)$", entity_id)
    return int(found[1]) if found else None


def _new_code(entity_id: str, code: str) -> str:
    prefix = _prefix(entity_id)
    bare = code.removeprefix(prefix)
    strict = entity_id in ("STATUS", "QUOTE_STATUS") or entity_id.startswith("DEAL_STAGE")
    limit = _LIMITS.get(entity_id, 22 if strict else 50)
    if len(prefix + bare) > limit or (strict and not re.fullmatch(r"[A-Za-z0-9_-]+", bare)):
        raise RestError("", "The field STATUS_ID contains invalid characters or is too long.")
    return prefix + bare


@method("crm.status.add", scope="crm")
def status_add(call: Call) -> int:
    """A new element of a directory; the prefix of its funnel is added to the code."""
    if not call.is_admin:
        raise RestError("", "Access denied.")
    if not isinstance(call.params.get("fields"), dict):
        raise RestError("", "Parameter 'fields' must be array.")
    fields = mapping(call.params["fields"])
    entity_id, code, name = (text(fields.get(key)).strip() for key in ("ENTITY_ID", "STATUS_ID", "NAME"))
    _demand(entity_id, code, name, read_schema(call.db))
    code = _new_code(entity_id, code)
    if call.db.execute(
        "SELECT 1 FROM crm_status WHERE entity_id = ? AND status_id = ?", (entity_id, code)
    ).fetchone():
        raise RestError("ERROR_CORE", "The specified status ID already exists.")
    sort = integer(fields.get("SORT"))
    semantics = text(fields.get("SEMANTICS")).upper() or None
    _check_place(call.db, entity_id, 10 if sort is None else sort, semantics)
    cursor = call.db.execute(
        "INSERT INTO crm_status (entity_id, status_id, name, sort, category_id, color, semantics)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            entity_id,
            code,
            name,
            10 if sort is None else sort,
            _category_of(entity_id),
            text(fields.get("COLOR")) or None,
            semantics if semantics in ("S", "F") else None,
        ),
    )
    changed(call.db)
    return int(cursor.lastrowid or 0)


def _demand(entity_id: str, code: str, name: str, schema: Schema) -> None:
    missing = [
        f"The field {field} is required."
        for field, value in (("ENTITY_ID", entity_id), ("STATUS_ID", code))
        if not value
    ]
    if missing:
        raise RestError("", "<br>".join(missing))
    if not known_directory(schema, entity_id):
        raise RestError("", "Specified entity type is not supported.")
    if not name:
        raise RestError("", "The field Title is required.")


def _check_place(db: sqlite3.Connection, entity_id: str, sort: int, semantics: str | None) -> None:
    if not _STAGES.fullmatch(entity_id):
        return
    success = db.execute(
        "SELECT sort FROM crm_status WHERE entity_id = ? AND semantics = 'S'", (entity_id,)
    ).fetchone()
    if success is None:
        return
    if semantics == "S":
        raise RestError("", "Error on creating status.")
    if entity_id.startswith("DEAL_STAGE") and semantics != "F" and sort > success["sort"]:
        raise RestError(
            "",
            "Cannot create more stages after the final stage because the final successful stage"
            " already exists."
            " Try using sort order values less than that of the final stage.",
        )


@method("crm.status.update", scope="crm")
def status_update(call: Call) -> bool:
    """Change name, sort or colour; codes and semantics never change."""
    if not call.is_admin:
        raise RestError("Access denied.", "Access denied.")
    row = _row(call)
    fields = mapping(call.params.get("fields"))
    name = text(fields.get("NAME")).strip() or row["name"]
    sort = integer(fields.get("SORT")) if "SORT" in fields else row["sort"]
    color = text(fields["COLOR"]) or None if "COLOR" in fields else row["color"]
    call.db.execute(
        "UPDATE crm_status SET name = ?, sort = ?, color = ? WHERE id = ?",
        (name, row["sort"] if sort is None else sort, color, row["id"]),
    )
    changed(call.db)
    return True


@method("crm.status.delete", scope="crm")
def status_delete(call: Call) -> bool:
    """Remove an element nothing uses; a system one only with ``FORCED = Y``."""
    if not call.is_admin:
        raise RestError("Access denied.", "Access denied.")
    row = _row(call)
    forced = mapping(call.params.get("params")).get("FORCED")
    if row["system"] == "Y" and not is_yes(forced):
        message = 'CRM System Status can be deleted only if parameter FORCED is specified and equal to "Y".'
        raise RestError(message, message)
    if _in_use(call.db, row):
        raise RestError("There are active items in this status.", "There are active items in this status.")
    call.db.execute("DELETE FROM crm_status WHERE id = ?", (row["id"],))
    changed(call.db)
    return True


def _in_use(db: sqlite3.Connection, row: sqlite3.Row) -> bool:
    if not _STAGES.fullmatch(row["entity_id"]):
        return False
    number = _owner_of(row["entity_id"])
    used = db.execute(
        "SELECT 1 FROM crm_item WHERE entity_type_id = ? AND category_id = ? AND stage_id = ? LIMIT 1",
        (number, row["category_id"] or 0, row["status_id"]),
    ).fetchone()
    return used is not None


def _owner_of(entity_id: str) -> int:
    """The type whose stages a directory holds."""
    if entity_id in _PLAIN_STAGES:
        return _PLAIN_STAGES[entity_id][0]
    smart = re.fullmatch(r"(?:DYNAMIC_(\d+)|SMART_INVOICE)_STAGE_\d+", entity_id)
    return int(smart[1] or SMART_INVOICE) if smart else DEAL


@method("crm.status.entity.items", scope="crm")
def status_entity_items(call: Call) -> list[dict[str, Any]]:
    """Elements of one directory by their sort."""
    entity_id = text(call.params.get("entityId"))
    if not known_directory(read_schema(call.db), entity_id):
        message = "The parameter entityId is not defined or invalid."
        raise RestError(message, message)
    rows = call.db.execute("SELECT * FROM crm_status WHERE entity_id = ? ORDER BY sort, id", (entity_id,))
    return [{"NAME": row["name"], "SORT": row["sort"], "STATUS_ID": row["status_id"]} for row in rows]


@method("crm.status.entity.types", scope="crm")
def status_entity_types(call: Call) -> list[dict[str, Any]]:
    """All directories of the portal with the prefixes of their codes."""
    schema = read_schema(call.db)
    result: list[dict[str, Any]] = []
    for entity_id, name in DIRECTORIES.items():
        shown_type: dict[str, Any] = {"ID": entity_id, "NAME": name}
        if entity_id in _PLAIN_STAGES:
            owner, *codes = _PLAIN_STAGES[entity_id]
            shown_type |= {"SEMANTIC_INFO": _semantics("", *codes), "ENTITY_TYPE_ID": owner}
        result.append(shown_type)
    for kind in schema.types.values():
        result += [_funnel_type(kind, each.id) for each in kind.categories]
    return result


def _semantics(prefix: str, first: str, success: str, failure: str) -> dict[str, Any]:
    return {
        "START_FIELD": prefix + first,
        "FINAL_SUCCESS_FIELD": prefix + success,
        "FINAL_UNSUCCESS_FIELD": prefix + failure,
        "FINAL_SORT": 0,
    }


def _funnel_type(kind: ObjectType, category_id: int) -> dict[str, Any]:
    category = next(each for each in kind.categories if each.id == category_id)
    entity_id = kind.stage_entity(category_id)
    prefix = _prefix(entity_id)
    shown_type: dict[str, Any] = {"ID": entity_id}
    if kind.entity_type_id == DEAL:
        shown_type |= {"NAME": f"Стадии сделки {category.name}"}
        if category_id:
            shown_type |= {"PARENT_ID": "DEAL_STAGE"}
        shown_type["SEMANTIC_INFO"] = _semantics(prefix, "NEW", "WON", "LOSE")
        if category_id:
            shown_type["PREFIX"] = prefix.removesuffix(":")
        scope = f"category_{category_id}" if category_id else ""
        number = str(category_id) if category_id else 0
        return shown_type | {"FIELD_ATTRIBUTE_SCOPE": scope, "ENTITY_TYPE_ID": DEAL, "CATEGORY_ID": number}
    return shown_type | {
        "NAME": f"{kind.title} ({category.name})",
        "SEMANTIC_INFO": [],
        "PREFIX": prefix.removesuffix(":"),
        "FIELD_ATTRIBUTE_SCOPE": f"category_{category_id}",
        "ENTITY_TYPE_ID": kind.entity_type_id,
        "IS_ENABLED": not kind.is_smart_process or kind.settings.get("isStagesEnabled") == "Y",
        "CATEGORY_ID": category_id,
        "CATEGORY_NAME": category.name,
        "CATEGORY_SORT": category.sort,
        "IS_DEFAULT_CATEGORY": category.is_default,
    }


@method("crm.status.fields", scope="crm")
def status_fields(_call: Call) -> Any:
    """Description of an element's fields."""
    names = {**_TITLES, "EXTRA": ("crm_status_extra", "Дополнительные поля")}
    return {
        name: {
            "type": kind,
            "isRequired": name in ("ENTITY_ID", "STATUS_ID", "NAME"),
            "isReadOnly": name in ("ID", "NAME_INIT", "SYSTEM"),
            "isImmutable": name in ("ENTITY_ID", "STATUS_ID", "CATEGORY_ID", "SEMANTICS"),
            "isMultiple": False,
            "isDynamic": False,
            "title": title,
        }
        for name, (kind, title) in names.items()
    }


_TITLES = {
    "ID": ("integer", "ID"),
    "ENTITY_ID": ("string", "Код справочника"),
    "STATUS_ID": ("string", "Статус"),
    "SORT": ("integer", "Сортировка"),
    "NAME": ("string", "Название"),
    "NAME_INIT": ("string", "Название по умолчанию"),
    "SYSTEM": ("char", "Системный"),
    "CATEGORY_ID": ("integer", "Воронка"),
    "COLOR": ("string", "Цвет"),
    "SEMANTICS": ("char", "Семантика"),
}
