"""Deals and tasks after they were made: won, reopened, lost, deleted, restored, done, touched."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from b24.store import marks
from b24.store.tables import mark as mark_table
from smart_process.facts import Kind
from smart_process.schema import COMPANY, DEAL
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import effects, sweep, to_dos
from tests.smart_process.sync.story import Guest, Story, writes

Handed = tuple[Story, Guest]


@pytest.fixture
def handed(story: Story) -> Handed:
    """A guest who asked for a quote: a deal stands in the portal."""
    guest = story.guest("Заказчик", "Тимур")
    story.registers(guest)
    story.settle()
    seat = story.seat()
    story.arrives(seat["id"])
    story.flags(seat["id"], "quote_requested")
    story.settle()
    return story, guest


def outcome(story: Story) -> dict[str, object]:
    """The only outcome of the event."""
    (row,) = story.rows(t.outcome, t.outcome.c.event_id == story.event["id"])
    return dict(row)


def move_deal(story: Story, stage: str) -> None:
    """A sales manager moves the deal."""
    (deal,) = story.deals()
    story.edit(DEAL, deal["id"], stageId=stage)
    story.settle()


def test_a_hot_flag_makes_one_deal_with_a_to_do_and_hands_the_guest_over(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    card = story.card()
    assert (card["stage"], card["parentId2"]) == ("handed", deal["id"])
    assert len(story.todos(deal["id"])) == 1
    assert deal["contactIds"] == [card["contactId"]]
    assert story.waiting() == []


def test_everything_about_a_deal_at_rest_needs_no_write(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    with story.counted() as sent:
        story.mark("pull", f"{DEAL}:{deal['id']}", f"{story.eti}:{story.seat()['item_id']}")
        story.mark("outcome", outcome(story)["id"])
        story.mark("participation", story.seat()["id"])
        story.settle()
    assert writes(sent) == []


def test_a_won_deal_wins_its_guests_and_a_reopened_one_takes_it_back(handed: Handed) -> None:
    story, _ = handed
    move_deal(story, "WON")
    assert (story.seat()["stage"], story.card()["stage"]) == ("won", "won")
    move_deal(story, "NEW")
    assert (story.seat()["stage"], story.card()["stage"]) == ("handed", "handed")
    move_deal(story, "WON")
    assert story.card()["stage"] == "won"


def test_a_lost_deal_leaves_its_guests_handed_over(handed: Handed) -> None:
    story, _ = handed
    move_deal(story, "LOSE")
    assert (outcome(story)["result"], story.card()["stage"]) == ("lost", "handed")


@pytest.mark.parametrize("stage", ["declined", "not_relevant"])
def test_an_outcome_is_reviewed_after_its_guest_is_moved_off_in_the_portal(
    handed: Handed, stage: str
) -> None:
    story, _ = handed
    (deal,) = story.deals()
    story.edit_card(story.seat()["item_id"], stage=stage)
    story.settle()
    seat = story.seat()
    assert (seat["stage"], seat["cancelled"], story.card()["stage"]) == (stage, True, stage)
    assert [one["id"] for one in story.deals()] == [deal["id"]]
    assert outcome(story)["priority"] == "low"
    assert any("Основания больше нет" in text for text in story.comments(DEAL, deal["id"]))


def test_an_untouched_task_is_closed_when_its_guest_turns_out_not_relevant(story: Story) -> None:
    story.registers(story.guest("Лишний", "Олег"))
    story.settle()
    story.arrives(story.seat()["id"])
    story.move_event("closed")
    story.settle()
    assert [task["status"] for task in story.tasks()] == ["2"]
    story.edit_card(story.seat()["item_id"], stage="not_relevant")
    story.settle()
    assert [task["status"] for task in story.tasks()] == ["5"]
    assert (outcome(story)["state"], story.card()["stage"]) == ("withdrawn", "not_relevant")


def test_a_deleted_deal_is_a_decision(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    story.delete(DEAL, deal["id"])
    story.settle()
    assert (outcome(story)["state"], story.card()["stage"]) == ("removed", "engaged")
    story.flags(story.seat()["id"], "closed_session")
    story.flags(story.seat()["id"], "product_interest", "Насосы")
    story.settle()
    assert (story.deals(), story.tasks()) == ([], [])


def test_a_deal_restored_from_the_bin_is_ours_again(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    story.delete(DEAL, deal["id"])
    story.settle()
    story.flags(story.seat()["id"], "materials_requested")
    story.settle()
    back = story.restore(DEAL, deal["id"])
    story.settle()
    told = str(story.deals()[0][story.binding.deal.fields["explanation"]])
    assert ("просит материалы" in told, told) == (True, outcome(story)["explanation"])
    assert (outcome(story)["state"], outcome(story)["item_id"]) == ("live", back)
    assert (story.card()["stage"], story.card()["parentId2"]) == ("handed", back)
    assert [one["id"] for one in story.deals()] == [back]
    story.delete(DEAL, back)
    story.settle()
    assert (outcome(story)["state"], story.card()["stage"]) == ("removed", "engaged")


def test_a_deleted_deal_we_were_about_to_write_is_still_a_decision(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    story.faults(event_drop=1)
    story.delete(DEAL, deal["id"])
    story.events_arrived()
    story.faults()
    story.flags(story.seat()["id"], "question_asked")
    story.settle()
    assert (outcome(story)["state"], story.deals()) == ("removed", [])
    assert story.waiting() == []


def test_what_was_to_be_said_on_a_deal_deleted_meanwhile_waits_for_nobody(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    to_do, now = story.rows(t.outcome)[-1]["id"], story.service.clock()
    with story.service.store.transaction() as tx:
        for said, sent_at in (("first", None), ("no answer yet", now - timedelta(hours=1))):
            body = {"entity_type_id": DEAL, "item_id": deal["id"], "text": said}
            made = store.add_effect(tx, story.company.portal_id, "comment", said, body)
            marks.mark(tx, story.company.portal_id, effects.MARK, [str(made)], now=now)
            if sent_at:
                tx.execute(sa.update(mark_table).where(mark_table.c.key == str(made)).values(sent_at=sent_at))
        store.update(tx, t.outcome, to_do, todo_id=None)
        marks.mark(tx, story.company.portal_id, to_dos.MARK, [to_do], now=now)
    story.faults(event_drop=1)
    story.delete(DEAL, deal["id"])
    story.events_arrived()
    story.faults()
    story.settle()
    assert (outcome(story)["state"], story.waiting()) == ("removed", [])


def test_a_sales_managers_own_title_stage_and_owner_stay(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    user = story.rest.control("users", {"name": "Продавец", "last_name": "Новый"})["id"]
    story.edit(DEAL, deal["id"], title="Моя сделка", assignedById=user, stageId="PREPARATION")
    story.settle()
    story.flags(story.seat()["id"], "question_asked")
    story.settle()
    (deal,) = story.deals()
    assert (deal["title"], deal["assignedById"], deal["stageId"]) == ("Моя сделка", user, "PREPARATION")


def test_a_contact_taken_off_a_deal_is_not_put_back(handed: Handed) -> None:
    story, _ = handed
    (deal,) = story.deals()
    story.edit(DEAL, deal["id"], contactIds=[])
    story.settle()
    story.flags(story.seat()["id"], "question_asked")
    story.settle()
    assert story.deals()[0]["contactIds"] == []


def test_a_colleague_with_another_flag_joins_the_companys_deal(handed: Handed) -> None:
    story, guest = handed
    story.registers(
        story.guest("Второй", "Арман", company=guest.company, email=f"b{story.number}@second.example")
    )
    story.settle()
    second = next(seat for seat in story.seats() if story.person(seat)["last_name"] == "Второй")
    story.arrives(second["id"])
    story.flags(second["id"], "quote_requested")
    story.settle()
    (deal,) = story.deals()
    assert len(deal["contactIds"]) == 2
    assert {story.named(card)["stage"] for card in story.cards()} == {"handed"}


def test_a_guest_who_left_a_deal_and_comes_back_is_handed_over_again(handed: Handed) -> None:
    story, guest = handed
    story.registers(
        story.guest("Второй", "Арман", company=guest.company, email=f"c{story.number}@second.example")
    )
    story.settle()
    second = next(seat for seat in story.seats() if story.person(seat)["last_name"] == "Второй")
    # Who was there stays in the company's deal; somebody with a flag and no arrival belongs to it by the flag alone.
    for kind, stage in (
        (Kind.FLAG_SET, "handed"),
        (Kind.FLAG_WITHDRAWN, "registered"),
        (Kind.FLAG_SET, "handed"),
        (Kind.FLAG_WITHDRAWN, "registered"),
        (Kind.FLAG_SET, "handed"),
    ):
        story.record(second["id"], kind, flag="quote_requested")
        story.settle()
        (row,) = [one for one in story.seats() if one["id"] == second["id"]]
        assert row["stage"] == stage
        assert (row["outcome_id"] is not None) == (stage == "handed")
    assert len(story.deals()) == 1


def test_a_raised_priority_brings_the_to_do_forward(story: Story) -> None:
    story.registers(story.guest("Срочный", "Гость"))
    story.settle()
    seat = story.seat()
    story.arrives(seat["id"])
    story.flags(seat["id"], "closed_session")
    story.flags(seat["id"], "product_interest", "Насосы")
    story.settle()
    (deal,) = story.deals()
    (before,) = story.todos(deal["id"])
    story.flags(seat["id"], "quote_requested")
    story.settle()
    (after,) = story.todos(deal["id"])
    assert datetime.fromisoformat(after["DEADLINE"]) < datetime.fromisoformat(before["DEADLINE"])
    assert after["ID"] == before["ID"]


# ---------------------------------------------------------------------------------------------------- tasks


@pytest.fixture
def tasked(story: Story) -> Handed:
    """A guest who came and asked nothing; the event is closed: a task stands in the portal."""
    guest = story.guest("Тихий", "Гость")
    story.registers(guest)
    story.settle()
    story.arrives(story.seat()["id"])
    story.settle()
    story.move_event("closed")
    story.settle()
    return story, guest


def test_closing_makes_one_task_bound_to_the_guest(tasked: Handed) -> None:
    story, _ = tasked
    (task,) = story.tasks()
    card = story.card()
    assert {f"T{story.eti:x}_{card['id']}", f"C_{card['contactId']}"} <= set(task["ufCrmTask"])
    assert card["stage"] == "handed"
    assert story.waiting() == []


def test_a_finished_task_is_done(tasked: Handed) -> None:
    story, _ = tasked
    story.rest("tasks.task.complete", {"taskId": story.tasks()[0]["id"]})
    story.settle()
    assert (outcome(story)["result"], outcome(story)["touched"]) == ("done", True)


def test_a_deleted_task_is_a_decision(tasked: Handed) -> None:
    story, _ = tasked
    story.rest("tasks.task.delete", {"taskId": story.tasks()[0]["id"]})
    story.settle()
    assert outcome(story)["state"] == "removed"
    story.record(story.seat()["id"], Kind.NOTE, text="ещё раз")
    story.mark("decide", f"{story.event['id']}:company:{story.person(story.seat())['company_id']}")
    story.settle()
    assert story.tasks() == []


def test_a_deal_takes_the_place_of_an_untouched_task(tasked: Handed) -> None:
    story, _ = tasked
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    assert len(story.deals()) == 1
    states = {
        row["kind"]: row["state"] for row in story.rows(t.outcome, t.outcome.c.event_id == story.event["id"])
    }
    assert states == {"task": "superseded", "deal": "live"}
    assert [task["status"] for task in story.tasks()] == ["5"]


def test_a_deleted_task_we_were_about_to_change_is_still_a_decision(tasked: Handed) -> None:
    story, _ = tasked
    story.faults(event_drop=1)
    story.rest("tasks.task.delete", {"taskId": story.tasks()[0]["id"]})
    story.events_arrived()
    story.faults()
    story.flags(story.seat()["id"], "product_interest", "Насосы")
    story.settle()
    assert (outcome(story)["state"], story.tasks()) == ("removed", [])
    assert story.waiting() == []


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_a_task_is_bound_to_the_restored_card_of_its_guest(tasked: Handed, seen: bool) -> None:
    story, _ = tasked
    story.delete(story.eti, story.seat()["item_id"])
    if seen:
        story.settle()
    back = story.restore(story.eti, story.seats(all_of_them=True)[0]["item_id"])
    story.settle()
    (task,) = [one for one in story.tasks() if one["status"] != "5"]
    assert f"T{story.eti:x}_{back}" in task["ufCrmTask"]
    assert story.waiting() == []


@pytest.mark.parametrize("method", ["tasks.task.complete", "tasks.task.delete"])
def test_a_task_somebody_ends_in_the_moment_we_would_close_it_waits_for_nobody(
    tasked: Handed, method: str
) -> None:
    story, _ = tasked
    story.faults(event_drop=1)
    (task,) = story.tasks()
    story.rest(method, {"taskId": task["id"]})
    story.events_arrived()
    story.faults()
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    states = {row["kind"]: row["state"] for row in story.rows(t.outcome)}
    assert (states["task"], states["deal"]) == ("superseded", "live")
    assert story.waiting() == []


# ------------------------------------------------------------------------------------------------ colleagues


def test_what_a_dismissed_colleague_would_own_goes_to_the_fallback(story: Story) -> None:
    user = story.rest.control("users", {"name": "Уходящий", "last_name": "Коллега"})["id"]
    company_id = story.add_company("ТОО Брошенная", email="all@left.example")
    story.edit(4, company_id, assignedById=user)
    story.add_contact("Верный", "Партнёр", email="one@left.example", companyId=company_id)
    story.settle()
    story.mark("colleagues", 0)
    story.settle()
    story.rest.control(f"users/{user}/dismiss", {})
    story.mark("colleagues", 0)
    story.registers(story.guest("Верный", "Партнёр", email="one@left.example"))
    story.settle()
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    assert story.deals()[0]["assignedById"] == 1


@pytest.fixture
def leaver(story: Story) -> tuple[Story, int, str]:
    """A company whose responsible is about to leave, and the address of its guest."""
    user = int(
        story.rest.control("users", {"name": "Уходящий", "last_name": f"Коллега {story.number}"})["id"]
    )
    domain = f"left{story.number}.example"
    company_id = story.add_company(f"ТОО Оставленная {story.number}", email=f"all@{domain}")
    story.edit(COMPANY, company_id, assignedById=user)
    story.add_contact("Верный", "Партнёр", email=f"one@{domain}", companyId=company_id)
    story.mark("colleagues", 0)
    story.settle()
    story.registers(story.guest("Верный", "Партнёр", email=f"one@{domain}"))
    story.settle()
    story.arrives(story.seat()["id"])
    story.settle()
    return story, user, domain


def dismiss(story: Story, user: int) -> None:
    """Somebody is dismissed, and the sweep of the next day notices."""
    story.rest.control(f"users/{user}/dismiss", {})
    story.company.clock.move_to(story.service.clock() + timedelta(days=1, hours=1))
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()


def test_a_dismissed_colleagues_deal_and_its_to_do_go_on_with_the_fallback(
    leaver: tuple[Story, int, str],
) -> None:
    story, user, _ = leaver
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (deal,) = story.deals()
    assert (deal["assignedById"], responsible(story, deal["id"])) == (user, user)
    dismiss(story, user)
    (deal,) = story.deals()
    assert (deal["assignedById"], responsible(story, deal["id"])) == (1, 1)
    (said,) = [text for text in story.comments(DEAL, deal["id"]) if "больше не работает" in text]
    assert f"Коллега {story.number}" in said
    assert not outcome(story)["touched"], "our own change is nobody's work"
    with story.counted() as sent:
        story.mark("colleagues", 0)
        story.settle()
    assert writes(sent) == []


def test_a_dismissed_colleagues_task_goes_on_as_well(leaver: tuple[Story, int, str]) -> None:
    story, user, _ = leaver
    story.move_event("closed")
    story.settle()
    (task,) = story.tasks()
    dismiss(story, user)
    asked = {"filter": {"ID": task["id"]}, "select": ["ID", "RESPONSIBLE_ID"]}
    (task,) = story.rest("tasks.task.list", asked)["tasks"]
    assert task["responsibleId"] == "1"
    assert not outcome(story)["touched"]


def test_what_is_done_or_given_to_another_stays_where_it_is(leaver: tuple[Story, int, str]) -> None:
    story, user, _ = leaver
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (deal,) = story.deals()
    other = int(story.rest.control("users", {"name": "Сменщик", "last_name": "Новый"})["id"])
    story.edit(DEAL, deal["id"], assignedById=other)
    (todo,) = story.todos(deal["id"])
    story.rest("crm.activity.update", {"id": todo["ID"], "fields": {"COMPLETED": "Y"}})
    story.settle()
    dismiss(story, user)
    (deal,) = story.deals()
    assert (deal["assignedById"], responsible(story, deal["id"])) == (other, user)
    assert not [text for text in story.comments(DEAL, deal["id"]) if "больше не работает" in text]


def responsible(story: Story, deal_id: int) -> int:
    """Who has the deal's to-do."""
    (todo,) = story.todos(deal_id)
    found = story.rest(
        "crm.activity.list", {"filter": {"ID": todo["ID"]}, "select": ["ID", "RESPONSIBLE_ID"]}
    )
    return int(found[0]["RESPONSIBLE_ID"])


# ---------------------------------------------------------------------------------------------------- texts


def test_what_guests_typed_is_no_bb_code_in_the_portal(story: Story) -> None:
    guest = story.guest("Приз", "Гость", company="[url=https://evil.example]Подарок[/url]")
    story.registers(guest)
    story.settle()
    story.arrives(story.seat()["id"])
    story.move_event("closed")
    story.settle()
    (task,) = story.tasks()
    assert "(url=https://evil.example)Подарок(/url)" in task["description"]
    assert "[" not in task["description"]
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (deal,) = story.deals()
    (todo,) = story.rest(
        "crm.activity.list",
        {"filter": {"OWNER_TYPE_ID": DEAL, "OWNER_ID": deal["id"]}, "select": ["DESCRIPTION"]},
    )
    assert "Подарок" in todo["DESCRIPTION"]
    assert "[" not in todo["DESCRIPTION"]
