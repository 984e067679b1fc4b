"""Names, descriptions and values of fields as the older methods of each object write them.

They differ from ``crm.item.*``: upper-case names, every scalar a string, addresses in parts, an empty date is "".
Source: crm/{leads,deals,contacts,companies}/crm-*-fields.md, crm-*-get.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from b24.sandbox.crm.multifields import ALIASES
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD, WITH_COMMUNICATIONS, Field
from b24.sandbox.crm.schema import ObjectType

#: Names that differ from those of ``crm.item.*``.
_OLD = {
    "CREATED_TIME": "DATE_CREATE",
    "UPDATED_TIME": "DATE_MODIFY",
    "CREATED_BY": "CREATED_BY_ID",
    "UPDATED_BY": "MODIFY_BY_ID",
    "MOVED_BY": "MOVED_BY_ID",
}
_OLD_OF_TYPE = {
    LEAD: {"STAGE_ID": "STATUS_ID", "STAGE_SEMANTIC_ID": "STATUS_SEMANTIC_ID"},
    COMPANY: {"TYPE_ID": "COMPANY_TYPE"},
}
MANY = ("PHONE", "EMAIL", "WEB", "IM", "LINK")
#: Written and described, never shown by the older methods.
_BONDS = {"contactIds": "CONTACT_IDS", "companyIds": "COMPANY_IDS"}
_ABSENT = frozenset({*ALIASES, *_BONDS, "observers", "imol"})
#: Fields of these types are not described by ``fields`` of the older methods and not part of an answer.
_HIDDEN = frozenset({"categoryId", "webformId"})
_ADDRESS = (
    ("", "string", "Адрес"),
    ("_2", "string", "Адрес (строка 2)"),
    ("_CITY", "string", "Город"),
    ("_POSTAL_CODE", "string", "Почтовый индекс"),
    ("_REGION", "string", "Район"),
    ("_PROVINCE", "string", "Область"),
    ("_COUNTRY", "string", "Страна"),
    ("_COUNTRY_CODE", "string", "Код страны"),
    ("_LOC_ADDR_ID", "integer", "Идентификатор адреса местоположения"),
)
_TITLES = {"PHONE": "Телефон", "EMAIL": "E-mail", "WEB": "Сайт", "IM": "Мессенджер", "LINK": "LINK"}
_PARENTS = {"LEAD_ID": 1, "QUOTE_ID": 7, "COMPANY_ID": 4}
_DEPRECATED = {CONTACT: "COMPANY_ID", DEAL: "CONTACT_ID", LEAD: "CONTACT_ID"}


def old_names(kind: ObjectType) -> dict[str, Field]:
    """Fields of a type under the names of the older methods."""
    renamed = _OLD | _OLD_OF_TYPE.get(kind.entity_type_id, {})
    return {
        renamed.get(each.upper, each.upper): each
        for each in kind.fields.values()
        if each.name not in _ABSENT and not each.disabled
    }


def listed_names(kind: ObjectType) -> dict[str, Field]:
    """The fields ``fields``, ``get`` and ``select[]=*`` speak of; others are shown when selected by name."""
    return {name: each for name, each in old_names(kind).items() if not _is_hidden(kind, each)}


def _is_hidden(kind: ObjectType, field: Field) -> bool:
    if kind.entity_type_id == DEAL and field.name == "categoryId":
        return False
    return field.name in _HIDDEN


def address_names(kind: ObjectType) -> list[tuple[str, str, str]]:
    """Parts of the addresses of a type: (name, type, title)."""
    if kind.entity_type_id not in WITH_COMMUNICATIONS:
        return []
    prefixes = ("ADDRESS", "REG_ADDRESS") if kind.entity_type_id == COMPANY else ("ADDRESS",)
    return [(prefix + name, type_, title) for prefix in prefixes for name, type_, title in _ADDRESS]


def described(kind: ObjectType) -> dict[str, Any]:
    """The answer of ``crm.{object}.fields``."""
    result = {name: _described(kind, name, each) for name, each in listed_names(kind).items()}
    result |= {name: _plain(type_, title) for name, type_, title in address_names(kind)}
    for name, field in kind.fields.items():
        if name in _BONDS and kind.entity_type_id != COMPANY:
            result[_BONDS[name]] = _plain(field.type, field.title, multiple=True)
    if kind.entity_type_id == COMPANY:
        result["CONTACT_ID"] = _plain("crm_contact", "Контакт", multiple=True)
        result["LAST_COMMUNICATION_TIME"] = _plain("string", "Дата последней коммуникации", fixed=True)
    if kind.entity_type_id in WITH_COMMUNICATIONS:
        result |= {name: _plain("crm_multifield", _TITLES[name], multiple=True) for name in MANY}
    return result


def _plain(type_: str, title: str, *, multiple: bool = False, fixed: bool = False) -> dict[str, Any]:
    return {
        "type": type_, "isRequired": False, "isReadOnly": fixed, "isImmutable": False,
        "isMultiple": multiple, "isDynamic": False, "title": title,
    }  # fmt: skip


def _described(kind: ObjectType, name: str, field: Field) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "char" if field.type == "boolean" and not field.dynamic else field.type,
        "isRequired": field.required and field.dynamic,
        "isReadOnly": field.read_only or field.derived or name in ("LEAD_ID", "QUOTE_ID"),
        "isImmutable": name == "CATEGORY_ID",
        "isMultiple": field.multiple,
        "isDynamic": field.dynamic,
    }
    if _DEPRECATED.get(kind.entity_type_id) == name:
        shown["isDeprecated"] = True
    if field.type == "enumeration":
        shown["items"] = [{"ID": str(each["id"]), "VALUE": each["value"]} for each in field.options]
    if field.status_type:
        shown["statusType"] = field.status_type
    shown["title"] = field.upper if field.dynamic else field.title
    if field.dynamic:
        shown |= dict.fromkeys(("listLabel", "formLabel", "filterLabel"), field.title)
        shown["settings"] = field.settings
    elif name in _PARENTS and "isDeprecated" not in shown:
        shown["settings"] = {"parentEntityTypeId": _PARENTS[name]}
    return shown


def shown_value(kind: ObjectType, field: Field, value: Any) -> Any:
    """A value of ``crm.item.get`` as the older methods write it."""
    if isinstance(value, list):
        return [each if isinstance(each, dict) else _scalar(field, each) for each in value]
    if value is None:
        return "" if field.type in ("date", "datetime") or field.dynamic else None
    if value == 0 and kind.entity_type_id == LEAD and field.name in ("companyId", "contactId"):
        return None
    return value if isinstance(value, dict) else _scalar(field, value)


def _scalar(field: Field, value: Any) -> Any:
    if field.dynamic and field.type == "boolean":
        return "1" if value == "Y" else "0"
    if field.type == "double" and not field.dynamic and isinstance(value, int | float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
