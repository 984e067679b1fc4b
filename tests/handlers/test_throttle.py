from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from handlers import throttle
from handlers.throttle import Throttle, caller


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_burst_passes_and_then_tries_come_back_evenly() -> None:
    clock = Clock()
    few = Throttle(3, 60, clock)
    assert [few.allows("a") for _n in range(5)] == [True, True, True, False, False]
    clock.now += timedelta(seconds=20)
    assert [few.allows("a") for _n in range(2)] == [True, False]
    clock.now += timedelta(minutes=10)
    assert [few.allows("a") for _n in range(4)] == [True, True, True, False]


def test_callers_do_not_share_a_bucket() -> None:
    few = Throttle(1, 60, Clock())
    assert [few.allows(key) for key in ("a", "a", "b")] == [True, False, True]


def test_memory_is_bounded_and_the_longest_absent_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST_KEYS", 2)
    few = Throttle(1, 60, Clock())
    assert [few.allows(key) for key in ("a", "b", "a", "c", "a", "b")] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("not an address", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_network_of_ipv6_is_one_caller(address: str, expected: str) -> None:
    with Flask("test").test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert caller() == expected
