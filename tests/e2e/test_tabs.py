"""Both tabs in a real browser inside the portal's card: names by the viewer's rights, segment, closing, flags."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from smart_process.facts import Kind, NewFact
from smart_process.store import journal
from smart_process.store import tables as t
from tests.e2e.portal_desk import Desk
from tests.portal_and_app import Served
from tests.tab_world import Tabs, served_tabs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with served_tabs(tmp_path_factory.mktemp("tabs"), Served()) as world:
        yield world


@pytest.fixture
def tabs(opened: Tabs) -> Tabs:
    """The module's portal with a fresh event."""
    opened.add_event()
    return opened


@pytest.fixture
def desk(tabs: Tabs, page: Page) -> Desk:
    return Desk(page, tabs.place.sandbox.url)


def opened_tab(desk: Desk, card: str, title: str) -> FrameLocator:
    """A tab whose script listens already: buttons are there before it."""
    tab = desk.tab(card, title)
    expect(tab.locator("#tab[data-ready]")).to_be_attached()
    return tab


def guests(tabs: Tabs, arrived: int = 1) -> list[int]:
    """Cards of guests from the first companies, some of them there; answers their CRM ids."""
    assert tabs.call("event/segment/select", {"segment": {}}).status_code == 200
    tabs.drain()
    rows = tabs.rows(t.participation, t.participation.c.event_id == tabs.event_id)
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        facts = [NewFact(kind, now, "app", kind.value) for kind in (Kind.REGISTERED, Kind.ARRIVED)]
        journal.record(tx, {row.id: facts[:1] for row in rows[:5]}, now=now)
        journal.record(tx, {row.id: facts[1:] for row in rows[:arrived]}, now=now)
    tabs.drain()
    return [row.item_id for row in rows]


def test_a_number_opens_the_people_behind_it_by_name(tabs: Tabs, desk: Desk) -> None:
    (first, *_rest) = guests(tabs)
    title = tabs.place.rest("crm.item.get", {"entityTypeId": tabs.card_type, "id": first})["item"]["title"]
    tab = opened_tab(desk, tabs.card(), "Воронка")
    tab.get_by_role("row", name="Пришёл").get_by_role("button").first.click()
    link = tab.locator("#people-list a")
    expect(link).to_have_text(title.split(" – ")[0])
    expect(tab.get_by_role("heading", name="Пришёл: дошли")).to_be_focused()
    expect(link).to_have_attribute("href", tabs.card(first))


def test_a_segment_is_counted_selected_and_invited_by_clicks(tabs: Tabs, desk: Desk) -> None:
    desk.page.on("dialog", lambda dialog: dialog.accept())
    tab = opened_tab(desk, tabs.card(), "Воронка")
    tab.get_by_role("button", name="Выбрать компании").click()
    tab.get_by_label("Высокий").check()
    tab.get_by_label("Караганда").check()
    expect(tab.get_by_role("button", name="Отобрать")).to_be_disabled()
    tab.get_by_role("button", name="Посчитать").click()
    expect(tab.get_by_text("Компаний: ")).to_be_visible(timeout=20_000)
    tab.get_by_role("button", name="Отобрать").click()
    expect(tab.get_by_text("Отобраны: ", exact=False).first).to_be_visible(timeout=20_000)
    tab.get_by_role("button", name="Пригласить").click()
    expect(tab.get_by_text("Приглашения в очереди")).to_be_visible(timeout=20_000)
    seats = tabs.rows(t.participation, t.participation.c.event_id == tabs.event_id)
    mails = tabs.rows(t.message, t.message.c.participation_id.in_([row.id for row in seats]))
    assert 0 < len(mails) <= len(seats)


def test_an_armed_closing_is_announced_and_run_by_a_click(tabs: Tabs, desk: Desk) -> None:
    guests(tabs, arrived=2)
    desk.page.on("dialog", lambda dialog: dialog.accept())
    tabs.move_event("closed")
    tab = opened_tab(desk, tabs.card(), "Воронка")
    expect(tab.get_by_role("alert")).to_contain_text("станут «Не пришёл»: 3")
    tab.get_by_role("button", name="Закрыть сейчас").click()
    expect(tab.get_by_role("heading", name="Мероприятие закрывается")).to_be_visible()
    tabs.drain()
    # The invitations say "закрыто или отменено" as well: only the closing tells of no-shows.
    expect(tab.get_by_text("Неявки отмечены")).to_be_visible(timeout=30_000)


def test_a_flag_set_in_the_tab_becomes_a_fact_with_its_author(tabs: Tabs, desk: Desk) -> None:
    (first, *_rest) = guests(tabs)
    tab = opened_tab(desk, tabs.card(first), "Путь гостя")
    flag = tab.get_by_role("button", name="Просит расчёт")
    flag.click()
    expect(flag).to_have_attribute("aria-pressed", "true")
    expect(tab.get_by_text("Сохранено")).to_be_visible()
    tabs.drain()
    expect(tab.get_by_text("Отметка: Просит расчёт")).to_be_visible(timeout=30_000)
    expect(tab.get_by_role("heading", name="Передан в продажи")).to_be_visible(timeout=30_000)
    (fact,) = [
        row
        for row in tabs.rows(t.fact)
        if row.kind == Kind.FLAG_SET.value and row.data["flag"] == "quote_requested"
    ]
    assert fact.actor == "user:1"


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", ["Воронка", "Путь гостя"])
def test_nothing_sticks_out_of_a_tab(tabs: Tabs, desk: Desk, name: str, width: int) -> None:
    (first, *_rest) = guests(tabs)
    desk.page.set_viewport_size({"width": width, "height": 800})
    event = name == "Воронка"
    tab = opened_tab(desk, tabs.card(None if event else first), name)
    expect(tab.get_by_role("heading", name="Путь гостей" if event else "Что было")).to_be_visible()
    inside = next(one for one in desk.page.frames if "/b24/placement/" in one.url)
    assert inside.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
