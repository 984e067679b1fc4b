"""Values of fields: from what callers send to what is stored, and from there to what REST shows.

Stored: moments as unix seconds, dates as ``YYYY-MM-DD``, flags as ``Y``/``N``, ids as numbers, money as
``300|RUB``, multiple values as JSON lists. Shown: dates of both kinds as ISO 8601 with the portal's offset.
Source: crm/universal/crm-item-add.md, data-types.md.
"""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from b24.sandbox.crm.objects import Field
from b24.sandbox.crm.params import integer, listing, text
from b24.sandbox.kernel import RestError, tables
from b24.sandbox.portal import PORTAL_ZONE, iso_of

__all__ = ["PORTAL_ZONE", "iso_of"]

tables("CREATE TABLE IF NOT EXISTS crm_file (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, content BLOB);")

_RUSSIAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
LINK_TYPES = frozenset(
    {"crm_company", "crm_contact", "crm_lead", "crm_quote", "crm_deal", "crm_entity", "user", "employee"}
)
NUMBER_TYPES = frozenset({"integer", "crm_category", "enumeration"}) | LINK_TYPES
#: Links that read 0 and not null when empty.
_ZERO_LINKS = frozenset({"COMPANY_ID", "CONTACT_ID", "MYCOMPANY_ID", "WEBFORM_ID"})
_EMPTY_TEXTS = frozenset({"XML_ID", "SOURCE_DESCRIPTION", "PREVIOUS_STAGE_ID"})


def parse_moment(value: Any) -> datetime | None:
    """A date with time as callers write it; without an offset it is the portal's zone.

    Raises:
        ValueError: not a date.
    """
    if value is None or value is False or value == "":
        return None
    written = str(value).strip()
    match = _RUSSIAN.fullmatch(written)
    if match:
        day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
        moment = datetime(year, month, day, hour, minute, second, tzinfo=PORTAL_ZONE)
    else:
        moment = datetime.fromisoformat(written)
    if not 1000 <= moment.year <= 9000:
        raise ValueError("outside of the calendar")
    return moment if moment.tzinfo else moment.replace(tzinfo=PORTAL_ZONE)


def parse_timestamp(value: Any) -> int | None:
    """Unix seconds of :func:`parse_moment`; ``ValueError`` for what is not a moment."""
    try:
        moment = parse_moment(value)
        return None if moment is None else int(moment.timestamp())
    except OverflowError as error:
        raise ValueError(str(error)) from error


def parse_date(value: Any) -> str | None:
    """The day a caller means, in the portal's zone; ``ValueError`` for what is not a date."""
    moment = parse_moment(value)
    if moment is None:
        return None
    try:
        return moment.astimezone(PORTAL_ZONE).date().isoformat()
    except OverflowError as error:
        raise ValueError(str(error)) from error


def shown_date(day: str) -> str:
    """A pure date as REST shows it: midnight UTC in the portal's offset (``2024-04-19T03:00:00+03:00``)."""
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=UTC)
    return midnight.astimezone(PORTAL_ZONE).isoformat(timespec="seconds")


def _number(value: Any) -> int | None:
    if value is None or value is False or value == "":
        return None
    found = integer(value)
    if found is None:
        raise ValueError("not a number")
    return found


def _link(value: Any) -> int | None:
    return _number(value) or None


def _double(value: Any) -> float | None:
    if value is None or value is False or value == "":
        return None
    number = float(str(value).replace(",", ".").replace(" ", ""))
    if number != number or abs(number) > 1e18:
        raise ValueError("not a number")
    return number


def _flag(value: Any) -> str:
    return "Y" if str(value).upper() in {"Y", "1", "TRUE"} else "N"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise ValueError("not a string")
    return ("Y" if value else "N") if isinstance(value, bool) else text(value)


def _money(value: Any) -> str | None:
    written = _text(value)
    if not written:
        return written
    amount, _, currency = written.partition("|")
    float(amount)
    if currency and not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError("not a currency")
    return written


_READERS: dict[str, Callable[[Any], Any]] = {
    "double": _double,
    "boolean": _flag,
    "date": parse_date,
    "datetime": parse_timestamp,
    "money": _money,
}


def reader(kind: str) -> Callable[[Any], Any]:
    """What turns one incoming value of a field type into the stored one."""
    if kind in LINK_TYPES or kind == "enumeration":
        return _link
    return _number if kind in NUMBER_TYPES else _READERS.get(kind, _text)


def _invalid(field: Field) -> RestError:
    return RestError("CRM_FIELD_ERROR_VALUE_NOT_VALID", f'Invalid value for field "{field.title}"')


def read_value(db: sqlite3.Connection, field: Field, value: Any) -> Any:
    """One field's incoming value as stored.

    Raises:
        RestError: ``CRM_FIELD_ERROR_VALUE_NOT_VALID``; ``100`` when a multiple field gets a scalar.
    """
    if field.type == "file":
        return _read_files(db, field, value)
    convert = reader(field.type)
    try:
        if not field.multiple:
            return _in_options(field, convert(value))
        values = [_in_options(field, convert(each)) for each in _many(field, value)]
    except (ValueError, OverflowError):
        raise _invalid(field) from None
    return [each for each in values if each not in (None, "")]


def _many(field: Field, value: Any) -> list[Any]:
    if value is None or value is False or value == "":
        return []
    if not isinstance(value, dict | list):
        kind = "string" if isinstance(value, str) else type(value).__name__
        raise RestError("100", f"Expected iterable value for multiple field, but got {kind} instead")
    return listing(value)


def _in_options(field: Field, value: Any) -> Any:
    if field.type != "enumeration" or value is None:
        return value
    if all(value != option["id"] for option in field.options):
        raise ValueError("no such option")
    return value


def _read_files(db: sqlite3.Connection, field: Field, value: Any) -> Any:
    if field.multiple:
        kept = [_read_file(db, field, each) for each in _many(field, value)]
        return [each for each in kept if each]
    return _read_file(db, field, value)


def _read_file(db: sqlite3.Connection, field: Field, value: Any) -> int | None:
    """``["name", "base64"]`` stores a file, ``{"id": 5}`` keeps one, an empty value clears."""
    if isinstance(value, dict) and "id" in value:
        return integer(value["id"])
    try:
        return keep_file(db, value)
    except ValueError:
        raise _invalid(field) from None


def keep_file(db: sqlite3.Connection, value: Any) -> int | None:
    """Store a file given as ``["name", "base64"]`` or ``{"fileData": [...]}``; ``None`` for what is no file.

    Raises:
        ValueError: its content is not base64.
    """
    parts = listing(value.get("fileData", value) if isinstance(value, dict) else value)
    if len(parts) < 2:
        return None
    try:
        content = base64.b64decode(str(parts[1]), validate=False)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    cursor = db.execute("INSERT INTO crm_file (name, content) VALUES (?, ?)", (str(parts[0])[:255], content))
    return cursor.lastrowid


def shown_number(value: float) -> float | int:
    """PHP writes whole amounts without a fraction."""
    return int(value) if value == int(value) else value


def show_value(field: Field, value: Any, owner: tuple[str, int, int]) -> Any:
    """A stored value as REST shows it; ``owner`` is (portal origin, entityTypeId, item id) for file links."""
    if field.multiple:
        values = value if isinstance(value, list) else ([] if value in (None, "") else [value])
        return [_show_one(field, each, owner) for each in values]
    if value is None:
        return _show_empty(field)
    return _show_one(field, value, owner)


def _show_empty(field: Field) -> Any:
    if field.type == "boolean":
        return "N"
    if field.upper in _ZERO_LINKS:
        return 0
    if field.upper in _EMPTY_TEXTS:
        return ""
    return 0 if field.type == "double" and not field.dynamic else None


def _show_one(field: Field, value: Any, owner: tuple[str, int, int]) -> Any:
    if field.type == "datetime":
        return iso_of(value)
    if field.type == "date":
        return shown_date(value)
    if field.type == "double":
        return shown_number(value)
    if field.type == "file":
        return _shown_file(field, value, owner)
    return value


def _shown_file(field: Field, file_id: int, owner: tuple[str, int, int]) -> dict[str, Any]:
    origin, entity_type_id, item_id = owner
    query = f"entityTypeId={entity_type_id}&id={item_id}&fieldName={field.name}&fileId={file_id}"
    return {
        "id": file_id,
        "url": f"/bitrix/services/main/ajax.php?action=crm.controller.item.getFile&{query}",
        "urlMachine": f"{origin}/rest/crm.controller.item.getFile/?{query}",
    }


def is_empty(value: Any) -> bool:
    """Whether a stored value counts as not filled in."""
    return value is None or value in ("", [])
