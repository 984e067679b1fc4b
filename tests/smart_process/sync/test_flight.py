"""Requests on their way at the same time: smart_process/sync/flight, and the push that uses it."""

from __future__ import annotations

import threading

import pytest

from smart_process.sync.flight import AT_A_TIME, Flight, Leaving


def test_the_next_request_is_prepared_as_soon_as_the_one_before_has_left() -> None:
    answer, done = threading.Event(), list[int]()

    def job(left: Leaving) -> None:
        left()
        assert answer.wait(30)
        done.append(1)

    with Flight() as flight:
        while flight.room:
            flight.send(job)
        assert not done
        answer.set()
    assert len(done) == AT_A_TIME


def test_after_an_answer_no_further_request_leaves() -> None:
    with Flight() as flight:
        flight.send(lambda left: left())
        flight.send(lambda left: None)
        assert not flight.room


def test_a_request_that_never_leaves_is_waited_for_no_longer_and_its_error_is_raised() -> None:
    def broken(left: Leaving) -> None:
        raise ZeroDivisionError

    def send() -> None:
        with Flight() as flight:
            flight.send(broken)

    with pytest.raises(ZeroDivisionError):
        send()
