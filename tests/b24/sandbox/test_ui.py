"""The portal's pages: kanban, lists, cards, signing in; only the portal's own pages change anything."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest, eventually
from tests.chromium import Console

DEAL, CONTACT, COMPANY = 2, 3, 4


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return requests.get(sandbox.url + path, timeout=10, **options)


def add(rest: Rest, entity_type_id: int, **fields: Any) -> int:
    made = rest("crm.item.add", {"entityTypeId": entity_type_id, "fields": fields})["item"]
    return int(made["id"])


def item(rest: Rest, entity_type_id: int, item_id: int) -> dict[str, Any]:
    found: dict[str, Any] = rest("crm.item.get", {"entityTypeId": entity_type_id, "id": item_id})["item"]
    return found


@pytest.fixture(scope="module")
def process(rest: Rest) -> int:
    """entityTypeId of a smart process with stages and clients."""
    settings = {"title": "Визиты", "isStagesEnabled": "Y", "isCategoriesEnabled": "Y", "isClientEnabled": "Y"}
    return int(rest("crm.type.add", {"fields": settings})["type"]["entityTypeId"])


@pytest.fixture(scope="module")
def stage_ids(rest: Rest, process: int) -> list[str]:
    """Stages of the process's only funnel in their order."""
    funnel = rest("crm.category.list", {"entityTypeId": process})["categories"][0]["id"]
    wanted = {"filter": {"ENTITY_ID": f"DYNAMIC_{process}_STAGE_{funnel}"}, "order": {"SORT": "ASC"}}
    return [str(row["STATUS_ID"]) for row in rest("crm.status.list", wanted)]


# ---- pages without a browser ----


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/crm/deal/kanban/",
        "/crm/deal/list/",
        "/crm/lead/kanban/",
        "/crm/lead/list/",
        "/crm/contact/list/",
        "/crm/company/list/",
        "/crm/deal/details/0/",
        "/crm/contact/details/0/",
        "/company/",
        "/company/personal/user/1/",
        "/company/personal/user/1/tasks/",
        "/sandbox/mail",
        "/sandbox/notifications",
        "/sandbox/log",
        "/marketplace/installed/",
        "/crm/webform/",
        "/crm/recyclebin/",
        "/crm/deal/settings/category/0/",
        "/crm/deal/automation/0/",
        "/crm/lead/settings/category/0/",
        "/crm/lead/automation/0/",
    ],
)
def test_every_page_of_an_empty_portal_opens(sandbox: Sandbox, path: str) -> None:
    answer = get(sandbox, path)
    assert answer.status_code == 200
    assert "учебный портал" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/crm/deal/details/999999/",
        "/crm/type/999/kanban/",
        "/crm/type/999/details/1/",
        "/crm/contact/kanban/",
        "/crm/deal/kanban/category/999/",
        "/company/personal/user/999/",
        "/sandbox/mail/999",
        "/marketplace/app/999/",
        "/company/personal/user/1/tasks/task/view/999/",
        "/no/such/page/",
        "/sandbox/ui/column?type=2&stage=NOPE",
        "/pub/form/999/",
        "/sandbox/static/none.js",
        "/crm/webform/edit/999/",
        "/crm/lead/convert/999/",
        "/crm/deal/automation/999/",
        "/crm/deal/settings/category/999/",
        "/sandbox/ui/fill?type=2&id=999&stage=NEW",
        "/bitrix/services/main/ajax.php?action=crm.controller.item.getFile&entityTypeId=2&id=999&fileId=1",
        "/bitrix/services/main/ajax.php?action=other",
    ],
)
def test_what_is_not_there_is_404_and_says_so(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/crm/deal/list/?start=x&assigned=x&q=%00",
        "/crm/deal/list/?start=-5",
        "/crm/deal/list/?start=99999999",
        "/crm/deal/kanban/?q=%27%3B--&assigned=99999999999999999999",
        "/sandbox/mail?start=-1",
        "/crm/deal/details/0/?category_id=abc",
        f"/crm/deal/details/{10**24}/",
        f"/crm/type/{10**24}/kanban/",
        f"/sandbox/mail/{10**24}",
        f"/marketplace/app/{10**24}/",
        f"/marketplace/app/1/?placement={10**24}",
        f"/pub/form/{10**24}/",
        f"/company/personal/user/{10**24}/tasks/",
        f"/sandbox/ui/column?type=2&category=0&stage=NEW&below={10**24}",
        f"/sandbox/ui/suggest?type={10**24}",
        "/crm/contact/list/?stage=x",
    ],
)
def test_nonsense_in_an_address_breaks_nothing(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path).status_code < 500


def test_names_typed_by_people_are_shown_as_text(sandbox: Sandbox, rest: Rest) -> None:
    deal = add(rest, DEAL, title="<script>alert(1)</script>")
    for path in (f"/crm/deal/details/{deal}/", "/crm/deal/kanban/", "/crm/deal/list/"):
        assert "<script>alert(1)" not in get(sandbox, path).text


def test_the_search_and_the_responsible_narrow_a_list(sandbox: Sandbox, rest: Rest) -> None:
    other = rest.control("users", {"name": "Вера", "last_name": "Другая", "email": "vera@portal.example"})[
        "id"
    ]
    add(rest, COMPANY, title="Ромашка Север")
    add(rest, COMPANY, title="Ромашка Юг", assignedById=other)
    found = get(sandbox, "/crm/company/list/?q=Ромашка").text
    assert "Ромашка Север" in found
    assert "Ромашка Юг" in found
    narrowed = get(sandbox, f"/crm/company/list/?q=Ромашка&assigned={other}").text
    assert "Ромашка Юг" in narrowed
    assert "Ромашка Север" not in narrowed


def test_a_card_follows_the_layout_an_application_set(sandbox: Sandbox, rest: Rest) -> None:
    process = int(rest("crm.type.add", {"fields": {"title": "С раскладкой"}})["type"]["entityTypeId"])
    visit = add(rest, process, title="По раскладке")
    layout = [{"name": "one", "title": "Только главное", "type": "section", "elements": [{"name": "TITLE"}]}]
    wanted = {"entityTypeId": process, "scope": "C", "data": layout}
    funnel = item(rest, process, visit)["categoryId"]
    rest("crm.item.details.configuration.set", {**wanted, "extras": {"categoryId": funnel}})
    page = get(sandbox, f"/crm/type/{process}/details/{visit}/").text
    assert "Только главное" in page
    assert "<h2>Основное</h2>" not in page


def test_a_card_shows_what_points_to_it(sandbox: Sandbox, rest: Rest) -> None:
    company = add(rest, COMPANY, title="Головная")
    add(rest, DEAL, title="Сделка головной", companyId=company)
    assert "Сделка головной" in get(sandbox, f"/crm/company/details/{company}/").text


def test_the_timeline_shows_comments_moves_and_plans(sandbox: Sandbox, rest: Rest) -> None:
    deal = add(rest, DEAL, title="С историей")
    comment = {"ENTITY_ID": deal, "ENTITY_TYPE": "deal", "COMMENT": "Просил [b]каталог[/b] <i>"}
    rest("crm.timeline.comment.add", {"fields": comment})
    todo = {
        "ownerTypeId": DEAL,
        "ownerId": deal,
        "deadline": "2030-01-02T10:00:00+03:00",
        "title": "Позвонить",
    }
    rest("crm.activity.todo.add", todo)
    rest("crm.item.update", {"entityTypeId": DEAL, "id": deal, "fields": {"stageId": "EXECUTING"}})
    page = get(sandbox, f"/crm/deal/details/{deal}/").text
    assert "Просил <b>каталог</b> &lt;i&gt;" in page
    assert "до 02.01.2030 10:00" in page
    assert page.count('<li class="move">') == 2


def test_signing_in_seats_a_colleague_and_a_dismissed_one_is_refused(sandbox: Sandbox, rest: Rest) -> None:
    user = rest.control("users", {"name": "Майя", "last_name": "Седова", "email": "maya@portal.example"})[
        "id"
    ]
    with requests.Session() as browser:
        seated = browser.post(
            f"{sandbox.url}/sandbox/sign-in", data={"user_id": user, "back": "/company/"}, timeout=10
        )
        assert seated.url == f"{sandbox.url}/company/"
        assert "Майя Седова</a>" in seated.text
        rest.control(f"users/{user}/dismiss")
        assert "Анна Админова</a>" in browser.get(sandbox.url, timeout=10).text
    refused = requests.post(f"{sandbox.url}/sandbox/sign-in", data={"user_id": user}, timeout=10)
    assert refused.status_code == 400


@pytest.mark.parametrize(
    "back", ["https://example.com/", "//example.com/", "/\\example.com", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(sandbox: Sandbox, back: str) -> None:
    form = {"user_id": "1", "back": back}
    answer = requests.post(f"{sandbox.url}/sandbox/sign-in", data=form, timeout=10, allow_redirects=False)
    assert answer.headers["Location"] == "/"


FOREIGN = [
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/ui/move", {"entityTypeId": 2, "id": "DEAL", "stageId": "WON"}),
        ("/sandbox/ui/delete", {"type": 2, "id": "DEAL"}),
        ("/sandbox/ui/field", {"type": 2, "id": "DEAL", "name": "title", "value:title": "Взломано"}),
        ("/sandbox/ui/comment", {"type": 2, "id": "DEAL", "text": "Взломано"}),
        ("/sandbox/sign-in", {"user_id": 1}),
        ("/sandbox/ui/uninstall", {"app_id": 1}),
        ("/sandbox/ui/communications", {"type": 2, "id": "DEAL", "fm:n0": "1"}),
        ("/sandbox/ui/fill", {"type": 2, "id": "DEAL", "stage": "WON"}),
        ("/sandbox/ui/merge", {"type": 2, "ids": "DEAL,1", "survivor": 1}),
        ("/sandbox/ui/staff/dismiss", {"user_id": 1}),
        ("/sandbox/ui/stage", {"type": 2, "category": 0, "name": "Чужая"}),
        ("/sandbox/ui/robot", {"type": 2, "category": 0, "stage": "NEW", "action": "comment", "text": "x"}),
    ],
)
def test_foreign_pages_change_nothing(
    sandbox: Sandbox, rest: Rest, headers: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    deal = add(rest, DEAL, title="Цель")
    before = item(rest, DEAL, deal)
    body = {name: deal if value == "DEAL" else value for name, value in body.items()}
    kind = {"json": body} if path.endswith("move") else {"data": body}
    answer = requests.post(sandbox.url + path, headers=headers, timeout=10, **kind)  # type: ignore[arg-type]
    assert answer.status_code == 403
    assert item(rest, DEAL, deal) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/ui/field", {}),
        ("/sandbox/ui/field", {"type": "2", "id": "x"}),
        ("/sandbox/ui/field", {"type": "2", "id": "DEAL", "name": "id", "value:id": "5"}),
        ("/sandbox/ui/field", {"type": "2", "id": "DEAL", "name": "noSuchField", "value:noSuchField": "5"}),
        ("/sandbox/ui/comment", {"type": "2", "id": "DEAL", "text": "  "}),
        ("/sandbox/ui/todo", {"type": "2", "id": "DEAL", "text": "Позвонить"}),
        ("/sandbox/ui/todo/done", {"type": "2", "id": "DEAL", "activity_id": "999"}),
        ("/sandbox/ui/delete", {"type": "2", "id": "999999"}),
        ("/sandbox/ui/task/complete", {"task_id": "999"}),
        ("/sandbox/ui/uninstall", {"app_id": "999"}),
        ("/sandbox/ui/item", {"type": "999"}),
        ("/sandbox/ui/item", {"type": "2", "value:closedate": "вчера"}),
        ("/sandbox/ui/uninstall", {"app_id": str(10**24)}),
        ("/sandbox/ui/webform", {"type": "2", "name": ""}),
        ("/sandbox/ui/webform", {"type": "2", "name": "x", "parent_type": "999", "parent": "1"}),
        (f"/pub/form/{10**24}/", {"NAME": "x"}),
    ],
)
def test_wrong_forms_are_refused_and_change_nothing(
    sandbox: Sandbox, rest: Rest, path: str, body: dict[str, str]
) -> None:
    deal = add(rest, DEAL, title="Цель")
    before = item(rest, DEAL, deal)
    sent = {name: str(deal) if value == "DEAL" else value for name, value in body.items()}
    answer = requests.post(sandbox.url + path, data=sent, timeout=10)
    assert 400 <= answer.status_code < 500
    assert item(rest, DEAL, deal) == before


@pytest.mark.parametrize(
    "body", [[], {}, {"entityTypeId": 2}, {"entityTypeId": "x", "id": 1}, {"entityTypeId": 2, "id": "1;"}]
)
def test_a_move_that_makes_no_sense_is_refused_as_json(sandbox: Sandbox, body: Any) -> None:
    answer = requests.post(f"{sandbox.url}/sandbox/ui/move", json=body, timeout=10)
    assert answer.status_code in (400, 404)
    assert answer.json()["message"]


def test_an_unknown_stage_is_refused_with_the_portals_own_words(sandbox: Sandbox, rest: Rest) -> None:
    deal = add(rest, DEAL, title="Стойкая")
    body = {"entityTypeId": DEAL, "id": deal, "stageId": "C99:NOPE"}
    answer = requests.post(f"{sandbox.url}/sandbox/ui/move", json=body, timeout=10)
    assert answer.status_code == 400
    assert item(rest, DEAL, deal)["stageId"] == "NEW"


def test_portal_pages_may_be_framed_by_the_portal_only(sandbox: Sandbox) -> None:
    policy = get(sandbox, "/").headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert "default-src 'self'" in policy


def test_a_visitor_at_localhost_is_led_to_the_portals_own_address(sandbox: Sandbox) -> None:
    other = sandbox.url.replace("127.0.0.1", "localhost")
    answer = requests.get(f"{other}/crm/deal/list/?q=a", timeout=10, allow_redirects=False)
    assert answer.headers["Location"] == f"{sandbox.url}/crm/deal/list/?q=a"


def test_the_log_page_lists_rest_calls_with_their_answers(sandbox: Sandbox, rest: Rest) -> None:
    rest("crm.item.list", {"entityTypeId": DEAL, "filter": {"title": "Метка журнала"}})
    page = get(sandbox, "/sandbox/log?method=crm.item.list").text
    assert "Метка журнала" in page
    assert rest.token not in page


def test_notifications_are_counted_and_read(sandbox: Sandbox, rest: Rest) -> None:
    user = rest.control("users", {"name": "Ида", "last_name": "Звонкова", "email": "ida@portal.example"})[
        "id"
    ]
    text = "Сделка [url=/crm/deal/details/1/]ждёт[/url]"
    rest("im.notify.system.add", {"USER_ID": user, "MESSAGE": text})
    cookies = {"b24sandbox_user": str(user)}
    assert 'aria-label="Уведомления: 1"' in get(sandbox, "/", cookies=cookies).text
    assert (
        '<a href="/crm/deal/details/1/" data-slide>ждёт</a>'
        in get(sandbox, "/sandbox/notifications", cookies=cookies).text
    )
    assert 'aria-label="Уведомления: 0"' in get(sandbox, "/", cookies=cookies).text


# ---- in a browser ----


def card_in(page: Page, stage_id: str, title: str) -> Any:
    return page.locator(f'.column[data-stage="{stage_id}"] .card', has_text=title)


@pytest.mark.e2e
def test_a_card_dragged_to_another_column_changes_its_stage(
    page: Page, sandbox: Sandbox, rest: Rest, process: int, stage_ids: list[str]
) -> None:
    visit = add(rest, process, title="Перетащи меня")
    page.goto(f"{sandbox.url}/crm/type/{process}/kanban/")
    target = page.locator(f'.column[data-stage="{stage_ids[1]}"] .cards')
    card_in(page, stage_ids[0], "Перетащи меня").drag_to(target, target_position={"x": 60, "y": 40})
    expect(card_in(page, stage_ids[1], "Перетащи меня")).to_be_visible()
    eventually(lambda: item(rest, process, visit)["stageId"] == stage_ids[1])
    assert item(rest, process, visit)["movedBy"] == 1


@pytest.mark.e2e
def test_a_card_moves_by_keyboard(
    page: Page, sandbox: Sandbox, rest: Rest, process: int, stage_ids: list[str]
) -> None:
    visit = add(rest, process, title="Клавишами")
    page.goto(f"{sandbox.url}/crm/type/{process}/kanban/")
    page.get_by_role("link", name="Клавишами").focus()
    page.keyboard.press("Alt+ArrowRight")
    expect(card_in(page, stage_ids[1], "Клавишами")).to_be_visible()
    eventually(lambda: item(rest, process, visit)["stageId"] == stage_ids[1])
    expect(page.get_by_role("link", name="Клавишами")).to_be_focused()


@pytest.mark.e2e
def test_a_refused_move_puts_the_card_back_and_says_why(
    page: Page, sandbox: Sandbox, rest: Rest, process: int, stage_ids: list[str], console: Console
) -> None:
    console.expect("40[04]")
    visit = add(rest, process, title="Исчезнет")
    page.goto(f"{sandbox.url}/crm/type/{process}/kanban/")
    page.get_by_role("link", name="Исчезнет").focus()
    rest("crm.item.delete", {"entityTypeId": process, "id": visit})
    page.keyboard.press("Alt+ArrowRight")
    expect(page.locator("#notice")).to_be_visible()
    expect(card_in(page, stage_ids[0], "Исчезнет")).to_be_visible()
    expect(page.get_by_role("link", name="Исчезнет")).to_be_focused()


@pytest.mark.e2e
def test_long_columns_show_twenty_cards_and_more_on_demand(page: Page, sandbox: Sandbox, rest: Rest) -> None:
    made = rest("crm.type.add", {"fields": {"title": "Длинный", "isStagesEnabled": "Y"}})["type"]
    number = made["entityTypeId"]
    rest.batch({f"c{n}": f"crm.item.add?entityTypeId={number}&fields[title]=Гость {n}" for n in range(50)})
    page.goto(f"{sandbox.url}/crm/type/{number}/kanban/")
    first = page.locator(".column").first
    expect(first.locator("[data-count]")).to_have_text("50")
    expect(first.locator(".card")).to_have_count(20)
    first.get_by_role("button", name="ещё 30").click()
    expect(first.locator(".card")).to_have_count(40)
    first.get_by_role("button", name="ещё 10").click()
    expect(first.locator(".card")).to_have_count(50)
    titles = first.locator(".card-title").all_inner_texts()
    assert len(set(titles)) == 50


@pytest.mark.e2e
def test_an_open_kanban_follows_what_applications_do(
    page: Page, sandbox: Sandbox, rest: Rest, process: int, stage_ids: list[str]
) -> None:
    visit = add(rest, process, title="Сдвинет приложение")
    page.clock.install()
    page.goto(f"{sandbox.url}/crm/type/{process}/kanban/")
    expect(card_in(page, stage_ids[0], "Сдвинет приложение")).to_be_visible()
    rest("crm.item.update", {"entityTypeId": process, "id": visit, "fields": {"stageId": stage_ids[2]}})
    page.clock.run_for(5_000)
    expect(card_in(page, stage_ids[2], "Сдвинет приложение")).to_be_visible()


@pytest.mark.e2e
def test_a_field_is_edited_in_place_and_the_kanban_behind_learns_of_it(
    page: Page, sandbox: Sandbox, rest: Rest
) -> None:
    deal = add(rest, DEAL, title="До правки", opportunity=100, currencyId="RUB")
    page.goto(f"{sandbox.url}/crm/deal/kanban/")
    page.get_by_role("link", name="До правки").click()
    card = page.frame_locator(".slide iframe")
    field = card.locator('[data-field="opportunity"]')
    field.hover()
    field.get_by_role("button", name="Изменить").click()
    field.locator("input[type=number]").fill("1250000")
    field.get_by_role("button", name="Сохранить").click()
    expect(field.locator(".view")).to_contain_text("1 250 000 ₽")
    assert item(rest, DEAL, deal)["opportunity"] == 1250000
    page.get_by_role("button", name="Закрыть").click()
    expect(card_in(page, "NEW", "До правки").locator(".amount")).to_have_text("1 250 000 ₽")


@pytest.mark.e2e
def test_custom_fields_of_every_kind_are_edited_on_the_card(
    page: Page, sandbox: Sandbox, rest: Rest, process: int
) -> None:
    settings = rest("crm.type.list", {"filter": {"=entityTypeId": process}})["types"][0]
    prefix = f"UF_CRM_{settings['id']}_"
    entity = f"CRM_{settings['id']}"
    kinds: dict[str, dict[str, Any]] = {
        "FLAG": {"userTypeId": "boolean"},
        "LINES": {
            "userTypeId": "enumeration",
            "multiple": "Y",
            "enum": [{"value": "Насосы"}, {"value": "Краны"}],
        },
        "ARRIVED": {"userTypeId": "datetime"},
        "NOTE": {"userTypeId": "string"},
    }
    for name, about in kinds.items():
        field = {
            "entityId": entity,
            "fieldName": prefix + name,
            "editFormLabel": {"ru": name, "en": name},
            **about,
        }
        rest("userfieldconfig.add", {"moduleId": "crm", "field": field})
    visit = add(rest, process, title="Поля")
    page.goto(f"{sandbox.url}/crm/type/{process}/details/{visit}/")

    def save(name: str, fill: Any) -> None:
        field = page.locator(".field", has=page.locator("dt", has_text=name)).first
        field.hover()
        field.locator("[data-edit]").click()
        fill(field)
        field.get_by_role("button", name="Сохранить").click()
        expect(field.locator(".editor")).to_be_hidden()

    reveal = page.locator("summary", has_text="Ещё поля")
    if reveal.count():
        reveal.click()
    camel = f"ufCrm{settings['id']}"
    save("FLAG", lambda one: one.locator("input[type=checkbox]").check())
    save("LINES", lambda one: one.locator("select").select_option(label=["Насосы", "Краны"]))
    save("ARRIVED", lambda one: one.locator("input[type=datetime-local]").fill("2026-11-21T10:05"))
    save("NOTE", lambda one: one.locator("input[type=text]").fill("Просил каталог"))
    values = item(rest, process, visit)
    assert values[f"{camel}Flag"] in ("Y", True)
    assert len(values[f"{camel}Lines"]) == 2
    assert values[f"{camel}Arrived"] == "2026-11-21T10:05:00+03:00"
    assert values[f"{camel}Note"] == "Просил каталог"
    save("FLAG", lambda one: one.locator("input[type=checkbox]").uncheck())
    assert item(rest, process, visit)[f"{camel}Flag"] in ("N", False)


@pytest.mark.e2e
def test_a_new_item_is_made_and_removed_by_hand(
    page: Page, sandbox: Sandbox, rest: Rest, process: int
) -> None:
    page.goto(f"{sandbox.url}/crm/type/{process}/kanban/")
    page.get_by_role("link", name="Добавить").click()
    card = page.frame_locator(".slide iframe")
    card.get_by_label("Название").fill("Рукотворный")
    card.get_by_role("button", name="Создать").click()
    expect(card.locator("#pagetitle")).to_have_text("Рукотворный")
    assert (
        rest.answer("crm.item.list", {"entityTypeId": process, "filter": {"title": "Рукотворный"}})["total"]
        == 1
    )
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Удалить").click()
    expect(page.locator(".shade")).to_have_count(0)
    assert (
        rest.answer("crm.item.list", {"entityTypeId": process, "filter": {"title": "Рукотворный"}})["total"]
        == 0
    )


@pytest.mark.e2e
def test_a_task_is_opened_finished_and_leads_to_its_deal(page: Page, sandbox: Sandbox, rest: Rest) -> None:
    deal = add(rest, DEAL, title="Сделка задачи")
    fields = {
        "TITLE": "Отправить каталог",
        "RESPONSIBLE_ID": 1,
        "PRIORITY": 2,
        "DEADLINE": "2030-05-06T12:00:00+03:00",
        "UF_CRM_TASK": [f"D_{deal}"],
    }
    task = rest("tasks.task.add", {"fields": fields})["task"]["id"]
    page.goto(f"{sandbox.url}/company/personal/user/1/tasks/")
    row = page.locator("tr", has_text="Отправить каталог")
    expect(row).to_contain_text("06.05.2030 12:00")
    expect(row).to_contain_text("высокий")
    expect(row.get_by_role("link", name="Сделка задачи")).to_be_visible()
    row.get_by_role("link", name="Отправить каталог").click()
    page.frame_locator(".slide iframe").get_by_role("button", name="Завершить").click()
    expect(page.frame_locator(".slide iframe").get_by_role("button", name="Возобновить")).to_be_visible()
    assert rest("tasks.task.get", {"taskId": task})["task"]["status"] == "5"


@pytest.mark.e2e
def test_a_letter_is_shown_with_its_picture_and_may_run_nothing(
    page: Page, start: Any, console: Console
) -> None:
    import smtplib
    from email.message import EmailMessage

    running = start(smtp_port=0)
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "org@event.example", "guest@mail.example", "Ваш билет"
    letter.set_content("Текстом: ваш билет")
    html = '<h1>Ваш билет</h1><img src="cid:qr@event" alt="QR"><script>parent.broken = 1</script>'
    letter.add_alternative(html, subtype="html")
    pixel = bytes.fromhex(
        "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
    )
    letter.get_payload()[1].add_related(pixel, "image", "gif", cid="<qr@event>")  # type: ignore[index,union-attr]
    letter.add_attachment(b"BEGIN:VCALENDAR", "text", "calendar", filename="event.ics")
    with smtplib.SMTP("127.0.0.1", running.mail.port, timeout=10) as server:
        server.send_message(letter)
    console.expect("sandboxed")
    page.goto(f"{running.url}/sandbox/mail?q=guest")
    page.get_by_role("link", name="Ваш билет").click()
    shown = page.frame_locator(".slide iframe")
    body = shown.frame_locator("iframe.letter")
    expect(body.get_by_role("heading", name="Ваш билет")).to_be_visible()
    assert body.get_by_alt_text("QR").evaluate("(one) => one.naturalWidth") == 1
    expect(shown.get_by_role("link", name="event.ics")).to_be_visible()
