"""HTTP requests as REST calls: the address, the parameters of query and body, the token of a header."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request

from b24.sandbox import php
from b24.sandbox.dispatch import Incoming
from b24.sandbox.kernel import RestError


def called_methods(incoming: Incoming) -> list[str]:
    """The method, or those of a batch, for faults that concern certain methods."""
    cmd = incoming.params.get("cmd")
    if incoming.method.lower() != "batch" or not isinstance(cmd, dict | list):
        return [incoming.method]
    commands = cmd.values() if isinstance(cmd, dict) else cmd
    return ["batch", *(str(one).partition("?")[0] for one in commands if isinstance(one, str))]


def read_call(request: Request) -> Incoming:
    """A REST request as a call: address, method, parameters of query and body.

    Raises:
        RestError: 400 for a body nobody can read, 404 for an address without a method.
    """
    started = time.monotonic()
    parts = [unquote(one) for one in request.path.split("/") if one][1:]
    name = re.sub(r"\.(json|xml)$", "", parts[-1], flags=re.IGNORECASE) if parts else ""
    path = tuple(parts[:-1])
    try:
        params = php.decode_form(request.query_string.decode("latin-1"))
    except php.TooMuchInput as error:
        raise RestError("INVALID_REQUEST", "Too many parameters", 400) from error
    if request.method == "POST":
        params |= read_body(request)
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return Incoming(
        path if len(path) in {0, 2} else ("", "", ""),
        name,
        params,
        bearer.strip() if scheme.lower() == "bearer" else "",
        source_of(request),
        started,
    )


def source_of(request: Request) -> str:
    """The address a call counts for.

    On one machine browsers and application servers share the loopback address; on a real portal they do not,
    so a browser (it alone sends ``Sec-Fetch-Mode``) has a bucket of its own.
    """
    address = request.remote_addr or ""
    return f"{address} browser" if "Sec-Fetch-Mode" in request.headers else address


def read_body(request: Request) -> dict[str, Any]:
    """Parameters of a body: JSON, urlencoded or multipart; other kinds carry none.

    Raises:
        RestError: 400 when it cannot be parsed.
    """
    kind = request.mimetype
    try:
        if kind == "application/json" or kind.endswith("+json"):
            return _from_json(request.get_data())
        if kind == "multipart/form-data":
            return php.nest((name, one) for name, values in request.form.lists() for one in values)
        if kind == "application/x-www-form-urlencoded":
            return php.decode_form(request.get_data().decode("utf-8", "replace"))
    except (php.TooMuchInput, RecursionError) as error:
        raise RestError("INVALID_REQUEST", "Too many parameters", 400) from error
    except RequestEntityTooLarge:
        raise
    except (HTTPException, ValueError) as error:
        raise RestError("INVALID_REQUEST", "The request body cannot be parsed", 400) from error
    return {}


def _from_json(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    parsed = php.as_php(json.loads(raw, parse_constant=_refuse))
    if isinstance(parsed, list):
        return {str(index): one for index, one in enumerate(parsed)}
    return parsed if isinstance(parsed, dict) else {}


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
