"""Custom fields: ``userfieldconfig.*`` and the older ``crm.*.userfield.*``.

Source: crm/universal/userfieldconfig/*.md, crm/deals/user-defined-fields/*.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from typing import Any

from b24.sandbox.crm import filters
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.params import PAGE, integer, is_yes, listing, mapping, start_of, text
from b24.sandbox.crm.schema import changed, enum_rows, next_id, read_schema
from b24.sandbox.crm.values import reader
from b24.sandbox.kernel import Answer, Call, RestError, method

USER_TYPES = {
    "crm": "Привязка к элементам CRM",
    "crm_status": "Привязка к справочникам CRM",
    "money": "Деньги",
    "employee": "Привязка к сотруднику",
    "string": "Строка",
    "integer": "Целое число",
    "double": "Число",
    "boolean": "Да/Нет",
    "date": "Дата",
    "datetime": "Дата/Время",
    "enumeration": "Список",
    "url": "Ссылка",
    "address": "Адрес",
    "file": "Файл",
    "iblock_section": "Привязка к разделам инф. блоков",
    "iblock_element": "Привязка к элементам инф. блоков",
}
DEFAULT_SETTINGS: dict[str, dict[str, Any]] = {
    "string": {"SIZE": 20, "ROWS": 1, "REGEXP": "", "MIN_LENGTH": 0, "MAX_LENGTH": 0, "DEFAULT_VALUE": ""},
    "integer": {"SIZE": 20, "MIN_VALUE": 0, "MAX_VALUE": 0, "DEFAULT_VALUE": None},
    "double": {"PRECISION": 2, "SIZE": 20, "MIN_VALUE": 0, "MAX_VALUE": 0, "DEFAULT_VALUE": None},
    "boolean": {"DEFAULT_VALUE": 0, "DISPLAY": "CHECKBOX", "LABEL": ["", ""], "LABEL_CHECKBOX": ""},
    "date": {"DEFAULT_VALUE": {"TYPE": "NONE", "VALUE": ""}},
    "datetime": {
        "DEFAULT_VALUE": {"TYPE": "NONE", "VALUE": ""},
        "USE_SECOND": "Y",
        "USE_TIMEZONE": "N",
    },
    "enumeration": {"DISPLAY": "LIST", "LIST_HEIGHT": 1, "CAPTION_NO_VALUE": "", "SHOW_NO_VALUE": "Y"},
    "url": {"POPUP": "Y", "SIZE": 20, "MIN_LENGTH": 0, "MAX_LENGTH": 0, "DEFAULT_VALUE": "", "ROWS": 1},
    "money": {"DEFAULT_VALUE": ""},
    "address": {"SHOW_MAP": "Y"},
}
_FIXED = re.compile(r"CRM_(LEAD|DEAL|CONTACT|COMPANY|QUOTE|SMART_INVOICE|REQUISITE)")
_NUMBER = reader("integer")
_COLUMNS = {
    "id": Column("id", _NUMBER, "number"),
    "entityId": Column("entity_id"),
    "fieldName": Column("field_name"),
    "userTypeId": Column("user_type_id"),
    "xmlId": Column("xml_id"),
    "sort": Column("sort", _NUMBER, "number"),
    "multiple": Column("multiple"),
    "mandatory": Column("mandatory"),
    "showFilter": Column("show_filter"),
    "showInList": Column("show_in_list"),
    "editInList": Column("edit_in_list"),
    "isSearchable": Column("is_searchable"),
}
_LABELS = ("editFormLabel", "listColumnLabel", "listFilterLabel", "errorMessage", "helpMessage")


def _context(call: Call, denied: str) -> None:
    """Module and scopes every method asks for."""
    if text(call.params.get("moduleId")) != "crm":
        raise RestError("", "No settings for UserFieldAccess")
    if call.app_id is not None and call.scope and "crm" not in call.scope:
        raise RestError("", "The current method required more scopes. (crm)")
    if not call.is_admin and denied:
        raise RestError("", denied)


def _labels(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(key): text(each) for key, each in value.items()}
    return dict.fromkeys(("ru", "en"), text(value)) if text(value) else {}


def _known_entity(db: sqlite3.Connection, entity_id: str) -> bool:
    smart = re.fullmatch(r"CRM_(\d+)", entity_id)
    if smart:
        return read_schema(db).by_type_id(int(smart[1])) is not None
    return _FIXED.fullmatch(entity_id) is not None


def shown(db: sqlite3.Connection, row: sqlite3.Row, *, language: str | None = None) -> dict[str, Any]:
    """A field's settings: numbers as strings, flags Y/N, labels by language."""
    texts = {
        "editFormLabel": json.loads(row["edit_form_label"]),
        "helpMessage": json.loads(row["help_message"]),
    }
    languages = [language] if language else sorted({*texts["editFormLabel"], "en", "ru"})
    field: dict[str, Any] = {
        "id": str(row["id"]),
        "entityId": row["entity_id"],
        "fieldName": row["field_name"],
        "userTypeId": row["user_type_id"],
        "xmlId": row["xml_id"],
        "sort": str(row["sort"]),
        "multiple": row["multiple"],
        "mandatory": row["mandatory"],
        "showFilter": row["show_filter"],
        "showInList": row["show_in_list"],
        "editInList": row["edit_in_list"],
        "isSearchable": row["is_searchable"],
        "settings": json.loads(row["settings"]),
        "languageId": {each: each for each in languages},
    }
    for name in _LABELS:
        field[name] = {each: texts.get(name, {}).get(each) or None for each in languages}
    if row["user_type_id"] == "enumeration":
        field["enum"] = [_shown_option(each) for each in enum_rows(db, row["id"])]
    return field


def _shown_option(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "userFieldId": str(row["userfield_id"]),
        "value": row["value"],
        "def": row["def"],
        "sort": str(row["sort"]),
        "xmlId": row["xml_id"],
    }


def field_row(db: sqlite3.Connection, field_id: int | None) -> sqlite3.Row | None:
    """A custom field by the id of its settings."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM crm_userfield WHERE id = ?", (field_id,)).fetchone()
    return row


def add_field(db: sqlite3.Connection, entity_id: str, name: str, kind: str, field: dict[str, Any]) -> int:
    """Write a new custom field with its options; returns its id."""
    field_id = next_id(db, "userfield")
    settings = DEFAULT_SETTINGS.get(kind, {}) | mapping(field.get("settings"))
    db.execute(
        "INSERT INTO crm_userfield (id, entity_id, field_name, user_type_id, xml_id, sort,"
        " multiple, mandatory,"
        " show_filter, edit_in_list, is_searchable, settings, edit_form_label, help_message)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            field_id,
            entity_id,
            name,
            kind,
            text(field.get("xmlId")) or None,
            integer(field.get("sort")) or 100,
            _flag(field, "multiple", "N"),
            _flag(field, "mandatory", "N"),
            _flag(field, "showFilter", "N"),
            _flag(field, "editInList", "Y"),
            _flag(field, "isSearchable", "N"),
            json.dumps(settings, ensure_ascii=False),
            json.dumps(_labels(field.get("editFormLabel")), ensure_ascii=False),
            json.dumps(_labels(field.get("helpMessage")), ensure_ascii=False),
        ),
    )
    if kind == "enumeration":
        set_options(db, field_id, field.get("enum"))
    changed(db)
    return field_id


def _flag(field: dict[str, Any], name: str, default: str) -> str:
    return default if field.get(name) is None else ("Y" if is_yes(field[name]) else "N")


def set_options(db: sqlite3.Connection, field_id: int, options: Any) -> bool:
    """Add, change and delete options of an enumeration; returns whether there was anything to do."""
    rows = [mapping(each) for each in listing(options)]
    present = {row["id"]: row for row in enum_rows(db, field_id)}
    for option in rows:
        known = present.get(integer(option.get("id")) or 0)
        if known is not None and is_yes(option.get("del")):
            db.execute("DELETE FROM crm_userfield_enum WHERE id = ?", (known["id"],))
        elif known is not None:
            _change_option(db, known, option)
        elif text(option.get("value")):
            _add_option(db, field_id, option)
    return bool(rows)


def _change_option(db: sqlite3.Connection, known: sqlite3.Row, option: dict[str, Any]) -> None:
    sort = integer(option.get("sort"))
    db.execute(
        "UPDATE crm_userfield_enum SET value = ?, def = ?, sort = ?, xml_id = ? WHERE id = ?",
        (
            text(option.get("value")) or known["value"],
            _flag(option, "def", known["def"]),
            known["sort"] if sort is None else sort,
            text(option.get("xmlId")) or known["xml_id"],
            known["id"],
        ),
    )


def _add_option(db: sqlite3.Connection, field_id: int, option: dict[str, Any]) -> None:
    value = text(option["value"])
    sort = integer(option.get("sort"))
    number = next_id(db, "userfield_enum")
    made_up = hashlib.md5(f"{field_id}:{number}".encode(), usedforsecurity=False).hexdigest()
    db.execute(
        "INSERT INTO crm_userfield_enum (id, userfield_id, value, def, sort, xml_id) VALUES (?, ?,"
        " ?, ?, ?, ?)",
        (
            number,
            field_id,
            value,
            _flag(option, "def", "N"),
            500 if sort is None else sort,
            text(option.get("xmlId")) or made_up,
        ),
    )


def _tell(call: Call, what: str, row: sqlite3.Row) -> None:
    """Events exist for fields of smart processes only."""
    if re.fullmatch(r"CRM_\d+", row["entity_id"]):
        fields = {"ID": str(row["id"]), "ENTITY_ID": row["entity_id"], "FIELD_NAME": row["field_name"]}
        call.portal.emit(f"ONCRMTYPEUSERFIELD{what}", {"FIELDS": fields}, user_id=call.user_id)


@method("userfieldconfig.add", scope="userfieldconfig")
def field_add(call: Call) -> Any:
    """A new custom field; its code starts with ``UF_{entityId}_``."""
    _context(call, "Access denied")
    field = mapping(call.params.get("field"))
    entity_id, name, kind = (text(field.get(key)) for key in ("entityId", "fieldName", "userTypeId"))
    if not name:
        raise RestError("", "The 'FIELD_NAME' field is not found.")
    if not _known_entity(call.db, entity_id) or not name.startswith(f"UF_{entity_id}_"):
        raise RestError("", "You cannot create custom fields")
    if not kind:
        raise RestError("", "The 'USER_TYPE_ID' field is not found.")
    _demand_name(call.db, entity_id, name, kind)
    row = field_row(call.db, add_field(call.db, entity_id, name, kind, field))
    assert row is not None  # noqa: S101 - written above
    _tell(call, "ADD", row)
    if kind == "enumeration" and listing(field.get("enum")):
        _tell(call, "SETENUMVALUES", row)
    return {"field": shown(call.db, row)}


def _demand_name(db: sqlite3.Connection, entity_id: str, name: str, kind: str) -> None:
    if not re.fullmatch(r"[A-Z0-9_]{1,50}", name) or name.endswith("_"):
        raise RestError("", "Fail to create new user field")
    if kind not in USER_TYPES and not kind.startswith("rest_"):
        raise RestError("", "Fail to create new user field")
    if db.execute(
        "SELECT 1 FROM crm_userfield WHERE entity_id = ? AND field_name = ?", (entity_id, name)
    ).fetchone():
        raise RestError("", f"Field {name} for object {entity_id} already exists.")


@method("userfieldconfig.update", scope="userfieldconfig")
def field_update(call: Call) -> Any:
    """Change settings; type, code and ``multiple`` stay as they are."""
    refusal = "You cannot change the settings of the user field"
    _context(call, refusal)
    row = field_row(call.db, integer(call.params.get("id")))
    if row is None:
        raise RestError("", refusal)
    field = mapping(call.params.get("field"))
    change_field(call.db, row, field)
    _tell(call, "UPDATE", row)
    if row["user_type_id"] == "enumeration" == text(field.get("userTypeId")) and "enum" in field:
        set_options(call.db, row["id"], field["enum"])
        _tell(call, "SETENUMVALUES", row)
    changed(call.db)
    fresh = field_row(call.db, row["id"])
    assert fresh is not None  # noqa: S101 - read above
    return {"field": shown(call.db, fresh)}


def change_field(db: sqlite3.Connection, row: sqlite3.Row, field: dict[str, Any]) -> None:
    """Write the settings a caller may change after creation."""
    labels = json.loads(row["edit_form_label"]) | _labels(field.get("editFormLabel"))
    helps = json.loads(row["help_message"]) | _labels(field.get("helpMessage"))
    settings = json.loads(row["settings"]) | mapping(field.get("settings"))
    db.execute(
        "UPDATE crm_userfield SET xml_id = ?, sort = ?, mandatory = ?, show_filter = ?, is_searchable = ?,"
        " settings = ?, edit_form_label = ?, help_message = ? WHERE id = ?",
        (
            text(field.get("xmlId")) or row["xml_id"],
            integer(field.get("sort")) or row["sort"],
            _flag(field, "mandatory", row["mandatory"]),
            _flag(field, "showFilter", row["show_filter"]),
            _flag(field, "isSearchable", row["is_searchable"]),
            json.dumps(settings, ensure_ascii=False),
            json.dumps(labels, ensure_ascii=False),
            json.dumps(helps, ensure_ascii=False),
            row["id"],
        ),
    )


@method("userfieldconfig.get", scope="userfieldconfig")
def field_get(call: Call) -> Any:
    """Settings of one field."""
    _context(call, "")
    row = field_row(call.db, integer(call.params.get("id")))
    if row is None:
        raise RestError("", "You do not have permission to view user field settings")
    return {"field": shown(call.db, row)}


@method("userfieldconfig.list", scope="userfieldconfig")
def field_list(call: Call) -> Answer:
    """Settings of fields by filter, 50 a page; options of lists are not shown here."""
    _context(call, "")
    resolve = filters.resolver(_COLUMNS)
    where, values = filters.where(call.params.get("filter"), resolve, ignore_unknown=True)
    order = filters.order_by(
        call.params.get("order"), resolve, default=["sort ASC", "id ASC"], ignore_unknown=True
    )
    rows = call.db.execute(
        f"SELECT * FROM crm_userfield WHERE {where} ORDER BY {order}, id", values
    ).fetchall()
    start = max(start_of(call), 0)
    select = mapping(call.params.get("select"))
    language = text(select.pop("language", "")) or None
    page = [_selected(shown(call.db, row, language=language), select) for row in rows[start : start + PAGE]]
    return Answer({"fields": page}, len(rows), start + PAGE if len(rows) > start + PAGE else None)


def _selected(field: dict[str, Any], select: dict[str, Any]) -> dict[str, Any]:
    field.pop("enum", None)
    names = {text(each) for each in select.values()}
    if not names or "*" in names:
        return field
    return {name: value for name, value in field.items() if name in names or name == "id"}


@method("userfieldconfig.delete", scope="userfieldconfig")
def field_delete(call: Call) -> None:
    """Remove a field; its values go with it."""
    refusal = "You cannot delete the user field"
    _context(call, refusal)
    row = field_row(call.db, integer(call.params.get("id")))
    if row is None:
        raise RestError("", refusal)
    remove(call.db, row)
    _tell(call, "DELETE", row)


def remove(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Delete a field, its options and its values."""
    db.execute("DELETE FROM crm_userfield_enum WHERE userfield_id = ?", (row["id"],))
    db.execute("DELETE FROM crm_userfield WHERE id = ?", (row["id"],))
    kind = next((k for k in read_schema(db).types.values() if k.userfield_entity == row["entity_id"]), None)
    if kind is not None:
        db.execute(
            "UPDATE crm_item SET data = json_remove(data, '$.' || ?) WHERE entity_type_id = ?",
            (row["field_name"], kind.entity_type_id),
        )
    changed(db)


@method("userfieldconfig.getTypes", scope="userfieldconfig")
def field_types(call: Call) -> Any:
    """Types of custom fields."""
    _context(call, "")
    return {"types": {name: {"userTypeId": name, "description": title} for name, title in USER_TYPES.items()}}
