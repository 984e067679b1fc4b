"""crm.item.*: values, defaults, bonds, required fields, import; examples of crm/universal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, add_field, email, get, ids, phone, update


def test_a_new_item_is_filled_by_the_portal(rest: Rest, built: Built) -> None:
    item = add(rest, built.participation)
    assert item["title"] == f"Участие #{item['id']}"
    assert item["stageId"] == f"DT{built.participation}_{built.participation_funnel}:NEW"
    assert (item["assignedById"], item["createdBy"], item["opened"]) == (1, 1, "Y")
    assert item["categoryId"] == built.participation_funnel
    assert item["createdTime"] == item["movedTime"] == item["lastActivityTime"]
    assert (item["companyId"], item["contactId"], item["contactIds"], item["observers"]) == (0, 0, [], [])
    assert item["parentId2"] is None
    assert item["entityTypeId"] == built.participation
    assert item["sourceId"] == "CALL"


def test_a_new_deal_is_filled_by_the_portal(rest: Rest) -> None:
    item = add(rest, 2)
    assert item["title"] == f"Сделка #{item['id']}"
    assert (item["categoryId"], item["stageId"], item["stageSemanticId"], item["closed"]) == (
        0,
        "NEW",
        "P",
        "N",
    )
    assert (item["typeId"], item["opportunity"], item["isManualOpportunity"]) == ("SALE", 0, "N")
    assert item["begindate"].endswith("T03:00:00+03:00")
    assert item["closedate"] > item["begindate"]
    assert item["productId"] is None


@pytest.mark.parametrize(
    ("code", "sent", "shown"),
    [
        ("NOTE", "текст", "текст"),
        ("NOTE", 17, "17"),
        ("COUNT", "12", 12),
        ("COUNT", 0, 0),
        ("SHARE", "1.5", 1.5),
        ("SHARE", 2.0, 2),
        ("CLOSED", "Y", "Y"),
        ("CLOSED", 1, "Y"),
        ("CLOSED", "N", "N"),
        ("DAY", "2026-04-19", "2026-04-19T03:00:00+03:00"),
        ("DAY", "2026-04-19T23:30:00+00:00", "2026-04-20T03:00:00+03:00"),
        ("DAY", "19.04.2026", "2026-04-19T03:00:00+03:00"),
        ("ARRIVED", "2026-04-19T10:00:00+05:00", "2026-04-19T08:00:00+03:00"),
        ("ARRIVED", "2026-04-19T10:00:00", "2026-04-19T10:00:00+03:00"),
        ("ARRIVED", "2026-04-19 10:00:05", "2026-04-19T10:00:05+03:00"),
        ("SUM", "300|RUB", "300|RUB"),
        ("LINK", "https://ticket.example/t/1", "https://ticket.example/t/1"),
        ("OWNER", 1, 1),
        ("CLIENT", "CO_3", "CO_3"),
    ],
)
def test_values_are_shown_as_the_portal_shows_them(
    rest: Rest, built: Built, code: str, sent: Any, shown: Any
) -> None:
    item = add(rest, built.participation, **{built.uf(code): sent})
    assert item[built.uf(code)] == shown
    again = update(rest, built.participation, item["id"], **{built.uf(code): shown})
    assert again[built.uf(code)] == shown, "what is read can be written back"


@pytest.mark.parametrize(
    ("code", "sent"),
    [("DAY", "не дата"), ("ARRIVED", "2026-99-99"), ("COUNT", "много"), ("SUM", "даром"), ("NOTE", {"a": 1}),
     ("DAY", "99999-01-01"), ("ARRIVED", "9999-12-31T23:59:59-12:00")],
)  # fmt: skip
def test_a_value_that_is_none_is_refused(
    rest: Rest, built: Built, refused: Any, code: str, sent: Any
) -> None:
    fields = {built.uf(code): sent}
    assert refused(lambda: add(rest, built.participation, **fields))[0] == "CRM_FIELD_ERROR_VALUE_NOT_VALID"


def test_list_options_are_numbers_and_multiple_fields_want_lists(
    rest: Rest, built: Built, refused: Any
) -> None:
    lines = built.uf("LINES")
    first, second = built.options.values()
    item = add(rest, built.participation, **{lines: [str(first), second]})
    assert item[lines] == [first, second]
    assert update(rest, built.participation, item["id"], **{lines: []})[lines] == []
    code, text = refused(lambda: add(rest, built.participation, **{lines: "Сети"}))
    assert (code, text) == ("100", "Expected iterable value for multiple field, but got string instead")
    assert (
        refused(lambda: add(rest, built.participation, **{lines: [999999]}))[0]
        == "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    )


def test_a_file_is_sent_as_name_and_base64(rest: Rest, built: Built) -> None:
    item = add(rest, built.participation, **{built.uf("PLAN"): ["plan.txt", "cGxhbg=="]})
    shown = item[built.uf("PLAN")]
    assert set(shown) == {"id", "url", "urlMachine"}
    assert shown["urlMachine"].startswith(rest.url)


def test_unknown_and_read_only_names_are_ignored(rest: Rest, built: Built) -> None:
    item = add(rest, built.participation, nonsense="x", createdBy=77, movedTime="2020-01-01", TITLE="нет")
    assert item["createdBy"] == 1
    assert item["title"] == f"Участие #{item['id']}"
    assert "nonsense" not in item


def test_original_names_replace_camel_case_when_asked(rest: Rest, built: Built) -> None:
    upper = f"UF_CRM_{built.participation_type}_NOTE"
    params = {"entityTypeId": built.participation, "fields": {upper: "да", built.uf("NOTE"): "нет"}}
    item = rest("crm.item.add", {**params, "useOriginalUfNames": "Y"})["item"]
    assert item[upper] == "да"
    assert built.uf("NOTE") not in item
    assert get(rest, built.participation, item["id"])[built.uf("NOTE")] == "да"
    assert rest("crm.item.add", params)["item"][built.uf("NOTE")] == "нет"
    found = ids(rest, built.participation, {upper: "да", "id": item["id"]}, useOriginalUfNames="Y")
    assert found == [item["id"]]
    names = rest("crm.item.fields", {"entityTypeId": built.participation, "useOriginalUfNames": "Y"})[
        "fields"
    ]
    assert names[upper]["upperName"] == upper


def test_an_update_without_changes_is_not_saved(rest: Rest, built: Built) -> None:
    item = add(rest, built.participation, title="Имя", xmlId="x-1")
    rest.control("clock", {"advance_s": 5})
    same = update(rest, built.participation, item["id"], title="Имя", xmlId="x-1", contactIds=[])
    assert same["updatedTime"] == item["updatedTime"]
    other = update(rest, built.participation, item["id"], title="Другое")
    assert other["updatedTime"] > item["updatedTime"]


def test_parents_are_bound_both_ways(rest: Rest, built: Built) -> None:
    event = add(rest, built.event, title="Конференция")
    deal = add(rest, 2)
    key = f"parentId{built.event}"
    item = add(rest, built.participation, **{key: event["id"], "parentId2": deal["id"]})
    assert (item[key], item["parentId2"]) == (event["id"], deal["id"])
    assert ids(rest, built.participation, {key: event["id"]}) == [item["id"]]
    assert update(rest, built.participation, item["id"], **{key: None})[key] is None
    assert ids(rest, built.participation, {key: event["id"]}) == []
    rest("crm.item.delete", {"entityTypeId": 2, "id": deal["id"]})
    assert get(rest, built.participation, item["id"])["parentId2"] is None


def test_contacts_of_an_item_have_a_primary_one(rest: Rest, built: Built) -> None:
    first, second = (add(rest, 3, name=name)["id"] for name in ("Иван", "Пётр"))
    item = add(rest, built.participation, contactIds=[first, second])
    assert (item["contactId"], item["contactIds"]) == (first, [first, second])
    item = update(rest, built.participation, item["id"], contactId=second)
    assert (item["contactId"], item["contactIds"]) == (second, [second, first])
    item = update(rest, built.participation, item["id"], contactIds=[])
    assert (item["contactId"], item["contactIds"]) == (0, [])


def test_contacts_and_companies_know_each_other(rest: Rest) -> None:
    company, other = (add(rest, 4, title=name)["id"] for name in ("ТОО «А»", "ТОО «Б»"))
    contact = add(rest, 3, name="Анна", companyIds=[company, other])
    assert (contact["companyId"], contact["companyIds"]) == (company, [company, other])
    assert get(rest, 4, other)["contactIds"] == [contact["id"]]
    update(rest, 4, company, contactIds=[])
    assert get(rest, 3, contact["id"])["companyIds"] == [other]
    assert ids(rest, 3, {"companyId": other}) == [contact["id"]]


def test_phones_are_added_changed_and_deleted_by_their_keys(rest: Rest) -> None:
    """tutorials/crm/how-to-edit-crm-objects/how-to-change-email-or-phone.md"""
    contact = add(
        rest, 3, name="Klaus", lastName="Weber", fm=[phone("+493012345678"), email("old@nomail.com")]
    )
    number, address = contact["fm"]
    assert (number["typeId"], number["valueType"], contact["hasPhone"]) == ("PHONE", "WORK", "Y")
    fm = {
        str(address["id"]): email("new@nomail.com"),
        "n0": phone("+493055544433", "MOBILE"),
        "n1": {"value": "+4900000", "valueType": "WORK"},
    }
    fresh = update(rest, 3, contact["id"], fm=fm)
    assert [(each["id"], each["value"]) for each in fresh["fm"]][:2] == [
        (number["id"], "+493012345678"),
        (address["id"], "new@nomail.com"),
    ]
    assert len(fresh["fm"]) == 3, "a row without typeId does nothing"
    assert (fresh["phoneMobile"], fresh["emailWork"], fresh["emailHome"]) == (
        "+493055544433",
        "new@nomail.com",
        "",
    )
    fresh = update(rest, 3, contact["id"], fm={str(address["id"]): {"typeId": "EMAIL", "value": ""}})
    assert fresh["hasEmail"] == "N"
    fresh = update(rest, 3, contact["id"], fm=[phone("+77010000000")])
    assert len(fresh["fm"]) == 3, "an array adds"


def test_a_string_instead_of_phones_does_nothing(rest: Rest) -> None:
    assert add(rest, 3, name="Ева", fm="+7701")["fm"] == []


def test_mandatory_fields_are_demanded_on_adding_and_on_a_stage_move(
    rest: Rest, built: Built, refused: Any
) -> None:
    item = add(rest, built.event)
    field = add_field(rest, built.event_type, "MUST", "string", mandatory="Y", editFormLabel={"ru": "Код"})
    expected = ("CRM_FIELD_ERROR_REQUIRED", 'The "Код" field is required')
    assert refused(lambda: add(rest, built.event)) == expected
    stage = f"DT{built.event}_{built.event_funnel}:CLIENT"
    assert refused(lambda: update(rest, built.event, item["id"], stageId=stage)) == expected
    assert update(rest, built.event, item["id"], title="Без стадии")["title"] == "Без стадии"
    filled = update(rest, built.event, item["id"], **{f"ufCrm{built.event_type}Must": "A", "stageId": stage})
    assert filled["stageId"] == stage
    rest("userfieldconfig.delete", {"moduleId": "crm", "id": field["id"]})


def test_a_stage_of_another_funnel_is_refused(rest: Rest, built: Built, refused: Any) -> None:
    code = "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    assert refused(lambda: add(rest, built.event, stageId="DT1_1:NEW"))[0] == code
    assert refused(lambda: add(rest, built.event, categoryId=4242))[0] == code
    item = add(rest, built.event)
    assert refused(lambda: update(rest, built.event, item["id"], stageId="WON"))[0] == code


def test_deleted_items_are_gone(rest: Rest, built: Built, refused: Any) -> None:
    item = add(rest, built.participation)
    params = {"entityTypeId": built.participation, "id": item["id"]}
    assert rest("crm.item.delete", params) == []
    for verb in ("get", "delete"):
        assert refused(lambda verb=verb: rest(f"crm.item.{verb}", params)) == (
            "NOT_FOUND",
            "Element not found",
        )
    assert add(rest, built.participation)["id"] > item["id"], "ids are never given again"


def test_types_that_are_not_there_are_named_so(rest: Rest, refused: Any) -> None:
    assert refused(lambda: add(rest, 4096)) == ("NOT_FOUND", "Smart process not found")
    assert refused(lambda: add(rest, 5)) == (
        "ENTITY_TYPE_NOT_SUPPORTED",
        "Entity type INVOICE is not supported",
    )
    assert refused(lambda: rest("crm.item.get", {"id": 1}))[0] == "100"


def test_fields_describe_themselves(rest: Rest, built: Built) -> None:
    fields = rest("crm.item.fields", {"entityTypeId": built.participation})["fields"]
    assert fields["id"] == {
        "type": "integer", "isRequired": False, "isReadOnly": True, "isImmutable": False, "isMultiple": False,
        "isDynamic": False, "title": "ID", "upperName": "ID",
    }  # fmt: skip
    assert (
        fields["stageId"]["statusType"] == f"DYNAMIC_{built.participation}_STAGE_{built.participation_funnel}"
    )
    assert fields[f"parentId{built.event}"]["settings"] == {"parentEntityTypeId": built.event}
    lines = fields[built.uf("LINES")]
    assert (lines["isMultiple"], lines["isDynamic"]) == (True, True)
    assert lines["items"] == [{"ID": str(n), "VALUE": value} for value, n in built.options.items()]
    assert "opportunity" not in fields, "products are off"


def test_import_reports_each_row(rest: Rest, built: Built, refused: Any) -> None:
    data = [{"title": "Один", "createdTime": "2020-02-03T04:05:06+03:00"}, {built.uf("DAY"): "плохо"}]
    rows = rest("crm.item.batchImport", {"entityTypeId": built.participation, "data": data})["items"]
    item = get(rest, built.participation, rows[0]["item"]["id"])
    assert (item["title"], item["createdTime"]) == ("Один", "2020-02-03T04:05:06+03:00")
    assert rows[1]["error"] == "CRM_FIELD_ERROR_VALUE_NOT_VALID"
    params = {"entityTypeId": built.participation, "data": [{}] * 21}
    assert refused(lambda: rest("crm.item.batchImport", params))[0] == "MAX_IMPORT_BATCH_SIZE_EXCEEDED"
    one = rest("crm.item.import", {"entityTypeId": built.participation, "fields": {"title": "Два"}})
    assert set(one["item"]) == {"id"}


def test_the_field_of_ones_own_company_says_so(rest: Rest) -> None:
    flags = {"title": "Договор", "isMycompanyEnabled": "Y", "isClientEnabled": "Y"}
    kind = rest("crm.type.add", {"fields": flags})["type"]["entityTypeId"]
    fields = rest("crm.item.fields", {"entityTypeId": kind})["fields"]
    assert fields["mycompanyId"]["settings"] == {
        "parentEntityTypeId": 4, "isMyCompany": True, "isEmbeddedEditorEnabled": True,
    }  # fmt: skip
    assert fields["companyId"]["settings"] == {"parentEntityTypeId": 4}
