"""The funnel's numbers reconcile: with each other, with the kanban, and with the people behind them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_process.facts import PATH, Kind, Stage, reached_bits
from smart_process.funnel import STEPS, Group, funnel
from smart_process.store import funnel as store
from smart_process.store.funnel import Where
from tests.guest_world import GuestWorld
from tests.outcome_world import Outcomes, conference

ALL = frozenset(PATH)


def group(*reached: Stage, stage: Stage | None = None, source: str = "page", count: int = 1) -> Group:
    return Group((stage or (reached or PATH)[-1]).value, reached_bits(reached), source, count)


LISTED, INVITED, REGISTERED, ARRIVED = PATH[:4]


def test_conversion_counts_those_who_came_through_the_step_before() -> None:
    found = funnel(
        [
            group(LISTED, INVITED, count=60),
            group(LISTED, INVITED, REGISTERED, count=30),
            group(REGISTERED, count=20),
            group(LISTED, INVITED, REGISTERED, ARRIVED, count=10),
        ]
    )
    invited, registered, arrived = found.steps[:3]
    assert (invited.reached, invited.conversion, invited.lost) == (100, None, 0)
    assert (registered.reached, registered.through, registered.beside, registered.lost) == (60, 40, 20, 60)
    assert registered.conversion == pytest.approx(0.4)
    assert arrived.conversion == pytest.approx(10 / 60)


def test_walk_ins_stand_beside_the_arrived_and_not_among_the_registered() -> None:
    found = funnel(
        [group(LISTED, INVITED, REGISTERED, count=4), group(REGISTERED, ARRIVED, source="walk_in", count=3)]
    )
    registered, arrived = found.steps[1:3]
    assert (registered.reached, arrived.reached, arrived.through, arrived.beside) == (4, 3, 0, 3)
    assert arrived.conversion == 0


def test_nobody_before_means_no_conversion() -> None:
    assert [step.conversion for step in funnel([]).steps] == [None] * len(STEPS)


groups = st.lists(
    st.builds(
        Group,
        st.sampled_from([stage.value for stage in Stage]),
        st.integers(0, reached_bits(ALL)),
        st.sampled_from(["page", "walk_in", "crm_form", ""]),
        st.integers(1, 500),
    ),
    max_size=12,
)


@given(groups)
def test_no_conversion_exceeds_100_percent_and_every_sum_fits(some: list[Group]) -> None:
    found = funnel(some)
    assert sum(found.now.values()) == found.total == sum(one.count for one in some)
    for before, step in zip(found.steps, found.steps[1:], strict=False):
        assert step.conversion is None or 0 <= step.conversion <= 1
        assert step.through + step.lost == before.reached
        assert step.through + step.beside == step.reached
        assert step.reached <= found.total


@pytest.fixture
def world(guests_anywhere: GuestWorld) -> Outcomes:
    return conference(guests_anywhere)


def a_day(world: Outcomes) -> None:
    """Guests of every sort, as facts make them."""
    chance = random.Random(7)
    for number in range(40):
        pid = world.guest(f"Гость{number}")
        if chance.random() < 0.5:
            world.record(pid, Kind.MESSAGE_SENT, kind="invitation")
        if chance.random() < 0.6:
            world.arrives(pid)
        if chance.random() < 0.4:
            world.flag(pid, "product_interest")
        if chance.random() < 0.2:
            world.record(pid, Kind.OUTCOME_CREATED)
        if chance.random() < 0.1:
            world.record(pid, Kind.CANCELLED, actor="guest")
        if chance.random() < 0.1:
            world.record(pid, Kind.REMOVED)


def test_the_people_behind_every_number_are_as_many_as_it_says(world: Outcomes) -> None:
    a_day(world)
    with world.guests.store.reading() as tx:
        found = store.of_event(tx, world.event_id)
        for step in found.steps:
            numbers = {
                Where.REACHED: step.reached,
                Where.THROUGH: step.through,
                Where.BESIDE: step.beside,
                Where.LOST: step.lost,
                Where.NOW: step.now,
            }
            for where, number in numbers.items():
                behind = store.people_behind(tx, world.event_id, step.stage, where, limit=1000)
                assert len(behind) == number, (step.stage, where)
        for stage in Stage:
            behind = store.people_behind(tx, world.event_id, stage, Where.NOW, limit=1000)
            assert {one.stage for one in behind} <= {stage.value}
            assert len(behind) == found.now[stage.value]
    assert found.total > 30


def test_people_come_in_pages_without_gaps(world: Outcomes) -> None:
    a_day(world)
    with world.guests.store.reading() as tx:
        everybody = store.people_behind(tx, world.event_id, REGISTERED, Where.REACHED, limit=1000)
        paged, after = [], 0
        while some := store.people_behind(
            tx, world.event_id, REGISTERED, Where.REACHED, after=after, limit=7
        ):
            paged += some
            after = some[-1].id
    assert paged == everybody


def test_another_events_guests_are_not_counted(world: Outcomes) -> None:
    a_day(world)
    other = world.guests.add_event()
    with world.guests.store.reading() as tx:
        assert store.of_event(tx, other).total == 0
