"""Closing is armed, announced, run once, and can be stopped."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from b24.store.tables import mark
from smart_process import closing
from smart_process.facts import Kind
from smart_process.settings import Settings
from smart_process.store import tables as t
from tests.guest_world import GuestWorld
from tests.outcome_world import ORGANISER, Outcomes, conference

DELAY = timedelta(minutes=15)


@pytest.fixture
def world(guests_anywhere: GuestWorld) -> Outcomes:
    return conference(guests_anywhere)


@pytest.fixture
def lite(guests: GuestWorld) -> Outcomes:
    return conference(guests)


def move(world: Outcomes, before: str, after: str, settings: Settings | None = None) -> None:
    """Somebody moves the event in the CRM."""
    world.guests.change_event(stage=after)
    with world.guests.store.transaction() as tx:
        closing.stage_changed(
            tx,
            event_id=world.event_id,
            before=before,
            after=after,
            by="user:5",
            settings=settings or world.settings,
            now=world.now,
        )


def run(world: Outcomes) -> bool:
    """The sync gets to the closing; false when it is not due."""
    with world.guests.store.transaction() as tx:
        if not closing.begin(tx, world.event_id, world.now):
            return False
        after: int | None = 0
        while after is not None:
            after = closing.portion(tx, world.event_id, after, world.now)
        closing.finish(tx, world.event_id, world.now)
    return True


def announce(world: Outcomes) -> None:
    """The sync tells people."""
    with world.guests.store.transaction() as tx:
        ahead = closing.forecast(tx, world.guests.portal_id, world.event_id)
        closing.announce(tx, world.event_id, world.settings, ahead, world.now)


def event(world: Outcomes) -> sa.Row[tuple[object, ...]]:
    (row,) = world.guests.rows(t.event, t.event.c.id == world.event_id)
    return row


def mails(world: Outcomes) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in world.guests.rows(t.message):
        found.setdefault(row.participation_id, []).append(row.kind)
    return found


def test_moving_to_closed_arms_and_nothing_happens_yet(world: Outcomes) -> None:
    absent = world.guest()
    move(world, "live", "closed")
    assert event(world).closing_at == world.now + DELAY
    (row,) = world.guests.rows(mark, mark.c.kind == "close")
    assert row.due_at == world.now + DELAY
    assert run(world) is False
    assert world.seat(absent).stage == "registered"
    assert mails(world) == {}


def test_without_a_delay_it_is_due_at_once(lite: Outcomes) -> None:
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    assert run(lite) is True


def test_the_responsible_is_told_what_will_happen(world: Outcomes) -> None:
    company = world.company()
    came, asked = world.guest("Иванов", company), world.guest("Петров", world.company(18, title="Бета"))
    world.arrives(came)
    world.flag(asked, "product_interest")
    world.guest("Сидорова", world.company(19, title="Гамма"))
    move(world, "live", "closed")
    announce(world)
    announce(world)
    (notice,) = world.said("notify")
    assert notice.body["user_id"] == ORGANISER
    for expected in ("«Не пришёл»: 2", "с материалами: 1", "тем, кто не пришёл: 2", "сделок: 0, задач: 3"):
        assert expected in notice.body["text"]


def test_the_forecast_is_what_then_happens(world: Outcomes) -> None:
    for number, flag in enumerate(("quote_requested", "product_interest", "", "", "closed_session"), 1):
        pid = world.guest(f"Гость{number}", world.company(number, title=f"К{number}", potential="high"))
        if flag:
            world.flag(pid, flag)
        if number != 4:
            world.arrives(pid)
    move(world, "live", "closed", Settings(closing_delay_min=0))
    with world.guests.store.reading() as tx:
        ahead = closing.forecast(tx, world.guests.portal_id, world.event_id)
    run(world)
    world.work_off()
    kinds = [row.kind for row in world.outcomes()]
    sent = [kind for some in mails(world).values() for kind in some]
    stages = [row.stage for row in world.guests.rows(t.participation)]
    assert ahead == closing.Forecast(
        no_shows=stages.count("no_show"),
        materials=sent.count("materials"),
        missed=sent.count("missed"),
        deals=kinds.count("deal"),
        tasks=kinds.count("task"),
    )
    assert ahead == closing.Forecast(no_shows=1, materials=4, missed=1, deals=1, tasks=3)


def test_closing_sorts_those_who_came_from_those_who_did_not(world: Outcomes) -> None:
    came, absent, declined = world.guest("Иванов"), world.guest("Сидорова"), world.guest("Ким")
    world.arrives(came)
    world.record(declined, Kind.CANCELLED, actor="guest")
    move(world, "live", "closed")
    world.later(minutes=15)
    assert run(world) is True
    stages = [world.seat(pid).stage for pid in (came, absent, declined)]
    assert stages == ["arrived", "no_show", "declined"]
    assert mails(world) == {came: ["materials"], absent: ["missed"]}
    assert event(world).closed_at == world.now
    assert event(world).closing_at is None


def test_after_closing_rules_look_at_everybody(world: Outcomes) -> None:
    world.arrives(world.guest("Иванов", world.company()))
    world.guest("Сидорова", world.company(18, title="Бета"))
    move(world, "live", "closed", Settings(closing_delay_min=0))
    run(world)
    world.work_off()
    assert {row.subject: row.rule for row in world.outcomes()} == {
        "company:17": "arrived",
        "company:18": "no_show",
    }


def test_moving_back_stops_it(world: Outcomes) -> None:
    absent = world.guest()
    move(world, "live", "closed")
    move(world, "closed", "follow_up")
    world.later(minutes=20)
    assert run(world) is False
    assert world.seat(absent).stage == "registered"
    assert world.guests.marked("close") == []
    assert "остановлено" in world.said("notify")[-1].body["text"]


def test_closing_again_makes_nothing_twice(world: Outcomes) -> None:
    world.arrives(world.guest("Иванов", world.company()))
    world.guest("Сидорова", world.company(18, title="Бета"))
    for _ in range(2):
        move(world, "live", "closed", Settings(closing_delay_min=0))
        run(world)
        world.work_off()
        move(world, "closed", "live")
    assert sorted(kind for some in mails(world).values() for kind in some) == ["materials", "missed"]
    assert len(world.outcomes(None)) == 2
    assert sum(row.kind == "no_show" for row in world.guests.rows(t.fact)) == 1


def test_a_late_arrival_undoes_its_no_show(world: Outcomes) -> None:
    pid = world.guest("Сидорова", world.company())
    move(world, "live", "closed", Settings(closing_delay_min=0))
    run(world)
    world.work_off()
    assert world.one().rule == "no_show"
    world.later(minutes=1)
    world.arrives(pid)
    world.work_off()
    assert world.seat(pid).stage == "arrived"
    assert world.one().rule == "arrived"


def test_who_turns_out_to_have_come_gets_the_materials_once(world: Outcomes) -> None:
    pid = world.guest("Сидорова", world.company())
    move(world, "live", "closed", Settings(closing_delay_min=0))
    thank(world)
    assert mails(world) == {}
    run(world)
    world.arrives(pid)
    for _ in range(2):
        thank(world)
    assert mails(world) == {pid: ["missed", "materials"]}


def thank(world: Outcomes) -> None:
    """The sync looks at the guest's subject."""
    with world.guests.store.transaction() as tx:
        closing.thank_latecomers(tx, world.guests.portal_id, world.event_id, "company:17", world.now)


def test_close_now_does_not_wait(world: Outcomes) -> None:
    absent = world.guest()
    move(world, "live", "closed")
    with world.guests.store.transaction() as tx:
        closing.close_now(tx, world.event_id, world.now)
    (row,) = world.guests.rows(mark, mark.c.kind == "close")
    assert row.due_at == world.now
    assert run(world) is True
    assert world.seat(absent).stage == "no_show"


def test_a_stopped_closing_can_still_be_run_by_hand(lite: Outcomes) -> None:
    move(lite, "live", "closed")
    with lite.guests.store.transaction() as tx:
        closing.stop(tx, lite.event_id, "user:5", lite.settings, lite.now)
    lite.later(hours=1)
    assert run(lite) is False
    with lite.guests.store.transaction() as tx:
        closing.close_now(tx, lite.event_id, lite.now)
    assert run(lite) is True


@pytest.mark.parametrize("stage", ["live", "cancelled"])
def test_an_event_that_is_not_closed_is_not_closed_by_a_click(lite: Outcomes, stage: str) -> None:
    lite.guests.change_event(stage=stage)
    with lite.guests.store.transaction() as tx, pytest.raises(closing.NotClosed):
        closing.close_now(tx, lite.event_id, lite.now)


def test_a_closed_event_is_not_closed_twice_by_a_click(lite: Outcomes) -> None:
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    run(lite)
    with lite.guests.store.transaction() as tx, pytest.raises(closing.NotClosed):
        closing.close_now(tx, lite.event_id, lite.now)


def test_cancelling_sends_nothing(lite: Outcomes) -> None:
    lite.guest()
    move(lite, "live", "cancelled")
    assert run(lite) is False
    move(lite, "live", "closed")
    move(lite, "closed", "cancelled")
    lite.later(hours=1)
    assert run(lite) is False
    assert mails(lite) == {}


def test_a_stop_in_the_middle_leaves_the_rest_alone(lite: Outcomes) -> None:
    first, second = lite.guest("Иванов"), lite.guest("Сидорова")
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    with lite.guests.store.transaction() as tx:
        assert closing.begin(tx, lite.event_id, lite.now)
        after = closing.portion(tx, lite.event_id, 0, lite.now, limit=1)
    assert after == first
    move(lite, "closed", "live")
    with lite.guests.store.transaction() as tx:
        assert closing.portion(tx, lite.event_id, after, lite.now, limit=1) is None
        closing.finish(tx, lite.event_id, lite.now)
    assert [lite.seat(pid).stage for pid in (first, second)] == ["no_show", "registered"]
    assert event(lite).closed_at is None


def test_a_closing_cut_short_goes_on(lite: Outcomes) -> None:
    first, second = lite.guest("Иванов"), lite.guest("Сидорова")
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    with lite.guests.store.transaction() as tx:
        closing.begin(tx, lite.event_id, lite.now)
        closing.portion(tx, lite.event_id, 0, lite.now, limit=1)
    assert run(lite) is True
    assert [lite.seat(pid).stage for pid in (first, second)] == ["no_show", "no_show"]
    assert mails(lite) == {first: ["missed"], second: ["missed"]}


def test_a_stage_a_person_chose_is_not_overruled(lite: Outcomes) -> None:
    pid = lite.guest()
    lite.record(pid, Kind.STAGE_MOVED, actor="user:5", to="handed")
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    run(lite)
    assert lite.seat(pid).stage == "handed"
    assert mails(lite) == {}


def test_somebody_without_an_address_gets_no_mail(lite: Outcomes) -> None:
    pid = lite.guest(email="")
    move(lite, "live", "closed", Settings(closing_delay_min=0))
    with lite.guests.store.reading() as tx:
        assert closing.forecast(tx, lite.guests.portal_id, lite.event_id).missed == 0
    run(lite)
    assert lite.seat(pid).stage == "no_show"
    assert mails(lite) == {}
