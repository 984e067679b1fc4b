"""The installer in a real browser inside the portal: progress, its end, a refusal and the way on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from b24.sandbox.server import Options, Sandbox
from tests.chromium import Console
from tests.portal_and_app import PortalAndApp, Served, make_web, portal_and_app

pytestmark = pytest.mark.e2e


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PortalAndApp]:
    served = Served()
    with Sandbox(Options(port=0, seed="empty", limits=False)) as sandbox:
        made = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}", public_url=served.url)
        served.web = make_web(made.service)
        yield made
        made.rest.close()
        made.service.portals.close()
        served.stop()
        made.service.store.close()


def address(place: PortalAndApp) -> str:
    return f"{place.sandbox.url}/marketplace/app/{place.app['id']}/"


def begun(place: PortalAndApp, page: Page, choice: str = "Всем, кто работает в CRM") -> FrameLocator:
    """The administrator answers the question and begins."""
    page.goto(address(place))
    frame = page.frame_locator("iframe")
    frame.get_by_label(choice).check()
    frame.get_by_role("button", name="Начать установку").click()
    return frame


def test_the_installer_runs_to_its_end_and_the_app_opens(place: PortalAndApp, page: Page) -> None:
    frame = begun(place, page)
    expect(frame.get_by_role("heading", name="Мероприятия")).to_be_visible(timeout=30_000)
    expect(frame.get_by_text("С чего начать")).to_be_visible()
    assert place.rest.control("apps", method="GET")[-1]["installed"] is True
    assert place.binding.event.title == "Мероприятие"


@pytest.mark.parametrize(
    ("choice", "open_to_all"), [("Всем, кто работает в CRM", "Y"), ("Сначала только администраторам", "N")]
)
def test_who_sees_the_guests_is_the_administrators_choice(
    place: PortalAndApp, page: Page, choice: str, open_to_all: str
) -> None:
    frame = begun(place, page, choice)
    expect(frame.get_by_text("С чего начать")).to_be_visible(timeout=30_000)
    binding = place.binding
    for kind, expected in ((binding.participation, open_to_all), (binding.event, "Y")):
        found = place.rest("crm.type.getByEntityTypeId", {"entityTypeId": kind.entity_type_id})
        assert found["type"]["isSetOpenPermissions"] == expected
    # Installed again, nothing is asked: what people set up since stays.
    page.goto(address(place))
    expect(frame.get_by_text("С чего начать")).to_be_visible(timeout=30_000)


def test_a_refusal_is_shown_and_the_same_button_goes_on(
    place: PortalAndApp, page: Page, console: Console
) -> None:
    place.rest.control("faults", {"5xx": 1.0, "methods": ["crm.type.add"], "times": {"5xx": 1}})
    frame = begun(place, page)
    retry = frame.get_by_role("button", name="Повторить")
    expect(retry).to_be_visible(timeout=30_000)
    expect(frame.get_by_role("alert")).to_contain_text("Ничего не потеряно")
    retry.click()
    expect(frame.get_by_text("С чего начать")).to_be_visible(timeout=30_000)


def test_a_colleague_reads_who_installs(place: PortalAndApp, page: Page, console: Console) -> None:
    opened = place.opened(int(place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"]))
    console.expect("403")
    fields = "".join(f'<input name="{name}" value="{value}">' for name, value in opened["fields"].items())
    page.set_content(f'<form method="post" action="{opened["url"]}">{fields}</form>')
    page.evaluate("document.forms[0].submit()")
    expect(page.get_by_text("Приложение устанавливает администратор портала")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_sticks_out_of_the_page(place: PortalAndApp, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    frame = begun(place, page)
    expect(frame.get_by_text("С чего начать")).to_be_visible(timeout=30_000)
    inside = next(one for one in page.frames if "/b24/app" in one.url)
    assert inside.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
