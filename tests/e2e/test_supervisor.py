"""A supervisor's phone: the whole door at a glance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from smart_process.store import tables as t
from tests.chromium import Console
from tests.door import Door, serving_today
from tests.e2e.phone import enrol

pytestmark = pytest.mark.e2e


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with serving_today(tmp_path) as door:
        yield door


def busy_door(door: Door) -> None:
    """Two entrances, a silent phone with a queue, a ticket shown at both."""
    gates = [
        {"name": name, "kind": "entrance", "flag": "", "reentry": False} for name in ("entrance", "Двор")
    ]
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.event).values(gates=gates))
    second = door.enrol(gates=["Двор"], name="Двор, Нурлан")
    one, two, _absent = door.guest("Семёнова", first_name="Анна"), door.guest("Ли"), door.guest()
    for ticket, token, gate in ((one.ticket, None, "entrance"), (two.ticket, second, "Двор")):
        door.scan(ticket, token, gate=gate)
    at = (door.now - timedelta(minutes=10)).isoformat()
    door.scan(one.ticket, second, gate="Двор", scanned_at=at, shown="admitted")
    with door.store.transaction() as tx:
        silent = t.device.c.name == "Вход 1"
        tx.execute(
            sa.update(t.device).where(silent).values(last_seen_at=door.now - timedelta(hours=1), queue=7)
        )


@pytest.mark.parametrize("width", [360, 1280])
def test_a_supervisor_sees_the_whole_door(door: Door, page: Page, console: Console, width: int) -> None:
    console.expect("ERR_INTERNET_DISCONNECTED|Failed to load resource")
    busy_door(door)
    page.set_viewport_size({"width": width, "height": 740})
    enrol(page, door, role="supervise", gates=[])
    page.get_by_role("button", name="Обзор").click()
    dialog = page.get_by_role("dialog", name="Что на входах")
    expect(dialog).to_contain_text("2 из 3")
    expect(dialog.locator("#live-gates li")).to_have_count(2)
    expect(dialog.locator("#live-gates")).to_contain_text("Двор: 2 из 3")
    expect(dialog.locator("#live-silent")).to_contain_text(re.compile("Вход 1.*Не отправлено: 7"))
    expect(dialog.locator("#live-cases")).to_contain_text("Семёнова Анна")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert dialog.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    page.context.set_offline(True)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Обзор").click()
    expect(dialog.locator("#live-state")).to_contain_text("Нет связи. Данные на")
    expect(dialog).to_contain_text("2 из 3")


def test_others_have_no_overview(door: Door, phone_page: Page) -> None:
    enrol(phone_page, door)
    expect(phone_page.get_by_role("button", name="Обзор")).to_be_hidden()
