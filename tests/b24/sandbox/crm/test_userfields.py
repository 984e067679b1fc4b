"""Custom fields: userfieldconfig.*, examples of crm/universal/userfieldconfig."""

from __future__ import annotations

from typing import Any

import pytest

from b24.sandbox.crm.names import camel_userfield, camel_userfields
from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, add_field, get


def config(rest: Rest, verb: str, **params: Any) -> Any:
    return rest(f"userfieldconfig.{verb}", {"moduleId": "crm", **params})


@pytest.mark.parametrize(
    ("upper", "camel"),
    [
        ("UF_CRM_3_DIGIT", "ufCrm3Digit"),
        ("UF_CRM_3_1747309727", "ufCrm3_1747309727"),
        ("UF_CRM_3_DIGIT10", "ufCrm_3_DIGIT10"),
        ("UF_CRM_3_DIGIT_10", "ufCrm_3_DIGIT_10"),
        ("UF_CRM_1747309879", "ufCrm_1747309879"),
        ("UF_CRM_10_5186744711", "ufCrm10_5186744711"),
        ("UF_CRM_3_IS_VIP", "ufCrm3IsVip"),
        ("UF_CRM_DEAL_PRIORITY", "ufCrm_DEAL_PRIORITY"),
    ],
)
def test_names_are_converted_as_the_table_says(upper: str, camel: str) -> None:
    assert camel_userfield(upper) == camel


def test_a_name_already_taken_stays_in_upper_case() -> None:
    assert camel_userfields(["UF_CRM_3_AB", "UF_CRM_3_A_B"], ["ufCrm3Ab"]) == {
        "UF_CRM_3_AB": "UF_CRM_3_AB",
        "UF_CRM_3_A_B": "ufCrm3AB",
    }


def test_a_list_field_comes_back_as_on_the_page(rest: Rest, built: Built) -> None:
    field = add_field(
        rest, built.event_type, "NEW_REST_LIST_2026", "enumeration", multiple="Y",
        editFormLabel={"en": "List of characteristics"},
        enum=[{"value": "Characteristic 1", "def": "N", "sort": 100}, {"value": "Characteristic 2",
        "def": "Y", "sort": 200}],
    )  # fmt: skip
    assert isinstance(field["id"], str)
    assert (field["sort"], field["multiple"], field["mandatory"], field["showFilter"]) == (
        "100",
        "Y",
        "N",
        "N",
    )
    assert field["settings"] == {
        "DISPLAY": "LIST", "LIST_HEIGHT": 1, "CAPTION_NO_VALUE": "", "SHOW_NO_VALUE": "Y",
    }  # fmt: skip
    assert field["editFormLabel"]["en"] == "List of characteristics"
    assert field["listColumnLabel"] == {"en": None, "ru": None}
    assert [(each["value"], each["def"], each["sort"]) for each in field["enum"]] == [
        ("Characteristic 1", "N", "100"),
        ("Characteristic 2", "Y", "200"),
    ]
    assert all(isinstance(each["id"], str) and len(each["xmlId"]) == 32 for each in field["enum"])
    assert {each["userFieldId"] for each in field["enum"]} == {field["id"]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fieldName": "UF_CRM_OTHER"}, "You cannot create custom fields"),
        ({"fieldName": "X"}, "You cannot create custom fields"),
        ({"entityId": "CRM_9999", "fieldName": "UF_CRM_9999_X"}, "You cannot create custom fields"),
        ({"fieldName": None}, "The 'FIELD_NAME' field is not found."),
        ({"userTypeId": None}, "The 'USER_TYPE_ID' field is not found."),
        ({"userTypeId": "magic"}, "Fail to create new user field"),
    ],
)
def test_errors_have_an_empty_code(
    rest: Rest, built: Built, refused: Any, change: dict[str, Any], text: str
) -> None:
    number = built.event_type
    field = {
        "entityId": f"CRM_{number}",
        "fieldName": f"UF_CRM_{number}_OK",
        "userTypeId": "string",
        **change,
    }
    assert refused(lambda: config(rest, "add", field=field)) == ("", text)


def test_a_name_is_used_once_and_is_at_most_fifty_characters(rest: Rest, built: Built, refused: Any) -> None:
    add_field(rest, built.event_type, "ONCE", "string")
    assert refused(lambda: add_field(rest, built.event_type, "ONCE", "string"))[0] == ""
    assert refused(lambda: add_field(rest, built.event_type, "X" * 50, "string"))[0] == ""
    assert refused(lambda: rest("userfieldconfig.list", {"moduleId": "rpa"}))[0] == ""


def test_type_code_and_multiplicity_never_change(rest: Rest, built: Built) -> None:
    field = add_field(rest, built.event_type, "FIXED", "string", editFormLabel={"ru": "Было"})
    change = {"userTypeId": "integer", "multiple": "Y", "mandatory": "Y", "editFormLabel": {"ru": "Стало"}}
    fresh = config(rest, "update", id=field["id"], field=change)["field"]
    assert (fresh["userTypeId"], fresh["multiple"], fresh["fieldName"]) == ("string", "N", field["fieldName"])
    assert (fresh["mandatory"], fresh["editFormLabel"]["ru"]) == ("Y", "Стало")
    config(rest, "delete", id=field["id"])


def test_options_change_only_with_the_type_named(rest: Rest, built: Built) -> None:
    field = add_field(
        rest, built.event_type, "COLOUR", "enumeration", enum=[{"value": "Белый"}, {"value": "Синий"}]
    )
    white, blue = (each["id"] for each in field["enum"])
    change: dict[str, Any] = {
        "enum": [{"id": white, "value": "Белая"}, {"id": blue, "del": "Y"}, {"value": "Алый"}]
    }
    silent = config(rest, "update", id=field["id"], field=change)["field"]
    assert [each["value"] for each in silent["enum"]] == ["Белый", "Синий"]
    fresh = config(rest, "update", id=field["id"], field={"userTypeId": "enumeration", **change})["field"]
    assert [(each["id"] == white, each["value"]) for each in fresh["enum"]] == [
        (True, "Белая"),
        (False, "Алый"),
    ]


def test_a_list_filters_and_shows_one_language(rest: Rest, built: Built) -> None:
    name = f"UF_CRM_{built.participation_type}_LINES"
    answer = rest.answer(
        "userfieldconfig.list",
        {"moduleId": "crm", "select": {"0": "*", "language": "ru"}, "filter": {"fieldName": name}},
    )
    (field,) = answer["result"]["fields"]
    assert answer["total"] == 1
    assert field["languageId"] == {"ru": "ru"}
    assert "enum" not in field
    assert len(config(rest, "get", id=field["id"])["field"]["enum"]) == 2


def test_a_deleted_field_takes_its_values_along(rest: Rest, built: Built, refused: Any) -> None:
    field = add_field(rest, built.participation_type, "GONE", "string")
    item = add(rest, built.participation, **{built.uf("GONE"): "текст"})
    assert item[built.uf("GONE")] == "текст"
    assert config(rest, "delete", id=field["id"]) is None
    assert built.uf("GONE") not in get(rest, built.participation, item["id"])
    again = add_field(rest, built.participation_type, "GONE", "string")
    assert get(rest, built.participation, item["id"])[built.uf("GONE")] is None
    config(rest, "delete", id=again["id"])
    text = "You cannot delete the user field"
    assert refused(lambda: config(rest, "delete", id=again["id"])) == ("", text)


def test_types_of_fields_are_listed(rest: Rest) -> None:
    types = config(rest, "getTypes")["types"]
    assert types["enumeration"]["userTypeId"] == "enumeration"
    assert {"string", "boolean", "date", "datetime", "crm", "money", "url", "file"} <= set(types)
