"""Take the pictures of the README: ``make pictures``. A demo is started, a small day played, Chromium looks.

What only shows while people still come (registration, ticket, scanner) is taken first, the rest after the day.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Playwright, expect, sync_playwright

from tests.chromium import CAMERA, DESKTOP, FLAGS, PHONE, find_chromium
from tests.demo_process import DemoProcess, run
from tests.e2e.portal_desk import SLOW_MS, Desk, rest
from tests.fake_camera import write_camera_video

HERE = Path(__file__).parent
LARGEST = 200_000
"""Bytes of a picture: the checkout stays light."""
GUESTS = "40"
GUEST = {
    "Фамилия": "Ахметова",
    "Имя": "Динара",
    "Компания": "ТОО «Сары-Арка»",
    "Должность": "главный инженер",
    "E-mail": "dinara@sary-arka.example",
    "Телефон": "+7 701 555 01 23",
}
DESK: dict[str, Any] = DESKTOP | {"viewport": {"width": 1280, "height": 840}}


def main() -> int:
    """Take every picture; 1 when one came out too heavy."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        state = Path(folder) / "demo"
        with DemoProcess(state) as demo:
            ticket = _guests(playwright, demo.links)
            _door(playwright, demo.links, ticket, Path(folder))
        played = run(state, "--play", "--json", "--guests", GUESTS)
        if played.returncode:
            sys.stderr.write(played.stderr)
            return 1
        with DemoProcess(state) as demo:
            _portal(playwright, demo.links)
    heavy = [path.name for path in sorted(HERE.glob("*.png")) if path.stat().st_size > LARGEST]
    if heavy:
        sys.stderr.write(f"larger than {LARGEST} bytes: {', '.join(heavy)}\n")
    return 1 if heavy else 0


@contextmanager
def _page(playwright: Playwright, options: dict[str, Any], *flags: str) -> Iterator[Page]:
    browser = playwright.chromium.launch(executable_path=find_chromium(whole=True), args=[*FLAGS, *flags])
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    browser.close()


def _take(page: Page, name: str, *, whole: bool = False) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=HERE / f"{name}-{width}.png", full_page=whole, animations="disabled")


def _guests(playwright: Playwright, links: dict[str, str]) -> str:
    """The registration page filled in, the ticket; returns its address."""
    for options in (DESK, PHONE):
        with _page(playwright, options) as page:
            page.goto(links["registration"])
            for label, value in GUEST.items():
                page.get_by_label(label, exact=True).fill(value)
            page.get_by_role("checkbox").check()
            _take(page, "registration", whole=options is PHONE)
            if options is PHONE:
                page.get_by_role("button", name="Зарегистрироваться").click()
                page.get_by_role("link", name="Открыть билет").click()
                code = page.get_by_role("img", name="QR-код вашего билета")
                expect(code).to_have_js_property("complete", True)
                _take(page, "ticket")
                return page.url
    raise AssertionError


def _door(playwright: Playwright, links: dict[str, str], ticket: str, folder: Path) -> None:
    """A phone at the entrance: the verdict, with the flags below it."""
    video = write_camera_video(folder / "camera.y4m", ticket)
    phone = PHONE | {"permissions": ["camera"]}
    with _page(playwright, phone, *CAMERA, f"--use-file-for-fake-video-capture={video}") as page:
        page.goto(links["scanner"])
        page.get_by_label("Как назвать этот телефон?").fill("Вход, Айгуль")
        page.get_by_role("button", name="Начать").click()
        expect(page.locator("#verdict")).to_have_attribute("data-verdict", "admitted", timeout=SLOW_MS)
        _take(page, "scanner")


def _portal(playwright: Playwright, links: dict[str, str]) -> None:
    """Inside the portal, after the day."""
    access, event = links["access"], links["event"].removeprefix(links["portal"])
    eti = next(one for one in rest(access, "crm.type.list")["types"] if one["title"].startswith("Участие"))[
        "entityTypeId"
    ]
    funnel = rest(access, "crm.category.list", entityTypeId=eti)["categories"][0]["id"]
    deal, guest = _hot_deal(access, eti)
    for options in (DESK, PHONE):
        with _page(playwright, options) as page:
            desk = Desk(page, links["portal"])
            _ready(desk.tab(event, "Воронка").locator("table.funnel .bar").first)
            _look_at(page, ".tabs")
            _take(page, "event-tab")
            _ready(
                desk.tab(f"/crm/type/{eti}/details/{guest}/", "Путь гостя").locator("ol.timeline li").first
            )
            _look_at(page, ".tabs")
            _take(page, "guest-tab")
            desk.open(f"/crm/deal/details/{deal}/")
            _look_at(page, ".field:has-text('Приоритет')")
            _take(page, "deal")
            desk.open(f"/crm/type/{eti}/kanban/category/{funnel}/")
            _look_at(page, ".kanban")
            _take(page, "kanban")


def _ready(shown: Locator) -> None:
    expect(shown).to_be_visible(timeout=SLOW_MS)
    # The frame fits itself to its page once that has been drawn.
    shown.page.wait_for_load_state("networkidle")


def _look_at(page: Page, selector: str) -> None:
    """On a phone the portal's menu fills the first screen."""
    if page.viewport_size and page.viewport_size["width"] < 600:
        page.locator(selector).first.evaluate("(part) => part.scrollIntoView()")


def _hot_deal(access: str, eti: int) -> tuple[int, int]:
    """An open deal about a quote somebody of a known company asked for, and a guest it is about."""
    ours = {"originatorId": "eventapp", "stageSemanticId": "P"}
    deals = rest(access, "crm.item.list", entityTypeId=2, order={"id": "DESC"}, filter=ours)["items"]
    asked = [one for one in deals if one["companyId"] and re.search("расч[её]т", one["title"])]
    chosen = (asked or deals)[0]
    guests = rest(access, "crm.item.list", entityTypeId=eti, filter={"parentId2": chosen["id"]})["items"]
    busiest = max(guests, key=lambda one: list(one.values()).count("Y"))
    return int(chosen["id"]), int(busiest["id"])


if __name__ == "__main__":
    raise SystemExit(main())
