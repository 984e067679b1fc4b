"""Machines that disagree about the time agree through the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa

from b24.store import clock as shared
from b24.store.clock import SharedClock
from b24.store.engine import DatabaseAway, Store
from tests.b24.conftest import NOW
from tests.eventually import eventually

HOUR = timedelta(hours=1)


class Database:
    """Says what time it is there; ``away`` and ``slow`` are its bad moments."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.away = False
        self.stopwatch = 100.0
        self.takes_s = 0.0
        self.looks = 0

    @contextmanager
    def reading(self) -> Iterator[Database]:
        if self.away:
            self.looks += 1
            raise DatabaseAway("away", None, Exception())
        yield self
        self.looks += 1

    def execute(self, _statement: Any) -> Database:
        self.stopwatch += self.takes_s
        return self

    def scalar_one(self) -> datetime:
        return self.now


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database(NOW)
    monkeypatch.setattr("b24.store.clock.time.monotonic", lambda: made.stopwatch)
    monkeypatch.setattr(shared, "LOOK_S", 0.001)
    return made


@pytest.fixture
def clock(database: Database) -> Iterator[SharedClock]:
    made = SharedClock(cast(Store, database))
    yield made
    made.close()


def looked(database: Database) -> None:
    seen = database.looks
    eventually(lambda: database.looks > seen + 1, waiting_for="another look")


def test_it_is_the_databases_time_whatever_this_machine_believes(database: Database) -> None:
    database.now = datetime.fromisoformat("2031-05-01T10:00:00+00:00")
    clock = SharedClock(cast(Store, database))
    assert clock() == database.now
    clock.close()


def test_between_looks_it_runs_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LOOK_S", 3600)
    clock = SharedClock(cast(Store, database))
    database.stopwatch += 2.5
    assert clock() == NOW + timedelta(seconds=2.5)
    clock.close()


def test_it_follows_the_database(database: Database, clock: SharedClock) -> None:
    database.now = NOW + HOUR
    eventually(lambda: clock() == NOW + HOUR)


def test_a_look_that_took_long_tells_nothing(database: Database, clock: SharedClock) -> None:
    database.takes_s = 1.0
    database.now = NOW + HOUR
    looked(database)
    assert clock() < NOW + HOUR


def test_a_database_that_is_away_does_not_stop_it(database: Database, clock: SharedClock) -> None:
    database.away = True
    looked(database)
    assert clock() == NOW
    database.away = False
    database.now = NOW + HOUR
    eventually(lambda: clock() == NOW + HOUR)


def test_closed_it_looks_no_more(database: Database) -> None:
    clock = SharedClock(cast(Store, database))
    clock.close()
    eventually(lambda: all(one.name != "clock" for one in threading.enumerate()))


@pytest.mark.postgres
def test_a_real_database_and_its_clock_agree(postgres_url: str) -> None:
    store = Store(postgres_url)
    clock = SharedClock(store)
    try:
        with store.reading() as tx:
            asked = sa.select(sa.func.clock_timestamp())
            before = tx.execute(asked).scalar_one()
            ours = clock()
            after = tx.execute(asked).scalar_one()
        # As exact as its look was.
        precision = timedelta(seconds=shared.PRECISE_S)
        assert before - precision <= ours <= after + precision
    finally:
        clock.close()
        store.close()
