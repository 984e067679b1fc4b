"""The scanner alone: its decision held to the server's cases, no network, full storage, wrong clocks, lost phones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, Response, Route, expect

from smart_process.facts import Kind
from smart_process.store import tables as t
from tests.chromium import PHONE, Console
from tests.door import Door, Guest, add_event, add_guest, serving_today
from tests.e2e.phone import arrivals, enrol, expect_unsent, expect_verdict, type_code, wait_for_worker
from tests.eventually import eventually
from tests.fake_camera import TORN

pytestmark = pytest.mark.e2e
CASES = json.loads((Path(__file__).parents[1] / "admission_cases.json").read_text())
NO_NETWORK = "ERR_INTERNET_DISCONNECTED|ERR_FAILED|Failed to load resource"

# Every case through the phone's decision, answered in the words of the cases.
JUDGE = """async ({ cases, defaults }) => {
  const { after, decide, localTime } = await import("/static/scanner/admission.js");
  const ms = (text) => (text ? Date.parse(text) : null);
  const passage = (one) => ({ first: ms(one.first), last: ms(one.last), inside: one.inside });
  return cases.map((one) => {
    const told = { ...defaults.place, ...one.place };
    const place = { ...told, calledOff: told.called_off };
    let ticket = one.ticket === null ? null : { ...defaults.ticket, ...one.ticket };
    if (ticket) {
      const passages = Object.entries(ticket.passages).map(([area, known]) => [area, passage(known)]);
      ticket = { ...ticket, arrivedAt: ms(ticket.arrived_at), passages: Object.fromEntries(passages) };
    }
    return one.scans.map((scan) => {
      const full = { ...defaults.scan, ...scan };
      const passing = { ...full, at: ms(full.at) };
      const { verdict, first, effects, overruled } = decide(place, ticket, passing);
      const zone = one.zone ?? defaults.zone;
      const said = localTime(first, zone, passing.at);
      if (ticket) ticket = after(place, ticket, passing, { effects });
      return { verdict, first, effects, overruled, told: said };
    });
  });
}"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with serving_today(tmp_path) as door:
        yield door


def scans_of(door: Door) -> list[Any]:
    with door.store.reading() as tx:
        return list(tx.execute(sa.select(t.scan).order_by(t.scan.c.scan_id)))


def refreshed(page: Page) -> Response:
    """The answer to the list's next refresh, asked for at once."""
    with page.expect_response(re.compile("/api/v1/pack")) as told:
        page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_load_state("networkidle")
    return told.value


def show_codes(page: Page, guests: list[Guest]) -> None:
    """Codes one after another, as fast as the page takes them."""
    page.evaluate(
        """async (codes) => {
          for (const code of codes) {
            document.getElementById("code").value = code;
            document.getElementById("code-form").requestSubmit();
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
        }""",
        [guest.ticket for guest in guests],
    )


def test_the_phone_decides_every_case_as_the_server_does(door: Door, page: Page) -> None:
    page.goto(f"{door.url}/scan/")
    wait_for_worker(page)
    answers = page.evaluate(JUDGE, {"cases": CASES["cases"], "defaults": CASES["defaults"]})
    for case, told in zip(CASES["cases"], answers, strict=True):
        for scan, answer in zip(case["scans"], told, strict=True):
            first = scan["first"] and datetime.fromisoformat(scan["first"]).timestamp() * 1000
            expected = (scan["verdict"], first, scan["effects"], scan.get("overruled", ""))
            given = (answer["verdict"], answer["first"], answer["effects"], answer["overruled"])
            assert given == expected, case["name"]
            assert answer["told"] == scan.get("told", answer["told"]), case["name"]


def test_after_a_reload_without_network_the_phone_still_decides(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(NO_NETWORK)
    one, cancelled = door.guest(company_name="ТОО «Ромашка»"), door.guest("Сидоров")
    door.record(cancelled, Kind.CANCELLED)
    other = add_guest(door.store, door.portal_id, add_event(door.store, door.portal_id))
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    phone_page.reload()
    for ticket, verdict, text in (
        (f"https://app.example/t/{one.ticket}", "admitted", "Иванов Пётр"),
        (one.ticket, "already_admitted", "Уже отмечен в"),
        (cancelled.ticket, "cancelled", "Сидоров"),
        (other.ticket, "wrong_event", "Другое мероприятие"),
        ("A" * 22, "unknown", "Нет в списке этого телефона"),
    ):
        type_code(phone_page, ticket)
        expect_verdict(phone_page, verdict, text)
    expect_unsent(phone_page, 5)
    phone_page.locator("#queue").click()
    expect(phone_page.locator("#list-state")).to_contain_text("Список гостей: 2")
    expect(phone_page.locator("#list-blind")).to_contain_text("не видит других дверей")
    phone_page.get_by_role("button", name="Закрыть").click()
    phone_page.context.set_offline(False)
    expect_unsent(phone_page, 0)
    assert (arrivals(door, one), arrivals(door, cancelled)) == (1, 0)
    assert sorted(row.verdict for row in scans_of(door)) == [
        "admitted",
        "already_admitted",
        "cancelled",
        "unknown",
        "wrong_event",
    ]


def test_without_network_people_are_found_and_colleagues_let_in_together(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(NO_NETWORK)
    one = door.guest("Семёнова", first_name="Анна", phone="+77011234567")
    two, three = door.guest("Ли", first_name="Юн"), door.guest("Жанов")
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    phone_page.get_by_role("button", name="Поиск").click()
    for query in ("анна семен", "ромаш", "sem", "45 67"):
        phone_page.get_by_role("searchbox").fill(query)
        expect(phone_page.locator("#found")).to_contain_text("Семёнова Анна")
    phone_page.get_by_role("button", name="Семёнова Анна").click()
    expect_verdict(phone_page, "admitted", "Семёнова Анна")
    phone_page.get_by_role("button", name="Ждём из этой компании: 2").click()
    phone_page.get_by_role("checkbox", name="Ли Юн").check()
    phone_page.get_by_role("checkbox", name="Жанов").check()
    phone_page.get_by_role("button", name="Впустить отмеченных").click()
    expect_verdict(phone_page, "admitted", "Ли Юн")
    phone_page.context.set_offline(False)
    expect_unsent(phone_page, 0)
    assert [arrivals(door, guest) for guest in (one, two, three)] == [1, 1, 1]


def test_the_network_cut_in_the_middle_of_two_hundred_loses_and_doubles_nothing(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(NO_NETWORK)
    guests = [door.guest(f"Гость{number}") for number in range(200)]
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    show_codes(phone_page, guests)
    expect_unsent(phone_page, 200)
    sent: list[int] = []
    away: list[bool] = []

    def cut_the_second(route: Route) -> None:
        if away:
            route.abort()
            return
        sent.append(len(json.loads(route.request.post_data or "{}")["scans"]))
        if len(sent) == 2:
            # It arrives, its answer does not, and then the network is away again.
            away.append(True)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    phone_page.route("**/api/v1/scans", cut_the_second)
    phone_page.context.set_offline(False)
    # Each question to the page lets the route's handler run.
    eventually(lambda: phone_page.evaluate("1") and away)
    expect_unsent(phone_page, 150)
    away.clear()
    expect_unsent(phone_page, 0)
    assert max(sent) == 50
    with door.store.reading() as tx:
        arrived = tx.scalar(sa.select(sa.func.count()).where(t.fact.c.kind == "arrived"))
    assert (arrived, len(scans_of(door))) == (200, 200)
    assert {row.verdict for row in scans_of(door)} == {"admitted"}


def test_a_tab_killed_in_the_middle_of_an_upload_sends_the_same_again(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(NO_NETWORK)
    guests = [door.guest(f"Гость{number}") for number in range(3)]
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    show_codes(phone_page, guests)
    expect_unsent(phone_page, 3)
    # The app has it, the answer never comes back.
    held: list[int] = []
    phone_page.route("**/api/v1/scans", lambda route: held.append(route.fetch().status))
    phone_page.context.set_offline(False)
    eventually(lambda: phone_page.evaluate("1") and held)
    context = phone_page.context
    phone_page.close()
    assert [arrivals(door, guest) for guest in guests] == [1, 1, 1]
    again = context.new_page()
    again.goto(f"{door.url}/scan/")
    expect_unsent(again, 0)
    assert len(scans_of(door)) == 3


def test_a_full_storage_is_said_aloud_and_nothing_is_lost(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(NO_NETWORK)
    guest, second = door.guest(), door.guest("Петров")
    enrol(phone_page, door)
    phone_page.evaluate(
        """() => {
          window.put = IDBObjectStore.prototype.put;
          IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
        }"""
    )
    phone_page.context.set_offline(True)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Иванов Пётр")
    expect(phone_page.locator("#stopped")).to_contain_text("Память телефона не приняла запись")
    type_code(phone_page, second.ticket)
    expect_verdict(phone_page, "admitted", "Петров")
    phone_page.context.set_offline(False)
    expect_unsent(phone_page, 0)
    expect(phone_page.locator("#stopped")).to_be_hidden()
    assert [arrivals(door, one) for one in (guest, second)] == [1, 1]
    phone_page.evaluate("() => { IDBObjectStore.prototype.put = window.put; }")
    refreshed(phone_page)
    phone_page.context.set_offline(True)
    phone_page.reload()
    for one in (guest, second):
        type_code(phone_page, one.ticket)
        expect_verdict(phone_page, "already_admitted")


def test_names_changed_in_the_portal_reach_the_phone_without_the_whole_list(
    door: Door, phone_page: Page, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.expect(NO_NETWORK)
    monkeypatch.setattr("handlers.pack.COMPARE_EVERY", timedelta(0))
    renamed, gone, *_rest = [door.guest(name) for name in ("Иванов", "Ушёлбек", "Ван", "Гринёва")]
    add_guest(door.store, door.portal_id, add_event(door.store, door.portal_id))
    enrol(phone_page, door)
    assert refreshed(phone_page).status == 304
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.person).where(t.person.c.id == renamed.person_id).values(last_name="Петренко"))
        for table, column in ((t.fact, t.fact.c.participation_id), (t.participation, t.participation.c.id)):
            tx.execute(sa.delete(table).where(column == gone.id))
    told = refreshed(phone_page).json()
    assert (told["whole"], len(told["guests"]) < 3) == (False, True)
    expect(phone_page.locator("#queue")).to_have_attribute("data-list", "3")
    assert refreshed(phone_page).status == 304
    phone_page.context.set_offline(True)
    phone_page.reload()
    type_code(phone_page, renamed.ticket)
    expect_verdict(phone_page, "admitted", "Петренко")
    type_code(phone_page, gone.ticket)
    expect_verdict(phone_page, "unknown")


def test_two_phones_without_network_let_one_ticket_in_one_person_one_case(
    door: Door, browser: Browser, console: Console
) -> None:
    console.expect(NO_NETWORK)
    guest = door.guest()
    with ExitStack() as opened:
        pages = []
        for _ in range(2):
            context = browser.new_context(**PHONE)
            opened.callback(context.close)
            console.watch(context)
            page = context.new_page()
            enrol(page, door)
            pages.append(page)
        for page in pages:
            page.context.set_offline(True)
            type_code(page, guest.ticket)
            expect_verdict(page, "admitted", "Иванов Пётр")
        for page in pages:
            page.context.set_offline(False)
            expect_unsent(page, 0)
        expect(pages[1].locator("#verdict, #toast").filter(has_text="Спорный проход")).not_to_have_count(0)
    assert sorted(row.verdict for row in scans_of(door)) == ["admitted", "conflict"]
    with door.store.reading() as tx:
        people = tx.scalar(sa.select(sa.func.count()).where(t.participation.c.arrived_at.is_not(None)))
    assert (people, arrivals(door, guest)) == (1, 2)


def test_a_phone_revoked_while_offline_forgets_its_list_at_the_next_contact(
    door: Door, phone_page: Page, console: Console
) -> None:
    console.expect(f"{NO_NETWORK}|403")
    guest = door.guest()
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Иванов Пётр")
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.device).values(revoked_at=door.now))
    phone_page.context.set_offline(False)
    expect(phone_page.locator("#stopped")).to_contain_text("Организатор отключил этот телефон")
    expect(phone_page.locator("#queue")).to_have_attribute("data-list", "none")
    kept = phone_page.evaluate(
        """() => new Promise((resolve) => {
          indexedDB.open("door").onsuccess = ({ target }) => {
            const all = target.result.transaction("guests").objectStore("guests").count();
            all.onsuccess = () => resolve(all.result);
          };
        })"""
    )
    assert kept == 0
    # Kept with its verdict for the organiser, trusted with nothing.
    eventually(lambda: [row.verdict for row in scans_of(door)] == ["revoked"])
    assert arrivals(door, guest) == 0
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "revoked")


@pytest.mark.parametrize("hours", [3, -5])
def test_a_clock_wrong_by_hours_changes_neither_verdict_nor_arrival(
    door: Door, phone_page: Page, console: Console, hours: int
) -> None:
    console.expect(NO_NETWORK)
    guest = door.guest()
    phone_page.add_init_script(
        f"""const Real = Date, off = {hours} * 3600000;
        globalThis.Date = class extends Real {{
          constructor(...told) {{ told.length ? super(...told) : super(Real.now() + off); }}
          static now() {{ return Real.now() + off; }}
        }};"""
    )
    enrol(phone_page, door)
    phone_page.context.set_offline(True)
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Иванов Пётр")
    phone_page.locator("#queue").click()
    expect(phone_page.locator("#skew")).to_contain_text("спешат" if hours > 0 else "отстают")
    door.now += timedelta(minutes=1)
    phone_page.context.set_offline(False)
    expect_unsent(phone_page, 0)
    (arrived,) = door.facts(guest, Kind.ARRIVED)
    assert abs(arrived.at - door.now) < timedelta(minutes=3)
    assert scans_of(door)[0].skew_s == pytest.approx(hours * 3600, abs=150)


def test_a_torn_code_disturbs_nothing_and_the_next_one_is_read(
    door: Door, camera_page: Callable[..., Page]
) -> None:
    guest, next_one = door.guest(), door.guest("Петров")
    page = camera_page(TORN + guest.ticket, next_one.ticket)
    enrol(page, door)
    expect_verdict(page, "admitted", "Петров")
    eventually(lambda: len(scans_of(door)) == 1)
    assert arrivals(door, guest) == 0


def test_out_and_in_again_where_the_gate_counts_exits(door: Door, phone_page: Page) -> None:
    gates = [{"name": "Двери", "kind": "entrance", "flag": "", "reentry": True}]
    with door.store.transaction() as tx:
        tx.execute(sa.update(t.event).values(gates=gates))
    guest = door.guest()
    enrol(phone_page, door, gates=["Двери"])
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Проходите")
    way = phone_page.get_by_role("button", name="Выход", exact=True)
    way.click()
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Выход отмечен")
    way.click()
    type_code(phone_page, guest.ticket)
    expect_verdict(phone_page, "admitted", "Проходите")
    assert (len(door.facts(guest, Kind.PASSED)), arrivals(door, guest)) == (2, 1)


def test_a_usb_scanner_in_the_russian_layout_is_understood(door: Door, page: Page) -> None:
    guest = door.guest()
    enrol(page, door)
    latin = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
    russian = "йцукенгшщзхъфывапролджэячсмитьбю"
    table = str.maketrans(latin + latin.upper(), russian + russian.upper())
    type_code(page, guest.ticket.translate(table))
    expect_verdict(page, "admitted", "Иванов Пётр")
