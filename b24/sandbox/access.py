"""Who is calling: a webhook from the address, or an application's token from the parameters.

Source: settings/how-to-call-rest-api/authorization.md, _includes/system-errors.md.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from b24.sandbox.kernel import Method, RestError

if TYPE_CHECKING:
    from b24.sandbox.portal import LocalPortal


@dataclass(frozen=True)
class Caller:
    """An authenticated caller.

    ``app_id`` is ``None`` for a webhook; ``key`` names the account of working time; ``label`` goes to the
    log.
    """

    user_id: int
    is_admin: bool
    app_id: int | None
    scope: frozenset[str]
    key: str
    label: str


def by_webhook(portal: LocalPortal, user: str, code: str) -> Caller:
    """The owner of an incoming webhook ``/rest/<user>/<code>/``.

    Raises:
        RestError: ``NO_AUTH_FOUND`` (401).
    """
    row = portal.db.execute(
        "SELECT w.user_id, w.scopes, u.admin, u.active FROM webhooks w JOIN users u ON u.id = w.user_id"
        " WHERE w.code = ?",
        (code,),
    ).fetchone()
    if row is None or str(row["user_id"]) != user or not row["active"]:
        raise RestError("NO_AUTH_FOUND", "Wrong authorization data", 401)
    scope = frozenset(json.loads(row["scopes"]))
    user_id = int(row["user_id"])
    return Caller(user_id, bool(row["admin"]), None, scope, f"webhook {code}", f"webhook:{user_id}")


def by_token(portal: LocalPortal, token: str) -> Caller:
    """The user and application of an access token.

    Raises:
        RestError: ``NO_AUTH_FOUND``, ``expired_token`` or ``authorization_error``, all 401.
    """
    row = portal.db.execute(
        "SELECT t.user_id, t.expires, t.app_id, a.scopes, a.client_id, u.admin, u.active"
        " FROM tokens t JOIN apps a ON a.id = t.app_id JOIN users u ON u.id = t.user_id WHERE t.access = ?",
        (token,),
    ).fetchone()
    if row is None:
        raise RestError("NO_AUTH_FOUND", "Wrong authorization data", 401)
    if row["expires"] < portal.timestamp():
        raise RestError("expired_token", "The access token provided has expired.", 401)
    if not row["active"]:
        raise RestError("authorization_error", "Unable to authorize user", 401)
    user_id, app_id = int(row["user_id"]), int(row["app_id"])
    scope = frozenset(json.loads(row["scopes"]))
    return Caller(
        user_id, bool(row["admin"]), app_id, scope, f"app {app_id}", f"app:{row['client_id']}:{user_id}"
    )


def check(caller: Caller, method: Method) -> None:
    """Whether this caller may call this method at all.

    Raises:
        RestError: ``insufficient_scope``, ``WRONG_AUTH_TYPE`` or ``ACCESS_DENIED``, all 403.
    """
    if method.app_context and caller.app_id is None:
        text = "Current authorization type is denied for this method Application context required"
        raise RestError("WRONG_AUTH_TYPE", text, 403)
    if method.scope is not None and method.scope not in caller.scope:
        kind = "webhook token" if caller.app_id is None else "access token"
        text = f"The request requires higher privileges than provided by the {kind}"
        raise RestError("insufficient_scope", text, 403)
    if method.admin and not caller.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied!", 403)


def add_webhook(portal: LocalPortal, user_id: int, scopes: Any, title: str = "Входящий вебхук") -> str:
    """Make an incoming webhook; returns its secret code. Call inside a transaction."""
    code = secrets.token_hex(8)
    portal.db.execute(
        "INSERT INTO webhooks VALUES (?, ?, ?, ?)", (code, user_id, title, json.dumps(list(scopes)))
    )
    return code
