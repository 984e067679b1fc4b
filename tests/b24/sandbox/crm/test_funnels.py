"""Funnels and directories: crm.category.* and crm.status.*."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add


def stages(rest: Rest, entity_id: str) -> list[dict[str, Any]]:
    return list(rest("crm.status.list", {"filter": {"ENTITY_ID": entity_id}, "order": {"SORT": "ASC"}}))


def test_a_new_funnel_brings_five_stages(rest: Rest, built: Built) -> None:
    """The table of tutorials/crm/how-to-add-crm-objects/how-to-add-category-to-spa.md."""
    params = {"entityTypeId": built.event, "fields": {"name": "Новая воронка", "sort": 100}}
    category = rest("crm.category.add", params)["category"]
    assert category == {
        "id": category["id"], "name": "Новая воронка", "sort": 100, "entityTypeId": built.event,
        "isDefault": "N",
    }  # fmt: skip
    prefix = f"DT{built.event}_{category['id']}:"
    rows = stages(rest, f"DYNAMIC_{built.event}_STAGE_{category['id']}")
    assert [(each["STATUS_ID"].removeprefix(prefix), each["SORT"], each["SYSTEM"], each["SEMANTICS"]) for
    each in rows] == [
        ("NEW", "10", "Y", None),
        ("PREPARATION", "20", "N", None),
        ("CLIENT", "30", "N", None),
        ("SUCCESS", "40", "Y", "S"),
        ("FAIL", "50", "Y", "F"),
    ]  # fmt: skip
    assert isinstance(rows[0]["ID"], str)
    assert rows[0]["CATEGORY_ID"] == str(category["id"])


def test_one_funnel_is_the_default_one_and_it_stays(rest: Rest, refused: Any) -> None:
    number = rest("crm.type.add", {"fields": {"title": "Тип", "isCategoriesEnabled": "Y"}})["type"][
        "entityTypeId"
    ]
    first = rest("crm.category.list", {"entityTypeId": number})["categories"][0]["id"]
    second = rest(
        "crm.category.add", {"entityTypeId": number, "fields": {"name": "Вторая", "isDefault": "Y"}}
    )["category"]
    assert second["isDefault"] == "Y"
    rest("crm.category.update", {"entityTypeId": number, "id": second["id"], "fields": {"isDefault": "N"}})
    rows = rest("crm.category.list", {"entityTypeId": number})["categories"]
    assert {each["id"]: each["isDefault"] for each in rows} == {first: "N", second["id"]: "Y"}
    assert (
        refused(lambda: rest("crm.category.delete", {"entityTypeId": number, "id": second["id"]}))[0]
        == "BX_ERROR"
    )
    assert rest("crm.category.delete", {"entityTypeId": number, "id": first}) is None


def test_the_default_funnel_of_deals_is_number_zero(rest: Rest) -> None:
    answer = rest.answer("crm.category.list", {"entityTypeId": 2})
    assert answer["result"]["categories"][0] == {
        "id": 0, "name": "Общая", "sort": 300, "entityTypeId": 2, "isDefault": "Y",
    }  # fmt: skip
    assert answer["total"] == len(answer["result"]["categories"])


def test_stages_of_a_deal_funnel_carry_its_prefix(rest: Rest) -> None:
    number = rest("crm.category.add", {"entityTypeId": 2, "fields": {"name": "Опт"}})["category"]["id"]
    codes = [each["STATUS_ID"] for each in stages(rest, f"DEAL_STAGE_{number}")]
    assert codes[0] == f"C{number}:NEW"
    assert f"C{number}:WON" in codes
    new = {"ENTITY_ID": f"DEAL_STAGE_{number}", "STATUS_ID": "DECISION", "NAME": "Решение", "SORT": 15}
    status_id = rest("crm.status.add", {"fields": new})
    assert isinstance(status_id, int)
    assert rest("crm.status.get", {"id": status_id})["STATUS_ID"] == f"C{number}:DECISION"


LATE = (
    "Cannot create more stages after the final stage because the final successful stage already exists."
    " Try using sort order values less than that of the final stage."
)


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({}, "", "The field ENTITY_ID is required.<br>The field STATUS_ID is required."),
        ({"ENTITY_ID": "SOURCE", "NAME": "x"}, "", "The field STATUS_ID is required."),
        ({"ENTITY_ID": "NOWHERE", "STATUS_ID": "X", "NAME": "x"}, "",
         "Specified entity type is not supported."),
        ({"ENTITY_ID": "SOURCE", "STATUS_ID": "X"}, "", "The field Title is required."),
        ({"ENTITY_ID": "SOURCE", "STATUS_ID": "WEBFORM", "NAME": "x"}, "ERROR_CORE",
         "The specified status ID already exists."),
        ({"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "LATE", "NAME": "x", "SORT": 900}, "", LATE),
        ({"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "С КИРИЛЛИЦЕЙ", "NAME": "x"}, "",
         "The field STATUS_ID contains invalid characters or is too long."),
    ],
)  # fmt: skip
def test_a_status_is_refused_with_the_words_of_the_page(
    rest: Rest, refused: Any, fields: dict[str, Any], code: str, text: str
) -> None:
    assert refused(lambda: rest("crm.status.add", {"fields": fields})) == (code, text)


def test_codes_and_semantics_never_change(rest: Rest, built: Built) -> None:
    row = stages(rest, f"DYNAMIC_{built.event}_STAGE_{built.event_funnel}")[1]
    fields = {"NAME": "Приглашаем", "SORT": 25, "COLOR": "#00A9F4", "SEMANTICS": "F", "STATUS_ID": "OTHER"}
    assert rest("crm.status.update", {"id": row["ID"], "fields": fields}) is True
    fresh = rest("crm.status.get", {"id": row["ID"]})
    assert (fresh["NAME"], fresh["SORT"], fresh["COLOR"]) == ("Приглашаем", "25", "#00A9F4")
    assert (fresh["STATUS_ID"], fresh["SEMANTICS"]) == (row["STATUS_ID"], None)


def test_a_stage_in_use_and_a_system_stage_are_not_deleted(rest: Rest, built: Built, refused: Any) -> None:
    entity = f"DYNAMIC_{built.participation}_STAGE_{built.participation_funnel}"
    rows = {each["STATUS_ID"].split(":")[1]: each for each in stages(rest, entity)}
    item = add(rest, built.participation, stageId=rows["CLIENT"]["STATUS_ID"])
    code, _ = refused(lambda: rest("crm.status.delete", {"id": rows["CLIENT"]["ID"]}))
    assert code == "There are active items in this status."
    assert refused(lambda: rest("crm.status.delete", {"id": rows["FAIL"]["ID"]}))[0].startswith(
        "CRM System Status"
    )
    assert rest("crm.status.delete", {"id": rows["FAIL"]["ID"], "params": {"FORCED": "Y"}}) is True
    rest("crm.item.delete", {"entityTypeId": built.participation, "id": item["id"]})
    assert rest("crm.status.delete", {"id": rows["CLIENT"]["ID"]}) is True
    assert refused(lambda: rest("crm.status.get", {"id": rows["CLIENT"]["ID"]}))[0] == "Status is not found."


def test_entity_types_tell_prefixes(rest: Rest, built: Built) -> None:
    rows = {each["ID"]: each for each in rest("crm.status.entity.types")}
    own = rows[f"DYNAMIC_{built.event}_STAGE_{built.event_funnel}"]
    assert (own["PREFIX"], own["ENTITY_TYPE_ID"], own["CATEGORY_ID"]) == (
        f"DT{built.event}_{built.event_funnel}",
        built.event,
        built.event_funnel,
    )
    assert rows["DEAL_STAGE"]["SEMANTIC_INFO"]["FINAL_SUCCESS_FIELD"] == "WON"
    items = rest("crm.status.entity.items", {"entityId": "DEAL_STAGE"})
    assert items[0] == {"NAME": "Новая", "SORT": 10, "STATUS_ID": "NEW"}


def test_leads_have_no_funnels(rest: Rest, refused: Any) -> None:
    assert refused(lambda: rest("crm.category.list", {"entityTypeId": 1}))[0] == "ENTITY_TYPE_NOT_SUPPORTED"
    assert refused(lambda: rest("crm.category.list", {"entityTypeId": 5000}))[0] == "NOT_FOUND"
    params = {"entityTypeId": 2, "fields": {"name": "  "}}
    assert refused(lambda: rest("crm.category.add", params)) == (0, "Field 'NAME' is required")
