"""What happens to tasks and around them: statuses, control, marks, history, checklists, comments, results."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest


def new(rest: Rest, *, token: str | None = None, **fields: Any) -> dict[str, Any]:
    full = {"TITLE": "Позвонить", "RESPONSIBLE_ID": 1, **fields}
    return dict(rest("tasks.task.add", {"fields": full}, token=token)["task"])


@pytest.fixture(scope="module")
def colleague(rest: Rest) -> tuple[int, str]:
    """(id, token) of an employee who is no administrator."""
    made = rest.control("users", {"name": "Айгуль", "last_name": "Сейткали", "email": "a@portal.example"})
    app = rest.control("apps", method="GET")[0]
    opened = rest.control(f"apps/{app['id']}/open", {"user_id": made["id"]})
    return made["id"], opened["fields"]["AUTH_ID"]


LIVES: list[tuple[str, str]] = [
    ("start", "3"), ("start pause", "2"), ("start complete", "5"), ("defer", "6"), ("defer renew", "2"),
    ("defer start", "3"), ("complete renew", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "status"), LIVES)
def test_a_task_goes_from_status_to_status(rest: Rest, steps: str, status: str) -> None:
    task = new(rest)
    for step in steps.split():
        task = rest(f"tasks.task.{step}", {"taskId": task["id"]})["task"]
    assert task["status"] == status
    assert (task["closedDate"] is not None) == (status == "5")


@pytest.mark.parametrize(
    ("step", "code"),
    [("pause", "0"), ("renew", "1048582"), ("approve", "1048582"), ("disapprove", "1048582")],
)
def test_what_a_status_does_not_allow_is_refused(rest: Rest, refused: Any, step: str, code: str) -> None:
    task = new(rest)
    assert task["action"][step] is False
    found = refused(lambda: rest(f"tasks.task.{step}", {"taskId": task["id"]}))
    assert found == (code, "Action on the task is not allowed")


def test_work_under_control_waits_for_its_author(
    rest: Rest, refused: Any, colleague: tuple[int, str]
) -> None:
    worker, token = colleague
    task = new(rest, RESPONSIBLE_ID=worker, TASK_CONTROL="Y")
    assert task["taskControl"] == "Y"
    done = rest("tasks.task.complete", {"taskId": task["id"]}, token=token)["task"]
    assert (done["status"], done["action"]["approve"]) == ("4", False)
    assert refused(lambda: rest("tasks.task.approve", {"taskId": task["id"]}, token=token))[0] == "1048582"
    back = rest("tasks.task.disapprove", {"taskId": task["id"]})["task"]
    assert back["status"] == "2"
    rest("tasks.task.complete", {"taskId": task["id"]}, token=token)
    approved = rest("tasks.task.approve", {"taskId": task["id"]})["task"]
    assert (approved["status"], approved["closedBy"]) == ("5", "1")


def test_marks_belong_to_the_one_who_made_them(rest: Rest, colleague: tuple[int, str]) -> None:
    worker, token = colleague
    task = new(rest, RESPONSIBLE_ID=worker)
    assert rest("tasks.task.favorite.add", {"taskId": task["id"]}) is True
    for name in ("mute", "pin"):
        rest(f"tasks.task.{name}", {"id": task["id"]})
    mine = rest("tasks.task.get", {"taskId": task["id"]})["task"]
    assert (mine["favorite"], mine["isMuted"], mine["isPinned"]) == ("Y", "Y", "Y")
    assert (mine["action"]["addFavorite"], mine["action"]["favorite.delete"]) == (False, True)
    theirs = rest("tasks.task.get", {"taskId": task["id"]}, token=token)["task"]
    assert (theirs["favorite"], theirs["isMuted"], theirs["isPinned"]) == ("N", "N", "N")
    rest("tasks.task.favorite.remove", {"taskId": task["id"]})
    assert rest("tasks.task.unmute", {"id": task["id"]})["task"]["isMuted"] == "N"


def test_an_observer_is_one_of_the_auditors(rest: Rest) -> None:
    task = new(rest)
    assert rest("tasks.task.startwatch", {"taskId": task["id"]})["task"]["auditors"] == ["1"]
    assert rest("tasks.task.stopwatch", {"taskId": task["id"]})["task"]["auditors"] == []


def test_access_is_told_for_each_user(rest: Rest, refused: Any, colleague: tuple[int, str]) -> None:
    worker, _ = colleague
    task = new(rest)
    allowed = rest("tasks.task.getaccess", {"taskId": task["id"], "users": [1, worker]})["allowedActions"]
    assert (allowed["1"]["EDIT"], allowed[str(worker)]["EDIT"]) == (True, False)
    assert {"CHANGE_DEADLINE", "CHECKLIST_ADD_ITEMS", "EDIT.PLAN", "DAYPLAN.TIMER.TOGGLE"} <= set(
        allowed["1"]
    )
    assert refused(lambda: rest("tasks.task.getaccess", {"taskId": task["id"], "users": "x"}))[0] == "100"


def test_history_tells_what_changed(rest: Rest) -> None:
    task = new(rest)
    rest("tasks.task.update", {"taskId": task["id"], "fields": {"PRIORITY": 2}})
    rest("tasks.task.complete", {"taskId": task["id"]})
    lines = rest("tasks.task.history.list", {"taskId": task["id"]})["list"]
    assert [line["field"] for line in lines] == ["NEW", "PRIORITY", "STATUS"]
    assert lines[1]["value"] == {"from": "1", "to": "2"}
    assert set(lines[0]["user"]) == {"id", "name", "lastName", "secondName", "login"}
    only = rest("tasks.task.history.list", {"taskId": task["id"], "filter": {"FIELD": "STATUS"}})["list"]
    assert [line["field"] for line in only] == ["STATUS"]


def test_late_tasks_are_counted(rest: Rest, colleague: tuple[int, str]) -> None:
    worker, _ = colleague
    new(rest, RESPONSIBLE_ID=worker, DEADLINE="2020-01-01T10:00:00")
    counters = rest("tasks.task.counters.get", {"userId": worker, "type": "view_all"})
    assert counters["expired"] == {"counter": 1, "code": 6291456}


def test_fields_describe_types_and_choices(rest: Rest) -> None:
    fields = rest("tasks.task.getFields")["fields"]
    assert fields["TITLE"]["required"] is True
    assert fields["ID"]["primary"] is True
    assert set(fields["STATUS"]["values"]) == {"2", "3", "4", "5", "6"}
    assert fields["UF_CRM_TASK"]["type"] == "crm"


def test_a_task_cannot_be_its_own_ancestor(rest: Rest, refused: Any) -> None:
    top = new(rest)
    below = new(rest, PARENT_ID=top["id"])
    cycle = {"taskId": top["id"], "fields": {"PARENT_ID": below["id"]}}
    assert "cyclic" in refused(lambda: rest("tasks.task.update", cycle))[1]


def test_delegating_needs_somebody(rest: Rest, refused: Any) -> None:
    task = new(rest)
    expected = ("100", "Could not find value for parameter {userId}")
    assert refused(lambda: rest("tasks.task.delegate", {"taskId": task["id"]})) == expected


# Checklists.


def test_a_checklist_has_items_that_can_be_ticked(rest: Rest) -> None:
    task = int(new(rest)["id"])
    head = rest("task.checklistitem.add", {"TASKID": task, "FIELDS": {"TITLE": "Чек-лист 1"}})
    fields = {"TITLE": "Отправить прайс", "PARENT_ID": head, "SORT_INDEX": 5, "MEMBERS": {"1": {"TYPE": "A"}}}
    item = rest("task.checklistitem.add", {"TASKID": task, "FIELDS": fields})
    assert rest("task.checklistitem.complete", {"TASKID": task, "ITEMID": item}) is True
    shown = rest("task.checklistitem.get", {"TASKID": task, "ITEMID": item})
    assert (shown["ID"], shown["PARENT_ID"], shown["IS_COMPLETE"]) == (str(item), str(head), "Y")
    assert (shown["TOGGLED_BY"], shown["MEMBERS"][0]["TYPE"]) == ("1", "A")
    assert rest("task.checklistitem.renew", {"TASKID": task, "ITEMID": item}) is True
    change = {"TASKID": task, "ITEMID": item, "FIELDS": {"TITLE": "Отправить КП"}}
    assert rest("task.checklistitem.update", change) is None
    rows = rest("task.checklistitem.getlist", {"TASKID": task, "ORDER": {"ID": "ASC"}})
    assert [row["TITLE"] for row in rows] == ["Чек-лист 1", "Отправить КП"]
    assert rows[0]["PARENT_ID"] == 0
    inside = rest("tasks.task.get", {"taskId": task, "select": ["CHECKLIST"]})["task"]["checklist"]
    assert set(inside) == {str(head), str(item)}
    assert rest("task.checklistitem.delete", {"TASKID": task, "ITEMID": head}) is True
    assert rest("task.checklistitem.getlist", {"TASKID": task}) == []


def test_arguments_may_stand_by_place(rest: Rest) -> None:
    task = new(rest)["id"]
    item = rest.http.post(
        rest.access["webhook_url"] + "task.checklistitem.add", data={"0": task, "1[TITLE]": "По месту"}
    ).json()["result"]
    assert rest("task.checklistitem.getlist", {"TASKID": task})[0]["ID"] == str(item)


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("task.checklistitem.add", {"FIELDS": {"TITLE": "x"}}, "Param #0 (taskId) expected by method"),
        ("task.checklistitem.add", {"TASKID": "x", "FIELDS": {"TITLE": "x"}}, 'to be of type "integer"'),
        ("task.checklistitem.add", {"TASKID": 99999, "FIELDS": {"TITLE": "x"}}, "action not allowed; 8/TE"),
        ("task.checklistitem.complete", {"TASKID": 0, "ITEMID": 1}, "TASKS_ERROR_ASSERT_EXCEPTION"),
        ("task.checklistitem.getlist", {"TASKID": 1, "ORDER": {"X": "ASC"}}, 'must not contain key "X"'),
        (
            "task.commentitem.add",
            {"TASKID": 99999, "FIELDS": {"POST_MESSAGE": "x"}},
            "Insufficient permissions",
        ),
    ],
)
def test_the_task_core_refuses_in_its_own_words(
    rest: Rest, refused: Any, method: str, params: dict[str, Any], text: str
) -> None:
    code, description = refused(lambda: rest(method, params))
    assert code == "ERROR_CORE"
    assert text in description


# Comments and results.


def test_comments_are_kept_and_one_may_become_the_result(rest: Rest, refused: Any) -> None:
    task = int(new(rest)["id"])
    first = rest("task.commentitem.add", {"TASKID": task, "FIELDS": {"POST_MESSAGE": "Позвонил"}})
    second = rest("task.commentitem.add", {"TASKID": task, "FIELDS": {"POST_MESSAGE": "Отправил КП"}})
    rows = rest("task.commentitem.getlist", {"TASKID": task})
    assert [row["ID"] for row in rows] == [str(second), str(first)]
    result = rest("tasks.task.result.addFromComment", {"commentId": second})
    assert (result["commentId"], result["text"], result["files"]) == (second, "Отправил КП", None)
    assert refused(lambda: rest("tasks.task.result.addFromComment", {"commentId": second})) == (
        "0", "Result already exists.",
    )  # fmt: skip
    assert [each["commentId"] for each in rest("tasks.task.result.list", {"taskId": task})] == [second]
    rest("tasks.task.result.deleteFromComment", {"commentId": second})
    assert rest("tasks.task.result.list", {"taskId": task}) == []
    change = {"TASKID": task, "ITEMID": first, "FIELDS": {"POST_MESSAGE": "Дозвонился"}}
    assert rest("task.commentitem.update", change) is True
    assert rest("task.commentitem.get", {"TASKID": task, "ITEMID": first})["POST_MESSAGE"] == "Дозвонился"
    assert rest("task.commentitem.delete", {"TASKID": task, "ITEMID": first}) is True
    assert len(rest("task.commentitem.getlist", {"TASKID": task})) == 1
