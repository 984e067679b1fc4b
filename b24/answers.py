"""From the bytes of an HTTP answer to a result or an error. Pure: no I/O, no clock.

Errors are classified by the portal's code; the HTTP status is only a fallback, because the same code comes
with different statuses and some errors come with 200.

Source: _includes/system-errors.md; settings/oauth/error-codes.md; settings/performance/limits.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from b24.codes import class_of
from b24.errors import Ambiguous, B24Error, Throttled, TokenExpired, Unavailable

MAX_BATCH = 50
QUERY_LIMIT_PAUSE_S = 2.0
METHOD_PAUSE_S = 60.0
"""How long a method rests when the portal did not say when its budget renews: the window moves by minutes."""


@dataclass(frozen=True)
class Answer:
    """The result of one call with what the envelope says beside it.

    Attributes:
        result: as the portal sent it; empty maps arrive as ``[]``.
        total: number of rows of a list, ``None`` when not counted (``start=-1`` answers 0).
        next: ``start`` of the next page, ``None`` on the last one.
        time: ``duration``, ``operating``, ``operating_reset_at`` … in seconds; empty when absent.
    """

    result: Any
    total: int | None = None
    next: int | None = None
    time: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operating_reset_at(self) -> datetime | None:
        """When the method's time budget renews; the portal sends it as a number or a text."""
        moment = _number(self.time.get("operating_reset_at"))
        return datetime.fromtimestamp(moment, UTC) if moment and 0 < moment < 1e11 else None

    @property
    def duration_s(self) -> float | None:
        """How long the portal worked on the call; ``None`` where it does not say."""
        duration = _number(self.time.get("duration"))
        return duration if duration is not None and 0 <= duration < math.inf else None


@dataclass(frozen=True)
class Context:
    """What classification must know of a call: its method, whether it writes, the moment (aware)."""

    method: str
    write: bool
    now: datetime


def classify(code: str, description: str, status: int, context: Context) -> B24Error:
    """The error of a call the portal answered with ``code``; the table is :mod:`b24.codes`."""
    kind = class_of(code, status, method=context.method, write=context.write)
    if kind is not Throttled:
        return kind(code, description, status)
    if code.upper() == "OPERATION_TIME_LIMIT":
        at = context.now + timedelta(seconds=METHOD_PAUSE_S)
        return Throttled(code, description, status, retry_at=at, method=context.method)
    at = context.now + timedelta(seconds=QUERY_LIMIT_PAUSE_S)
    return Throttled(code, description, status, retry_at=at)


def read(status: int, body: bytes, context: Context) -> dict[str, Any]:
    """The JSON object of a good answer.

    Raises:
        B24Error: the classified error of a bad one; something that is not the portal's JSON (a proxy's page,
            a cut answer) is Unavailable for reads and Ambiguous for writes, unless the status says it was not
            executed.
    """
    envelope = _json_object(body)
    if envelope is None:
        raise _not_json(status, context)
    if "error" in envelope:
        raise classify(*error_parts(envelope), status, context)
    if status >= 400:
        raise classify("", str(envelope.get("message", ""))[:200], status, context)
    return envelope


def answer_of(envelope: Mapping[str, Any], context: Context) -> Answer:
    """The answer of a single call.

    Raises:
        Ambiguous, Unavailable: there is no ``result`` in it.
    """
    if "result" not in envelope:
        raise (Ambiguous if context.write else Unavailable)("NO_RESULT", "an answer without result")
    time = envelope.get("time")
    return Answer(
        envelope["result"],
        _whole(envelope.get("total")),
        _whole(envelope.get("next")),
        time if isinstance(time, dict) else {},
    )


def error_parts(error: Any) -> tuple[str, str]:
    """Code and description of an error however it is written: ``""``, 0, a sentence or an object (REST
    3.0).
    """
    if not isinstance(error, Mapping):
        return "", str(error)[:500]
    code, description = error.get("error", ""), error.get("error_description", "")
    if isinstance(code, Mapping):
        code, description = code.get("code", ""), description or code.get("message", "")
    return ("" if code is None else str(code))[:100], ("" if description is None else str(description))[:500]


def batch_answers(
    envelope: Mapping[str, Any], sent: Mapping[str, str], context: Context
) -> dict[str, Answer | B24Error]:
    """What became of every command of a batch.

    Args:
        sent: our command keys, in order, with their methods.
        context: of the batch; each command is classified with its own method.

    Returns:
        One entry per key: a key that is neither in the results nor among the errors counts as failed. The
        maps of the answer arrive as ``{}``, ``[]`` or, with numeric keys, as lists; errors that came as a
        bare list are given, in order, to the commands without a result when the numbers agree.
    """
    inner = envelope.get("result")
    part = inner if isinstance(inner, Mapping) else {}
    results, errors = _by_key(part.get("result")), _errors(part.get("result_error"), part.get("result"), sent)
    totals, nexts, times = (_by_key(part.get(f"result_{name}")) for name in ("total", "next", "time"))
    found: dict[str, Answer | B24Error] = {}
    for key, method in sent.items():
        one = Context(method, context.write, context.now)
        if key in errors:
            found[key] = _inside_batch(classify(*error_parts(errors[key]), 0, one))
        elif key in results:
            time = times.get(key)
            found[key] = Answer(
                results[key],
                _whole(totals.get(key)),
                _whole(nexts.get(key)),
                time if isinstance(time, dict) else {},
            )
        else:
            found[key] = (Ambiguous if context.write else Unavailable)(
                "NO_RESULT", "no answer to this command"
            )
    return found


def _inside_batch(error: B24Error) -> B24Error:
    # The batch itself was let in, so the token is good; whatever the portal meant, it will pass.
    if isinstance(error, TokenExpired):
        return Unavailable(error.code, error.description)
    return error


def _by_key(part: Any) -> dict[str, Any]:
    if isinstance(part, Mapping):
        return {str(key): value for key, value in part.items()}
    return {str(index): value for index, value in enumerate(part)} if isinstance(part, list) else {}


def _errors(errors: Any, results: Any, sent: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(errors, list):
        return _by_key(errors)
    without = [key for key in sent if key not in _by_key(results)]
    return dict(zip(without, errors, strict=True)) if len(without) == len(errors) else {}


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _not_json(status: int, context: Context) -> B24Error:
    if status == 429:
        return Throttled(
            "HTTP_429", status=429, retry_at=context.now + timedelta(seconds=QUERY_LIMIT_PAUSE_S)
        )
    # Turned away at the door (a redirect, a firewall, a closed site): nothing was executed.
    turned_away = 300 <= status < 400 or status in (401, 403, 404, 405, 413)
    kind = Ambiguous if context.write and not turned_away else Unavailable
    return kind(f"HTTP_{status}", "not an answer of the REST service", status)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 1e15 else None


def command(method: str, params: Mapping[str, Any]) -> str:
    """One command of a batch: ``method?fields[TITLE]=A%26B``, nested the way PHP reads it.

    ``None`` is sent as an empty value, an empty list as one empty element's name with an empty value (both
    clear a field), booleans as ``1`` and ``0``.

    Source: settings/how-to-call-rest-api/data-encoding.md, batch.md.
    """
    pairs: list[str] = []
    for key, value in params.items():
        _encode(str(key), value, pairs)
    return f"{method}?{'&'.join(pairs)}" if pairs else method


def _encode(name: str, value: Any, pairs: list[str]) -> None:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            _encode(f"{name}[{key}]", one, pairs)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes) and value:
        for index, one in enumerate(value):
            _encode(f"{name}[{index}]", one, pairs)
    else:
        pairs.append(f"{quote_plus(name)}={quote_plus(_scalar(value))}")


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None or isinstance(value, list | tuple | Mapping) else str(value)
