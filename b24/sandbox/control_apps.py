"""Control calls about access and applications: credentials, registering, opening, installing, removing."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox import access, apps, events, oauth
from b24.sandbox.control import Control, Problem, number, read, route, truth


@route("GET", "access")
def get_access(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, str]:
    """Fresh credentials: a webhook and tokens of the installed test application, for the administrator."""
    portal = control.portal
    with portal.transaction():
        app = tool_app(control)
        code = access.add_webhook(portal, app.installer_user, apps.ALL_SCOPES)
        pair = oauth.issue(portal, app.id, app.installer_user)
    return {
        "webhook_url": f"{portal.rest_url}{app.installer_user}/{code}/", "rest_url": portal.rest_url,
        "token_url": f"{portal.origin}/oauth/token/", "client_id": app.client_id,
        "client_secret": app.client_secret, "access_token": pair.access, "refresh_token": pair.refresh,
        "expire_url": f"{portal.origin}/sandbox/expire",
    }  # fmt: skip


def tool_app(control: Control) -> apps.App:
    """The installed application behind ``GET access``; made when somebody first asks (or removed it)."""
    portal = control.portal
    known = apps.find_by_client(portal, portal.get("test_app", ""))
    if known is not None:
        return known
    admin = (
        portal.db.execute("SELECT MIN(id) AS id FROM users WHERE admin = 1 AND active = 1").fetchone()["id"]
        or 1
    )
    home = f"{portal.origin}/sandbox/test-application"
    app = apps.register(
        portal, title="Тестовое приложение", handler_url=home, user_id=admin, interface=True, installed=True
    )
    portal.put("test_app", app.client_id)
    return app


@route("GET POST", "test-application")
def home_of_tool_app(_control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, str]:
    """The page of the test application; it has none."""
    return {"application": "test"}


@route("POST", "expire")
def expire(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, bool]:
    """Make ``access_token`` answer ``expired_token``."""
    token = read(request).get("access_token")
    if not isinstance(token, str) or not oauth.expire(control.portal, token):
        raise Problem("unknown access_token", 404)
    return {"expired": True}


@route("GET", "apps")
def list_apps(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Applications with ``member_id``, ``application_token``, handlers; ``installed`` tells if they are."""
    with control.portal.transaction():
        return [apps.describe(control.portal, app) for app in apps.every(control.portal)]


@route("POST", "apps")
def add_app(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Register an application: ``title``, ``handler_url``, ``installer_url``, ``scopes``, ``interface``."""
    params = read(request)
    handler = events.check_handler(str(params.get("handler_url") or ""))
    given = params.get("scopes") or apps.ALL_SCOPES
    scopes = (
        [one.strip() for one in given.split(",")] if isinstance(given, str) else [str(one) for one in given]
    )
    with control.portal.transaction():
        app = apps.register(
            control.portal,
            title=str(params.get("title") or "Локальное приложение")[:200],
            handler_url=handler,
            installer_url=str(params.get("installer_url") or ""),
            scopes=[one for one in scopes if one],
            user_id=number(params, "user_id", 1),
            interface=truth(params.get("interface", "1")),
        )
        return apps.describe(control.portal, app) | {"client_secret": app.client_secret}


def _app(control: Control, place: dict[str, Any]) -> apps.App:
    app = apps.find(control.portal, int(place["id"]))
    if app is None:
        raise Problem("no such application", 404)
    return app


@route("POST", "apps/<n>/move")
def move_app(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """Give an application other addresses: ``handler_url``, ``installer_url``."""
    params = read(request)
    handler = events.check_handler(str(params.get("handler_url") or ""))
    with control.portal.transaction():
        app = _app(control, place)
        apps.move(control.portal, app.id, handler, str(params.get("installer_url") or ""))
        return apps.describe(control.portal, _app(control, place))


@route("POST", "apps/<n>/open")
def open_app(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """What a browser would post to open the application: ``user_id``, ``placement``, ``options``, ``url``."""
    params = read(request)
    options = params.get("options")
    with control.portal.transaction():
        opened = apps.page_request(
            control.portal,
            _app(control, place),
            number(params, "user_id", 1),
            placement=str(params.get("placement") or "DEFAULT"),
            options={str(key): str(one) for key, one in options.items()}
            if isinstance(options, dict)
            else None,
            url=str(params["url"]) if params.get("url") else None,
        )
    return {"url": opened.url, "fields": opened.fields}


@route("POST", "apps/<n>/install-finish")
def install_finish(control: Control, request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """What ``BX24.installFinish()`` does, for an installer without a browser; ``access_token`` says who."""
    token = str(read(request).get("access_token") or "")
    with control.portal.transaction():
        app = _app(control, place)
        caller = access.by_token(control.portal, token)
        if caller.app_id != app.id or not caller.is_admin:
            raise Problem("the token is not an administrator's for this application", 403)
        return {"finished": apps.finish_install(control.portal, app.id, caller.user_id)}


@route("POST", "uninstall")
def uninstall(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, bool]:
    """Remove an application named by ``client_id`` or ``app_id``; ``clean`` is the administrator's choice."""
    params = read(request)
    with control.portal.transaction():
        app = apps.find_by_client(control.portal, str(params.get("client_id") or ""))
        app_id = app.id if app else number(params, "app_id", 0)
        if not apps.uninstall(control.portal, app_id, clean=truth(params.get("clean", "0"))):
            raise Problem("no such application", 404)
    return {"uninstalled": True}
