"""A guest's tab: the whole path in words, flags, ticket, an arrival taken back with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from b24.sandbox.server import Options, Sandbox
from smart_process.facts import Kind, NewFact
from smart_process.schema import flag_field
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        world.portions("event/segment/select", {"segment": {}})
        world.drain()
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


class Guest:
    """One guest with a card, seen through their tab."""

    def __init__(self, tabs: Tabs, row: Any) -> None:
        self.tabs, self.id, self.item_id = tabs, row.id, row.item_id

    def record(self, kind: Kind, *, actor: str = "guest", gate: str = "", **data: Any) -> None:
        now = self.tabs.place.service.clock()
        fact = NewFact(kind, now, actor, f"{kind}:{len(self.facts())}", gate, data)
        with self.tabs.place.service.store.transaction() as tx:
            journal.record(tx, {self.id: [fact]}, now=now)

    def facts(self) -> list[NewFact]:
        with self.tabs.place.service.store.reading() as tx:
            return journal.history(tx, [self.id])[self.id]

    def row(self) -> Any:
        (row,) = self.tabs.rows(t.participation, t.participation.c.id == self.id)
        return row

    def field(self, name: str) -> str:
        return self.tabs.place.binding.participation.fields[name]

    def item(self) -> dict[str, Any]:
        where = {"entityTypeId": self.tabs.card_type, "id": self.item_id}
        return dict(self.tabs.place.rest("crm.item.get", where)["item"])

    def path(self) -> str:
        reply = self.tabs.get("participation/path", item_id=self.item_id)
        assert reply.status_code == 200, reply.text
        return text_of(reply.get_json()["html"])

    def call(self, action: str, body: Any = None, **more: Any) -> Any:
        return self.tabs.call(f"participation/{action}", body, item_id=self.item_id, **more)


@pytest.fixture
def guest(opened: Tabs, request: pytest.FixtureRequest) -> Guest:
    """Another guest for every test, with an address."""
    used: list[int] = request.config.stash.setdefault(USED, [])
    people = {row.id: row.email for row in opened.rows(t.person)}
    row = next(
        row
        for row in opened.rows(t.participation)
        if row.id not in used and people[row.person_id] and row.item_id
    )
    used.append(row.id)
    return Guest(opened, row)


USED = pytest.StashKey[list[int]]()


def test_the_path_tells_every_fact_by_whom_when_and_where(guest: Guest) -> None:
    guest.record(Kind.REGISTERED, source="page")
    guest.record(Kind.ARRIVED, actor="device:3", gate="Главный вход", device="Вход 1")
    guest.record(Kind.FLAG_SET, actor="user:1", flag="product_interest", product_line="Насосы")
    guest.record(Kind.NOTE, actor="device:3", device="Вход 1", text="Ждёт каталог")
    guest.record(Kind.FLAG_WITHDRAWN, actor="user:1", flag="product_interest")
    told = guest.path()
    for expected in (
        "Отобран по сегменту",
        "Зарегистрирован на странице регистрации",
        "Главный вход – телефон «Вход 1»",
        "Отметка: Интерес к продукту (Насосы)",
        "Анна Админова",
        "Заметка: Ждёт каталог",
        "Отметка снята: Интерес к продукту",
    ):
        assert expected in told
    assert told.index("Отметка снята") < told.index("Отобран")


def test_what_people_typed_is_text_and_never_markup(guest: Guest) -> None:
    guest.record(Kind.NOTE, text="<script>alert(1)</script>")
    html = guest.tabs.get("participation/path", item_id=guest.item_id).get_json()["html"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_flag_changed_in_the_portal_is_read_at_once(guest: Guest) -> None:
    kind = guest.tabs.place.binding.participation
    field = kind.fields[flag_field("quote_requested")]
    guest.tabs.place.rest(
        "crm.item.update", {"entityTypeId": kind.entity_type_id, "id": guest.item_id, "fields": {field: "Y"}}
    )
    assert guest.call("changed", token="").status_code == 200
    guest.tabs.drain()
    assert guest.row().flags == {"quote_requested": True}
    assert "Отметка: Просит расчёт" in guest.path()
    assert "Правило «Запрос расчёта»" in guest.path()


def test_the_tab_offers_the_ticket_only_to_whom_it_opens_the_door(guest: Guest) -> None:
    assert "Отправить билет" not in guest.path()
    guest.record(Kind.REGISTERED, source="page")
    assert "Отправить билет" in guest.path()
    assert guest.call("resend").get_json() == {"queued": True}
    guest.record(Kind.CANCELLED)
    assert "Отправить билет" not in guest.path()


def test_an_arrival_is_annulled_once_with_its_reason(guest: Guest) -> None:
    guest.record(Kind.ARRIVED, actor="device:3", gate="Главный вход")
    body = {"reason": "  Не тот человек ", "click": "0123456789abcdef"}
    for _ in range(2):
        assert guest.call("annul", body).status_code == 200
    assert guest.row().arrived_at is None
    annulled = [one for one in guest.facts() if one.kind is Kind.ARRIVAL_ANNULLED]
    assert [(one.actor, one.data["reason"]) for one in annulled] == [("user:1", "Не тот человек")]
    assert "Приход отменён: Не тот человек" in guest.path()


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"reason": ""},
        {"reason": "   ", "click": "0123456789"},
        {"reason": 5, "click": "0123456789"},
        {"reason": "x" * 301, "click": "0123456789"},
        {"reason": "x"},
        {"reason": "x", "click": "1"},
        {"reason": "x", "click": ["0123456789"]},
    ],
)
def test_an_annulment_without_a_reason_changes_nothing(guest: Guest, body: Any) -> None:
    guest.record(Kind.ARRIVED)
    assert guest.call("annul", body).status_code == 400
    assert guest.row().arrived_at is not None


def test_a_flag_is_taken_back_once_with_its_reason_and_in_the_portal_too(guest: Guest) -> None:
    guest.record(Kind.ARRIVED, actor="device:3")
    guest.record(Kind.FLAG_SET, actor="device:3", flag="quote_requested")
    guest.tabs.drain()
    body = {"reason": "Перепутали гостей", "click": "0123456789abcdef"}
    for _ in range(2):
        assert guest.call("withdraw/quote_requested", body).status_code == 200
    guest.tabs.drain()
    assert guest.row().flags == {}
    assert [one.data["reason"] for one in guest.facts() if one.kind is Kind.FLAG_WITHDRAWN] == [
        "Перепутали гостей"
    ]
    assert "Отметка снята: Просит расчёт – Перепутали гостей" in guest.path()
    assert guest.item()[guest.field(flag_field("quote_requested"))] == "N"


@pytest.mark.parametrize("flag", ["quote_requested", "no-such-flag"])
def test_a_flag_that_is_not_set_is_not_taken_back(guest: Guest, flag: str) -> None:
    before = guest.facts()
    reply = guest.call(f"withdraw/{flag}", {"reason": "x", "click": "0123456789"})
    assert reply.status_code == (404 if "-" in flag else 200)
    assert guest.facts() == before


def test_a_note_written_in_the_portal_is_shown_to_be_edited(guest: Guest) -> None:
    guest.record(Kind.NOTE, actor="device:3", text="Ждёт <каталог>")
    page = guest.tabs.get("participation/path", item_id=guest.item_id).get_json()["html"]
    assert f'data-field="{guest.field("note")}">Ждёт &lt;каталог&gt;</textarea>' in page


def test_an_outcome_is_shown_without_a_word_about_other_guests(guest: Guest) -> None:
    """It may speak for colleagues whose cards this viewer may not read."""
    guest.record(Kind.ARRIVED, actor="device:3")
    guest.record(Kind.FLAG_SET, actor="device:3", flag="quote_requested")
    person = next(row for row in guest.tabs.rows(t.person) if row.id == guest.row().person_id)
    guest.tabs.drain()
    told = guest.path()
    assert "Сделка №" in told
    assert person.last_name not in told


@pytest.mark.parametrize("action", ["resend", "annul", "withdraw/quote_requested"])
def test_an_action_needs_the_viewers_own_token(guest: Guest, action: str) -> None:
    reply = guest.call(action, {"reason": "x", "click": "0123456789"}, token="")
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_viewer_token")


def test_the_page_opens_on_a_card(guest: Guest) -> None:
    page = guest.tabs.page("participation", guest.item_id)
    assert page.status_code == 200
    assert "Что было" in page.text
    assert "Сохраните карточку" in guest.tabs.page("participation", 0).text
