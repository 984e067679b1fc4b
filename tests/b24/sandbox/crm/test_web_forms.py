"""CRM forms: what a guest's submission does to the CRM."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.b24.sandbox.client import Listener, Rest, eventually
from tests.b24.sandbox.crm.build import Built, add, email, get, ids, phone

ANNA = {
    "LAST": "Смирнова",
    "FIRST": "Анна",
    "PHONE": "+7 (701) 555-00-01",
    "MAIL": "anna@firm.example",
    "FIRM": "ТОО «Новая»",
}
FIELDS = [
    {"name": "LAST", "caption": "Фамилия", "kind": "string", "entity": "contact", "target": "LAST_NAME",
    "required": True},
    {"name": "FIRST", "caption": "Имя", "kind": "string", "entity": "contact", "target": "NAME",
    "required": True},
    {"name": "PHONE", "caption": "Телефон", "kind": "phone", "entity": "contact", "target": "PHONE"},
    {"name": "MAIL", "caption": "E-mail", "kind": "email", "entity": "contact", "target": "EMAIL",
    "required": True},
    {"name": "FIRM", "caption": "Компания", "kind": "string", "entity": "company", "target": "TITLE"},
]  # fmt: skip


@pytest.fixture(scope="module")
def event(rest: Rest, built: Built) -> int:
    return int(add(rest, built.event, title="Конференция")["id"])


def make(rest: Rest, built: Built, event: int, **more: Any) -> int:
    hidden = {"name": "EVENT", "caption": "", "kind": "hidden", "entity": "item",
              "target": f"PARENT_ID_{built.event}", "value": event}  # fmt: skip
    note = {"name": "NOTE", "caption": "Вопрос", "kind": "text", "entity": "item",
            "target": f"UF_CRM_{built.participation_type}_NOTE"}  # fmt: skip
    definition = {
        "name": "Регистрация",
        "target_type": built.participation,
        "fields": [*FIELDS, hidden, note],
        **more,
    }
    return int(rest.control("forms", definition)["id"])


def submit(rest: Rest, form: int, **values: Any) -> dict[str, Any]:
    return dict(rest.control(f"forms/{form}/submit", values))


def refused_fields(rest: Rest, form: int, values: dict[str, Any]) -> dict[str, str]:
    response = rest.http.post(f"{rest.url}/sandbox/forms/{form}/submit", json=values, timeout=20)
    assert response.status_code == 400
    return dict(response.json()["fields"])


def test_a_stranger_becomes_contact_company_and_item(rest: Rest, built: Built, event: int) -> None:
    form = make(rest, built, event)
    made = submit(rest, form, **ANNA, NOTE="Где парковка?", utm_source="telegram")
    item = get(rest, built.participation, made["item_id"])
    assert (item["title"], item["webformId"], item["sourceId"]) == (
        'Заполнение CRM-формы "Регистрация"', form, "WEBFORM",
    )  # fmt: skip
    assert (item["utmSource"], item[built.uf("NOTE")]) == ("telegram", "Где парковка?")
    assert item[f"parentId{built.event}"] == event, "the hidden field binds the event"
    assert (item["contactId"], item["companyId"]) == (made["contact_id"], made["company_id"])
    contact = get(rest, 3, made["contact_id"])
    assert (contact["lastName"], contact["companyId"], contact["webformId"]) == (
        "Смирнова",
        made["company_id"],
        form,
    )
    assert {each["value"] for each in contact["fm"]} == {ANNA["PHONE"], ANNA["MAIL"]}
    records = rest("crm.activity.list", {"filter": {"PROVIDER_ID": "CRM_WEBFORM", "OWNER_ID": item["id"]}})
    assert records[0]["PROVIDER_TYPE_ID"] == str(form)


def test_what_a_guest_typed_stands_in_the_activity(rest: Rest, built: Built, event: int) -> None:
    """Source of the shape: bitrix24/b24phpsdk, Services/CRM/Activity/Result/WebForm."""
    made = submit(rest, make(rest, built, event), **{**ANNA, "MAIL": "typed@firm.example", "PHONE": ""})
    (record,) = rest(
        "crm.activity.list",
        {
            "filter": {
                "PROVIDER_ID": "CRM_WEBFORM",
                "BINDINGS": [{"OWNER_TYPE_ID": built.participation, "OWNER_ID": made["item_id"]}],
            },
            "select": ["ID", "PROVIDER_PARAMS"],
        },
    )
    typed = record["PROVIDER_PARAMS"]
    assert set(typed) == {"FIELDS", "FORM", "VISITED_PAGES"}
    assert [(one["code"], one["type"], one["value"]) for one in typed["FIELDS"]] == [
        ("CONTACT_LAST_NAME", "string", [ANNA["LAST"]]),
        ("CONTACT_NAME", "string", [ANNA["FIRST"]]),
        ("CONTACT_EMAIL", "email", ["typed@firm.example"]),
        ("COMPANY_TITLE", "string", [ANNA["FIRM"]]),
    ], "empty fields are missing, hidden ones are not shown"
    assert set(typed["FORM"]) == {"IS_USED_USER_CONSENT", "AGREEMENTS", "IP", "LINK"}


def test_the_same_guest_gets_a_second_item_and_no_second_card(rest: Rest, built: Built, event: int) -> None:
    form = make(rest, built, event)
    first = submit(rest, form, **{**ANNA, "MAIL": "second@firm.example", "PHONE": "+77015550002"})
    again = submit(rest, form, **{**ANNA, "MAIL": "SECOND@firm.example", "PHONE": "8 701 555 00 02"})
    assert again["item_id"] != first["item_id"]
    assert (again["contact_id"], again["company_id"]) == (first["contact_id"], first["company_id"])
    assert len(get(rest, 3, first["contact_id"])["fm"]) == 2, (
        "the same number in other words is no second phone"
    )


@pytest.mark.parametrize(
    ("mode", "last", "post_kept"),
    [("merge", "Старый", True), ("replace", "Новый", True), ("allow", None, False)],
)
def test_the_duplicate_mode_decides_about_a_found_card(
    rest: Rest, built: Built, event: int, mode: str, last: str | None, post_kept: bool
) -> None:
    number = {"merge": 1, "replace": 2, "allow": 3}[mode]
    mail = f"mode{number}@x.example"
    card = add(rest, 3, name="", lastName="Старый", post="Директор", fm=[email(mail)])
    form = make(rest, built, event, duplicates=mode)
    made = submit(rest, form, LAST="Новый", FIRST="Имя", MAIL=mail)
    assert (made["contact_id"] == card["id"]) is post_kept
    fresh = get(rest, 3, made["contact_id"])
    if last:
        assert (fresh["lastName"], fresh["name"], fresh["post"]) == (last, "Имя", "Директор")
    else:
        assert fresh["post"] is None


def test_nobody_compares_names(rest: Rest, built: Built, event: int) -> None:
    shared = add(
        rest, 3, name="Вера", lastName="Лисицына", fm=[email("office@x.example"), phone("+77272501010")]
    )
    made = submit(rest, make(rest, built, event), LAST="Цой", FIRST="Олег", MAIL="office@x.example")
    assert made["contact_id"] == shared["id"]


def test_a_wrong_form_names_each_field_and_writes_nothing(rest: Rest, built: Built, event: int) -> None:
    form = make(rest, built, event, agreement="Согласие на обработку персональных данных")
    before = rest.answer("crm.item.list", {"entityTypeId": built.participation})["total"]
    errors = refused_fields(rest, form, {"FIRST": " ", "MAIL": "не адрес", "PHONE": "12"})
    assert errors == {
        "LAST": "Обязательное поле",
        "FIRST": "Обязательное поле",
        "MAIL": "Неверный формат e-mail",
        "PHONE": "Неверный номер телефона",
        "agreement": "Нужно согласие на обработку персональных данных",
    }
    assert rest.answer("crm.item.list", {"entityTypeId": built.participation})["total"] == before
    assert submit(rest, form, **ANNA, agreement="Y")["item_id"]


def test_a_form_that_is_not_there_is_404(rest: Rest) -> None:
    response = requests.post(f"{rest.url}/sandbox/forms/9999/submit", json={}, timeout=20)
    assert response.status_code == 404


def test_events_of_a_form_carry_no_tokens(rest: Rest, built: Built, event: int, listener: Listener) -> None:
    form = make(rest, built, event)
    for name in ("ONCRMDYNAMICITEMADD", "ONCRMCONTACTADD"):
        rest("event.bind", {"event": name, "handler": listener.url})
    made = submit(rest, form, **{**ANNA, "MAIL": "events@x.example", "PHONE": ""})
    events = eventually(lambda: listener.events if len(listener.events) == 2 else None)
    told = {each["event"]: each for each in events}
    assert told["ONCRMDYNAMICITEMADD"]["data[FIELDS][ID]"] == str(made["item_id"])
    assert told["ONCRMCONTACTADD"]["data[FIELDS][ID]"] == str(made["contact_id"])
    for each in events:
        assert "auth[access_token]" not in each
        assert each["auth[application_token]"]
    for name in ("ONCRMDYNAMICITEMADD", "ONCRMCONTACTADD"):
        rest("event.unbind", {"event": name, "handler": listener.url})


def test_a_form_may_make_deals_and_leads(rest: Rest, built: Built, event: int) -> None:
    for kind in (1, 2):
        form = int(rest.control("forms", {"name": "Заявка", "target_type": kind, "fields": FIELDS})["id"])
        made = submit(rest, form, LAST="Ли", FIRST="Вэй", MAIL=f"li{kind}@x.example")
        assert ids(rest, kind, {"webformId": form}) == [made["item_id"]]
