"""Custom fields by the older methods: ``crm.{lead,deal,contact,company}.userfield.*`` and ``crm.userfield.*``.

Source: crm/{leads,deals,contacts,companies}/user-defined-fields/*.md, crm/universal/user-defined-fields/*.md.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from b24.sandbox.crm import filters, userfields
from b24.sandbox.crm.classic import NAMES, fields_map
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.params import either, integer, listing, mapping, text
from b24.sandbox.crm.schema import changed
from b24.sandbox.crm.values import reader
from b24.sandbox.kernel import Answer, Call, RestError, method

_NUMBER = reader("integer")
_FLAGS = ("MULTIPLE", "MANDATORY", "SHOW_FILTER", "SHOW_IN_LIST", "EDIT_IN_LIST", "IS_SEARCHABLE")
_COLUMNS = {
    "ID": Column("id", _NUMBER, "number"), "SORT": Column("sort", _NUMBER, "number"),
    **{name: Column(name.lower()) for name in ("FIELD_NAME", "USER_TYPE_ID", "XML_ID", *_FLAGS)},
}  # fmt: skip
_LABELS = ("EDIT_FORM_LABEL", "LIST_COLUMN_LABEL", "LIST_FILTER_LABEL", "ERROR_MESSAGE", "HELP_MESSAGE")
#: Languages of the cloud: the older methods show a label in each, set or not.
_LANGUAGES = (
    "ar", "br", "de", "en", "fr", "hi", "id", "in", "it", "ja", "kz", "la", "ms", "pl", "ru", "sc", "tc", "th", "tr",
    "ua", "vn",
)  # fmt: skip
_MODERN = {
    "XML_ID": "xmlId", "SORT": "sort", "MULTIPLE": "multiple", "MANDATORY": "mandatory", "SHOW_FILTER": "showFilter",
    "EDIT_IN_LIST": "editInList", "IS_SEARCHABLE": "isSearchable", "SETTINGS": "settings",
    "HELP_MESSAGE": "helpMessage",
}  # fmt: skip


def _camel(upper: str) -> str:
    first, *rest = upper.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def _shown(db: sqlite3.Connection, row: sqlite3.Row, language: str | None = None) -> dict[str, Any]:
    """A field as ``get`` shows it: labels by language, or the one ``LANG`` of a list asks for."""
    modern = userfields.shown(db, row)
    names = ("ID", "ENTITY_ID", "FIELD_NAME", "USER_TYPE_ID", "XML_ID", "SORT", *_FLAGS, "SETTINGS")
    shown = {name: modern[_camel(name)] for name in names}
    for name in _LABELS:
        labels = dict.fromkeys(_LANGUAGES, "")
        labels |= {each: label or "" for each, label in modern[_camel(name)].items()}
        shown[name] = labels if language is None else labels.get(language) or None
    if "enum" in modern:
        options = {"ID": "id", "SORT": "sort", "VALUE": "value", "DEF": "def", "XML_ID": "xmlId"}
        shown["LIST"] = [{old: each[new] for old, new in options.items()} for each in modern["enum"]]
    return shown


def _options(fields: dict[str, Any]) -> list[dict[str, Any]]:
    names = {"ID": "id", "VALUE": "value", "DEF": "def", "SORT": "sort", "XML_ID": "xmlId", "DEL": "del"}
    rows = [mapping(each) for each in listing(fields.get("LIST"))]
    options = [{names[key]: value for key, value in row.items() if key in names} for row in rows]
    codes = [text(each["xmlId"]) for each in options if each.get("xmlId")]
    for code in codes:
        if codes.count(code) > 1:
            raise RestError("ERROR_CORE", f"List item with value XML_ID={code} already exists.")
    return options


def _modern(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a call under the names of ``userfieldconfig``; ``LABEL`` stands in for missing labels."""
    field = {modern: fields[name] for name, modern in _MODERN.items() if name in fields}
    label = fields.get("EDIT_FORM_LABEL", fields.get("LIST_COLUMN_LABEL", fields.get("LABEL")))
    if label is not None:
        field["editFormLabel"] = label if isinstance(label, dict) else dict.fromkeys(_LANGUAGES, label)
    return field


def _administrator(call: Call) -> None:
    if not call.is_admin:
        raise RestError("", "Access denied.", 403)


def _field(call: Call, entity_id: str) -> sqlite3.Row:
    number = integer(either(call, "id"))
    if number is None or number <= 0:
        raise RestError("", "ID is not defined or invalid.")
    row = userfields.field_row(call.db, number)
    if row is None:
        raise RestError("ERROR_NOT_FOUND", f"The entity with ID '{number}' is not found.")
    if row["entity_id"] != entity_id:
        raise RestError("", "Access denied.", 403)
    return row


def _new_name(db: sqlite3.Connection, entity_id: str, fields: dict[str, Any]) -> str:
    name = text(fields.get("FIELD_NAME")).strip().upper()
    if not name:
        raise RestError("", "The 'FIELD_NAME' field is not found.")
    full = name if name.startswith("UF_CRM_") else f"UF_CRM_{name}"
    if len(full) > 50:
        raise RestError("ERROR_CORE", "Field name is too long (more than 50 characters).")
    if not re.fullmatch(r"[A-Z0-9_]+", full):
        message = "Field name contains invalid characters. Allowed characters are: A-Z, 0-9 and _."
        raise RestError("ERROR_CORE", message)
    if db.execute(
        "SELECT 1 FROM crm_userfield WHERE entity_id = ? AND field_name = ?", (entity_id, full)
    ).fetchone():
        raise RestError("ERROR_CORE", f"Field {full} for object {entity_id} already exists.")
    return full


def _register(name: str) -> None:
    entity_id = f"CRM_{name.upper()}"

    @method(f"crm.{name}.userfield.add", scope="crm")
    def add(call: Call) -> int:
        """A new custom field; ``UF_CRM_`` is put before its name."""
        _administrator(call)
        fields = fields_map(call)
        full = _new_name(call.db, entity_id, fields)
        kind = text(fields.get("USER_TYPE_ID"))
        if not kind:
            raise RestError("", "The 'USER_TYPE_ID' field is not found.")
        if kind not in userfields.USER_TYPES:
            raise RestError("ERROR_CORE", "Incorrect custom type specified.")
        field = _modern(fields) | {"enum": _options(fields)}
        return userfields.add_field(call.db, entity_id, full, kind, field)

    @method(f"crm.{name}.userfield.update", scope="crm")
    def update(call: Call) -> bool:
        """Change the settings of a custom field."""
        _administrator(call)
        row, fields = _field(call, entity_id), fields_map(call)
        userfields.change_field(call.db, row, _modern(fields))
        if row["user_type_id"] == "enumeration":
            userfields.set_options(call.db, row["id"], _options(fields))
        changed(call.db)
        return True

    @method(f"crm.{name}.userfield.get", scope="crm")
    def get(call: Call) -> Any:
        """One custom field."""
        return _shown(call.db, _field(call, entity_id))

    @method(f"crm.{name}.userfield.delete", scope="crm")
    def delete(call: Call) -> bool:
        """Remove a custom field with its values."""
        _administrator(call)
        userfields.remove(call.db, _field(call, entity_id))
        return True

    @method(f"crm.{name}.userfield.list", scope="crm")
    def list_(call: Call) -> Answer:
        """Custom fields of the object, all of them; labels only with ``LANG`` in the filter."""
        return _list(call, entity_id)


def _list(call: Call, entity_id: str) -> Answer:
    filter_, order = either(call, "filter"), either(call, "order")
    for name, given in (("order", order), ("filter", filter_)):
        if given is not None and not isinstance(given, dict | list):
            raise RestError("", f"Parameter '{name}' must be array.")
    wanted = mapping(filter_)
    language = text(wanted.pop("LANG", "")) or None
    resolve = filters.resolver(_COLUMNS)
    where, values = filters.where(wanted, resolve, ignore_unknown=True)
    by = filters.order_by(order, resolve, default=["sort ASC", "id ASC"], ignore_unknown=True)
    rows = call.db.execute(
        f"SELECT * FROM crm_userfield WHERE entity_id = ? AND {where} ORDER BY {by}, id", (entity_id, *values)
    ).fetchall()
    shown = [_shown(call.db, row, language or "") for row in rows]
    if language is None:
        shown = [{key: value for key, value in each.items() if key not in _LABELS} for each in shown]
    return Answer(shown, total=len(shown))


for _name in NAMES.values():
    _register(_name)


_FIELDS = {
    "ID": ("int", "ID", "isReadOnly"), "ENTITY_ID": ("string", "Объект", "isImmutable"),
    "FIELD_NAME": ("string", "Код", "isImmutable"), "USER_TYPE_ID": ("string", "Тип данных", "isImmutable"),
    "XML_ID": ("string", "Внешний код"), "SORT": ("int", "Сортировка"), "MULTIPLE": ("char", "Множественное"),
    "MANDATORY": ("char", "Обязательное"), "SHOW_FILTER": ("char", "Показывать в фильтре списка"),
    "SHOW_IN_LIST": ("char", "Показывать в списке"), "EDIT_IN_LIST": ("char", "Разрешать редактирование"),
    "IS_SEARCHABLE": ("char", "Участвует в поиске"), "EDIT_FORM_LABEL": ("string", "Подпись в форме"),
    "LIST_COLUMN_LABEL": ("string", "Заголовок в списке"), "LIST_FILTER_LABEL": ("string", "Подпись фильтра"),
    "ERROR_MESSAGE": ("string", "Сообщение об ошибке"), "HELP_MESSAGE": ("string", "Помощь"),
    "LIST": ("uf_enum_element", "Элементы списка", "isMultiple"), "SETTINGS": ("object", "Дополнительные настройки"),
}  # fmt: skip
_ELEMENT = {
    "ID": ("int", "ID", "isReadOnly"), "SORT": ("int", "Сортировка"), "VALUE": ("string", "Значение"),
    "DEF": ("string", "Значение по умолчанию"), "DEL": ("string", "Признак удаления"),
}  # fmt: skip


def _described(fields: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {
        name: {"type": kind, "title": title} | dict.fromkeys(flags, True)
        for name, (kind, title, *flags) in fields.items()
    }


@method("crm.userfield.fields", scope="crm")
def settings_of_fields(_call: Call) -> Any:
    """Description of the settings of a custom field."""
    return _described(_FIELDS)


@method("crm.userfield.enumeration.fields", scope="crm")
def enumeration_fields(_call: Call) -> Any:
    """Description of an element of a list."""
    return _described(_ELEMENT)


@method("crm.userfield.types", scope="crm")
def types(_call: Call) -> Any:
    """Types of custom fields."""
    return [{"ID": name, "title": title} for name, title in userfields.USER_TYPES.items()]


@method("crm.userfield.settings.fields", scope="crm")
def settings_fields(call: Call) -> Any:
    """Settings of one type of custom fields."""
    kind = text(either(call, "type"))
    if not kind:
        raise RestError("", "Parameter 'type' is not specified or empty.")
    defaults = userfields.DEFAULT_SETTINGS.get(kind, {})
    fields = {name: ("string" if isinstance(value, str) else "int", name) for name, value in defaults.items()}
    if "DEFAULT_VALUE" in fields:
        fields["DEFAULT_VALUE"] = (kind, "Значение по умолчанию")
    return _described(fields)
