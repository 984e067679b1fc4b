"""Marks: nothing that was marked is forgotten, nothing under way is hurried, the urgent go first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Store, Tx
from b24.store.marks import BULK, HOT, NORMAL, Mark
from b24.store.tables import mark as table
from b24.store.tables import portal

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=65)


@pytest.fixture
def place(either_store: Store) -> Store:
    """A database with three portals."""
    with either_store.transaction() as tx:
        for number in (1, 2, 3):
            tx.execute(
                sa.insert(portal).values(
                    member_id=f"m{number}",
                    client_endpoint="https://portal.example/rest/",
                    access_token="x",
                    refresh_token="x",
                    token_expires_at=NOW,
                    user_id=1,
                    installed_at=NOW,
                    updated_at=NOW,
                )
            )
    return either_store


def add(store: Store, *keys: str, now: datetime = NOW, portal_id: int = 1, **more: Any) -> None:
    with store.transaction() as tx:
        marks.mark(tx, portal_id, "push", keys, now=now, **more)


def claimed(store: Store, *, now: datetime = NOW, limit: int = 50) -> list[Mark]:
    with store.reading() as tx:
        return marks.claim(tx, 1, ["push"], now=now, limit=limit)


def keys(store: Store, **more: Any) -> list[str]:
    return [one.key for one in claimed(store, **more)]


def row(tx: Tx, key: str) -> Any:
    return tx.execute(sa.select(table).where(table.c.portal_id == 1, table.c.key == key)).one()


def test_a_mark_made_while_its_object_was_worked_on_stays(place: Store) -> None:
    add(place, "a", "b")
    work = claimed(place)
    add(place, "a")
    with place.transaction() as tx:
        marks.done(tx, work)
    assert keys(place) == ["a"]
    with place.transaction() as tx:
        marks.done(tx, claimed(place))
    assert keys(place) == []


def test_a_mark_made_meanwhile_can_be_made_to_wait_for_others(place: Store) -> None:
    add(place, "a", "b")
    some = claimed(place)
    add(place, "a")
    with place.transaction() as tx:
        marks.done(tx, some, again_at=LATER)
    assert keys(place) == []
    assert keys(place, now=LATER) == ["a"]


def test_marking_twice_is_one_row_with_a_higher_sequence(place: Store) -> None:
    add(place, "a", "a")
    add(place, "a")
    (one,) = claimed(place)
    assert one.seq == 2


def test_marks_of_several_kinds_and_portals_are_done_apart(place: Store) -> None:
    add(place, "a")
    add(place, "a", portal_id=2)
    with place.transaction() as tx:
        marks.mark(tx, 1, "pull", ["a"], now=NOW)
        marks.done(tx, claimed(place))
        left = {(one.portal_id, one.kind) for one in tx.execute(sa.select(table))}
    assert left == {(2, "push"), (1, "pull")}


def test_a_thousand_marks_are_done_at_once(place: Store) -> None:
    add(place, *map(str, range(1000)))
    work = claimed(place, limit=1000)
    add(place, "7", "999")
    with place.transaction() as tx:
        marks.done(tx, work)
    assert sorted(keys(place)) == ["7", "999"]


def test_the_urgent_go_before_the_ordinary_before_the_many(place: Store) -> None:
    add(place, "bulk", priority=BULK)
    add(place, "normal", priority=NORMAL, now=NOW - timedelta(minutes=5))
    add(place, "hot", priority=HOT)
    assert keys(place) == ["hot", "normal", "bulk"]
    assert keys(place, limit=1) == ["hot"]


def test_of_equal_urgency_the_longest_waiting_goes_first(place: Store) -> None:
    add(place, "late", now=NOW)
    add(place, "early", now=NOW - timedelta(seconds=1))
    assert keys(place) == ["early", "late"]


@pytest.mark.parametrize(("first", "second"), [(BULK, HOT), (HOT, BULK)])
def test_the_higher_of_two_urgencies_counts(place: Store, first: int, second: int) -> None:
    add(place, "a", priority=first)
    add(place, "a", priority=second)
    with place.reading() as tx:
        assert row(tx, "a").priority == HOT


@pytest.mark.parametrize(("first", "second"), [(0, 60), (60, 0)])
def test_the_earlier_of_two_due_times_counts(place: Store, first: int, second: int) -> None:
    for seconds in (first, second):
        add(place, "a", due_at=NOW + timedelta(seconds=seconds))
    assert keys(place) == ["a"]


def test_what_is_due_later_is_not_claimed_yet(place: Store) -> None:
    add(place, "a", due_at=LATER)
    assert keys(place) == []
    assert keys(place, now=LATER) == ["a"]


def test_a_passing_failure_waits_and_counts_and_a_throttled_one_does_not_count(place: Store) -> None:
    add(place, "a", "b")
    one, other = claimed(place)
    with place.transaction() as tx:
        marks.retry(tx, one, at=LATER, error="later")
        marks.retry(tx, other, at=LATER, error="throttled", counts=False)
    assert keys(place) == []
    assert [again.attempts for again in claimed(place, now=LATER)] == [1, 0]


# ------------------------------------------------------------------------------------------------ held


def test_held_work_runs_again_when_it_is_released(place: Store) -> None:
    add(place, "setup", "permanent")
    with place.transaction() as tx:
        for one in claimed(place):
            marks.hold(tx, one, reason=one.key, error="refused", now=NOW)
    assert keys(place, now=LATER) == []
    with place.transaction() as tx:
        assert marks.release(tx, 1, reason="setup", now=NOW) == 1
        assert marks.release(tx, 2, reason="permanent", now=NOW) == 0
    assert keys(place) == ["setup"]


def test_held_work_runs_again_when_its_object_changes(place: Store) -> None:
    add(place, "a")
    with place.transaction() as tx:
        marks.hold(tx, claimed(place)[0], reason="permanent", error="refused", now=NOW)
    add(place, "a", now=NOW + timedelta(seconds=1))
    assert keys(place, now=NOW + timedelta(seconds=1)) == ["a"]


def test_held_work_does_not_make_a_portal_due(place: Store) -> None:
    add(place, "a")
    with place.transaction() as tx:
        marks.hold(tx, claimed(place)[0], reason="permanent", error="refused", now=NOW)
        assert marks.due_portals(tx, now=LATER) == []
        assert marks.waiting(tx, 1) == 0


def held(place: Store, key: str, reason: str = "permanent", at: datetime = NOW) -> None:
    """An object whose work was stopped."""
    add(place, key)
    with place.transaction() as tx:
        (one,) = (one for one in marks.claim(tx, 1, ["push"], now=NOW, limit=9) if one.key == key)
        marks.hold(tx, one, reason=reason, error="NOT_FOUND: нет", now=at)


def test_held_work_is_listed_since_when_the_latest_first(place: Store) -> None:
    held(place, "early", at=NOW)
    held(place, "late", at=LATER)
    held(place, "other", "setup")
    with place.reading() as tx:
        found = marks.held(tx, 1, reason="permanent", limit=9)
        assert marks.held(tx, 2, reason="permanent", limit=9) == []
        assert marks.held(tx, 1, reason="permanent", kind="pull", limit=9) == []
    assert [(one.key, one.reason, one.at) for one in found] == [
        ("late", "permanent", LATER),
        ("early", "permanent", NOW),
    ]


def test_one_object_or_one_kind_is_released(place: Store) -> None:
    held(place, "a")
    held(place, "b")
    held(place, "c")
    with place.transaction() as tx:
        assert marks.release(tx, 1, reason="permanent", kind="pull", now=NOW) == 0
        assert marks.release(tx, 1, reason="permanent", kind="push", key="a", now=NOW) == 1
    assert keys(place) == ["a"]
    with place.transaction() as tx:
        assert marks.release(tx, 1, reason="permanent", kind="push", now=NOW) == 2


def test_work_given_up_is_left_and_known_until_its_object_changes(place: Store) -> None:
    held(place, "a")
    with place.transaction() as tx:
        assert marks.give_up(tx, 1, reason="permanent", kind="push", key="a", by=7, now=LATER)
        assert not marks.give_up(tx, 1, reason="permanent", kind="push", key="a", by=8, now=LATER)
        assert marks.release(tx, 1, reason="permanent", now=LATER) == 0
        assert marks.held(tx, 1, reason="permanent", limit=9) == []
        (one,) = marks.held(tx, 1, reason=marks.DROPPED, limit=9)
    assert (one.by, one.at, one.error) == (7, LATER, "NOT_FOUND: нет")
    assert keys(place, now=LATER) == []
    add(place, "a", now=LATER)
    assert keys(place, now=LATER) == ["a"]
    with place.reading() as tx:
        assert marks.held(tx, 1, reason=marks.DROPPED, limit=9) == []


def test_giving_up_forgets_no_call_that_may_be_under_way(place: Store) -> None:
    """The create may have happened: whoever takes the object up again has to look before making it again."""
    add(place, "a")
    (one,) = claimed(place)
    with place.transaction() as tx:
        marks.sent(tx, [one], now=NOW, fence=1, certain_at=LATER)
        marks.hold(tx, one, reason="internal", error="KeyError", now=NOW)
        marks.give_up(tx, 1, reason="internal", kind="push", key="a", by=7, now=NOW)
        marks.mark(tx, 1, "push", ["a"], now=NOW)
    (again,) = claimed(place, now=LATER)
    assert again.sent_at == NOW


@pytest.mark.parametrize(
    ("tried", "due_s", "lag_s"),
    [(False, -30, 30.0), (False, 30, 0.0), (True, 30, 100.0), (True, -30, 100.0)],
)
def test_lag_counts_from_when_work_was_due_and_if_tried_in_vain_from_when_it_was_marked(
    place: Store, tried: bool, due_s: int, lag_s: float
) -> None:
    now = NOW + timedelta(seconds=100)
    with place.transaction() as tx:
        marks.mark(tx, 1, "push", ["a"], now=NOW, due_at=now + timedelta(seconds=due_s))
        (one,) = marks.claim(tx, 1, ["push"], now=NOW + timedelta(days=1), limit=1)
        if tried:
            marks.retry(tx, one, at=now + timedelta(seconds=due_s), error="HTTP_503")
        assert marks.lag_s(tx, 1, now=now) == lag_s
        assert marks.lag_s(tx, 2, now=now) == 0.0


# ------------------------------------------------------------------------------------- a call under way


def send(store: Store, some: list[Mark]) -> None:
    with store.transaction() as tx:
        marks.sent(tx, some, now=NOW, fence=3, certain_at=LATER)


def test_whoever_dies_after_sending_is_looked_up_when_the_portal_is_certainly_through(place: Store) -> None:
    add(place, "a")
    send(place, claimed(place))
    assert keys(place, now=LATER - timedelta(seconds=1)) == []
    (one,) = claimed(place, now=LATER)
    assert one.sent_at == NOW


def test_a_new_mark_does_not_hurry_a_call_that_is_under_way(place: Store) -> None:
    add(place, "a")
    send(place, claimed(place))
    add(place, "a", now=NOW + timedelta(seconds=5), priority=HOT)
    assert keys(place, now=NOW + timedelta(seconds=30)) == []
    (one,) = claimed(place, now=LATER)
    assert (one.seq, one.sent_at) == (2, NOW)


def test_an_object_marked_while_its_call_was_under_way_is_due_at_once_after_the_answer(place: Store) -> None:
    add(place, "a")
    work = claimed(place)
    send(place, work)
    add(place, "a", now=NOW + timedelta(seconds=1))
    with place.transaction() as tx:
        marks.done(tx, work)
    (one,) = claimed(place, now=NOW + timedelta(seconds=1))
    assert (one.sent_at, one.attempts) == (None, 0)


@pytest.mark.parametrize("how", ["hold", "held and marked", "held and released", "retry"])
def test_that_a_call_is_under_way_survives(place: Store, how: str) -> None:
    add(place, "a")
    work = claimed(place)
    send(place, work)
    with place.transaction() as tx:
        if how == "retry":
            marks.retry(tx, work[0], at=LATER, error="the look-up failed")
        else:
            marks.hold(tx, work[0], reason="permanent", error="the look-up was refused", now=NOW)
        if how == "held and marked":
            marks.mark(tx, 1, "push", ["a"], now=NOW)
        if how == "held and released":
            marks.release(tx, 1, reason="permanent", now=NOW)
        assert row(tx, "a").sent_at == NOW
        assert marks.in_flight(tx, 1, "push", ["a", "b"]) == {"a": LATER}


def test_an_answer_ends_it(place: Store) -> None:
    add(place, "a")
    work = claimed(place)
    send(place, work)
    with place.transaction() as tx:
        marks.answered(tx, work[0])
        assert marks.in_flight(tx, 1, "push", ["a"]) == {}
    assert keys(place) == ["a"]


# ------------------------------------------------------------------------------------------------ portals


def test_the_portal_that_waits_longest_is_first(place: Store) -> None:
    add(place, "x", portal_id=1, now=NOW - timedelta(seconds=10))
    add(place, *map(str, range(100)), portal_id=2, now=NOW - timedelta(seconds=20))
    add(place, "y", portal_id=3, due_at=LATER)
    with place.reading() as tx:
        assert marks.due_portals(tx, now=NOW) == [2, 1]
        assert marks.due_portals(tx, now=LATER) == [2, 1, 3]


def test_a_mark_taken_back_is_gone(place: Store) -> None:
    add(place, "a", "b")
    with place.transaction() as tx:
        marks.unmark(tx, 1, "push", "a")
        assert marks.waiting(tx, 1) == 1
    assert keys(place) == ["b"]
