"""What a request to a portal leaves in the log of calls: enough to find out what happened, nothing about people.

Pure: lines are composed here and kept by :mod:`b24.store.calls`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from b24.answers import error_parts
from b24.errors import B24Error
from b24.redact import masked_command, masked_params, without

KEPT = timedelta(days=3)
"""How long lines are kept: a demand of the marketplace."""
LONGEST_METHOD, LONGEST_PARAMS, LONGEST_ERROR = 400, 2000, 1000


@dataclass(frozen=True)
class Line:
    """One request to a portal.

    Attributes:
        at: when it left (aware).
        method: the method, or what a batch called: ``batch: crm.item.add ×12, crm.item.list``.
        params: masked, as JSON; of a batch one command a line, ``key: method?…``.
        status: HTTP status, 0 without an answer.
        error: codes and words of the portal, masked; "" for a good answer.
        ms: from sending to the end of the answer.
    """

    at: datetime
    method: str
    params: str
    status: int
    error: str
    ms: int


def line(
    method: str,
    params: Mapping[str, Any],
    *,
    at: datetime,
    ms: int,
    status: int,
    answer: Mapping[str, Any] | None = None,
    error: B24Error | None = None,
) -> Line:
    """The line of one request.

    Args:
        answer: the envelope of a good answer; a batch's may hold errors of its commands.
        error: what it ended with instead.
    """
    if error is not None:
        said = f"{error.code or type(error).__name__}: {without(error.description, params)}".rstrip(": ")
    else:
        said = "\n".join(_of_commands(answer or {}, params))
    return Line(
        at,
        _cut(_called(method, params), LONGEST_METHOD),
        _cut(_shown(params), LONGEST_PARAMS),
        status,
        _cut(said, LONGEST_ERROR),
        ms,
    )


def _called(method: str, params: Mapping[str, Any]) -> str:
    commands = _commands(params)
    if commands is None:
        return method
    times = Counter(one.partition("?")[0] for one in commands.values())
    return f"{method}: " + ", ".join(
        name if count == 1 else f"{name} ×{count}" for name, count in times.items()
    )


def _commands(params: Mapping[str, Any]) -> Mapping[str, str] | None:
    found = params.get("cmd")
    return found if isinstance(found, Mapping) else None


def _shown(params: Mapping[str, Any]) -> str:
    commands = _commands(params)
    if commands is None:
        return json.dumps(masked_params(params), ensure_ascii=False) if params else ""
    lines, size = [], 0
    for key, one in commands.items():
        # What is cut off anyway need not be masked.
        if size > LONGEST_PARAMS:
            break
        lines.append(f"{key}: {masked_command(one)}")
        size += len(lines[-1])
    return "\n".join(lines)


def _of_commands(answer: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    result = answer.get("result")
    errors = result.get("result_error") if isinstance(result, Mapping) and _commands(params) else None
    if isinstance(errors, list):
        errors = {str(index): one for index, one in enumerate(errors)}
    lines = []
    for key, one in (errors or {}).items():
        code, description = error_parts(one)
        lines.append(f"{key}: {code or '?'}: {without(description, params)}".rstrip(": "))
    return lines


def _cut(text: str, longest: int) -> str:
    # What a portal answers may hold characters no database takes.
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
