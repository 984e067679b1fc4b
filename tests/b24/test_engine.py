"""Short transactions over either database, and the guard against one inside another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from b24.store import engine
from b24.store.engine import DatabaseAway, Store, Tx
from b24.store.tables import portal
from tests.b24.conftest import NOW, World, grant
from tests.eventually import eventually


def test_transaction_inside_a_transaction_is_a_mistake_and_no_deadlock(either_store: Store) -> None:
    with either_store.transaction(), pytest.raises(RuntimeError), either_store.transaction():
        pass
    with either_store.transaction() as tx:
        assert tx.scalar(sa.text("SELECT 1")) == 1


def test_rest_call_inside_a_transaction_is_a_mistake(
    store: Store, make_world: Callable[[Store], World]
) -> None:
    world = make_world(store)
    world.install(grant())
    with store.transaction(), pytest.raises(RuntimeError):
        world.client.call("profile")


def test_exception_rolls_everything_back(either_store: Store, make_world: Callable[[Store], World]) -> None:
    world = make_world(either_store)
    world.install(grant())

    def write_and_fail() -> None:
        with either_store.transaction() as tx:
            tx.execute(sa.update(portal).values(language="kk"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert world.row().language == "ru"


def test_moments_come_back_as_utc_and_naive_ones_are_refused(
    either_store: Store, make_world: Callable[[Store], World]
) -> None:
    world = make_world(either_store)
    world.install(grant())
    moment = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5)))
    with either_store.transaction() as tx:
        tx.execute(sa.update(portal).values(updated_at=moment))
    with either_store.reading() as tx:
        found = tx.scalar(sa.select(portal.c.updated_at))
    assert found == moment
    assert found.utcoffset() == timedelta(0)
    with pytest.raises(sa.exc.StatementError), either_store.transaction() as tx:
        tx.execute(sa.update(portal).values(updated_at=NOW.replace(tzinfo=None)))


@pytest.mark.postgres
def test_who_sleeps_in_a_transaction_keeps_nobody_waiting(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "NOT_FOR_EVER", "idle_in_transaction_session_timeout=50ms")
    sleeper = Store(postgres_url)
    monkeypatch.undo()
    others = Store(postgres_url)
    with others.transaction() as tx:
        tx.execute(sa.text("CREATE TABLE one AS SELECT 1 AS value"))

    def change(store: Store, value: int) -> None:
        with store.transaction() as tx:
            tx.execute(sa.text("UPDATE one SET value = :value"), {"value": value})

    def sleep_in_it() -> None:
        with sleeper.transaction() as tx:
            tx.execute(sa.text("UPDATE one SET value = 2"))
            # Waits for the lock of the sleeper.
            ThreadPoolExecutor().submit(change, others, 3).result(20)
            tx.execute(sa.text("UPDATE one SET value = 4"))

    with pytest.raises(DatabaseAway):
        sleep_in_it()
    change(sleeper, 5)
    with others.reading() as tx:
        assert tx.scalar(sa.text("SELECT value FROM one")) == 5
    sleeper.close()
    others.close()


def test_on_sqlite_who_waits_at_the_same_moment_is_written_together(
    store: Store, make_world: Callable[[Store], World]
) -> None:
    make_world(store).install(grant())
    commits: list[object] = []
    sa.event.listen(store.engine, "commit", commits.append)

    def named(language: str) -> Callable[[Tx], str]:
        def work(tx: Tx) -> str:
            tx.execute(sa.update(portal).values(language=sa.func.coalesce(portal.c.language, "") + language))
            if language == "!":
                raise ZeroDivisionError
            return language

        return work

    with ThreadPoolExecutor(4) as pool:
        with store.transaction() as tx:
            tx.execute(sa.update(portal).values(language=""))
            waiting = [pool.submit(store.shared, named(one)) for one in "kr!u"]
            eventually(lambda: len(store._turns) == 4)
        told = sorted(one.result() for one in waiting if one is not waiting[2])
        assert isinstance(waiting[2].exception(), ZeroDivisionError)
    with store.reading() as tx:
        kept = str(tx.scalar(sa.select(portal.c.language)))
    assert (told, sorted(kept), len(commits)) == (["k", "r", "u"], ["k", "r", "u"], 2)


def test_nothing_that_did_not_reach_the_disk_is_answered(
    store: Store, make_world: Callable[[Store], World]
) -> None:
    make_world(store).install(grant())

    def work(tx: Tx) -> None:
        tx.execute(sa.update(portal).values(language="en"))

    def full(tx: Tx) -> None:
        commits.append(tx)
        if len(commits) > 1:
            raise DatabaseAway("COMMIT", None, Exception("the disk is full"))

    commits: list[Tx] = []
    sa.event.listen(store.engine, "commit", full)

    with ThreadPoolExecutor(2) as pool:
        with store.transaction():
            waiting = [pool.submit(store.shared, work) for _ in range(2)]
            eventually(lambda: len(store._turns) == 2)
        assert [type(one.exception()) for one in waiting] == [DatabaseAway, DatabaseAway]
    sa.event.remove(store.engine, "commit", full)
    with store.reading() as tx:
        assert tx.scalar(sa.select(portal.c.language)) == "ru"
    store.shared(work)
