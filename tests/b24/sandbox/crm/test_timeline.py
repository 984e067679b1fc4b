"""Comments, log entries, to-dos and activities; examples of crm/timeline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, get


@pytest.fixture(scope="module")
def deal(rest: Rest) -> int:
    return int(add(rest, 2)["id"])


def test_a_comment_is_read_back_in_strings(rest: Rest, deal: int) -> None:
    fields = {
        "ENTITY_ID": deal,
        "ENTITY_TYPE": "deal",
        "COMMENT": "New comment",
        "FILES": [["1.gif", "R0lGODlh"]],
    }
    number = rest("crm.timeline.comment.add", {"fields": fields})
    assert isinstance(number, int)
    shown = rest("crm.timeline.comment.get", {"id": number})
    assert (shown["ID"], shown["ENTITY_ID"], shown["ENTITY_TYPE"]) == (str(number), str(deal), "deal")
    assert (shown["COMMENT"], shown["AUTHOR_ID"]) == ("New comment", "1")
    assert shown["FILES"]["1"]["name"] == "1.gif"
    rest("crm.timeline.comment.update", {"id": number, "fields": {"COMMENT": "Иначе"}})
    answer = rest.answer("crm.timeline.comment.list", {"filter": {"ENTITY_ID": deal, "ENTITY_TYPE": "deal"},
                                                       "select": ["ID", "COMMENT"]})  # fmt: skip
    assert answer["result"] == [{"ID": str(number), "COMMENT": "Иначе"}]
    assert answer["total"] == 1
    assert rest("crm.timeline.comment.delete", {"id": number}) is True


def test_smart_processes_are_named_dynamic(rest: Rest, built: Built) -> None:
    item = add(rest, built.event)
    fields = {"ENTITY_ID": item["id"], "ENTITY_TYPE": f"dynamic_{built.event}", "COMMENT": "Текст"}
    rest.control("clock", {"advance_s": 30})
    number = rest("crm.timeline.comment.add", {"fields": fields})
    assert rest("crm.timeline.comment.get", {"id": number})["ENTITY_TYPE"] == f"dynamic_{built.event}"
    fresh = get(rest, built.event, item["id"])
    assert fresh["lastActivityTime"] > item["lastActivityTime"]
    assert fresh["updatedTime"] == item["updatedTime"], "a comment is no update"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ENTITY_ID": 99999}, "OWNER_NOT_FOUND"),
        ({"ENTITY_TYPE": "planet"}, "OWNER_NOT_FOUND"),
        ({"COMMENT": None}, "100"),
        ({"COMMENT": "  "}, "INVALID_ARG_VALUE"),
    ],
)
def test_a_comment_needs_an_owner_and_words(
    rest: Rest, deal: int, refused: Any, change: dict[str, Any], code: str
) -> None:
    fields = {"ENTITY_ID": deal, "ENTITY_TYPE": "deal", "COMMENT": "x", **change}
    assert refused(lambda: rest("crm.timeline.comment.add", {"fields": fields}))[0] == code


def test_a_log_entry_comes_back_whole(rest: Rest, deal: int) -> None:
    fields = {
        "entityTypeId": 2,
        "entityId": deal,
        "title": "Test title",
        "text": "Test text",
        "iconCode": "info",
    }
    entry = rest("crm.timeline.logmessage.add", {"fields": fields})["logMessage"]
    assert {key: entry[key] for key in ("authorId", "title", "text", "iconCode")} == {
        "authorId": 1, "title": "Test title", "text": "Test text", "iconCode": "info",
    }  # fmt: skip
    assert rest("crm.timeline.logmessage.get", {"id": entry["id"]})["logMessage"] == entry
    listed = rest("crm.timeline.logmessage.list", {"entityTypeId": 2, "entityId": deal})
    assert listed == [entry]


def todo(rest: Rest, deal: int, **more: Any) -> int:
    params = {"ownerTypeId": 2, "ownerId": deal, "deadline": "2026-12-03T15:00:00", "title": "Звонок", **more}
    return int(rest("crm.activity.todo.add", params)["id"])


def test_a_to_do_is_an_activity_with_a_deadline(rest: Rest, deal: int) -> None:
    number = todo(rest, deal, description="Обсудить", pingOffsets=[0, 15], colorId="2")
    shown = rest("crm.activity.get", {"id": number})
    expected = {
        "ID": str(number), "OWNER_ID": str(deal), "OWNER_TYPE_ID": "2", "PROVIDER_ID": "CRM_TODO",
        "TYPE_ID": "6",
        "SUBJECT": "Звонок", "DESCRIPTION": "Обсудить", "DEADLINE": "2026-12-03T15:00:00+03:00",
        "COMPLETED": "N",
        "RESPONSIBLE_ID": "1", "STATUS": "1",
    }  # fmt: skip
    assert {key: shown[key] for key in expected} == expected
    assert shown["PROVIDER_PARAMS"] == []


def test_a_completed_to_do_stays_as_it_is(rest: Rest, deal: int, refused: Any) -> None:
    number = todo(rest, deal)
    own = {"id": number, "ownerTypeId": 2, "ownerId": deal}
    rest("crm.activity.todo.updateDeadline", {**own, "value": "2026-12-05T10:00:00+03:00"})
    rest("crm.activity.todo.update", {**own, "deadline": "2026-12-06T10:00:00+03:00", "title": "Встреча"})
    assert rest("crm.activity.get", {"id": number})["SUBJECT"] == "Встреча"
    assert rest("crm.activity.update", {"id": number, "fields": {"COMPLETED": "Y"}}) is True
    assert rest("crm.activity.get", {"id": number})["STATUS"] == "2"
    change = {**own, "value": "2026-12-07T10:00:00+03:00"}
    code = refused(lambda: rest("crm.activity.todo.updateDeadline", change))[0]
    assert code == "CAN_NOT_UPDATE_COMPLETED_TODO"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"deadline": None}, "100"),
        ({"deadline": "завтра"}, "WRONG_DATETIME_FORMAT"),
        ({"ownerId": 99999}, "OWNER_NOT_FOUND"),
        ({"ownerTypeId": 77}, "OWNER_NOT_FOUND"),
    ],
)
def test_a_to_do_needs_owner_and_deadline(
    rest: Rest, deal: int, refused: Any, change: dict[str, Any], code: str
) -> None:
    assert refused(lambda: todo(rest, deal, **change))[0] == code


def test_activities_are_found_by_their_bindings(rest: Rest, built: Built) -> None:
    other = int(add(rest, 2)["id"])
    item = add(rest, built.event)["id"]
    first, second = todo(rest, other, title="Раз"), todo(rest, other, title="Два")
    rest("crm.activity.binding.add", {"activityId": first, "entityTypeId": built.event, "entityId": item})

    def found(**filter_: Any) -> list[str]:
        rows = rest(
            "crm.activity.list", {"filter": filter_, "select": ["ID", "SUBJECT"], "order": {"ID": "ASC"}}
        )
        return [each["SUBJECT"] for each in rows]

    assert found(BINDINGS=[{"OWNER_TYPE_ID": 2, "OWNER_ID": other}]) == ["Раз", "Два"]
    assert found(BINDINGS=[{"OWNER_TYPE_ID": built.event, "OWNER_ID": item}]) == ["Раз"]
    assert found(OWNER_TYPE_ID=2, OWNER_ID=other, COMPLETED="N") == ["Раз", "Два"]
    assert rest("crm.activity.delete", {"id": second}) is True
    assert found(OWNER_TYPE_ID=2, OWNER_ID=other) == ["Раз"]


def test_a_missing_activity_has_an_empty_code(rest: Rest, refused: Any) -> None:
    assert refused(lambda: rest("crm.activity.get", {"id": 99999})) == ("", "Not found.")
    assert refused(lambda: rest("crm.activity.delete", {"id": 99999})) == ("", "Activity is not found")
