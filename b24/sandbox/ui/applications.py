"""Pages of applications: their own page or installer in a frame, the list of what is installed, removal."""

from __future__ import annotations

import json

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox import apps
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.widgets import widgets


@bp.get("/marketplace/app/<int:app_id>/")
@bp.get("/marketplace/app/<int:app_id>/install/")
@bp.get("/marketplace/view/<int:app_id>/")
def application(app_id: int) -> str:
    """An application in a frame: its installer until ``installFinish``, then its main page or a widget."""
    here = desk()
    with here.portal.transaction():
        app = apps.find(here.portal, app_id)
        admin = here.portal.is_admin(here.user_id)
    if app is None:
        abort(404, "Такого приложения на портале нет.")
    placement_id = request.args.get("placement", 0, int)
    return render_template(
        "application.html",
        app=app,
        blocked=not app.installed and not admin,
        placement_id=placement_id or "",
        params=request.args.get("params", ""),
        title=asked_title() or widget_name(placement_id) or app.title,
    )


def asked_title() -> str:
    """What ``BX24.openApplication`` wants the page to be called (``settings.title``)."""
    try:
        found = json.loads(request.args.get("params", ""))
    except ValueError:
        return ""
    return str(found.get("bx24_title") or "")[:200] if isinstance(found, dict) else ""


def widget_name(placement_id: int) -> str:
    """Title of a left-menu widget; empty for an application's own page."""
    return next((one.title for one in widgets("LEFT_MENU") if one.id == placement_id), "")


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
