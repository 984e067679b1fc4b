"""The section «Обмен с CRM»: for administrators by the portal's own answer, in the reader's language, paged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.call_log import Line
from b24.page_session import HEADER, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.store import calls
from b24.store.tables import rest_call
from placements.session import TOKEN_HEADER
from tests.tab_world import Tabs, open_tabs, text_of

Wire = dict[str, Any]


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    options = Options(port=0, seed="demo", limits=False, pages=False, smtp_port=0)
    with Sandbox(options) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("health"))
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


def headers(tabs: Tabs, user_id: int = 1, language: str = "ru") -> dict[str, str]:
    """Of somebody whose session says that they are an administrator."""
    session = PageSession(1, user_id, True, "app", language=language)
    return {HEADER: session.sign(tabs.place.service.secrets), TOKEN_HEADER: tabs.token(user_id)}


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
