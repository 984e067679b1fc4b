"""Workers on the queue engine: what they are at is finished before the queue is closed, however it ends."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from b24 import leases
from b24.store import marks, migrate
from b24.store import queue as tables
from b24.store.engine import Store
from b24.store.tables import portal
from smart_process.service import Service
from smart_process.sync import queue

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    made = Store(postgres_url)
    migrate.upgrade(made)
    yield made
    made.close()


def waiting(store: Store) -> list[tuple[str, int]]:
    """Jobs in the order in which workers take them: all of one priority."""
    with store.reading() as tx:
        found = tx.execute(sa.text("SELECT task_name, args FROM queue.procrastinate_jobs ORDER BY id"))
        return [(row.task_name, row.args["portal_id"]) for row in found]


def test_who_is_at_work_when_the_queue_fails_can_still_put_something_into_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = threading.Event(), PsycopgConnector.close_async

    async def close_async(self: PsycopgConnector) -> None:
        await close(self)
        closed.set()

    async def fails(self: App, **_: Any) -> None:
        def looks_around() -> None:
            closed.wait(0.5)
            queue.put(self, "drain", 7)

        asyncio.get_running_loop().run_in_executor(None, looks_around)
        raise ConnectionError("the database is away")

    monkeypatch.setattr(PsycopgConnector, "close_async", close_async)
    monkeypatch.setattr(App, "run_worker_async", fails)
    with pytest.raises(ConnectionError):
        asyncio.run(queue._work(cast(Service, SimpleNamespace(store=store)), queue.Stopping()))
    assert waiting(store) == [("drain", 7)]


def test_what_was_noted_is_told_before_the_end_and_once(store: Store) -> None:
    nudges = queue.Nudges(tables.connection(store))
    for portal_id in (1, 2, 1):
        nudges.wake(portal_id)
    nudges.close()
    assert sorted(waiting(store)) == [("drain", 1), ("drain", 2)]


def test_every_portal_that_waits_has_one_turn_the_longest_waiting_first_and_none_while_it_is_drained(
    store: Store,
) -> None:
    many, drained, small = 1, 2, 3
    with store.transaction() as tx:
        for number in (many, drained, small):
            row = {"member_id": f"m{number}", "client_endpoint": "https://portal.example/rest/"}
            tokens = {"access_token": "x", "refresh_token": "x", "token_expires_at": NOW, "user_id": 1}
            tx.execute(sa.insert(portal).values(id=number, installed_at=NOW, updated_at=NOW, **row, **tokens))
        marks.mark(tx, many, "participation", range(3_000), now=NOW - timedelta(minutes=1))
        marks.mark(tx, drained, "participation", [1], now=NOW - timedelta(hours=1))
        marks.mark(tx, small, "participation", [1], now=NOW - timedelta(minutes=2))
        leases.acquire(tx, drained, "another worker", ttl_s=60, now=NOW)
    service = cast(Service, SimpleNamespace(store=store, clock=lambda: NOW))
    app = App(connector=SyncPsycopgConnector(**tables.connection(store)))
    with app.open():
        tasks = queue._Tasks(app, service, going_on=lambda: True)
        for second in range(2):
            tasks._look_around(second)
    assert waiting(store) == [("drain", small), ("drain", many)]


def test_a_worker_asked_to_end_while_its_queue_is_away_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    async def away(_service: Service, stopping: queue.Stopping) -> None:
        rounds.append(stopping.is_set())
        signal.raise_signal(signal.SIGTERM)
        raise ConnectionError("the database is away")

    monkeypatch.setattr(queue, "_work", away)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        queue.work(cast(Service, SimpleNamespace()))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert rounds == [False]
