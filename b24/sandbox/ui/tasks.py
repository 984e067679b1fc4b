"""Tasks: a colleague's list and the view of one task."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.kernel import RestError
from b24.sandbox.portal import PORTAL_ZONE
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import Part, moment_with_zone, parse_moment, show_moment
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import kinds, people, person_name, title_of

STATUSES = {
    "1": "новая",
    "2": "ждёт выполнения",
    "3": "выполняется",
    "4": "ждёт контроля",
    "5": "завершена",
    "6": "отложена",
    "7": "отклонена",
}
#: Buttons of a task in their order; which of them are there the portal says itself (``action``).
ACTIONS = {
    "start": "Начать",
    "pause": "Приостановить",
    "complete": "Завершить",
    "approve": "Принять работу",
    "disapprove": "Вернуть на доработку",
    "renew": "Возобновить",
    "defer": "Отложить",
}
PRIORITIES = {"0": "низкий", "1": "средний", "2": "высокий"}
PAGE = 50
LISTED = ["ID", "TITLE", "DEADLINE", "STATUS", "PRIORITY", "RESPONSIBLE_ID", "CREATED_BY", "UF_CRM_TASK"]
VIEWED = [*LISTED, "DESCRIPTION", "CREATED_DATE", "CLOSED_DATE", "ACCOMPLICES", "AUDITORS"]


@bp.get("/company/personal/user/<int:user_id>/tasks/")
def task_list(user_id: int) -> str:
    """Tasks of a colleague; ``?all=1`` shows everybody's, ``?closed=1`` finished ones too."""
    wanted: dict[str, Any] = {} if request.args.get("all") else {"RESPONSIBLE_ID": user_id}
    if not request.args.get("closed"):
        wanted["!STATUS"] = 5
    start = max(0, request.args.get("start", 0, int)) // PAGE * PAGE
    found = desk().answer(
        "tasks.task.list", filter=wanted, order={"DEADLINE": "ASC"}, select=LISTED, start=start
    )
    rows = [prepared(row) for row in found.result["tasks"]]
    return render_template(
        "tasks.html",
        rows=rows,
        total=found.total or 0,
        start=start,
        page=PAGE,
        owner_id=user_id,
        owner=person_name(user_id),
        colleagues=[row for row in people().values() if row["ACTIVE"]],
    )


@bp.get("/company/personal/user/<int:user_id>/tasks/task/view/<int:task_id>/")
def task_view(user_id: int, task_id: int) -> str:
    """One task."""
    try:
        found = desk().call("tasks.task.get", taskId=task_id, select=VIEWED)
    except RestError:
        found = None
    row = found.get("task") if isinstance(found, dict) else None
    if not row:
        abort(404, "Задачи нет, или у вас нет к ней доступа.")
    allowed = row.get("action") or {}
    buttons = [(code, text) for code, text in ACTIONS.items() if allowed.get(code)]
    colleagues = [one for one in people().values() if one["ACTIVE"]] if allowed.get("delegate") else []
    return render_template(
        "task.html",
        task=prepared(row),
        owner_id=user_id,
        buttons=buttons,
        colleagues=colleagues,
        removable=bool(allowed.get("remove")),
        movable=bool(allowed.get("changeDeadline")),
    )


@bp.post("/sandbox/ui/task/<any(start, pause, complete, approve, disapprove, renew, defer):action>")
def task_action(action: str) -> Response:
    """Move a task to another status."""
    task_id = request.form.get("task_id", 0, int)
    desk().call(f"tasks.task.{action}", taskId=task_id)
    return to_task(task_id)


@bp.post("/sandbox/ui/task/change")
def change_task() -> Response:
    """Hand a task over (``responsible``) or move its ``deadline``."""
    task_id, wanted = request.form.get("task_id", 0, int), request.form
    if wanted.get("responsible"):
        desk().call("tasks.task.delegate", taskId=task_id, userId=wanted.get("responsible", 0, int))
    if "deadline" in wanted:
        fields = {"DEADLINE": moment_with_zone(wanted["deadline"])}
        desk().call("tasks.task.update", taskId=task_id, fields=fields)
    return to_task(task_id)


@bp.post("/sandbox/ui/task/delete")
def delete_task() -> Response:
    """Delete a task and go back to the list."""
    desk().call("tasks.task.delete", taskId=request.form.get("task_id", 0, int))
    home = f"/company/personal/user/{desk().user_id}/tasks/"
    return redirect("/sandbox/ui/closed?IFRAME=Y" if request.form.get("slider") == "Y" else home, 303)


def to_task(task_id: int) -> Response:
    """The task again, in a slider if it stood in one."""
    slider = "?IFRAME=Y&IFRAME_TYPE=SIDE_SLIDER" if request.form.get("slider") == "Y" else ""
    return redirect(f"/company/personal/user/{desk().user_id}/tasks/task/view/{task_id}/{slider}", 303)


def prepared(row: dict[str, Any]) -> dict[str, Any]:
    """A task ready for the templates."""
    deadline = parse_moment(str(row.get("deadline") or ""))
    done = str(row.get("status")) == "5"
    return {
        "id": row["id"],
        "title": row.get("title", ""),
        "description": row.get("description") or "",
        "done": done,
        "status": STATUSES.get(str(row.get("status")), ""),
        "priority": PRIORITIES.get(str(row.get("priority")), ""),
        "high": str(row.get("priority")) == "2",
        "deadline": show_moment(str(row.get("deadline") or "")),
        "deadline_raw": deadline.astimezone(PORTAL_ZONE).strftime("%Y-%m-%dT%H:%M") if deadline else "",
        "overdue": bool(deadline and not done and deadline < desk().portal.now()),
        "responsible": person_name(row.get("responsibleId")),
        "responsible_id": row.get("responsibleId"),
        "author": person_name(row.get("createdBy")),
        "created": show_moment(str(row.get("createdDate") or "")),
        "links": bindings(row.get("ufCrmTask")),
        "href": f"/company/personal/user/{row.get('responsibleId')}/tasks/task/view/{row['id']}/",
    }


def bindings(value: Any) -> list[Part]:
    """CRM objects the task is bound to, as links."""
    by_prefix = {kind.task_prefix.lower(): kind for kind in kinds()}
    parts = []
    for one in value if isinstance(value, list) else []:
        prefix, _, tail = str(one).rpartition("_")
        kind = by_prefix.get(prefix.lower())
        if kind and tail.isdigit():
            parts.append(Part(title_of(kind.entity_type_id, int(tail)), kind.details(tail)))
    return parts
