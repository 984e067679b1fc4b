"""Pages of applications: their own page or installer in a frame, the list of what is installed, removal."""

from __future__ import annotations

import json
import re

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox import apps
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.widgets import widget_title, widgets

LINK_PARAMETER = re.compile(r"params\[([^\[\]]+)\]")


@bp.get("/marketplace/app/<int:app_id>/")
@bp.get("/marketplace/app/<int:app_id>/install/")
def application(app_id: int) -> str:
    """An application in a frame: its installer until ``installFinish``, then its main page or a widget."""
    return shown(app_id, request.args.get("placement", 0, int), request.args.get("params", ""))


@bp.get("/marketplace/view/<code>/")
def by_link(code: str) -> str:
    """What a link to the application opens: its ``REST_APP_URI`` widget with the link's ``params``, else its page.

    Source: api-reference/widgets/universal/app-url.md.
    """
    here = desk()
    with here.portal.transaction():
        app = apps.find_by_client(here.portal, code)
    if app is None:
        abort(404, "Такого приложения на портале нет.")
    handler = next((one for one in widgets("REST_APP_URI") if one.app_id == app.id), None)
    if handler is None:
        return shown(app.id, 0, "")
    named = {LINK_PARAMETER.fullmatch(name): value for name, value in request.args.items()}
    return shown(app.id, handler.id, json.dumps({name[1]: value for name, value in named.items() if name}))


def shown(app_id: int, placement_id: int, params: str) -> str:
    """The page with the frame; ``params`` is JSON for the application."""
    here = desk()
    with here.portal.transaction():
        app = apps.find(here.portal, app_id)
        admin = here.portal.is_admin(here.user_id)
    if app is None:
        abort(404, "Такого приложения на портале нет.")
    return render_template(
        "application.html",
        app=app,
        blocked=not app.installed and not admin,
        placement_id=placement_id or "",
        item_id=request.args.get("item", 0, int) or "",
        activity_id=request.args.get("activity", 0, int) or "",
        params=params,
        title=asked_title(params) or widget_name(app, placement_id),
    )


def asked_title(params: str) -> str:
    """What ``BX24.openApplication`` wants the page to be called (``settings.title``)."""
    try:
        found = json.loads(params)
    except ValueError:
        return ""
    return str(found.get("bx24_title") or "")[:200] if isinstance(found, dict) else ""


def widget_name(app: apps.App, placement_id: int) -> str:
    """Title of a widget; the application's name for its own page and for a widget without a title."""
    with desk().portal.transaction() as db:
        query = "SELECT * FROM placements WHERE id = ? AND app_id = ?"
        row = db.execute(query, (placement_id, app.id)).fetchone()
    return (widget_title(row) if row is not None else "") or app.title


@bp.get("/marketplace/")
@bp.get("/marketplace/installed/")
def installed() -> str:
    """All applications of the portal with their state."""
    here = desk()
    with here.portal.transaction():
        rows = [apps.describe(here.portal, app) for app in apps.every(here.portal)]
        admin = here.portal.is_admin(here.user_id)
    return render_template("applications.html", rows=rows, admin=admin)


@bp.post("/sandbox/ui/uninstall")
def uninstall() -> Response:
    """Remove an application as an administrator; ``clean`` is «удалить настройки и данные»."""
    here = desk()
    if not here.portal.is_admin(here.user_id):
        abort(403, "Удалять приложения может только администратор.")
    if not apps.uninstall(
        here.portal, request.form.get("app_id", 0, int), clean=request.form.get("clean") == "1"
    ):
        abort(404, "Такого приложения на портале нет.")
    return redirect("/marketplace/installed/")
