"""The one place that knows what is secret or personal; everything logged or kept as evidence passes through
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

MASK = "***"

SECRET_KEYS = frozenset(
    {
        "auth",
        "access_token",
        "refresh_token",
        "auth_id",
        "refresh_id",
        "application_token",
        "client_secret",
        "event_token",
        "password",
        "token",
        "authorization",
        "secret",
        "device_token",
        "enrol_code",
        "ticket",
    }
)
PERSONAL_KEYS = frozenset(
    {
        "name",
        "last_name",
        "second_name",
        "lastname",
        "secondname",
        "first_name",
        "email",
        "phone",
        "fm",
        "value",
        "birthdate",
        "address",
        "comments",
        "comment",
        "note",
        "im",
        "web",
        "personal_mobile",
        "work_phone",
    }
)

_IN_TEXT = re.compile(
    r"(?P<key>"
    + "|".join(sorted(SECRET_KEYS - {"token", "auth", "ticket"}, key=len, reverse=True))
    + r"|\bauth)"
    r"(?P<between>(?:\]|%5[Dd])?(?:\"\s*:\s*\"|'\s*:\s*'|=))(?P<value>[^&\s\"'<>]+)",
    re.IGNORECASE,
)
_WEBHOOK = re.compile(r"(/rest/(?:api/)?\d+/)[0-9A-Za-z]+(?=/|$)")
_SECRET_PATH = re.compile(r"(/(?:t|scan)/)[0-9A-Za-z_-]{8,}")
# By shape: addresses, numbers of phones, and what is too long and too mixed to be a name or a code.
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(
    r"(?<![\w.:-])(?:\+\d[\d\s().-]{7,18}\d|[78]?[\s-]?\(\d{3,5}\)[\d\s-]{5,12}\d|[78][\s-]\d{3}[\s-]\d{3}[\s-]\d\d"
    r"[\s-]?\d\d|\d{10,15})(?![\w:])"
)
_TOKEN = re.compile(
    r"(?<![\w-])(?!ufCrm|UF_CRM)(?:(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[0-9A-Za-z_-]{32,}"
    r"|(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[0-9A-Za-z_-]{20,})(?![\w-])"
)

# Of a call: values under these keys are names of the protocol, or keys of ours, never words about people.
_PLAIN_KEYS = frozenset(
    {
        "select",
        "order",
        "grant_type",
        "event",
        "event_type",
        "placement",
        "entity_type",
        "entity_id",
        "entitytype",
        "type",
        "typeid",
        "type_id",
        "valuetype",
        "stageid",
        "stage_id",
        "statusid",
        "status_id",
        "xmlid",
        "originatorid",
        "originid",
        "currencyid",
    }
)
_PLAIN = re.compile(r"[\w.:*%@<>=!-]{1,100}", re.ASCII)
_HARMLESS = re.compile(
    r"|-?\d{1,9}(?:\.\d{1,4})?"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|[A-Z]|[A-Z][A-Z0-9]*(?:[_:][A-Z0-9]{1,24})+"
)
_LONGEST_NUMBER = 10**9


def redact(value: Any) -> Any:
    """A copy of nested data with secrets and personal values replaced by ``***``; texts pass
    :func:`redact_text`.

    ``auth`` with nested values keeps its harmless keys (``domain``, ``member_id`` …).
    """
    if isinstance(value, dict):
        return {key: _masked(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact(one) for one in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """A text (URL, form body, error message) without the secrets, mail addresses and phones that can be recognised
    in it."""
    text = _IN_TEXT.sub(lambda found: f"{found['key']}{found['between']}{MASK}", text)
    text = _WEBHOOK.sub(rf"\g<1>{MASK}", text)
    text = _SECRET_PATH.sub(rf"\g<1>{MASK}", text)
    for shape in (_EMAIL, _TOKEN, _PHONE):
        text = shape.sub(MASK, text)
    return text


def masked_params(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Parameters of a REST call as they may be kept: numbers, dates, codes and names of fields stay, words do not.

    A title, a note or a value of somebody's own field can hold a name, so a text stays only where its key says that it
    is none, or its shape does (``DT1062_24:NEW``, ``2026-11-21``).

    Args:
        path: keys around the value, outermost first; positions in lists do not count.
    """
    if isinstance(value, Mapping):
        return {str(key): masked_params(one, (*path, *_keys(str(key)))) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked_params(one, path) for one in value]
    return value if _may_stay(value, path) else MASK


def masked_command(command: str) -> str:
    """One command of a batch, ``method?fields[TITLE]=…``, readable and masked as :func:`masked_params` does."""
    method, asked, query = command.partition("?")
    if not asked:
        return method
    pairs = parse_qsl(query, keep_blank_values=True)
    return f"{method}?{'&'.join(f'{key}={masked_params(value, _keys(key))}' for key, value in pairs)}"


def without(text: str, params: Any) -> str:
    """A portal's words about a call without what was said in it and must not be kept; see :func:`masked_params`."""
    for said in sorted(set(_hidden(params, ())), key=len, reverse=True):
        text = text.replace(said, MASK)
    return redact_text(text)


def _hidden(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _hidden(one, (*path, *_keys(str(key))))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _hidden(one, path)
    elif isinstance(value, str) and "cmd" in path:
        for key, one in parse_qsl(value.partition("?")[2], keep_blank_values=True):
            yield from _hidden(one, _keys(key))
    elif isinstance(value, str) and len(value) > 2 and not _may_stay(value, path):
        yield value


def _keys(name: str) -> tuple[str, ...]:
    """``fields[fm][0][VALUE]`` or ``!%title`` as lower-case keys; positions are none."""
    parts = (part.lstrip("!<>=%@+~?").lower() for part in re.split(r"[\[\]]+", name))
    return tuple(part for part in parts if part and not part.isdigit())


def _may_stay(value: Any, path: tuple[str, ...]) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if any(key in SECRET_KEYS or key in PERSONAL_KEYS for key in path):
        return bool(value == "")
    if isinstance(value, int | float):
        return abs(value) < _LONGEST_NUMBER
    if not isinstance(value, str):
        return False
    if _HARMLESS.fullmatch(value):
        return True
    return any(key in _PLAIN_KEYS for key in path) and _PLAIN.fullmatch(value) is not None


def _masked(key: str, value: Any) -> Any:
    name = key.lower()
    if isinstance(value, dict | list | tuple) and name not in PERSONAL_KEYS:
        return redact(value)
    if name in SECRET_KEYS or name in PERSONAL_KEYS:
        return MASK if value not in (None, "", [], {}) else value
    return redact(value)
