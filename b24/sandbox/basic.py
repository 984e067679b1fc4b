"""Methods of the ``basic`` scope: what is the portal, who am I, what may I call, settings of an application.

Source: api-reference/common/system/, api-reference/common/users/, api-reference/common/settings/.
"""

from __future__ import annotations

import json
from typing import Any

from b24.sandbox import apps
from b24.sandbox.kernel import METHODS, Call, RestError, method

FEATURES = {"rest_offline_extended": "Y", "rest_auth_connector": "Y"}
LICENSES = {"enterprise": ("ent250", "ent"), "standard": ("pro100", "pro")}


def _truthy(value: Any) -> bool:
    return str(value or "").lower() in {"1", "y", "true"}


@method("server.time")
def server_time(call: Call) -> str:
    """The portal's time with its offset. Source: api-reference/common/system/server-time.md."""
    return call.portal.now().isoformat()


@method("profile")
def profile(call: Call) -> dict[str, Any] | list[Any]:
    """The calling user in short; an empty map (so ``[]``) for a dismissed one. Source: profile.md."""
    row = call.db.execute("SELECT * FROM users WHERE id = ? AND active = 1", (call.user_id,)).fetchone()
    if row is None:
        return []
    return {
        "ID": str(row["id"]), "ADMIN": bool(row["admin"]), "NAME": row["name"], "LAST_NAME": row["last_name"],
        "PERSONAL_GENDER": row["gender"], "TIME_ZONE": row["time_zone"],
    }  # fmt: skip


@method("user.admin")
def user_admin(call: Call) -> bool:
    """Whether the caller administers the portal. Source: api-reference/common/users/user-admin.md."""
    return call.is_admin


@method("user.access")
def user_access(call: Call) -> bool:
    """Whether the caller holds one of the named access codes. Source: common/users/user-access.md."""
    given = call.params.get("ACCESS")
    wanted = {str(one) for one in (given if isinstance(given, list) else [given])}
    held = {"AU", "U" + str(call.user_id), "IU" + str(call.user_id)} | ({"G1"} if call.is_admin else set())
    return bool(wanted & held)


@method("scope")
def scope(call: Call) -> list[str]:
    """Permissions of the caller, or all there are. Source: api-reference/common/system/scope.md."""
    return list(apps.ALL_SCOPES) if _truthy(call.params.get("full")) else sorted(call.scope)


@method("method.get")
def method_get(call: Call) -> dict[str, bool]:
    """Whether a method exists and may be called. Source: api-reference/common/system/method-get.md."""
    found = METHODS.get(str(call.params.get("name") or "").lower())
    if found is None:
        return {"isExisting": False, "isAvailable": False}
    return {"isExisting": True, "isAvailable": found.scope is None or found.scope in call.scope}


@method("methods")
def methods(call: Call) -> list[str]:
    """Names of methods: the caller's, all, or those of one scope. Source: common/system/methods.md."""
    wanted = call.params.get("scope")
    if wanted is not None:
        return [one.name for one in METHODS.values() if (one.scope or "") == str(wanted)]
    full = _truthy(call.params.get("full"))
    return [one.name for one in METHODS.values() if full or one.scope is None or one.scope in call.scope]


@method("feature.get")
def feature_get(call: Call) -> dict[str, str]:
    """Whether the plan has a feature. Source: api-reference/common/system/feature-get.md."""
    code = str(call.params.get("CODE") or "")
    if not code:
        raise RestError("CODE_EMPTY", "CODE can't be empty", 400)
    return {"value": FEATURES.get(code, "N")}


@method("app.info")
def app_info(call: Call) -> dict[str, Any]:
    """The calling application. Source: api-reference/common/system/app-info.md."""
    app = apps.find(call.portal, call.app_id) if call.app_id else None
    if app is None:
        raise RestError("ACCESS_DENIED", "Access denied! Application context required", 400)
    license_type, family = LICENSES.get(call.portal.plan, LICENSES["standard"])
    return {
        "ID": app.id, "CODE": app.client_id, "VERSION": app.version, "STATUS": app.status,
        "INSTALLED": app.installed, "PAYMENT_EXPIRED": "N", "DAYS": None, "LANGUAGE_ID": "ru",
        "LICENSE": f"ru_{license_type}",
        "LICENSE_TYPE": license_type, "LICENSE_FAMILY": family,
    }  # fmt: skip


def _app_only(call: Call) -> None:
    if call.app_id is None:
        raise RestError("AccessException", "Application context required", 400)


@method("app.option.get")
def app_option_get(call: Call) -> Any:
    """Settings the application stored. Source: api-reference/common/settings/app-option-get.md."""
    _app_only(call)
    rows = call.db.execute("SELECT name, value FROM app_options WHERE app_id = ?", (call.app_id,)).fetchall()
    stored = {row["name"]: json.loads(row["value"]) for row in rows}
    if call.params.get("option"):
        return stored.get(str(call.params["option"]))
    return stored or []


@method("app.option.set")
def app_option_set(call: Call) -> bool:
    """Store settings of the application. Source: api-reference/common/settings/app-option-set.md."""
    _app_only(call)
    if not call.is_admin:
        raise RestError("AccessException", "Administrator authorization required", 400)
    options = call.params.get("options")
    if not isinstance(options, dict) or not options:
        raise RestError("ArgumentNullException", "options is empty", 400)
    call.db.executemany(
        "INSERT INTO app_options VALUES (?, ?, ?)"
        " ON CONFLICT (app_id, name) DO UPDATE SET value = excluded.value",
        [(call.app_id, str(name), json.dumps(value)) for name, value in options.items()],
    )
    return True


@method("user.option.get")
def user_option_get(call: Call) -> Any:
    """Settings the application stored for the user. Source: api-reference/common/settings/user-option-get.md."""
    _app_only(call)
    rows = call.db.execute(
        "SELECT name, value FROM user_options WHERE app_id = ? AND user_id = ?", (call.app_id, call.user_id)
    ).fetchall()
    stored = {row["name"]: json.loads(row["value"]) for row in rows}
    if call.params.get("option"):
        return stored.get(str(call.params["option"]))
    return stored or []


@method("user.option.set")
def user_option_set(call: Call) -> bool:
    """Store settings of the application for the user. Source: api-reference/common/settings/user-option-set.md."""
    _app_only(call)
    options = call.params.get("options")
    if not isinstance(options, dict) or not options:
        raise RestError("ArgumentNullException", "options is empty", 400)
    call.db.executemany(
        "INSERT INTO user_options VALUES (?, ?, ?, ?)"
        " ON CONFLICT (app_id, user_id, name) DO UPDATE SET value = excluded.value",
        [(call.app_id, call.user_id, str(name), json.dumps(value)) for name, value in options.items()],
    )
    return True
