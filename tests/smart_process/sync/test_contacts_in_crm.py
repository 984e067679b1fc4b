"""What people do with the contacts behind guests – delete, restore, merge – and what becomes of the guests."""

from __future__ import annotations

import pytest

from smart_process.schema import CONTACT, DEAL
from tests.smart_process.sync.story import Guest, Row, Story


def contacts(story: Story, guest: Guest) -> list[int]:
    """Contacts with the guest's address; ``[]`` is how the portal says none."""
    asked = {"type": "EMAIL", "values": [guest.email], "entity_type": "CONTACT"}
    found = story.rest("crm.duplicate.findbycomm", asked)
    return found["CONTACT"] if found else []


def person(story: Story) -> Row:
    return story.person(story.seat())


@pytest.fixture(params=["ours", "theirs"])
def known(request: pytest.FixtureRequest, story: Story) -> tuple[Story, Guest]:
    """A registered guest with a contact: one we made, or one the portal had."""
    guest = story.guest("Ерланов", "Тимур")
    if request.param == "theirs":
        story.add_contact("Ерланов", "Тимур", email=guest.email, phone=guest.phone)
        story.settle()
    story.registers(guest)
    story.settle()
    assert person(story)["contact_id"] == story.card()["contactId"] > 0
    return story, guest


def test_a_deleted_contact_is_not_made_again(known: tuple[Story, Guest]) -> None:
    story, guest = known
    story.delete(CONTACT, person(story)["contact_id"])
    story.settle()
    assert (person(story)["contact_id"], person(story)["match"]) == (None, "none")
    assert contacts(story, guest) == []
    assert (story.card()["stage"], story.card()["contactIds"]) == ("registered", [])
    story.arrives(story.seat()["id"])
    story.settle()
    assert story.card()["stage"] == "arrived"
    assert contacts(story, guest) == []
    assert story.waiting() == []


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_a_restored_contact_is_the_guests_again(known: tuple[Story, Guest], seen: bool) -> None:
    story, guest = known
    before = person(story)["contact_id"]
    story.delete(CONTACT, before)
    if seen:
        story.settle()
    back = story.restore(CONTACT, before)
    story.settle()
    assert back != before
    assert person(story)["contact_id"] == back
    assert story.card()["contactIds"] == [back]
    assert contacts(story, guest) == [back]
    assert story.waiting() == []


def test_another_card_of_the_guest_takes_the_place_of_the_deleted_one(known: tuple[Story, Guest]) -> None:
    story, guest = known
    story.delete(CONTACT, person(story)["contact_id"])
    other = story.add_contact("Ерланов", "Т.", email=guest.email)
    story.settle()
    assert person(story)["contact_id"] == other
    assert story.card()["contactIds"] == [other]


def test_a_restored_contact_beside_another_card_of_the_guest_is_seen_on_the_guests_card(
    known: tuple[Story, Guest],
) -> None:
    """The portal puts a restored contact back onto the cards it was taken off, and tells nobody."""
    story, guest = known
    before = person(story)["contact_id"]
    story.delete(CONTACT, before)
    other = story.add_contact("Ерланов", "Т.", email=guest.email)
    story.settle()
    back = story.restore(CONTACT, before)
    story.settle()
    assert (
        sorted(story.card()["contactIds"]) == sorted(story.seat()["shadow"]["contact_ids"]) == [other, back]
    )
    assert story.waiting() == []


def test_a_guest_follows_a_merged_contact_whatever_name_stays(known: tuple[Story, Guest]) -> None:
    story, _ = known
    surplus = person(story)["contact_id"]
    survivor = story.add_contact("Совсем", "Иначе", phone="+77019990001")
    story.settle()
    story.merge(CONTACT, survivor, surplus)
    story.settle()
    assert story.items(CONTACT, id=surplus) == []
    assert person(story)["contact_id"] == survivor
    assert story.card()["contactIds"] == [survivor]
    assert story.waiting() == []


def test_two_guests_whose_contacts_are_merged_are_one(story: Story) -> None:
    for first_name in ("Анна", "Анна-Мария"):
        story.registers(story.guest("Двойная", first_name))
    story.settle()
    survivor, surplus = sorted(one["contact_id"] for one in map(story.person, story.seats()))
    story.merge(CONTACT, survivor, surplus)
    story.settle()
    assert story.person(story.seat())["contact_id"] == survivor
    assert [card["contactIds"] for card in story.cards()] == [[survivor]]


def test_a_deal_gets_its_restored_contact_back(known: tuple[Story, Guest]) -> None:
    story, _ = known
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    before = person(story)["contact_id"]
    assert story.deals()[0]["contactIds"] == [before]
    story.delete(CONTACT, before)
    story.settle()
    assert story.deals()[0]["contactIds"] == []
    back = story.restore(CONTACT, before)
    story.settle()
    (deal,) = story.items(DEAL, id=story.deals()[0]["id"])
    assert deal["contactIds"] == [back]
    assert story.waiting() == []


def test_a_link_we_wrote_to_a_contact_that_was_just_deleted_is_taken_off_again(
    known: tuple[Story, Guest],
) -> None:
    story, _ = known
    before = person(story)["contact_id"]
    story.faults(event_drop=1)
    story.delete(CONTACT, before)
    story.events_arrived()
    story.faults()
    story.edit_card(story.card()["id"], note="Перезвонить")
    story.settle()
    assert story.card()["contactIds"] == [before], "nothing told us yet: the empty link was filled again"
    story.mark("pull", f"{CONTACT}:{before}")
    story.settle()
    assert story.card()["contactIds"] == []
    back = story.restore(CONTACT, before)
    story.settle()
    assert (person(story)["contact_id"], story.card()["contactIds"]) == (back, [back])


def test_a_deal_gets_the_contact_of_a_guest_who_turned_out_to_be_somebody_else(
    known: tuple[Story, Guest],
) -> None:
    story, guest = known
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    story.delete(CONTACT, person(story)["contact_id"])
    other = story.add_contact("Ерланов", "Тимур", email=guest.email)
    story.settle()
    assert person(story)["contact_id"] == other
    assert story.deals()[0]["contactIds"] == [other]
