"""Checklists of tasks: ``task.checklistitem.*``, whose arguments have an order.

Source: tasks/checklist-item/*.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm.params import integer, is_yes, mapping, text
from b24.sandbox.crm.task_arguments import Arguments
from b24.sandbox.crm.values import iso_of
from b24.sandbox.kernel import Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS task_checklist (
        id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER NOT NULL, parent_id INTEGER NOT NULL DEFAULT 0,
        created_by INTEGER NOT NULL, title TEXT NOT NULL, sort_index INTEGER NOT NULL DEFAULT 0,
        is_complete TEXT NOT NULL DEFAULT 'N', is_important TEXT NOT NULL DEFAULT 'N',
        toggled_by INTEGER, toggled_date INTEGER, members TEXT NOT NULL DEFAULT '[]');
    CREATE INDEX IF NOT EXISTS task_checklist_task ON task_checklist (task_id, sort_index, id);
    """
)

_ORDERS = frozenset(
    {"ID", "CREATED_BY", "TOGGLED_BY", "TOGGLED_DATE", "TITLE", "SORT_INDEX", "IS_COMPLETE", "PARENT_ID"}
)
_CLASS = "ctaskchecklistitem"


def checklist_of(db: sqlite3.Connection, task_id: int) -> dict[str, Any] | list[Any]:
    """Checklists inside a task's own answer: items by id, ``[]`` without any."""
    rows = db.execute("SELECT * FROM task_checklist WHERE task_id = ? ORDER BY sort_index, id", (task_id,))
    allowed = dict.fromkeys(("modify", "remove", "toggle", "add", "addAccomplice"), True)
    return {
        str(row["id"]): {
            "id": str(row["id"]), "taskId": str(task_id), "createdBy": str(row["created_by"]),
            "parentId": _parent(row), "title": row["title"], "sortIndex": str(row["sort_index"]),
            "isComplete": row["is_complete"], "isImportant": row["is_important"],
            "toggledBy": None if row["toggled_by"] is None else str(row["toggled_by"]),
            "toggledDate": None if row["toggled_date"] is None else iso_of(row["toggled_date"]),
            "ufChecklistFiles": False, "members": [], "attachments": [], "entityId": str(task_id),
            "action": dict(allowed),
        }
        for row in rows
    } or []  # fmt: skip


def _parent(row: sqlite3.Row) -> str | int:
    """A checklist itself hangs on the number 0, its items on the text of an id."""
    return str(row["parent_id"]) if row["parent_id"] else 0


def _shown(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "ID": str(row["id"]),
        "TASK_ID": str(row["task_id"]),
        "PARENT_ID": _parent(row),
        "CREATED_BY": str(row["created_by"]),
        "TITLE": row["title"],
        "SORT_INDEX": str(row["sort_index"]),
        "IS_COMPLETE": row["is_complete"],
        "IS_IMPORTANT": row["is_important"],
        "TOGGLED_BY": None if row["toggled_by"] is None else str(row["toggled_by"]),
        "TOGGLED_DATE": "" if row["toggled_date"] is None else iso_of(row["toggled_date"]),
        "MEMBERS": [_member(db, number, kind) for number, kind in json.loads(row["members"])],
        "ATTACHMENTS": [],
    }


def _member(db: sqlite3.Connection, user_id: int, kind: str) -> dict[str, Any]:
    row = db.execute("SELECT name, last_name, gender FROM users WHERE id = ?", (user_id,)).fetchone()
    name = f"{row['name']} {row['last_name']}".strip() if row else ""
    return {
        "ID": str(user_id), "TYPE": kind, "NAME": name, "PERSONAL_PHOTO": None,
        "PERSONAL_GENDER": row["gender"] if row else "", "IMAGE": "", "IS_COLLABER": False,
    }  # fmt: skip


def _item(call: Call, task_id: int, item_id: int) -> sqlite3.Row:
    found = call.db.execute(
        "SELECT * FROM task_checklist WHERE task_id = ? AND id = ?", (task_id, item_id)
    ).fetchone()
    if found is None:
        message = "Check listitem not found or not accessible; 512/TE/ITEM_NOT_FOUND_OR_NOT_ACCESSIBLE"
        raise RestError("ERROR_CORE", f"TASKS_ERROR_EXCEPTION_#512; {message}<br>")
    row: sqlite3.Row = found
    return row


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "TITLE" in fields:
        values["title"] = text(fields["TITLE"]).strip()
    for name in ("PARENT_ID", "SORT_INDEX"):
        if name in fields:
            values[name.lower()] = max(integer(fields[name]) or 0, 0)
    for name in ("IS_COMPLETE", "IS_IMPORTANT"):
        if name in fields:
            values[name.lower()] = "Y" if is_yes(fields[name]) else "N"
    if "MEMBERS" in fields:
        pairs = [
            (integer(number), "U" if text(mapping(each).get("TYPE")).upper() == "U" else "A")
            for number, each in mapping(fields["MEMBERS"]).items()
        ]
        values["members"] = json.dumps([pair for pair in pairs if pair[0]])
    return values


@method("task.checklistitem.add", scope="task")
def add(call: Call) -> int:
    """A new item; without a parent it is a checklist of its own."""
    given = Arguments(call, _CLASS, "add", ("TASKID", "FIELDS"))
    task_id = given.number("TASKID", 0, "taskId")
    values = _values(given.map("FIELDS", 1, "arFields"))
    given.task(task_id, "Adding item: action not allowed")
    if not values.get("title"):
        raise given.failed("Item name not specified")
    row = {"task_id": task_id, "created_by": call.user_id, **values}
    cursor = call.db.execute(
        f"INSERT INTO task_checklist ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        tuple(row.values()),
    )
    return int(cursor.lastrowid or 0)


@method("task.checklistitem.update", scope="task")
def update(call: Call) -> None:
    """Change an item."""
    given = Arguments(call, _CLASS, "update", ("TASKID", "ITEMID", "FIELDS"))
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    values = _values(given.map("FIELDS", 2, "arFields"))
    given.task(task_id, "Updating item: action not allowed")
    _write(call, _item(call, task_id, item_id), values)


def _write(call: Call, row: sqlite3.Row, values: dict[str, Any]) -> None:
    if "title" in values and not values["title"]:
        del values["title"]
    if values.get("is_complete", row["is_complete"]) != row["is_complete"]:
        values |= {"toggled_by": call.user_id, "toggled_date": int(call.portal.now().timestamp())}
    if values:
        names = ", ".join(f"{name} = ?" for name in values)
        call.db.execute(f"UPDATE task_checklist SET {names} WHERE id = ?", (*values.values(), row["id"]))


def _toggle(call: Call, name: str, state: str) -> bool:
    given = Arguments(call, _CLASS, name, ("TASKID", "ITEMID"))
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    given.task(task_id, "Updating item: action not allowed")
    _write(call, _item(call, task_id, item_id), {"is_complete": state})
    return True


@method("task.checklistitem.complete", scope="task")
def complete(call: Call) -> bool:
    """Tick an item off."""
    return _toggle(call, "complete", "Y")


@method("task.checklistitem.renew", scope="task")
def renew(call: Call) -> bool:
    """Untick an item."""
    return _toggle(call, "renew", "N")


@method("task.checklistitem.delete", scope="task")
def delete(call: Call) -> bool:
    """Remove an item and what hangs on it."""
    given = Arguments(call, _CLASS, "delete", ("TASKID", "ITEMID"))
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    given.task(task_id, "Deleting item: action not allowed")
    row = _item(call, task_id, item_id)
    call.db.execute("DELETE FROM task_checklist WHERE id = ?1 OR parent_id = ?1", (row["id"],))
    return True


@method("task.checklistitem.get", scope="task")
def get(call: Call) -> Any:
    """One item."""
    given = Arguments(call, _CLASS, "get", ("TASKID", "ITEMID"))
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    given.task(task_id, "Action failed")
    return _shown(call.db, _item(call, task_id, item_id))


@method("task.checklistitem.getlist", scope="task")
def get_list(call: Call) -> Any:
    """All items of a task."""
    given = Arguments(call, _CLASS, "getlist", ("TASKID", "ORDER"))
    task_id = given.number("TASKID", 0, "taskId")
    order = mapping(given.value("ORDER"))
    for name in order:
        if name not in _ORDERS:
            raise given.wrong(1, "arOrder", f'must not contain key "{name}".')
    given.task(task_id, "Action failed")
    wanted = [
        f"{name.lower()} {'DESC' if text(way).upper() == 'DESC' else 'ASC'}" for name, way in order.items()
    ]
    rows = call.db.execute(
        f"SELECT * FROM task_checklist WHERE task_id = ? ORDER BY {', '.join([*wanted, 'sort_index, id'])}",
        (task_id,),
    )
    return [_shown(call.db, row) for row in rows]
