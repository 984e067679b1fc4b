"""Workers on the queue engine: what they are at is finished before the queue is closed, however it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from procrastinate import App, PsycopgConnector

from b24.store import migrate
from b24.store import queue as tables
from b24.store.engine import Store
from smart_process.service import Service
from smart_process.sync import queue

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    made = Store(postgres_url)
    migrate.upgrade(made)
    yield made
    made.close()


def waiting(store: Store) -> set[tuple[str, int]]:
    with store.reading() as tx:
        found = tx.execute(sa.text("SELECT task_name, args FROM queue.procrastinate_jobs"))
        return {(row.task_name, row.args["portal_id"]) for row in found}


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
        asyncio.run(queue._work(cast(Service, SimpleNamespace(store=store)), threading.Event()))
    assert waiting(store) == {("drain", 7)}


def test_what_was_noted_is_told_before_the_end_and_once(store: Store) -> None:
    nudges = queue.Nudges(tables.connection(store))
    for portal_id in (1, 2, 1):
        nudges.wake(portal_id)
    nudges.close()
    assert waiting(store) == {("drain", 1), ("drain", 2)}
