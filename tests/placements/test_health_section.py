"""The section «Обмен с CRM»: for administrators by the portal's own answer, in the reader's language, paged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from b24.call_log import Line
from b24.page_session import HEADER, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.store import calls, marks
from b24.store.tables import mark, rest_call
from placements.session import TOKEN_HEADER
from smart_process.store import findings, messages
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of

Wire = dict[str, Any]


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    options = Options(port=0, seed="demo", limits=False, pages=False, smtp_port=0)
    with Sandbox(options) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("health"))
        _add_guest(world)
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


def _add_guest(tabs: Tabs) -> None:
    """A guest with a card, and a mail to them."""
    parent = tabs.place.binding.parent_event
    fields = {"title": "Гость", parent: tabs.event_item, "contactId": 1}
    made = tabs.place.rest("crm.item.add", {"entityTypeId": tabs.card_type, "fields": fields})
    tabs.pull(tabs.card_type, int(made["item"]["id"]))
    (seat,) = tabs.rows(t.participation)
    with tabs.place.service.store.transaction() as tx:
        messages.queue(tx, seat.id, messages.TICKET, to="g@firm.example", now=tabs.place.service.clock())


def headers(tabs: Tabs, user_id: int = 1, language: str = "ru", zone: str = "") -> dict[str, str]:
    """Of somebody whose session says that they are an administrator."""
    session = PageSession(1, user_id, True, "app", language=language, zone=zone)
    return {HEADER: session.sign(tabs.place.service.secrets), TOKEN_HEADER: tabs.token(user_id)}


def post(tabs: Tabs, path: str, data: Any, **who: Any) -> Any:
    return tabs.place.web.post(f"/b24/api/settings/health/{path}", json=data, headers=headers(tabs, **who))


def log(tabs: Tabs, query: str = "", **who: Any) -> Wire:
    reply = tabs.place.web.get(f"/b24/api/settings/health/calls?{query}", headers=headers(tabs, **who))
    assert reply.status_code == 200, reply.text
    return dict(reply.get_json())


@pytest.fixture
def logged(tabs: Tabs) -> Iterator[Tabs]:
    """Sixty lines of half an hour; the newest are errors. What reading them calls is told apart by its methods."""
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        tx.execute(sa.delete(rest_call))
        calls.write(
            tx,
            1,
            [
                Line(
                    now - timedelta(seconds=30 * (59 - n)),
                    f"mine.{n}",
                    '{"id": 7}',
                    400 if n > 57 else 200,
                    "NOT_FOUND: <b>нет</b>" if n > 57 else "",
                    n,
                )
                for n in range(60)
            ],
        )
    yield tabs
    with tabs.place.service.store.transaction() as tx:
        tx.execute(sa.delete(rest_call))


def test_calls_are_shown_page_by_page(logged: Tabs) -> None:
    first = log(logged, "method=mine")
    assert first["html"].count("<tr>") == calls.PAGE
    rest = log(logged, f"method=mine&before={first['before']}")
    assert rest["html"].count("<tr>") == 60 - calls.PAGE
    assert rest["before"] is None


def test_errors_are_found_and_the_portals_words_are_no_markup(logged: Tabs) -> None:
    found = log(logged, "failed=1&error=not_found")["html"]
    assert found.count("<tr>") == 2
    assert "&lt;b&gt;нет&lt;/b&gt;" in found
    assert "HTTP 400" in found


def test_calls_are_found_by_time(logged: Tabs) -> None:
    now = logged.place.service.clock()
    until = (now - timedelta(minutes=25)).strftime("%Y-%m-%dT%H:%M:%S")
    assert 8 <= log(logged, f"method=mine&until={until}")["html"].count("<tr>") <= 10


def test_calls_are_shown_and_found_by_the_viewers_clock(logged: Tabs) -> None:
    with logged.place.service.store.reading() as tx:
        ((_id, line),) = calls.search(tx, 1, calls.Wanted(method="mine.7"))
    local = line.at.astimezone(ZoneInfo("Asia/Almaty"))
    second = f"{local:%Y-%m-%dT%H:%M:%S}"
    query = f"method=mine&since={second}&until={local + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    html = log(logged, query, zone="Asia/Almaty")["html"]
    assert html.count("<tr>") == 1
    assert f"{local:%H:%M:%S}" in html
    assert "Ничего не нашли" in log(logged, query)["html"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("ru", "Ничего не нашли"), ("en", "Nothing found"), ("kk", "Ештеңе табылмады")],
)
def test_nothing_found_is_said_in_the_readers_language(logged: Tabs, language: str, said: str) -> None:
    assert said in text_of(log(logged, "text=nowhere", language=language)["html"])


@pytest.mark.parametrize(
    "query",
    ["before=x", "before=-1", "since=yesterday", "text=" + "a" * 101, "before=" + "9" * 30, "text=%00"],
)
def test_an_unreadable_question_is_refused(tabs: Tabs, query: str) -> None:
    reply = tabs.place.web.get(f"/b24/api/settings/health/calls?{query}", headers=headers(tabs))
    assert reply.status_code == 400


def test_only_administrators_by_the_portals_word_read_the_log(tabs: Tabs) -> None:
    manager = int(tabs.place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])
    reply = tabs.place.web.get("/b24/api/settings/health/calls", headers=headers(tabs, manager))
    assert (reply.status_code, reply.get_json()["code"]) == (403, "not_admin")
    assert tabs.place.web.get("/b24/api/settings/health/calls").status_code == 401


# ------------------------------------------------------------------------ held work


@pytest.fixture
def held(tabs: Tabs) -> Iterator[tuple[str, str, str]]:
    """A seat the portal refused to change, with its card: reason, kind and key of the mark, as the page sends them."""
    with tabs.place.service.store.transaction() as tx:
        seat = tx.execute(
            sa.select(t.participation.c.id).where(t.participation.c.item_id.is_not(None)).limit(1)
        ).scalar_one()
        now = tabs.place.service.clock()
        tx.execute(sa.delete(mark))
        marks.mark(tx, 1, "participation", [seat], now=now)
        (one,) = marks.claim(tx, 1, ["participation"], now=now, limit=1)
        marks.hold(tx, one, reason="permanent", error="ACCESS_DENIED: <b>нет</b>", now=now)
    yield "permanent", "participation", str(seat)
    with tabs.place.service.store.transaction() as tx:
        tx.execute(sa.delete(mark))


def named(held: tuple[str, str, str], **more: Any) -> Wire:
    return dict(zip(("reason", "kind", "key"), held, strict=True)) | more


def work(tabs: Tabs, **who: Any) -> str:
    reply = tabs.place.web.get("/b24/api/settings/health/work", headers=headers(tabs, **who))
    assert reply.status_code == 200, reply.text
    return str(reply.get_json()["html"])


def test_held_work_is_shown_with_its_card_why_and_what_to_do(tabs: Tabs, held: tuple[str, str, str]) -> None:
    html = work(tabs)
    with tabs.place.service.store.reading() as tx:
        item_id = tx.scalar(sa.select(t.participation.c.item_id).where(t.participation.c.id == int(held[2])))
    eti = tabs.place.binding.participation.entity_type_id
    assert f'href="/crm/type/{eti}/details/{item_id}/"' in html
    said = text_of(html)
    assert "карточки участия – Портал отказал: 1" in said
    assert "Не хватает прав" in said
    assert "исправьте, на что жалуется портал" in said
    assert "<b>" not in html
    assert "UTC" in said


def test_every_held_mark_of_one_event_leads_to_its_card(tabs: Tabs, held: tuple[str, str, str]) -> None:
    event, now = tabs.event_id, tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        marks.mark(tx, 1, "decide", [f"{event}:c1", f"{event}:c2"], now=now)
        for one in marks.claim(tx, 1, ["decide"], now=now, limit=2):
            marks.hold(tx, one, reason="permanent", error="ACCESS_DENIED", now=now)
    link = f'href="/crm/type/{tabs.event_type}/details/{tabs.event_item}/"'
    assert work(tabs).count(link) == 2


@pytest.mark.parametrize(
    ("language", "said"),
    [("ru", "Ничего не ждёт решения."), ("en", "Nothing waits"), ("kk", "Шешім күтетін ештеңе жоқ.")],
)
def test_nothing_held_is_said_in_the_readers_language(tabs: Tabs, language: str, said: str) -> None:
    assert said in text_of(work(tabs, language=language))


@pytest.mark.parametrize("one", [True, False])
def test_held_work_is_tried_again(tabs: Tabs, held: tuple[str, str, str], one: bool) -> None:
    asked = named(held) if one else {"reason": held[0], "kind": held[1]}
    reply = post(tabs, "retry", asked)
    assert reply.get_json()["text"] == "Повторяем: 1."
    with tabs.place.service.store.reading() as tx:
        assert marks.waiting(tx, 1) == 1


def test_work_given_up_is_recorded_with_who_and_can_be_taken_up_again(
    tabs: Tabs, held: tuple[str, str, str]
) -> None:
    said = text_of(post(tabs, "give-up", named(held)).get_json()["html"])
    assert "Оставлено без выполнения" in said
    assert "отказался:" in said
    assert "Ничего не ждёт решения." in said
    assert post(tabs, "give-up", named(held)).get_json()["text"] == "Это больше не ждёт решения."
    post(tabs, "retry", named(held, reason=marks.DROPPED))
    with tabs.place.service.store.reading() as tx:
        assert marks.waiting(tx, 1) == 1


def test_a_mail_given_up_becomes_one_that_was_not_sent(tabs: Tabs) -> None:
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        message = tx.execute(sa.select(t.message).limit(1)).mappings().one()
        tx.execute(sa.update(t.message).where(t.message.c.id == message["id"]).values(state="waiting"))
        marks.mark(tx, 1, "mail", [message["id"]], now=now)
        (one,) = (x for x in marks.claim(tx, 1, ["mail"], now=now, limit=99) if x.key == str(message["id"]))
        marks.hold(tx, one, reason="setup", error="сервер не настроен", now=now)
    assert "письма" in text_of(work(tabs))
    post(tabs, "give-up", {"reason": "setup", "kind": "mail", "key": str(message["id"])})
    with tabs.place.service.store.transaction() as tx:
        after = tx.execute(sa.select(t.message).where(t.message.c.id == message["id"])).mappings().one()
        assert (after["state"], after["error"]) == ("failed", "Отменил администратор № 1.")
        assert not tx.scalar(sa.select(sa.func.count()).select_from(mark).where(mark.c.kind == "mail"))
        tx.execute(sa.update(t.message).where(t.message.c.id == message["id"]).values(state=message["state"]))


def test_mails_possibly_delivered_are_listed_with_their_event(tabs: Tabs) -> None:
    with tabs.place.service.store.transaction() as tx:
        message = tx.execute(sa.select(t.message).limit(1)).mappings().one()
        tx.execute(sa.update(t.message).where(t.message.c.id == message["id"]).values(state="possibly"))
    said = text_of(work(tabs))
    with tabs.place.service.store.transaction() as tx:
        tx.execute(sa.update(t.message).where(t.message.c.id == message["id"]).values(state=message["state"]))
    assert "Возможно, доставлены: 1" in said
    assert "Возможно, доставлены" not in text_of(work(tabs))


def test_cards_with_one_key_are_shown_with_their_links(tabs: Tabs) -> None:
    kind, now = tabs.card_type, tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        findings.keep_twins(tx, 1, {(kind, "k" * 32): [5, 9]}, now=now)
    html = work(tabs)
    with tabs.place.service.store.transaction() as tx:
        findings.keep_twins(tx, 1, {}, now=now)
    assert all(f"/crm/type/{kind}/details/{one}/" in html for one in (5, 9))
    assert "Карточки с одним ключом приложения" not in work(tabs)


@pytest.mark.parametrize(
    "data", [{}, [], {"reason": 1, "kind": "mail"}, {"kind": "mail"}, {"reason": "x" * 200, "kind": "mail"}]
)
@pytest.mark.parametrize("path", ["retry", "give-up"])
def test_unreadable_orders_are_refused(tabs: Tabs, path: str, data: Any) -> None:
    assert post(tabs, path, data).status_code == 400


@pytest.mark.parametrize("path", ["retry", "give-up"])
def test_only_administrators_decide_about_held_work(
    tabs: Tabs, held: tuple[str, str, str], path: str
) -> None:
    manager = int(tabs.place.rest.control("users", {"name": "Асель", "last_name": "Ким"})["id"])
    assert post(tabs, path, named(held), user_id=manager).status_code == 403
    with tabs.place.service.store.reading() as tx:
        assert [one.key for one in marks.held(tx, 1, reason="permanent", limit=9)] == [held[2]]
