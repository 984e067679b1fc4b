"""The main job in a real browser: install → form → mail → ticket → camera → flags → deal in the portal.

A real ``python app.py sandbox`` and the app beside it, as the demo starts them; only the installing is done by a
browser and not by a program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect

import app
from smart_process.demo.command import Demo
from smart_process.demo.portal import LocalPortal
from smart_process.demo.state import Folder, choose_ports
from tests.chromium import DESKTOP, Console
from tests.e2e.portal_desk import SLOW_MS, Desk, rest
from tests.source_tree import ROOT

pytestmark = pytest.mark.e2e

GUEST = {
    "Фамилия": "Ахметова",
    "Имя": "Динара",
    "Компания": "ТОО «Сары-Арка Насос»",
    "Должность": "главный инженер",
    "E-mail": "dinara@sary-arka.example",
    "Телефон": "8 (701) 555-01-23",
}


@dataclass
class Installing:
    """What an administrator saw while the app was installed."""

    steps: list[str] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    address: str = ""
    heading: str = ""
    problems: list[str] = field(default_factory=list)

    def note(self, done: float) -> None:
        """The progress bar moved."""
        self.counted.append(int(done))


@dataclass
class Place:
    """The demo in this process, with its links, and how it was installed."""

    links: dict[str, str]
    installing: Installing
    participations: str
    card: str

    def desk(self, page: Page) -> Desk:
        return Desk(page, self.links["portal"])

    @property
    def event(self) -> str:
        return self.links["event"].removeprefix(self.links["portal"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Place]:
    seen = Installing()
    folder = Folder(tmp_path_factory.mktemp("main_job") / "state")
    choose_ports(folder.kept, None)
    demo = Demo(folder, ROOT / "app.py", "", None, playing=False, quiet=True)
    try:
        demo.start(
            app._start_demo_app,
            install=lambda portal, app_id, _say: install(browser, portal, app_id, seen),
        )
        links = demo.links()
        types = {one["title"]: one for one in rest(links["access"], "crm.type.list")["types"]}
        eti = types["Участие в мероприятии"]["entityTypeId"]
        funnel = rest(links["access"], "crm.category.list", entityTypeId=eti)["categories"][0]["id"]
        yield Place(
            links, seen, f"/crm/type/{eti}/kanban/category/{funnel}/", f"/crm/type/{eti}/details/{{}}/"
        )
    finally:
        demo.stop()


def install(browser: Browser, portal: LocalPortal, app_id: int, seen: Installing) -> None:
    """Open the app in the portal as its administrator and watch until its own page is there."""
    console = Console()
    context = browser.new_context(**DESKTOP)
    context.set_default_timeout(SLOW_MS)
    console.watch(context)
    page = context.new_page()
    # The page is watched from inside: every value of its progress bar is noted, however fast they follow.
    page.expose_function("noted", seen.note)
    page.add_init_script(
        """addEventListener('DOMContentLoaded', () => {
             const bar = document.getElementById('progress');
             if (bar) new MutationObserver(() => window.noted(bar.value)).observe(bar, { attributes: true });
           })"""
    )
    page.goto(f"{portal.origin}/marketplace/app/{app_id}/")
    frame = page.frame_locator("iframe.app-frame")
    steps = frame.locator("#steps .step strong")
    expect(steps.first).to_be_visible()
    seen.steps = steps.all_inner_texts()
    frame.get_by_role("button", name="Начать установку").click()
    heading = frame.get_by_role("heading", name="С чего начать")
    expect(heading).to_be_visible(timeout=SLOW_MS)
    seen.heading, seen.address = heading.inner_text(), page.url
    seen.problems = console.unexpected()
    context.close()


def test_the_installer_counts_its_steps_and_the_app_opens(place: Place) -> None:
    seen = place.installing
    assert seen.problems == []
    assert seen.steps[0] == "Права"
    assert seen.counted == sorted(seen.counted)
    assert seen.counted[-1] == len(seen.steps) > 5
    assert seen.address.startswith(f"{place.links['portal']}/marketplace/app/")


def test_from_the_form_to_the_deal(
    place: Place, page: Page, phone_page: Page, camera_page: Callable[..., Page], console: Console
) -> None:
    console.expect(r"422|400")  # the form sent empty
    desk = place.desk(page)
    fill_in_the_crm_form(desk)
    ticket = ticket_from_the_mail(desk)
    look_at_the_ticket(phone_page, ticket)
    desk.stage(place.event, "Идёт сейчас")
    scan_and_flag(camera_page(ticket), place.links["scanner"])
    read_the_deal(desk)
    read_the_card(desk, place)
    read_the_funnel(desk, place)


def fill_in_the_crm_form(desk: Desk) -> None:
    page = desk.open("/pub/form/1/")
    page.get_by_role("button", name="Отправить").click()
    expect(page.get_by_role("alert")).to_contain_text("данные не отправлены")
    for label, value in GUEST.items():
        page.get_by_label(f"{label} *").fill(value)
    page.get_by_label(re.compile("Согласие")).check()
    page.get_by_role("button", name="Отправить").click()
    expect(page.get_by_role("status")).to_have_text("Спасибо! Данные отправлены.")


def ticket_from_the_mail(desk: Desk) -> str:
    letter = desk.letter(GUEST["E-mail"], "Вектор")
    expect(letter.get_by_role("img", name=re.compile("QR"))).to_be_visible()
    link = letter.locator("a[href*='/t/']").first
    return str(link.get_attribute("href"))


def look_at_the_ticket(page: Page, ticket: str) -> None:
    page.goto(ticket)
    expect(page.get_by_role("heading", level=1)).to_have_text(GUEST["Имя"])
    code = page.get_by_role("img", name="QR-код вашего билета")
    expect(code).to_have_js_property("complete", True)
    assert code.evaluate("(image) => image.naturalWidth") > 100
    assert GUEST["Фамилия"] not in page.content()
    assert fits(page)


def scan_and_flag(page: Page, scanner: str) -> None:
    """Enrol, hold the ticket before the camera, then three taps."""
    page.goto(scanner)
    page.get_by_label("Как назвать этот телефон?").fill("Вход, Айгуль")
    page.get_by_role("button", name="Начать").click()
    verdict = page.locator("#verdict")
    expect(verdict).to_have_attribute("data-verdict", "admitted", timeout=SLOW_MS)
    expect(verdict).to_contain_text("Ахметова Динара")
    page.get_by_role("button", name="Интерес к продукту").click()
    page.get_by_role("button", name="Насосы", exact=True).click()
    page.get_by_role("button", name="Просит расчёт").click()
    expect(page.locator("#queue")).to_have_attribute("data-unsent", "0")
    assert fits(page)


def read_the_deal(desk: Desk) -> None:
    """The hot rule fires while the event runs: a deal with everything a manager asks."""
    card = desk.card_in_column("/crm/deal/kanban/", re.compile("Сары-Арка Насос.*расчёт"))
    page = desk.open(str(card.get_by_role("link").first.get_attribute("href")))
    main = page.locator("#panel-main")
    expect(main).to_contain_text("Высокий")
    why = main.locator(".field", has_text="Почему эта сделка")
    for words in ("Ахметова Динара", "главный инженер", "Просит расчёт", "Вход, Айгуль", "правило"):
        expect(why).to_contain_text(re.compile(words, re.IGNORECASE))
    expect(main.locator(".field", has_text="Контакты")).to_contain_text("Динара Ахметова")
    expect(main.locator(".field", has_text="Компания")).to_contain_text("Сары-Арка Насос")
    planned = main.locator("section", has=page.get_by_role("heading", name="Запланировано"))
    expect(planned.locator("li.todo .deadline")).to_have_count(1, timeout=SLOW_MS)


def read_the_card(desk: Desk, place: Place) -> None:
    card = desk.card_in_column(place.participations, re.compile("Динара"))
    path = place.card.format(card.get_attribute("data-id"))
    frame = desk.tab(path, "Путь гостя")
    for flag in ("Интерес к продукту", "Просит расчёт"):
        expect(frame.get_by_role("button", name=flag)).to_have_attribute("aria-pressed", "true")
    timeline = frame.locator("ol.timeline")
    for words in ("CRM-форм", "Письмо отправлено: билет", "Пришёл", "Отметка: Просит расчёт"):
        expect(timeline).to_contain_text(words)
    expect(frame.locator("dl.facts", has_text="Правило")).to_contain_text("расчёт")
    expect(desk.page.locator("ol.stages [aria-current=step]")).to_have_text("Передан в продажи")


def read_the_funnel(desk: Desk, place: Place) -> None:
    frame = desk.tab(place.event, "Воронка")
    for step in ("Зарегистрирован", "Пришёл", "Проявил интерес", "Передан в продажи"):
        row = frame.locator("table.funnel tr", has=frame.get_by_role("rowheader", name=step, exact=True))
        expect(row.locator("[data-label='Дошли']")).to_have_text("1")
    frame.locator("table.funnel").get_by_role("button").first.click()
    expect(frame.locator("#people-list")).to_contain_text("Динара", timeout=SLOW_MS)


def test_a_slip_in_the_registration_is_told_and_nothing_is_lost(
    place: Place, phone_page: Page, console: Console
) -> None:
    console.expect("422")
    page = phone_page
    page.goto(place.links["registration"])
    typed = GUEST | {"Имя": "Айбек", "E-mail": "aibek@sary-arka.example", "Телефон": "12"}
    for label, value in typed.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Зарегистрироваться").click()
    phone = page.get_by_label("Телефон", exact=True)
    expect(phone).to_have_accessible_description(re.compile("Проверьте номер"))
    assert fits(page)
    for label, value in typed.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
    phone.fill("+7 701 555 01 24")
    page.get_by_role("button", name="Зарегистрироваться").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Вы зарегистрированы")
    desk = place.desk(phone_page)
    expect(desk.letter("aibek@sary-arka.example", "Вектор").locator("body")).to_contain_text("Айбек")


def fits(page: Page) -> bool:
    """Nothing sticks out to the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
