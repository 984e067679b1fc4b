"""The one place that knows what is secret or personal; everything logged or kept as evidence passes through
it.
"""

from __future__ import annotations

import re
from typing import Any

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
    """A text (URL, form body, error message) without the secrets that can be recognised in it."""
    text = _IN_TEXT.sub(lambda found: f"{found['key']}{found['between']}{MASK}", text)
    text = _WEBHOOK.sub(rf"\g<1>{MASK}", text)
    return _SECRET_PATH.sub(rf"\g<1>{MASK}", text)


def _masked(key: str, value: Any) -> Any:
    name = key.lower()
    if isinstance(value, dict | list | tuple) and name not in PERSONAL_KEYS:
        return redact(value)
    if name in SECRET_KEYS or name in PERSONAL_KEYS:
        return MASK if value not in (None, "", [], {}) else value
    return redact(value)
