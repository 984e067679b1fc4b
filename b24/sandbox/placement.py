"""Widgets of applications: where they may stand and which handler shows them.

Source: api-reference/widgets/placement-bind.md, placement-unbind.md, placement-get.md, placement-list.md,
placements.md.
"""

from __future__ import annotations

import json
from typing import Any

from b24.sandbox.event_names import entity_type_ids
from b24.sandbox.events import check_handler
from b24.sandbox.kernel import Call, RestError, method, tables
from b24.sandbox.php import whole
from b24.sandbox.users import upper_keys

tables(
    """
    CREATE TABLE IF NOT EXISTS placements (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER NOT NULL, placement TEXT NOT NULL,
        handler TEXT NOT NULL,
        user_id INTEGER NOT NULL DEFAULT 0, title TEXT NOT NULL DEFAULT '',
        description TEXT NOT NULL DEFAULT '',
        options TEXT NOT NULL DEFAULT '[]', languages TEXT NOT NULL DEFAULT '{}');
    CREATE INDEX IF NOT EXISTS placements_by_place ON placements (placement);
    """
)

MAIN = ("LEAD", "DEAL", "CONTACT", "COMPANY", "QUOTE", "SMART_INVOICE")
OBJECT_PLACES = {
    "LIST_TOOLBAR": (*MAIN, "ORDER"),
    "DETAIL_TOOLBAR": MAIN,
    "ACTIVITY_TIMELINE_MENU": ("LEAD", "DEAL", "QUOTE", "SMART_INVOICE"),
    "DETAIL_TAB": (*MAIN, "ORDER"),
    "DETAIL_ACTIVITY": (*MAIN, "ORDER"),
    "LIST_MENU": (*MAIN, "ACTIVITY"),
    "DOCUMENTGENERATOR_BUTTON": MAIN,
    "ROBOT_DESIGNER_TOOLBAR": ("LEAD", "DEAL", "SMART_INVOICE"),
    "FUNNELS_TOOLBAR": ("SMART_INVOICE",),
}
"""Objects each place of the CRM is documented for; smart processes have all of them."""
REQUISITES = ("CRM_REQUISITE_AUTOCOMPLETE", "CRM_BANK_DETAIL_AUTOCOMPLETE")
CRM_PLACES = (
    "CRM_FUNNELS_TOOLBAR", "CRM_ANALYTICS_MENU", "CRM_ANALYTICS_TOOLBAR", "CRM_DETAIL_SEARCH", *REQUISITES,
)  # fmt: skip
BY_SCOPE = {
    "task": (
        "TASK_VIEW_TAB", "TASK_VIEW_SIDEBAR", "TASK_VIEW_TOP_PANEL", "TASK_LIST_CONTEXT_MENU",
        "TASK_USER_LIST_TOOLBAR", "TASK_GROUP_LIST_TOOLBAR", "TASK_ROBOT_DESIGNER_TOOLBAR",
    ),
    "im": ("IM_CONTEXT_MENU", "IM_NAVIGATION", "IM_SIDEBAR", "IM_TEXTAREA", "IMMOBILE_CONTEXT_MENU"),
    "user": ("USER_PROFILE_MENU", "USER_PROFILE_TOOLBAR"),
    "calendar": ("CALENDAR_GRIDVIEW",),
    "telephony": ("CALL_CARD", "TELEPHONY_ANALYTICS_MENU"),
    "contact_center": ("CONTACT_CENTER",),
    "sonet_group": ("SONET_GROUP_DETAIL_TAB", "SONET_GROUP_ROBOT_DESIGNER_TOOLBAR", "SONET_GROUP_TOOLBAR"),
    "placement": (
        "LEFT_MENU", "REST_APP_URI", "PAGE_BACKGROUND_WORKER", "BI_ANALYTICS_MENU", "IM_SMILES_SELECTOR",
    ),
}  # fmt: skip
ONCE = frozenset({"REST_APP_URI", "PAGE_BACKGROUND_WORKER"})
IM_OPTIONS = {"extranet": "N", "context": "ALL", "role": "USER"}
WITH_ICON = ("IM_NAVIGATION", "IM_SIDEBAR", "IM_TEXTAREA")
KEPT_OPTIONS = {
    "PAGE_BACKGROUND_WORKER": ("errorHandlerUrl",),
    **dict.fromkeys(REQUISITES, ("countries",)),
}
ACTIVITY_OPTIONS = ("useBuiltInInterface", "newUserNotificationTitle", "newUserNotificationText")
ACTIVITY = "6"
"""``ASSOCIATED_ENTITY_TYPE_ID`` of an activity: api-reference/widgets/crm/activity-timeline-menu.md."""


def codes_by_scope(call: Call) -> dict[str, list[str]]:
    """Placement codes under the scope that opens them; ``placement`` stands for those open to everybody.

    Source: api-reference/widgets/placements.md and the table "Where the widget is embedded" of each page.
    """
    dynamic = [f"DYNAMIC_{number}" for number in entity_type_ids(call.db)]
    crm = [f"CRM_{one}_{place}" for place, objects in OBJECT_PLACES.items() for one in (*objects, *dynamic)]
    return {"crm": [*crm, *CRM_PLACES], **{scope: list(codes) for scope, codes in BY_SCOPE.items()}}


def context_keys(code: str, subject: int, activity: int = 0) -> dict[str, str]:
    """The place's own keys of ``PLACEMENT_OPTIONS``; ``URI`` comes along with them everywhere.

    Args:
        subject: id of the card, the task or the colleague the widget was opened at; 0 for none.
        activity: id of the activity for a menu of the timeline.

    Source: section PLACEMENT_OPTIONS of the pages under api-reference/widgets.
    """
    if code == "PAGE_BACKGROUND_WORKER":
        return {"ID": code}
    name = context_key(code)
    if not subject or not name:
        return {}
    if code.endswith("_ACTIVITY_TIMELINE_MENU"):
        more = {"ASSOCIATED_ENTITY_ID": str(activity), "ASSOCIATED_ENTITY_TYPE_ID": ACTIVITY}
        return {name: str(subject), **more}
    return {name: str(subject)}


def context_key(code: str) -> str:
    """Under which key a place tells the card, task or colleague it stands at; empty where it tells none."""
    if code.startswith("TASK_VIEW_"):
        return "taskId"
    if code.startswith("USER_PROFILE_") or code == "TASK_USER_LIST_TOOLBAR":
        return "USER_ID"
    if code.endswith(("_DOCUMENTGENERATOR_BUTTON", "_ACTIVITY_TIMELINE_MENU")):
        return "ENTITY_ID"
    if code.endswith("_DETAIL_TOOLBAR"):
        return "ID" if code.split("_")[1] in ("LEAD", "DEAL", "CONTACT", "COMPANY") else "ENTITY_ID"
    at_one = ("_LIST_MENU", "_DETAIL_TAB", "_DETAIL_ACTIVITY", "TASK_LIST_CONTEXT_MENU")
    return "ID" if code.endswith(at_one) else ""


def _argument(name: str, status: int, text: str = "is null or empty") -> RestError:
    return RestError("ERROR_ARGUMENT", f"Argument '{name}' {text}", status, {"argument": name})


def _required(params: dict[str, Any], name: str, status: int) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _argument(name, status)
    return value.strip()


def _languages(params: dict[str, Any]) -> dict[str, dict[str, str]]:
    given = params.get("LANG_ALL")
    languages = given if isinstance(given, dict) else {}
    own = {
        "TITLE": params.get("TITLE"),
        "DESCRIPTION": params.get("DESCRIPTION"),
        "GROUP_NAME": params.get("GROUP_NAME"),
    }
    if not languages and any(own.values()):
        languages = {"ru": own}
    return {
        str(code): {
            key: str(upper_keys(texts).get(key) or "") for key in ("TITLE", "DESCRIPTION", "GROUP_NAME")
        }
        for code, texts in languages.items()
        if isinstance(texts, dict)
    }


def _check_place(call: Call, code: str, params: dict[str, Any]) -> None:
    """What cannot be bound: unknown codes, a second handler where one is allowed, a user where none is."""
    scopes = [scope for scope, codes in codes_by_scope(call).items() if code in codes]
    if not scopes or not (set(scopes) & (call.scope | {"placement"})):
        raise RestError("ERROR_PLACEMENT_NOT_FOUND", "Placement not found", 400)
    if params.get("USER_ID") and code != "PAGE_BACKGROUND_WORKER":
        raise RestError("ERROR_PLACEMENT_USER_MODE", "User mode is not available", 200)
    options = params.get("OPTIONS")
    if code == "PAGE_BACKGROUND_WORKER" and not (
        isinstance(options, dict) and options.get("errorHandlerUrl")
    ):
        raise RestError("EMPTY_ERROR_HANDLER_URL", "Option errorHandlerUrl is empty", 200)
    if code in WITH_ICON and not (isinstance(options, dict) and options.get("iconName")):
        raise _argument("iconName", 200)
    taken = call.db.execute(
        "SELECT 1 FROM placements WHERE app_id = ? AND placement = ?", (call.app_id, code)
    ).fetchone()
    if code in ONCE and taken is not None:
        raise RestError("ERROR_PLACEMENT_MAX_COUNT", "Placement max count", 200)


@method("placement.bind", scope="placement", admin=True, app_context=True)
def placement_bind(call: Call) -> bool:
    """Register a widget. Source: api-reference/widgets/placement-bind.md."""
    params = upper_keys(call.params)
    code = _required(params, "PLACEMENT", 200).upper()
    handler = check_handler(_required(params, "HANDLER", 200))
    _check_place(call, code, params)
    user_id = whole(params.get("USER_ID"))
    row = (call.app_id, code, handler, user_id)
    if call.db.execute(
        "SELECT 1 FROM placements WHERE app_id = ? AND placement = ? AND handler = ? AND user_id = ?", row
    ).fetchone():
        raise RestError("ERROR_CORE", "Unable to set placement handler: Handler already binded", 400)
    languages = _languages(params)
    first: dict[str, str] = next(iter(languages.values()), {})
    options = params.get("OPTIONS") if isinstance(params.get("OPTIONS"), dict) else None
    call.db.execute(
        "INSERT INTO placements (app_id, placement, handler, user_id, title, description, options, languages)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, str(params.get("TITLE") or first.get("TITLE", "")), str(params.get("DESCRIPTION") or ""),
         json.dumps(_kept_options(code, options)), json.dumps(languages)),
    )  # fmt: skip
    return True


def _kept_options(code: str, options: dict[str, Any] | None) -> Any:
    """Options survive only where the documentation uses them; elsewhere they are dropped without a word."""
    given = options or {}
    if code.startswith("IM_") and code != "IM_SMILES_SELECTOR":
        usual = {
            name: value for name, value in IM_OPTIONS.items() if (code, name) != ("IM_NAVIGATION", "context")
        }
        return {**usual, **given}
    names = ACTIVITY_OPTIONS if code.endswith("_DETAIL_ACTIVITY") else KEPT_OPTIONS.get(code, ())
    return {name: given[name] for name in names if name in given} or []


@method("placement.unbind", scope="placement", admin=True, app_context=True)
def placement_unbind(call: Call) -> dict[str, int]:
    """Remove widgets; ``count`` is one per widget found plus one per removed. Source: placement-unbind.md."""
    params = upper_keys(call.params)
    if params.get("PLACEMENT") is not None and not isinstance(params["PLACEMENT"], str):
        text = "The value of an argument 'PLACEMENT' must be of type string"
        raise RestError("ERROR_ARGUMENT", text, 400, {"argument": "PLACEMENT"})
    where, values = (
        ["app_id = ?", "placement = ?"],
        [call.app_id, _required(params, "PLACEMENT", 400).upper()],
    )
    if params.get("HANDLER"):
        where.append("handler = ?")
        values.append(str(params["HANDLER"]))
    if params.get("USER_ID"):
        where.append("user_id = ?")
        values.append(whole(params["USER_ID"]))
    removed = call.db.execute(f"DELETE FROM placements WHERE {' AND '.join(where)}", values).rowcount
    return {"count": 2 * removed}


@method("placement.get", scope="placement", admin=True, app_context=True)
def placement_get(call: Call) -> list[dict[str, Any]]:
    """Widgets of the application. Source: api-reference/widgets/placement-get.md."""
    rows = call.db.execute("SELECT * FROM placements WHERE app_id = ? ORDER BY id", (call.app_id,)).fetchall()
    return [
        {
            "placement": row["placement"], "userId": row["user_id"], "handler": row["handler"],
            "options": json.loads(row["options"]), "title": row["title"], "description": row["description"],
            "langAll": json.loads(row["languages"]) or [],
        }
        for row in rows
    ]  # fmt: skip


@method("placement.list", scope="placement", app_context=True)
def placement_list(call: Call) -> list[str]:
    """Codes the application can bind. Source: api-reference/widgets/placement-list.md."""
    params = upper_keys(call.params)
    by_scope = codes_by_scope(call)
    if params.get("SCOPE"):
        return by_scope.get(str(params["SCOPE"]), [])
    full = str(params.get("FULL") or "").lower() in {"1", "true", "y"}
    return [code for scope, codes in by_scope.items() if full or scope in call.scope for code in codes]


def bound(portal: Any, placement: str) -> list[Any]:
    """Rows of ``placements`` shown at a place: those of installed applications, in the order of binding."""
    rows = portal.db.execute(
        "SELECT p.* FROM placements p JOIN apps a ON a.id = p.app_id"
        " WHERE p.placement = ? AND a.installed = 1 ORDER BY p.id",
        (placement,),
    ).fetchall()
    return list(rows)
