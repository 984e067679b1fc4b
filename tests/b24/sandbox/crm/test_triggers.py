"""crm.automation.trigger.*: crm/automation; a person puts a trigger on a stage, an execution moves items there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Listener, Rest, eventually
from tests.b24.sandbox.crm.build import Built, add, get


@pytest.fixture(scope="module")
def app_id(rest: Rest) -> int:
    return int(next(each["id"] for each in rest.control("apps", method="GET")))


def execute(rest: Rest, code: str, kind: int, item: int) -> Any:
    return rest("crm.automation.trigger.execute", {"CODE": code, "OWNER_TYPE_ID": kind, "OWNER_ID": item})


def test_a_trigger_is_offered_renamed_and_withdrawn(rest: Rest, refused: Any) -> None:
    assert rest("crm.automation.trigger.add", {"CODE": "c5u4m", "NAME": "Пришёл"}) is True
    assert rest("crm.automation.trigger.add", {"CODE": "c5u4m", "NAME": "Гость пришёл"}) is True
    assert rest("crm.automation.trigger.list") == [{"NAME": "Гость пришёл", "CODE": "c5u4m"}]
    assert rest("crm.automation.trigger.delete", {"CODE": "c5u4m"}) is True
    assert refused(lambda: rest("crm.automation.trigger.delete", {"CODE": "c5u4m"})) == (
        "",
        "Trigger not found",
    )


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("add", {"NAME": "x"}, "Empty trigger code!"),
    ("add", {"CODE": "ключ", "NAME": "x"}, "Wrong trigger code!"),
    ("add", {"CODE": "x"}, "Empty trigger name!"),
    (
        "execute",
        {"CODE": "nobody", "OWNER_TYPE_ID": 2, "OWNER_ID": 1},
        "Trigger with code nobody is not registered.",
    ),
    ("execute", {"CODE": "known", "OWNER_TYPE_ID": 999, "OWNER_ID": 1}, "Incorrect parameter OWNER_TYPE_ID."),
    ("execute", {"CODE": "known", "OWNER_TYPE_ID": 2, "OWNER_ID": 0}, "Incorrect parameter OWNER_ID."),
]


@pytest.mark.parametrize(("method", "params", "text"), REFUSED)
def test_wrong_parameters_get_an_empty_code(
    rest: Rest, refused: Any, method: str, params: dict[str, Any], text: str
) -> None:
    rest("crm.automation.trigger.add", {"CODE": "known", "NAME": "Известный"})
    assert refused(lambda: rest(f"crm.automation.trigger.{method}", params)) == ("", text)


def test_only_an_application_may_use_triggers_of_its_own(rest: Rest) -> None:
    answer = rest.hook("crm.automation.trigger.list")
    assert (answer.status_code, answer.json()["error"]) == (400, "ACCESS_DENIED")
    assert answer.json()["error_description"] == "Access denied! Application context required"


def test_an_execution_moves_only_what_a_person_arranged(
    rest: Rest, built: Built, app_id: int, listener: Listener
) -> None:
    rest("crm.automation.trigger.add", {"CODE": "arrived", "NAME": "Гость пришёл"})
    kind = built.participation
    item = add(rest, kind, title="Иванов")
    assert execute(rest, "arrived", kind, item["id"]) is True
    assert get(rest, kind, item["id"])["stageId"] == item["stageId"]
    stages = [each["STATUS_ID"] for each in rest("crm.status.entity.items", {
        "entityId": f"DYNAMIC_{kind}_STAGE_{item['categoryId']}"})]  # fmt: skip
    rule = {"entity_type_id": kind, "stage_id": stages[2], "app_id": app_id, "code": "arrived"}
    assert rest.control("triggers", rule)["name"] == "Гость пришёл"
    rest("event.bind", {"event": "ONCRMDYNAMICITEMUPDATE", "handler": listener.url})
    assert execute(rest, "arrived", kind, item["id"]) is True
    assert get(rest, kind, item["id"])["stageId"] == stages[2]
    event = eventually(lambda: next(iter(listener.events), None))
    assert event["data[FIELDS][ID]"] == str(item["id"])
    assert "auth[access_token]" not in event
    rest("event.unbind", {"event": "ONCRMDYNAMICITEMUPDATE"})


def test_a_trigger_leads_forward_unless_allowed_back(rest: Rest, app_id: int) -> None:
    rest("crm.automation.trigger.add", {"CODE": "back", "NAME": "Назад"})
    rule = {"entity_type_id": 2, "stage_id": "NEW", "app_id": app_id, "code": "back"}
    made = rest.control("triggers", rule)
    deal = add(rest, 2, title="Сделка", stageId="EXECUTING")["id"]
    execute(rest, "back", 2, deal)
    assert get(rest, 2, deal)["stageId"] == "EXECUTING"
    rest.control(f"triggers/{made['id']}", method="DELETE")
    rest.control("triggers", rule | {"backwards": "1"})
    execute(rest, "back", 2, deal)
    assert get(rest, 2, deal)["stageId"] == "NEW"


def test_a_webhook_trigger_is_called_by_the_code_the_portal_made(rest: Rest) -> None:
    rule = rest.control("triggers", {"entity_type_id": 2, "stage_id": "PREPAYMENT_INVOICE"})
    deal = add(rest, 2, title="Сделка")["id"]
    url = f"{rest.access['webhook_url']}crm.automation.trigger/?target=DEAL_{deal}&code={rule['code']}"
    assert rest.http.get(url).json()["result"] is True
    assert get(rest, 2, deal)["stageId"] == "PREPAYMENT_INVOICE"


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        ("", "", "Target is not set."), ("DEAL", "", "Incorrect target format."),
        ("TABLE_5", "", "Target is not found."),
        ("DEAL_99999", "ACCESS_DENIED", "Access denied! There are no permissions to update the entity."),
    ],
)  # fmt: skip
def test_a_wrong_target_is_refused(rest: Rest, refused: Any, target: str, code: str, text: str) -> None:
    params = {"target": target, "code": "x"}
    assert refused(lambda: rest("crm.automation.trigger", params)) == (code, text)


@pytest.mark.parametrize(
    "rule",
    [{"entity_type_id": 3, "stage_id": "NEW"}, {"entity_type_id": 2, "stage_id": "NOWHERE"},
     {"entity_type_id": "x", "stage_id": "NEW"}, {"entity_type_id": 2, "stage_id": "NEW", "app_id": 1, "code": "no"}],
)  # fmt: skip
def test_a_rule_that_cannot_stand_is_refused(rest: Rest, rule: dict[str, Any]) -> None:
    answer = rest.http.post(f"{rest.url}/sandbox/triggers", json=rule)
    assert answer.status_code == 400
    assert answer.json()["error"]
