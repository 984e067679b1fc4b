"""Short transactions over either database, and the guard against one inside another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from b24.store.tables import portal
from tests.b24.conftest import NOW, World, grant


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
