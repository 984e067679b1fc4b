"""A portal with thousands of marks beside small ones: told by the order of drains, not by a clock on the wall."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Store
from b24.store.tables import mark, portal
from smart_process.service import Service
from smart_process.sync import drain as drains
from smart_process.sync import sweep
from smart_process.sync import worker as workers
from smart_process.sync.work import Work
from smart_process.sync.worker import Worker
from tests.eventually import eventually
from tests.smart_process.sync.story import Company

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SMALL = range(2, 22)
BUSY, MANY, A_TURN = 1, 3000, 100


@dataclass
class Turns:
    """Stands for the drain: a turn of a portal takes as many marks as its time allows."""

    store: Store
    order: list[int] = field(default_factory=list)

    def drain(self, _service: Service, portal_id: int, *, going_on: Callable[[], bool]) -> int:
        assert going_on()
        self.order.append(portal_id)
        with self.store.transaction() as tx:
            some = marks.claim(tx, portal_id, ["participation"], now=NOW, limit=A_TURN)
            marks.done(tx, some)
        return len(some)

    def left(self) -> int:
        with self.store.reading() as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(mark)) or 0


@pytest.fixture
def turns(store: Store, monkeypatch: pytest.MonkeyPatch) -> Turns:
    """One portal with thousands of marks, the oldest of all, and twenty with one each."""
    with store.transaction() as tx:
        for number in (BUSY, *SMALL):
            row = {"member_id": f"m{number}", "client_endpoint": "https://portal.example/rest/"}
            tokens = {"access_token": "x", "refresh_token": "x", "token_expires_at": NOW, "user_id": 1}
            tx.execute(sa.insert(portal).values(id=number, installed_at=NOW, updated_at=NOW, **row, **tokens))
        marks.mark(tx, BUSY, "participation", range(MANY), now=NOW - timedelta(hours=1))
        for number in SMALL:
            marks.mark(tx, number, "participation", [1], now=NOW)
    made = Turns(store)
    monkeypatch.setattr(workers, "drain", made.drain)
    monkeypatch.setattr(workers, "THREADS", 1)
    monkeypatch.setattr(workers, "TICK_S", 0.05)
    return made


def test_no_portal_waits_until_a_busy_one_is_done(turns: Turns) -> None:
    service = cast(Service, SimpleNamespace(store=turns.store, clock=lambda: NOW))
    worker = Worker()
    worker.start(service)
    try:
        eventually(lambda: turns.left() == 0, within=60, waiting_for="every mark to be worked off")
    finally:
        worker.stop()
    assert turns.order.count(BUSY) >= MANY / A_TURN
    for number in SMALL:
        before = turns.order[: turns.order.index(number)]
        assert before.count(BUSY) <= 2


def test_a_portal_that_does_not_answer_holds_up_nobodys_sweep(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = cast(Service, SimpleNamespace(store=turns.store, clock=lambda: NOW))
    answers, swept = threading.Event(), set[int]()

    def quietly(_service: Service, portal_id: int) -> None:
        if portal_id == BUSY:
            assert answers.wait(60)
        swept.add(portal_id)

    monkeypatch.setattr(sweep, "quietly", quietly)
    monkeypatch.setattr(sweep, "forget_old", lambda _service: None)
    monkeypatch.setattr(workers, "SWEEP_S", 0.05)
    worker = Worker()
    worker.start(service)
    try:
        eventually(lambda: swept == set(SMALL), within=60, waiting_for="the sweep of every other portal")
        eventually(lambda: turns.left() == 0, within=60, waiting_for="the drains")
    finally:
        answers.set()
        worker.stop()


def test_a_worker_ends_although_its_jobs_are_adding_jobs(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler keeps its lock while it waits for jobs; one that adds another at that moment waits for the lock."""
    stopping = threading.Event()

    def endless(_service: Service) -> list[int]:
        assert stopping.wait(60)
        return [BUSY, *SMALL]

    monkeypatch.setattr(workers, "due", endless)
    service = cast(Service, SimpleNamespace(store=turns.store, clock=lambda: NOW))
    worker = Worker()
    worker.start(service)
    ending = threading.Thread(target=worker.stop)
    eventually(lambda: worker._at_work > 0, within=60, waiting_for="a tick")
    ending.start()
    eventually(lambda: worker._stopping, within=60, waiting_for="the worker to be told")
    stopping.set()
    ending.join(60)
    assert not ending.is_alive()
    assert turns.order == []


def test_the_longest_waiting_portal_has_its_turn_first(turns: Turns) -> None:
    with turns.store.transaction() as tx:
        tx.execute(sa.update(mark).where(mark.c.portal_id == 7).values(due_at=NOW - timedelta(hours=2)))
        found = marks.due_portals(tx, now=NOW)
    assert found[:2] == [7, BUSY]
    assert sorted(found) == [BUSY, *SMALL]


def test_a_turn_ends_with_its_time_although_there_is_more(
    place: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is given back; what is left is due as before."""
    steps: list[int] = []

    def slow(work: Work) -> int:
        steps.append(1)
        place.clock.ahead += timedelta(seconds=3)
        return 50

    monkeypatch.setattr(drains, "STEPS", (slow,))
    before: Any = place.clock()
    assert drains.drain(place.service, place.portal_id, budget_s=20) == 50 * 7
    assert timedelta(seconds=20) <= place.clock() - before < timedelta(seconds=30)
    assert len(steps) == 7
