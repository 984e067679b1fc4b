"""The scanner in a real browser: enrolling, the camera, verdicts, flags, search, walk-ins, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, Route, expect

from b24.store.engine import Store
from smart_process.facts import Kind
from tests.chromium import Console
from tests.door import Door, open_door, serving
from tests.e2e.phone import arrivals, enrol, expect_unsent, expect_verdict, type_code, wait_for_worker
from tests.eventually import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def door(store: Store) -> Iterator[Door]:
    door = open_door(store, now=datetime.now(UTC).replace(microsecond=0))
    with serving(door):
        yield door


def test_a_ticket_before_the_camera_is_admitted_and_flagged_in_three_taps(
    door: Door, camera_page: Callable[..., Page]
) -> None:
    guest = door.guest()
    page = camera_page(f"https://app.example/t/{guest.ticket}")
    enrol(page, door)
    expect_verdict(page, "admitted", "Проходите", "Иванов Пётр", "ТОО «Ромашка»")
    assert door.seat(guest).device == "Вход 2, Айгуль"
    page.get_by_role("button", name="Интерес к продукту").click()
    page.get_by_role("button", name="Телефония").click()
    page.get_by_role("button", name="Просит расчёт").click()
    expect_unsent(page, 0)
    eventually(lambda: set(door.seat(guest).flags) == {"product_interest", "quote_requested"})
    assert door.seat(guest).product_lines == ["Телефония"]
    # Held in view all the while, the code was scanned once.
    with door.store.reading() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM scan").scalar() == 1


def test_a_typed_code_gets_its_verdict_and_can_be_undone(
    door: Door, phone_page: Page, console: Console
) -> None:
    guest = door.guest()
    enrol(phone_page, door)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Иванов Пётр")
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "already_admitted", "Уже отмечен в")
    phone_page.get_by_role("button", name="Отменить").click()
    expect(phone_page.locator("#toast")).to_have_text("Отменять нечего")
    door.record(guest, Kind.ARRIVAL_ANNULLED)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted")
    phone_page.get_by_role("button", name="Отменить").click()
    expect(phone_page.locator("#toast")).to_have_text("Приход отменён")
    assert door.seat(guest).arrived_at is None


def test_a_usb_scanner_types_into_the_page(door: Door, page: Page) -> None:
    guest = door.guest()
    enrol(page, door)
    page.keyboard.type(guest.ticket)
    page.keyboard.press("Enter")
    expect_verdict(page, "admitted", "Иванов Пётр")


def test_a_guest_is_found_by_name_and_let_in(door: Door, phone_page: Page) -> None:
    guest = door.guest("Семёнова", first_name="Анна")
    enrol(phone_page, door)
    phone_page.get_by_role("button", name="Поиск").click()
    phone_page.get_by_role("searchbox").fill("анна семен")
    phone_page.get_by_role("button", name=re.compile("Семёнова Анна")).click()
    expect_verdict(phone_page, "admitted", "Семёнова Анна")
    assert door.seat(guest).stage == "arrived"


def test_a_guest_without_a_ticket_walks_in_and_gets_a_note(door: Door, phone_page: Page) -> None:
    enrol(phone_page, door)
    phone_page.get_by_role("button", name="Без билета").click()
    phone_page.get_by_role("textbox", name="Фамилия", exact=True).fill("Сергеева")
    phone_page.get_by_role("textbox", name="Имя", exact=True).fill("Анна")
    phone_page.get_by_role("button", name="Записать и впустить").click()
    expect_verdict(phone_page, "admitted", "Сергеева Анна")
    phone_page.get_by_role("button", name="Заметка").click()
    phone_page.get_by_role("textbox", name="Заметка").fill("ждёт прайс")
    phone_page.get_by_role("button", name="Сохранить").click()
    expect(phone_page.locator("#toast")).to_contain_text("Записано")
    with door.store.reading() as tx:
        row = tx.exec_driver_sql("SELECT source, stage, note FROM participation").one()
    assert tuple(row) == ("walk_in", "arrived", "ждёт прайс")


def test_without_network_scans_are_kept_over_a_reload_and_sent_once(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect("ERR_FAILED|ERR_INTERNET_DISCONNECTED|Failed to load resource")
    one, cancelled = door.guest(), door.guest("Сидоров")
    door.record(cancelled, Kind.CANCELLED)
    enrol(phone_page, door)

    def cut(route: Route) -> None:
        route.abort()

    phone_page.route("**/api/v1/**", cut)
    type_code(phone_page, cancelled.ticket)
    expect_verdict(phone_page, "cancelled", "Сидоров Пётр")
    type_code(phone_page, one.ticket)
    expect_verdict(phone_page, "admitted", "Иванов Пётр", "Решено по списку")
    expect_unsent(phone_page, 2)
    expect(phone_page.locator("#queue-text")).to_have_text("Нет связи · 2")
    phone_page.reload()
    expect_unsent(phone_page, 2)
    type_code(phone_page, one.ticket)
    expect_verdict(phone_page, "already_admitted", "Уже отмечен в")
    assert arrivals(door, one) == 0
    # Pressed while there is no network yet: with it the phone may be quicker than a finger.
    phone_page.locator("#queue").click()
    with phone_page.expect_request("**/api/v1/scans"):
        phone_page.get_by_role("button", name="Отправить сейчас").click()
    phone_page.unroute("**/api/v1/**", cut)
    phone_page.evaluate("dispatchEvent(new Event('online'))")
    expect_unsent(phone_page, 0)
    assert (arrivals(door, one), arrivals(door, cancelled)) == (1, 0)


def test_an_answer_lost_on_its_way_does_no_harm(door: Door, phone_page: Page, console: Console) -> None:
    console.expect("ERR_FAILED|Failed to load resource")
    guest = door.guest()
    enrol(phone_page, door)
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().text())
        route.abort()

    phone_page.route("**/api/v1/scans", lose_the_first)
    type_code(phone_page, guest.ticket)
    expect_unsent(phone_page, 0)
    expect_verdict(phone_page, "admitted", "Иванов Пётр")
    assert "admitted" in lost[0]
    assert arrivals(door, guest) == 1


def test_a_revoked_phone_says_so_and_keeps_what_was_not_sent(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect("403|Failed to load resource")
    guest = door.guest()
    enrol(phone_page, door)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted")
    with door.store.transaction() as tx:
        tx.exec_driver_sql("UPDATE device SET revoked_at = created_at")
    phone_page.get_by_role("button", name="Просит расчёт").click()
    expect(phone_page.locator("#stopped")).to_contain_text("Организатор отключил этот телефон")
    expect_unsent(phone_page, 1)
    type_code(phone_page, guest.ticket)
    expect_unsent(phone_page, 2)
    assert door.seat(guest).flags == {}


def test_the_scanner_without_enrolment_says_what_to_do(door: Door, phone_page: Page) -> None:
    phone_page.goto(f"{door.url}/scan/")
    expect(phone_page.get_by_role("heading", name="Телефон не подключён")).to_be_visible()
    wait_for_worker(phone_page)
    # On an iPhone's home screen there is no address bar: the link is pasted.
    link = phone_page.get_by_label("Или вставьте ссылку")
    link.fill("https://app.example/t/AAAAAAAAAAAAAAAAAAAAAA")
    phone_page.get_by_role("button", name="Открыть").click()
    expect(phone_page.get_by_role("alert")).to_contain_text("не ссылка организатора")
    link.fill(f"{door.url}/scan/{door.code()}")
    phone_page.get_by_role("button", name="Открыть").click()
    expect(phone_page.get_by_label("Как назвать этот телефон?")).to_be_visible()


def test_a_useless_link_does_not_enrol(door: Door, phone_page: Page, console: Console) -> None:
    console.expect("410|Failed to load resource")
    code = door.code(uses=1)
    phone_page.goto(f"{door.url}/scan/{code}")
    door.enrol_with(code)
    phone_page.get_by_label("Как назвать этот телефон?").fill("Вход 3")
    phone_page.get_by_role("button", name="Начать").click()
    expect(phone_page.get_by_role("alert")).to_contain_text("достаточно телефонов")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(door: Door, page: Page, width: int) -> None:
    door.guest("Константинопольский-Чернышевский", first_name="Максимилиан")
    page.set_viewport_size({"width": width, "height": 740})
    enrol(page, door, gates=["Главный вход с улицы", "Зал"])
    guest = door.guest("Константинопольская-Чернышевская", company_name="Ж" * 120)
    type_code(page, guest.ticket)
    expect_verdict(page, "admitted")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= 740
