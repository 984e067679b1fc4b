"""CRM forms: made by an administrator, filled in by guests, turned into items as a portal does it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.ui_client import DEAL, LEAD, Colleague
from tests.chromium import Console

CONTACT, COMPANY = 3, 4


def get(sandbox: Sandbox, path: str) -> requests.Response:
    return requests.get(sandbox.url + path, timeout=10)


def item(rest: Rest, entity_type_id: int, item_id: int) -> dict[str, Any]:
    found: dict[str, Any] = rest("crm.item.get", {"entityTypeId": entity_type_id, "id": item_id})["item"]
    return found


@pytest.fixture(scope="module")
def process(rest: Rest) -> int:
    """entityTypeId of a smart process with stages and clients."""
    settings = {"title": "Визиты", "isStagesEnabled": "Y", "isCategoriesEnabled": "Y", "isClientEnabled": "Y"}
    return int(rest("crm.type.add", {"fields": settings})["type"]["entityTypeId"])


@pytest.fixture(scope="module")
def form_path(sandbox: Sandbox, process: int) -> str:
    """Public address of a registration form that makes visits."""
    wanted = {"name": "Регистрация на день партнёра", "type": str(process), "agreement": "Согласен"}
    made = requests.post(f"{sandbox.url}/sandbox/ui/webform", data=wanted, timeout=10)
    assert made.status_code == 200
    found = re.search(r"/pub/form/\d+/", made.text)
    assert found is not None
    return found[0]


GUEST = {
    "LAST_NAME": "Ахметова", "NAME": "Дана", "COMPANY": "ТОО «Степь»", "POST": "Закупщик",
    "EMAIL": "dana@steppe.example", "PHONE": "+7 701 123-45-67", "agreement": "Y",
}  # fmt: skip


def visits(rest: Rest, process: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rest("crm.item.list", {"entityTypeId": process, "order": {"id": "DESC"}})[
        "items"
    ]
    return found


def test_a_guest_fills_a_form_and_the_portal_makes_item_contact_and_company(
    sandbox: Sandbox, rest: Rest, process: int, form_path: str
) -> None:
    answer = requests.post(
        f"{sandbox.url}{form_path}?utm_source=x", data={**GUEST, "utm_source": "mail"}, timeout=10
    )
    assert answer.status_code == 200
    assert "Спасибо" in answer.text
    visit = item(rest, process, visits(rest, process)[0]["id"])
    assert visit["title"] == 'Заполнение CRM-формы "Регистрация на день партнёра"'
    assert visit["webformId"] == int(form_path.split("/")[3])
    assert visit["utmSource"] == "mail"
    assert item(rest, CONTACT, visit["contactId"])["lastName"] == "Ахметова"
    assert item(rest, COMPANY, visit["companyId"])["title"] == "ТОО «Степь»"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"EMAIL": "нет"}, "Неверный формат e-mail"),
        ({"PHONE": "12"}, "Неверный номер телефона"),
        ({"LAST_NAME": "  "}, "Обязательное поле"),
        ({"agreement": ""}, "Нужно согласие"),
    ],
)
def test_a_refused_form_says_what_is_wrong_and_keeps_what_was_typed(
    sandbox: Sandbox, rest: Rest, process: int, form_path: str, change: dict[str, str], complaint: str
) -> None:
    before = visits(rest, process)
    answer = requests.post(
        sandbox.url + form_path, data={**GUEST, "POST": "<b>Главный</b>", **change}, timeout=10
    )
    assert answer.status_code == 422
    assert complaint in answer.text
    assert "&lt;b&gt;Главный&lt;/b&gt;" in answer.text
    assert visits(rest, process) == before


def test_a_form_can_tie_its_items_to_a_parent(sandbox: Sandbox, rest: Rest, process: int) -> None:
    event = rest("crm.type.add", {"fields": {"title": "Мероприятие"}})["type"]
    relations = {"parent": [{"entityTypeId": event["entityTypeId"], "isChildrenListEnabled": "true"}]}
    own = rest("crm.type.getByEntityTypeId", {"entityTypeId": process})["type"]["id"]
    rest("crm.type.update", {"id": own, "fields": {"relations": relations}})
    made = rest("crm.item.add", {"entityTypeId": event["entityTypeId"], "fields": {"title": "День"}})
    parent = made["item"]["id"]
    wanted = {"name": "С родителем", "type": process, "parent_type": event["entityTypeId"], "parent": parent}
    listed = requests.post(f"{sandbox.url}/sandbox/ui/webform", data=wanted, timeout=10).text
    path = re.findall(r"/pub/form/\d+/", listed)[-1]
    requests.post(sandbox.url + path, data={**GUEST, "EMAIL": "other@steppe.example"}, timeout=10)
    visit = item(rest, process, visits(rest, process)[0]["id"])
    assert visit[f"parentId{event['entityTypeId']}"] == parent
    card = get(sandbox, f"/crm/type/{event['entityTypeId']}/details/{parent}/").text
    assert "Заполнение CRM-формы &#34;С родителем&#34;" in card


def test_only_administrators_make_forms(sandbox: Sandbox, rest: Rest) -> None:
    user = rest.control("users", {"name": "Иван", "last_name": "Простой", "email": "i@portal.example"})["id"]
    wanted = {"name": "Чужая форма", "type": "2"}
    cookies = {"b24sandbox_user": str(user)}
    answer = requests.post(f"{sandbox.url}/sandbox/ui/webform", data=wanted, cookies=cookies, timeout=10)
    assert answer.status_code == 403
    assert "Чужая форма" not in get(sandbox, "/crm/webform/").text


@pytest.mark.e2e
def test_the_public_form_marks_wrong_fields_for_everybody(
    page: Page, sandbox: Sandbox, form_path: str, console: Console
) -> None:
    console.expect("422")
    page.goto(sandbox.url + form_path)
    page.get_by_label("E-mail").fill("нет")
    page.get_by_role("button", name="Отправить").click()
    expect(page.get_by_role("alert")).to_contain_text("не отправлены")
    expect(page.get_by_label("E-mail")).to_have_value("нет")
    expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")


# ---- the editor; leads, deals and known clients ----


@pytest.fixture(scope="module")
def admin(sandbox: Sandbox) -> Colleague:
    return Colleague(sandbox.url)


def made_by_hand(admin: Colleague, target: int, duplicates: str = "merge", **more: Any) -> int:
    """Id of a new registration form."""
    page = admin.post("/sandbox/ui/webform", name="Форма", type=target, duplicates=duplicates, **more)
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def newest(rest: Rest, entity_type_id: int) -> dict[str, Any]:
    wanted = {"entityTypeId": entity_type_id, "order": {"id": "DESC"}}
    return item(rest, entity_type_id, rest("crm.item.list", wanted)["items"][0]["id"])


@pytest.mark.parametrize(
    ("duplicates", "same_card", "post"),
    [("merge", True, "Инженер"), ("replace", True, "Закупщик"), ("allow", False, "Закупщик")],
)
def test_a_deals_form_treats_a_known_client_as_it_was_told(
    rest: Rest, admin: Colleague, duplicates: str, same_card: bool, post: str
) -> None:
    mail = f"{duplicates}@known.example"
    fm = [{"typeId": "EMAIL", "valueType": "WORK", "value": mail}]
    fields = {"name": "Дана", "lastName": "Ахметова", "post": "Инженер", "fm": fm}
    known = rest("crm.item.add", {"entityTypeId": CONTACT, "fields": fields})["item"]["id"]
    form = made_by_hand(admin, DEAL, duplicates)
    answers = {name: value for name, value in GUEST.items() if name != "agreement"}
    answers |= {"EMAIL": mail, "PHONE": f"+7 702 000-00-0{len(duplicates)}"}
    for _ in range(2):
        admin.post(f"/pub/form/{form}/", **answers)
    deals = rest("crm.item.list", {"entityTypeId": DEAL, "filter": {"webformId": form}})["items"]
    assert len(deals) == 2, "always a new item"
    clients = {deal["contactId"] for deal in deals}
    assert (clients == {known}) is same_card
    assert item(rest, CONTACT, max(clients))["post"] == post
    if not same_card:
        assert len(clients | {known}) == 3


@pytest.mark.parametrize(("duplicates", "bound"), [("merge", True), ("replace", True), ("allow", False)])
def test_a_leads_form_keeps_the_answers_in_the_lead(
    rest: Rest, admin: Colleague, duplicates: str, bound: bool
) -> None:
    mail = f"{duplicates}@lead.example"
    fm = [{"typeId": "EMAIL", "valueType": "WORK", "value": mail}]
    known = rest("crm.item.add", {"entityTypeId": CONTACT, "fields": {"name": "Дана", "fm": fm}})["item"][
        "id"
    ]
    form = made_by_hand(admin, LEAD, duplicates)
    admin.post(f"/pub/form/{form}/", **{**GUEST, "EMAIL": mail, "PHONE": "+7 703 111-22-33"})
    lead = newest(rest, LEAD)
    assert (lead["lastName"], lead["companyTitle"], lead["webformId"]) == ("Ахметова", "ТОО «Степь»", form)
    assert {one["value"] for one in lead["fm"]} == {mail, "+7 703 111-22-33"}
    assert lead["contactId"] == (known if bound else 0)
    assert lead["isReturnCustomer"] == ("Y" if bound else "N")
    assert item(rest, CONTACT, known).get("lastName") in (None, ""), "a lead changes no client"


def test_the_editor_changes_captions_demands_and_fields(
    rest: Rest, admin: Colleague, process: int, sandbox: Sandbox
) -> None:
    form = made_by_hand(admin, process, agreement="Согласен")
    path = f"/crm/webform/edit/{form}/"
    kept = {f"required:{place}": "1" for place in range(4)}
    form_values = {"name": "Новое имя", "duplicates": "allow", "agreement": "Согласен", "assigned_by_id": "1"}
    changed = {"caption:0": "Ваша фамилия", "remove:3": "1", "add": "contact:COMMENTS"}
    admin.post(path, **form_values, **kept, **changed)
    admin.post(path, **form_values, **kept, add="item:TITLE", add_value="Стенд 5")
    page = get(sandbox, f"/pub/form/{form}/").text
    assert "Ваша фамилия *" in page
    assert "Комментарий" in page
    assert "Должность" not in page
    assert "Стенд 5" not in page, "a hidden field is hidden"
    answers = {**GUEST, "PHONE": "", "CONTACT_COMMENTS": "Ем без лука", "EMAIL": "editor@steppe.example"}
    assert admin.post(f"/pub/form/{form}/", **answers).status_code == 200
    visit = newest(rest, process)
    assert visit["title"] == "Стенд 5"
    contact = item(rest, CONTACT, visit["contactId"])
    assert contact["comments"] == "Ем без лука"
    assert "всегда создавать нового клиента" in admin.get("/crm/webform/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"duplicates": "guess"},
        {"add": "item:NOPE"},
        {"add": "moon:TITLE"},
        {"category_id": "999"},
    ],
    ids=str,
)
def test_a_form_that_cannot_be_saved_stays_as_it_was(
    admin: Colleague, process: int, wrong: dict[str, str]
) -> None:
    form = made_by_hand(admin, process)
    before = admin.get(f"/crm/webform/edit/{form}/")
    sent = {"name": "Иначе", "duplicates": "allow", **wrong}
    assert admin.http.post(f"{admin.url}/crm/webform/edit/{form}/", data=sent, timeout=10).status_code in (
        400,
        404,
    )
    assert admin.get(f"/crm/webform/edit/{form}/") == before


def test_a_removed_form_takes_no_more_answers(admin: Colleague, process: int) -> None:
    form = made_by_hand(admin, process)
    admin.post("/sandbox/ui/webform/remove", form_id=form)
    admin.get(f"/pub/form/{form}/", 404)
    admin.post(f"/pub/form/{form}/", 404, **GUEST)
    admin.get(f"/crm/webform/edit/{form}/", 404)
