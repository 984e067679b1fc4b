"""Comments of tasks and the results made of them: ``task.commentitem.*``, ``tasks.task.result.*``.

Source: tasks/comment-item/*.md, tasks/result/*.md.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm import task_view, tasks
from b24.sandbox.crm.filters import Column, order_by, resolver, where
from b24.sandbox.crm.params import integer, text
from b24.sandbox.crm.task_arguments import Arguments
from b24.sandbox.crm.values import iso_of, parse_timestamp, reader
from b24.sandbox.kernel import Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS task_comment (
        id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER NOT NULL, author_id INTEGER NOT NULL,
        post_date INTEGER NOT NULL, message TEXT NOT NULL, result_id INTEGER, result_created INTEGER,
        result_updated INTEGER);
    CREATE INDEX IF NOT EXISTS task_comment_task ON task_comment (task_id, id);
    """
)

_CLASS = "ctaskcommentitem"
_NUMBER = reader("integer")
_COLUMNS = {
    "ID": Column("id", _NUMBER, "number"),
    "AUTHOR_ID": Column("author_id", _NUMBER, "number"),
    "POST_DATE": Column("post_date", parse_timestamp, "number"),
}


def _shown(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    user = db.execute("SELECT name, last_name FROM users WHERE id = ?", (row["author_id"],)).fetchone()
    return {
        "POST_MESSAGE_HTML": None,
        "ID": str(row["id"]),
        "AUTHOR_ID": str(row["author_id"]),
        "AUTHOR_NAME": f"{user['name']} {user['last_name']}".strip() if user else "",
        "AUTHOR_EMAIL": "",
        "POST_DATE": iso_of(row["post_date"]),
        "POST_MESSAGE": row["message"],
        "ATTACHED_OBJECTS": {},
    }


def _own(call: Call, given: Arguments) -> sqlite3.Row:
    """The comment a call wants to change: its author's, or any for an administrator."""
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    given.task(task_id, "Action failed")
    row = _find(call.db, item_id)
    if row is None or row["task_id"] != task_id or not (call.is_admin or row["author_id"] == call.user_id):
        raise given.failed("Action failed")
    return row


def _find(db: sqlite3.Connection, comment_id: int | None) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM task_comment WHERE id = ?", (comment_id,)).fetchone()
    return row


@method("task.commentitem.add", scope="task")
def add(call: Call) -> int:
    """A comment; the author is the caller unless an administrator names another."""
    given = Arguments(call, _CLASS, "add", ("TASKID", "FIELDS"))
    task_id = given.number("TASKID", 0, "taskId")
    fields = given.map("FIELDS", 1, "arFields")
    row = task_view.row_of(call.db, task_id)
    if row is None or not task_view.visible(call, row):
        raise RestError("ERROR_CORE", "Insufficient permissions to add a comment.<br>")
    message = text(fields.get("POST_MESSAGE"))
    if not message.strip():
        raise RestError("ERROR_CORE", "Comment text is not specified<br>")
    author = (integer(fields.get("AUTHOR_ID")) if call.is_admin else None) or call.user_id
    cursor = call.db.execute(
        "INSERT INTO task_comment (task_id, author_id, post_date, message) VALUES (?, ?, ?, ?)",
        (task_id, author, int(call.portal.now().timestamp()), message),
    )
    number = int(cursor.lastrowid or 0)
    tasks.log(call, task_id, "COMMENT", None, str(number))
    _tell(call, "ADD", number, task_id)
    return number


def _tell(call: Call, what: str, number: int, task_id: int) -> None:
    ids = {"ID": number, "MESSAGE_ID": number, "TASK_ID": task_id}
    data = {
        "FIELDS_BEFORE": "undefined" if what == "ADD" else ids,
        "FIELDS_AFTER": "undefined" if what == "DELETE" else ids,
        "IS_ACCESSIBLE_BEFORE": "N" if what == "ADD" else "undefined",
        "IS_ACCESSIBLE_AFTER": "undefined",
    }
    call.portal.emit(f"ONTASKCOMMENT{what}", data, user_id=call.user_id)


@method("task.commentitem.update", scope="task")
def update(call: Call) -> bool:
    """Change the text of a comment."""
    given = Arguments(call, _CLASS, "update", ("TASKID", "ITEMID", "FIELDS"))
    row = _own(call, given)
    message = text(given.map("FIELDS", 2, "arFields").get("POST_MESSAGE"))
    if not message.strip():
        raise RestError("ERROR_CORE", "Comment text is not specified<br>")
    call.db.execute("UPDATE task_comment SET message = ? WHERE id = ?", (message, row["id"]))
    _tell(call, "UPDATE", row["id"], row["task_id"])
    return True


@method("task.commentitem.delete", scope="task")
def delete(call: Call) -> bool:
    """Remove a comment."""
    row = _own(call, Arguments(call, _CLASS, "delete", ("TASKID", "ITEMID")))
    call.db.execute("DELETE FROM task_comment WHERE id = ?", (row["id"],))
    _tell(call, "DELETE", row["id"], row["task_id"])
    return True


@method("task.commentitem.get", scope="task")
def get(call: Call) -> Any:
    """One comment."""
    given = Arguments(call, _CLASS, "get", ("TASKID", "ITEMID"))
    task_id, item_id = given.number("TASKID", 0, "taskId"), given.number("ITEMID", 1, "itemId")
    given.task(task_id, "Action failed")
    row = _find(call.db, item_id)
    if row is None or row["task_id"] != task_id:
        raise given.failed("Action failed")
    return _shown(call.db, row)


@method("task.commentitem.getlist", scope="task")
def get_list(call: Call) -> Any:
    """Comments of a task, last first."""
    given = Arguments(call, _CLASS, "getlist", ("TASKID", "ORDER", "FILTER"))
    task_id = given.number("TASKID", 0, "taskId")
    given.task(task_id, "Action failed")
    resolve = resolver(_COLUMNS)
    condition, values = where(given.value("FILTER"), resolve, ignore_unknown=True)
    order = order_by(given.value("ORDER"), resolve, default=["id DESC"], ignore_unknown=True)
    rows = call.db.execute(
        f"SELECT * FROM task_comment WHERE task_id = ? AND {condition} ORDER BY {order}, id DESC",
        (task_id, *values),
    )
    return [_shown(call.db, row) for row in rows]


# Results: comments somebody pinned as what came out of the task.


def _result(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["result_id"], "taskId": row["task_id"], "commentId": row["id"], "createdBy": row["author_id"],
        "createdAt": iso_of(row["result_created"]), "updatedAt": iso_of(row["result_updated"]), "status": 0,
        "text": row["message"], "formattedText": row["message"], "files": [],
    }  # fmt: skip


def _comment_of_result(call: Call) -> sqlite3.Row:
    given = call.params.get("commentId")
    number = None if isinstance(given, dict | list) else integer(given)
    if number is None:
        raise RestError(
            "100",
            f"Invalid value {{{text(given)}}} to match with parameter {{commentId}}. Should be value of type int.",
        )
    row = _find(call.db, number)
    if row is None:
        raise RestError("0", "Comment not found.")
    if not (call.is_admin or row["author_id"] == call.user_id):
        raise RestError("0", "Access denied.")
    return row


@method("tasks.task.result.addFromComment", scope="task")
def result_add(call: Call) -> Any:
    """Make a comment a result of its task."""
    row = _comment_of_result(call)
    if row["result_id"] is not None:
        raise RestError("0", "Result already exists.")
    now = int(call.portal.now().timestamp())
    call.db.execute(
        "UPDATE task_comment SET result_id = id, result_created = ?, result_updated = ? WHERE id = ?",
        (now, now, row["id"]),
    )
    fresh = _find(call.db, row["id"])
    assert fresh is not None  # noqa: S101 - read above
    return _result(fresh) | {"files": None}


@method("tasks.task.result.deleteFromComment", scope="task")
def result_delete(call: Call) -> None:
    """A comment is no longer a result."""
    row = _comment_of_result(call)
    call.db.execute("UPDATE task_comment SET result_id = NULL WHERE id = ?", (row["id"],))


@method("tasks.task.result.list", scope="task")
def result_list(call: Call) -> Any:
    """Results of a task, last first."""
    row = task_view.row_of(call.db, task_view.task_id_of(call))
    if row is None or not task_view.visible(call, row):
        raise RestError("0", "Access denied.")
    rows = call.db.execute(
        "SELECT * FROM task_comment WHERE task_id = ? AND result_id IS NOT NULL ORDER BY id DESC",
        (row["id"],),
    )
    return [_result(each) for each in rows]
