"""Work of colleagues who were dismissed goes on with others: open tasks and deals of ours, and the deals' to-dos.

What people made themselves stays with whom they gave it; of a deal that a form or a person made only our to-do moves.
What is read decides, so that a write whose answer was lost is simply looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process import owners
from smart_process.deciding import ORIGIN
from smart_process.language import translator
from smart_process.schema import DEAL
from smart_process.store import colleagues, outcomes
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import effects
from smart_process.sync.picture import number
from smart_process.sync.work import Commands, Work, all_failed, all_unread, failed

MARK = "hand_on"
AT_ONCE = 15
"""Three commands each go into one request."""
TASK_OPEN = frozenset("12346")
"""Statuses of a task that is not done (5) or refused (7). Source: tasks/fields, STATUS."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Staff:
    """Who works here, and who answers when nobody else does."""

    everybody: owners.Colleagues
    fallback_id: int | None
    installer_id: int
    accounts: Mapping[int, Row]

    def dismissed(self, user_id: int | None) -> bool:
        return owners.dismissed(user_id, self.everybody)

    def instead(self, row: Row, user_id: int) -> int:
        """Who takes over what ``user_id`` had: the company's responsible, their head, the fallback, …"""
        kind, _, company_id = row["subject"].partition(":")
        account = self.accounts.get(int(company_id)) if kind == "company" else None
        responsible = account["responsible_id"] if account else None
        return owners.owner(
            responsible if responsible and not self.dismissed(responsible) else user_id,
            self.everybody,
            fallback_id=self.fallback_id,
            event_responsible_id=row["responsible_id"],
            installer_id=self.installer_id,
        )


@dataclass
class Case:
    """One outcome and what is to be moved: field by field who had it, and who gets it."""

    mark: Mark
    row: Row
    commands: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    moves: dict[str, tuple[int, int]] = field(default_factory=dict)


def note(tx: Tx, portal_id: int, *, now: datetime) -> None:
    """Mark what may belong to somebody who does not work here any more; after colleagues were read."""
    everybody = colleagues.everybody(tx, portal_id)
    ids = [
        row["id"]
        for row in outcomes.open_ones(tx, portal_id)
        if any(
            owners.dismissed(one, everybody) for one in (row["owner_id"], row["shadow"].get("responsible_id"))
        )
    ]
    marks.mark(tx, portal_id, MARK, ids, now=now)


def push(work: Work) -> int:
    """Hand marked outcomes on."""
    claimed = work.claim(MARK, limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
        staff = _staff(tx, work, rows.values())
    cases = [Case(one, row) for one in claimed if (row := rows.get(one.key)) and _is_open(row)]
    work.finish([one for one in claimed if one not in {case.mark for case in cases}])
    try:
        _look(work, cases, staff)
    except errors.B24Error as error:
        all_unread(work, [case.mark for case in cases], error)
        return len(claimed)
    work.finish([case.mark for case in cases if not case.commands])
    _send(work, {case.mark: case for case in cases if case.commands}, staff)
    return len(claimed)


def _is_open(row: Row) -> bool:
    return row["state"] == outcomes.LIVE and row["result"] is None and bool(row["item_id"])


def _staff(tx: Tx, work: Work, rows: Any) -> Staff:
    companies = {
        int(number_)
        for kind, _, number_ in (row["subject"].partition(":") for row in rows)
        if kind == "company"
    }
    return Staff(
        colleagues.everybody(tx, work.portal_id),
        work.settings.fallback_owner_id,
        outcomes.installer(tx, work.portal_id),
        store.accounts(tx, work.portal_id, companies),
    )


def _look(work: Work, cases: Sequence[Case], staff: Staff) -> None:
    """Who has the deals, tasks and to-dos now."""
    deals = [case for case in cases if case.row["kind"] == "deal"]
    tasks = [case for case in cases if case.row["kind"] == "task"]
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if deals:
        commands["deals"] = _deals([case.row["item_id"] for case in deals])
    if tasks:
        commands["tasks"] = _tasks([case.row["item_id"] for case in tasks])
    with_to_do = [case for case in deals if case.row["todo_id"]]
    commands |= {f"todo.{case.mark.key}": _to_do(case.row) for case in with_to_do}
    found = work.read(commands)
    by_deal = {int(item["id"]): item for item in found.get("deals", {"items": []})["items"]}
    by_task = {int(task["id"]): task for task in found.get("tasks", {"tasks": []})["tasks"]}
    for case in deals:
        item = by_deal.get(case.row["item_id"])
        if item is not None and item.get("stageSemanticId") not in ("S", "F"):
            _deal(case, number(item.get("assignedById")), staff)
    for case in with_to_do:
        for activity in found[f"todo.{case.mark.key}"]:
            _next_step(case, activity, staff)
    for case in tasks:
        task = by_task.get(case.row["item_id"])
        if task is not None and str(task.get("status")) in TASK_OPEN:
            _task(case, number(task.get("responsibleId")), staff)


def _deals(ids: Sequence[int]) -> tuple[str, Mapping[str, Any]]:
    select = ["id", "assignedById", "stageSemanticId"]
    return "crm.item.list", {
        "entityTypeId": DEAL,
        "filter": {"@id": list(ids)},
        "select": select,
        "start": -1,
    }


def _tasks(ids: Sequence[int]) -> tuple[str, Mapping[str, Any]]:
    return "tasks.task.list", {
        "filter": {"ID": list(ids)},
        "select": ["ID", "STATUS", "RESPONSIBLE_ID"],
    }


def _to_do(row: Row) -> tuple[str, Mapping[str, Any]]:
    return "crm.activity.list", {
        "filter": {"ID": row["todo_id"]},
        "select": ["ID", "RESPONSIBLE_ID", "COMPLETED"],
    }


def _deal(case: Case, user_id: int, staff: Staff) -> None:
    if case.row["content"].get(ORIGIN):
        return
    if new := _taken_over(case, "deal", user_id, staff):
        asked = {"entityTypeId": DEAL, "id": case.row["item_id"], "fields": {"assignedById": new}}
        case.commands["deal"] = "crm.item.update", asked


def _next_step(case: Case, activity: Mapping[str, Any], staff: Staff) -> None:
    if activity.get("COMPLETED") == "Y":
        return
    if new := _taken_over(case, "todo", number(activity.get("RESPONSIBLE_ID")), staff):
        asked = {"ownerTypeId": DEAL, "ownerId": case.row["item_id"], "id": int(activity["ID"])}
        # Source: crm/timeline/activities/todo/crm-activity-todo-update-responsible-user.
        case.commands["todo"] = "crm.activity.todo.updateResponsibleUser", {**asked, "responsibleId": new}


def _task(case: Case, user_id: int, staff: Staff) -> None:
    if new := _taken_over(case, "task", user_id, staff):
        asked = {"taskId": case.row["item_id"], "fields": {"RESPONSIBLE_ID": new}}
        case.commands["task"] = "tasks.task.update", asked


def _taken_over(case: Case, what: str, user_id: int, staff: Staff) -> int | None:
    """Who takes it over, noted; ``None`` while whoever has it works here, and when nobody else does."""
    if not staff.dismissed(user_id):
        return None
    new = staff.instead(case.row, user_id)
    if new == user_id:
        return None
    case.moves[what] = (user_id, new)
    return new


def _send(work: Work, some: Mapping[Mark, Case], staff: Staff) -> None:
    if not some:
        return

    def under_way(tx: Tx) -> None:
        # Who is named here is ours: that they have it now is nobody's touch.
        for case in some.values():
            store.update(tx, t.outcome, case.row["id"], owner_id=next(iter(case.moves.values()))[1])

    commands: Commands = {
        f"{one.key}.{what}": command for one, case in some.items() for what, command in case.commands.items()
    }
    try:
        replies = work.client.batch(
            commands, write=True, before_send=work.leaving(list(some), also=under_way)
        )
    except errors.B24Error as error:
        all_failed(work, some, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, case in some.items():
            answers = [replies[f"{one.key}.{what}"] for what in case.commands]
            refused = [reply for reply in answers if isinstance(reply, errors.B24Error)]
            if refused:
                failed(tx, one, refused[0], now=now, certain_at=work.certain_at(now))
            else:
                _handed_on(tx, work, case, staff)
                marks.done(tx, [one])


def _handed_on(tx: Tx, work: Work, case: Case, staff: Staff) -> None:
    row, moved = case.row, case.moves.get("deal") or case.moves.get("task")
    if moved:
        store.update(tx, t.outcome, row["id"], shadow={**row["shadow"], "responsible_id": moved[1]})
    if row["kind"] != "deal":
        return
    _ = translator(work.settings.language)
    old, new = next(iter(case.moves.values()))
    text = _(
        "%(old)s здесь больше не работает: этим теперь занимается %(new)s.",
        old=_name(staff, old),
        new=_name(staff, new),
    )
    effects.comment(tx, work, f"outcome:{row['id']}:from:{old}:to:{new}", DEAL, row["item_id"], text)


def _name(staff: Staff, user_id: int) -> str:
    known = staff.everybody.get(user_id)
    return str(known["name"]) if known else f"№ {user_id}"
