"""Why a deal exists, as far as each viewer may see its guests; a deal of a person is linked to an event from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b24.sandbox.server import Options, Sandbox
from smart_process.facts import Kind, NewFact
from smart_process.schema import DEAL
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "calls.jsonl"


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False, log=log)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        world.portions("event/segment/select", {"segment": {}})
        world.drain()
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


def record(tabs: Tabs, pid: int, kind: Kind, **data: Any) -> None:
    now = tabs.place.service.clock()
    fact = NewFact(kind, now, "device:3", f"{kind}:{data}", "Главный вход", data | {"device": "Вход 1"})
    with tabs.place.service.store.transaction() as tx:
        journal.record(tx, {pid: [fact]}, now=now)


@pytest.fixture(scope="module")
def ours(tabs: Tabs) -> Any:
    """A deal the app made for two colleagues of one company, raised once; its outcome."""
    people = {row.id: row for row in tabs.rows(t.person)}
    by_company: dict[int, list[Any]] = {}
    for row in tabs.rows(t.participation):
        by_company.setdefault(people[row.person_id].company_id, []).append(row)
    one, two = next(rows[:2] for company, rows in by_company.items() if company and len(rows) > 1)
    for guest in (one, two):
        record(tabs, guest.id, Kind.REGISTERED)
        record(tabs, guest.id, Kind.ARRIVED)
    record(tabs, one.id, Kind.FLAG_SET, flag="closed_session")
    record(tabs, one.id, Kind.FLAG_SET, flag="product_interest", product_line="Насосы")
    tabs.drain()
    record(tabs, two.id, Kind.FLAG_SET, flag="quote_requested")
    tabs.drain()
    (row,) = tabs.rows(t.outcome, t.outcome.c.state == "live", t.outcome.c.kind == "deal")
    return row


def new_deal(tabs: Tabs, **fields: Any) -> int:
    made = tabs.place.rest("crm.item.add", {"entityTypeId": DEAL, "fields": {"title": "Своя", **fields}})
    return int(made["item"]["id"])


def shown(tabs: Tabs, deal_id: int, **more: Any) -> str:
    reply = tabs.page("deal", deal_id, **more)
    assert reply.status_code == 200, reply.text
    return text_of(reply.text)


def guests(tabs: Tabs, outcome: Any) -> list[Any]:
    return tabs.rows(t.participation, t.participation.c.outcome_id == outcome.id)


def test_a_deal_says_why_by_which_rule_for_whom_and_who_noticed(tabs: Tabs, ours: Any) -> None:
    told = shown(tabs, ours.item_id)
    for expected in (
        "Запрос расчёта",
        f"таблица правил {ours.rules_version:08x}",
        "высокий",
        "Отметка: Просит расчёт",
        "телефон «Вход 1»",
        "Отметка: Интерес к продукту (Насосы)",
        "Сделка создана",
    ):
        assert expected in told, expected
    assert len(guests(tabs, ours)) == 2
    for guest in guests(tabs, ours):
        assert f"№ {guest.item_id}" in told


@pytest.mark.parametrize("lang", ["ru", "en", "kk"])
def test_a_renamed_rule_is_called_what_the_table_calls_it(tabs: Tabs, ours: Any, lang: str) -> None:
    from dataclasses import replace

    from smart_process import rule_table

    table = [
        replace(row, rule=replace(row.rule, name="Срочный расчёт")) if row.rule.key == ours.rule else row
        for row in rule_table.SHIPPED
    ]
    tabs.change_settings(rules=rule_table.kept(table))
    try:
        assert "«Срочный расчёт»" in shown(tabs, ours.item_id, lang=lang)
    finally:
        tabs.change_settings(rules=None)


def test_guests_the_viewer_may_not_read_are_not_shown(tabs: Tabs, ours: Any) -> None:
    manager = tabs.colleague("Мансур", read="own")
    mine, hidden = guests(tabs, ours)
    for kind, item_id in ((DEAL, ours.item_id), (tabs.card_type, mine.item_id)):
        where = {"entityTypeId": kind, "id": item_id}
        tabs.place.rest("crm.item.update", {**where, "fields": {"assignedById": manager}})
    told = shown(tabs, ours.item_id, user_id=manager)
    assert f"№ {mine.item_id} " in told
    assert f"№ {hidden.item_id} " not in told
    assert "Часть гостей вам не видна" in told


def test_a_deal_tab_costs_two_requests_to_the_portal(tabs: Tabs, ours: Any, log: Path) -> None:
    shown(tabs, ours.item_id)
    before = tabs.requests(log)
    shown(tabs, ours.item_id)
    assert tabs.requests(log) - before == 2


def test_a_deal_of_a_person_says_so_and_offers_a_link(tabs: Tabs, ours: Any) -> None:
    deal = new_deal(tabs)
    told = shown(tabs, deal)
    assert "Эта сделка не с мероприятия" in told
    assert "Форум «Насосы»" in told
    body = {"event": tabs.event_item}
    assert tabs.call("deal/link", body, item_id=deal).get_json() == {"done": True}
    item = tabs.place.rest("crm.item.get", {"entityTypeId": DEAL, "id": deal})["item"]
    assert item[tabs.place.binding.parent_event] == tabs.event_item
    told = shown(tabs, deal)
    assert "Сделка связана с мероприятием" in told
    assert "Связать с мероприятием" not in told


def test_an_earlier_link_of_a_person_is_not_overwritten(tabs: Tabs) -> None:
    first = tabs.event_item
    deal = new_deal(tabs, **{tabs.place.binding.parent_event: first})
    tabs.add_event()
    try:
        reply = tabs.call("deal/link", {"event": tabs.event_item}, item_id=deal)
        assert (reply.status_code, reply.get_json()["code"]) == (409, "linked")
        item = tabs.place.rest("crm.item.get", {"entityTypeId": DEAL, "id": deal})["item"]
        assert item[tabs.place.binding.parent_event] == first
    finally:
        (row,) = tabs.rows(t.event, t.event.c.item_id == first)
        tabs.event_item, tabs.event_id = first, row.id


def test_who_may_not_change_the_deal_is_offered_and_allowed_no_link(tabs: Tabs) -> None:
    looker = tabs.colleague("Смотритель", update="none")
    deal = new_deal(tabs)
    told = shown(tabs, deal, user_id=looker)
    assert "Эта сделка не с мероприятия" in told
    assert "Связать с мероприятием" not in told
    reply = tabs.call("deal/link", {"event": tabs.event_item}, item_id=deal, user_id=looker)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_right")


def test_an_event_the_viewer_may_not_see_is_neither_named_nor_linked(tabs: Tabs) -> None:
    manager = tabs.colleague("Мансур", read="own")
    deal = new_deal(tabs, assignedById=manager)
    linked = new_deal(tabs, assignedById=manager, **{tabs.place.binding.parent_event: tabs.event_item})
    assert "Форум" not in shown(tabs, deal, user_id=manager)
    assert "Форум" not in shown(tabs, linked, user_id=manager)
    assert "нет прав" in shown(tabs, linked, user_id=manager)
    reply = tabs.call("deal/link", {"event": tabs.event_item}, item_id=deal, user_id=manager)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_event")


@pytest.mark.parametrize("body", [[], {}, {"event": "1"}, {"event": True}, {"event": None}])
def test_an_unreadable_link_is_refused(tabs: Tabs, body: Any) -> None:
    assert tabs.call("deal/link", body, item_id=new_deal(tabs)).status_code == 400


def test_a_new_deal_is_to_be_saved_first(tabs: Tabs) -> None:
    assert "Сохраните сделку" in tabs.page("deal", 0).text
