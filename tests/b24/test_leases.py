"""One owner at a time, and numbers that tell a stopped worker that it is no longer the one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from b24 import leases
from b24.store.engine import Store
from tests.b24.conftest import NOW, World, grant

LATER = NOW + timedelta(seconds=91)


@pytest.fixture
def installed(either_store: Store, make_world: Callable[[Store], World]) -> World:
    """A portal in either database."""
    world = make_world(either_store)
    world.install(grant())
    return world


def acquire(world: World, owner: str, now: object = NOW, name: str = leases.DRAIN) -> int | None:
    with world.portals.store.transaction() as tx:
        return leases.acquire(tx, world.portal_id, owner, 90, now, name=name)  # type: ignore[arg-type]


def test_second_owner_waits_until_the_lease_runs_out(installed: World) -> None:
    assert acquire(installed, "a") == 1
    assert acquire(installed, "b") is None
    assert acquire(installed, "b", LATER) == 2


def test_owner_keeps_its_number_and_a_new_owner_gets_a_higher_one(installed: World) -> None:
    assert acquire(installed, "a") == 1
    assert acquire(installed, "a") == 1
    with installed.portals.store.transaction() as tx:
        leases.release(tx, installed.portal_id, "a", NOW)
    assert acquire(installed, "b") == 2


def test_stopped_worker_cannot_renew_what_somebody_took(installed: World) -> None:
    fence = acquire(installed, "a")
    assert fence == 1
    with installed.portals.store.transaction() as tx:
        assert leases.renew(tx, installed.portal_id, "a", fence, 90, NOW)
    far = NOW + timedelta(seconds=200)
    assert acquire(installed, "b", far) == 2
    with installed.portals.store.transaction() as tx:
        assert not leases.renew(tx, installed.portal_id, "a", fence, 90, far)
        leases.release(tx, installed.portal_id, "a", far)
    assert acquire(installed, "a", far) is None


def test_leases_of_different_work_do_not_block_each_other(installed: World) -> None:
    assert acquire(installed, "a") == 1
    assert acquire(installed, "b", name=leases.REFRESH) == 1


def test_of_many_that_come_at_once_one_gets_it(installed: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: acquire(installed, f"worker-{n}"), range(8)))
    assert sorted(fence for fence in got if fence is not None) == [1]
