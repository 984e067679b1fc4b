"""Reading what a phone sends: JSON of unknown quality becomes plain values, or is unreadable."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import json, request

from handlers.problems import Problem

MOST = 200
MOST_BYTES = 1_000_000
_HEX = re.compile(r"[0-9a-f]{32}")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class Unreadable(Exception):
    """One entry of a list cannot be read; the others can."""


@dataclass(frozen=True)
class Envelope:
    """A list of entries and the device's clock when it sent them, if it says."""

    sent_at: datetime | None
    entries: list[Any]


def json_object() -> dict[str, Any]:
    """The request's body. ``Problem`` 400 for anything but a JSON object, 413 for a huge one."""
    request.max_content_length = MOST_BYTES
    try:
        body = json.loads(request.get_data(cache=False), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as unreadable:
        raise Problem(400, "unreadable", "Тело запроса – не JSON.") from unreadable
    if not isinstance(body, dict):
        raise Problem(400, "unreadable", "Тело запроса – не объект JSON.")
    return body


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float | None:
    """What is echoed has to be JSON again: there is no infinity in it, only numbers too large for us."""
    number = float(digits)
    return number if math.isfinite(number) else None


def envelope(name: str) -> Envelope:
    """The entries under ``name``, 1 to 200. ``Problem`` 400 when there is no such list, 413 above 200."""
    body = json_object()
    entries = body.get(name)
    if not isinstance(entries, list) or not entries:
        raise Problem(400, "unreadable", f"Нужен непустой список «{name}».")
    if len(entries) > MOST:
        raise Problem(413, "too-many", f"За один раз – не больше {MOST} записей.")
    return Envelope(_sent_at(body.get("sent_at")), entries)


def _sent_at(told: Any) -> datetime | None:
    try:
        return moment(told)
    except Unreadable:
        return None


def fields_of(entry: Any) -> Mapping[str, Any]:
    """An entry as an object."""
    if not isinstance(entry, dict):
        raise Unreadable
    return entry


def text(entry: Mapping[str, Any], name: str, longest: int, *, required: bool = False) -> str:
    """A text without control characters, spaces at its ends and what no database can hold."""
    told = entry.get(name)
    if told is None and not required:
        return ""
    if not isinstance(told, str):
        raise Unreadable
    # Most texts are in order as they are.
    seen = told if told.isprintable() else "".join(map(_visible, told))
    kept = seen.strip()
    if len(kept) > longest or (required and not kept):
        raise Unreadable
    return kept


def _visible(character: str) -> str:
    if character in "\t\r\n":
        return " "
    return "" if unicodedata.category(character) in {"Cc", "Cs"} else character


def number(entry: Mapping[str, Any], name: str) -> int | None:
    """A positive id that fits a database column, or nothing."""
    told = entry.get(name)
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, int) or not 0 < told < 2**31:
        raise Unreadable
    return told


def hex_id(told: Any) -> str:
    """32 hex digits, with or without hyphens, any case: one spelling for all."""
    if not isinstance(told, str) or len(told) > 40:
        raise Unreadable
    plain = told.replace("-", "").lower()
    if not _HEX.fullmatch(plain):
        raise Unreadable
    return plain


def moment(told: Any) -> datetime | None:
    """A moment in UTC; ``None`` for a well-formed one our calendar does not have.

    ``Unreadable`` for anything but RFC 3339 with an offset.
    """
    if not isinstance(told, str) or len(told) > 64 or not _RFC3339.fullmatch(told):
        raise Unreadable
    try:
        return datetime.fromisoformat(told.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
