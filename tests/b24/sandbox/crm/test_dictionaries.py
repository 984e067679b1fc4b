"""Currencies, enumerations, custom fields by the older methods: crm/currency, crm/auxiliary, user-defined-fields."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest


def test_currencies_are_listed_with_one_base(rest: Rest) -> None:
    listed = rest.answer("crm.currency.list", {"order": {"sort": "asc"}})
    assert listed["total"] == 0
    assert [each["CURRENCY"] for each in listed["result"]] == ["KZT", "RUB", "USD", "EUR"]
    assert [each["CURRENCY"] for each in listed["result"] if each["BASE"] == "Y"] == [
        rest("crm.currency.base.get")
    ]
    assert all(isinstance(value, str) for value in listed["result"][0].values())


def test_a_currency_has_its_localizations(rest: Rest, refused: Any) -> None:
    rouble = rest("crm.currency.get", {"id": "RUB"})
    assert set(rouble["LANG"]) == {"en", "ru"}
    assert rest("crm.currency.localizations.get", {"id": "RUB"}) == rouble["LANG"]
    assert rouble["LANG"]["ru"]["FORMAT_STRING"] == "# ₽"
    assert refused(lambda: rest("crm.currency.get", {"id": "XXX"})) == ("", "Not found")
    assert refused(lambda: rest("crm.currency.localizations.get"))[0] == ""
    assert set(rest("crm.currency.fields")) == (set(rouble) - {"LANG"}) | {"LANG"}


@pytest.mark.parametrize(
    ("name", "ids"),
    [("activitytype", {0, 1, 2, 3, 4, 5, 6}), ("activitydirection", {0, 1, 2}), ("contenttype", {0, 1, 2, 3}),
     ("addresstype", {1, 4, 6, 8, 9, 11}), ("settings.mode", {1, 2})],
)  # fmt: skip
def test_fixed_lists_have_the_documented_numbers(rest: Rest, name: str, ids: set[int]) -> None:
    rows = rest(f"crm.enum.{name}")
    assert {row["ID"] for row in rows} == ids
    assert all(set(row) == set(rest("crm.enum.fields")) for row in rows)


def test_multiple_fields_are_described(rest: Rest) -> None:
    assert set(rest("crm.multifield.fields")) == {"ID", "TYPE_ID", "VALUE", "VALUE_TYPE"}


def test_an_older_custom_field_lives_in_the_same_place_as_a_newer_one(rest: Rest) -> None:
    fields = {
        "FIELD_NAME": "HELLO_WORLD", "USER_TYPE_ID": "string", "SORT": 1000, "MULTIPLE": "N",
        "EDIT_FORM_LABEL": {"ru": "Привет", "en": "Hello"}, "SETTINGS": {"ROWS": 3},
    }  # fmt: skip
    number = rest("crm.deal.userfield.add", {"fields": fields})
    shown = rest("crm.deal.userfield.get", {"id": number})
    assert (shown["ID"], shown["ENTITY_ID"], shown["FIELD_NAME"]) == (
        str(number),
        "CRM_DEAL",
        "UF_CRM_HELLO_WORLD",
    )
    assert (shown["SORT"], shown["SETTINGS"]["ROWS"], shown["EDIT_FORM_LABEL"]["ru"]) == ("1000", 3, "Привет")
    modern = rest("userfieldconfig.get", {"moduleId": "crm", "id": number})["field"]
    assert modern["fieldName"] == "UF_CRM_HELLO_WORLD"
    deal = rest("crm.deal.add", {"fields": {"TITLE": "x", "UF_CRM_HELLO_WORLD": "мир"}})
    assert rest("crm.deal.get", {"id": deal})["UF_CRM_HELLO_WORLD"] == "мир"
    assert (
        rest("crm.deal.userfield.update", {"id": number, "fields": {"SORT": 2000, "MANDATORY": "Y"}}) is True
    )
    labelled = rest("crm.deal.userfield.list", {"filter": {"MANDATORY": "Y", "LANG": "ru"}})
    assert [(each["SORT"], each["EDIT_FORM_LABEL"]) for each in labelled] == [("2000", "Привет")]
    assert "EDIT_FORM_LABEL" not in rest("crm.deal.userfield.list")[0]
    assert rest("crm.deal.userfield.delete", {"id": number}) is True
    assert "UF_CRM_HELLO_WORLD" not in rest("crm.deal.get", {"id": deal})


def test_elements_of_an_older_list_are_added_changed_and_deleted(rest: Rest) -> None:
    items = [{"VALUE": "Первый", "XML_ID": "A", "SORT": 10}, {"VALUE": "Второй", "XML_ID": "B", "SORT": 20}]
    fields = {"FIELD_NAME": "CHOICE", "USER_TYPE_ID": "enumeration", "LIST": items}
    number = rest("crm.contact.userfield.add", {"fields": fields})
    first, second = rest("crm.contact.userfield.get", {"id": number})["LIST"]
    assert (first["VALUE"], first["XML_ID"], first["SORT"]) == ("Первый", "A", "10")
    change = [
        {"ID": first["ID"], "DEL": "Y"},
        {"ID": second["ID"], "VALUE": "Иначе"},
        {"VALUE": "Третий", "SORT": 30},
    ]
    rest("crm.contact.userfield.update", {"id": number, "fields": {"LIST": change}})
    listed = rest("crm.contact.userfield.get", {"id": number})["LIST"]
    assert [each["VALUE"] for each in listed] == ["Иначе", "Третий"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"USER_TYPE_ID": "string"}, "", "The 'FIELD_NAME' field is not found."),
    ({"FIELD_NAME": "A"}, "", "The 'USER_TYPE_ID' field is not found."),
    ({"FIELD_NAME": "A" * 44, "USER_TYPE_ID": "string"}, "ERROR_CORE", "too long"),
    ({"FIELD_NAME": "ПОЛЕ", "USER_TYPE_ID": "string"}, "ERROR_CORE", "invalid characters"),
    ({"FIELD_NAME": "A", "USER_TYPE_ID": "sun"}, "ERROR_CORE", "Incorrect custom type"),
    ({"FIELD_NAME": "A", "USER_TYPE_ID": "enumeration", "LIST": [{"XML_ID": "1", "VALUE": "a"}] * 2}, "ERROR_CORE",
     "already exists"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "text"), WRONG)
def test_a_wrong_older_field_is_refused(
    rest: Rest, refused: Any, fields: dict[str, Any], code: str, text: str
) -> None:
    found = refused(lambda: rest("crm.company.userfield.add", {"fields": fields}))
    assert found[0] == code
    assert text in found[1]


def test_a_missing_or_foreign_older_field_is_refused(rest: Rest, refused: Any) -> None:
    assert refused(lambda: rest("crm.lead.userfield.get", {"id": 99999}))[0] == "ERROR_NOT_FOUND"
    assert refused(lambda: rest("crm.lead.userfield.get")) == ("", "ID is not defined or invalid.")
    number = rest("crm.lead.userfield.add", {"fields": {"FIELD_NAME": "OF_LEADS", "USER_TYPE_ID": "string"}})
    assert rest.send("crm.deal.userfield.delete", {"id": number}).status_code == 403


def test_types_and_settings_of_custom_fields_are_described(rest: Rest, refused: Any) -> None:
    assert {"ID": "string", "title": "Строка"} in rest("crm.userfield.types")
    assert rest("crm.userfield.fields")["ID"]["isReadOnly"] is True
    assert set(rest("crm.userfield.enumeration.fields")) == {"ID", "SORT", "VALUE", "DEF", "DEL"}
    assert rest("crm.userfield.settings.fields", {"type": "double"})["DEFAULT_VALUE"]["type"] == "double"
    assert refused(lambda: rest("crm.userfield.settings.fields"))[0] == ""
