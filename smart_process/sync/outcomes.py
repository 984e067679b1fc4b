"""Outcomes in the portal: deals with their to-do, and tasks.

A deal carries our key in ``originId``, a task in the last line of its description: a create whose answer was lost is
looked up by it before it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.facts import Kind, NewFact
from smart_process.schema import APP, DEAL
from smart_process.store import journal
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import picture
from smart_process.sync.work import Work, all_failed, failed, later

AT_ONCE = 25
MARK = "outcome"
TODO = "todo"
Row = Mapping[str, Any]
TASK_PRIORITY = {"low": 0, "medium": 1, "high": 2}
"""Source: tasks/tasks-task-add, PRIORITY."""


def deals(work: Work) -> int:
    """Make and keep up the deals behind marked outcomes."""
    return _of_kind(work, "deal", _deal_commands, _deal_made)


def tasks(work: Work) -> int:
    """Make, keep up and withdraw the tasks behind marked outcomes."""
    return _of_kind(work, "task", _task_commands, _task_made)


def _of_kind(work: Work, kind: str, commands_for: Any, made: Any) -> int:
    claimed = work.claim(MARK, limit=AT_ONCE * 2)
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
        ours = {one: rows[one.key] for one in claimed if one.key in rows and rows[one.key]["kind"] == kind}
        bound = {
            one.key: store.contacts_and_items(tx, row["content"]["participations"])
            for one, row in ours.items()
        }
    work.finish([one for one in claimed if one.key not in rows])
    some = dict(list(ours.items())[:AT_ONCE])
    if not some:
        return 0
    waiting = [one for one, row in some.items() if _not_yet(row, bound[one.key])]
    _wait(work, waiting)
    some = {one: row for one, row in some.items() if one not in waiting}
    try:
        lost = _lost(work, kind, [row for one, row in some.items() if one.sent_at and not row["item_id"]])
        _write(
            work, some, {key: commands_for(work, row, bound[key], lost) for key, row in _keyed(some)}, made
        )
    except errors.B24Error as error:
        all_failed(work, some, error)
    return len(some)


def _keyed(some: Mapping[Mark, Row]) -> list[tuple[str, Row]]:
    return [(one.key, row) for one, row in some.items()]


def _not_yet(row: Row, bound: Sequence[Row]) -> bool:
    """An outcome is bound to cards; it waits for those that are still being made."""
    return row["state"] == "live" and row["item_id"] is None and any(one["item_id"] is None for one in bound)


def _wait(work: Work, some: Sequence[Mark]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            marks.retry(tx, one, at=later(one, now), error="its guests' cards are being made", counts=False)


def _lost(work: Work, kind: str, rows: Sequence[Row]) -> dict[str, int]:
    """Outcomes the portal has although we never saw the answer: our key → id."""
    if not rows:
        return {}
    if kind == "deal":
        asked = {
            "entityTypeId": DEAL,
            "filter": {"originatorId": APP, "@originId": [row["uid"] for row in rows]},
            "select": ["id", "originId"],
            "start": -1,
        }
        items = work.client.ask("crm.item.list", asked).result["items"]
        return {str(item["originId"]): int(item["id"]) for item in items}
    replies = work.client.batch(
        {
            row["uid"]: (
                "tasks.task.list",
                {"filter": {"%DESCRIPTION": row["uid"]}, "select": ["ID", "DESCRIPTION"]},
            )
            for row in rows
        }
    )
    found = {}
    for uid, reply in replies.items():
        if isinstance(reply, errors.B24Error):
            raise reply
        for task in reply.result["tasks"]:
            if str(task.get("description", "")).strip().endswith(uid):
                found[uid] = int(task["id"])
    return found


def _write(work: Work, some: Mapping[Mark, Row], commands: Mapping[str, Any], made: Any) -> None:
    work.finish([one for one in some if commands[one.key] is None])
    sending = {one: row for one, row in some.items() if commands[one.key] is not None}
    if not sending:
        return
    leaving = work.leaving([one for one, row in sending.items() if not row["item_id"]])
    replies = work.client.batch(
        {one.key: commands[one.key] for one in sending}, write=True, before_send=leaving
    )
    now = work.now()
    for one, row in sending.items():
        reply = replies[one.key]
        with work.service.store.transaction() as tx:
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                made(tx, work, row, reply.result, now)
                marks.done(tx, [one])


# ---------------------------------------------------------------------------------------------------- deals


def _deal_commands(work: Work, row: Row, bound: Sequence[Row], lost: Mapping[str, int]) -> Any:
    deal_id = row["item_id"] or lost.get(row["uid"])
    ours = deal_picture(work, row, bound)
    if deal_id is None:
        if row["state"] != "live":
            return None
        return "crm.item.add", {"entityTypeId": DEAL, "fields": ours}
    if row["state"] != "live":
        return None
    changed = _deal_changes(work, row, ours)
    if not changed and row["item_id"]:
        return None
    return "crm.item.update", {"entityTypeId": DEAL, "id": deal_id, "fields": changed}


def deal_picture(work: Work, row: Row, bound: Sequence[Row]) -> dict[str, Any]:
    """A deal as it is made: people change it afterwards, we only keep up priority, explanation and contacts."""
    settings, binding = work.settings, work.binding
    contacts = sorted({one["contact_id"] for one in bound if one["contact_id"]})
    company = next((one["company_id"] for one in bound if one["company_id"]), None)
    fields: dict[str, Any] = {
        "title": row["title"],
        "categoryId": settings.deal_category_id,
        "assignedById": row["owner_id"],
        "originatorId": APP,
        "originId": row["uid"],
        "sourceDescription": row["event_title"],
        "opened": "Y",
        binding.parent_event: row["event_item_id"],
        **_said(work, row),
    }
    if settings.deal_stage_id:
        fields["stageId"] = settings.deal_stage_id
    if contacts:
        fields["contactIds"] = contacts
    if company:
        fields["companyId"] = company
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _said(work: Work, row: Row) -> dict[str, Any]:
    deal = work.binding.deal
    said = {}
    if "priority" in deal.fields:
        said[deal.fields["priority"]] = deal.enums.get("priority", {}).get(row["priority"], "")
    if "explanation" in deal.fields:
        said[deal.fields["explanation"]] = row["explanation"]
    return said


def _deal_changes(work: Work, row: Row, ours: Mapping[str, Any]) -> dict[str, Any]:
    shadow = row["shadow"]
    changed = {name: value for name, value in _said(work, row).items() if shadow.get(name) != value}
    contacts = [one for one in ours.get("contactIds", []) if one not in shadow.get("contact_ids", [])]
    if contacts:
        # Contacts people added stay; those they took off again are not put back.
        taken_off = set(shadow.get("offered", [])) - set(shadow.get("contact_ids", []))
        fresh = [one for one in contacts if one not in taken_off]
        if fresh:
            changed["contactIds"] = sorted({*shadow.get("contact_ids", []), *fresh})
    return changed


def _deal_made(tx: Tx, work: Work, row: Row, result: Mapping[str, Any], now: datetime) -> None:
    item = result["item"]
    contacts = sorted(picture.number(one) for one in item.get("contactIds") or [])
    shadow = {
        **row["shadow"],
        **_said(work, row),
        "stage": item.get("stageId"),
        "responsible_id": picture.number(item.get("assignedById")),
        "contact_ids": contacts,
        "offered": contacts,
        "company_id": picture.number(item.get("companyId")),
    }
    store.update(tx, t.outcome, row["id"], item_id=int(item["id"]), shadow=shadow)
    if row["todo_id"] is None:
        marks.mark(tx, work.portal_id, TODO, [row["id"]], now=now, priority=marks.HOT)
    _handed(tx, work, row, int(item["id"]), now)


def _handed(tx: Tx, work: Work, row: Row, item_id: int, now: datetime) -> None:
    """Everybody the outcome speaks for is handed to sales; their cards show priority, explanation and deal."""
    data = {"kind": row["kind"], "item_id": item_id, "priority": row["priority"], "rule": row["rule"]}
    fact = NewFact(Kind.OUTCOME_CREATED, now, "app", f"outcome:{row['id']}", data=data)
    ids = row["content"]["participations"]
    journal.record(tx, {pid: [fact] for pid in ids}, now=now)
    for pid in ids:
        store.update(tx, t.participation, pid, outcome_id=row["id"])
    marks.mark(tx, work.portal_id, journal.PUSH, ids, now=now)


# ---------------------------------------------------------------------------------------------------- to-dos


def todos(work: Work) -> int:
    """The deadline of a deal as a to-do in its timeline, never as ``closedate``."""
    claimed = work.claim(TODO, limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
    todo = {
        one: row
        for one in claimed
        if (row := rows.get(one.key)) and row["item_id"] and not row["todo_id"] and row["state"] == "live"
    }
    work.finish([one for one in claimed if one not in todo])
    if not todo:
        return len(claimed)
    try:
        lost = _lost_todos(work, [row for one, row in todo.items() if one.sent_at])
        _adopt_todos(work, todo, lost)
        fresh = {one: row for one, row in todo.items() if row["id"] not in lost}
        if fresh:
            commands = {key: _todo(row) for key, row in _keyed(fresh)}
            replies = work.client.batch(commands, write=True, before_send=work.leaving(list(fresh)))
            _todo_answers(work, fresh, replies)
    except errors.B24Error as error:
        all_failed(work, todo, error)
    return len(claimed)


def _todo(row: Row) -> tuple[str, Mapping[str, Any]]:
    return "crm.activity.todo.add", {
        "ownerTypeId": DEAL,
        "ownerId": row["item_id"],
        "deadline": row["deadline"].isoformat(timespec="seconds"),
        "title": row["content"].get("todo", row["title"])[:255],
        "description": f"{row['explanation']}\n\n{row['uid']}",
        "responsibleId": row["owner_id"],
        "pingOffsets": [0, 15],
    }


def _lost_todos(work: Work, rows: Sequence[Row]) -> dict[int, int]:
    found = {}
    for row in rows:
        owner = {"OWNER_TYPE_ID": DEAL, "OWNER_ID": row["item_id"]}
        reply = work.client.ask("crm.activity.list", {"filter": owner, "select": ["ID", "DESCRIPTION"]})
        for activity in reply.result:
            if row["uid"] in str(activity.get("DESCRIPTION", "")):
                found[row["id"]] = int(activity["ID"])
    return found


def _adopt_todos(work: Work, todo: Mapping[Mark, Row], lost: Mapping[int, int]) -> None:
    with work.service.store.transaction() as tx:
        for one, row in todo.items():
            if row["id"] in lost:
                store.update(tx, t.outcome, row["id"], todo_id=lost[row["id"]])
                marks.done(tx, [one])


def _todo_answers(work: Work, todo: Mapping[Mark, Row], replies: Mapping[str, Any]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, row in todo.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                store.update(tx, t.outcome, row["id"], todo_id=int(reply.result["id"]))
                marks.done(tx, [one])


# ---------------------------------------------------------------------------------------------------- tasks


def _task_commands(work: Work, row: Row, bound: Sequence[Row], lost: Mapping[str, int]) -> Any:
    task_id = row["item_id"] or lost.get(row["uid"])
    if row["state"] in ("superseded", "withdrawn"):
        # Untouched: closed. A touched one was commented when that was decided.
        if task_id is None or row["touched"] or row["shadow"].get("closed"):
            return None
        return "tasks.task.complete", {"taskId": task_id}
    if row["state"] != "live":
        return None
    ours = task_picture(work, row, bound)
    if task_id is None:
        return "tasks.task.add", {"fields": ours}
    said = {name: ours[name] for name in ("DESCRIPTION", "PRIORITY", "UF_CRM_TASK")}
    if row["shadow"].get("said") == said and row["item_id"]:
        return None
    return "tasks.task.update", {"taskId": task_id, "fields": said}


def task_picture(work: Work, row: Row, bound: Sequence[Row]) -> dict[str, Any]:
    """A task as it is made. Bindings: ``C_`` contact, ``CO_`` company, ``T<hex>_`` smart process item.

    Source: tasks/tasks-task-add (UF_CRM_TASK), crm/data-types (short codes).
    """
    eti = work.binding.participation.entity_type_id
    links = [f"T{eti:x}_{one['item_id']}" for one in bound if one["item_id"]]
    links += [f"C_{one['contact_id']}" for one in bound if one["contact_id"]]
    links += [f"CO_{one}" for one in sorted({one["company_id"] for one in bound if one["company_id"]})]
    fields = {
        "TITLE": row["title"],
        "DESCRIPTION": f"{row['explanation']}\n\n{row['uid']}",
        "RESPONSIBLE_ID": row["owner_id"],
        "DEADLINE": row["deadline"].isoformat(timespec="seconds"),
        "PRIORITY": TASK_PRIORITY[row["priority"]],
        "UF_CRM_TASK": list(dict.fromkeys(links)),
    }
    if row["responsible_id"]:
        fields["CREATED_BY"] = row["responsible_id"]
    return fields


def _task_made(tx: Tx, work: Work, row: Row, result: Any, now: datetime) -> None:
    if row["state"] != "live":
        store.update(tx, t.outcome, row["id"], shadow={**row["shadow"], "closed": True})
        return
    task = result.get("task") if isinstance(result, Mapping) else None
    task_id = row["item_id"] or int(task["id"]) if isinstance(task, Mapping) else row["item_id"]
    bound = store.contacts_and_items(tx, row["content"]["participations"])
    ours = task_picture(work, row, bound)
    said = {name: ours[name] for name in ("DESCRIPTION", "PRIORITY", "UF_CRM_TASK")}
    shadow = {**row["shadow"], "said": said, "responsible_id": row["owner_id"]}
    store.update(tx, t.outcome, row["id"], item_id=task_id, shadow=shadow)
    if task_id:
        _handed(tx, work, row, task_id, now)
