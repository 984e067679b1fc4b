"""People work on participation cards: what they change becomes facts and stands, what is ours comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from smart_process.facts import Kind
from smart_process.provision import renewal
from smart_process.schema import flag_field
from tests.smart_process.sync import our_pages
from tests.smart_process.sync.story import LINES, Guest, Story, writes


@pytest.fixture
def registered(story: Story) -> tuple[Story, Guest]:
    """A story with one registered guest, everything at rest."""
    guest = story.guest("Гость", "Данияр")
    story.registers(guest)
    story.settle()
    return story, guest


Registered = tuple[Story, Guest]


def test_flags_lines_and_a_note_typed_on_the_card_become_facts(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.edit_card(
        seat["item_id"], flag_quote_requested="Y", product_lines=[LINES[1]], note="Ждёт расчёт до пятницы"
    )
    story.settle()
    seat = story.seat()
    assert seat["flags"] == {"product_interest": True, "quote_requested": True}
    assert (seat["product_lines"], seat["note"]) == ([LINES[1]], "Ждёт расчёт до пятницы")
    by_hand = [row for row in story.facts(seat["id"]) if row["kind"] in ("flag_set", "note")]
    assert {row["actor"] for row in by_hand} == {"user:1"}
    assert story.card()["flag_product_interest"] == "Y"


def test_a_flag_taken_off_the_card_is_withdrawn(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.arrives(seat["id"])
    story.flags(seat["id"], "materials_requested")
    story.settle()
    assert story.card()["flag_materials_requested"] == "Y"
    story.edit_card(seat["item_id"], flag_materials_requested="N")
    story.settle()
    assert story.seat()["flags"] == {}
    assert story.card()["flag_materials_requested"] == "N"
    assert story.card()["stage"] == "arrived"


def test_one_of_two_product_lines_removed_on_the_card_leaves_the_interest(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    for line in LINES:
        story.flags(seat["id"], "product_interest", line)
    story.settle()
    story.edit_card(seat["item_id"], product_lines=[LINES[0]])
    story.settle()
    assert story.seat()["product_lines"] == [LINES[0]]
    assert story.seat()["flags"] == {"product_interest": True}
    assert story.card()["product_lines"] == [LINES[0]]


def test_a_note_a_person_rewrites_is_kept(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    for text in ("раз", "два", ""):
        story.edit_card(seat["item_id"], note=text)
        story.settle()
        assert story.seat()["note"] == text
        assert (story.card()["note"] or "") == text


@pytest.mark.parametrize(
    ("stages", "now", "then"),
    [
        (["arrived"], "arrived", {"arrived_at": True, "gate": "CRM", "registered_at": True}),
        (["engaged"], "engaged", {"arrived_at": False}),
        (["handed"], "handed", {"arrived_at": False}),
        (["won"], "won", {"arrived_at": False}),
        (["arrived", "registered"], "registered", {"arrived_at": False, "registered_at": True}),
        (["arrived", "selected"], "selected", {"arrived_at": False, "registered_at": False}),
        (["declined"], "declined", {"cancelled": True}),
        (["not_relevant"], "not_relevant", {"cancelled": True}),
        (["declined", "registered"], "registered", {"cancelled": False}),
        (["no_show"], "no_show", {"cancelled": False}),
    ],
)
def test_a_stage_a_person_chooses_stands(
    registered: Registered, stages: list[str], now: str, then: dict[str, Any]
) -> None:
    story, _ = registered
    item_id = story.seat()["item_id"]
    for stage in stages:
        story.edit_card(item_id, stage=stage)
        story.settle()
    seat = story.seat()
    assert (seat["stage"], story.card()["stage"]) == (now, now)
    assert {
        name: bool(seat[name]) if isinstance(value, bool) else seat[name] for name, value in then.items()
    } == then
    moved = [row["data"]["to"] for row in story.facts(seat["id"]) if row["kind"] == "stage_moved"]
    assert moved == stages


def test_registered_by_hand_is_a_ticket_and_no_mail_until_somebody_sends_it(story: Story) -> None:
    email = f"hand{story.number}@firm.example"
    contact_id = story.add_contact("Ручкина", "Вера", email=email)
    fields = {"title": "Ручкина", "contactId": contact_id, story.binding.parent_event: story.item_id}
    made = story.rest("crm.item.add", {"entityTypeId": story.eti, "fields": fields})["item"]["id"]
    story.settle()
    assert story.seat()["registered_at"] is None
    story.edit_card(made, stage="registered")
    story.settle()
    seat = story.seat()
    (row,) = [one for one in story.facts(seat["id"]) if one["kind"] == "stage_moved"]
    assert (row["data"]["to"], row["actor"]) == ("registered", "user:1")
    assert seat["registered_at"] is not None
    link = str(story.card()["ticket_link"])
    assert link == f"{story.service.public_url}/t/{seat['ticket']}"
    shown = story.rest.http.get(link, timeout=30)
    assert (shown.status_code, "Вера" in shown.text) == (200, True)
    assert story.mails(email) == []
    assert our_pages.press(story, "resend", made) == {"queued": True}
    story.settle()
    assert story.mails(email) == ["ticket"]


def test_moves_made_one_after_the_other_are_all_facts(registered: Registered) -> None:
    story, _ = registered
    item_id = story.seat()["item_id"]
    for stage in ("arrived", "engaged", "registered"):
        story.edit_card(item_id, stage=stage)
    story.settle()
    moved = [row["data"]["to"] for row in story.facts(story.seat()["id"]) if row["kind"] == "stage_moved"]
    assert moved == ["arrived", "engaged", "registered"]
    assert story.card()["stage"] == "registered"


def test_an_arrival_chosen_in_the_crm_happened_when_the_card_was_moved(registered: Registered) -> None:
    story, _ = registered
    story.edit_card(story.seat()["item_id"], stage="arrived")
    story.settle()
    moved = datetime.fromisoformat(story.card()["movedTime"])
    assert story.seat()["arrived_at"] == moved
    assert datetime.fromisoformat(story.card()["arrived_at"]) == moved


def test_an_arrival_at_the_door_beats_a_failure_chosen_before_it(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.edit_card(seat["item_id"], stage="no_show")
    story.settle()
    story.arrives(seat["id"])
    story.settle()
    assert (story.seat()["stage"], story.card()["stage"]) == ("arrived", "arrived")


def test_a_failure_chosen_after_the_arrival_stays(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.arrives(seat["id"])
    story.settle()
    story.edit_card(seat["item_id"], stage="not_relevant")
    story.settle()
    story.flags(seat["id"], "question_asked")
    story.settle()
    assert (story.seat()["stage"], story.card()["stage"]) == ("not_relevant", "not_relevant")


def test_a_card_in_a_stage_of_their_own_stays_there_until_we_go_further(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    entity = f"DYNAMIC_{story.eti}_STAGE_{story.binding.participation.category_id}"
    code = f"DT{story.eti}_{story.binding.participation.category_id}:VIP{story.number}"
    story.rest(
        "crm.status.add",
        {"fields": {"ENTITY_ID": entity, "STATUS_ID": f"VIP{story.number}", "NAME": "VIP", "SORT": 15}},
    )
    story.edit_card(seat["item_id"], stage=code)
    story.settle()
    story.record(seat["id"], Kind.NOTE, text="важный гость")
    story.settle()
    assert (story.card()["stage"], story.card()["note"]) == (code, "важный гость")
    assert story.seat()["stage"] == "registered"
    story.arrives(seat["id"])
    story.settle()
    assert story.card()["stage"] == "arrived"


def test_what_the_app_fills_comes_back_when_somebody_edits_it(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.arrives(seat["id"])
    story.settle()
    right = story.card()
    story.edit_card(
        seat["item_id"],
        gate="Чёрный ход",
        arrived_at=(seat["registered_at"] - timedelta(days=3)).isoformat(),
        ticket_link="https://elsewhere.example/",
        source="реклама",
    )
    story.settle()
    names = ("gate", "arrived_at", "ticket_link", "source", "stage", "registered_at")
    assert {name: story.card()[name] for name in names} == {name: right[name] for name in names}
    assert story.seat()["gate"] == "Главный вход"
    (said,) = story.comments(story.eti, seat["item_id"])
    assert "Вход: Чёрный ход" in said
    assert "Ссылка на билет: https://elsewhere.example/" in said
    # What was typed into an empty field is named too; emptying one loses nothing and is just put right.
    story.edit_card(seat["item_id"], gate="", device="чужой телефон")
    story.settle()
    assert {name: story.card()[name] for name in ("gate", "device")} == {
        name: right[name] for name in ("gate", "device")
    }
    *_, last = sorted(story.comments(story.eti, seat["item_id"]), key=lambda text: "чужой телефон" in text)
    assert "чужой телефон" in last
    assert "Вход:" not in last


def test_a_title_and_a_responsible_people_chose_stay(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    user = story.rest.control("users", {"name": "Новый", "last_name": "Ответственный"})["id"]
    story.edit_card(seat["item_id"], title="Наш важный гость", assignedById=user)
    story.settle()
    story.arrives(seat["id"])
    story.settle()
    assert (story.card()["title"], story.card()["assignedById"]) == ("Наш важный гость", user)


def test_a_deleted_card_cancels_the_ticket_and_is_not_made_again(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.delete(story.eti, seat["item_id"])
    story.settle()
    (row,) = story.seats(all_of_them=True)
    assert row["removed_at"]
    assert row["cancelled"]
    story.record(row["id"], Kind.NOTE, text="после удаления")
    story.settle()
    assert story.cards() == []


def test_a_restored_card_is_recognised_under_its_new_id(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.delete(story.eti, seat["item_id"])
    story.settle()
    back = story.restore(story.eti, seat["item_id"])
    story.settle()
    again = story.seat()
    assert (again["id"], again["ticket"], again["item_id"]) == (seat["id"], seat["ticket"], back)
    assert not again["cancelled"]
    assert story.card()["stage"] == "registered"
    assert len(story.cards()) == 1


def test_deleted_and_restored_before_we_looked_is_the_same_card(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.delete(story.eti, seat["item_id"])
    back = story.restore(story.eti, seat["item_id"])
    story.settle()
    assert (story.seat()["id"], story.seat()["item_id"]) == (seat["id"], back)
    assert len(story.cards()) == 1
    assert story.waiting() == []


# --------------------------------------------------------------------------------- loops, echoes and crossings


def test_our_own_writes_never_come_back_as_facts(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    for step in ("arrived", "flag"):
        if step == "arrived":
            story.arrives(seat["id"])
        else:
            story.flags(seat["id"], "quote_requested")
        story.settle()
    told = [
        row
        for row in story.facts(seat["id"])
        if row["actor"].startswith("user:") or row["kind"] == "stage_moved"
    ]
    assert told == []
    assert story.card()["stage"] == "handed"


def test_one_event_leads_to_at_most_one_write_and_no_further(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.edit_card(seat["item_id"], flag_question_asked="Y", gate="не наш")
    with story.counted() as sent:
        story.settle()
    assert writes(sent) == ["crm.item.update", "crm.timeline.comment.add"], "and a word about the gate"
    with story.counted() as sent:
        story.mark("pull", f"{story.eti}:{seat['item_id']}")
        story.settle()
    assert writes(sent) == []


def _while_we_write(story: Story, act: Callable[[], None]) -> None:
    """Do something right before the first update of ours leaves: after we composed it, before the portal has it."""
    transport = story.service.portals.transport
    original = transport.post
    pending = [act]

    def post(url: str, payload: Any, **more: Any) -> Any:
        if pending and any("crm.item.update" in str(one) for one in (payload.get("cmd") or {}).values()):
            pending.pop()()
        return original(url, payload, **more)

    transport.post = post  # type: ignore[method-assign]
    try:
        story.settle()
    finally:
        transport.post = original  # type: ignore[method-assign]
    assert not pending


def test_a_persons_move_overtaken_by_our_push_is_still_a_fact(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.arrives(seat["id"])
    _while_we_write(story, lambda: story.edit_card(seat["item_id"], stage="not_relevant"))
    moved = [row["data"]["to"] for row in story.facts(seat["id"]) if row["kind"] == "stage_moved"]
    assert moved == ["not_relevant"]
    assert (story.seat()["stage"], story.card()["stage"]) == ("not_relevant", "not_relevant")


def test_what_a_person_types_while_we_write_other_fields_is_kept(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.arrives(seat["id"])
    _while_we_write(story, lambda: story.edit_card(seat["item_id"], note="типизированная заметка"))
    assert (story.seat()["note"], story.card()["note"]) == ("типизированная заметка",) * 2


def test_a_note_typed_while_we_write_the_note_is_the_persons(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.record(seat["id"], Kind.NOTE, text="с телефона")
    _while_we_write(story, lambda: story.edit_card(seat["item_id"], note="с карточки"))
    assert (story.seat()["note"], story.card()["note"]) == ("с карточки", "с карточки")


def test_a_flag_withdrawn_while_we_set_another_stays_withdrawn(registered: Registered) -> None:
    story, _ = registered
    seat = story.seat()
    story.flags(seat["id"], "question_asked")
    story.settle()
    story.flags(seat["id"], "materials_requested")
    _while_we_write(story, lambda: story.edit_card(seat["item_id"], **{flag_field("question_asked"): "N"}))
    assert story.seat()["flags"] == {"materials_requested": True}
    assert (story.card()["flag_question_asked"], story.card()["flag_materials_requested"]) == ("N", "Y")


def test_a_deleted_field_made_again_is_filled_again_and_withdraws_nothing(story: Story) -> None:
    story.registers(story.guest("Вопросов", "Олег"))
    story.settle()
    seat = story.seat()
    story.arrives(seat["id"])
    story.flags(seat["id"], "question_asked")
    story.settle()
    name = story.binding.participation.uppers["flag_question_asked"]
    found = story.rest("userfieldconfig.list", {"moduleId": "crm", "filter": {"fieldName": name}})
    story.rest("userfieldconfig.delete", {"moduleId": "crm", "id": found["fields"][0]["id"]})
    story.edit_card(story.card()["id"], note="поле удалили")
    story.settle()
    assert renewal.renew(story.service, story.company.portal_id).done
    story.edit_card(story.card()["id"], note="поле вернули")
    story.settle()
    assert "flag_withdrawn" not in story.kinds(seat["id"])
    assert story.card()["flag_question_asked"] == "Y"
    assert story.waiting() == []
