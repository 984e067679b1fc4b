"""Sections of the settings in a real browser: «Обмен с CRM» – what waits for a person, giving it up, finding a call;
«Почта» – the portal sends the mails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from b24.store import marks
from smart_process.settings import CrmMail, Smtp
from tests.e2e.portal_desk import Desk
from tests.portal_and_app import Served
from tests.tab_world import Tabs, served_tabs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with served_tabs(tmp_path_factory.mktemp("health"), Served()) as world:
        yield world


@pytest.fixture
def held(tabs: Tabs) -> None:
    """Two events the portal refused to change."""
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        marks.mark(tx, 1, "event", [1, 2], now=now)
        for one in marks.claim(tx, 1, ["event"], now=now, limit=2):
            marks.hold(tx, one, reason="permanent", error="ACCESS_DENIED: нет", now=now)


def opened(tabs: Tabs, page: Page) -> FrameLocator:
    """The settings page, opened from the app's main page."""
    desk = Desk(page, tabs.place.sandbox.url)
    frame = desk.open(f"/marketplace/app/{tabs.place.app['id']}/").frame_locator("iframe.app-frame")
    frame.get_by_role("button", name="Настройки", exact=True).first.click()
    expect(frame.locator("#settings[data-ready]")).to_be_attached()
    return frame


def health(tabs: Tabs, page: Page) -> FrameLocator:
    """The settings page with the section open."""
    frame = opened(tabs, page)
    frame.locator("#health > summary").click()
    expect(frame.locator("#calls tr").first).to_be_visible()
    return frame


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.usefixtures("held")
def test_work_is_given_up_after_a_question_and_calls_are_found(tabs: Tabs, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.on("dialog", lambda dialog: dialog.accept())
    frame = health(tabs, page)
    expect(frame.get_by_role("heading", name="карточки мероприятий – Портал отказал: 2")).to_be_visible()
    frame.get_by_role("button", name="Отказаться").first.click()
    expect(frame.get_by_text("Отказались. Это записано.")).to_be_visible()
    expect(frame.get_by_role("heading", name="карточки мероприятий – Портал отказал: 1")).to_be_visible()
    expect(frame.get_by_role("heading", name="Оставлено без выполнения")).to_be_visible()
    frame.get_by_label("Метод").fill("crm.item.add")
    frame.get_by_role("button", name="Найти").click()
    expect(frame.locator("#calls tr", has_text="profile")).to_have_count(0)
    frame.get_by_role("searchbox", name="Текст").fill("такого нет нигде")
    frame.get_by_role("searchbox", name="Текст").press("Enter")
    expect(frame.get_by_text("Ничего не нашли. Измените условия поиска.")).to_be_visible()
    inside = next(one for one in page.frames if "/b24/settings" in one.url)
    assert inside.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1280, 360])
def test_mails_are_given_to_the_portal_and_tried(tabs: Tabs, page: Page, width: int) -> None:
    fields = {"NAME": "Асель", "EMAIL": [{"VALUE": f"asel{width}@vector.example", "VALUE_TYPE": "WORK"}]}
    contact_id = tabs.place.rest("crm.contact.add", {"fields": fields})
    tabs.change_settings(crm_mail=CrmMail(), smtp=Smtp())
    page.set_viewport_size({"width": width, "height": 800})
    frame = opened(tabs, page)
    section = frame.locator("details.section", has=frame.locator("summary", has_text="Почта"))
    section.locator("summary").click()
    section.get_by_label("Через ваш почтовый сервер").check()
    expect(section.get_by_role("textbox", name="Порт")).to_be_visible()
    section.get_by_label("Через CRM").check()
    expect(section.get_by_role("textbox", name="Порт")).to_be_hidden()
    section.get_by_label("Адрес отправителя").fill("day@vector.example")
    section.get_by_role("button", name="Сохранить").click()
    section.get_by_label("адрес контакта для письма").fill(f"asel{width}@vector.example")
    section.get_by_role("button", name="Отправить проверочное письмо").click()
    expect(section.locator("#test-said")).to_contain_text(f"карточке контакта № {contact_id}")
    assert frame.locator("html").evaluate("page => page.scrollWidth <= page.clientWidth")
