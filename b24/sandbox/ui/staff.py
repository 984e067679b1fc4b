"""What an administrator does with colleagues: dismissing them, taking them back, setting their CRM rights."""

from __future__ import annotations

from flask import abort, redirect, request
from werkzeug.wrappers import Response

from b24.sandbox import users
from b24.sandbox.crm import rights
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.funnels import demand_administrator
from b24.sandbox.ui.people import SCOPES
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import people

LIMITED = ("read", "update", "delete")


def addressed_colleague() -> int:
    """Id of the colleague a form is about; 404 for an unknown one."""
    demand_administrator()
    user_id = request.form.get("user_id", 0, int)
    if user_id not in people():
        abort(404, "Такого сотрудника нет.")
    return user_id


@bp.post("/sandbox/ui/staff/<any(dismiss, restore):action>")
def change_state(action: str) -> Response:
    """Dismiss a colleague or take them back. Their cards and tasks stay as they are."""
    user_id, here = addressed_colleague(), desk()
    if user_id == here.user_id:
        abort(400, "Себя не увольняют.")
    with here.portal.transaction():
        users.set_active(here.portal, user_id, action == "restore")
    return redirect(f"/company/personal/user/{user_id}/", 303)


@bp.post("/sandbox/ui/staff/rights")
def set_rights() -> Response:
    """How far a colleague may read, change and delete cards: ``scope``, for all types at once."""
    user_id, here = addressed_colleague(), desk()
    scope = request.form.get("scope", "")
    if scope not in SCOPES:
        abort(400, "Таких прав нет.")
    with here.portal.transaction() as db:
        for action in LIMITED:
            rights.grant(db, user_id, 0, action, scope)
    return redirect(f"/company/personal/user/{user_id}/", 303)
