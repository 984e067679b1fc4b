"""The authorisation server: access tokens that live an hour, refresh tokens that rotate, one-time codes.

On a real portal this is another host (``oauth.bitrix.info``); here it answers on the portal's own origin.
Errors and their odd statuses (``wrong_client`` arrives with HTTP 200) follow what official clients expect.

Source: settings/oauth/index.md, auto-renewal.md, error-codes.md.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from b24.sandbox.kernel import RestError, tables

if TYPE_CHECKING:
    from b24.sandbox.apps import App
    from b24.sandbox.portal import LocalPortal

#: How the authorisation server calls itself in ``domain``; never the portal (auto-renewal.md).
SERVER = "oauth.bitrix.info"
LIFETIME = 3600
REFRESH_LIFETIME = 180 * 24 * 3600
CODE_LIFETIME = 30

tables(
    """
    CREATE TABLE IF NOT EXISTS tokens (
        access TEXT PRIMARY KEY, app_id INTEGER NOT NULL, user_id INTEGER NOT NULL, expires REAL NOT NULL);
    CREATE INDEX IF NOT EXISTS tokens_by_app ON tokens (app_id);
    CREATE TABLE IF NOT EXISTS refresh_tokens (
        refresh TEXT PRIMARY KEY, app_id INTEGER NOT NULL, user_id INTEGER NOT NULL, expires REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS codes (
        code TEXT PRIMARY KEY, app_id INTEGER NOT NULL, user_id INTEGER NOT NULL, expires REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS webhooks (
        code TEXT PRIMARY KEY, user_id INTEGER NOT NULL, title TEXT NOT NULL, scopes TEXT NOT NULL);
    """
)


@dataclass(frozen=True)
class Pair:
    """Tokens of one user for one application; ``expires`` in unix seconds of the portal's clock."""

    access: str
    refresh: str
    expires: int


def issue(portal: LocalPortal, app_id: int, user_id: int) -> Pair:
    """A fresh pair of tokens; call inside a transaction."""
    access, refresh, moment = secrets.token_hex(35), secrets.token_hex(35), portal.timestamp()
    _keep(portal, access, app_id, user_id, moment)
    portal.db.execute(
        "INSERT INTO refresh_tokens VALUES (?, ?, ?, ?)",
        (refresh, app_id, user_id, moment + REFRESH_LIFETIME),
    )
    return Pair(access, refresh, int(moment) + LIFETIME)


def issue_access(portal: LocalPortal, app_id: int, user_id: int) -> str:
    """An access token alone, as events carry it; call inside a transaction."""
    access = secrets.token_hex(35)
    _keep(portal, access, app_id, user_id, portal.timestamp())
    return access


def _keep(portal: LocalPortal, access: str, app_id: int, user_id: int, moment: float) -> None:
    portal.db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", (access, app_id, user_id, moment + LIFETIME))
    if secrets.randbelow(200) == 0:
        portal.db.execute("DELETE FROM tokens WHERE expires < ?", (moment - 7 * 24 * 3600,))


def expire(portal: LocalPortal, access: str) -> bool:
    """Make an access token answer ``expired_token`` from now on; whether it was known."""
    with portal.transaction() as db:
        moment = portal.timestamp() - 1
        return db.execute("UPDATE tokens SET expires = ? WHERE access = ?", (moment, access)).rowcount > 0


def revoke_all(portal: LocalPortal, app_id: int) -> None:
    """Every token and code of an application stops existing; call inside a transaction."""
    for table in ("tokens", "refresh_tokens", "codes"):
        portal.db.execute(f"DELETE FROM {table} WHERE app_id = ?", (app_id,))


def issue_code(portal: LocalPortal, app_id: int, user_id: int) -> str:
    """A one-time authorisation code, good for 30 seconds."""
    code = secrets.token_hex(35)
    with portal.transaction() as db:
        db.execute(
            "INSERT INTO codes VALUES (?, ?, ?, ?)",
            (code, app_id, user_id, portal.timestamp() + CODE_LIFETIME),
        )
    return code


def authorize_redirect(portal: LocalPortal, client_id: str, state: str, user_id: int) -> str | None:
    """Where ``/oauth/authorize/`` sends a signed-in user; ``None`` unless the application is installed."""
    from b24.sandbox import apps

    app = apps.find_by_client(portal, client_id)
    if app is None or not app.installed:
        return None
    back = {
        "code": issue_code(portal, app.id, user_id), "state": state, "domain": portal.host,
        "member_id": portal.member_id, "scope": ",".join(app.scopes), "server_domain": portal.host,
    }  # fmt: skip
    query = urlencode(back)
    return f"{app.handler_url}{'&' if '?' in app.handler_url else '?'}{query}"


def token_answer(portal: LocalPortal, params: dict[str, Any]) -> dict[str, Any]:
    """What ``/oauth/token/`` answers: a new pair for a code or a refresh token; the old one is spent.

    Raises:
        RestError: with the code and the HTTP status of the authorisation server.
    """
    grant = str(params.get("grant_type") or "")
    if grant not in {"authorization_code", "refresh_token"}:
        raise RestError("invalid_request", "Invalid grant_type parameter or parameter missing", 400)
    app = _client(portal, params)
    key = "code" if grant == "authorization_code" else "refresh_token"
    with portal.transaction():
        user_id = _spend(portal, app, key, params)
        pair = issue(portal, app.id, user_id)
    return _token_body(portal, app, user_id, pair)


def _client(portal: LocalPortal, params: dict[str, Any]) -> App:
    from b24.sandbox import apps

    client_id = str(params.get("client_id") or "")
    if not client_id:
        raise RestError("invalid_client", "Client id was not found in the headers or body", 400)
    app = apps.find_by_client(portal, client_id)
    if app is None:
        raise RestError("wrong_client", "", 200)
    if not secrets.compare_digest(
        app.client_secret.encode(), str(params.get("client_secret") or "").encode()
    ):
        raise RestError("invalid_client", "Client authentication failed", 401)
    return app


def _spend(portal: LocalPortal, app: App, key: str, params: dict[str, Any]) -> int:
    """The user of a code or refresh token, which stops working with this."""
    value = str(params.get(key) or "")
    if not value:
        raise RestError("invalid_request", f'No "{key}" parameter found', 400)
    table, column = ("codes", "code") if key == "code" else ("refresh_tokens", "refresh")
    row = portal.db.execute(
        f"DELETE FROM {table} WHERE {column} = ? AND app_id = ? RETURNING user_id, expires", (value, app.id)
    ).fetchone()
    if row is None or row["expires"] < portal.timestamp() or not _may_sign_in(portal, row["user_id"]):
        raise RestError("invalid_grant", "The provided authorization grant is invalid, expired, revoked", 400)
    return int(row["user_id"])


def _may_sign_in(portal: LocalPortal, user_id: int) -> bool:
    row = portal.db.execute("SELECT active FROM users WHERE id = ?", (user_id,)).fetchone()
    return row is not None and bool(row["active"])


def token_info(portal: LocalPortal, params: dict[str, Any]) -> dict[str, Any]:
    """What the authorisation server's own ``app.info`` tells of an access token: whose it is and for what.

    Source: settings/oauth/simple-way.md; keys as the official Python SDK reads them.

    Raises:
        RestError: ``expired_token`` or ``invalid_token`` (401).
    """
    from b24.sandbox import apps
    from b24.sandbox.portal import iso_of

    row = portal.db.execute(
        "SELECT app_id, user_id, expires FROM tokens WHERE access = ?", (str(params.get("auth") or ""),)
    ).fetchone()
    app = apps.find(portal, row["app_id"]) if row is not None else None
    if app is None:
        raise RestError("invalid_token", "Unable to get application by token", 401)
    if row["expires"] < portal.timestamp():
        raise RestError("expired_token", "The access token provided has expired.", 401)
    scope = ",".join(app.scopes)
    install = {
        "installed": app.installed, "version": app.version, "status": app.status, "scope": scope,
        "domain": urlsplit(portal.origin).hostname, "uri": portal.origin, "client_endpoint": portal.rest_url,
        "member_id": portal.member_id, "member_type": "",
    }  # fmt: skip
    ends = iso_of(row["expires"])
    return {
        "client_id": app.client_id, "scope": scope, "expires": ends, "install": install, "user_id": row["user_id"],
    }  # fmt: skip


def _token_body(portal: LocalPortal, app: App, user_id: int, pair: Pair) -> dict[str, Any]:
    return {
        "access_token": pair.access, "expires": pair.expires, "expires_in": LIFETIME,
        "scope": ",".join(app.scopes),
        "domain": SERVER, "server_endpoint": portal.rest_url, "status": app.status,
        "client_endpoint": portal.rest_url, "member_id": portal.member_id, "user_id": user_id,
        "refresh_token": pair.refresh,
    }  # fmt: skip
