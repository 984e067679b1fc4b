"""Intensity and working-time limits: limits.md. The clocks are moved, nothing waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from b24.sandbox.limits import LeakyBucket, OperatingBudget
from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest

Start = Callable[..., Sandbox]
Connect = Callable[[Sandbox], Rest]


class Clock:
    """Monotonic seconds under the test's control."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def taken(bucket: LeakyBucket, tries: int, source: str = "a") -> int:
    return sum(bucket.take(source) for _ in range(tries))


@pytest.mark.parametrize(("capacity", "rate"), [(50, 2.0), (250, 5.0)])
def test_a_burst_fills_the_bucket_and_it_drains_steadily(capacity: int, rate: float) -> None:
    clock = Clock()
    bucket = LeakyBucket(capacity, rate, clock)
    assert taken(bucket, capacity + 20) == capacity
    clock.seconds += 1
    assert taken(bucket, 20) == int(rate)
    clock.seconds += capacity / rate
    assert taken(bucket, capacity + 20) == capacity


def test_a_steady_caller_is_never_refused() -> None:
    clock = Clock()
    bucket = LeakyBucket(50, 2.0, clock)
    taken(bucket, 50)
    for _ in range(200):
        clock.seconds += 0.5
        assert bucket.take("a")


def test_a_refused_call_is_not_counted() -> None:
    clock = Clock()
    bucket = LeakyBucket(50, 2.0, clock)
    taken(bucket, 500)
    clock.seconds += 0.5
    assert bucket.take("a")


def test_addresses_have_buckets_of_their_own() -> None:
    bucket = LeakyBucket(50, 2.0, Clock())
    assert taken(bucket, 60, "a") == 50
    assert taken(bucket, 60, "b") == 50


def test_the_portal_refuses_with_503_whoever_the_application_is(start: Start, connect: Connect) -> None:
    rest = connect(start(limits=True))
    answers = [rest.hook("server.time") if n % 2 else rest.send("server.time") for n in range(60)]
    refused = [one for one in answers if one.status_code == 503]
    assert 4 <= len(refused) <= 10
    assert all(one.status_code == 200 for one in answers[:50])
    assert refused[0].json() == {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}


def test_a_browser_on_the_same_machine_is_another_address(start: Start, connect: Connect) -> None:
    rest = connect(start(limits=True))
    for _ in range(55):
        rest.hook("server.time")
    assert rest.hook("server.time").status_code == 503
    answer = rest.http.post(rest.access["webhook_url"] + "profile", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 200


def test_a_batch_counts_once(start: Start, connect: Connect) -> None:
    rest = connect(start(limits=True))
    for _ in range(45):
        assert len(rest.batch({f"c{n}": "server.time" for n in range(20)})["result"]) == 20


def test_the_enterprise_plan_takes_more(start: Start, connect: Connect) -> None:
    rest = connect(start(limits=True, plan="enterprise"))
    assert [rest.hook("server.time").status_code for _ in range(120)] == [200] * 120
    assert rest("app.info")["LICENSE_FAMILY"] == "ent"


def test_without_limits_nobody_counts(rest: Rest) -> None:
    assert {rest.hook("server.time").status_code for _ in range(80)} == {200}


def test_operating_adds_up_and_drops_out_by_the_minute() -> None:
    budget = OperatingBudget()
    start = 1_800_000_000.0
    for minute in range(10):
        budget.add("app 1", "crm.item.list", 40, start + 60 * minute)
    late = start + 60 * 9 + 1
    assert budget.spent("app 1", "crm.item.list", late) == 400
    assert budget.reset_at("app 1", "crm.item.list", late) == int(start) + 600
    assert budget.spent("app 1", "crm.item.list", start + 601) == 360
    assert budget.spent("app 1", "crm.item.list", start + 10_000) == 0


def test_the_call_that_crosses_the_limit_ends_and_the_next_is_blocked() -> None:
    budget = OperatingBudget()
    budget.add("app 1", "m", 480, 1_800_000_000)
    assert not budget.exceeded("app 1", "m", 1_800_000_001)
    budget.add("app 1", "m", 20, 1_800_000_002)
    assert budget.exceeded("app 1", "m", 1_800_000_003)
    assert not budget.exceeded("app 2", "m", 1_800_000_003)
    assert not budget.exceeded("app 1", "other", 1_800_000_003)


def test_a_spent_method_answers_429_and_others_go_on(start: Start, connect: Connect) -> None:
    rest = connect(start())
    rest.control("limits/operating", {"method": "user.get", "seconds": 500})
    blocked = rest.send("user.get")
    assert blocked.status_code == 429
    assert blocked.json() == {
        "error": "OPERATION_TIME_LIMIT",
        "error_description": "Method is blocked due to operation time limit.",
    }
    assert rest.send("profile").status_code == 200
    assert rest.hook("user.get").status_code == 200
    done = rest.batch({"a": "user.get", "b": "profile"})
    assert done["result_error"]["a"]["error"] == "OPERATION_TIME_LIMIT"
    rest.control("clock", {"advance_s": 601})
    fresh = rest.control("access", method="GET")["access_token"]
    assert rest.send("user.get", token=fresh).status_code == 200


def test_operating_of_the_answer_is_what_the_method_has_used(start: Start, connect: Connect) -> None:
    rest = connect(start())
    rest.control("limits/operating", {"method": "profile", "seconds": 3})
    time = rest.answer("profile")["time"]
    assert 3 < time["operating"] < 10
    assert 0 < time["operating_reset_at"] - time["finish"] <= 600
