"""The offline queue: the last record per object, read by the application when it likes.

``event.offline.get`` deletes what it returns unless ``clear=0``, which reserves the records under a
``process_id``.
Records of one ``auth_connector`` are a queue of their own and leave out what was caused with the same key.

Source: api-reference/events/offline-events.md, event-offline-*.md, on-offline-event.md.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from b24.sandbox.kernel import Answer, Call, RestError, method, tables
from b24.sandbox.php import whole
from b24.sandbox.users import listed, page_of

if TYPE_CHECKING:
    from b24.sandbox.portal import LocalPortal

OPERATORS = ("!=", ">=", "<=", "!", "=", ">", "<")
COLUMNS = {
    "ID": "id", "TIMESTAMP_X": "changed", "EVENT_NAME": "event", "MESSAGE_ID": "message",
    "PROCESS_ID": "process",
    "ERROR": "error",
}  # fmt: skip

tables(
    """
    CREATE TABLE IF NOT EXISTS offline_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER NOT NULL, event TEXT NOT NULL,
        connector TEXT NOT NULL,
        object TEXT NOT NULL, data TEXT NOT NULL, user_id INTEGER, changed TEXT NOT NULL,
        message TEXT NOT NULL,
        process TEXT NOT NULL DEFAULT '', error INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS offline_events_by_app ON offline_events (app_id, connector, process);
    """
)


def keep(portal: LocalPortal, handler: Any, data: dict[str, Any], *, user_id: int | None) -> int:
    """Remember the event for ``event.offline.get``; an unread record about the same object is replaced.

    Returns:
        How many rows the *online* queue got: 1 when ``ONOFFLINEEVENT`` is due, else 0.
    """
    app_id, event, connector = handler["app_id"], handler["event"], handler["connector"]
    if connector and connector == portal.connector:
        return 0
    number = json.dumps(data.get("FIELDS") or data.get("FIELDS_AFTER") or data, sort_keys=True)
    message = secrets.token_hex(16)
    portal.db.execute(
        "DELETE FROM offline_events"
        " WHERE app_id = ? AND event = ? AND connector = ? AND object = ? AND process = ''",
        (app_id, event, connector, number),
    )
    portal.db.execute(
        "INSERT INTO offline_events (app_id, event, connector, object, data, user_id, changed, message)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (app_id, event, connector, number, json.dumps(data), user_id, portal.now().isoformat(), message),
    )
    return _ring(portal, app_id, user_id)


def _ring(portal: LocalPortal, app_id: int, user_id: int | None) -> int:
    """One ``ONOFFLINEEVENT`` per handler, unless one is waiting to be sent already."""
    from b24.sandbox import events

    handlers = portal.db.execute(
        "SELECT * FROM event_handlers WHERE app_id = ? AND event = 'ONOFFLINEEVENT' AND offline = 0",
        (app_id,),
    ).fetchall()
    waiting = portal.db.execute(
        "SELECT 1 FROM event_queue WHERE app_id = ? AND event = 'ONOFFLINEEVENT'", (app_id,)
    ).fetchone()
    if waiting is not None:
        return 0
    for row in handlers:
        owner = row["auth_type"] or user_id or row["bound_by"]
        events.put(portal, app_id, row["id"], row["handler"], "ONOFFLINEEVENT", {}, user_id=owner)
    return len(handlers)


def _admin_only(call: Call) -> None:
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied!", 403)


def _condition(key: str, value: Any) -> tuple[str, list[Any]]:
    operator = next((one for one in OPERATORS if key.startswith(one)), "")
    column = COLUMNS.get(key[len(operator) :].upper())
    if column is None:
        raise RestError("ERROR_ARGUMENT", f"Wrong filter field {key[len(operator) :]}", 400)
    if operator in {"", "=", "!", "!="}:
        values = [str(one) for one in listed(value)]
        word = "NOT IN" if operator.startswith("!") else "IN"
        return f"CAST({column} AS TEXT) {word} ({', '.join('?' * len(values))})", values
    return f"{column} {operator} ?", [whole(value) if column in {"id", "error"} else str(value)]


def _where(call: Call, params: dict[str, Any]) -> tuple[str, list[Any]]:
    parts = ["app_id = ?", "connector = ?"]
    values: list[Any] = [call.app_id, str(params.get("auth_connector") or "")]
    wanted = params.get("filter")
    for key, value in (wanted if isinstance(wanted, dict) else {}).items():
        sql, more = _condition(key, value)
        parts.append(sql)
        values.extend(more)
    return " AND ".join(parts), values


def _order(params: dict[str, Any], default: str) -> str:
    wanted = params.get("order")
    if not isinstance(wanted, dict) or not wanted:
        return default
    parts = [
        f"{COLUMNS[key.upper()]} {'DESC' if str(value).upper() == 'DESC' else 'ASC'}"
        for key, value in wanted.items()
        if key.upper() in COLUMNS
    ]
    return ", ".join(parts) or default


def _record(row: Any) -> dict[str, Any]:
    return {
        "ID": str(row["id"]), "TIMESTAMP_X": row["changed"], "EVENT_NAME": row["event"],
        "EVENT_DATA": json.loads(row["data"]) or False,
        "EVENT_ADDITIONAL": {"user_id": row["user_id"]} if row["user_id"] else False,
        "MESSAGE_ID": row["message"],
    }  # fmt: skip


@method("event.offline.get", app_context=True)
def event_offline_get(call: Call) -> dict[str, Any]:
    """The first records; deleted on reading or reserved with ``clear=0``. Source: event-offline-get.md."""
    _admin_only(call)
    params = call.params
    process = str(params.get("process_id") or "")
    clear = str(params.get("clear", 1)).lower() not in {"0", "n", "false", ""} and not process
    where, values = _where(call, params)
    state = "process = ?" + ("" if _truthy(params.get("error")) else " AND error = 0")
    limit = whole(params.get("limit"), 50)
    rows = call.db.execute(
        f"SELECT * FROM offline_events WHERE {where} AND {state}"
        f" ORDER BY {_order(params, 'changed, id')} LIMIT ?",
        (*values, process, min(max(limit, 1), 1000)),
    ).fetchall()
    if clear:
        call.db.executemany("DELETE FROM offline_events WHERE id = ?", [(row["id"],) for row in rows])
        return {"process_id": None, "events": [_record(row) for row in rows]}
    process = process or secrets.token_hex(16)
    call.db.executemany(
        "UPDATE offline_events SET process = ? WHERE id = ?", [(process, row["id"]) for row in rows]
    )
    return {"process_id": process, "events": [_record(row) for row in rows]}


def _truthy(value: Any) -> bool:
    return str(value or "0").lower() in {"1", "y", "true"}


@method("event.offline.list", app_context=True)
def event_offline_list(call: Call) -> Answer:
    """The queue as it stands, changed by nothing. Source: event-offline-list.md."""
    _admin_only(call)
    where, values = _where(call, call.params)
    rows = call.db.execute(
        f"SELECT * FROM offline_events WHERE {where} ORDER BY {_order(call.params, 'id')}", values
    ).fetchall()
    page, total, following = page_of(rows, call.params.get("start"))
    shown = [_record(row) | {"PROCESS_ID": row["process"], "ERROR": str(row["error"])} for row in page]
    return Answer(shown, total, following)


def _process(call: Call) -> str:
    process = str(call.params.get("process_id") or "")
    if not process:
        raise RestError(
            "ERROR_ARGUMENT", "Argument 'PROCESS_ID' is null or empty", 400, {"argument": "PROCESS_ID"}
        )
    return process


@method("event.offline.clear", app_context=True)
def event_offline_clear(call: Call) -> bool:
    """Drop reserved records: all of the process, or those named. Source: event-offline-clear.md."""
    _admin_only(call)
    where, values = ["app_id = ?", "process = ?"], [call.app_id, _process(call)]
    for key, column in (("id", "id"), ("message_id", "message")):
        if call.params.get(key):
            names = [str(one) for one in listed(call.params[key])]
            where.append(f"CAST({column} AS TEXT) IN ({', '.join('?' * len(names))})")
            values.extend(names)
            break
    call.db.execute(f"DELETE FROM offline_events WHERE {' AND '.join(where)}", values)
    return True


@method("event.offline.error", app_context=True)
def event_offline_error(call: Call) -> bool:
    """Keep reserved records marked as failed. Source: event-offline-error.md."""
    _admin_only(call)
    process = _process(call)
    for message in listed(call.params.get("message_id") or []):
        call.db.execute(
            "UPDATE offline_events SET error = 1, process = ''"
            " WHERE app_id = ? AND process = ? AND message = ?",
            (call.app_id, process, str(message)),
        )
    return True
