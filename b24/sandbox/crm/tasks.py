"""Tasks: ``tasks.task.*`` of the REST API that answers in strings and camel case.

Source: tasks/tasks-task-*.md, tasks/fields.md, tutorials/tasks/how-to-connect-task-to-spa.md.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any

from b24.sandbox.crm import filters, owners
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import OWNER_TYPES
from b24.sandbox.crm.params import PAGE, integer, is_yes, listing, mapping, start_of, text
from b24.sandbox.crm.task_view import (
    CONTROL,
    DEFERRED,
    DONE,
    FLAGS,
    IN_PROGRESS,
    MOMENTS,
    WAITING,
    actions,
    listed,
    may_remove,
    row_of,
    shown,
    task_id_of,
    task_to_change,
    visible,
)
from b24.sandbox.crm.values import parse_timestamp, reader
from b24.sandbox.kernel import Answer, Call, RestError, method

_NUMBER = reader("integer")
_NUMBERS = (
    "ID", "CREATED_BY", "RESPONSIBLE_ID", "PRIORITY", "GROUP_ID", "PARENT_ID", "CHANGED_BY",
    "STATUS_CHANGED_BY",
    "CLOSED_BY",
)  # fmt: skip
_BOUND = "EXISTS (SELECT 1 FROM task_binding AS bond WHERE bond.task_id = task.id AND {})"
#: Bindings are compared as (type << 40) + id, one number a pair.
_PAIR = "(bond.entity_type_id * 1099511627776 + bond.item_id)"


def _pair(value: Any) -> int:
    found = owners.read_binding(text(value))
    if found is None:
        raise ValueError("not a binding")
    return found[0] * (1 << 40) + found[1]


def _columns(now: int) -> dict[str, Column]:
    sub_status = (
        f"CASE WHEN task.status < 4 AND task.deadline < {now} THEN -1"
        f" WHEN task.status < 4 AND task.deadline < {now + 86400} THEN -3 ELSE task.status END"
    )
    members = "EXISTS (SELECT 1 FROM json_each(task.{}) AS many WHERE {{}})"
    return (
        {name: Column(f"task.{name.lower()}", _NUMBER, "number") for name in _NUMBERS}
        | {name: Column(f"task.{name.lower()}", parse_timestamp, "number") for name in MOMENTS}
        | {
            "TITLE": Column("task.title"),
            "XML_ID": Column("task.xml_id"),
            "REAL_STATUS": Column("task.status", _NUMBER, "number"),
            "STATUS": Column(sub_status, _NUMBER, "number"),
            "ACCOMPLICE": Column("many.value", _NUMBER, "number", exists=members.format("accomplices")),
            "AUDITOR": Column("many.value", _NUMBER, "number", exists=members.format("auditors")),
            "TAG": Column("many.value", exists=members.format("tags")),
            "UF_CRM_TASK": Column(_PAIR, _pair, "number", exists=_BOUND),
        }
    )


def of_item(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> list[sqlite3.Row]:
    """Tasks bound to an item, last first (the web UI's view)."""
    return db.execute(
        "SELECT task.* FROM task JOIN task_binding AS bond ON bond.task_id = task.id"
        " WHERE bond.entity_type_id = ? AND bond.item_id = ? ORDER BY task.id DESC",
        (entity_type_id, item_id),
    ).fetchall()


def repoint(db: sqlite3.Connection, entity_type_id: int, before: int, after: int) -> None:
    """Tasks of one item become another's."""
    db.execute(
        "UPDATE OR REPLACE task_binding SET item_id = ? WHERE entity_type_id = ? AND item_id = ?",
        (after, entity_type_id, before),
    )


def _core(message: str) -> RestError:
    return RestError("ERROR_CORE", f"{message}<br>")


def _fields(call: Call) -> dict[str, Any]:
    fields = mapping(call.params.get("fields"))
    if not fields:
        raise RestError("100", "Could not find value for parameter {fields} (internal error)")
    return fields


def _ids(value: Any) -> str:
    return json.dumps([number for number in map(integer, listing(value)) if number])


def _tags(value: Any) -> str:
    return json.dumps([text(each) for each in listing(value)], ensure_ascii=False)


def _flag(value: Any) -> str:
    return "Y" if is_yes(value) else "N"


def _moment(value: Any) -> int | None:
    try:
        return parse_timestamp(value)
    except ValueError:
        return None


#: Which fields callers may write, and how each is read.
_WRITABLE: dict[str, Callable[[Any], Any]] = (
    dict.fromkeys(("TITLE", "DESCRIPTION", "XML_ID", "MARK"), text)
    | dict.fromkeys(("RESPONSIBLE_ID", "CREATED_BY", "GROUP_ID", "PARENT_ID", "PRIORITY", "STATUS"), integer)
    | dict.fromkeys(("DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN"), _moment)
    | dict.fromkeys(("ACCOMPLICES", "AUDITORS"), _ids)
    | dict.fromkeys(FLAGS, _flag)
    | {"TAGS": _tags, "TIME_ESTIMATE": lambda value: max(integer(value) or 0, 0)}
)


def _read(db: sqlite3.Connection, fields: dict[str, Any]) -> dict[str, Any]:
    """Columns for incoming fields; unknown names are ignored.

    Raises:
        RestError: ``ERROR_CORE`` with the texts of the documentation.
    """
    values = {name.lower(): read(fields[name]) for name, read in _WRITABLE.items() if name in fields}
    _check(db, values)
    return values


def _check(db: sqlite3.Connection, values: dict[str, Any]) -> None:
    if "title" in values and not values["title"].strip():
        raise _core("Task title is not specified")
    if "responsible_id" in values:
        if not values["responsible_id"]:
            raise _core("Responsible person not specified")
        if not db.execute("SELECT 1 FROM users WHERE id = ?", (values["responsible_id"],)).fetchone():
            raise _core('The user specified in the "Responsible" field was not found')
    if "status" in values and values["status"] not in range(1, 8):
        raise _core("Incorrect status")
    if values.get("parent_id") and row_of(db, values["parent_id"]) is None:
        raise _core('The task specified in the "Parent Task" field was not found')
    if values.get("priority", 1) not in (0, 1, 2):
        values["priority"] = 1
    start, end = values.get("start_date_plan"), values.get("end_date_plan")
    if start is not None and end is not None and end < start:
        raise _core("The end date in scheduling is earlier than the start date")


def _bind(db: sqlite3.Connection, task_id: int, codes: Any) -> None:
    """Replace bindings; smart processes that are not linked to tasks are dropped without a word."""
    db.execute("DELETE FROM task_binding WHERE task_id = ?", (task_id,))
    pairs = [owners.read_binding(text(each)) for each in codes] if isinstance(codes, list | tuple) else []
    for sort, pair in enumerate(dict.fromkeys(pairs), 1):
        if pair is not None and _linked(db, pair[0]):
            db.execute(
                "INSERT INTO task_binding (task_id, entity_type_id, item_id, sort) VALUES (?, ?, ?, ?)",
                (task_id, *pair, sort),
            )


def _linked(db: sqlite3.Connection, entity_type_id: int) -> bool:
    if entity_type_id in OWNER_TYPES:
        return True
    row = db.execute(
        "SELECT settings, linked FROM crm_type WHERE entity_type_id = ?", (entity_type_id,)
    ).fetchone()
    if row is None or json.loads(row["settings"])["isUseInUserfieldEnabled"] != "Y":
        return False
    return bool(json.loads(row["linked"]).get("TASKS_TASK|UF_CRM_TASK") == "Y")


def _codes(fields: dict[str, Any]) -> Any:
    codes = fields["UF_CRM_TASK"]
    return list(codes.values()) if isinstance(codes, dict) else codes


@method("tasks.task.add", scope="task")
def task_add(call: Call) -> Any:
    """A new task."""
    fields = _fields(call)
    values = _read(call.db, {"TITLE": "", "RESPONSIBLE_ID": None, **fields})
    now = int(call.portal.now().timestamp())
    row = {
        "created_by": call.user_id,
        "created_date": now,
        "changed_by": call.user_id,
        "changed_date": now,
        "status_changed_date": now,
        "activity_date": now,
        "guid": f"{{{uuid.uuid4()}}}",
        **{name: value for name, value in values.items() if value is not None},
    }
    cursor = call.db.execute(
        f"INSERT INTO task ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
    )
    task_id = int(cursor.lastrowid or 0)
    if "UF_CRM_TASK" in fields:
        _bind(call.db, task_id, _codes(fields))
    log(call, task_id, "NEW", None, None)
    data = {
        "FIELDS_BEFORE": "undefined",
        "FIELDS_AFTER": {"ID": task_id},
        "IS_ACCESSIBLE_BEFORE": "N",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit("ONTASKADD", data, user_id=call.user_id)
    return answer(call, task_id)


def log(call: Call, task_id: int, field: str, before: Any, after: Any) -> None:
    """One line of a task's history."""
    call.db.execute(
        "INSERT INTO task_log (task_id, created, user_id, field, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (task_id, int(call.portal.now().timestamp()), call.user_id, field, before, after),
    )


def answer(call: Call, task_id: int) -> Any:
    """The result of a method that changed a task."""
    row = row_of(call.db, task_id)
    return {"task": shown(call, row)} if row is not None else []


def change(call: Call, row: sqlite3.Row, values: dict[str, Any]) -> None:
    """Write columns, the marks of who changed what, and the event."""
    now = int(call.portal.now().timestamp())
    values = {name: value for name, value in values.items() if value != row[name]}
    for name in values:
        log(call, row["id"], name.upper(), row[name], values[name])
    if "status" in values:
        values |= {"status_changed_by": call.user_id, "status_changed_date": now}
        done = values["status"] == DONE
        values |= {"closed_by": call.user_id if done else None, "closed_date": now if done else None}
        if values["status"] == IN_PROGRESS:
            values["date_start"] = now
    values |= {"changed_by": call.user_id, "changed_date": now, "activity_date": now}
    names = ", ".join(f"{name} = ?" for name in values)
    call.db.execute(f"UPDATE task SET {names} WHERE id = ?", (*values.values(), row["id"]))
    data = {
        "FIELDS_BEFORE": {"ID": row["id"]},
        "FIELDS_AFTER": {"ID": row["id"]},
        "IS_ACCESSIBLE_BEFORE": "undefined",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit("ONTASKUPDATE", data, user_id=call.user_id)


def _ancestors(db: sqlite3.Connection, task_id: int) -> set[int]:
    """A task's parent, its parent and so on."""
    rows = db.execute(
        "WITH RECURSIVE above (id) AS (SELECT parent_id FROM task WHERE id = ?"
        " UNION SELECT task.parent_id FROM task JOIN above ON above.id = task.id)"
        " SELECT id FROM above WHERE id IS NOT NULL",
        (task_id,),
    )
    return {row[0] for row in rows}


@method("tasks.task.update", scope="task")
def task_update(call: Call) -> Any:
    """Change a task."""
    row = task_to_change(call)
    fields = _fields(call)
    values = _read(call.db, fields)
    if values.get("parent_id") == row["id"]:
        raise _core("Cannot bind the node to itself")
    if values.get("parent_id") and row["id"] in _ancestors(call.db, values["parent_id"]):
        raise _core("Creating cyclic links in tasks is prohibited")
    if "UF_CRM_TASK" in fields:
        _bind(call.db, row["id"], _codes(fields))
    change(call, row, values)
    return answer(call, row["id"])


def _move(call: Call, status: int, action: str) -> Any:
    """Lead a task to a status, if the action is open to the caller now."""
    row = task_to_change(call)
    if not actions(call, row)[action]:
        judged = action in ("renew", "approve", "disapprove")
        raise RestError("1048582" if judged else "0", "Action on the task is not allowed")
    change(call, row, {"status": status})
    return answer(call, row["id"])


@method("tasks.task.complete", scope="task")
def task_complete(call: Call) -> Any:
    """Finish a task; where its author wants to see the result first, it waits for them."""
    row = task_to_change(call)
    judged = row["task_control"] == "Y" and row["created_by"] != call.user_id
    return _move(call, CONTROL if judged else DONE, "complete")


@method("tasks.task.approve", scope="task")
def task_approve(call: Call) -> Any:
    """Take the work of a task that waits for its author."""
    return _move(call, DONE, "approve")


@method("tasks.task.disapprove", scope="task")
def task_disapprove(call: Call) -> Any:
    """Send a task that waits for its author back to work."""
    return _move(call, WAITING, "disapprove")


@method("tasks.task.renew", scope="task")
def task_renew(call: Call) -> Any:
    """Put a finished task back to waiting."""
    return _move(call, WAITING, "renew")


@method("tasks.task.start", scope="task")
def task_start(call: Call) -> Any:
    """Begin a task."""
    return _move(call, IN_PROGRESS, "start")


@method("tasks.task.pause", scope="task")
def task_pause(call: Call) -> Any:
    """Stop working on a task."""
    return _move(call, WAITING, "pause")


@method("tasks.task.defer", scope="task")
def task_defer(call: Call) -> Any:
    """Put a task off."""
    return _move(call, DEFERRED, "defer")


@method("tasks.task.delegate", scope="task")
def task_delegate(call: Call) -> Any:
    """Hand a task to another employee."""
    row = task_to_change(call)
    if call.params.get("userId") is None:
        raise RestError("100", "Could not find value for parameter {userId}")
    change(call, row, _read(call.db, {"RESPONSIBLE_ID": call.params.get("userId")}))
    return answer(call, row["id"])


@method("tasks.task.get", scope="task")
def task_get(call: Call) -> Any:
    """One task; an empty list when it is not there or not the caller's to see."""
    row = row_of(call.db, task_id_of(call))
    if row is None or not visible(call, row):
        return []
    select = call.params.get("select")
    if select is not None and not isinstance(select, list | dict):
        raise RestError(
            "100",
            "Invalid value {} to match with parameter {select}. Should be value of type array."
            " (internal error)",
        )
    names = _names(select)
    return {"task": shown(call, row, None if names is None else names | {"FAVORITE"})}


def _names(select: Any) -> set[str] | None:
    """Names of a select in upper case; callers also write them in camel case."""
    names = {text(each) for each in listing(select)}
    return {name if name.isupper() or "*" in name else _upper(name) for name in names} or None


def _upper(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper()


@method("tasks.task.list", scope="task")
def task_list(call: Call) -> Answer:
    """Tasks the caller may see, 50 a page, last first."""
    resolve = filters.resolver(_columns(int(call.portal.now().timestamp())))
    where, values = filters.where(call.params.get("filter"), resolve, ignore_unknown=True)
    try:
        order = filters.order_by(call.params.get("order"), resolve, default=["task.id DESC"])
    except RestError:
        raise RestError("0", "Invalid sorting key (internal error)") from None
    if not call.is_admin:
        member = "EXISTS (SELECT 1 FROM json_each(task.{}) WHERE value = ?)"
        people = f"{member.format('accomplices')} OR {member.format('auditors')}"
        where += f" AND (? IN (task.created_by, task.responsible_id) OR {people})"
        values += [call.user_id] * 3
    start = start_of(call)
    rows = call.db.execute(
        f"SELECT task.* FROM task WHERE {where} ORDER BY {order}, task.id DESC LIMIT ? OFFSET ?",
        (*values, PAGE, max(start, 0)),
    ).fetchall()
    select = _names(call.params.get("select"))
    extras = mapping(call.params.get("params"))
    tasks = [shown(call, row, select) | listed(call, row, select, extras) for row in rows]
    for each in tasks:
        each.pop("action", None)
    if start < 0:
        return Answer({"tasks": tasks}, 0)
    total = call.db.execute(f"SELECT count(*) FROM task WHERE {where}", values).fetchone()[0]
    return Answer({"tasks": tasks}, total, start + PAGE if total > start + PAGE else None)


@method("tasks.task.delete", scope="task")
def task_delete(call: Call) -> Any:
    """Remove a task."""
    row = row_of(call.db, task_id_of(call))
    if row is None or not may_remove(call, row):
        raise RestError("1048582", "No access to delete the task")
    for table in ("task_binding", "task_mark", "task_log", "task_checklist", "task_comment"):
        call.db.execute(f"DELETE FROM {table} WHERE task_id = ?", (row["id"],))
    call.db.execute("DELETE FROM task WHERE id = ?", (row["id"],))
    data = {
        "FIELDS_BEFORE": {"ID": row["id"]},
        "FIELDS_AFTER": "undefined",
        "IS_ACCESSIBLE_BEFORE": "undefined",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit("ONTASKDELETE", data, user_id=call.user_id)
    return {"task": True}
