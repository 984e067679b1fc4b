"""A guest registers, opens the ticket and cancels: on a small phone, and with nothing but a keyboard."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from b24.sandbox.server import listen
from smart_process.store import tables as t
from tests.chromium import Console
from tests.guest_world import GuestWorld, guest_site
from tests.smart_process.test_registration import TYPED

pytestmark = pytest.mark.e2e
FIELDS = [name for name in TYPED if name != "consent"]


@pytest.fixture
def site(guests: GuestWorld) -> Iterator[str]:
    server = listen(0, guest_site(guests))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/r/partner-day-0"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def fits(page: Page) -> bool:
    """Nothing sticks out to the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def small_targets(page: Page) -> list[str]:
    """Things to touch that are lower than a finger."""
    found = page.evaluate(
        """() => [...document.querySelectorAll('button, a.main, a.second, summary, .languages a,'
           + ' input:not([type=hidden]):not([tabindex="-1"]):not([type=checkbox]), .consent label')]
           .filter(one => one.getBoundingClientRect().height < 43).map(one => one.outerHTML)"""
    )
    return list(found)


def test_a_guest_on_a_phone_registers_opens_the_ticket_and_cancels(
    phone_page: Page, site: str, guests: GuestWorld
) -> None:
    page = phone_page
    page.goto(site)
    assert fits(page)
    assert small_targets(page) == []
    for name in FIELDS:
        page.fill(f"#{name}", TYPED[name])
    page.check("#consent")
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_contain_text("Вы зарегистрированы")
    assert fits(page)
    page.click("text=Открыть билет")
    code = page.locator("img.code")
    expect(code).to_be_visible()
    # Polling by wait_for_function evaluates text, which the page's policy forbids.
    expect(code).to_have_js_property("complete", True)
    assert code.evaluate("(image) => image.naturalWidth") > 100
    assert fits(page)
    assert small_targets(page) == []
    page.click("summary")
    page.click("text=Отменить участие")
    expect(page.get_by_role("status")).to_have_text("Участие отменено, билет больше не действует.")
    assert guests.rows(t.participation)[0].stage == "declined"


def test_the_form_is_filled_in_and_corrected_by_keyboard(
    page: Page, site: str, guests: GuestWorld, console: Console
) -> None:
    console.expect("422")
    page.goto(site)
    page.locator("#last_name").focus()
    for name in FIELDS:
        assert page.evaluate("document.activeElement.id") == name
        page.keyboard.type("нет" if name == "phone" else TYPED[name])
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    # The first field to correct has the focus, and says what is wrong with it.
    expect(page.locator("#phone")).to_be_focused()
    expect(page.locator("#phone")).to_have_accessible_description(
        "Проверьте номер: нужен телефон с кодом. Пример: +7 701 123-45-67"
    )
    expect(page.locator("#company")).to_have_value(TYPED["company"])
    expect(page.locator("#consent")).to_be_checked()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(TYPED["phone"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Вы зарегистрированы")
    assert len(guests.rows(t.participation)) == 1
