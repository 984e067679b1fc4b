"""The portal misbehaves: answers are lost, words are dropped, objects appear late. Nothing is lost or made twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from smart_process.schema import APP, COMPANY, CONTACT, DEAL
from smart_process.store import tables as t
from smart_process.sync import picture, sweep
from tests.smart_process.sync.story import Guest, Story


def play(story: Story) -> list[Guest]:
    """Two colleagues register, come and ask; the event is closed."""
    company = f"ТОО Потери {story.number}"
    guests = [story.guest(name, "Гость", company=company) for name in ("Алиев", "Белый")]
    for guest in guests:
        story.registers(guest)
    story.settle()
    first, second = story.seats()
    story.arrives(first["id"])
    story.flags(first["id"], "quote_requested")
    story.settle()
    story.arrives(second["id"])
    story.settle()
    story.insists(lambda: story.move_event("closed"))
    story.settle()
    return guests


def assert_whole(story: Story, guests: list[Guest]) -> None:
    """One of everything, and the cards show the journal."""
    cards = {card["id"]: story.named(card) for card in story.cards()}
    seats = story.seats()
    assert sorted(cards) == sorted(seat["item_id"] for seat in seats)
    assert len(seats) == len(guests)
    for seat in seats:
        card = cards[seat["item_id"]]
        assert (card["stage"], card["gate"] or "") == (seat["stage"], seat["gate"])
        assert card["contactId"] == story.person(seat)["contact_id"]
    (deal,) = story.deals()
    assert len(story.todos(deal["id"])) == 1
    assert story.tasks() == []
    texts = story.comments(DEAL, deal["id"])
    assert len(texts) == len(set(texts))
    for entity_type_id in (CONTACT, COMPANY, DEAL):
        keys = Counter(item["originId"] for item in story.items(entity_type_id, originatorId=APP))
        assert not [key for key, times in keys.items() if times > 1]
    for guest in guests:
        assert Counter(story.mails(guest.email)) == {"ticket": 1, "materials": 1}
    assert story.waiting() == []


WRITES = [
    "crm.item.add",
    "crm.item.update",
    "crm.activity.todo.add",
    "tasks.task.add",
    "crm.timeline.comment.add",
]


@pytest.mark.parametrize(
    "plan",
    [
        {"reset_after": 1, "times": {"reset_after": 4}, "methods": WRITES},
        {"html_after": 1, "times": {"html_after": 4}, "methods": WRITES},
        {"truncated": 1, "times": {"truncated": 4}, "methods": WRITES},
        {"timeout_after": 1, "times": {"timeout_after": 2}, "methods": WRITES},
        {"reset_before": 1, "times": {"reset_before": 4}, "methods": WRITES},
        {"timeout_before": 1, "times": {"timeout_before": 2}, "methods": WRITES},
        {"5xx": 0.3, "seed": 3},
        {"html": 0.3, "seed": 4},
        {"reset_before": 0.3, "seed": 5},
        {"reset_after": 0.3, "seed": 6},
        {"command_503": 0.3, "times": {"command_503": 3}, "seed": 7},
        {"expired_token": 1, "times": {"expired_token": 1}},
        {"event_double": 1},
        {"event_reorder": 0.5, "seed": 9},
        {"not_visible": 0.5, "visible_after_s": 0.5, "seed": 10},
    ],
    ids=lambda plan: "-".join(
        name for name in plan if name not in ("times", "methods", "seed", "visible_after_s")
    ),
)
def test_a_misbehaving_portal_costs_time_and_nothing_else(story: Story, plan: dict[str, Any]) -> None:
    story.faults(**plan)
    guests = play(story)
    struck = story.rest.control("faults", method="GET")["struck"]
    story.faults()
    story.settle()
    assert sum(struck.values()) > 0
    assert_whole(story, guests)


def test_every_online_event_dropped_is_made_good_by_the_sweep(story: Story) -> None:
    guest = story.guest("Тихая", "Форма")
    form = story.form()
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()
    story.faults(event_drop=1)
    story.fills_form(form, guest)
    story.settle()
    assert story.seats() == []
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()
    story.edit_card(story.seat()["item_id"], stage="arrived", note="без событий")
    story.settle()
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()
    assert (story.seat()["stage"], story.seat()["note"]) == ("arrived", "без событий")
    assert story.mails(guest.email) == ["ticket"]


def test_a_create_without_an_answer_is_not_looked_up_before_the_portal_is_certainly_through(
    story: Story,
) -> None:
    guest = story.guest("Ждёт", "Ответа", company="")
    story.registers(guest)
    story.faults(reset_after=1, times={"reset_after": 1}, methods=["crm.item.add"])
    story.drain()
    story.faults()
    (person,) = story.rows(t.person, t.person.c.email == guest.email)
    (sent_at,) = (row["sent_at"] for row in story.marks("person") if row["key"] == str(person["id"]))
    certain_at = sent_at + timedelta(seconds=story.service.portals.cut_s + 5)
    with story.counted() as sent:
        # Neither the next drain nor another change of the same object hurries it.
        story.company.clock.move_to(certain_at - timedelta(seconds=2))
        story.mark("person", person["id"])
        story.drain()
    assert "crm.duplicate.findbycomm" not in [name for some in sent for name in some]
    assert [row["sent_at"] for row in story.marks("person") if row["key"] == str(person["id"])] == [sent_at]
    story.settle()
    assert story.service.clock() >= certain_at
    assert len(story.items(CONTACT, originatorId=APP, originId=person["uid"])) == 1
    assert story.person(story.seat())["match"] == "created"
    assert len(story.cards()) == 1


def test_a_colleague_who_registers_meanwhile_waits_for_the_same_company(story: Story) -> None:
    name = f"ТОО Общая {story.number}"
    story.registers(story.guest("Первый", "Сотрудник", company=name))
    story.faults(reset_after=1, times={"reset_after": 1}, methods=["crm.item.add"])
    story.drain()
    story.faults()
    story.registers(story.guest("Второй", "Сотрудник", company=name))
    story.drain()
    story.settle()
    assert len(story.items(COMPANY, title=name)) == 1
    assert len({story.person(seat)["company_id"] for seat in story.seats()}) == 1


def test_what_changes_while_an_update_has_no_answer_is_written_after_it(story: Story) -> None:
    story.registers(story.guest("Быстрый", "Гость"))
    story.settle()
    seat = story.seat()
    story.faults(reset_after=1, times={"reset_after": 1}, methods=["crm.item.update"])
    story.flags(seat["id"], "question_asked")
    story.drain()
    story.faults()
    story.flags(seat["id"], "materials_requested")
    story.settle()
    assert story.card()["flag_question_asked"] == story.card()["flag_materials_requested"] == "Y"
    told = [row for row in story.facts(seat["id"]) if row["actor"].startswith("user:")]
    assert told == []


def test_moves_of_ours_whose_answers_were_lost_are_nobody_elses(story: Story) -> None:
    story.registers(story.guest("Дважды", "Сдвинут"))
    story.settle()
    seat = story.seat()
    # Both moves are made, no answer and no word of them arrives; the second replaces what was under way.
    story.faults(reset_after=1, event_drop=1, times={"reset_after": 1}, methods=["crm.item.update"])
    story.arrives(seat["id"])
    story.drain()
    story.flags(seat["id"], "question_asked")
    story.settle()
    story.faults()
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()
    assert "stage_moved" not in story.kinds(seat["id"])
    assert story.card()["stage"] == story.seat()["stage"] == "engaged"


def test_what_a_colleague_types_on_a_card_whose_create_was_not_answered_stands(story: Story) -> None:
    guest = story.guest("Потерян", "Ответ", company="")
    story.add_contact("Потерян", "Ответ", email=guest.email)
    story.settle()
    # The card is made, nobody tells us, and no word of it or of the colleague's edit arrives.
    story.faults(reset_after=1, event_drop=1, times={"reset_after": 1}, methods=["crm.item.add"])
    story.registers(guest)
    seat = story.seat()
    story.arrives(seat["id"])
    story.drain()
    (card,) = story.cards()
    story.edit_card(card["id"], note="Перезвонить", flag_materials_requested="Y")
    # Meanwhile a phone sets a flag: the card is found and written to in one go.
    story.flags(seat["id"], "quote_requested")
    story.settle()
    story.flags(seat["id"], "question_asked")
    story.settle()
    shown = story.card()
    assert shown["note"] == "Перезвонить"
    flags = ("materials_requested", "quote_requested", "question_asked")
    assert [shown[f"flag_{flag}"] for flag in flags] == ["Y", "Y", "Y"]
    assert story.seat()["note"] == "Перезвонить"


def test_a_look_up_that_fails_does_not_forget_that_a_create_is_under_way(story: Story) -> None:
    story.registers(story.guest("Трудный", "Поиск"))
    story.faults(reset_after=1, times={"reset_after": 1}, methods=["crm.item.add"])
    story.drain()
    story.faults(**{"5xx": 1, "times": {"5xx": 4}, "methods": ["crm.item.list"]})
    for _ in range(3):
        story.company.clock.move_to(story.service.clock() + timedelta(seconds=30))
        story.drain()
    story.faults()
    story.settle()
    keys = Counter(
        item["originId"] for kind in (CONTACT, COMPANY) for item in story.items(kind, originatorId=APP)
    )
    assert not [key for key, times in keys.items() if times > 1]
    assert len(story.cards()) == 1


def test_while_one_drain_is_at_work_no_other_gets_the_portal_not_even_of_the_same_thread(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processes forked from one that had imported the engine are the same process and thread, as far as names go.
    story.registers(story.guest("Один", "Работник"))
    transport, touched = story.service.portals.transport, list[int]()
    original = transport.post

    def post(*args: Any, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(transport, "post", original)
            touched.append(story.drain())
        return original(*args, **more)

    monkeypatch.setattr(transport, "post", post)
    story.drain()
    assert len(touched) >= 3
    assert set(touched) == {0}


def test_an_object_the_step_breaks_over_is_held_and_the_others_go_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = [story.guest(name, "Гость") for name in ("Целый", "Битый", "Здоровый")]
    for guest in guests:
        story.registers(guest)
    original: Callable[..., Any] = picture.participation

    def breaks(row: Any, **more: Any) -> Any:
        if row["last_name"] == "Битый":
            raise KeyError("a bug of ours")
        return original(row, **more)

    monkeypatch.setattr(picture, "participation", breaks)
    story.settle()
    assert len(story.cards()) == 2
    held = [row for row in story.waiting() if row[3]]
    assert [(row[0], row[3]) for row in held] == [("participation", "internal")]
    monkeypatch.undo()
    story.mark("participation", held[0][1])
    story.settle()
    assert len(story.cards()) == 3
