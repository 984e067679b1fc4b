"""Applications of the portal: registered, opened, installed through their installer page, removed.

The sequence is the real one. An administrator registers a local application; opening it shows its installer
in an
iframe, loaded by a form POST; until the page calls ``installFinish`` there are no widgets and no events; then
``ONAPPINSTALL`` goes to the handlers bound to it. An application without a user interface is installed at
once and gets
``ONAPPINSTALL`` at its installation address.

Source: settings/app-installation/installation-finish.md, settings/oauth/simple-way.md,
settings/app-uninstallation.md,
api-reference/common/events/on-app-install.md, on-app-uninstall.md.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from b24.sandbox import oauth
from b24.sandbox.kernel import tables

if TYPE_CHECKING:
    from b24.sandbox.portal import LocalPortal

ALL_SCOPES = (
    "crm", "userfieldconfig", "placement", "user", "user_basic", "user_brief", "department", "task", "tasks",
    "tasks_extended", "im", "imbot", "bizproc", "biconnector", "messageservice", "userconsent", "disk",
    "calendar", "log", "sonet_group", "entity", "lists", "mailservice", "mobile", "pull", "telephony",
    "timeman",
    "landing",
)  # fmt: skip
"""Permissions the portal knows; the test application and webhooks hold them all."""

tables(
    """
    CREATE TABLE IF NOT EXISTS apps (
        id INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL UNIQUE, client_secret TEXT NOT NULL,
        title TEXT NOT NULL, handler_url TEXT NOT NULL, installer_url TEXT NOT NULL DEFAULT '',
        scopes TEXT NOT NULL, application_token TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'L',
        version INTEGER NOT NULL DEFAULT 1, interface INTEGER NOT NULL DEFAULT 1,
        installed INTEGER NOT NULL DEFAULT 0, installer_user INTEGER NOT NULL DEFAULT 1,
        language TEXT NOT NULL DEFAULT 'ru');
    """
)


@dataclass(frozen=True)
class App:
    """One registered application.

    ``installed`` turns true at ``installFinish``. ``scopes`` are the granted permissions,
    ``application_token`` proves to
    the application that a call came from this portal.
    """

    id: int
    client_id: str
    client_secret: str
    title: str
    handler_url: str
    installer_url: str
    scopes: tuple[str, ...]
    application_token: str
    status: str
    version: int
    interface: bool
    installed: bool
    installer_user: int
    language: str

    @property
    def start_url(self) -> str:
        """What the portal opens: the installer until the installation is finished, then the application."""
        return self.handler_url if self.installed or not self.installer_url else self.installer_url


@dataclass(frozen=True)
class PageRequest:
    """The POST by which the portal opens a page of an application: address with query, fields of the body."""

    url: str
    fields: dict[str, str]


def _app(row: Any) -> App:
    values = dict(row)
    values["scopes"] = tuple(json.loads(values["scopes"]))
    values["interface"] = bool(values["interface"])
    values["installed"] = bool(values["installed"])
    return App(**values)


def find(portal: Any, app_id: int) -> App | None:
    """The application with this number, or ``None``."""
    row = portal.db.execute("SELECT * FROM apps WHERE id = ?", (app_id,)).fetchone()
    return None if row is None else _app(row)


def find_by_client(portal: Any, client_id: str) -> App | None:
    """The application with this ``client_id``, or ``None``."""
    row = portal.db.execute("SELECT * FROM apps WHERE client_id = ?", (client_id,)).fetchone()
    return None if row is None else _app(row)


def every(portal: Any) -> list[App]:
    """All applications, oldest first."""
    return [_app(row) for row in portal.db.execute("SELECT * FROM apps ORDER BY id").fetchall()]


def register(
    portal: LocalPortal,
    *,
    title: str,
    handler_url: str,
    installer_url: str = "",
    scopes: Iterable[str] = ALL_SCOPES,
    user_id: int = 1,
    interface: bool = True,
    installed: bool = False,
) -> App:
    """Add a local application the way «Разработчикам» does; it is not installed yet.

    Args:
        handler_url: the main page of the application ("Путь вашего обработчика").
        installer_url: the page of the first installation; empty means the main page installs itself.
        interface: ``False`` for "uses only API": installed at once, told by ``ONAPPINSTALL`` at the
            installer's address.
        installed: skip the installation (the test application of ``/sandbox/access``).
    """
    with portal.transaction() as db:
        row = {
            "client_id": f"local.{secrets.token_hex(7)}.{secrets.randbelow(10**8):08d}",
            "client_secret": secrets.token_urlsafe(40)[:50], "title": title, "handler_url": handler_url,
            "installer_url": installer_url, "scopes": json.dumps(list(scopes)),
            "application_token": secrets.token_hex(16), "interface": int(interface),
            "installed": int(installed),
            "installer_user": user_id,
        }  # fmt: skip
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        added = db.execute(f"INSERT INTO apps ({columns}) VALUES ({marks}) RETURNING *", tuple(row.values()))
        app = _app(added.fetchone())
        if not interface:
            finish_install(portal, app.id, user_id)
    return find(portal, app.id) or app


def move(portal: LocalPortal, app_id: int, handler_url: str, installer_url: str) -> None:
    """Give an application other addresses, as its administrator does under «Разработчикам»; tabs and events stay."""
    with portal.transaction() as db:
        db.execute(
            "UPDATE apps SET handler_url = ?, installer_url = ? WHERE id = ?",
            (handler_url, installer_url, app_id),
        )


def page_request(
    portal: LocalPortal,
    app: App,
    user_id: int,
    *,
    placement: str = "DEFAULT",
    options: dict[str, str] | None = None,
    url: str | None = None,
    language: str = "ru",
) -> PageRequest:
    """The POST that opens a page of the application for ``user_id``; tokens are issued for that user.

    Args:
        placement: ``"DEFAULT"`` is the application's own page, otherwise the code of the widget.
        options: ``PLACEMENT_OPTIONS``; ``None`` leaves the key out as the documentation of the main page
            shows.
        url: the handler of the widget; the application's own page when absent.
    """
    with portal.transaction():
        pair = oauth.issue(portal, app.id, user_id)
    target = url or app.start_url
    query = urlencode(
        {
            "DOMAIN": portal.host,
            "PROTOCOL": _protocol(portal),
            "LANG": language,
            "APP_SID": secrets.token_hex(16),
        }
    )
    fields = {
        "AUTH_ID": pair.access, "AUTH_EXPIRES": str(oauth.LIFETIME), "REFRESH_ID": pair.refresh,
        "SERVER_ENDPOINT": portal.rest_url, "APPLICATION_TOKEN": app.application_token,
        "APPLICATION_SCOPE": ",".join(app.scopes), "member_id": portal.member_id, "status": app.status,
        "PLACEMENT": placement,
    }  # fmt: skip
    if options is not None:
        fields["PLACEMENT_OPTIONS"] = json.dumps(options, separators=(",", ":")).replace("/", "\\/")
    return PageRequest(f"{target}{'&' if '?' in target else '?'}{query}", fields)


def _protocol(portal: LocalPortal) -> str:
    return "1" if portal.origin.startswith("https") else "0"


def finish_install(portal: LocalPortal, app_id: int, user_id: int) -> bool:
    """``BX24.installFinish()``: from now on widgets show and events flow; tells ``ONAPPINSTALL`` handlers.

    Returns:
        Whether the call changed anything; only an administrator finishes an installation, and only once.
    """
    from b24.sandbox import events

    with portal.transaction() as db:
        app = find(portal, app_id)
        if app is None or app.installed or not portal.is_admin(user_id):
            return False
        db.execute("UPDATE apps SET installed = 1, installer_user = ? WHERE id = ?", (user_id, app_id))
        events.announce_install(portal, app, user_id)
        portal.after_commit(portal.queue_grew.set)
    return True


def uninstall(portal: LocalPortal, app_id: int, *, clean: bool) -> bool:
    """Remove an application: ``ONAPPUNINSTALL`` to its handlers, tokens dead, handlers and widgets gone.

    Args:
        clean: the administrator's choice "delete the application's settings and data".

    Returns:
        Whether there was such an application.
    """
    from b24.sandbox import events

    with portal.transaction() as db:
        app = find(portal, app_id)
        if app is None:
            return False
        events.announce_uninstall(portal, app, clean=clean)
        oauth.revoke_all(portal, app_id)
        for table in ("event_handlers", "offline_events", "placements", "app_options", "user_options"):
            db.execute(f"DELETE FROM {table} WHERE app_id = ?", (app_id,))
        db.execute("DELETE FROM apps WHERE id = ?", (app_id,))
        portal.after_commit(portal.queue_grew.set)
    return True


def describe(portal: LocalPortal, app: App) -> dict[str, Any]:
    """An application as ``GET control/apps`` shows it, with its handlers and widgets."""
    handlers = portal.db.execute(
        "SELECT id, event, handler, auth_type, offline FROM event_handlers WHERE app_id = ? ORDER BY id",
        (app.id,),
    ).fetchall()
    widgets = portal.db.execute(
        "SELECT id, placement, handler, title FROM placements WHERE app_id = ? ORDER BY id", (app.id,)
    ).fetchall()
    return {
        "id": app.id, "client_id": app.client_id, "title": app.title, "installed": app.installed,
        "member_id": portal.member_id, "application_token": app.application_token,
        "handler_url": app.handler_url, "installer_url": app.installer_url, "scope": list(app.scopes),
        "status": app.status, "handlers": [dict(row) for row in handlers],
        "placements": [dict(row) for row in widgets],
    }  # fmt: skip
