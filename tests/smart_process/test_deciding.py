"""One live outcome per subject and event, raised and lowered by facts, never against people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store import marks
from b24.store.tables import mark
from smart_process.facts import Kind
from smart_process.settings import Settings
from smart_process.store import tables as t
from tests.guest_world import GuestWorld
from tests.outcome_world import HEAD, MANAGER, ORGANISER, Outcomes, conference


@pytest.fixture
def world(guests_anywhere: GuestWorld) -> Outcomes:
    return conference(guests_anywhere)


@pytest.fixture
def lite(guests: GuestWorld) -> Outcomes:
    return conference(guests)


def test_a_quote_request_becomes_a_deal_during_the_event(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.arrives(pid)
    world.flag(pid, "quote_requested")
    world.work_off()
    deal = world.one()
    assert (deal.kind, deal.priority, deal.rule, deal.subject) == (
        "deal",
        "high",
        "quote_requested",
        "company:17",
    )
    assert deal.deadline == world.now + timedelta(hours=1)
    assert deal.owner_id == MANAGER
    assert deal.title == "Alser: запрос расчёта – Партнёрская конференция"
    assert deal.content["participations"] == [pid]
    assert world.guests.marked("outcome") == [str(deal.id)]


def test_a_hot_outcome_goes_before_everything_else(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.work_off()
    (row,) = lite.guests.rows(mark, mark.c.kind == "outcome")
    assert row.priority == marks.HOT


@pytest.mark.parametrize("flags", [(), ("product_interest",), ("materials_requested",)])
def test_what_is_not_hot_waits_for_the_closing(lite: Outcomes, flags: tuple[str, ...]) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.arrives(pid)
    for flag in flags:
        lite.flag(pid, flag)
    lite.work_off()
    assert lite.outcomes(None) == []


def test_at_closing_interest_becomes_a_task(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.arrives(pid)
    world.flag(pid, "product_interest", "Насосы")
    world.close()
    world.decide("company:17")
    task = world.one()
    assert (task.kind, task.priority, task.rule) == ("task", "medium", "product_interest")
    assert task.content["product_lines"] == ["Насосы"]


def test_colleagues_of_one_company_are_one_subject(world: Outcomes) -> None:
    company = world.company()
    one, other = world.guest("Иванов", company), world.guest("Сидорова", company)
    world.flag(one, "closed_session")
    world.flag(other, "product_interest", "Насосы")
    world.work_off()
    deal = world.one()
    assert (deal.kind, deal.priority) == ("deal", "medium")
    assert deal.content["participations"] == [one, other]


def test_people_without_a_company_are_decided_about_one_by_one(world: Outcomes) -> None:
    for name in ("Иванов", "Сидорова"):
        world.flag(world.guest(name), "quote_requested")
    world.work_off()
    assert [row.subject[:7] for row in world.outcomes()] == ["person:", "person:"]


def test_deciding_again_changes_nothing(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.flag(pid, "quote_requested")
    world.work_off()
    before = world.outcomes(None)
    with world.guests.store.transaction() as tx:
        tx.execute(sa.delete(mark))
    world.later(hours=5)
    world.decide("company:17")
    assert world.outcomes(None) == before
    assert world.guests.rows(mark) == []


def test_a_later_fact_raises_a_deal_and_brings_its_deadline_forward(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.flag(pid, "closed_session")
    world.flag(pid, "product_interest")
    world.work_off()
    world.made(todo_id=77)
    first = world.one()
    world.later(minutes=10)
    world.flag(pid, "quote_requested")
    world.work_off()
    deal = world.one()
    assert (deal.id, deal.priority, deal.rule) == (first.id, "high", "quote_requested")
    assert deal.deadline == world.now + timedelta(hours=1)
    assert world.guests.marked("todo") == [str(deal.id)]
    (said,) = world.said("comment")
    assert said.body["item_id"] == deal.item_id
    assert "средний → высокий" in said.body["text"]


def test_a_withdrawn_fact_lowers_a_deal_and_never_makes_it_a_task(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.flag(pid, "quote_requested")
    world.flag(pid, "product_interest")
    world.work_off()
    world.made()
    world.unflag(pid, "quote_requested")
    world.work_off()
    deal = world.one()
    assert (deal.kind, deal.priority, deal.rule) == ("deal", "medium", "product_interest")
    assert deal.deadline == world.now + timedelta(hours=1)


def test_a_deal_supersedes_an_untouched_task(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.arrives(pid)
    world.close()
    world.decide("company:17")
    world.made()
    task = world.one()
    world.flag(pid, "quote_requested")
    world.work_off()
    deal = world.one()
    (old,) = world.outcomes("superseded")
    assert (old.id, deal.kind, deal.priority) == (task.id, "deal", "high")
    assert str(old.id) in world.guests.marked("outcome")
    assert world.said() == []


def test_a_task_somebody_worked_on_is_superseded_with_a_word_to_its_owner(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.arrives(pid)
    world.close()
    world.decide("company:17")
    world.made(touched=True)
    world.flag(pid, "quote_requested")
    world.work_off()
    (notice,) = world.said("notify")
    assert notice.body["user_id"] == MANAGER
    assert "запрос расчёта" in notice.body["text"]
    assert world.one().kind == "deal"


def test_an_untouched_task_without_a_reason_is_withdrawn(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.arrives(pid)
    world.close()
    world.decide("company:17")
    world.made()
    assert world.seat(pid).stage == "handed"
    world.record(pid, Kind.ARRIVAL_ANNULLED, reason="ошибка")
    world.work_off()
    (row,) = world.outcomes(None)
    assert row.state == "withdrawn"
    assert world.seat(pid).stage == "registered"
    assert world.seat(pid).outcome_id is None


@pytest.mark.parametrize(
    ("flag", "made", "kind"),
    [("quote_requested", {}, "comment"), ("product_interest", {"touched": True}, "notify")],
)
def test_a_deal_or_a_touched_task_without_a_reason_stays_and_people_are_told(
    lite: Outcomes, flag: str, made: dict[str, Any], kind: str
) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, flag)
    lite.close()
    lite.decide("company:17")
    lite.made(**made)
    lite.unflag(pid, flag)
    lite.work_off()
    lite.decide("company:17")
    row = lite.one()
    assert row.priority == "low"
    assert "Основания больше нет" in row.explanation
    assert len(lite.said(kind)) == 1
    assert lite.seat(pid).stage == "handed"


def test_a_deal_not_made_yet_is_withdrawn_silently(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.work_off()
    lite.unflag(pid, "quote_requested")
    lite.work_off()
    (row,) = lite.outcomes(None)
    assert row.state == "withdrawn"
    assert lite.said() == []


def test_a_deal_whose_creation_got_no_answer_is_not_forgotten(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.work_off()
    with lite.guests.store.transaction() as tx:
        tx.execute(sa.update(mark).where(mark.c.kind == "outcome").values(sent_at=lite.now))
    lite.unflag(pid, "quote_requested")
    lite.work_off()
    assert lite.one().priority == "low"


def test_a_reason_that_comes_back_revives_the_same_deal(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.work_off()
    lite.made()
    lite.unflag(pid, "quote_requested")
    lite.work_off()
    lite.flag(pid, "quote_requested")
    lite.work_off()
    (row,) = lite.outcomes(None)
    assert (row.state, row.priority) == ("live", "high")


def test_an_outcome_a_person_deleted_is_not_made_again(world: Outcomes) -> None:
    pid = world.guest(company_id=world.company())
    world.flag(pid, "quote_requested")
    world.work_off()
    with world.guests.store.transaction() as tx:
        tx.execute(sa.update(t.outcome).values(state="removed"))
    world.flag(pid, "product_interest")
    world.close()
    world.work_off()
    assert [row.state for row in world.outcomes(None)] == ["removed"]


def test_somebody_who_declined_is_no_reason(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.record(pid, Kind.STAGE_MOVED, actor="user:21", to="not_relevant")
    lite.work_off()
    assert lite.outcomes(None) == []


def test_a_guest_who_leaves_a_shared_deal_is_not_handed_over_any_more(lite: Outcomes) -> None:
    company = lite.company()
    stays, leaves = lite.guest("Иванов", company), lite.guest("Сидорова", company)
    for pid in (stays, leaves):
        lite.flag(pid, "quote_requested")
    lite.work_off()
    lite.made()
    assert lite.seat(leaves).stage == "handed"
    lite.record(leaves, Kind.STAGE_MOVED, actor="user:21", to="declined")
    lite.work_off()
    assert lite.one().content["participations"] == [stays]
    assert (lite.seat(leaves).outcome_id, lite.seat(leaves).stage) == (None, "declined")
    assert lite.seat(stays).stage == "handed"


def test_colleagues_who_were_only_invited_are_not_handed_over(lite: Outcomes) -> None:
    company = lite.company()
    asked, came, absent = (lite.guest(name, company) for name in ("Иванов", "Сидорова", "Ким"))
    lite.arrives(came)
    lite.flag(asked, "quote_requested")
    lite.work_off()
    deal = lite.one()
    assert deal.content["participations"] == [asked, came]
    assert "Ким" not in deal.explanation
    lite.made()
    assert lite.seat(absent).stage == "registered"


# -------------------------------------------------------------------------------- people find a company


def resolve(world: Outcomes, pid: int, company_id: int = 17) -> str:
    """The person of a participation turns out to belong to a company; answers their old subject."""
    person_id = world.seat(pid).person_id
    with world.guests.store.transaction() as tx:
        tx.execute(
            sa.update(t.person)
            .where(t.person.c.id == person_id)
            .values(company_id=company_id, match="matched")
        )
    return f"person:{person_id}"


def test_an_outcome_follows_its_person_to_the_company(world: Outcomes) -> None:
    world.company()
    pid = world.guest()
    world.flag(pid, "quote_requested")
    world.work_off()
    world.made()
    before = world.one()
    world.decide(resolve(world, pid))
    deal = world.one()
    assert (deal.id, deal.subject) == (before.id, "company:17")
    assert deal.explanation.startswith("Alser")


def test_a_company_with_an_outcome_takes_the_person_in(world: Outcomes) -> None:
    company = world.company()
    first, second = world.guest("Иванов", company), world.guest("Сидорова")
    world.flag(first, "quote_requested")
    world.flag(second, "quote_requested")
    world.work_off()
    assert len(world.outcomes()) == 2
    resolve(world, second)
    world.decide("company:17")
    deal = world.one()
    assert deal.subject == "company:17"
    assert deal.content["participations"] == [first, second]
    assert len(world.outcomes("superseded")) == 1


def test_a_person_who_is_being_looked_up_is_decided_about_afterwards(lite: Outcomes) -> None:
    pid = lite.guest(match="new")
    lite.flag(pid, "quote_requested")
    person_id = lite.seat(pid).person_id
    with lite.guests.store.transaction() as tx:
        marks.mark(tx, lite.guests.portal_id, "person", [person_id], now=lite.now)
    lite.decide(f"person:{person_id}")
    assert lite.outcomes(None) == []
    with lite.guests.store.transaction() as tx:
        tx.execute(sa.delete(mark).where(mark.c.kind == "person"))
    lite.decide(f"person:{person_id}")
    assert lite.one().subject == f"person:{person_id}"


def test_a_deleted_outcome_of_a_person_says_nothing_about_their_colleagues(lite: Outcomes) -> None:
    company = lite.company()
    first, second = lite.guest("Иванов"), lite.guest("Сидорова", company)
    lite.flag(first, "quote_requested")
    lite.work_off()
    with lite.guests.store.transaction() as tx:
        tx.execute(sa.update(t.outcome).values(state="removed"))
    resolve(lite, first)
    lite.decide("company:17")
    assert lite.outcomes() == []
    lite.flag(second, "quote_requested")
    lite.work_off()
    assert lite.one().content["participations"] == [second]


# -------------------------------------------------------------------------------- owners and words


@pytest.mark.parametrize(
    ("responsible", "settings", "expected"),
    [
        (MANAGER, Settings(), MANAGER),
        (None, Settings(), ORGANISER),
        (None, Settings(fallback_owner_id=HEAD), HEAD),
        (404, Settings(fallback_owner_id=HEAD), HEAD),
    ],
)
def test_the_owner_is_somebody_who_works_here(
    lite: Outcomes, responsible: int | None, settings: Settings, expected: int
) -> None:
    lite.settings = settings
    pid = lite.guest(company_id=lite.company(responsible_id=responsible))
    lite.flag(pid, "quote_requested")
    lite.work_off()
    assert lite.one().owner_id == expected


def test_the_explanation_says_who_what_by_whom_when_and_why(lite: Outcomes) -> None:
    pid = lite.guest("Иванов", lite.company())
    lite.arrives(pid)
    lite.flag(pid, "product_interest", "Насосы")
    lite.flag(pid, "quote_requested", actor="device:3")
    lite.work_off()
    text = lite.one().explanation.replace("\N{NO-BREAK SPACE}", " ")
    for expected in (
        "Alser: запрос расчёта, мероприятие «Партнёрская конференция»",
        "Иванов Пётр (директор)",
        "приход – 10 ноября 2026 г., 14:00, Главный вход, отметка с телефона «Вход 1»",
        "интерес к продукту (Насосы) – 10 ноября 2026 г., 14:00, отметка в CRM: Айгуль Серикова",
        "просит расчёт",
        "правило «Запрос расчёта» – сделка, приоритет высокий",
        "до 10 ноября 2026 г., 15:00",
    ):
        assert expected in text


def test_a_flag_taken_back_is_not_told(lite: Outcomes) -> None:
    pid = lite.guest("Иванов", lite.company())
    lite.flag(pid, "materials_requested")
    lite.flag(pid, "quote_requested")
    lite.unflag(pid, "materials_requested")
    lite.work_off()
    deal = lite.one()
    assert "материалы" not in deal.explanation
    assert [fact["what"] for fact in deal.content["facts"]] == ["quote_requested"]


def test_a_crowd_fits_into_the_explanation(lite: Outcomes) -> None:
    company = lite.company(title="Очень длинное название " * 11)
    for number in range(40):
        lite.arrives(lite.guest(f"Гость{number}", company))
    lite.flag(1, "quote_requested")
    lite.work_off()
    deal = lite.one()
    assert len(deal.title) <= 255
    assert len(deal.explanation) < 4000
    assert "и ещё 34" in deal.explanation


@pytest.mark.parametrize(
    "subject", ["", "company:", "company:x", "person:999", "lead:1", "company:١", "person:-1"]
)
def test_a_subject_nobody_knows_changes_nothing(lite: Outcomes, subject: str) -> None:
    lite.decide(subject)
    assert lite.outcomes(None) == []


def test_a_cancelled_event_makes_nothing(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.guests.change_event(stage="cancelled")
    lite.work_off()
    assert lite.outcomes(None) == []


def test_another_portals_event_is_not_decided_about(lite: Outcomes) -> None:
    pid = lite.guest(company_id=lite.company())
    lite.flag(pid, "quote_requested")
    lite.guests.portal_id += 1
    lite.decide("company:17")
    assert lite.outcomes(None) == []
