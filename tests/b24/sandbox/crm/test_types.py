"""Smart processes: crm.type.*, examples of crm/universal/user-defined-object-types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import add

FLAGS = (
    "isCategoriesEnabled", "isStagesEnabled", "isBeginCloseDatesEnabled", "isClientEnabled",
    "isUseInUserfieldEnabled",
    "isLinkWithProductsEnabled", "isMycompanyEnabled", "isDocumentsEnabled", "isSourceEnabled",
    "isObserversEnabled",
    "isRecyclebinEnabled", "isAutomationEnabled", "isBizProcEnabled",
)  # fmt: skip


def made(rest: Rest, **fields: Any) -> dict[str, Any]:
    return dict(rest("crm.type.add", {"fields": {"title": "Тип", **fields}})["type"])


def test_everything_is_off_by_default_but_open_permissions(rest: Rest) -> None:
    kind = made(rest)
    assert {name: kind[name] for name in FLAGS} == dict.fromkeys(FLAGS, "N")
    assert kind["isSetOpenPermissions"] == "Y"
    assert kind["isPaymentsEnabled"] == kind["isCountersEnabled"] == "N"
    assert kind["relations"] == {"parent": [], "child": []}
    assert set(kind["linkedUserFields"].values()) == {"N"}
    assert kind["createdTime"].endswith("+03:00")


def test_id_and_entity_type_id_are_two_numbers(rest: Rest) -> None:
    kind = made(rest, entityTypeId=2024)
    assert kind["entityTypeId"] == 2024 != kind["id"]
    assert rest("crm.type.get", {"id": kind["id"]})["type"] == kind
    assert rest("crm.type.getByEntityTypeId", {"entityTypeId": 2024})["type"] == kind


@pytest.mark.parametrize("number", [1, 127, 193, 1028, 1031, "x"])
def test_an_entity_type_id_outside_the_range_is_refused(rest: Rest, refused: Any, number: Any) -> None:
    code, text = refused(lambda: made(rest, entityTypeId=number))
    assert (code, text) == ("INVALID_ARG_VALUE", "entityTypeId is out of allowed range")


def test_an_entity_type_id_is_given_once(rest: Rest, refused: Any) -> None:
    made(rest, entityTypeId=130)
    assert refused(lambda: made(rest, entityTypeId=130))[0] == "INVALID_ARG_VALUE"


def test_relations_are_written_as_true_and_read_as_y(rest: Rest) -> None:
    """The page's example: Y and N do not work, errors are silent, the client brings predefined parents."""
    parents = [
        {"entityTypeId": 1, "isChildrenListEnabled": "true"},
        {"entityTypeId": 2, "isChildrenListEnabled": "Y"},
        {"entityTypeId": 3, "isChildrenListEnabled": "true"},
        {"entityTypeId": 9998, "isChildrenListEnabled": "true"},
    ]
    children = [{"entityTypeId": 4, "isChildrenListEnabled": "false"}]
    kind = made(rest, isClientEnabled="Y", relations={"parent": parents, "child": children})
    assert kind["relations"]["parent"] == [
        {"entityTypeId": 3, "isChildrenListEnabled": "Y", "isPredefined": "Y"},
        {"entityTypeId": 4, "isChildrenListEnabled": "Y", "isPredefined": "Y"},
        {"entityTypeId": 1, "isChildrenListEnabled": "Y", "isPredefined": "N"},
        {"entityTypeId": 2, "isChildrenListEnabled": "N", "isPredefined": "N"},
    ]
    assert kind["relations"]["child"] == [
        {"entityTypeId": 4, "isChildrenListEnabled": "N", "isPredefined": "N"}
    ]


def test_a_relation_is_seen_from_both_ends_and_an_update_replaces_the_set(rest: Rest) -> None:
    event = made(rest, title="Событие")
    child = made(rest, relations={"parent": [{"entityTypeId": event["entityTypeId"]}]})
    seen = rest("crm.type.get", {"id": event["id"]})["type"]["relations"]["child"]
    assert [each["entityTypeId"] for each in seen] == [child["entityTypeId"]]
    changed = rest("crm.type.update", {"id": event["id"], "fields": {"relations": {"child": []}}})["type"]
    assert changed["relations"]["child"] == []
    assert rest("crm.type.get", {"id": child["id"]})["type"]["relations"]["parent"] == []


def test_an_update_without_relations_leaves_them(rest: Rest) -> None:
    kind = made(rest, relations={"child": [{"entityTypeId": 2}]})
    changed = rest("crm.type.update", {"id": kind["id"], "fields": {"title": "Иначе"}})["type"]
    assert changed["title"] == "Иначе"
    assert [each["entityTypeId"] for each in changed["relations"]["child"]] == [2]


def test_linked_user_fields_count_only_with_the_setting_and_only_as_true(rest: Rest) -> None:
    wanted = {"TASKS_TASK|UF_CRM_TASK": "true", "CALENDAR_EVENT|UF_CRM_CAL_EVENT": "Y"}
    without = made(rest, linkedUserFields=wanted)
    assert set(without["linkedUserFields"].values()) == {"N"}
    kind = made(rest, isUseInUserfieldEnabled="Y", linkedUserFields=wanted)
    assert kind["linkedUserFields"] == {
        "CALENDAR_EVENT|UF_CRM_CAL_EVENT": "N",
        "TASKS_TASK|UF_CRM_TASK": "Y",
        "TASKS_TASK_TEMPLATE|UF_CRM_TASK": "N",
    }


def test_a_list_filters_sorts_and_has_no_relations(rest: Rest) -> None:
    for title in ("Ключ 5", "Ключ 50", "Замок"):
        made(rest, title=title, isDocumentsEnabled="Y")
    params = {
        "filter": {
            "0": {"logic": "OR", "0": {"%title": "5"}, "1": {"%title": "замок"}},
            "isDocumentsEnabled": "Y",
        },
        "order": {"id": "DESC"},
    }
    answer = rest.answer("crm.type.list", params)
    assert [each["title"] for each in answer["result"]["types"]] == ["Замок", "Ключ 50", "Ключ 5"]
    assert answer["total"] == 3
    assert "relations" not in answer["result"]["types"][0]


def test_missing_types_answer_with_the_number_zero(rest: Rest, refused: Any) -> None:
    assert refused(lambda: rest("crm.type.get", {"id": 99999})) == (0, "Smart process not found")
    assert refused(lambda: rest("crm.type.delete", {"id": 99999})) == (0, "Smart process not found")
    assert refused(lambda: rest("crm.type.add", {}))[0] == "100"


def test_a_type_with_items_stays_an_empty_one_goes(rest: Rest, refused: Any) -> None:
    kind = made(rest)
    item = add(rest, kind["entityTypeId"])
    assert refused(lambda: rest("crm.type.delete", {"id": kind["id"]}))[0] == "BX_ERROR"
    rest("crm.item.delete", {"entityTypeId": kind["entityTypeId"], "id": item["id"]})
    assert rest("crm.type.delete", {}) is None
    assert rest("crm.type.delete", {"id": kind["id"]}) == []
    assert refused(lambda: add(rest, kind["entityTypeId"])) == ("NOT_FOUND", "Smart process not found")


def test_owner_types_name_smart_processes_by_hexadecimal_letters(rest: Rest) -> None:
    made(rest, title="Закупка", entityTypeId=177)
    rows = {each["ID"]: each for each in rest("crm.enum.ownertype")}
    assert rows[2]["SYMBOL_CODE_SHORT"] == "D"
    assert rows[177] == {
        "ID": 177, "NAME": "Закупка", "SYMBOL_CODE": "DYNAMIC_177", "SYMBOL_CODE_SHORT": "Tb1",
    }  # fmt: skip
