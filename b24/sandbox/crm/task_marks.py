"""What people do around a task: follow, pin, mute, favour it, ask who may do what and what happened.

Source: tasks/tasks-task-favorite-add.md, tasks-task-start-watch.md, tasks-task-pin.md, tasks-task-get-access.md,
tasks-task-history-list.md, tasks-task-counters-get.md, tasks-task-get-fields.md.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import Any

from b24.sandbox.crm import task_view, tasks
from b24.sandbox.crm.params import integer, listing, mapping, text
from b24.sandbox.crm.values import iso_of
from b24.sandbox.kernel import Answer, Call, RestError, method


def _seen(call: Call, code: str = "0", message: str = "Access denied. (internal error)") -> sqlite3.Row:
    """The task of the call, if the caller may see it; else the error the method documents."""
    row = task_view.row_of(call.db, task_view.task_id_of(call))
    if row is None or not task_view.visible(call, row):
        raise RestError(code, message)
    return row


def _mark(call: Call, row: sqlite3.Row, kind: str, *, on: bool) -> None:
    sql = "INSERT OR IGNORE INTO task_mark (task_id, user_id, kind) VALUES (?, ?, ?)"
    if not on:
        sql = "DELETE FROM task_mark WHERE task_id = ? AND user_id = ? AND kind = ?"
    call.db.execute(sql, (row["id"], call.user_id, kind))


@method("tasks.task.favorite.add", scope="task")
def favorite_add(call: Call) -> bool:
    """Put a task among the caller's favourites."""
    _mark(call, _seen(call, "1", "Task not found or not accessible"), "FAVORITE", on=True)
    return True


@method("tasks.task.favorite.remove", scope="task")
def favorite_remove(call: Call) -> bool:
    """Take a task out of the caller's favourites."""
    _mark(call, _seen(call, "1", "Task not found or not accessible"), "FAVORITE", on=False)
    return True


def _register(name: str, kind: str, *, on: bool) -> None:
    @method(f"tasks.task.{name}", scope="task")
    def run(call: Call) -> Any:
        """Pin, unpin, mute or unmute a task for the caller."""
        row = task_view.row_of(call.db, task_view.task_id_of(call))
        if row is None or not task_view.visible(call, row):
            return {"task": None}
        _mark(call, row, kind, on=on)
        return tasks.answer(call, row["id"])


for _name, _kind, _on in (
    ("mute", "MUTED", True), ("unmute", "MUTED", False), ("pin", "PINNED", True), ("unpin", "PINNED", False),
):  # fmt: skip
    _register(_name, _kind, on=_on)


def _watch(call: Call, *, on: bool) -> Any:
    row = _seen(call, "1048584", "a:0:{}")
    people = [each for each in json.loads(row["auditors"]) if each != call.user_id]
    tasks.change(call, row, {"auditors": json.dumps([*people, call.user_id] if on else people)})
    return tasks.answer(call, row["id"])


@method("tasks.task.startwatch", scope="task")
def start_watch(call: Call) -> Any:
    """Become an observer of a task."""
    return _watch(call, on=True)


@method("tasks.task.stopwatch", scope="task")
def stop_watch(call: Call) -> Any:
    """Stop observing a task."""
    return _watch(call, on=False)


@method("tasks.task.getaccess", scope="task")
def get_access(call: Call) -> Any:
    """What each of the named users (the caller without names) may do with a task."""
    row = _seen(call)
    users = call.params.get("users")
    if users is not None and not isinstance(users, list | dict):
        message = f"Invalid value {{{text(users)}}} to match with parameter {{users}}. Should be value of type array."
        raise RestError("100", message)
    numbers = [number for number in map(integer, listing(users)) if number] or [call.user_id]
    return {"allowedActions": {str(number): _allowed(call, row, number) for number in numbers}}


def _allowed(call: Call, row: sqlite3.Row, user_id: int) -> dict[str, bool]:
    user = call.db.execute("SELECT admin FROM users WHERE id = ? AND active = 1", (user_id,)).fetchone()
    asked = replace(call, user_id=user_id, is_admin=user is not None and bool(user["admin"]))
    return {
        "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper(): allowed
        for name, allowed in task_view.actions(asked, row).items()
    }


@method("tasks.task.history.list", scope="task")
def history_list(call: Call) -> Any:
    """What happened to a task, oldest first."""
    row = _seen(call)
    wanted = text(mapping(call.params.get("filter")).get("FIELD")).upper()
    rows = call.db.execute(
        "SELECT task_log.*, users.name, users.last_name, users.second_name, users.email FROM task_log"
        " JOIN users ON users.id = task_log.user_id WHERE task_id = ?1 AND ?2 IN ('', field) ORDER BY task_log.id",
        (row["id"], wanted),
    ).fetchall()
    orders = {name.lower(): text(way).upper() for name, way in mapping(call.params.get("order")).items()}
    if "DESC" in (orders.get("id"), orders.get("createddate")):
        rows.reverse()
    return {"list": [_line(each) for each in rows]}


def _line(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "createdDate": iso_of(row["created"]),
        "field": row["field"],
        "value": {"from": row["before"], "to": row["after"]},
        "user": {
            "id": row["user_id"], "name": row["name"], "lastName": row["last_name"],
            "secondName": row["second_name"], "login": row["email"],
        },
    }  # fmt: skip


@method("tasks.task.counters.get", scope="task")
def counters_get(call: Call) -> Answer:
    """How many open tasks of a user are late."""
    given = call.params.get("userId", call.user_id)
    user_id = integer(given)
    if user_id is None:
        message = f"Invalid value {{{text(given)}}} to match with parameter {{userId}}. Should be value of type int."
        raise RestError("0", message)
    if integer(call.params.get("groupId")):
        raise RestError("0", "Group not found or access denied. (internal error)")
    late = call.db.execute(
        "SELECT count(*) FROM task WHERE responsible_id = ? AND status < 4 AND deadline < ?",
        (user_id, int(call.portal.now().timestamp())),
    ).fetchone()[0]
    counters = {
        "expired": {"counter": late, "code": 6291456},
        "new_comments": {"counter": 0, "code": 12582912},
    }
    return Answer(counters, total=late)


_TYPES = {
    "integer": (
        "PARENT_ID", "GROUP_ID", "STAGE_ID", "SPRINT_ID", "BACKLOG_ID", "CREATED_BY", "RESPONSIBLE_ID",
        "CHANGED_BY", "STATUS_CHANGED_BY", "CLOSED_BY", "COMMENTS_COUNT", "SERVICE_COMMENTS_COUNT",
        "NEW_COMMENTS_COUNT", "TIME_ESTIMATE", "TIME_SPENT_IN_LOGS", "MATCH_WORK_TIME", "FORUM_TOPIC_ID",
        "FORUM_ID", "EXCHANGE_ID", "OUTLOOK_VERSION", "DURATION_PLAN", "DURATION_FACT", "FLOW_ID",
    ),
    "string": ("TITLE", "DESCRIPTION", "GUID", "XML_ID", "SITE_ID"),
    "array": ("ACCOMPLICES", "AUDITORS", "CHECKLIST"),
    "double": ("SORTING",),
    "datetime": (*task_view.MOMENTS, "EXCHANGE_MODIFIED", "VIEWED_DATE"),
    "flag": (
        "MULTITASK", "NOT_VIEWED", "REPLICATE", "ALLOW_CHANGE_DEADLINE", "ALLOW_TIME_TRACKING", "TASK_CONTROL",
        "ADD_IN_REPORT", "FORKED_BY_TEMPLATE_ID", "SUBORDINATE", "FAVORITE", "IS_MUTED", "IS_PINNED",
        "IS_PINNED_IN_GROUP",
    ),
}  # fmt: skip
_CHOICES: dict[str, tuple[Any, Any]] = {
    "MARK": ({"N": "Отрицательная", "P": "Положительная"}, None),
    "PRIORITY": ({"2": "Высокий", "1": "Средний", "0": "Низкий"}, 1),
    "STATUS": (
        {
            "2": "Ждёт выполнения",
            "3": "Выполняется",
            "4": "Ожидает контроля",
            "5": "Завершена",
            "6": "Отложена",
        },
        2,
    ),
    "DURATION_TYPE": (["secs", "mins", "hours", "days", "weeks", "months", "years"], "days"),
}


_ZERO = (
    "PARENT_ID", "GROUP_ID", "STAGE_ID", "SPRINT_ID", "BACKLOG_ID", "COMMENTS_COUNT", "SERVICE_COMMENTS_COUNT",
    "NEW_COMMENTS_COUNT", "FLOW_ID",
)  # fmt: skip
_NOTHING = (
    "CLOSED_BY", "CLOSED_DATE", "ACTIVITY_DATE", "DATE_START", "DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN", "GUID",
    "XML_ID", "SUBORDINATE", "FAVORITE", "EXCHANGE_MODIFIED", "EXCHANGE_ID", "OUTLOOK_VERSION",
)  # fmt: skip


@method("tasks.task.getFields", scope="task")
def get_fields(_call: Call) -> Any:
    """Fields of a task with their types and choices."""
    fields: dict[str, Any] = {"ID": {"title": "ID", "type": "integer", "primary": True}}
    for kind, names in _TYPES.items():
        for name in names:
            fields[name] = {"title": name, "type": kind}
            if kind == "flag":
                fields[name] = {
                    "title": name,
                    "type": "enum",
                    "values": {"Y": "Да", "N": "Нет"},
                    "default": "N",
                }
    for name, (values, default) in _CHOICES.items():
        fields[name] = {"title": name, "type": "enum", "values": values, "default": default}
    for name in (*_ZERO, *_NOTHING):
        fields[name]["default"] = 0 if name in _ZERO else None
    for name in ("TITLE", "CREATED_BY", "RESPONSIBLE_ID"):
        fields[name]["required"] = True
    for name, kind in (
        ("UF_CRM_TASK", "crm"),
        ("UF_TASK_WEBDAV_FILES", "disk_file"),
        ("UF_MAIL_MESSAGE", "mail_message"),
    ):
        fields[name] = {"title": name, "type": kind}
    return {"fields": fields}
