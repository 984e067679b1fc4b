"""The suite's own tools do what tests rely on."""

from __future__ import annotations

import asyncio
import itertools
import socket
from threading import Timer

import psycopg
import pytest

from tests.eventually import eventually

ELSEWHERE = "192.0.2.1"  # an address kept for documentation: nobody answers there


def test_a_connection_to_another_machine_fails_the_test() -> None:
    with socket.socket() as stranger, pytest.raises(pytest.fail.Exception, match=ELSEWHERE):
        stranger.connect((ELSEWHERE, 80))


def test_a_look_up_of_a_name_fails_the_test_and_cannot_be_taken_for_an_outage() -> None:
    def try_later() -> None:
        try:
            socket.create_connection(("portal.example", 443))
        except Exception as error:  # noqa: BLE001 - the very thing code under test may do
            pytest.fail(f"swallowed as {error!r}")

    with pytest.raises(pytest.fail.Exception, match=r"reach 'portal\.example'"):
        try_later()


def test_asyncio_is_held_to_the_same_rule() -> None:
    with pytest.raises(pytest.fail.Exception, match=ELSEWHERE):
        asyncio.run(asyncio.open_connection(ELSEWHERE, 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_eventually_answers_the_first_true_value() -> None:
    done: list[str] = []
    timer = Timer(0.05, done.append, ["arrived"])
    timer.start()
    assert eventually(lambda: done) == ["arrived"]
    timer.join()


def test_eventually_repeats_a_failing_assert_until_it_holds() -> None:
    numbers = itertools.count()

    def third_time() -> str:
        assert next(numbers) == 2
        return "held"

    assert eventually(third_time, every=0) == "held"


def test_eventually_says_what_it_waited_for_and_what_it_saw() -> None:
    with pytest.raises(AssertionError, match=r"waiting for the guest; last seen: \[\]"):
        eventually(list, within=0, waiting_for="the guest")


@pytest.mark.postgres
def test_each_test_gets_an_empty_postgresql_of_its_own(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as database:
        tables = database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
