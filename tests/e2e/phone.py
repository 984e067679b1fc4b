"""What tests do with the scanner in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from smart_process.facts import Kind
from tests.door import Door, Guest


def wait_for_worker(page: Page) -> None:
    """Until the scanner is kept on the phone; before that its files are still on their way."""
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")


def enrol(page: Page, door: Door, **kwargs: object) -> None:
    page.goto(f"{door.url}/scan/{door.code(**kwargs)}")
    page.get_by_label("Как назвать этот телефон?").fill("Вход 2, Айгуль")
    page.get_by_role("button", name="Начать").click()
    expect(page).to_have_url(f"{door.url}/scan/")
    expect(page.locator("#event")).to_have_text("Партнёрская конференция")
    expect(page.locator("#queue")).to_have_attribute("data-list", re.compile(r"\d+"))
    wait_for_worker(page)


def type_code(page: Page, code: str) -> None:
    page.get_by_role("button", name="Код", exact=True).click()
    page.get_by_role("textbox", name="Код билета").fill(code)
    page.get_by_role("button", name="Проверить").click()


def expect_verdict(page: Page, verdict: str, *texts: str) -> None:
    box = page.locator("#verdict")
    expect(box).to_have_attribute("data-verdict", verdict)
    for text in texts:
        expect(box).to_contain_text(text)


def expect_unsent(page: Page, count: int) -> None:
    expect(page.locator("#queue")).to_have_attribute("data-unsent", str(count))


def arrivals(door: Door, guest: Guest) -> int:
    return len(door.facts(guest, Kind.ARRIVED))
