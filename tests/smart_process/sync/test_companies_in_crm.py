"""What people do with the companies behind guests – delete, restore, merge – and what becomes of guests and deals."""

from __future__ import annotations

from typing import Any

import pytest

from smart_process.schema import COMPANY, CONTACT, DEAL
from smart_process.store import tables as t
from tests.smart_process.sync.story import Guest, Row, Story


def company_id(story: Story) -> int | None:
    (found,) = {story.person(seat)["company_id"] for seat in story.seats()}
    return None if found is None else int(found)


def shown(story: Story) -> set[int]:
    """Companies on the cards of this event's guests; 0 for none."""
    return {int(card["companyId"] or 0) for card in story.cards()}


def named(story: Story, guest: Guest) -> list[int]:
    """Company cards of the guest's company's name."""
    return [one["id"] for one in story.items(COMPANY, title=guest.company)]


def live(story: Story) -> list[Row]:
    rows = story.rows(t.outcome, t.outcome.c.event_id == story.event["id"])
    return [row for row in rows if row["state"] == "live"]


def asks(story: Story, seat: Row) -> None:
    story.arrives(seat["id"])
    story.flags(seat["id"], "quote_requested")
    story.settle()


@pytest.fixture(params=["ours", "theirs"])
def known(request: pytest.FixtureRequest, story: Story) -> tuple[Story, Guest]:
    """A registered guest of a company: one we made, or one the portal had with its contact."""
    guest = story.guest("Сериков", "Даулет")
    if request.param == "theirs":
        theirs = story.add_company(guest.company)
        story.add_contact("Сериков", "Даулет", email=guest.email, phone=guest.phone, companyId=theirs)
        story.settle()
    story.registers(guest)
    story.settle()
    assert company_id(story) == named(story, guest)[0] == next(iter(shown(story)))
    return story, guest


def test_a_deleted_company_is_not_made_again_and_holds_its_guests_together(
    known: tuple[Story, Guest],
) -> None:
    story, guest = known
    asks(story, story.seat())
    before = company_id(story)
    assert [deal["companyId"] for deal in story.deals()] == [before]
    story.delete(COMPANY, before or 0)
    story.settle()
    assert (shown(story), named(story, guest)) == ({0}, [])
    colleague = story.guest("Вторая", "Айша", company=guest.company)
    story.registers(colleague)
    story.settle()
    newest = story.seats()[-1]
    asks(story, newest)
    assert named(story, guest) == []
    assert shown(story) == {0}
    assert len(story.deals()) == 1, "nobody is called twice because a card is gone"
    contacts = [story.person(seat)["contact_id"] for seat in story.seats()]
    assert sorted(story.deals()[0]["contactIds"]) == sorted(contacts)
    assert story.waiting() == []


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_a_restored_company_is_the_guests_and_the_deals_again(known: tuple[Story, Guest], seen: bool) -> None:
    story, _ = known
    asks(story, story.seat())
    before = company_id(story) or 0
    story.delete(COMPANY, before)
    if seen:
        story.settle()
    back = story.restore(COMPANY, before)
    story.settle()
    assert back != before
    assert (company_id(story), shown(story)) == (back, {back})
    assert [deal["companyId"] for deal in story.deals()] == [back]
    assert story.waiting() == []


def test_guests_follow_a_merged_company_with_their_deal(known: tuple[Story, Guest]) -> None:
    story, guest = known
    asks(story, story.seat())
    (deal,) = story.deals()
    survivor = story.add_company(f"Холдинг {story.number}")
    story.settle()
    story.merge(COMPANY, survivor, company_id(story) or 0)
    story.settle()
    assert (company_id(story), shown(story)) == (survivor, {survivor})
    assert [(one["id"], one["companyId"]) for one in story.deals()] == [(deal["id"], survivor)]
    assert [row["subject"] for row in live(story)] == [f"company:{survivor}"]
    (account,) = [row for row in story.rows(t.account) if row["company_id"] == survivor]
    assert account["title"] == f"Холдинг {story.number}"
    assert story.waiting() == []
    assert named(story, guest) == []


def test_a_newcomer_who_gives_the_old_name_is_the_merged_companys(story: Story) -> None:
    guest = story.guest("Сериков", "Даулет")
    story.registers(guest)
    story.settle()
    survivor = story.add_company(f"Холдинг {story.number}")
    story.settle()
    story.merge(COMPANY, survivor, company_id(story) or 0)
    story.settle()
    story.registers(story.guest("Новая", "Дана", company=guest.company))
    story.settle()
    assert (company_id(story), shown(story)) == (survivor, {survivor})
    assert named(story, guest) == []


def test_of_two_merged_companies_with_a_deal_each_one_deal_is_left(story: Story) -> None:
    for name in ("Первый", "Второй"):
        story.registers(story.guest(name, "Гость"))
    story.settle()
    for seat in story.seats():
        asks(story, seat)
    survivor, surplus = sorted(deal["companyId"] for deal in story.deals())
    story.merge(COMPANY, survivor, surplus)
    story.settle()
    assert (company_id(story), shown(story)) == (survivor, {survivor})
    (row,) = live(story)
    assert row["subject"] == f"company:{survivor}"
    assert row["item_id"] == min(deal["id"] for deal in story.deals()), "the older one"
    (other,) = [deal for deal in story.deals() if deal["id"] != row["item_id"]]
    assert any("уже есть" in text for text in story.comments(DEAL, other["id"]))
    assert {seat["outcome_id"] for seat in story.seats()} == {row["id"]}


def test_a_contact_put_into_another_company_takes_its_outcome_out_of_the_deleted_one(
    known: tuple[Story, Guest],
) -> None:
    story, _ = known
    asks(story, story.seat())
    story.delete(COMPANY, company_id(story) or 0)
    story.settle()
    other = story.add_company(f"Правопреемник {story.number}")
    contact: Any = story.person(story.seat())["contact_id"]
    story.edit(CONTACT, contact, companyId=other)
    story.settle()
    assert (company_id(story), shown(story)) == (other, {other})
    assert [row["subject"] for row in live(story)] == [f"company:{other}"]
    assert [deal["companyId"] for deal in story.deals()] == [other]
