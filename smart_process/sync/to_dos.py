"""The deadline of a deal as a to-do in its timeline, never as ``closedate``.

Our key is in the description: a create whose answer was lost is looked up by it before it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.marks import Mark
from smart_process.bb_codes import without_codes
from smart_process.schema import DEAL
from smart_process.store import outcomes as outcome_store
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync.work import Commands, Work, all_failed, all_unread, failed

MARK = outcome_store.TO_DO
Row = Mapping[str, Any]
Command = tuple[str, Mapping[str, Any]]


def push(work: Work) -> int:
    """Make the to-dos of marked outcomes, and bring those forward whose deadline was."""
    claimed = work.claim(MARK, limit=work.client.room("crm.activity.todo.add"))
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
    live = {
        one: row
        for one in claimed
        if (row := rows.get(one.key)) and row["item_id"] and row["state"] == "live"
    }
    work.finish([one for one in claimed if one not in live])
    try:
        shown = _shown(work, [row for one, row in live.items() if one.sent_at or row["todo_id"]])
    except errors.B24Error as error:
        all_unread(work, live, error)
        return len(claimed)
    live = _adopted(work, live, shown)
    commands = {one: _command(row, shown.get(row["id"])) for one, row in live.items()}
    work.finish([one for one, command in commands.items() if command is None])
    _send(work, {one: (live[one], command) for one, command in commands.items() if command is not None})
    return len(claimed)


def _shown(work: Work, rows: Sequence[Row]) -> dict[int, Mapping[str, Any]]:
    """The to-dos of ours that stand at these outcomes' deals."""
    replies = work.read({str(row["id"]): shown_at(row["item_id"]) for row in rows})
    return {
        row["id"]: activity
        for row in rows
        for activity in replies[str(row["id"])]
        if int(activity["ID"]) == row["todo_id"] or row["uid"] in str(activity.get("DESCRIPTION", ""))
    }


def shown_at(deal_id: int) -> Command:
    """What to ask for the to-dos of a deal. Source: crm/timeline/activities/activity-base/crm-activity-list.md."""
    return "crm.activity.list", {
        "filter": {"OWNER_TYPE_ID": DEAL, "OWNER_ID": deal_id, "PROVIDER_ID": "CRM_TODO"},
        "order": {"ID": "DESC"},
        "select": ["ID", "DESCRIPTION", "DEADLINE", "COMPLETED"],
    }


def _adopted(work: Work, live: Mapping[Mark, Row], shown: Mapping[int, Mapping[str, Any]]) -> dict[Mark, Row]:
    """The outcomes with the ids of to-dos the portal has although we never saw the answer."""
    with work.service.store.transaction() as tx:
        for row in live.values():
            if row["id"] in shown and not row["todo_id"]:
                store.update(tx, t.outcome, row["id"], todo_id=int(shown[row["id"]]["ID"]))
    return {
        one: {
            **row,
            "todo_id": row["todo_id"] or (int(shown[row["id"]]["ID"]) if row["id"] in shown else None),
        }
        for one, row in live.items()
    }


def _command(row: Row, shown: Mapping[str, Any] | None) -> Command | None:
    if row["todo_id"] is None:
        return _add(row)
    # Done, deleted or sooner already: theirs.
    if shown is None or shown["COMPLETED"] == "Y" or not shown.get("DEADLINE"):
        return None
    if datetime.fromisoformat(shown["DEADLINE"]) <= row["deadline"].replace(microsecond=0):
        return None
    return "crm.activity.todo.updateDeadline", {
        "ownerTypeId": DEAL,
        "ownerId": row["item_id"],
        "id": row["todo_id"],
        "value": row["deadline"].isoformat(timespec="seconds"),
    }


def _send(work: Work, some: Mapping[Mark, tuple[Row, Command]]) -> None:
    if not some:
        return
    commands: Commands = {one.key: command for one, (_, command) in some.items()}
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(list(some)))
    except errors.B24Error as error:
        all_failed(work, some, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, (row, _) in some.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error) and errors.is_not_found(reply):
                # The deal was deleted meanwhile, or the to-do: a decision. What became of the deal the pull records.
                marks.mark(tx, work.portal_id, "pull", [f"{DEAL}:{row['item_id']}"], now=now)
                marks.done(tx, [one])
            elif isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                store.update(tx, t.outcome, row["id"], todo_id=int(reply.result["id"]))
                marks.done(tx, [one])


def _add(row: Row) -> Command:
    return "crm.activity.todo.add", {
        "ownerTypeId": DEAL,
        "ownerId": row["item_id"],
        "deadline": row["deadline"].isoformat(timespec="seconds"),
        "title": row["content"].get("todo", row["title"])[:255],
        "description": f"{without_codes(row['explanation'])}\n\n{row['uid']}",
        "responsibleId": row["owner_id"],
        "pingOffsets": [0, 15],
    }
