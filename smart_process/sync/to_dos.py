"""The deadline of a deal as a to-do in its timeline, never as ``closedate``.

Our key is in the description: a create whose answer was lost is looked up by it before it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.marks import Mark
from smart_process.schema import DEAL
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync.work import Commands, Work, all_failed, all_unread, failed

MARK = "todo"
AT_ONCE = 25
Row = Mapping[str, Any]


def push(work: Work) -> int:
    """Make the to-dos of marked outcomes."""
    claimed = work.claim(MARK, limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
    lacking = {one: row for one in claimed if (row := rows.get(one.key)) and _lacks(row)}
    work.finish([one for one in claimed if one not in lacking])
    try:
        made = _made_before(work, [row for one, row in lacking.items() if one.sent_at])
    except errors.B24Error as error:
        all_unread(work, lacking, error)
        return len(claimed)
    with work.service.store.transaction() as tx:
        for one, row in lacking.items():
            if row["id"] in made:
                store.update(tx, t.outcome, row["id"], todo_id=made[row["id"]])
                marks.done(tx, [one])
    _create(work, {one: row for one, row in lacking.items() if row["id"] not in made})
    return len(claimed)


def _lacks(row: Row) -> bool:
    return bool(row["item_id"]) and not row["todo_id"] and row["state"] == "live"


def _made_before(work: Work, rows: list[Row]) -> dict[int, int]:
    replies = work.read(
        {
            str(row["id"]): (
                "crm.activity.list",
                {
                    "filter": {"OWNER_TYPE_ID": DEAL, "OWNER_ID": row["item_id"]},
                    "select": ["ID", "DESCRIPTION"],
                },
            )
            for row in rows
        }
    )
    return {
        row["id"]: int(activity["ID"])
        for row in rows
        for activity in replies[str(row["id"])]
        if row["uid"] in str(activity.get("DESCRIPTION", ""))
    }


def _create(work: Work, some: Mapping[Mark, Row]) -> None:
    if not some:
        return
    commands: Commands = {one.key: _add(row) for one, row in some.items()}
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(list(some)))
    except errors.B24Error as error:
        all_failed(work, some, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, row in some.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                store.update(tx, t.outcome, row["id"], todo_id=int(reply.result["id"]))
                marks.done(tx, [one])


def _add(row: Row) -> tuple[str, Mapping[str, Any]]:
    return "crm.activity.todo.add", {
        "ownerTypeId": DEAL,
        "ownerId": row["item_id"],
        "deadline": row["deadline"].isoformat(timespec="seconds"),
        "title": row["content"].get("todo", row["title"])[:255],
        "description": f"{row['explanation']}\n\n{row['uid']}",
        "responsibleId": row["owner_id"],
        "pingOffsets": [0, 15],
    }
