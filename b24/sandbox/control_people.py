"""Control calls about colleagues: making, dismissing, promoting them, and what they may do in the CRM."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox import access, apps, oauth, users
from b24.sandbox.control import Control, Problem, number, read, route, truth
from b24.sandbox.control_apps import tool_app
from b24.sandbox.crm import rights


@route("GET", "users")
def list_users(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Everybody, dismissed people too."""
    with control.portal.transaction() as db:
        return [
            users.card(row) | {"ADMIN": bool(row["admin"])}
            for row in db.execute("SELECT * FROM users ORDER BY id")
        ]


@route("POST", "users")
def add_user(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Make a colleague: ``name``, ``last_name``, ``email``, ``admin``, ``department``, ``position``."""
    params = read(request)
    with control.portal.transaction():
        user_id = users.add_user(
            control.portal,
            name=str(params.get("name") or "Новый"),
            last_name=str(params.get("last_name") or "Сотрудник"),
            email=str(params.get("email") or ""),
            departments=(number(params, "department", 1),),
            admin=truth(params.get("admin", "0")),
            position=str(params.get("position") or ""),
        )
        return _user_access(control, user_id)


def _user_access(control: Control, user_id: int) -> dict[str, Any]:
    """A colleague's id with a webhook and tokens of the test application in their name."""
    code = access.add_webhook(control.portal, user_id, apps.ALL_SCOPES)
    pair = oauth.issue(control.portal, tool_app(control).id, user_id)
    return {
        "id": user_id, "webhook_url": f"{control.portal.rest_url}{user_id}/{code}/",
        "access_token": pair.access,
        "refresh_token": pair.refresh,
    }  # fmt: skip


def _user_id(control: Control, place: dict[str, Any]) -> int:
    user_id = int(place["id"])
    if control.portal.db.execute("SELECT 1 FROM users WHERE id = ?", (user_id,)).fetchone() is None:
        raise Problem("no such user", 404)
    return user_id


@route("POST", "users/<n>/access")
def user_access(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """A webhook and tokens in the name of any colleague."""
    with control.portal.transaction():
        return _user_access(control, _user_id(control, place))


@route("POST", "users/<n>/dismiss")
def dismiss(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """The colleague leaves: tokens, webhooks and refresh tokens stop working."""
    with control.portal.transaction():
        users.set_active(control.portal, _user_id(control, place), False)
    return {"active": False}


@route("POST", "users/<n>/restore")
def restore(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """The colleague is back."""
    with control.portal.transaction():
        users.set_active(control.portal, _user_id(control, place), True)
    return {"active": True}


@route("POST", "users/<n>/admin")
def make_admin(control: Control, request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """Give (``admin=1``) or take (``admin=0``) administrator rights."""
    admin = truth(read(request).get("admin", "1"))
    with control.portal.transaction() as db:
        db.execute("UPDATE users SET admin = ? WHERE id = ?", (int(admin), _user_id(control, place)))
    return {"admin": admin}


@route("POST", "users/<n>/rights")
def set_rights(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """Set CRM rights of a colleague: ``entity_type_id`` (0 for all), and ``read=own``, ``update=none`` …"""
    params = read(request)
    entity_type_id = number(params, "entity_type_id", 0)
    wanted = {name: str(params[name]) for name in rights.ACTIONS if name in params}
    if not wanted or not set(wanted.values()) <= set(rights.SCOPES):
        raise Problem(f"give some of {', '.join(rights.ACTIONS)} as one of {', '.join(rights.SCOPES)}")
    with control.portal.transaction() as db:
        user_id = _user_id(control, place)
        for action, scope in wanted.items():
            rights.grant(db, user_id, entity_type_id, action, scope)
    return {"user_id": user_id, "entity_type_id": entity_type_id} | wanted
