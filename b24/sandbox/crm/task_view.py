"""Tasks as REST shows them, and who may see and change them.

Source: tasks/tasks-task-get.md, tasks/tasks-task-add.md, tasks/fields.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm import owners
from b24.sandbox.crm.params import integer, is_yes
from b24.sandbox.crm.task_checklist import checklist_of
from b24.sandbox.crm.values import iso_of
from b24.sandbox.kernel import Call, RestError, tables

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
        tags TEXT NOT NULL DEFAULT '[]', task_control TEXT NOT NULL DEFAULT 'N',
        allow_change_deadline TEXT NOT NULL DEFAULT 'N', allow_time_tracking TEXT NOT NULL DEFAULT 'N',
        match_work_time TEXT NOT NULL DEFAULT 'N', add_in_report TEXT NOT NULL DEFAULT 'N',
        time_estimate INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS task_mark (
        task_id INTEGER NOT NULL, user_id INTEGER NOT NULL, kind TEXT NOT NULL,
        PRIMARY KEY (task_id, user_id, kind)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS task_log (
        id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER NOT NULL, created INTEGER NOT NULL,
        user_id INTEGER NOT NULL, field TEXT NOT NULL, before TEXT, after TEXT);
    CREATE INDEX IF NOT EXISTS task_log_task ON task_log (task_id, id);
    CREATE TABLE IF NOT EXISTS task_binding (
        task_id INTEGER NOT NULL, entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL,
        sort INTEGER NOT NULL,
        PRIMARY KEY (task_id, entity_type_id, item_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS task_binding_item ON task_binding (entity_type_id, item_id);
    CREATE INDEX IF NOT EXISTS task_responsible ON task (responsible_id);
    """
)

WAITING, IN_PROGRESS, CONTROL, DONE, DEFERRED = 2, 3, 4, 5, 6
MOMENTS = (
    "DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN", "DATE_START", "CREATED_DATE", "CHANGED_DATE",
    "STATUS_CHANGED_DATE", "CLOSED_DATE", "ACTIVITY_DATE",
)  # fmt: skip
#: Flags of a task that callers may write.
FLAGS = ("TASK_CONTROL", "ALLOW_CHANGE_DEADLINE", "ALLOW_TIME_TRACKING", "MATCH_WORK_TIME", "ADD_IN_REPORT")
_PLAIN = ("TITLE", "DESCRIPTION", "MARK", "GUID", "XML_ID")
_STRINGS = (
    "ID", "PARENT_ID", "PRIORITY", "CREATED_BY", "RESPONSIBLE_ID", "CHANGED_BY", "STATUS_CHANGED_BY",
    "CLOSED_BY", "STATUS", "GROUP_ID", "TIME_ESTIMATE",
)  # fmt: skip
_MARKS = {"FAVORITE": "FAVORITE", "IS_MUTED": "MUTED", "IS_PINNED": "PINNED"}
#: What this portal has nothing for.
_CONSTANT: dict[str, Any] = {
    "MULTITASK": "N", "NOT_VIEWED": "N", "REPLICATE": "N", "STAGE_ID": "0", "SPRINT_ID": None, "BACKLOG_ID": None,
    "COMMENTS_COUNT": None, "SERVICE_COMMENTS_COUNT": None, "FORKED_BY_TEMPLATE_ID": None,
    "TIME_SPENT_IN_LOGS": None, "FORUM_TOPIC_ID": None, "FORUM_ID": None, "SITE_ID": "s1", "SUBORDINATE": "N",
    "EXCHANGE_MODIFIED": None, "EXCHANGE_ID": None, "OUTLOOK_VERSION": "1", "VIEWED_DATE": None, "SORTING": None,
    "DURATION_FACT": None, "IS_PINNED_IN_GROUP": "N", "FLOW_ID": None, "DESCRIPTION_IN_BBCODE": "Y",
    "DURATION_PLAN": None, "DURATION_TYPE": "days",
}  # fmt: skip


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
    moments = {name: None if row[name.lower()] is None else iso_of(row[name.lower()]) for name in MOMENTS}
    stored = _stored(call, row) | moments
    if select is not None and "*" not in select:
        wanted = {*select, "ID"} | ({"DESCRIPTION_IN_BBCODE"} if "DESCRIPTION" in select else set())
        stored = {name: value for name, value in stored.items() if name in wanted}
    result = {_camel(name): value for name, value in stored.items()}
    result |= _related(call.db, row, select) | {"action": actions(call, row)}
    if select is None:
        result |= {"newCommentsCount": 0, "checkListTree": _tree(call.user_id), "checkListCanAdd": True}
    return result


def _stored(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    marks = {
        each["kind"]
        for each in call.db.execute(
            "SELECT kind FROM task_mark WHERE task_id = ? AND user_id = ?", (row["id"], call.user_id)
        )
    }
    fields = {name: row[name.lower()] for name in (*_PLAIN, *FLAGS)}
    fields |= {name: _string(row[name.lower()]) for name in _STRINGS}
    fields |= {name: "Y" if kind in marks else "N" for name, kind in _MARKS.items()}
    return fields | _CONSTANT


def _tree(user_id: int) -> dict[str, Any]:
    """The root of a task's checklists as the card's script expects it."""
    absent = ("id", "copiedId", "entityId", "createdBy", "parentId", "sortIndex", "nodeId")
    empty: dict[str, Any] = dict.fromkeys(absent) | {"userId": user_id, "title": "", "displaySortIndex": ""}
    empty |= {
        "isComplete": False,
        "isImportant": False,
        "completedCount": 0,
        "members": [],
        "attachments": [],
    }
    return {"nodeId": 0, "fields": empty, "action": [], "descendants": []}


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
        result |= {"ufTaskWebdavFiles": False, "ufMailMessage": None}
    if "CHECKLIST" in wanted or everything:
        result["checklist"] = checklist_of(db, row["id"])
    return result


def listed(call: Call, row: sqlite3.Row, select: set[str] | None, extras: dict[str, Any]) -> dict[str, Any]:
    """What a list shows besides: fields counted on the fly, and those ``params`` ask for (tasks-task-list.md)."""
    wanted = select or set()
    result: dict[str, Any] = {}
    if "DEADLINE" in wanted:
        result["lengthDeadline"] = "1" if row["deadline"] else "0"
    if "SUB_STATUS" in wanted:
        late = (
            row["status"] not in (DONE, CONTROL)
            and (row["deadline"] or 2**62) < call.portal.now().timestamp()
        )
        result["subStatus"] = "-1" if late else str(row["status"])
    if "COUNTERS" in wanted:
        kinds = (
            "expired",
            "newComments",
            "projectExpired",
            "projectNewComments",
            "mutedExpired",
            "mutedNewComments",
        )
        result["counter"] = {"counters": dict.fromkeys(kinds, 0), "color": "gray", "value": 0}
    if is_yes(extras.get("WITH_TIMER_INFO")):
        result |= {"timeElapsed": None, "timerIsRunningForCurrentUser": "N"}
    if is_yes(extras.get("WITH_PARSED_DESCRIPTION")):
        result["parsedDescription"] = row["description"]
    if is_yes(extras.get("WITH_RESULT_INFO")):
        made = call.db.execute(
            "SELECT 1 FROM task_comment WHERE task_id = ? AND result_id IS NOT NULL LIMIT 1", (row["id"],)
        ).fetchone()
        has = "Y" if made else "N"
        result |= {"taskRequireResult": "N", "taskHasOpenResult": has, "taskHasResult": has}
    return result


def _camel(upper: str) -> str:
    first, *rest = upper.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def actions(call: Call, row: sqlite3.Row) -> dict[str, bool]:
    """What the caller may do with the task; two generations of names side by side, as the portal shows them."""
    own = involved(call, row)
    status = row["status"]
    open_ = status not in (DONE, CONTROL)
    judge = status == CONTROL and (call.is_admin or row["created_by"] == call.user_id)
    favourite = has_mark(call.db, row["id"], call.user_id, "FAVORITE")
    return {
        "accept": False, "decline": False, "complete": own and open_, "approve": judge, "disapprove": judge,
        "start": own and status in (WAITING, DEFERRED), "pause": own and status == IN_PROGRESS,
        "delegate": own and open_, "remove": may_remove(call, row), "edit": own,
        "defer": own and status in (WAITING, IN_PROGRESS), "renew": own and status in (DONE, DEFERRED),
        "create": True, "changeDeadline": own, "checklistAddItems": own, "addFavorite": not favourite,
        "deleteFavorite": favourite, "rate": own, "take": False, "edit.originator": False,
        "checklist.reorder": own, "elapsedtime.add": own, "dayplan.timer.toggle": False, "edit.plan": own,
        "checklist.add": own, "favorite.add": not favourite, "favorite.delete": favourite,
    }  # fmt: skip


def has_mark(db: sqlite3.Connection, task_id: int, user_id: int, kind: str) -> bool:
    """Whether the user marked the task: ``FAVORITE``, ``MUTED`` or ``PINNED``."""
    found = db.execute(
        "SELECT 1 FROM task_mark WHERE task_id = ? AND user_id = ? AND kind = ?", (task_id, user_id, kind)
    ).fetchone()
    return found is not None


def involved(call: Call, row: sqlite3.Row) -> bool:
    """Whether the caller works on the task, or may change any."""
    people = {row["created_by"], row["responsible_id"], *json.loads(row["accomplices"])}
    return call.is_admin or call.user_id in people


def visible(call: Call, row: sqlite3.Row) -> bool:
    """Whether the caller may see the task."""
    return involved(call, row) or call.user_id in json.loads(row["auditors"])


def may_remove(call: Call, row: sqlite3.Row) -> bool:
    """Whether the caller may delete the task."""
    return call.is_admin or row["created_by"] == call.user_id


def task_id_of(call: Call) -> int:
    """The task a call names as ``taskId`` or ``id``.

    Raises:
        RestError: ``100`` without one, ``0`` for what is no number.
    """
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


def task_to_change(call: Call) -> sqlite3.Row:
    """The task a call wants to change.

    Raises:
        RestError: ``0`` when there is none or the caller does not work on it.
    """
    row = row_of(call.db, task_id_of(call))
    if row is None or not involved(call, row):
        raise RestError("0", "Action on the task is not allowed (internal error)")
    return row
