"""The deciding step of a drain: it waits for colleagues, never for ever, and runs closings that are due."""

from __future__ import annotations

from typing import Any, cast

import pytest
import sqlalchemy as sa

from b24.store import marks
from smart_process import closing
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import journal
from smart_process.store import tables as t
from smart_process.sync import deciding
from smart_process.sync.work import Work
from tests.guest_world import GuestWorld
from tests.outcome_world import Outcomes, conference


@pytest.fixture
def world(guests: GuestWorld) -> Outcomes:
    return conference(guests)


def work(world: Outcomes, *, going: bool = True) -> Work:
    """A drain's context without a portal behind it: deciding asks it nothing."""
    none = cast(Any, None)
    service = Service(
        store=world.guests.store,
        clock=lambda: world.now,
        secrets=none,
        portals=none,
        public_url="https://app.example",
        wake=lambda _portal_id: None,
    )
    made = Work(
        service=service,
        portal_id=world.guests.portal_id,
        binding=none,
        settings=world.settings,
        client=none,
        fence=1,
        going=lambda: going,
        hold=lambda _tx: True,
    )
    made.look()
    return made


def asked(world: Outcomes) -> None:
    """A guest of a company asks for a quote."""
    world.flag(world.guest(company_id=world.company()), "quote_requested")


def forget_colleagues(world: Outcomes) -> None:
    with world.guests.store.transaction() as tx:
        tx.execute(sa.delete(t.colleague))


def test_marked_subjects_are_decided_about(world: Outcomes) -> None:
    asked(world)
    assert deciding.subjects(work(world)) == 1
    assert world.one().kind == "deal"
    assert world.guests.marked(journal.DECIDE) == []
    assert deciding.subjects(work(world)) == 0


def test_without_colleagues_decisions_wait_for_them(world: Outcomes) -> None:
    asked(world)
    forget_colleagues(world)
    assert deciding.subjects(work(world)) == 0
    assert world.outcomes(None) == []
    assert world.guests.marked("colleagues") == ["0"]
    assert len(world.guests.marked(journal.DECIDE)) == 1


def test_colleagues_nobody_can_read_are_not_waited_for(world: Outcomes) -> None:
    asked(world)
    forget_colleagues(world)
    deciding.subjects(work(world))
    with world.guests.store.transaction() as tx:
        (one,) = marks.claim(tx, world.guests.portal_id, ["colleagues"], now=world.now, limit=1)
        marks.hold(tx, one, reason="setup", error="insufficient_scope", now=world.now)
    assert deciding.subjects(work(world)) == 1
    assert world.one().owner_id == 21


def test_colleagues_are_read_again_after_a_day_without_waiting(world: Outcomes) -> None:
    asked(world)
    world.later(days=2)
    assert deciding.subjects(work(world)) == 1
    assert world.guests.marked("colleagues") == ["0"]


@pytest.mark.parametrize("key", ["", "x:company:1", "1", "1:", ":company:1", "²:company:1", "1:person:x"])
def test_a_mark_nobody_understands_is_forgotten(world: Outcomes, key: str) -> None:
    with world.guests.store.transaction() as tx:
        marks.mark(tx, world.guests.portal_id, journal.DECIDE, [key], now=world.now)
    assert deciding.subjects(work(world)) == 1
    assert world.guests.marked(journal.DECIDE) == []


def arm(world: Outcomes, minutes: int) -> None:
    world.guests.change_event(stage="closed")
    with world.guests.store.transaction() as tx:
        closing.stage_changed(
            tx,
            event_id=world.event_id,
            before="live",
            after="closed",
            by="user:5",
            settings=Settings(closing_delay_min=minutes),
            now=world.now,
        )


def test_a_closing_is_announced_at_once_and_run_when_it_is_due(world: Outcomes) -> None:
    absent = world.guest()
    arm(world, 15)
    deciding.closing(work(world))
    assert len(world.said("notify")) == 1
    assert world.seat(absent).stage == "registered"
    world.later(minutes=15)
    deciding.closing(work(world))
    assert world.seat(absent).stage == "no_show"
    assert world.guests.marked("close") == []
    assert deciding.closing(work(world)) == 0


def test_a_closing_without_delay_says_what_it_does_before_it_does_it(world: Outcomes) -> None:
    world.guest()
    arm(world, 0)
    deciding.closing(work(world))
    (notice,) = world.said("notify")
    assert "«Не пришёл»: 1" in notice.body["text"]


def test_a_process_that_stops_leaves_the_closing_marked(world: Outcomes) -> None:
    absent = world.guest()
    arm(world, 0)
    deciding.closing(work(world, going=False))
    assert world.guests.marked("close") == [str(world.event_id)]
    deciding.closing(work(world))
    assert world.seat(absent).stage == "no_show"
