"""Tasks: made with everybody concerned, closed again when nobody has touched them and their reason is gone.

Our key is the last line of the description: a create whose answer was lost is looked up by it before it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from b24.store.engine import Tx
from smart_process.bb_codes import without_codes
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import outcomes
from smart_process.sync.outcomes import Bound, Command, Row, Way
from smart_process.sync.work import Work

PRIORITY = {"low": 0, "medium": 1, "high": 2}
"""Source: tasks/tasks-task-add, PRIORITY."""
KEPT_UP = ("DESCRIPTION", "PRIORITY", "UF_CRM_TASK")


def push(work: Work) -> int:
    """Make, keep up and withdraw the tasks behind marked outcomes."""
    return outcomes.push(work, WAY)


def find(work: Work, rows: Sequence[Row]) -> dict[str, int]:
    """Tasks the portal has for these outcomes: our key → id.

    Raises:
        B24Error: the portal could not be asked.
    """
    replies = work.read(
        {
            row["uid"]: (
                "tasks.task.list",
                {"filter": {"%DESCRIPTION": row["uid"]}, "select": ["ID", "DESCRIPTION"]},
            )
            for row in rows
        }
    )
    return {
        uid: int(task["id"])
        for uid, reply in replies.items()
        for task in reply["tasks"]
        if key_of(task) == uid
    }


DONE = "5"
"""Status of a task that is done (tasks/tasks-task-list.md)."""


def key_of(task: Mapping[str, Any]) -> str:
    """The last line of a task's description: our key, where it is a task of ours."""
    return str(task.get("description") or "").strip().rpartition("\n")[2]


def _command(work: Work, row: Row, bound: Bound) -> Command | None:
    if row["state"] in ("superseded", "withdrawn"):
        # Untouched: closed. A touched one was commented when that was decided.
        if row["item_id"] is None or row["touched"] or row["shadow"].get("closed"):
            return None
        return "tasks.task.complete", {"taskId": row["item_id"]}
    if row["state"] != "live":
        return None
    ours = task_picture(work, row, bound)
    if row["item_id"] is None:
        return "tasks.task.add", {"fields": ours}
    said = {name: ours[name] for name in KEPT_UP}
    if row["shadow"].get("said") == said:
        return None
    return "tasks.task.update", {"taskId": row["item_id"], "fields": said}


def task_picture(work: Work, row: Row, bound: Bound) -> dict[str, Any]:
    """A task as it is made. Bindings: ``C_`` contact, ``CO_`` company, ``T<hex>_`` smart process item.

    Source: tasks/tasks-task-add (UF_CRM_TASK), crm/data-types (short codes).
    """
    eti = work.binding.participation.entity_type_id
    links = [f"T{eti:x}_{one['item_id']}" for one in bound if one["item_id"]]
    links += [f"C_{one['contact_id']}" for one in bound if one["contact_id"]]
    links += [f"CO_{one}" for one in sorted({one["company_id"] for one in bound if one["company_id"]})]
    fields = {
        "TITLE": row["title"],
        "DESCRIPTION": f"{without_codes(row['explanation'])}\n\n{row['uid']}",
        "RESPONSIBLE_ID": row["owner_id"],
        "DEADLINE": row["deadline"].isoformat(timespec="seconds"),
        "PRIORITY": PRIORITY[row["priority"]],
        "UF_CRM_TASK": list(dict.fromkeys(links)),
    }
    if row["responsible_id"]:
        fields["CREATED_BY"] = row["responsible_id"]
    return fields


def _made(tx: Tx, work: Work, row: Row, result: Any, now: datetime) -> None:
    if row["state"] != "live":
        store.update(tx, t.outcome, row["id"], shadow={**row["shadow"], "closed": True})
        return
    task = result.get("task") if isinstance(result, Mapping) else None
    task_id = row["item_id"] or (int(task["id"]) if isinstance(task, Mapping) else None)
    if task_id is None:
        raise ValueError("tasks.task.add answered without a task")
    bound = store.contacts_and_items(tx, row["content"]["participations"])
    ours = task_picture(work, row, bound)
    said = {name: ours[name] for name in KEPT_UP}
    shadow = {**row["shadow"], "said": said, "responsible_id": row["owner_id"]}
    store.update(tx, t.outcome, row["id"], item_id=task_id, shadow=shadow)
    outcomes.hand_over(tx, work, row, task_id, now)


WAY = Way(
    "task",
    lambda work: work.client.room("tasks.task.add"),
    lambda task_id: ("pull_task", str(task_id)),
    find,
    _command,
    _made,
)
