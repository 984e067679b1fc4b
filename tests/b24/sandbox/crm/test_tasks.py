"""tasks.task.*: strings, camel case, bindings to the CRM; examples of api-reference/tasks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built


def new(rest: Rest, **fields: Any) -> dict[str, Any]:
    full = {"TITLE": "Позвонить", "RESPONSIBLE_ID": 1, **fields}
    return dict(rest("tasks.task.add", {"fields": full})["task"])


def task(rest: Rest, task_id: str, *select: str) -> dict[str, Any]:
    return dict(rest("tasks.task.get", {"taskId": task_id, "select": list(select)})["task"])


def test_a_task_answers_in_strings_and_camel_case(rest: Rest) -> None:
    made = new(rest, DESCRIPTION="[b]Срочно[/b]", DEADLINE="2026-12-31T23:59:59", PRIORITY=2)
    assert {name: made[name] for name in ("title", "priority", "status", "createdBy", "responsibleId",
    "groupId")} == {
        "title": "Позвонить", "priority": "2", "status": "2", "createdBy": "1", "responsibleId": "1",
        "groupId": "0",
    }  # fmt: skip
    assert isinstance(made["id"], str)
    assert made["deadline"] == "2026-12-31T23:59:59+03:00"
    assert made["parentId"] is None
    assert made["group"] == made["accomplices"] == made["auditors"] == []
    assert made["creator"]["link"] == "/company/personal/user/1/"
    assert "ufCrmTask" not in made


def test_bindings_are_shown_when_asked_and_false_when_there_are_none(rest: Rest, built: Built) -> None:
    short = f"T{built.participation:x}"
    bound = new(rest, UF_CRM_TASK=["D_7", "C_5", "CO_3", f"{short}_9"])
    assert task(rest, bound["id"], "UF_CRM_TASK")["ufCrmTask"] == ["D_7", "C_5", "CO_3", f"{short}_9"]
    assert task(rest, new(rest)["id"], "UF_CRM_TASK")["ufCrmTask"] is False


def test_an_unlinked_smart_process_is_dropped_without_a_word(rest: Rest, built: Built) -> None:
    made = new(rest, UF_CRM_TASK=[f"T{built.event:x}_1", "Tffff_1", "нечто", "C_x"])
    assert task(rest, made["id"], "UF_CRM_TASK")["ufCrmTask"] is False
    rest("crm.type.update", {
        "id": built.event_type,
        "fields": {"isUseInUserfieldEnabled": "Y", "linkedUserFields": {"TASKS_TASK|UF_CRM_TASK": "true"}},
    })  # fmt: skip
    rest("tasks.task.update", {"taskId": made["id"], "fields": {"UF_CRM_TASK": [f"T{built.event:x}_1"]}})
    assert task(rest, made["id"], "UF_CRM_TASK")["ufCrmTask"] == [f"T{built.event:x}_1"]


def test_a_binding_that_is_no_list_is_saved_empty(rest: Rest) -> None:
    assert task(rest, new(rest, UF_CRM_TASK="C_5")["id"], "UF_CRM_TASK")["ufCrmTask"] is False


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({}, "100", "Could not find value for parameter {fields} (internal error)"),
        ({"RESPONSIBLE_ID": 1}, "ERROR_CORE", "Task title is not specified<br>"),
        ({"TITLE": "x"}, "ERROR_CORE", "Responsible person not specified<br>"),
        ({"TITLE": "x", "RESPONSIBLE_ID": 999}, "ERROR_CORE",
         'The user specified in the "Responsible" field was not found<br>'),
        ({"TITLE": "x", "RESPONSIBLE_ID": 1, "STATUS": 77}, "ERROR_CORE", "Incorrect status<br>"),
        ({"TITLE": "x", "RESPONSIBLE_ID": 1, "PARENT_ID": 9999}, "ERROR_CORE",
         'The task specified in the "Parent Task" field was not found<br>'),
    ],
)  # fmt: skip
def test_a_bad_task_is_refused(
    rest: Rest, refused: Any, fields: dict[str, Any], code: str, text: str
) -> None:
    assert refused(lambda: rest("tasks.task.add", {"fields": fields})) == (code, text)


def test_a_task_goes_through_its_states(rest: Rest) -> None:
    number = new(rest)["id"]
    states = {"start": "3", "pause": "2", "defer": "6", "complete": "5", "renew": "2"}
    for verb, status in states.items():
        assert rest(f"tasks.task.{verb}", {"taskId": number})["task"]["status"] == status, verb
    rest("tasks.task.complete", {"taskId": number})
    done = task(rest, number, "CLOSED_BY", "CLOSED_DATE", "STATUS")
    assert done["closedBy"] == "1"
    assert done["closedDate"]


def test_a_missing_task_is_an_empty_list(rest: Rest, refused: Any) -> None:
    assert rest("tasks.task.get", {"taskId": 99999}) == []
    assert refused(lambda: rest("tasks.task.get", {}))[0] == "100"
    assert refused(lambda: rest("tasks.task.get", {"taskId": "abc"}))[0] == "0"
    assert refused(lambda: rest("tasks.task.update", {"taskId": 99999, "fields": {"TITLE": "x"}}))[0] == "0"
    assert refused(lambda: rest("tasks.task.delete", {"taskId": 99999}))[0] == "1048582"
    assert rest("tasks.task.delete", {"taskId": new(rest)["id"]}) == {"task": True}


def test_a_list_filters_by_state_deadline_and_binding(rest: Rest, built: Built) -> None:
    short = f"T{built.participation:x}_77"
    late = new(rest, TITLE="Поздно", DEADLINE="2020-01-01T10:00:00+03:00", UF_CRM_TASK=[short])["id"]
    done = new(rest, TITLE="Готово", UF_CRM_TASK=[short, "C_77"])["id"]
    rest("tasks.task.complete", {"taskId": done})

    def found(**filter_: Any) -> list[str]:
        params = {"filter": {"UF_CRM_TASK": short, **filter_}, "order": {"ID": "asc"}, "select": ["ID"]}
        return [each["id"] for each in rest("tasks.task.list", params)["tasks"]]

    assert found() == [late, done]
    assert found(REAL_STATUS=5) == [done]
    assert found(**{"!REAL_STATUS": 5}) == [late]
    assert found(STATUS=-1) == [late]
    assert found(**{"<DEADLINE": "2021-01-01"}) == [late]
    assert found(**{"%TITLE": "гото"}) == [done]
    assert found(ID=[late]) == [late]
    both = rest("tasks.task.list", {"filter": {"UF_CRM_TASK": ["C_77"]}, "select": ["ID", "UF_CRM_TASK"]})
    assert [(each["id"], each["ufCrmTask"]) for each in both["tasks"]] == [(done, [short, "C_77"])]


def test_a_list_cannot_be_sorted_by_what_is_not_there(rest: Rest, refused: Any) -> None:
    assert refused(lambda: rest("tasks.task.list", {"order": {"WISH": "asc"}}))[0] == "0"


def test_people_see_the_tasks_they_take_part_in(rest: Rest) -> None:
    person = rest.control("users", {"name": "Ольга", "last_name": "Обычная"})
    hers, not_hers = new(rest, RESPONSIBLE_ID=person["id"])["id"], new(rest)["id"]
    watched = new(rest, AUDITORS=[person["id"]])["id"]
    token = person["access_token"]
    seen = rest("tasks.task.list", {"select": ["ID"], "order": {"ID": "asc"}}, token=token)["tasks"]
    assert [each["id"] for each in seen] == [hers, watched]
    assert rest("tasks.task.get", {"taskId": not_hers}, token=token) == []
    assert rest.send("tasks.task.delete", {"taskId": hers}, token=token).json()["error"] == "1048582"


def test_a_list_shows_what_params_and_counted_fields_ask_for(rest: Rest) -> None:
    number = new(rest, DESCRIPTION="Текст", DEADLINE="2020-01-01T10:00:00+03:00")["id"]
    params = {
        "filter": {"ID": number},
        "select": ["ID", "DESCRIPTION", "DEADLINE", "subStatus", "COUNTERS"],
        "params": {"WITH_TIMER_INFO": True, "WITH_RESULT_INFO": "Y", "WITH_PARSED_DESCRIPTION": "1"},
    }
    (shown,) = rest("tasks.task.list", params)["tasks"]
    assert {name: shown[name] for name in ("lengthDeadline", "subStatus", "taskHasResult", "timeElapsed")} == {
        "lengthDeadline": "1", "subStatus": "-1", "taskHasResult": "N", "timeElapsed": None,
    }  # fmt: skip
    assert (shown["parsedDescription"], shown["descriptionInBbcode"]) == ("Текст", "Y")
    assert shown["counter"]["value"] == 0
    (bare,) = rest("tasks.task.list", {"filter": {"ID": number}, "select": ["ID"]})["tasks"]
    assert set(bare) == {"id", "group"}
