"""Tasks: ``tasks.task.*`` of the REST API that answers in strings and camel case.

Source: tasks/tasks-task-*.md, tasks/fields.md, tutorials/tasks/how-to-connect-task-to-spa.md.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from typing import Any

from b24.sandbox.crm import filters, owners
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import OWNER_TYPES
from b24.sandbox.crm.params import PAGE, integer, listing, mapping, start_of, text
from b24.sandbox.crm.values import iso_of, parse_timestamp, reader
from b24.sandbox.kernel import Answer, Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS task (
        id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
        created_by INTEGER NOT NULL, responsible_id INTEGER NOT NULL, priority INTEGER NOT NULL DEFAULT 1,
        status INTEGER NOT NULL DEFAULT 2, deadline INTEGER, start_date_plan INTEGER, end_date_plan INTEGER,
        date_start INTEGER, created_date INTEGER NOT NULL, changed_by INTEGER, changed_date INTEGER,
        status_changed_by INTEGER, status_changed_date INTEGER, closed_by INTEGER, closed_date INTEGER,
        activity_date INTEGER, group_id INTEGER NOT NULL DEFAULT 0, parent_id INTEGER, xml_id TEXT,
        guid TEXT NOT NULL, mark TEXT, accomplices TEXT NOT NULL DEFAULT '[]', auditors TEXT NOT NULL
        DEFAULT '[]',
        tags TEXT NOT NULL DEFAULT '[]');
    CREATE TABLE IF NOT EXISTS task_binding (
        task_id INTEGER NOT NULL, entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL,
        sort INTEGER NOT NULL,
        PRIMARY KEY (task_id, entity_type_id, item_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS task_binding_item ON task_binding (entity_type_id, item_id);
    CREATE INDEX IF NOT EXISTS task_responsible ON task (responsible_id);
    """
)

WAITING, IN_PROGRESS, CONTROL, DONE, DEFERRED = 2, 3, 4, 5, 6
_NUMBER = reader("integer")
_NUMBERS = (
    "ID", "CREATED_BY", "RESPONSIBLE_ID", "PRIORITY", "GROUP_ID", "PARENT_ID", "CHANGED_BY",
    "STATUS_CHANGED_BY",
    "CLOSED_BY",
)  # fmt: skip
_MOMENTS = (
    "DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN", "DATE_START", "CREATED_DATE", "CHANGED_DATE",
    "STATUS_CHANGED_DATE", "CLOSED_DATE", "ACTIVITY_DATE",
)  # fmt: skip
_LISTS = ("ACCOMPLICES", "AUDITORS", "TAGS")
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
        | {name: Column(f"task.{name.lower()}", parse_timestamp, "number") for name in _MOMENTS}
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


# Reading.


def bindings_of(db: sqlite3.Connection, task_id: int) -> list[str]:
    """``["C_5", "Tb1_29"]``."""
    rows = db.execute(
        "SELECT entity_type_id, item_id FROM task_binding WHERE task_id = ? ORDER BY sort", (task_id,)
    )
    return [owners.binding_code(row[0], row[1]) for row in rows]


def _person(db: sqlite3.Connection, user_id: int) -> dict[str, Any]:
    row = db.execute("SELECT name, last_name, position FROM users WHERE id = ?", (user_id,)).fetchone()
    name = " ".join(part for part in (row["name"], row["last_name"]) if part) if row else ""
    return {
        "id": str(user_id),
        "name": name,
        "link": f"/company/personal/user/{user_id}/",
        "icon": "/bitrix/images/tasks/default_avatar.png",
        "workPosition": row["position"] if row else None,
    }


def _people(db: sqlite3.Connection, ids: list[int]) -> dict[str, Any] | list[Any]:
    return {str(number): _person(db, number) for number in ids} or []


def _string(value: Any) -> str | None:
    return None if value is None else str(value)


def shown(call: Call, row: sqlite3.Row, select: set[str] | None = None) -> dict[str, Any]:
    """A task as REST shows it; ``select`` are upper-case names, ``None`` is what is stored."""
    moments = {name: None if row[name.lower()] is None else iso_of(row[name.lower()]) for name in _MOMENTS}
    stored: dict[str, Any] = {
        "ID": str(row["id"]),
        "PARENT_ID": _string(row["parent_id"]),
        "TITLE": row["title"],
        "DESCRIPTION": row["description"],
        "MARK": row["mark"],
        "PRIORITY": str(row["priority"]),
        "MULTITASK": "N",
        "NOT_VIEWED": "N",
        "REPLICATE": "N",
        "STAGE_ID": "0",
        "CREATED_BY": str(row["created_by"]),
        "RESPONSIBLE_ID": str(row["responsible_id"]),
        "CHANGED_BY": _string(row["changed_by"]),
        "STATUS_CHANGED_BY": _string(row["status_changed_by"]),
        "CLOSED_BY": _string(row["closed_by"]),
        **moments,
        "GUID": row["guid"],
        "XML_ID": row["xml_id"],
        "COMMENTS_COUNT": None,
        "ALLOW_CHANGE_DEADLINE": "N",
        "ALLOW_TIME_TRACKING": "N",
        "TASK_CONTROL": "N",
        "ADD_IN_REPORT": "N",
        "TIME_ESTIMATE": "0",
        "MATCH_WORK_TIME": "N",
        "SITE_ID": "s1",
        "SUBORDINATE": "N",
        "DURATION_TYPE": "days",
        "DESCRIPTION_IN_BBCODE": "Y",
        "STATUS": str(row["status"]),
        "FAVORITE": "N",
        "GROUP_ID": str(row["group_id"]),
        "IS_MUTED": "N",
        "IS_PINNED": "N",
    }
    if select is not None and "*" not in select:
        stored = {name: value for name, value in stored.items() if name in select or name == "ID"}
    result = {_camel(name): value for name, value in stored.items()}
    return result | _related(call.db, row, select) | {"action": _actions(call, row)}


def _related(db: sqlite3.Connection, row: sqlite3.Row, select: set[str] | None) -> dict[str, Any]:
    """People and lists around a task; bindings only when asked for."""
    wanted = select or set()
    everything = select is None or "*" in select
    result: dict[str, Any] = {"group": []}
    for name in ("ACCOMPLICES", "AUDITORS"):
        if everything or name in wanted:
            ids = json.loads(row[name.lower()])
            result[name.lower()] = [str(each) for each in ids]
            result[f"{name.lower()}Data"] = _people(db, ids)
    if everything or "CREATED_BY" in wanted:
        result["creator"] = _person(db, row["created_by"])
    if everything or "RESPONSIBLE_ID" in wanted:
        result["responsible"] = _person(db, row["responsible_id"])
    if "TAGS" in wanted:
        result["tags"] = {
            str(n): {"id": n, "title": each} for n, each in enumerate(json.loads(row["tags"]), 1)
        } or []
    if "UF_CRM_TASK" in wanted or "UF_*" in wanted:
        result["ufCrmTask"] = bindings_of(db, row["id"]) or False
    if "UF_TASK_WEBDAV_FILES" in wanted or "UF_*" in wanted:
        result["ufTaskWebdavFiles"] = False
    if "CHECKLIST" in wanted or everything:
        result["checklist"] = []
    return result


def _camel(upper: str) -> str:
    first, *rest = upper.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def _actions(call: Call, row: sqlite3.Row) -> dict[str, bool]:
    own = _involved(call, row)
    open_ = row["status"] != DONE
    return {
        "accept": False,
        "decline": False,
        "complete": own and open_,
        "approve": False,
        "disapprove": False,
        "start": own and row["status"] in (WAITING, DEFERRED),
        "pause": own and row["status"] == IN_PROGRESS,
        "delegate": own and open_,
        "remove": _may_remove(call, row),
        "edit": own,
        "defer": own and open_,
        "renew": own and not open_,
        "create": True,
        "changeDeadline": own,
    }


# Access.


def _involved(call: Call, row: sqlite3.Row) -> bool:
    people = {row["created_by"], row["responsible_id"], *json.loads(row["accomplices"])}
    return call.is_admin or call.user_id in people


def _visible(call: Call, row: sqlite3.Row) -> bool:
    return _involved(call, row) or call.user_id in json.loads(row["auditors"])


def _may_remove(call: Call, row: sqlite3.Row) -> bool:
    return call.is_admin or row["created_by"] == call.user_id


def _task_id(call: Call) -> int:
    value = call.params.get("taskId", call.params.get("id"))
    if value is None:
        raise RestError(
            "100", "CTaskItem All parameters in the constructor must have real class type (internal error)"
        )
    number = integer(value)
    if number is None or isinstance(value, dict | list):
        raise RestError("0", "wrong task id (internal error)")
    return number


def row_of(db: sqlite3.Connection, task_id: int) -> sqlite3.Row | None:
    """A task by id."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM task WHERE id = ?", (task_id,)).fetchone()
    return row


def _task_to_change(call: Call) -> sqlite3.Row:
    row = row_of(call.db, _task_id(call))
    if row is None or not _involved(call, row):
        raise RestError("0", "Action on the task is not allowed (internal error)")
    return row


# Writing.


def _core(message: str) -> RestError:
    return RestError("ERROR_CORE", f"{message}<br>")


def _fields(call: Call) -> dict[str, Any]:
    fields = mapping(call.params.get("fields"))
    if not fields:
        raise RestError("100", "Could not find value for parameter {fields} (internal error)")
    return fields


def _read(db: sqlite3.Connection, fields: dict[str, Any]) -> dict[str, Any]:
    """Columns for incoming fields; unknown names are ignored.

    Raises:
        RestError: ``ERROR_CORE`` with the texts of the documentation.
    """
    values: dict[str, Any] = {}
    for name in ("TITLE", "DESCRIPTION", "XML_ID", "MARK"):
        if name in fields:
            values[name.lower()] = text(fields[name])
    for name in ("RESPONSIBLE_ID", "CREATED_BY", "GROUP_ID", "PARENT_ID", "PRIORITY", "STATUS"):
        if name in fields:
            values[name.lower()] = integer(fields[name])
    for name in ("DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN"):
        if name in fields:
            values[name.lower()] = _moment(fields[name])
    for name in ("ACCOMPLICES", "AUDITORS"):
        if name in fields:
            values[name.lower()] = json.dumps([n for n in map(integer, listing(fields[name])) if n])
    if "TAGS" in fields:
        values["tags"] = json.dumps([text(each) for each in listing(fields["TAGS"])], ensure_ascii=False)
    _check(db, values)
    return values


def _moment(value: Any) -> int | None:
    try:
        return parse_timestamp(value)
    except ValueError:
        return None


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
    data = {
        "FIELDS_BEFORE": "undefined",
        "FIELDS_AFTER": {"ID": task_id},
        "IS_ACCESSIBLE_BEFORE": "N",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit("ONTASKADD", data, user_id=call.user_id)
    return _answer(call, task_id)


def _answer(call: Call, task_id: int) -> Any:
    row = row_of(call.db, task_id)
    return {"task": shown(call, row)} if row is not None else []


def _change(call: Call, row: sqlite3.Row, values: dict[str, Any]) -> None:
    """Write columns, the marks of who changed what, and the event."""
    now = int(call.portal.now().timestamp())
    values = {name: value for name, value in values.items() if value != row[name]}
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


@method("tasks.task.update", scope="task")
def task_update(call: Call) -> Any:
    """Change a task."""
    row = _task_to_change(call)
    fields = _fields(call)
    values = _read(call.db, fields)
    if values.get("parent_id") == row["id"]:
        raise _core("Cannot bind the node to itself")
    if "UF_CRM_TASK" in fields:
        _bind(call.db, row["id"], _codes(fields))
    _change(call, row, values)
    return _answer(call, row["id"])


def _move(call: Call, status: int) -> Any:
    row = _task_to_change(call)
    _change(call, row, {"status": status})
    return _answer(call, row["id"])


@method("tasks.task.complete", scope="task")
def task_complete(call: Call) -> Any:
    """Finish a task."""
    return _move(call, DONE)


@method("tasks.task.renew", scope="task")
def task_renew(call: Call) -> Any:
    """Put a finished task back to waiting."""
    return _move(call, WAITING)


@method("tasks.task.start", scope="task")
def task_start(call: Call) -> Any:
    """Begin a task."""
    return _move(call, IN_PROGRESS)


@method("tasks.task.pause", scope="task")
def task_pause(call: Call) -> Any:
    """Stop working on a task."""
    return _move(call, WAITING)


@method("tasks.task.defer", scope="task")
def task_defer(call: Call) -> Any:
    """Put a task off."""
    return _move(call, DEFERRED)


@method("tasks.task.delegate", scope="task")
def task_delegate(call: Call) -> Any:
    """Hand a task to another employee."""
    row = _task_to_change(call)
    _change(call, row, _read(call.db, {"RESPONSIBLE_ID": call.params.get("userId")}))
    return _answer(call, row["id"])


@method("tasks.task.get", scope="task")
def task_get(call: Call) -> Any:
    """One task; an empty list when it is not there or not the caller's to see."""
    row = row_of(call.db, _task_id(call))
    if row is None or not _visible(call, row):
        return []
    select = call.params.get("select")
    if select is not None and not isinstance(select, list | dict):
        raise RestError(
            "100",
            "Invalid value {} to match with parameter {select}. Should be value of type array."
            " (internal error)",
        )
    return {"task": shown(call, row, _names(select))}


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
    tasks = [shown(call, row, select) for row in rows]
    for each in tasks:
        each.pop("action", None)
    if start < 0:
        return Answer({"tasks": tasks}, 0)
    total = call.db.execute(f"SELECT count(*) FROM task WHERE {where}", values).fetchone()[0]
    return Answer({"tasks": tasks}, total, start + PAGE if total > start + PAGE else None)


@method("tasks.task.delete", scope="task")
def task_delete(call: Call) -> Any:
    """Remove a task."""
    row = row_of(call.db, _task_id(call))
    if row is None or not _may_remove(call, row):
        raise RestError("1048582", "No access to delete the task")
    call.db.execute("DELETE FROM task_binding WHERE task_id = ?", (row["id"],))
    call.db.execute("DELETE FROM task WHERE id = ?", (row["id"],))
    data = {
        "FIELDS_BEFORE": {"ID": row["id"]},
        "FIELDS_AFTER": "undefined",
        "IS_ACCESSIBLE_BEFORE": "undefined",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit("ONTASKDELETE", data, user_id=call.user_id)
    return {"task": True}
