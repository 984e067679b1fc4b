"""Fields mandatory on a stage, and what a plan does not allow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, get, update


def test_a_field_may_be_mandatory_from_a_stage_on(rest: Rest, refused: Any) -> None:
    field = {"entityId": "CRM_DEAL", "fieldName": "UF_CRM_DEAL_TENDER", "userTypeId": "string"}
    rest(
        "userfieldconfig.add",
        {"moduleId": "crm", "field": field | {"editFormLabel": {"ru": "Номер тендера"}}},
    )
    rule = {"entity_type_id": 2, "field": "UF_CRM_DEAL_TENDER", "stages": ["EXECUTING", "WON"]}
    rest.control("required", rule)
    assert rest("crm.item.fields", {"entityTypeId": 2})["fields"]["ufCrm_DEAL_TENDER"]["isRequired"] is False
    deal = add(rest, 2, title="Тендер")["id"]
    update(rest, 2, deal, stageId="PREPARATION")
    code, text = refused(lambda: update(rest, 2, deal, stageId="EXECUTING"))
    assert (code, text) == ("CRM_FIELD_ERROR_REQUIRED", 'The "Номер тендера" field is required')
    assert get(rest, 2, deal)["stageId"] == "PREPARATION"
    done = update(rest, 2, deal, stageId="EXECUTING", ufCrm_DEAL_TENDER="77")
    assert done["stageId"] == "EXECUTING"
    wrong = {"title": "Сразу в конец", "stageId": "WON"}
    assert refused(lambda: add(rest, 2, **wrong))[0] == "CRM_FIELD_ERROR_REQUIRED"
    rest.control("required", rule | {"stages": []})
    assert add(rest, 2, **wrong)["stageId"] == "WON"


@pytest.mark.parametrize(
    "rule", [{"entity_type_id": 2, "field": "NOTHING"}, {"entity_type_id": 999, "field": "TITLE"}]
)
def test_only_known_fields_can_be_made_mandatory(rest: Rest, rule: dict[str, Any]) -> None:
    answer = rest.http.post(f"{rest.url}/sandbox/required", json=rule)
    assert answer.status_code in {400, 404}


LIMITS: list[tuple[str, str, str]] = [
    ("item_add", "crm.item.add", "CREATE_DYNAMIC_ITEM_RESTRICTED"),
    ("item_update", "crm.item.update", "UPDATE_DYNAMIC_ITEM_RESTRICTED"),
    ("type_add", "crm.type.add", "CREATE_DYNAMIC_TYPE_RESTRICTED"),
    ("type_update", "crm.type.update", "UPDATE_DYNAMIC_TYPE_RESTRICTED"),
]


@pytest.mark.parametrize(("name", "method", "code"), LIMITS)
def test_a_plan_may_forbid_smart_processes(
    rest: Rest, refused: Any, built: Built, name: str, method: str, code: str
) -> None:
    item = add(rest, built.participation, title="Иванов")["id"]
    params = {"entityTypeId": built.participation, "id": item, "fields": {"title": "x"}}
    if method.startswith("crm.type"):
        params = {"id": built.event_type, "fields": {"title": "Мероприятие"}}
    rest.control("restrictions", {"names": [name]})
    try:
        assert refused(lambda: rest(method, params))[0] == code
        assert add(rest, 2, title="Сделки можно")["id"]
    finally:
        rest.control("restrictions", {"names": []})
    rest(method, params | ({"fields": {"title": "Ещё"}} if method == "crm.type.add" else {}))


def test_a_plan_may_be_without_rest(rest: Rest) -> None:
    rest.control("restrictions", {"names": ["rest"]})
    try:
        answer = rest.hook("profile")
    finally:
        rest.control("restrictions", {"names": []})
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "ACCESS_DENIED", "error_description": "REST API is available only on commercial plans",
    }  # fmt: skip
    assert rest.http.post(f"{rest.url}/sandbox/restrictions", json={"names": ["sun"]}).status_code == 400
