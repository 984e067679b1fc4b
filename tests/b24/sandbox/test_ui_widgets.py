"""Where applications' widgets stand in the portal's pages and what they are told.

Source: the pages of single placements under api-reference/widgets; each answers with its own keys beside ``URI``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.app_server import AppServer, call, frame_of, register
from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.ui_client import employ
from tests.chromium import Console

pytestmark = pytest.mark.e2e
TASKS = "/company/personal/user/1/tasks/"


@dataclass(frozen=True)
class World:
    """An application with a widget at every place, and ids the pages' addresses are made of."""

    app: dict[str, Any]
    token: str
    ids: dict[str, Any]

    def fill(self, text: str) -> str:
        return text.format(**self.ids)


@pytest.fixture(scope="module")
def world(rest: Rest, app_server: AppServer) -> World:
    app = register(rest, app_server, "Виджеты")
    token = rest.control(f"apps/{app['id']}/open", {})["fields"]["AUTH_ID"]
    deal = {"entityTypeId": 2, "fields": {"title": "Сделка"}}
    smart = rest("crm.type.add", {"fields": {"title": "Мероприятия", "isStagesEnabled": "Y"}})["type"]
    item = {"entityTypeId": smart["entityTypeId"], "fields": {"title": "Форум"}}
    ids = {
        "deal": rest("crm.item.add", deal)["item"]["id"],
        "smart": smart["entityTypeId"],
        "item": rest("crm.item.add", item)["item"]["id"],
        "task": rest("tasks.task.add", {"fields": {"TITLE": "Дело", "RESPONSIBLE_ID": 1}})["task"]["id"],
    }
    todo = {"ownerTypeId": 2, "ownerId": ids["deal"], "deadline": "2030-01-01T10:00:00+00:00"}
    ids["todo"] = rest("crm.activity.todo.add", {**todo, "title": "Позвонить"})["id"]
    for code in dict.fromkeys(place.code for place in PLACES):
        code = code.format(**ids)
        bound = {"PLACEMENT": code, "HANDLER": f"{app_server.url}/{code}", "TITLE": f"Пункт {code}"}
        rest("placement.bind", bound, token=token)
    rest.control(f"apps/{app['id']}/install-finish", {"access_token": token})
    return World(app, token, ids)


@dataclass(frozen=True)
class Place:
    """A page, the menu to open there (its accessible name), the placement and its own keys."""

    code: str
    page: str
    menu: str
    options: dict[str, str]


PLACES = [
    Place("CRM_DEAL_LIST_TOOLBAR", "/crm/deal/list/", "Приложения: Сделки", {}),
    Place("CRM_DEAL_LIST_TOOLBAR", "/crm/deal/kanban/", "Приложения: Сделки", {}),
    Place("CRM_DEAL_LIST_MENU", "/crm/deal/list/", "Приложения: Сделка", {"ID": "{deal}"}),
    Place("CRM_DEAL_DETAIL_TOOLBAR", "/crm/deal/details/{deal}/", "Приложения", {"ID": "{deal}"}),
    Place("CRM_DEAL_DETAIL_ACTIVITY", "/crm/deal/details/{deal}/", "Ещё: приложения", {"ID": "{deal}"}),
    Place(
        "CRM_DEAL_DOCUMENTGENERATOR_BUTTON",
        "/crm/deal/details/{deal}/",
        "Документ",
        {"ENTITY_ID": "{deal}"},
    ),
    Place(
        "CRM_DEAL_ACTIVITY_TIMELINE_MENU",
        "/crm/deal/details/{deal}/",
        "Расширения: Позвонить",
        {"ENTITY_ID": "{deal}", "ASSOCIATED_ENTITY_ID": "{todo}", "ASSOCIATED_ENTITY_TYPE_ID": "6"},
    ),
    Place("CRM_DYNAMIC_{smart}_LIST_MENU", "/crm/type/{smart}/list/", "Приложения: Форум", {"ID": "{item}"}),
    Place(
        "CRM_DYNAMIC_{smart}_DETAIL_TOOLBAR",
        "/crm/type/{smart}/details/{item}/",
        "Приложения",
        {"ENTITY_ID": "{item}"},
    ),
    Place("CRM_DEAL_ROBOT_DESIGNER_TOOLBAR", "/crm/deal/automation/0/", "Приложения", {}),
    Place("CRM_FUNNELS_TOOLBAR", "/crm/deal/settings/category/0/", "Приложения", {}),
    Place("TASK_LIST_CONTEXT_MENU", TASKS, "Приложения: Дело", {"ID": "{task}"}),
    Place("TASK_USER_LIST_TOOLBAR", TASKS, "Приложения: задачи", {"USER_ID": "1"}),
    Place("TASK_VIEW_TAB", TASKS + "task/view/{task}/", "", {"taskId": "{task}"}),
    Place("TASK_VIEW_SIDEBAR", TASKS + "task/view/{task}/", "", {"taskId": "{task}"}),
    Place("USER_PROFILE_TOOLBAR", "/company/personal/user/1/", "Приложения: Анна Админова", {"USER_ID": "1"}),
    Place("USER_PROFILE_MENU", "/crm/deal/list/", "Расширения", {"USER_ID": "1"}),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.code} {place.page}")
def test_a_widget_opens_from_its_place_and_is_told_where_it_stands(
    page: Page, sandbox: Sandbox, app_server: AppServer, world: World, place: Place
) -> None:
    code, path = world.fill(place.code), world.fill(place.page)
    page.goto(sandbox.url + path)
    if place.menu:
        page.locator(f"summary[aria-label='{place.menu}'], summary:text-is('{place.menu}')").press("Enter")
    page.get_by_role("link", name=f"Пункт {code}", exact=True).press("Enter")
    inside = page.frame_locator(".slide iframe")
    expect(inside.frame_locator("iframe.app-frame").locator("#where")).to_have_text(f"/{code}")
    expect(inside.locator("#pagetitle")).to_have_text(f"Пункт {code}")
    opened = app_server.last(f"/{code}").body
    options = {key: world.fill(value) for key, value in place.options.items()}
    assert opened["PLACEMENT"] == code
    assert json.loads(opened["PLACEMENT_OPTIONS"]) == {**options, "URI": path}


def test_reload_data_in_a_list_menu_draws_the_list_below_anew_and_closing_comes_back_to_the_menu(
    page: Page, sandbox: Sandbox, world: World, rest: Rest
) -> None:
    page.goto(f"{sandbox.url}/crm/deal/list/")
    page.get_by_label("Приложения: Сделка", exact=True).click()
    page.get_by_role("link", name="Пункт CRM_DEAL_LIST_MENU").click()
    slide = page.locator(".slide iframe").element_handle().content_frame()
    assert slide is not None
    frame_text = page.frame_locator(".slide iframe").frame_locator("iframe.app-frame").locator("#where")
    expect(frame_text).to_have_text("/CRM_DEAL_LIST_MENU")
    frame = slide.child_frames[0]
    call(frame, "BX24.init(done);")
    assert call(frame, "BX24.placement.getInterface(done);") == {"command": ["reloadData"], "event": []}
    made = rest("crm.item.add", {"entityTypeId": 2, "fields": {"title": "Появилась позже"}})["item"]["id"]
    assert call(frame, "BX24.placement.call('reloadData', {}, done);") is None
    expect(page.get_by_role("link", name="Появилась позже")).to_have_count(1)
    rest("crm.item.delete", {"entityTypeId": 2, "id": made})
    frame.evaluate("() => BX24.closeApplication()")
    expect(page.locator(".shade")).to_have_count(0)


def test_a_menu_of_widgets_is_closed_by_escape_and_by_a_click_elsewhere(
    page: Page, sandbox: Sandbox, world: World
) -> None:
    page.goto(f"{sandbox.url}/crm/deal/list/")
    menu = page.get_by_label("Приложения: Сделки", exact=True)
    item = page.get_by_role("link", name="Пункт CRM_DEAL_LIST_TOOLBAR")
    menu.press("Enter")
    item.focus()
    page.keyboard.press("Escape")
    expect(item).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    expect(item).to_be_visible()
    page.locator("#pagetitle").click()
    expect(item).to_be_hidden()


def test_a_link_to_the_application_carries_its_parameters_to_the_uri_handler(
    page: Page, sandbox: Sandbox, app_server: AppServer, world: World, rest: Rest, console: Console
) -> None:
    """api-reference/widgets/universal/app-url.md: a local application's code is its client_id."""
    address = f"/marketplace/view/{world.app['client_id']}/?params[test]=y&params[docId]=42&other=1"
    page.goto(sandbox.url + address)
    frame_of(page, "/app")  # without a handler of its own the link opens the application
    bound = {"PLACEMENT": "REST_APP_URI", "HANDLER": f"{app_server.url}/uri", "TITLE": "По ссылке"}
    rest("placement.bind", bound, token=world.token)
    comment = {
        "ENTITY_TYPE": "deal",
        "ENTITY_ID": world.ids["deal"],
        "COMMENT": f"[url={address}]Документ[/url]",
    }
    rest("crm.timeline.comment.add", {"fields": comment})
    card = f"/crm/deal/details/{world.ids['deal']}/"
    page.goto(sandbox.url + card)
    page.get_by_role("link", name="Документ").click()
    inner = page.frame_locator(".slide iframe").frame_locator("iframe.app-frame")
    expect(inner.locator("#where")).to_have_text("/uri")
    opened = app_server.last("/uri").body
    assert opened["PLACEMENT"] == "REST_APP_URI"
    assert json.loads(opened["PLACEMENT_OPTIONS"]) == {"test": "y", "docId": "42", "URI": card}
    console.expect("404")
    page.goto(f"{sandbox.url}/marketplace/view/local.nobody/")
    expect(page.locator("#pagetitle")).to_have_text("Здесь ничего нет")


def test_a_background_worker_runs_unseen_on_every_page_of_its_user(
    page: Page, sandbox: Sandbox, app_server: AppServer, world: World, rest: Rest
) -> None:
    """api-reference/widgets/universal/background-worker.md."""
    bound = {"PLACEMENT": "PAGE_BACKGROUND_WORKER", "HANDLER": f"{app_server.url}/worker", "USER_ID": 1}
    rest("placement.bind", {**bound, "OPTIONS": {"errorHandlerUrl": app_server.url}}, token=world.token)
    page.goto(f"{sandbox.url}/crm/lead/list/")
    worker = page.locator("iframe.app-frame")
    expect(worker.content_frame.locator("#where")).to_have_text("/worker")
    expect(worker).to_be_hidden()
    opened = app_server.last("/worker").body
    assert json.loads(opened["PLACEMENT_OPTIONS"]) == {
        "ID": "PAGE_BACKGROUND_WORKER",
        "URI": "/crm/lead/list/",
    }
    assert "data-frame-now" not in employ(rest, "worker").get("/crm/lead/list/")
    rest("placement.unbind", {"PLACEMENT": "PAGE_BACKGROUND_WORKER"}, token=world.token)
