"""Rights of employees, layouts of cards, the older methods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Refused, Rest
from tests.b24.sandbox.crm.build import Built, add, get, ids, phone


@pytest.fixture
def person(rest: Rest) -> dict[str, Any]:
    """An employee without administrator rights in a department of their own."""
    return dict(rest.control("users", {"name": "Ольга", "last_name": "Обычная"}))


def test_employees_may_everything_at_first_but_settings(
    rest: Rest, built: Built, person: dict[str, Any]
) -> None:
    token = person["access_token"]
    params = {"entityTypeId": built.participation, "fields": {"title": "Моё"}}
    item = rest("crm.item.add", params, token=token)["item"]
    assert (item["createdBy"], item["assignedById"]) == (person["id"], person["id"])
    for method, call in (
        ("crm.type.add", {"fields": {"title": "x"}}),
        ("crm.category.add", {"entityTypeId": 2, "fields": {"name": "x"}}),
        ("crm.status.add", {"fields": {"ENTITY_ID": "SOURCE", "STATUS_ID": "X", "NAME": "x"}}),
        ("userfieldconfig.add", {"moduleId": "crm", "field": {}}),
    ):
        assert rest.send(method, call, token=token).status_code == 400, method


def test_rights_narrow_what_is_seen_and_changed(rest: Rest, built: Built, person: dict[str, Any]) -> None:
    token = person["access_token"]
    foreign = add(rest, built.participation)["id"]
    own = add(rest, built.participation, assignedById=person["id"])["id"]
    rest.control(f"users/{person['id']}/rights", {"read": "own", "update": "none", "delete": "own"})
    params = {"entityTypeId": built.participation, "select": ["id"]}
    answer = rest.answer("crm.item.list", params, token=token)
    assert ([each["id"] for each in answer["result"]["items"]], answer["total"]) == ([own], 1)
    for verb, number, allowed in (
        ("get", own, True), ("get", foreign, False), ("update", own, False), ("delete", foreign, False),
    ):  # fmt: skip
        call = {"entityTypeId": built.participation, "id": number, "fields": {"title": "x"}}
        response = rest.send(f"crm.item.{verb}", call, token=token)
        assert (response.status_code == 200) is allowed, (verb, number)
        if not allowed:
            assert response.json()["error"] == "ACCESS_DENIED"
    assert rest("crm.item.delete", {"entityTypeId": built.participation, "id": own}, token=token) == []


def test_a_search_for_duplicates_shows_only_readable_cards(rest: Rest, person: dict[str, Any]) -> None:
    add(rest, 3, name="Чужой", fm=[phone("+77019998877")])
    rest.control(f"users/{person['id']}/rights", {"entity_type_id": 3, "read": "own"})
    call = {"type": "PHONE", "values": ["+77019998877"]}
    assert rest("crm.duplicate.findbycomm", call, token=person["access_token"]) == []


def test_a_layout_is_common_or_ones_own(
    rest: Rest, built: Built, person: dict[str, Any], refused: Any
) -> None:
    place = {"entityTypeId": built.participation}
    section = {"name": "main", "title": "Гость", "type": "section",
               "elements": [{"name": "CLIENT", "optionFlags": 1}, {"name": "UF_CRM_2_NOTE"}]}  # fmt: skip
    config = "crm.item.details.configuration"
    assert rest(f"{config}.get", {**place, "scope": "C"}) is None
    assert rest(f"{config}.set", {**place, "scope": "C", "data": [section]}) is True
    (shown,) = rest(f"{config}.get", {**place, "scope": "C"})
    assert shown["elements"] == [
        {"name": "CLIENT", "optionFlags": "1"},
        {"name": "UF_CRM_2_NOTE", "optionFlags": "0"},
    ]
    assert rest(f"{config}.get", place) is None
    token = person["access_token"]
    assert rest(f"{config}.set", {**place, "data": [section]}, token=token) is True
    with pytest.raises(Refused):
        rest(f"{config}.set", {**place, "scope": "C", "data": [section]}, token=token)
    assert rest(f"{config}.reset", {**place, "scope": "C"}) is True
    assert rest(f"{config}.get", {**place, "scope": "C"}) is None
    bad = {**section, "title": ""}
    assert refused(lambda: rest(f"{config}.set", {**place, "data": [bad]})) == (
        "", "Section at index 0 does not have title.",
    )  # fmt: skip
    assert (
        refused(lambda: rest(f"{config}.set", {"data": [section]}))[1]
        == "Parameter 'entityTypeId' is not defined"
    )


def test_older_methods_speak_upper_case_and_strings(rest: Rest) -> None:
    company = rest("crm.company.add", {"fields": {"TITLE": "ТОО «Старое»", "COMPANY_TYPE": "PARTNER"}})
    fields = {
        "NAME": "John", "LAST_NAME": "Smith", "COMPANY_ID": company,
        "PHONE": [{"VALUE": "+13333333555", "VALUE_TYPE": "WORK"}],
    }  # fmt: skip
    number = rest("crm.contact.add", {"fields": fields})
    assert isinstance(number, int)
    contact = rest("crm.contact.get", {"id": number})
    assert (contact["ID"], contact["COMPANY_ID"], contact["HAS_PHONE"]) == (str(number), str(company), "Y")
    assert contact["PHONE"][0]["VALUE"] == "+13333333555"
    assert "EMAIL" not in contact
    assert contact["DATE_CREATE"]
    change = {"EMAIL": [{"VALUE": "j@x.example"}], "PHONE": [{"ID": contact["PHONE"][0]["ID"], "VALUE": ""}]}
    assert rest("crm.contact.update", {"id": number, "fields": change}) is True
    fresh = rest("crm.contact.get", {"ID": number})
    assert "PHONE" not in fresh
    rows = rest("crm.contact.list", {"filter": {"EMAIL": "j@x.example"}, "select": ["ID", "NAME", "EMAIL"]})
    assert [(each["ID"], each["NAME"], each["EMAIL"][0]["VALUE"]) for each in rows] == [
        (str(number), "John", "j@x.example")
    ]
    assert rest("crm.company.get", {"id": company})["COMPANY_TYPE"] == "PARTNER"
    assert rest("crm.contact.delete", {"id": number}) is True


def test_older_bonds_keep_one_primary(rest: Rest, refused: Any) -> None:
    first, second = (add(rest, 3, name=name)["id"] for name in ("А", "Б"))
    deal = rest("crm.deal.add", {"fields": {"TITLE": "Сделка"}})
    items = [{"CONTACT_ID": first, "SORT": 10}, {"CONTACT_ID": second, "IS_PRIMARY": "Y"}]
    assert rest("crm.deal.contact.items.set", {"id": deal, "items": items}) is True
    assert get(rest, 2, deal)["contactIds"] == [second, first]
    assert rest("crm.deal.contact.add", {"id": deal, "fields": {"CONTACT_ID": first}}) is False
    assert rest("crm.deal.contact.delete", {"id": deal, "fields": {"CONTACT_ID": second}}) is True
    assert rest("crm.deal.contact.items.get", {"id": deal}) == [
        {"CONTACT_ID": first, "SORT": 10, "ROLE_ID": 0, "IS_PRIMARY": "Y"}
    ]
    assert refused(lambda: rest("crm.deal.contact.add", {"id": deal, "fields": {}}))[0] == ""
    assert refused(lambda: rest("crm.deal.get", {"id": 99999})) == ("", "Not found")


def test_the_demo_portal_holds_a_partner_programme(start: Any, connect: Any) -> None:
    rest = connect(start(seed="demo"))
    totals = {kind: rest.answer("crm.item.list", {"entityTypeId": kind})["total"] for kind in (2, 3, 4)}
    assert (totals[3], totals[4]) == (300, 120)
    assert totals[2] >= 24
    fields = rest("crm.item.fields", {"entityTypeId": 4})["fields"]
    segments = {
        each["title"]: [option["VALUE"] for option in each["items"]]
        for each in fields.values()
        if "items" in each
    }
    assert segments["Потенциал"] == ["Высокий", "Средний", "Низкий"]
    assert set(segments) == {"Потенциал", "Форма сотрудничества", "Регион"}
    office = rest(
        "crm.duplicate.findbycomm", {"type": "PHONE", "values": ["+77272501010"], "entity_type": "CONTACT"}
    )
    assert len(office["CONTACT"]) == 5
    names = [each["name"] for each in rest("crm.category.list", {"entityTypeId": 2})["categories"]]
    assert "Партнёрские продажи" in names
    people = rest("user.get", {"FILTER": {"ACTIVE": False}})
    assert len(people) == 1
    assert ids(rest, 4, {"assignedById": int(people[0]["ID"])}), (
        "somebody's companies are left without an owner"
    )
