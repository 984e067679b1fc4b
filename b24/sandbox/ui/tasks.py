"""Tasks: a colleague's list and the view of one task."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.kernel import RestError
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import Part, parse_moment, show_moment
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
    return render_template("task.html", task=prepared(row), owner_id=user_id)


@bp.post("/sandbox/ui/task/<any(complete, renew):action>")
def task_action(action: str) -> Response:
    """Finish a task or take it up again."""
    task_id = request.form.get("task_id", 0, int)
    desk().call(f"tasks.task.{action}", taskId=task_id)
    return redirect(f"/company/personal/user/{desk().user_id}/tasks/task/view/{task_id}/", 303)


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
