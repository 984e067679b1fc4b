"""What the CRM tells applications: names and data of events, and what raises none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.b24.sandbox.client import Listener, Rest, eventually
from tests.b24.sandbox.crm.build import Built, add, add_field, update

NAMES = (
    "ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMUPDATE", "ONCRMDYNAMICITEMDELETE", "ONCRMCONTACTADD",
    "ONCRMDEALADD",
    "ONCRMDEALUPDATE", "ONCRMDEALMOVETOCATEGORY", "ONCRMACTIVITYADD", "ONCRMTIMELINECOMMENTADD", "ONTASKADD",
    "ONTASKUPDATE", "ONTASKDELETE", "ONCRMTYPEUPDATE", "ONCRMTYPEUSERFIELDADD", "ONCRMLEADADD",
)  # fmt: skip


@pytest.fixture
def heard(rest: Rest, built: Built, listener: Listener) -> Iterator[Any]:
    """``heard()`` waits for the end-mark of everything done so far and returns (event, data…) in order."""
    rest.control("clock", {"event_delay_s": 0.05})
    for name in NAMES:
        rest("event.bind", {"event": name, "handler": listener.url})

    def collect() -> list[dict[str, str]]:
        mark = str(add(rest, 1, title="метка")["id"])
        eventually(lambda: any(
            each["event"] == "ONCRMLEADADD" and each["data[FIELDS][ID]"] == mark for each in listener.events
        ))  # fmt: skip
        eventually(lambda: rest.control("events", method="GET")["pending"] == 0)
        return [each for each in listener.events if each["event"] != "ONCRMLEADADD"]

    yield collect
    for name in NAMES:
        rest("event.unbind", {"event": name, "handler": listener.url})


def names(events: list[dict[str, str]]) -> list[str]:
    return sorted(each["event"] for each in events)


def test_items_tell_their_id_and_type(rest: Rest, built: Built, heard: Any) -> None:
    item = add(rest, built.participation)
    update(rest, built.participation, item["id"], title="Новое имя")
    update(rest, built.participation, item["id"], title="Новое имя")
    rest("crm.item.delete", {"entityTypeId": built.participation, "id": item["id"]})
    events = heard()
    assert names(events) == ["ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMDELETE", "ONCRMDYNAMICITEMUPDATE"]
    for event in events:
        assert event["data[FIELDS][ID]"] == str(item["id"])
        assert event["data[FIELDS][ENTITY_TYPE_ID]"] == str(built.participation)
        assert event["auth[access_token]"]


def test_a_funnel_move_of_a_deal_is_no_update(rest: Rest, heard: Any) -> None:
    number = rest("crm.category.add", {"entityTypeId": 2, "fields": {"name": "Опт"}})["category"]["id"]
    deal = add(rest, 2)
    update(rest, 2, deal["id"], categoryId=number)
    update(rest, 2, deal["id"], title="Сделка")
    events = {each["event"]: each for each in heard()}
    assert sorted(events) == ["ONCRMDEALADD", "ONCRMDEALMOVETOCATEGORY", "ONCRMDEALUPDATE"]
    moved = events["ONCRMDEALMOVETOCATEGORY"]
    assert (moved["data[FIELDS][CATEGORY_ID]"], moved["data[FIELDS][STAGE_ID]"]) == (
        str(number),
        f"C{number}:NEW",
    )


def test_tasks_tell_before_and_after(rest: Rest, heard: Any) -> None:
    task = rest("tasks.task.add", {"fields": {"TITLE": "Позвонить", "RESPONSIBLE_ID": 1}})["task"]
    rest("tasks.task.complete", {"taskId": task["id"]})
    rest("tasks.task.delete", {"taskId": task["id"]})
    events = {each["event"]: each for each in heard()}
    assert events["ONTASKADD"]["data[FIELDS_BEFORE]"] == "undefined"
    assert events["ONTASKADD"]["data[FIELDS_AFTER][ID]"] == task["id"]
    assert events["ONTASKUPDATE"]["data[FIELDS_BEFORE][ID]"] == task["id"]
    assert events["ONTASKDELETE"]["data[FIELDS_AFTER]"] == "undefined"


def test_timeline_and_settings_tell_too(rest: Rest, built: Built, heard: Any) -> None:
    contact = add(rest, 3, name="Ева")
    comment = rest("crm.timeline.comment.add", {
        "fields": {"ENTITY_ID": contact["id"], "ENTITY_TYPE": "contact", "COMMENT": "Привет"}
    })  # fmt: skip
    rest("crm.type.update", {"id": built.event_type, "fields": {"title": "Мероприятие"}})
    field = add_field(rest, built.event_type, "HEARD", "string")
    events = {each["event"]: each for each in heard()}
    assert events["ONCRMTIMELINECOMMENTADD"]["data[FIELDS][ID]"] == str(comment)
    assert events["ONCRMTYPEUPDATE"]["data[FIELDS][ID]"] == str(built.event_type)
    told = events["ONCRMTYPEUSERFIELDADD"]
    assert told["data[FIELDS][FIELD_NAME]"] == field["fieldName"]
    assert told["data[FIELDS][ENTITY_ID]"] == f"CRM_{built.event_type}"


def test_a_refused_call_tells_nothing(rest: Rest, built: Built, heard: Any) -> None:
    rest.send("crm.item.add", {"entityTypeId": built.participation, "fields": {"stageId": "нет"}})
    assert heard() == []
