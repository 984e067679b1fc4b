"""Robots: they run after whatever brings an item to a stage, in nobody's name, and never on import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.b24.sandbox.client import Listener, Rest, eventually
from tests.b24.sandbox.crm.build import add, get, update
from tests.b24.sandbox.ui_client import Colleague, employ, stages_of


@dataclass(frozen=True)
class Process:
    """A smart process with robots switched on."""

    number: int
    type_id: int
    funnel: int
    stages: list[str]


@pytest.fixture
def process(rest: Rest) -> Process:
    flags = dict.fromkeys(("isStagesEnabled", "isCategoriesEnabled", "isAutomationEnabled"), "Y")
    linked = {"isUseInUserfieldEnabled": "Y", "linkedUserFields": {"TASKS_TASK|UF_CRM_TASK": "true"}}
    made = rest("crm.type.add", {"fields": {"title": "Согласования", **flags, **linked}})["type"]
    number = made["entityTypeId"]
    funnel = rest("crm.category.list", {"entityTypeId": number})["categories"][0]["id"]
    return Process(number, made["id"], funnel, stages_of(rest, f"DYNAMIC_{number}_STAGE_{funnel}"))


@pytest.fixture
def admin(rest: Rest) -> Colleague:
    return Colleague(rest.url)


def put(admin: Colleague, process: Process, stage: str, action: str, status: int = 200, **more: Any) -> None:
    place = {"type": process.number, "category": process.funnel, "stage": stage, "action": action}
    admin.post("/sandbox/ui/robot", status, **place, **more)


def test_a_rest_write_that_enters_the_stage_wakes_its_robots(
    rest: Rest, admin: Colleague, process: Process
) -> None:
    head = employ(rest, "Глава").user_id
    put(admin, process, process.stages[1], "assign", user_id=head)
    put(admin, process, process.stages[1], "task", title="Проверить договор", days="2")
    put(admin, process, process.stages[1], "comment", text="Передано на проверку")
    item = add(rest, process.number, title="Договор")
    assert get(rest, process.number, item["id"])["assignedById"] == 1, "another stage: no robot"
    update(rest, process.number, item["id"], stageId=process.stages[1])
    assert get(rest, process.number, item["id"])["assignedById"] == head
    binding = f"T{process.number:x}_{item['id']}"
    tasks = rest("tasks.task.list", {"filter": {"UF_CRM_TASK": binding}})["tasks"]
    assert [(one["title"], one["responsibleId"]) for one in tasks] == [("Проверить договор", str(head))]
    wanted = {"filter": {"ENTITY_ID": item["id"], "ENTITY_TYPE": f"DYNAMIC_{process.number}"}}
    assert [one["COMMENT"] for one in rest("crm.timeline.comment.list", wanted)] == ["Передано на проверку"]


def test_a_new_item_and_a_card_moved_by_hand_wake_robots_too(
    rest: Rest, admin: Colleague, process: Process
) -> None:
    first, second = process.stages[:2]
    put(admin, process, first, "field", field="TITLE", value="Назван роботом")
    put(admin, process, second, "move", stage_id=process.stages[2])
    item = add(rest, process.number, title="Назван человеком")
    assert item["title"] == "Назван человеком", "robots start after the answer has been made"
    assert get(rest, process.number, item["id"])["title"] == "Назван роботом"
    assert admin.move(process.number, item["id"], second).status_code == 200
    assert get(rest, process.number, item["id"])["stageId"] == process.stages[2]


def test_import_wakes_no_robot(rest: Rest, admin: Colleague, process: Process) -> None:
    put(admin, process, process.stages[0], "field", field="TITLE", value="Назван роботом")
    params = {"entityTypeId": process.number, "fields": {"title": "Из старой базы"}}
    number = rest("crm.item.import", params)["item"]["id"]
    assert get(rest, process.number, number)["title"] == "Из старой базы"


def test_robots_are_switched_off_one_by_one_and_for_the_whole_process(
    rest: Rest, admin: Colleague, process: Process
) -> None:
    put(admin, process, process.stages[0], "field", field="TITLE", value="Роботом")
    page = admin.get(f"/crm/type/{process.number}/automation/{process.funnel}/")
    robot = page.split('name="robot" value="')[1].split('"')[0]
    place = {"type": process.number, "category": process.funnel}

    def title() -> str:
        made = add(rest, process.number, title="Человеком")
        return str(get(rest, process.number, made["id"])["title"])

    assert title() == "Роботом"
    admin.post("/sandbox/ui/robot/off", robot=robot, **place)
    assert title() == "Человеком"
    admin.post("/sandbox/ui/robot/on", robot=robot, **place)
    admin.post("/sandbox/ui/automation", on="0", **place)
    assert rest("crm.type.get", {"id": process.type_id})["type"]["isAutomationEnabled"] == "N"
    assert title() == "Человеком"
    admin.post("/sandbox/ui/automation", on="1", **place)
    assert title() == "Роботом"
    admin.post("/sandbox/ui/robot/remove", robot=robot, **place)
    assert title() == "Человеком"


def test_robots_that_wake_each_other_in_a_circle_come_to_rest(
    rest: Rest, admin: Colleague, process: Process
) -> None:
    first, second = process.stages[:2]
    put(admin, process, first, "move", stage_id=second)
    put(admin, process, second, "move", stage_id=first)
    item = add(rest, process.number)
    rows = rest("crm.stagehistory.list", {"entityTypeId": process.number, "filter": {"OWNER_ID": item["id"]}})
    assert 2 < len(rows["items"]) < 20


def test_what_a_robot_does_carries_no_tokens(
    rest: Rest, admin: Colleague, process: Process, listener: Listener
) -> None:
    put(admin, process, process.stages[0], "task", title="Проверить")
    put(admin, process, process.stages[0], "field", field="TITLE", value="Роботом")
    rest.control("clock", {"event_delay_s": 0.05})
    names = ("ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMUPDATE", "ONTASKADD")
    for name in names:
        rest("event.bind", {"event": name, "handler": listener.url})
    add(rest, process.number)
    events = eventually(lambda: listener.events if len(listener.events) >= len(names) else None)
    for name in names:
        rest("event.unbind", {"event": name, "handler": listener.url})
    signed = {one["event"]: "auth[access_token]" in one for one in events}
    assert signed == {"ONCRMDYNAMICITEMADD": True, "ONCRMDYNAMICITEMUPDATE": False, "ONTASKADD": False}


@pytest.mark.parametrize(
    "wanted",
    [
        {"action": "fly"},
        {"action": "assign", "user_id": "99999"},
        {"action": "field", "field": "ID", "value": "5"},
        {"action": "field", "field": "BEGINDATE_", "value": "5"},
        {"action": "field", "field": "ASSIGNED_BY_ID", "value": "никто"},
        {"action": "move", "stage_id": "NOPE"},
        {"action": "task", "title": "  "},
        {"action": "comment"},
    ],
)
def test_a_robot_that_could_never_work_is_refused(
    admin: Colleague, process: Process, wanted: dict[str, str]
) -> None:
    put(admin, process, process.stages[0], status=400, **wanted)
    assert "Убрать робота" not in admin.get(f"/crm/type/{process.number}/automation/{process.funnel}/")


def test_only_administrators_set_robots(rest: Rest, process: Process) -> None:
    somebody = employ(rest, "Простой")
    put(somebody, process, process.stages[0], "comment", status=403, text="Привет")
    somebody.get(f"/crm/type/{process.number}/automation/{process.funnel}/", 403)


def test_a_trigger_is_put_on_a_stage_by_hand_and_moves_items(
    rest: Rest, admin: Colleague, process: Process
) -> None:
    rest("crm.automation.trigger.add", {"CODE": "checked", "NAME": "Договор проверен"})
    page = admin.get(f"/crm/type/{process.number}/automation/{process.funnel}/")
    value = next(
        part.split('"')[0]
        for part in page.split('<option value="')
        if "Договор проверен" in part.split("<")[0]
    )
    place = {"type": process.number, "category": process.funnel}
    admin.post("/sandbox/ui/trigger", stage=process.stages[2], trigger=value, **place)
    item = add(rest, process.number)
    fired = {"CODE": "checked", "OWNER_TYPE_ID": process.number, "OWNER_ID": item["id"]}
    rest("crm.automation.trigger.execute", fired)
    assert get(rest, process.number, item["id"])["stageId"] == process.stages[2]
