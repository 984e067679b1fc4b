"""Everyday life in the portal: deleting and restoring, merging, converting, required fields, colleagues, files."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Refused, Rest
from tests.b24.sandbox.crm.build import add, email, get, ids, phone, update
from tests.b24.sandbox.ui_client import COMPANY, CONTACT, DEAL, LEAD, Colleague, employ
from tests.chromium import Console


@pytest.fixture(scope="module")
def admin(sandbox: Sandbox) -> Colleague:
    return Colleague(sandbox.url)


# ---- recycle bin ----


def bin_number(page: str, title: str) -> str:
    """Number of the bin's entry with this title."""
    row = next(part for part in page.split("<tr>") if title in part)
    found = re.search(r'name="bin_id" value="(\d+)"', row)
    assert found is not None
    return found[1]


def test_a_deleted_contact_is_restored_with_its_company_phones_and_deals(
    rest: Rest, admin: Colleague
) -> None:
    company = add(rest, COMPANY, title="Завод")["id"]
    lost = add(
        rest, CONTACT, name="Пропажа", lastName="Найденная", companyIds=[company], fm=[phone("+77011112233")]
    )
    deal = add(rest, DEAL, title="Сделка пропажи", contactIds=[lost["id"]])["id"]
    admin.post("/sandbox/ui/delete", type=CONTACT, id=lost["id"])
    assert ids(rest, CONTACT, {"lastName": "Найденная"}) == []
    page = admin.get("/crm/recyclebin/")
    admin.post("/sandbox/ui/recycle/restore", bin_id=bin_number(page, "Найденная Пропажа"))
    number = ids(rest, CONTACT, {"lastName": "Найденная"})[0]
    again = get(rest, CONTACT, number)
    assert number != lost["id"], "the portal gives a new id"
    assert (again["companyIds"], again["phone"]) == ([company], "+77011112233")
    assert get(rest, DEAL, deal)["contactIds"] == [number]
    assert "Найденная Пропажа" not in admin.get("/crm/recyclebin/")


def test_an_item_whose_stage_is_gone_comes_back_on_the_first_one(rest: Rest, admin: Colleague) -> None:
    params = {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "UC_TEMP", "NAME": "Временная", "SORT": 25}
    stage = rest("crm.status.add", {"fields": params})
    deal = add(rest, DEAL, title="На временной", stageId="UC_TEMP")["id"]
    rest("crm.item.delete", {"entityTypeId": DEAL, "id": deal})
    rest("crm.status.delete", {"id": stage})
    admin.post(
        "/sandbox/ui/recycle/restore", bin_id=bin_number(admin.get("/crm/recyclebin/"), "На временной")
    )
    assert get(rest, DEAL, ids(rest, DEAL, {"title": "На временной"})[0])["stageId"] == "NEW"


def test_what_is_thrown_away_for_good_does_not_come_back(rest: Rest, admin: Colleague) -> None:
    deal = add(rest, DEAL, title="Навсегда")["id"]
    rest("crm.item.delete", {"entityTypeId": DEAL, "id": deal})
    number = bin_number(admin.get("/crm/recyclebin/"), "Навсегда")
    admin.post("/sandbox/ui/recycle/discard", bin_id=number)
    admin.post("/sandbox/ui/recycle/restore", 404, bin_id=number)
    assert ids(rest, DEAL, {"title": "Навсегда"}) == []


def test_colleagues_see_in_the_bin_what_they_deleted_themselves(rest: Rest, admin: Colleague) -> None:
    somebody = employ(rest, "Майя")
    mine, other = add(rest, DEAL, title="Удалит Майя")["id"], add(rest, DEAL, title="Удалит админ")["id"]
    somebody.post("/sandbox/ui/delete", type=DEAL, id=mine)
    admin.post("/sandbox/ui/delete", type=DEAL, id=other)
    page = somebody.get("/crm/recyclebin/")
    assert "Удалит Майя" in page
    assert "Удалит админ" not in page
    hidden = bin_number(admin.get("/crm/recyclebin/"), "Удалит админ")
    somebody.post("/sandbox/ui/recycle/restore", 404, bin_id=hidden)


# ---- merging ----


@pytest.fixture
def twins(rest: Rest) -> tuple[int, int]:
    """Two contacts of one person; names differ, the second has a deal."""
    first = add(rest, CONTACT, name="Анна", lastName="Ким", post="Закупщик", fm=[phone("+77010000001")])["id"]
    second = add(
        rest, CONTACT, name="Аня", lastName="Ким", fm=[phone("+77010000002"), email("a@kim.example")]
    )["id"]
    add(rest, DEAL, title=f"Сделка второй {second}", contactIds=[second])
    return first, second


def test_contacts_the_batch_calls_a_conflict_are_merged_on_the_page_it_names(
    rest: Rest, admin: Colleague, twins: tuple[int, int]
) -> None:
    first, second = twins
    merged = rest(
        "crm.entity.mergeBatch", {"params": {"entityTypeId": CONTACT, "entityIds": [first, second]}}
    )
    assert merged["STATUS"] == "CONFLICT"
    page = admin.get(f"/crm/contact/merge/?id={first},{second}")
    assert page.count('name="keep:NAME"') == 2
    assert "keep:LAST_NAME" not in page, "equal values are no question"
    admin.post(
        "/sandbox/ui/merge", type=CONTACT, ids=f"{first},{second}", survivor=first, **{"keep:NAME": second}
    )
    survivor = get(rest, CONTACT, first)
    assert (survivor["name"], survivor["post"]) == ("Аня", "Закупщик")
    assert {one["value"] for one in survivor["fm"]} == {"+77010000001", "+77010000002", "a@kim.example"}
    assert get(rest, DEAL, ids(rest, DEAL, {"title": f"Сделка второй {second}"})[0])["contactId"] == first
    with pytest.raises(Refused):
        get(rest, CONTACT, second)


def test_a_contradiction_nobody_decided_merges_nothing(
    rest: Rest, admin: Colleague, twins: tuple[int, int]
) -> None:
    admin.post("/sandbox/ui/merge", 400, type=CONTACT, ids=f"{twins[0]},{twins[1]}", survivor=twins[0])
    assert [get(rest, CONTACT, one)["name"] for one in twins] == ["Анна", "Аня"]


def test_companies_are_merged_with_their_people_and_deals(rest: Rest, admin: Colleague) -> None:
    first, second = (add(rest, COMPANY, title="ТОО Степь")["id"] for _ in range(2))
    person = add(rest, CONTACT, name="Иван", companyIds=[second])["id"]
    deal = add(rest, DEAL, title="Сделка Степи", companyId=second)["id"]
    admin.post("/sandbox/ui/merge", type=COMPANY, ids=f"{first},{second}", survivor=first)
    assert get(rest, CONTACT, person)["companyIds"] == [first]
    assert get(rest, DEAL, deal)["companyId"] == first


@pytest.mark.parametrize("query", ["", "?id=1", "?id=1,x", "?id=1,1", f"?id=1,{10**24}", "?id[]=1&id[]=-2"])
def test_a_merge_address_that_names_no_two_cards_is_refused(admin: Colleague, query: str) -> None:
    admin.get(f"/crm/contact/merge/{query}", 400)


def test_nobody_merges_away_what_they_may_not_delete(rest: Rest, twins: tuple[int, int]) -> None:
    somebody = employ(rest, "Ограниченный", delete="none")
    form = {"type": CONTACT, "ids": f"{twins[0]},{twins[1]}", "survivor": twins[0], "keep:NAME": twins[0]}
    somebody.post("/sandbox/ui/merge", 400, **form)
    assert get(rest, CONTACT, twins[1])["name"] == "Аня"


# ---- lead conversion ----


def lead_of(rest: Rest, **more: Any) -> int:
    fields = {
        "title": "Заявка с сайта", "name": "Алия", "lastName": "Ержанова", "post": "Директор",
        "companyTitle": "ТОО «Арна»", "opportunity": 500, "sourceId": "WEB", "utmSource": "mail",
        "fm": [phone("+77012223344"), email("aliya@arna.example")],
    } | more  # fmt: skip
    return int(add(rest, LEAD, **fields)["id"])


ALL = {"make:2": "1", "make:3": "1", "make:4": "1"}


def test_a_converted_lead_becomes_contact_company_and_deal_that_point_back(
    rest: Rest, admin: Colleague
) -> None:
    lead = lead_of(rest)
    admin.post(f"/crm/lead/convert/{lead}/", **ALL)
    done = get(rest, LEAD, lead)
    assert (done["stageId"], done["stageSemanticId"]) == ("CONVERTED", "S")
    contact, company = get(rest, CONTACT, done["contactId"]), get(rest, COMPANY, done["companyId"])
    deal = get(rest, DEAL, ids(rest, DEAL, {"leadId": lead})[0])
    assert (contact["lastName"], contact["post"], contact["leadId"]) == ("Ержанова", "Директор", lead)
    assert (contact["phone"], contact["email"]) == ("+77012223344", "aliya@arna.example")
    assert (company["title"], company["leadId"], contact["companyIds"]) == (
        "ТОО «Арна»",
        lead,
        [company["id"]],
    )
    assert (deal["title"], deal["opportunity"], deal["utmSource"]) == ("Заявка с сайта", 500, "mail")
    assert (deal["contactId"], deal["companyId"]) == (contact["id"], company["id"])
    classic = rest("crm.lead.get", {"id": lead})
    assert (classic["STATUS_ID"], classic["CONTACT_ID"]) == ("CONVERTED", str(contact["id"]))


def test_a_client_the_lead_has_already_is_not_made_again(rest: Rest, admin: Colleague) -> None:
    known = add(rest, CONTACT, name="Давняя", lastName="Клиентка")["id"]
    lead = lead_of(rest, contactId=known, companyTitle="")
    before = len(ids(rest, CONTACT, {}))
    admin.post(f"/crm/lead/convert/{lead}/", **ALL)
    assert len(ids(rest, CONTACT, {})) == before
    assert get(rest, DEAL, ids(rest, DEAL, {"leadId": lead})[0])["contactId"] == known


def test_only_what_was_ticked_is_made_and_a_lead_is_converted_once(rest: Rest, admin: Colleague) -> None:
    lead = lead_of(rest)
    admin.post(f"/crm/lead/convert/{lead}/", 400)
    admin.post(f"/crm/lead/convert/{lead}/", **{"make:3": "1"})
    assert ids(rest, DEAL, {"leadId": lead}) == []
    admin.post(f"/crm/lead/convert/{lead}/", 400, **ALL)
    assert "уже сконвертирован" in admin.get(f"/crm/lead/convert/{lead}/")


def test_rest_only_moves_a_lead_and_makes_nothing(rest: Rest) -> None:
    lead = lead_of(rest)
    update(rest, LEAD, lead, stageId="CONVERTED")
    assert ids(rest, DEAL, {"leadId": lead}) == []
    assert ids(rest, CONTACT, {"leadId": lead}) == []


def test_a_lead_dropped_on_success_asks_what_to_make(rest: Rest, admin: Colleague) -> None:
    lead = lead_of(rest)
    answer = admin.move(LEAD, lead, "CONVERTED")
    assert (answer.status_code, answer.json()["ask"]) == (422, f"/crm/lead/convert/{lead}/")
    assert get(rest, LEAD, lead)["stageId"] == "NEW"


# ---- funnels, stages, required fields ----


@pytest.fixture(scope="module")
def funnel(rest: Rest, admin: Colleague) -> int:
    """A funnel of deals made by hand; its stage EXECUTING asks for a contract."""
    admin.post("/sandbox/ui/funnel", type=DEAL, category=0, new="1", name="Тендеры")
    rows = rest("crm.category.list", {"entityTypeId": DEAL})["categories"]
    number = next(int(row["id"]) for row in rows if row["name"] == "Тендеры")
    field = {"entityId": "CRM_DEAL", "fieldName": "UF_CRM_DEAL_CONTRACT", "userTypeId": "string"}
    label = {"editFormLabel": {"ru": "Номер договора", "en": "Contract"}}
    rest("userfieldconfig.add", {"moduleId": "crm", "field": field | label})
    stage = f"C{number}:EXECUTING"
    admin.post("/sandbox/ui/required", type=DEAL, category=number, field="UF_CRM_DEAL_CONTRACT", stage=stage)
    return number


def test_a_stage_asks_for_its_fields_and_moves_once_they_are_given(
    rest: Rest, admin: Colleague, funnel: int
) -> None:
    deal, stage = add(rest, DEAL, title="Без договора", categoryId=funnel)["id"], f"C{funnel}:EXECUTING"
    answer = admin.move(DEAL, deal, stage)
    assert answer.status_code == 422
    assert "Номер договора" in admin.get(answer.json()["ask"])
    form = {"type": DEAL, "id": deal, "stage": stage}
    refused = admin.post("/sandbox/ui/fill", 400, **form, **{"value:ufCrm_DEAL_CONTRACT": ""})
    assert "Номер договора" in refused.text
    admin.post("/sandbox/ui/fill", **form, **{"value:ufCrm_DEAL_CONTRACT": "Д-17"})
    moved = get(rest, DEAL, deal)
    assert (moved["stageId"], moved["ufCrm_DEAL_CONTRACT"]) == (stage, "Д-17")
    emptied = {"type": DEAL, "id": deal, "name": "ufCrm_DEAL_CONTRACT", "value:ufCrm_DEAL_CONTRACT": ""}
    admin.post("/sandbox/ui/field", 400, **emptied)
    assert get(rest, DEAL, deal)["ufCrm_DEAL_CONTRACT"] == "Д-17"


def test_a_field_made_optional_again_is_asked_for_no_more(rest: Rest, admin: Colleague, funnel: int) -> None:
    place = {"type": DEAL, "category": funnel, "field": "OPPORTUNITY"}
    admin.post("/sandbox/ui/required", **place, stage=f"C{funnel}:PREPARATION")
    deal = add(rest, DEAL, title="Без суммы", categoryId=funnel)["id"]
    page = f"/crm/deal/settings/category/{funnel}/"
    assert "Сделать необязательным: Сумма" in admin.get(page)
    admin.post("/sandbox/ui/required", **place)
    assert "Сделать необязательным: Сумма" not in admin.get(page)
    assert "Номер договора" in admin.get(page), "what other fields need stays"
    assert admin.move(DEAL, deal, f"C{funnel}:PREPARATION").status_code == 200


def test_stages_are_added_renamed_and_deleted(rest: Rest, admin: Colleague, funnel: int) -> None:
    place = {"type": DEAL, "category": funnel}
    entity = {"filter": {"ENTITY_ID": f"DEAL_STAGE_{funnel}"}}

    def named(name: str) -> list[dict[str, Any]]:
        return [row for row in rest("crm.status.list", entity) if row["NAME"] == name]

    admin.post("/sandbox/ui/stage", **place, name="Переторжка", color="#123456", sort="25")
    made = named("Переторжка")[0]
    assert (made["COLOR"], made["SORT"]) == ("#123456", "25")
    admin.post("/sandbox/ui/stage", **place, stage=made["ID"], name="Второй тур", color="#654321", sort="26")
    assert [row["ID"] for row in named("Второй тур")] == [made["ID"]]
    deal = add(rest, DEAL, title="Держит", categoryId=funnel, stageId=made["STATUS_ID"])["id"]
    admin.post("/sandbox/ui/stage", 400, **place, stage=made["ID"], delete="1")
    assert named("Второй тур")
    update(rest, DEAL, deal, stageId=f"C{funnel}:NEW")
    admin.post("/sandbox/ui/stage", **place, stage=made["ID"], delete="1")
    assert not named("Второй тур")


def test_a_funnel_is_renamed_and_deleted_only_while_empty(rest: Rest, admin: Colleague) -> None:
    admin.post("/sandbox/ui/funnel", type=DEAL, category=0, new="1", name="Разовая")

    def funnels() -> dict[str, int]:
        rows = rest("crm.category.list", {"entityTypeId": DEAL})["categories"]
        return {str(row["name"]): int(row["id"]) for row in rows}

    number = funnels()["Разовая"]
    admin.post("/sandbox/ui/funnel", type=DEAL, category=number, name="Переименована")
    assert funnels()["Переименована"] == number
    deal = add(rest, DEAL, categoryId=number)["id"]
    admin.post("/sandbox/ui/funnel", 400, type=DEAL, category=number, delete="1")
    rest("crm.item.delete", {"entityTypeId": DEAL, "id": deal})
    admin.post("/sandbox/ui/funnel", type=DEAL, category=number, delete="1")
    assert "Переименована" not in funnels()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/sandbox/ui/stage", {"name": "Чужая"}),
        ("/sandbox/ui/funnel", {"new": "1", "name": "Чужая"}),
        ("/sandbox/ui/required", {"field": "TITLE", "stage": "NEW"}),
        ("/sandbox/ui/staff/dismiss", {"user_id": "1"}),
        ("/sandbox/ui/staff/rights", {"user_id": "1", "scope": "own"}),
        ("/sandbox/ui/webform/remove", {"form_id": "1"}),
    ],
)
def test_settings_are_the_administrators(rest: Rest, path: str, form: dict[str, str]) -> None:
    employ(rest, "Любопытный").post(path, 403, type=DEAL, category=0, **form)


# ---- colleagues ----


def test_a_colleague_is_dismissed_and_taken_back(rest: Rest, admin: Colleague) -> None:
    user = employ(rest, "Уволен").user_id
    admin.post("/sandbox/ui/staff/dismiss", user_id=user)
    assert rest("user.get", {"ID": user})[0]["ACTIVE"] is False
    assert "Принять обратно" in admin.get(f"/company/personal/user/{user}/")
    admin.post("/sandbox/ui/staff/restore", user_id=user)
    assert rest("user.get", {"ID": user})[0]["ACTIVE"] is True
    admin.post("/sandbox/ui/staff/dismiss", 400, user_id=1)


def test_who_may_see_only_their_own_sees_nothing_else_anywhere(rest: Rest, admin: Colleague) -> None:
    seller = employ(rest, "Скромный")
    admin.post("/sandbox/ui/staff/rights", user_id=seller.user_id, scope="own")
    mine = add(rest, DEAL, title="Сделка Скромного", assignedById=seller.user_id)["id"]
    other = add(rest, DEAL, title="Сделка соседа")["id"]
    for path in ("/crm/deal/list/", "/crm/deal/kanban/"):
        page = seller.get(path)
        assert "Сделка Скромного" in page
        assert "Сделка соседа" not in page
    seller.get(f"/crm/deal/details/{mine}/")
    assert "Сделка соседа" not in seller.get(f"/crm/deal/details/{other}/", 403)
    form = {"type": DEAL, "id": other, "name": "title", "value:title": "Взломано"}
    seller.post("/sandbox/ui/field", 403, **form)
    assert seller.move(DEAL, other, "WON").status_code == 400
    assert get(rest, DEAL, other)["title"] == "Сделка соседа"


# ---- lists, files, comments, tasks ----


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from:opportunity=1000", {"Дорогая"}),
        ("to:opportunity=999.5", {"Дешёвая"}),
        ("from:opportunity=50&to:opportunity=5000", {"Дорогая", "Дешёвая"}),
        ("is:companyId=Фильтр %E2%84%96 COMPANY", {"Дорогая"}),
        ("is:companyId=такой нет", set()),
        ("from:createdTime=2001-01-01&to:createdTime=2001-01-02", set()),
        ("from:opportunity=много", {"Дорогая", "Дешёвая"}),
        ("from:createdTime=когда-то", {"Дорогая", "Дешёвая"}),
    ],
)
def test_a_list_is_narrowed_by_any_field_it_shows(
    rest: Rest, admin: Colleague, query: str, found: set[str]
) -> None:
    company = ids(rest, COMPANY, {"title": "Фильтр"})
    if not company:
        company = [add(rest, COMPANY, title="Фильтр")["id"]]
        add(rest, DEAL, title="Дорогая", opportunity=2000, companyId=company[0])
        add(rest, DEAL, title="Дешёвая", opportunity=100)
    page = admin.get("/crm/deal/list/?" + query.replace("COMPANY", str(company[0])))
    assert {title for title in ("Дорогая", "Дешёвая") if f">{title}</a>" in page} == found


def test_a_person_is_found_by_either_name_or_number(rest: Rest, admin: Colleague) -> None:
    number = add(rest, CONTACT, name="Жибек", lastName="Жолова")["id"]
    for query in ("Жибек", "жолов", str(number)):
        assert "Жибек Жолова" in admin.get(f"/crm/contact/list/?q={query}")
    assert "Жибек Жолова" not in admin.get("/crm/contact/list/?q=Никто")


def test_files_are_put_on_a_card_downloaded_and_taken_off(rest: Rest, admin: Colleague) -> None:
    field = {"entityId": "CRM_DEAL", "fieldName": "UF_CRM_DEAL_PLAN", "userTypeId": "file", "multiple": "Y"}
    rest("userfieldconfig.add", {"moduleId": "crm", "field": field})
    deal = add(rest, DEAL, title="С файлами")["id"]
    form = {"type": DEAL, "id": deal, "name": "ufCrm_DEAL_PLAN"}
    for name, content in (("план.txt", b"one"), ("смета.txt", b"two")):
        admin.post("/sandbox/ui/field", files={"value:ufCrm_DEAL_PLAN": (name, content)}, **form)
    kept = get(rest, DEAL, deal)["ufCrm_DEAL_PLAN"]
    answers = [admin.http.get(admin.url + one["url"], timeout=10) for one in kept]
    assert [answer.content for answer in answers] == [b"one", b"two"]
    assert "attachment" in answers[0].headers["Content-Disposition"]
    assert "смета.txt</a>" in admin.get(f"/crm/deal/details/{deal}/")
    stranger = employ(rest, "Посторонний", read="none")
    stranger.get(kept[0]["url"], 404)
    admin.post("/sandbox/ui/field", **form, **{"value:ufCrm_DEAL_PLAN": "", "clear:ufCrm_DEAL_PLAN": "1"})
    assert get(rest, DEAL, deal)["ufCrm_DEAL_PLAN"] == []
    admin.get(kept[0]["url"], 404)


def test_comments_are_changed_and_deleted_by_hand(rest: Rest, admin: Colleague) -> None:
    deal = add(rest, DEAL, title="С комментарием")["id"]
    place = {"type": DEAL, "id": deal}
    admin.post("/sandbox/ui/comment", **place, text="Первое слово")
    wanted = {"filter": {"ENTITY_ID": deal, "ENTITY_TYPE": "deal"}}
    comment = rest("crm.timeline.comment.list", wanted)[0]["ID"]
    admin.post("/sandbox/ui/comment/change", **place, comment_id=comment, text="Второе слово")
    assert "Второе слово" in admin.get(f"/crm/deal/details/{deal}/")
    admin.post("/sandbox/ui/comment/change", 400, **place, comment_id=comment, text=" ")
    assert rest("crm.timeline.comment.get", {"id": comment})["COMMENT"] == "Второе слово"
    admin.post("/sandbox/ui/comment/delete", **place, comment_id=comment)
    assert rest("crm.timeline.comment.list", wanted) == []


def test_a_task_offers_what_its_status_allows(rest: Rest, admin: Colleague) -> None:
    helper = employ(rest, "Помощник").user_id
    fields = {"TITLE": "Позвонить", "RESPONSIBLE_ID": 1, "DEADLINE": "2030-01-01T10:00:00+03:00"}
    task = int(rest("tasks.task.add", {"fields": fields})["task"]["id"])
    page = f"/company/personal/user/1/tasks/task/view/{task}/"

    def buttons() -> set[str]:
        return set(re.findall(r'action="/sandbox/ui/task/(\w+)"', admin.get(page))) - {"change", "delete"}

    assert buttons() == {"start", "complete", "defer"}
    for action, status, then in (
        ("start", "3", {"pause", "complete", "defer"}),
        ("pause", "2", {"start", "complete", "defer"}),
        ("defer", "6", {"start", "complete", "renew"}),
        ("complete", "5", {"renew"}),
        ("renew", "2", {"start", "complete", "defer"}),
    ):
        admin.post(f"/sandbox/ui/task/{action}", task_id=task)
        assert rest("tasks.task.get", {"taskId": task})["task"]["status"] == status
        assert buttons() == then
    admin.post("/sandbox/ui/task/change", task_id=task, responsible=helper, deadline="2031-02-03T12:30")
    changed = rest("tasks.task.get", {"taskId": task})["task"]
    assert changed["responsibleId"] == str(helper)
    assert changed["deadline"].startswith("2031-02-03T12:30:00")


# ---- in a browser ----


@pytest.mark.e2e
def test_a_card_dropped_on_a_demanding_stage_is_asked_and_moved(
    page: Page, sandbox: Sandbox, rest: Rest, funnel: int, console: Console
) -> None:
    deal, stage = add(rest, DEAL, title="Перетащат", categoryId=funnel)["id"], f"C{funnel}:EXECUTING"
    console.expect("422")
    page.goto(f"{sandbox.url}/crm/deal/kanban/category/{funnel}/")
    target = page.locator(f'.column[data-stage="{stage}"]')
    page.locator(".card", has_text="Перетащат").drag_to(target)
    asked = page.frame_locator(".slide iframe")
    asked.get_by_label("Номер договора").fill("Д-18")
    asked.get_by_role("button", name="Сохранить и перейти").press("Enter")
    expect(target.locator(".card", has_text="Перетащат")).to_be_visible()
    assert get(rest, DEAL, deal)["ufCrm_DEAL_CONTRACT"] == "Д-18"


@pytest.mark.e2e
def test_a_lead_is_converted_from_its_card_with_the_keyboard(
    page: Page, sandbox: Sandbox, rest: Rest
) -> None:
    lead = lead_of(rest, title="С клавиатуры")
    page.goto(f"{sandbox.url}/crm/lead/details/{lead}/")
    page.get_by_role("link", name="Сконвертировать").press("Enter")
    asked = page.frame_locator(".slide iframe")
    asked.get_by_label("Компания").press("Space")
    asked.get_by_role("button", name="Сконвертировать").press("Enter")
    expect(asked.locator("#pagetitle")).to_have_text("С клавиатуры")
    done = get(rest, LEAD, lead)
    assert (done["stageId"], bool(done["contactId"]), bool(done["companyId"])) == ("CONVERTED", True, False)


@pytest.mark.e2e
def test_duplicates_are_ticked_in_the_list_and_merged(
    page: Page, sandbox: Sandbox, rest: Rest, twins: tuple[int, int]
) -> None:
    page.goto(f"{sandbox.url}/crm/contact/list/?q=Ким")
    for number in twins:
        page.locator(f'input[name="id[]"][value="{number}"]').check()
    page.get_by_role("button", name="Объединить выбранные").click()
    row = page.locator("tr", has_text="Главная карточка")
    row.get_by_role("radio").and_(page.locator(f'[value="{twins[0]}"]')).check()
    page.get_by_role("row", name="Имя").get_by_label("Анна").check()
    page.get_by_role("button", name="Объединить").click()
    expect(page.locator("#pagetitle")).to_have_text("Анна Ким")
    assert len(get(rest, CONTACT, twins[0])["fm"]) == 3


@pytest.mark.e2e
@pytest.mark.parametrize(
    "path",
    [
        "/crm/recyclebin/",
        "/crm/deal/settings/category/0/",
        "/crm/deal/automation/0/",
        "/crm/lead/settings/category/0/",
        "/crm/deal/list/?from:opportunity=1",
        "/crm/webform/",
        "/company/",
        "/company/personal/user/1/",
        "/crm/deal/details/0/",
    ],
)
def test_pages_fit_and_have_names_for_everything_the_keyboard_reaches(
    page: Page, sandbox: Sandbox, path: str
) -> None:
    page.goto(sandbox.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    nameless = page.evaluate(
        "() => Array.from(document.querySelectorAll("
        "'main button, main input:not([type=hidden]), main select, main textarea'))"
        ".filter((one) => !(one.labels && one.labels.length) && !one.getAttribute('aria-label') &&"
        " !one.getAttribute('aria-labelledby') && !one.textContent.trim()).map((one) => one.outerHTML)"
    )
    assert nameless == []


# ---- phones and addresses ----


def test_phones_and_addresses_are_changed_added_and_removed_by_hand(rest: Rest, admin: Colleague) -> None:
    fm = [phone("+77010000009"), email("old@mail.example")]
    person = add(rest, CONTACT, name="Связь", fm=fm)
    number, mail = (one["id"] for one in sorted(person["fm"], key=lambda one: one["typeId"], reverse=True))
    form = {
        f"kind:{number}": "PHONE", f"place:{number}": "MOBILE", f"fm:{number}": "+7 701 999",
        f"kind:{mail}": "EMAIL", f"place:{mail}": "WORK", f"fm:{mail}": "",
        "kind:n1": "EMAIL", "place:n1": "HOME", "fm:n1": "new@mail.example",
        "kind:n0": "PHONE", "place:n0": "WORK", "fm:n0": "  ",
    }  # fmt: skip
    admin.post("/sandbox/ui/communications", type=CONTACT, id=person["id"], **form)
    told = {(one["typeId"], one["valueType"], one["value"]) for one in get(rest, CONTACT, person["id"])["fm"]}
    assert told == {("PHONE", "MOBILE", "+7 701 999"), ("EMAIL", "HOME", "new@mail.example")}


def test_a_new_contact_is_made_with_phone_and_address(rest: Rest, admin: Colleague) -> None:
    form = {"value:lastName": "Созданная", "kind:n0": "PHONE", "place:n0": "MOBILE", "fm:n0": "+77015550000"}
    admin.post("/sandbox/ui/item", type=CONTACT, **form)
    made = get(rest, CONTACT, ids(rest, CONTACT, {"lastName": "Созданная"})[0])
    assert [(one["valueType"], one["value"]) for one in made["fm"]] == [("MOBILE", "+77015550000")]


def test_items_of_a_smart_process_are_merged_at_the_documented_address(rest: Rest, admin: Colleague) -> None:
    fields = {"title": "Визиты", "isRecyclebinEnabled": "Y"}
    process = rest("crm.type.add", {"fields": fields})["type"]["entityTypeId"]
    first, second = (add(rest, process, title=title)["id"] for title in ("Первый", "Второй"))
    page = admin.get(f"/crm/type/{process}/merge/?id[]={first}&id[]={second}")
    assert page.count('name="keep:TITLE"') == 2
    form = {"type": process, "ids": f"{first},{second}", "survivor": second, "keep:TITLE": first}
    admin.post("/sandbox/ui/merge", **form)
    assert get(rest, process, second)["title"] == "Первый"
    assert ids(rest, process, {}) == [second]
