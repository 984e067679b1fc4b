"""The server's side of an application frame: opening it and what the page inside asks its parent for.

The browser keeps the frame's state; every request names the application, and the signed-in person is
whoever the portal's own page is open for. Foreign pages are refused by the guard in ``session.py``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import abort, request

from b24.sandbox import apps, oauth, placement
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.session import language
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.widgets import widget_title


def body() -> dict[str, Any]:
    """The JSON object the page sent; 400 for anything else."""
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        abort(400, "Ожидался JSON-объект.")
    return found


def number(value: Any) -> int:
    """A positive id from outside; 0 for anything else."""
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def the_app(app_id: Any) -> apps.App:
    """The application named by the page; 404 for an unknown one."""
    here = desk()
    with here.portal.transaction():
        app = apps.find(here.portal, number(app_id))
    if app is None:
        abort(404, "Такого приложения на портале нет.")
    return app


@bp.post("/sandbox/frame/open")
def open_frame() -> dict[str, Any]:
    """What the browser needs to open an application: JSON ``app_id``, ``placement_id``, ``uri`` and so on.

    ``item_id`` is the card, task or colleague the widget stands at, ``activity_id`` the activity, ``params``
    what ``BX24.openApplication`` or a link of ``REST_APP_URI`` passes.

    Returns:
        ``action`` and ``fields`` of the form POST, the frame's ``name`` and ``sid``, ``init`` data.
    """
    wanted = body()
    app, here = the_app(wanted.get("app_id")), desk()
    if not app.installed and not here.portal.is_admin(here.user_id):
        abort(403, "Приложение ещё не установлено до конца. Обратитесь к администратору портала.")
    code, handler, title = widget(app, number(wanted.get("placement_id")))
    options = options_of(code, wanted)
    opened = apps.page_request(
        here.portal, app, here.user_id, placement=code, options=options, url=handler, language=language()
    )
    sid = parse_qs(urlsplit(opened.url).query)["APP_SID"][-1]
    secure = "1" if here.portal.origin.startswith("https") else "0"
    return {
        "sid": sid,
        "name": f"{here.portal.host}|{secure}|{sid}",
        "action": opened.url,
        "fields": opened.fields,
        "title": title,
        "app_id": app.id,
        "init": init_data(app, opened.fields, code, options),
    }


def widget(app: apps.App, placement_id: int) -> tuple[str, str | None, str]:
    """Code, handler and title of a widget of the application; its own page for id 0."""
    if not placement_id:
        return "DEFAULT", None, app.title
    with desk().portal.transaction() as db:
        row = db.execute(
            "SELECT * FROM placements WHERE id = ? AND app_id = ?", (placement_id, app.id)
        ).fetchone()
    if row is None or not app.installed:
        abort(404, "Этого виджета больше нет.")
    return str(row["placement"]), str(row["handler"]), widget_title(row) or app.title


def options_of(code: str, wanted: dict[str, Any]) -> dict[str, str] | None:
    """``PLACEMENT_OPTIONS``: the opened object and the page's address, or what was passed along."""
    passed = own_params(wanted.get("params"))
    if code == "DEFAULT":
        return passed
    uri = str(wanted.get("uri") or "/")[:2000]
    if code == "REST_APP_URI":
        return {"URI": uri, **(passed or {})}
    about = number(wanted.get("item_id")), number(wanted.get("activity_id"))
    return {**placement.context_keys(code, *about), "URI": uri}


def own_params(text: Any) -> dict[str, str] | None:
    """What ``BX24.openApplication`` passes on; ``None`` when the page was opened from the menu."""
    if not text:
        return None
    try:
        found = json.loads(str(text))
    except ValueError:
        abort(400, "Параметры приложения – не JSON.")
    return found if isinstance(found, dict) else None


def init_data(
    app: apps.App, fields: dict[str, str], code: str, options: dict[str, str] | None
) -> dict[str, Any]:
    """The answer to ``getInitData``."""
    here = desk()
    with here.portal.transaction():
        admin = here.portal.is_admin(here.user_id)
        first = not here.portal.get(first_run_key(app.id, here.user_id), False)
    return {
        "DOMAIN": here.portal.host,
        "PROTOCOL": "1" if here.portal.origin.startswith("https") else "0",
        "PATH": "/rest",
        "LANG": language(),
        "MEMBER_ID": here.portal.member_id,
        "IS_ADMIN": admin,
        "AUTH_ID": fields["AUTH_ID"],
        "REFRESH_ID": fields["REFRESH_ID"],
        "AUTH_EXPIRES": fields["AUTH_EXPIRES"],
        "APP_OPTIONS": app_options(app.id),
        "USER_OPTIONS": user_options(app.id),
        "PLACEMENT": code,
        "PLACEMENT_OPTIONS": options or {},
        "INSTALL": not app.installed,
        "FIRST_RUN": first,
    }


def first_run_key(app_id: int, user_id: int) -> str:
    """Where the portal remembers that the person has opened the application."""
    return f"app_opened:{app_id}:{user_id}"


def user_options_key(app_id: int) -> str:
    """Where the portal keeps the person's own options of the application."""
    return f"user_options:{app_id}:{desk().user_id}"


def app_options(app_id: int) -> dict[str, Any]:
    """Options of the application, as ``app.option.get`` answers them."""
    found = desk().portal.run("app.option.get", {}, user_id=desk().user_id, app_id=app_id).result
    return dict(found) if isinstance(found, dict) else {}


def user_options(app_id: int) -> dict[str, Any]:
    """Options of the application for this person."""
    with desk().portal.transaction():
        return dict(desk().portal.get(user_options_key(app_id), {}))


@bp.post("/sandbox/frame/<int:app_id>/refresh")
def refresh(app_id: int) -> dict[str, Any]:
    """New tokens for the page in the frame."""
    app, here = the_app(app_id), desk()
    with here.portal.transaction():
        pair = oauth.issue(here.portal, app.id, here.user_id)
    return {"AUTH_ID": pair.access, "REFRESH_ID": pair.refresh, "AUTH_EXPIRES": str(oauth.LIFETIME)}


@bp.post("/sandbox/frame/<int:app_id>/first-run")
def first_run(app_id: int) -> dict[str, Any]:
    """Remember that the person has opened the application once."""
    app, here = the_app(app_id), desk()
    with here.portal.transaction():
        here.portal.put(first_run_key(app.id, here.user_id), True)
    return {"first_run": False}


@bp.post("/sandbox/frame/<int:app_id>/install-finish")
def install_finish(app_id: int) -> dict[str, Any]:
    """``installFinish``: the application is installed and its main page opens."""
    app, here = the_app(app_id), desk()
    if not here.portal.is_admin(here.user_id):
        abort(403, "Завершить установку может только администратор.")
    apps.finish_install(here.portal, app.id, here.user_id)
    return {"redirect": f"/marketplace/app/{app.id}/"}


@bp.post("/sandbox/frame/<int:app_id>/app-option")
def set_app_option(app_id: int) -> dict[str, Any]:
    """``BX24.appOption.set``: JSON ``name`` and ``value``; administrators only, as ``app.option.set``."""
    app, here, wanted = the_app(app_id), desk(), body()
    options = {str(wanted.get("name", "")): wanted.get("value")}
    here.portal.run("app.option.set", {"options": options}, user_id=here.user_id, app_id=app.id)
    return app_options(app.id)


@bp.post("/sandbox/frame/<int:app_id>/user-option")
def set_user_option(app_id: int) -> dict[str, Any]:
    """``BX24.userOption.set``: JSON ``name`` and ``value``."""
    app, here, wanted = the_app(app_id), desk(), body()
    with here.portal.transaction():
        options = {**user_options(app.id), str(wanted.get("name", ""))[:100]: wanted.get("value")}
        here.portal.put(user_options_key(app.id), options)
    return options
