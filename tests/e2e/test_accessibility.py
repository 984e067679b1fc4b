"""The scanner and the door on the Event tab: an automated checker, and a keyboard without a mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from smart_process.admission import Verdict
from smart_process.facts import Kind
from tests.accessible import complaints
from tests.chromium import Console
from tests.door import Door, serving_today
from tests.e2e.phone import enrol, expect_unsent, expect_verdict, type_code
from tests.e2e.portal_desk import Desk
from tests.e2e.test_supervisor import busy_door
from tests.portal_and_app import Served
from tests.tab_world import Tabs, served_tabs

pytestmark = pytest.mark.e2e
SHOW = """async ({ verdict, person }) => {
  const { View } = await import("/static/scanner/view.js");
  const view = (window.shown ??= new View());
  view.show(verdict, { person, message: "Отмечен в 09:05" });
  view.offerColleagues(3);
}"""
GUEST = {
    "last_name": "Семёнова",
    "first_name": "Анна",
    "company": "ТОО «Ромашка»",
    "notes": [{"kind": "vip", "text": ""}, {"kind": "promise", "text": "прайс"}],
}
DIALOGS = {
    "Код": "Код билета",
    "Поиск": "Найти гостя",
    "Без билета": "Гость без билета",
    "Обзор": "Что на входах",
    "Отправлено": "Отправлено",
}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with serving_today(tmp_path) as door:
        yield door


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_the_scanner_is_against_the_guidelines(
    door: Door, page: Page, console: Console, width: int
) -> None:
    console.expect("404|Failed to load resource")
    busy_door(door)
    page.set_viewport_size({"width": width, "height": 740})
    for path in (door.code(role="supervise", gates=[]), "no-such-code"):
        page.goto(f"{door.url}/scan/{path}")
        assert complaints(page) == []
    page.goto(f"{door.url}/scan/")
    assert complaints(page) == []
    enrol(page, door, role="supervise", gates=[])
    assert complaints(page) == []
    for verdict in [*Verdict, "pending", "checking"]:
        page.evaluate(SHOW, {"verdict": verdict, "person": GUEST})
        assert complaints(page) == [], verdict
    page.evaluate("shown.clear()")
    type_code(page, door.guest().ticket)
    expect_verdict(page, "admitted")
    page.get_by_role("button", name="Просит расчёт").click()
    expect_unsent(page, 0)
    assert complaints(page) == []
    for opener, title in DIALOGS.items():
        page.get_by_role("button", name=opener, exact=True).click()
        dialog = page.get_by_role("dialog", name=title)
        expect(dialog).to_be_visible()
        if title == "Найти гостя":
            dialog.get_by_role("searchbox").fill("ан")
            expect(dialog.get_by_role("listitem").first).to_be_visible()
        assert complaints(page) == [], title
        dialog.get_by_role("button", name="Закрыть").click()


def test_a_guest_is_let_in_flagged_and_undone_with_the_keyboard_alone(door: Door, page: Page) -> None:
    guest = door.guest("Семёнова", first_name="Анна")
    enrol(page, door, gates=["entrance", "Двор"])
    focused = page.locator(":focus")

    def tab_to(name: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if focused.count() and name in (
                focused.inner_text() or focused.get_attribute("aria-label") or ""
            ):
                return
        raise AssertionError(f"the Tab key never gets to {name}")

    late: list[Route] = []

    def hold(asked: Route) -> None:
        late.append(asked)

    page.route("**/api/v1/people?*", hold)
    tab_to("Поиск")
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("анна сем")
    line = page.get_by_role("button", name=re.compile("Семёнова Анна"))
    expect(line).to_be_visible()
    tab_to("Семёнова Анна")
    # What the app finds as well arrives now: whoever stands on a line stays there.
    other = {"participation": 0, "ticket": "", "last_name": "Семёнов", "first_name": "Анна", "company": ""}
    for asked in late:
        asked.fulfill(json={"people": [*asked.fetch().json()["people"], other]})
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(2)
    expect(line).to_be_focused()
    page.keyboard.press("Enter")
    expect_verdict(page, "admitted", "Семёнова Анна")
    tab_to("Просит расчёт")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Просит расчёт")).to_have_attribute("aria-pressed", "true")
    expect_unsent(page, 0)
    assert set(door.seat(guest).flags) == {"quote_requested"}
    tab_to("Код")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Код билета")).to_be_focused()
    page.keyboard.press("Escape")
    # Back where one was.
    expect(page.get_by_role("button", name="Код", exact=True)).to_be_focused()
    tab_to("Отменить")
    page.keyboard.press("Enter")
    expect_unsent(page, 0)
    assert door.facts(guest, Kind.FLAG_WITHDRAWN) != []


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with served_tabs(tmp_path_factory.mktemp("tabs"), Served()) as world:
        now = world.place.service.clock()
        times = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=8)).isoformat()}
        world.add_event(stage="live", **times)
        yield world


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_the_door_on_the_event_tab_is_against_the_guidelines(
    tabs: Tabs, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    gates = [{"name": "Главный", "kind": "entrance", "flag": "", "reentry": True}]
    tabs.call("event/gates", {"gates": gates})
    tabs.call("event/rehearsal/start")
    desk = Desk(page, tabs.place.sandbox.url)
    tab = desk.tab(tabs.card(), "Воронка")
    expect(tab.locator("#tab[data-ready]")).to_be_attached()
    tab.get_by_role("button", name="Получить ссылку").click()
    expect(tab.get_by_role("img", name="QR-код ссылки для телефона")).to_be_visible()
    expect(tab.get_by_role("heading", name="Вход сейчас")).to_be_visible()
    expect(tab.get_by_text("Идёт репетиция")).to_be_visible()
    inside = next(one for one in page.frames if "/b24/placement/" in one.url)
    assert complaints(inside) == []
