"""What every REST method of the sandbox is written against: the call, the answer, the error, the register.

A method is a function registered by name::

    @method("crm.item.get", scope="crm")
    def crm_item_get(call: Call) -> Any: ...

It returns the ``result`` of the answer, or an :class:`Answer` when ``total``/``next`` go with it, and raises
:class:`RestError` for a documented error. It runs inside one SQLite transaction: an exception rolls back
everything the call wrote, and events it emitted, unless it is an error that keeps them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class RestError(Exception):
    """A documented REST error: ``{"error": code, "error_description": description}`` with ``status``.

    ``code`` may be ``""`` or an int where the documentation shows that; ``extra`` are further keys of the
    body. ``keeps``: what the call wrote before stays.
    """

    def __init__(
        self,
        code: str | int,
        description: str = "",
        status: int = 400,
        extra: dict[str, Any] | None = None,
        *,
        keeps: bool = False,
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.status = status
        self.extra = extra or {}
        self.keeps = keeps


@dataclass(frozen=True)
class Answer:
    """A result with what a list puts beside it in the envelope."""

    result: Any
    total: int | None = None
    next: int | None = None


class Portal(Protocol):
    """The running portal as methods see it; implemented in ``portal.py``."""

    origin: str
    member_id: str
    plan: str
    connector: str

    @property
    def db(self) -> sqlite3.Connection:
        """The state, inside the transaction of the current call; rows come as ``sqlite3.Row``."""
        ...

    def now(self) -> datetime:
        """Portal time: aware, in the portal's own zone (``control/clock`` can move it); whole seconds."""
        ...

    def emit(self, event: str, data: dict[str, Any], *, user_id: int | None) -> None:
        """Queue an event (upper-case name) for every handler bound to it, sent after the commit.

        ``data`` is what stands under ``data[...]`` in the form body, e.g. ``{"FIELDS": {"ID": 7}}``.
        ``user_id`` is who caused it; ``None`` (forms, robots) means no tokens in ``auth``.
        """
        ...


@dataclass
class Call:
    """One REST call after authentication and decoding of PHP-style keys."""

    portal: Portal
    method: str
    params: dict[str, Any]
    user_id: int
    is_admin: bool
    app_id: int | None = None
    scope: frozenset[str] = field(default_factory=frozenset)

    @property
    def db(self) -> sqlite3.Connection:
        return self.portal.db


@dataclass(frozen=True)
class Method:
    """One registered REST method with the context the documentation demands of its caller."""

    name: str
    run: Callable[[Call], Any]
    scope: str | None = None
    admin: bool = False
    app_context: bool = False


METHODS: dict[str, Method] = {}
SCHEMA: list[str] = []


def method(
    name: str, *, scope: str | None = None, admin: bool = False, app_context: bool = False
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Register a REST method under its documented name; names are dispatched case-insensitively.

    Args:
        scope: the scope an application or webhook must hold, ``None`` for the basic one.
        admin: only administrators; others get ``ACCESS_DENIED``.
        app_context: only with an application's token; a webhook gets ``WRONG_AUTH_TYPE``.
    """

    def add(run: Callable[[Call], Any]) -> Callable[[Call], Any]:
        METHODS[name.lower()] = Method(name, run, scope, admin, app_context)
        return run

    return add


def tables(sql: str) -> None:
    """Declare tables of a module (``CREATE TABLE IF NOT EXISTS …``); run when the portal opens its state."""
    SCHEMA.append(sql)
