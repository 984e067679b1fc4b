"""Events live in the CRM: organisers make, edit, move, copy, delete and restore their cards there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from smart_process import registration
from smart_process.schema import CONTACT
from smart_process.store import tables as t
from tests.smart_process.sync.story import Story, writes


def shown(story: Story, item_id: int | None = None) -> dict[str, Any]:
    """The event's card by our field names."""
    kind = story.binding.event
    (item,) = story.items(kind.entity_type_id, id=item_id or story.item_id)
    return {**item, **{ours: item.get(theirs) for ours, theirs in kind.fields.items()}}


def edit(story: Story, **values: Any) -> None:
    """The organiser edits the card."""
    kind = story.binding.event
    story.edit(
        kind.entity_type_id, story.item_id, **{kind.fields.get(name, name): v for name, v in values.items()}
    )
    story.settle()


def test_a_new_card_is_an_event_with_code_link_and_local_time(story: Story) -> None:
    event, card = story.event, shown(story)
    assert (event["stage"], event["time_zone"], event["responsible_id"]) == ("open", "Asia/Almaty", 1)
    assert card["code"] == event["code"]
    assert card["registration_link"].endswith(f"/r/{event['code']}")
    assert card["local_time"].endswith("(Asia/Almaty)")


def test_what_the_organiser_edits_is_taken_over(story: Story) -> None:
    before = shown(story)
    starts = datetime.fromisoformat(before["starts_at"]) + timedelta(days=7)
    edit(
        story,
        starts_at=starts.isoformat(),
        place="Астана",
        capacity=20,
        sender="Отдел партнёров",
        title="Новое имя",
    )
    event, card = story.event, shown(story)
    assert (event["starts_at"], event["place"], event["capacity"]) == (starts, "Астана", 20)
    assert (event["sender"], event["title"]) == ("Отдел партнёров", "Новое имя")
    assert card["local_time"] != before["local_time"]


def test_an_unreadable_time_zone_and_an_empty_start_break_nothing(story: Story) -> None:
    edit(story, time_zone="Луна/Море Спокойствия", starts_at="")
    event = story.event
    assert (event["time_zone"], event["starts_at"]) == ("Asia/Almaty", None)
    assert not shown(story)["local_time"]


def test_code_and_link_come_back_when_somebody_edits_them(story: Story) -> None:
    before = shown(story)
    edit(story, code="moy-kod", registration_link="https://elsewhere.example/")
    assert (shown(story)["code"], shown(story)["registration_link"]) == (
        before["code"],
        before["registration_link"],
    )
    assert story.event["code"] == before["code"]


def test_our_write_to_an_event_leads_to_no_other(story: Story) -> None:
    edit(story, code="x")
    with story.counted() as sent:
        story.mark("pull", f"{story.binding.event.entity_type_id}:{story.item_id}")
        story.settle()
    assert writes(sent) == []


def test_a_cancelled_event_takes_no_registrations_and_a_reopened_one_does(story: Story) -> None:
    story.move_event("cancelled")
    story.settle()
    assert isinstance(story.registers(story.guest()), registration.Refused)
    story.move_event("open")
    story.settle()
    assert isinstance(story.registers(story.guest()), registration.Registered)


def test_a_stage_people_made_themselves_leaves_our_stage_alone(story: Story) -> None:
    kind = story.binding.event
    entity = f"DYNAMIC_{kind.entity_type_id}_STAGE_{kind.category_id}"
    own = f"OWN{story.number}"
    story.rest(
        "crm.status.add", {"fields": {"ENTITY_ID": entity, "STATUS_ID": own, "NAME": "Своя", "SORT": 15}}
    )
    story.edit(
        kind.entity_type_id, story.item_id, stageId=f"DT{kind.entity_type_id}_{kind.category_id}:{own}"
    )
    story.settle()
    assert story.event["stage"] == "open"


def test_a_deleted_event_takes_no_registrations(story: Story) -> None:
    story.delete(story.binding.event.entity_type_id, story.item_id)
    story.settle()
    assert story.event["removed_at"] is not None
    assert isinstance(story.registers(story.guest()), registration.Refused)
    assert story.waiting() == []


def test_a_restored_event_is_the_same_with_its_guests(story: Story) -> None:
    story.registers(story.guest("Ра", "Нина"))
    story.settle()
    event, eti = story.event, story.binding.event.entity_type_id
    story.delete(eti, story.item_id)
    story.settle()
    story.item_id = story.restore(eti, event["item_id"])
    story.settle()
    assert (story.event["id"], story.event["code"], story.event["removed_at"]) == (
        event["id"],
        event["code"],
        None,
    )
    assert len(story.seats()) == 1
    assert isinstance(story.registers(story.guest()), registration.Registered)


def test_an_event_deleted_and_restored_before_we_looked_is_the_same(story: Story) -> None:
    event, eti = story.event, story.binding.event.entity_type_id
    story.delete(eti, story.item_id)
    story.item_id = story.restore(eti, event["item_id"])
    story.settle()
    assert (story.event["id"], story.event["removed_at"]) == (event["id"], None)
    assert len(story.rows(t.event, t.event.c.code == event["code"])) == 1


def test_a_copied_card_is_another_event_with_a_code_of_its_own(story: Story) -> None:
    kind = story.binding.event
    (item,) = story.items(kind.entity_type_id, id=story.item_id)
    copied = {name: item[name] for name in ("title", "stageId", *kind.fields.values()) if item.get(name)}
    made = story.rest("crm.item.add", {"entityTypeId": kind.entity_type_id, "fields": copied})["item"]
    story.settle()
    (copy,) = story.rows(t.event, t.event.c.item_id == made["id"])
    assert copy["code"] != story.event["code"]
    assert shown(story, made["id"])["code"] == copy["code"]
    assert shown(story)["code"] == story.event["code"]


def test_a_guests_card_that_comes_before_its_event_waits_for_it(story: Story) -> None:
    contact_id = story.add_contact("Ранний", "Гость", email="early@guest.example")
    kind = story.binding.event
    story.settle()
    story.faults(event_drop=1)
    later = story.rest("crm.item.add", {"entityTypeId": kind.entity_type_id, "fields": {"title": "Позже"}})[
        "item"
    ]
    story.events_arrived()
    story.faults()
    fields = {"title": "Ранний", "contactId": contact_id, story.binding.parent_event: later["id"]}
    story.rest("crm.item.add", {"entityTypeId": story.eti, "fields": fields})
    story.settle()
    assert story.rows(t.event, t.event.c.item_id == later["id"])
    assert story.rows(
        t.participation,
        t.participation.c.event_id == story.rows(t.event, t.event.c.item_id == later["id"])[0]["id"],
    )
    assert story.items(CONTACT, id=contact_id)
