"""Subscriptions of applications to events, and the queue of what is owed to them.

An event is a row written in the transaction that caused it; :mod:`b24.sandbox.delivery` posts it after the
commit,
once. Tokens stand in ``auth`` when a user caused the event; ``refresh_token`` comes with ``ONAPPINSTALL`` and
``ONOFFLINEEVENT`` only, as the overview of events says.

Source: api-reference/events/index.md, event-bind.md, event-unbind.md, event-get.md, events.md,
test-handler.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from b24.sandbox import event_names, oauth, offline, php
from b24.sandbox.kernel import Call, RestError, method, tables
from b24.sandbox.users import upper_keys

if TYPE_CHECKING:
    from b24.sandbox.apps import App
    from b24.sandbox.portal import LocalPortal

WITH_REFRESH = frozenset({"ONAPPINSTALL", "ONOFFLINEEVENT"})
DEFAULT_DELAY = 0.2
"""Seconds an event waits in the queue; ``control/faults`` can change it."""

tables(
    """
    CREATE TABLE IF NOT EXISTS event_handlers (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER NOT NULL, event TEXT NOT NULL,
        handler TEXT NOT NULL,
        auth_type INTEGER NOT NULL DEFAULT 0, offline INTEGER NOT NULL DEFAULT 0,
        connector TEXT NOT NULL DEFAULT '',
        options TEXT NOT NULL DEFAULT '{}', bound_by INTEGER NOT NULL DEFAULT 1);
    CREATE INDEX IF NOT EXISTS event_handlers_by_event ON event_handlers (event);
    CREATE TABLE IF NOT EXISTS event_queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER NOT NULL, handler_id INTEGER,
        handler TEXT NOT NULL,
        event TEXT NOT NULL, data TEXT NOT NULL, ts INTEGER NOT NULL, user_id INTEGER, auth TEXT,
        due REAL NOT NULL,
        held INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS event_queue_by_due ON event_queue (due);
    """
)


def queue(portal: LocalPortal, event: str, data: dict[str, Any], *, user_id: int | None) -> int:
    """Write the event to the queue of every installed application bound to it; how many rows were made."""
    made = 0
    for name in _names(event, data):
        rows = portal.db.execute(
            "SELECT h.* FROM event_handlers h JOIN apps a ON a.id = h.app_id"
            " WHERE h.event = ? AND a.installed = 1",
            (name,),
        ).fetchall()
        for row in rows:
            if row["offline"]:
                made += offline.keep(portal, row, data, user_id=user_id)
            else:
                _enqueue(portal, row, data, user_id=row["auth_type"] or user_id)
                made += 1
    return made


def _names(event: str, data: dict[str, Any]) -> list[str]:
    fields = data.get("FIELDS")
    number = fields.get("ENTITY_TYPE_ID") if isinstance(fields, dict) else None
    return [event, f"{event}_{number}"] if event in event_names.PER_TYPE and number else [event]


def _enqueue(portal: LocalPortal, row: Any, data: dict[str, Any], *, user_id: int | None) -> None:
    put(portal, row["app_id"], row["id"], row["handler"], row["event"], data, user_id=user_id)


def put(
    portal: LocalPortal,
    app_id: int,
    handler_id: int | None,
    handler: str,
    event: str,
    data: dict[str, Any],
    *,
    user_id: int | None,
    auth: dict[str, Any] | None = None,
) -> None:
    """One row of the queue. ``auth`` is given when the application will be gone by the time of delivery."""
    moment = portal.timestamp()
    delay = float(portal.get("event_delay", DEFAULT_DELAY))
    portal.db.execute(
        "INSERT INTO event_queue (app_id, handler_id, handler, event, data, ts, user_id, auth, due)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (app_id, handler_id, handler, event, json.dumps(data), int(moment), user_id,
         json.dumps(auth) if auth is not None else None,
         moment - portal.clock_offset.total_seconds() + delay),
    )  # fmt: skip


def bare_auth(portal: LocalPortal, app: App) -> dict[str, Any]:
    """``auth`` of ``ONAPPUNINSTALL``: nothing that could open the API."""
    return {
        "domain": portal.host, "server_endpoint": portal.rest_url, "client_endpoint": portal.rest_url,
        "member_id": portal.member_id, "application_token": app.application_token,
    }  # fmt: skip


def full_auth(portal: LocalPortal, app: App, event: str, user_id: int | None) -> dict[str, Any]:
    """``auth`` of an event at the moment it is sent; tokens only for a user who may still sign in.

    A local application (status L) is also told ``expires`` and ``user_id``: captured in 2024
    (``tests/recorded/events/oncrmcontactadd_app_2024_wire.json``), not in the documentation's examples.
    """
    rest: dict[str, Any] = {"server_endpoint": portal.rest_url, "status": app.status}
    rest |= {"client_endpoint": portal.rest_url, "member_id": portal.member_id}
    place = {"scope": ",".join(app.scopes), "domain": portal.host}
    end = {"application_token": app.application_token}
    if user_id is None or not _active(portal, user_id):
        return place | rest | end
    if event in WITH_REFRESH:
        pair = oauth.issue(portal, app.id, user_id)
        tokens = {"access_token": pair.access, "refresh_token": pair.refresh, "expires_in": oauth.LIFETIME}
        return {"domain": portal.host, "scope": place["scope"]} | tokens | rest | end
    tokens = {"access_token": oauth.issue_access(portal, app.id, user_id)}
    life = {"expires_in": oauth.LIFETIME}
    if app.status == "L":
        life = {"expires": int(portal.now().timestamp()) + oauth.LIFETIME} | life
        rest |= {"user_id": user_id}
    return tokens | life | place | rest | end


def _active(portal: LocalPortal, user_id: int) -> bool:
    row = portal.db.execute("SELECT active FROM users WHERE id = ?", (user_id,)).fetchone()
    return row is not None and bool(row["active"])


def announce_install(portal: LocalPortal, app: App, user_id: int) -> None:
    """``ONAPPINSTALL`` to its handlers; without interface and handlers to the installation address."""
    data = {"VERSION": str(app.version), "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": app.language}
    targets = _targets(portal, app.id, "ONAPPINSTALL")
    if not app.interface and not targets:
        targets = [(None, app.installer_url or app.handler_url)]
    for handler_id, handler in targets:
        put(portal, app.id, handler_id, handler, "ONAPPINSTALL", data, user_id=user_id)


def announce_uninstall(portal: LocalPortal, app: App, *, clean: bool) -> None:
    """``ONAPPUNINSTALL`` to its handlers; what else was waiting for the application is dropped."""
    portal.db.execute("DELETE FROM event_queue WHERE app_id = ?", (app.id,))
    if not app.installed:
        return
    data = {"LANGUAGE_ID": app.language, "CLEAN": int(clean)}
    for handler_id, handler in _targets(portal, app.id, "ONAPPUNINSTALL"):
        put(
            portal,
            app.id,
            handler_id,
            handler,
            "ONAPPUNINSTALL",
            data,
            user_id=None,
            auth=bare_auth(portal, app),
        )


def _targets(portal: LocalPortal, app_id: int, event: str) -> list[tuple[int | None, str]]:
    rows = portal.db.execute(
        "SELECT id, handler FROM event_handlers WHERE app_id = ? AND event = ? AND offline = 0",
        (app_id, event),
    ).fetchall()
    return [(row["id"], row["handler"]) for row in rows]


def _required(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RestError("ERROR_ARGUMENT", f"Argument '{name}' is null or empty", 400, {"argument": name})
    return value.strip()


def check_handler(url: str) -> str:
    """The address of a handler, as the portal accepts it; plain http is allowed here because handlers are
    local.

    Raises:
        RestError: ``ERROR_WRONG_HANDLER_URL`` or ``ERROR_UNSUPPORTED_PROTOCOL``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if not host:
        raise RestError("ERROR_WRONG_HANDLER_URL", "Wrong handler URL", 400)
    if parts.scheme not in {"http", "https"}:
        raise RestError("ERROR_UNSUPPORTED_PROTOCOL", "Unsupported event handler protocol", 400)
    return url


def _denied(what: str) -> RestError:
    return RestError("ACCESS_DENIED", f"Access denied! {what} requires administrator access rights", 403)


def _auth_type(call: Call, params: dict[str, Any], what: str) -> int | None:
    """The user a handler runs as: ``None`` when not given, 0 for whoever causes the event."""
    given = params.get("AUTH_TYPE")
    if given is None:
        return None if call.is_admin else call.user_id
    number = php.whole(given)
    if not call.is_admin and number != call.user_id:
        raise _denied(f"Event {what} with AUTH_TYPE")
    return number


@method("event.bind", app_context=True)
def event_bind(call: Call) -> bool:
    """Subscribe to an event, online or offline. Source: api-reference/events/event-bind.md."""
    params = upper_keys(call.params)
    event = _required(params, "EVENT").upper()
    is_offline = str(params.get("EVENT_TYPE") or "online").lower() == "offline"
    if is_offline and not call.is_admin:
        raise _denied("Offline events binding")
    if not event_names.exists(call.db, event):
        raise RestError("ERROR_EVENT_NOT_FOUND", "Event not found", 400)
    handler = "" if is_offline else check_handler(_required(params, "HANDLER"))
    row = (call.app_id, event, handler, _auth_type(call, params, "binding") or 0, int(is_offline))
    connector = str(params.get("AUTH_CONNECTOR") or "") if is_offline else ""
    _refuse_second(call, row, connector)
    call.db.execute(
        "INSERT INTO event_handlers"
        " (app_id, event, handler, auth_type, offline, connector, options, bound_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, connector, json.dumps(params.get("OPTIONS") or {}), call.user_id),
    )
    return True


def _refuse_second(call: Call, row: tuple[Any, ...], connector: str) -> None:
    found = call.db.execute(
        "SELECT 1 FROM event_handlers WHERE app_id = ? AND event = ? AND handler = ? AND auth_type = ?"
        " AND offline = ? AND connector = ?",
        (*row, connector),
    ).fetchone()
    if found is not None:
        raise RestError("ERROR_CORE", "Unable to set event handler: Handler already binded", 400)


@method("event.unbind", app_context=True)
def event_unbind(call: Call) -> dict[str, int]:
    """Remove subscriptions; without a handler all of the event. Source: events/event-unbind.md."""
    params = upper_keys(call.params)
    event = _required(params, "EVENT").upper()
    is_offline = str(params.get("EVENT_TYPE") or "online").lower() == "offline"
    if is_offline and not call.is_admin:
        raise _denied("Offline events unbinding")
    where, values = ["app_id = ?", "event = ?", "offline = ?"], [call.app_id, event, int(is_offline)]
    if params.get("HANDLER") and not is_offline:
        where.append("handler = ?")
        values.append(str(params["HANDLER"]))
    user_id = _auth_type(call, params, "unbinding")
    if user_id is not None:
        where.append("auth_type = ?")
        values.append(user_id)
    cursor = call.db.execute(f"DELETE FROM event_handlers WHERE {' AND '.join(where)}", values)
    return {"count": cursor.rowcount}


@method("event.get", app_context=True)
def event_get(call: Call) -> list[dict[str, Any]]:
    """Subscriptions of the application; other than administrators see their own. Source: event-get.md."""
    rows = call.db.execute(
        "SELECT * FROM event_handlers WHERE app_id = ? ORDER BY id", (call.app_id,)
    ).fetchall()
    return [_shown(row) for row in rows if call.is_admin or row["auth_type"] == call.user_id]


def _shown(row: Any) -> dict[str, Any]:
    shown = {"event": row["event"], "handler": row["handler"], "auth_type": str(row["auth_type"])}
    if row["offline"]:
        return shown | {"connector_id": row["connector"], "offline": 1}
    return shown | {"offline": 0}


@method("events", app_context=True)
def events(call: Call) -> list[str]:
    """Names of events the application can subscribe to. Source: api-reference/events/events.md."""
    params = upper_keys(call.params)
    if params.get("SCOPE") is not None:
        return _of_scope(call, str(params["SCOPE"]))
    if str(params.get("FULL") or "").lower() in {"1", "true", "y"}:
        return event_names.names_for(call.db, set(event_names.BY_SCOPE))
    return event_names.names_for(call.db, call.scope)


def _of_scope(call: Call, scope: str) -> list[str]:
    if not scope:
        return list(event_names.COMMON)
    more = event_names.per_type_names(call.db) if scope == "crm" else []
    return [*event_names.BY_SCOPE.get(scope, ()), *more]


@method("event.test", app_context=True)
def event_test(call: Call) -> int:
    """Send ``ONAPPTEST`` with the call's parameters in ``data[QUERY]``. Source: events/test-handler.md."""
    query = {key: value for key, value in call.params.items() if key != "auth"}
    call.portal.emit("ONAPPTEST", {"LANGUAGE_ID": "ru", "QUERY": query}, user_id=call.user_id)
    return 1
