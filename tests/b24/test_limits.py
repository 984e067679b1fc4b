"""The request bucket and resting methods, over both databases and several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from b24.errors import Throttled
from b24.limits import MARGIN, Limits
from b24.store.engine import Store
from tests.b24.conftest import World, grant

START = 1_800_000_000.0


class Time:
    """A clock that moves only when told, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


@pytest.fixture
def installed(either_store: Store, make_world: Callable[[Store], World]) -> World:
    """A portal in either database."""
    world = make_world(either_store)
    world.install(grant())
    return world


def limits(world: World, time: Time, size: int = 50, rate: float = 2.0) -> Limits:
    return Limits(world.portals.store, size=size, rate=rate, now=time, sleep=time.sleep)


def test_burst_goes_at_once_then_requests_leave_at_the_rate(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    waits = [made.reserve(installed.portal_id, "m") for _ in range(50)]
    free = 50 - MARGIN - 10
    assert waits[:free] == pytest.approx([0.0] * free, abs=1e-3)
    assert waits[free:] == pytest.approx([0.5 * n for n in range(1, 50 - free + 1)], abs=1e-3)


def test_portal_never_sees_more_than_its_bucket(installed: World) -> None:
    time, level, last, highest = Time(), 0.0, START, 0.0
    made = limits(installed, time)
    for number in range(300):
        made.wait(installed.portal_id, "m", interactive=number % 7 == 0 and number < 100)
        level = max(0.0, level - (time.now - last) * 2.0) + 1
        last, highest = time.now, max(highest, level)
    assert highest <= 50 - MARGIN + 0.01
    assert time.now - START == pytest.approx((300 - 35) / 2, abs=6)


def test_viewers_find_room_when_background_work_has_used_its_part(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    for _ in range(35):
        made.reserve(installed.portal_id, "m")
    assert made.reserve(installed.portal_id, "m", interactive=True) == 0.0
    assert made.reserve(installed.portal_id, "m") > 0.0


def test_nobody_waits_for_ever_and_a_refused_wait_takes_no_slot(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    for _ in range(45):
        made.reserve(installed.portal_id, "m")
    for _ in range(6):
        made.reserve(installed.portal_id, "m", interactive=True)
    for _ in range(20):
        with pytest.raises(Throttled):
            made.reserve(installed.portal_id, "m", interactive=True)
    time.now += 10
    assert made.reserve(installed.portal_id, "m", interactive=True) == 0.0


def test_full_bucket_reported_by_the_portal_holds_everybody_back(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    back = made.full(installed.portal_id)
    wait = made.reserve(installed.portal_id, "m")
    assert wait == pytest.approx(back.timestamp() - START, abs=1.0)
    assert 5 < wait < 12
    assert made.full(installed.portal_id) >= back


def test_enterprise_is_faster(installed: World) -> None:
    time = Time()
    made = limits(installed, time, size=250, rate=5.0)
    assert [made.reserve(installed.portal_id, "m") for _ in range(195)] == pytest.approx(
        [0.0] * 195, abs=1e-3
    )
    assert made.reserve(installed.portal_id, "m") == pytest.approx(0.2, abs=1e-3)


def test_threads_share_one_bucket(installed: World) -> None:
    time = Time()
    made = [limits(installed, time) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda n: made[n % 4].reserve(installed.portal_id, "m"), range(60)))
    assert waits[:35] == pytest.approx([0.0] * 35, abs=1e-3)
    assert waits[35:] == pytest.approx([0.5 * n for n in range(1, 26)], abs=1e-3)


def test_portals_have_buckets_of_their_own(installed: World) -> None:
    first = installed.portal_id
    second = installed.install(grant(member_id="n" * 32))
    time = Time()
    made = limits(installed, time)
    for _ in range(60):
        made.reserve(first, "m")
    assert made.reserve(second, "m") == 0.0


def test_spent_method_rests_until_its_budget_renews_and_others_go_on(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    reset = datetime.fromtimestamp(START, UTC) + timedelta(minutes=5)
    made.note_reset(installed.portal_id, "crm.item.update", reset)
    assert made.spent(installed.portal_id, "CRM.item.update") == reset
    assert made.resting(installed.portal_id, ["crm.item.Update", "crm.item.list"]) == {
        "crm.item.update": reset
    }
    made.reserve(installed.portal_id, "crm.item.list")
    with pytest.raises(Throttled) as caught:
        made.reserve(installed.portal_id, "crm.item.update")
    assert caught.value.retry_at == reset
    assert caught.value.method == "crm.item.update"
    time.now += 301
    made.reserve(installed.portal_id, "crm.item.update")
    assert made.resting(installed.portal_id, ["crm.item.update"]) == {}


def test_method_with_unknown_reset_rests_a_minute(installed: World) -> None:
    time = Time()
    made = limits(installed, time)
    until = made.spent(installed.portal_id, "crm.item.add")
    assert until - datetime.fromtimestamp(START, UTC) == timedelta(minutes=1)


def test_method_resting_in_one_process_rests_in_all(installed: World) -> None:
    time = Time()
    limits(installed, time).spent(installed.portal_id, "crm.item.add")
    with pytest.raises(Throttled):
        limits(installed, time).reserve(installed.portal_id, "crm.item.add")
