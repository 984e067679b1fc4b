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

OBJECTS = ("LEAD", "DEAL", "CONTACT", "COMPANY", "QUOTE", "SMART_INVOICE")
OBJECT_PLACES = (
    "LIST_MENU", "LIST_TOOLBAR", "DETAIL_TAB", "DETAIL_ACTIVITY", "DETAIL_TOOLBAR", "ACTIVITY_TIMELINE_MENU",
    "DOCUMENTGENERATOR_BUTTON", "ROBOT_DESIGNER_TOOLBAR",
)  # fmt: skip
CRM_PLACES = ("CRM_FUNNELS_TOOLBAR", "CRM_ANALYTICS_MENU", "CRM_ANALYTICS_TOOLBAR", "CRM_REQUISITE_EDIT_FORM")
GLOBAL_PLACES = (
    "LEFT_MENU",
    "REST_APP_URI",
    "PAGE_BACKGROUND_WORKER",
    "USER_PROFILE_MENU",
    "USER_PROFILE_TOOLBAR",
)
TASK_PLACES = (
    "TASK_VIEW_TAB", "TASK_VIEW_SIDEBAR", "TASK_VIEW_TOP_PANEL", "TASK_LIST_CONTEXT_MENU",
    "TASK_LIST_TOOLBAR",
    "TASK_USER_LIST_TOOLBAR", "TASK_GROUP_LIST_TOOLBAR",
)  # fmt: skip
IM_PLACES = ("IM_CONTEXT_MENU", "IM_NAVIGATION", "IM_SIDEBAR", "IM_TEXTAREA", "IMMOBILE_CONTEXT_MENU")
ONCE = frozenset({"REST_APP_URI", "PAGE_BACKGROUND_WORKER"})
DEFAULT_OPTIONS = {"IM_CONTEXT_MENU": {"extranet": "N", "context": "ALL", "role": "USER"}}


def codes_by_scope(call: Call) -> dict[str, list[str]]:
    """Placement codes under the scope that opens them; ``placement`` stands for those open to everybody."""
    dynamic = [f"DYNAMIC_{number}" for number in entity_type_ids(call.db)]
    crm = [f"CRM_{one}_{place}" for place in OBJECT_PLACES for one in (*OBJECTS, *dynamic)]
    crm += [*CRM_PLACES, *(f"CRM_{one}_FUNNELS_TOOLBAR" for one in dynamic)]
    return {
        "crm": crm, "task": list(TASK_PLACES), "im": list(IM_PLACES), "biconnector": ["BI_ANALYTICS_MENU"],
        "placement": list(GLOBAL_PLACES),
    }  # fmt: skip


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
    if code in DEFAULT_OPTIONS:
        return DEFAULT_OPTIONS[code] | (options or {})
    kept = code == "PAGE_BACKGROUND_WORKER" or code.endswith("_DETAIL_ACTIVITY") or code.startswith("IM")
    return options if kept and options else []


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
