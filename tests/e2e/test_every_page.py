"""Every page of the app inside the portal, in its three languages, as those who may open it: no complaint of the
browser or the accessibility checker, nothing wider than the frame – on a desk and on a phone –, no Russian left over in
the other languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from app import create_app
from smart_process.facts import Kind, NewFact
from smart_process.language import CATALOGUES, PORTALS
from smart_process.schema import COMPANY, CONTACT, DEAL, PLACEMENTS, Words
from smart_process.store import journal
from smart_process.store import tables as t
from tests.accessible import complaints
from tests.chromium import DESKTOP, Console
from tests.portal_and_app import Served
from tests.tab_world import Tabs, served_tabs

pytestmark = pytest.mark.e2e

LANGUAGES = ("ru", "en", "kz")
"""As the portal names them."""
STORED = {"Позвонить и уточнить, что посчитать", "запрос расчёта", "Запрос расчёта", "Форма сотрудничества"}
"""What stands in the CRM: in the deal, in the language the app writes into this portal; titles of its own fields."""
PHONE_PX = 360
TOO_WIDE = """() => {
  const scrolls = (one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX);
  const wide = (one) => one.scrollWidth > one.clientWidth + 1;
  const inside = [...document.body.querySelectorAll('*')].filter((one) => one.clientWidth && scrolls(one) && wide(one));
  return [document.documentElement, ...inside].filter(wide).map((one) => `${one.tagName}.${one.className}`);
}"""
"""The page, and what can be scrolled sideways inside it, where something does not fit."""
LOW_AGAIN = "() => innerWidth > 360 && innerHeight <= Math.max(document.body.scrollHeight, 420)"
"""A desk's frame as low as its page, or as low as the portal makes any."""
OPENED = {
    "event": "event",
    "participation": "card",
    "contact": "contact",
    "company": "company",
    "deal": "deal",
}
"""Tab → what it is opened on."""


@dataclass(frozen=True)
class Opened:
    """A portal on the day of an event: where the cards are, and who is no administrator."""

    url: str
    paths: dict[str, str]
    seller: int
    app: str


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    served = Served()
    with served_tabs(tmp_path_factory.mktemp("pages"), served) as tabs:
        served.web = create_app(tabs.place.service)
        yield _lived_in(tabs)


def _lived_in(tabs: Tabs) -> Opened:
    """Guests who came, one of whom asked for a quote: every tab has something to show."""
    now = tabs.place.service.clock()
    begun = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(hours=7)}
    tabs.add_event(stage="live", **{name: at.isoformat() for name, at in begun.items()})
    assert tabs.call("event/segment/select", {"segment": {}}).status_code == 200
    tabs.drain()
    rows = tabs.rows(t.participation, t.participation.c.event_id == tabs.event_id)[:9]
    facts = [NewFact(kind, now, "app", kind.value) for kind in (Kind.REGISTERED, Kind.ARRIVED)]
    asked = NewFact(Kind.FLAG_SET, now, "user:1", "asked", data={"flag": "quote_requested"})
    with tabs.place.service.store.transaction() as tx:
        journal.record(tx, {row.id: facts for row in rows}, now=now)
        journal.record(tx, {rows[0].id: [asked]}, now=now)
    tabs.drain()
    first = tabs.rows(t.participation, t.participation.c.id == rows[0].id)[0]
    card = tabs.place.rest("crm.item.get", {"entityTypeId": tabs.card_type, "id": first.item_id})["item"]
    numbers = {
        "contact": (CONTACT, card["contactId"]),
        "company": (COMPANY, card["companyId"]),
        "deal": (DEAL, card["parentId2"]),
    }
    assert all(number for _, number in numbers.values())
    kinds = {CONTACT: "contact", COMPANY: "company", DEAL: "deal"}
    cards = {name: f"/crm/{kinds[kind]}/details/{number}/" for name, (kind, number) in numbers.items()}
    paths = {"event": tabs.card(), "card": tabs.card(first.item_id), **cards}
    seller = tabs.colleague("Обычный", read="own", update="own")
    for kind, number in [
        *numbers.values(),
        (tabs.card_type, first.item_id),
        (tabs.event_type, tabs.event_item),
    ]:
        fields = {"entityTypeId": kind, "id": number, "fields": {"assignedById": seller}}
        tabs.place.rest("crm.item.update", fields)
    return Opened(tabs.place.sandbox.url, paths, seller, f"/marketplace/app/{tabs.place.app['id']}/")


@pytest.fixture(params=[*(("administrator", one) for one in LANGUAGES), ("own only", "ru")], ids="-".join)
def who(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Who looks, and the language they switched the portal to."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def language(who: tuple[str, str]) -> str:
    return who[1]


@pytest.fixture
def page(browser: Browser, console: Console, portal: Opened, who: tuple[str, str]) -> Iterator[Page]:
    person = 1 if who[0] == "administrator" else portal.seller
    context: BrowserContext = browser.new_context(**DESKTOP)
    console.watch(context)
    for name, value in (("b24sandbox_user", str(person)), ("b24sandbox_language", who[1])):
        context.add_cookies([{"name": name, "value": value, "url": portal.url}])
    yield context.new_page()
    context.close()


def titled(words: Words, language: str) -> str:
    """A tab's title as the portal shows it."""
    return words.map().get(language, words.ru)


def our_frame(page: Page) -> Frame:
    """The one frame of ours, its script listening."""
    shown = page.locator("iframe.app-frame:visible")
    expect(shown).to_have_count(1)
    handle = shown.element_handle()
    assert handle is not None
    frame = handle.content_frame()
    assert frame is not None
    frame.wait_for_function(
        "() => document.readyState === 'complete' && document.querySelector('main, #tab')"
    )
    frame.wait_for_load_state("networkidle")
    return frame


@cache
def russian(language: str) -> frozenset[str]:
    """Our texts that read otherwise in this language, those without parameters and long enough to be no name."""
    path = CATALOGUES / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    texts = {str(one.id): str(one.string) for one in catalogue if one.id and isinstance(one.id, str)}
    return frozenset(
        text for text, other in texts.items() if text != other and len(text) > 12 and "%(" not in text
    )


def left_over(frame: Frame, language: str) -> list[str]:
    """Our Russian texts on a page in another language."""
    shown = re.sub(r"\s+", " ", frame.locator("body").inner_text())
    texts = russian(language) - STORED
    return sorted(text for text in texts if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", shown))


def in_order(page: Page, language: str, name: str) -> None:
    """The frame is in its language, complete, accessible, and no wider than it may be."""
    frame = our_frame(page)
    ours = PORTALS.get(language, language)
    assert frame.locator("html").get_attribute("lang") == ours
    assert complaints(frame) == [], name
    if ours != "ru":
        assert left_over(frame, ours) == [], name
    assert frame.evaluate(TOO_WIDE) == [], name
    page.set_viewport_size({"width": PHONE_PX, "height": DESKTOP["viewport"]["height"]})
    frame.wait_for_function("() => innerWidth < 360")
    assert frame.evaluate(TOO_WIDE) == [], f"{name} on a phone"
    if ours == "ru":
        assert complaints(frame) == [], f"{name} on a phone"
    page.set_viewport_size(DESKTOP["viewport"])
    frame.wait_for_function(LOW_AGAIN)


def test_every_tab_is_in_order(page: Page, portal: Opened, language: str) -> None:
    for spec in PLACEMENTS:
        page.goto(portal.url + portal.paths[OPENED[spec.name]])
        page.get_by_role("tab", name=titled(spec.title, language), exact=True).click()
        in_order(page, language, spec.name)


def test_the_main_page_and_the_settings_are_in_order(
    page: Page, portal: Opened, who: tuple[str, str]
) -> None:
    person, language = who
    page.goto(portal.url + portal.app)
    in_order(page, language, "home")
    settings = our_frame(page).locator("#to-settings button")
    if person != "administrator":
        expect(settings).to_have_count(0)
        return
    settings.click()
    inside = page.frame_locator("iframe.app-frame:visible")
    expect(inside.locator("[data-ready]")).to_be_attached()
    # Sections fetch what they show when they are opened.
    for one in inside.locator("details").all():
        one.evaluate("(section) => { section.open = true; }")
    in_order(page, language, "settings")
