"""Control calls under ``/sandbox/``: they exist only in the sandbox, for tests, tools and demonstrations.

Answers are JSON; problems are ``{"error": text}`` with a 4xx. Requests from foreign pages are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from werkzeug.wrappers import Request, Response

from b24.sandbox import php
from b24.sandbox.crm import forms
from b24.sandbox.dispatch import Dispatcher
from b24.sandbox.faults import BadPlan
from b24.sandbox.incoming import read_body
from b24.sandbox.kernel import RestError

Handler = TypeVar("Handler", bound=Callable[["Control", Request, dict[str, Any]], Any])
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = []


class Problem(Exception):
    """A control call that cannot be done; the text goes to the caller."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def route(methods: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a control call; ``<n>`` in the pattern is a number."""
    full = pattern.replace("<n>", r"(?P<id>\d{1,12})")

    def add(handler: Handler) -> Handler:
        ROUTES.extend((name, re.compile(f"/sandbox/{full}/?"), handler) for name in methods.split())
        return handler

    return add


class Control:
    """Answers control calls of one portal."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.portal = dispatcher.portal

    def answer(self, request: Request) -> Response | None:
        """The answer, or ``None`` when the address is no control call (a page of the web UI may have it)."""
        matches = [(one, match, run) for one, rule, run in ROUTES if (match := rule.fullmatch(request.path))]
        if not matches:
            return None
        found = next((entry for entry in matches if entry[0] == request.method), None)
        if found is None:
            return None if request.method in {"GET", "HEAD"} else _json({"error": "method not allowed"}, 405)
        if self._foreign(request):
            return _json({"error": "control calls are refused to foreign pages"}, 403)
        return self._run(request, found[2], found[1].groupdict())

    def _foreign(self, request: Request) -> bool:
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        return (origin is not None and origin != self.portal.origin) or site not in {"none", "same-origin"}

    def _run(self, request: Request, handler: Callable[..., Any], place: dict[str, str]) -> Response:
        try:
            body = handler(self, request, place)
        except Problem as problem:
            return _json({"error": str(problem)}, problem.status)
        except forms.FormRefused as refused:
            return _json({"error": "the form was refused", "fields": refused.errors}, 400)
        except RestError as error:
            return _json({"error": str(error)}, 404 if error.status == 404 else 400)
        except BadPlan as error:
            return _json({"error": str(error)}, 400)
        return _json(body, 200)


def _json(body: Any, status: int) -> Response:
    return Response(
        php.encode_json(body),
        status,
        {"Cache-Control": "no-store"},
        content_type="application/json; charset=utf-8",
    )


def read(request: Request) -> dict[str, Any]:
    """Body (JSON or form) over query, PHP style."""
    return php.decode_form(request.query_string.decode("latin-1")) | read_body(request)


def number(params: dict[str, Any], name: str, default: int | None = None) -> int:
    """A parameter as a whole number; refuses anything else."""
    text = str(params.get(name, "" if default is None else default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise Problem(f"{name} must be a number")
    return int(text)


def truth(value: Any) -> bool:
    """Whether a parameter says yes."""
    return str(value).lower() in {"1", "y", "yes", "true"}
