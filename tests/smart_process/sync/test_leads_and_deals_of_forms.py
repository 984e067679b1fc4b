"""Leads and deals that a mapped form makes, and deals people link to the event: one outcome, followed to the end."""

from __future__ import annotations

import pytest

from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD
from smart_process.store import tables as t
from tests.smart_process.sync.story import Row, Story, writes

LOST, WON, NEW = "LOSE", "WON", "NEW"


def outcomes(story: Story) -> list[Row]:
    """Outcomes of the event."""
    return story.rows(t.outcome, t.outcome.c.event_id == story.event["id"])


def lead(story: Story, lead_id: int) -> dict[str, object]:
    """A lead's card."""
    (item,) = story.items(LEAD, id=lead_id)
    return item


def deal(story: Story, deal_id: int) -> dict[str, object]:
    """A deal's card."""
    (item,) = story.items(DEAL, id=deal_id)
    return item


# ------------------------------------------------------------------------------------------------ leads


def test_a_forms_lead_registers_its_guest_and_learns_who_they_are(story: Story) -> None:
    n = story.number
    email = f"lead{n}@known{n}.example"
    company_id = story.add_company(f"ТОО Лидовая{n}")
    contact_id = story.add_contact("Лидов", "Арсен", email=email, companyId=company_id)
    form = story.mapped_form(LEAD)
    stranger = story.guest("Незнакомов", "Глеб", company=f"Новая{n}")
    known_lead = story.fills_form(form, story.guest("Лидов", "Арсен", email=email, phone=""))
    new_lead = story.fills_form(form, stranger)
    story.settle()
    seats = {story.person(seat)["last_name"]: seat for seat in story.seats()}
    assert {seat["stage"] for seat in seats.values()} == {"registered"}
    assert seats["Лидов"]["source"] == "crm_form"
    assert (story.mails(email), story.mails(stranger.email)) == (["ticket"], ["ticket"])
    assert story.person(seats["Лидов"])["contact_id"] == contact_id
    shown = lead(story, known_lead)
    assert (shown["contactId"], shown["companyId"]) == (contact_id, company_id)
    (made,) = story.items(CONTACT, lastName="Незнакомов")
    shown = lead(story, new_lead)
    assert (shown["contactId"], shown["companyId"]) == (made["id"], made["companyId"])
    assert len(story.cards()) == 2
    assert story.waiting() == []


def test_a_lead_of_another_name_than_its_contact_waits_and_nothing_is_written_into_it(story: Story) -> None:
    email = f"shared{story.number}@lead.example"
    contact_id = story.add_contact("Прежний", "Борис", email=email)
    lead_id = story.fills_form(
        story.mapped_form(LEAD), story.guest("Другова", "Инна", email=email, phone="", company="")
    )
    story.settle()
    person = story.person(story.seat())
    assert (person["last_name"], person["match"]) == ("Другова", "undecided")
    assert [one["contact_id"] for one in person["candidates"]] == [contact_id]
    assert story.mails(email) == ["ticket"]
    # What the portal itself wrote into the lead is not ours to change.
    assert lead(story, lead_id)["contactId"] in (0, None, contact_id)


def test_converting_makes_no_second_card_and_its_deal_is_the_outcome(story: Story) -> None:
    guest = story.guest("Конверсия", "Жанна", company=f"Фирма лида {story.number}")
    lead_id = story.fills_form(story.mapped_form(LEAD), guest)
    story.settle()
    made = story.converts(lead_id, CONTACT, COMPANY, DEAL)
    story.settle()
    contacts = story.items(CONTACT, lastName="Конверсия")
    assert [one["id"] for one in contacts] == [made.contact_id] == [story.person(story.seat())["contact_id"]]
    assert len(story.items(COMPANY, title=guest.company)) == 1
    (row,) = outcomes(story)
    assert (row["item_id"], row["state"], row["content"]["origin"]) == (made.deal_id, "live", "form")
    assert story.seat()["stage"] == "registered"

    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (row,) = outcomes(story)
    assert (row["item_id"], row["priority"]) == (made.deal_id, "high")
    assert (story.card()["stage"], story.card()["parentId2"]) == ("handed", made.deal_id)
    assert len(story.items(DEAL, contactId=made.contact_id)) == 1
    story.edit(DEAL, made.deal_id, stageId=WON)
    story.settle()
    assert story.card()["stage"] == "won"


def test_a_lead_converted_before_we_looked_gives_the_guest_its_contact(story: Story) -> None:
    form = story.mapped_form(LEAD)
    story.faults(event_drop=1)
    lead_id = story.fills_form(form, story.guest("Быстров", "Захар", company=""))
    made = story.converts(lead_id, CONTACT, DEAL)
    story.events_arrived()
    story.faults()
    story.mark("pull", f"{LEAD}:{lead_id}")
    story.settle()
    assert story.person(story.seat())["contact_id"] == made.contact_id
    assert len(story.items(CONTACT, lastName="Быстров")) == 1


def test_a_lead_nobody_mapped_is_not_our_business(story: Story) -> None:
    made = story.rest("crm.item.add", {"entityTypeId": LEAD, "fields": {"title": "Чужой", "name": "Лид"}})
    story.settle()
    assert story.seats() == []
    assert lead(story, made["item"]["id"])["contactId"] in (0, None)


# ------------------------------------------------------------------------------------------------ deals of forms


@pytest.fixture
def ordered(story: Story) -> tuple[Story, int]:
    """A guest whose registration form made a deal; the deal's id."""
    deal_id = story.fills_form(story.mapped_form(DEAL), story.guest("Заявкин", "Тимур"))
    story.settle()
    return story, deal_id


def test_a_forms_deal_is_the_outcome_and_rules_raise_it(ordered: tuple[Story, int]) -> None:
    story, deal_id = ordered
    before = deal(story, deal_id)
    (row,) = outcomes(story)
    assert (row["item_id"], row["kind"], row["state"]) == (deal_id, "deal", "live")
    # A form makes nobody warm: handed over is who did something.
    assert story.card()["stage"] == "registered"
    assert len(story.mails(story.person(story.seat())["email"])) == 1
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (row,) = outcomes(story)
    after = deal(story, deal_id)
    fields = story.binding.deal.fields
    assert str(after[fields["priority"]]) == str(story.binding.deal.enums["priority"]["high"])
    assert "Заявкин" in str(after[fields["explanation"]])
    assert len(story.todos(deal_id)) == 1
    assert (story.card()["stage"], story.card()["parentId2"]) == ("handed", deal_id)
    assert story.deals() == []
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {*fields.values(), "updatedTime", "updatedBy", "lastActivityTime", "lastActivityBy"}
    with story.counted() as sent:
        story.mark("pull", f"{DEAL}:{deal_id}")
        story.mark("outcome", row["id"])
        story.settle()
    assert writes(sent) == []


def test_a_forms_deal_whose_flags_are_taken_back_is_told_so_and_stays(ordered: tuple[Story, int]) -> None:
    story, deal_id = ordered
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    story.edit_card(story.seat()["item_id"], flag_quote_requested="N")
    story.settle()
    (row,) = outcomes(story)
    assert (row["state"], row["priority"], row["content"]["origin"]) == ("live", "low", "form")
    assert any("Основания больше нет" in text for text in story.comments(DEAL, deal_id))


def test_a_forms_deal_takes_the_place_of_an_untouched_task(story: Story) -> None:
    guest = story.guest("Тихонов", "Марк")
    story.registers(guest)
    story.settle()
    story.arrives(story.seat()["id"])
    story.move_event("closed")
    story.settle()
    assert [task["status"] for task in story.tasks()] == ["2"]
    story.fills_form(story.mapped_form(DEAL), guest)
    story.settle()
    assert {row["kind"]: row["state"] for row in outcomes(story)} == {"task": "superseded", "deal": "live"}
    assert [task["status"] for task in story.tasks()] == ["5"]


def test_a_forms_deal_beside_ours_says_that_there_is_one(story: Story) -> None:
    guest = story.guest("Повторов", "Ян")
    story.registers(guest)
    story.settle()
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (ours,) = story.deals()
    second = story.fills_form(story.mapped_form(DEAL), guest)
    story.settle()
    assert {row["item_id"]: row["state"] for row in outcomes(story)} == {ours["id"]: "live", second: "beside"}
    (said,) = story.comments(DEAL, second)
    assert f"№ {ours['id']}" in said
    assert story.mails(guest.email) == ["ticket"]


# ------------------------------------------------------------------------------------------------ linked by people


def handmade(story: Story, company_id: int | None, contact_ids: list[int], **fields: object) -> int:
    """A deal a sales manager made by hand."""
    values = {"title": "Ручная сделка", "companyId": company_id, "contactIds": contact_ids, **fields}
    return int(story.rest("crm.item.add", {"entityTypeId": DEAL, "fields": values})["item"]["id"])


@pytest.fixture
def visited(story: Story) -> tuple[Story, Row]:
    """A guest of a company who came; their person."""
    story.registers(story.guest("Визитов", "Аскар"))
    story.settle()
    story.arrives(story.seat()["id"])
    story.settle()
    return story, story.person(story.seat())


Visited = tuple[Story, Row]


def test_a_deal_a_person_links_to_the_event_counts_like_ours(visited: Visited) -> None:
    story, person = visited
    deal_id = handmade(story, person["company_id"], [])
    story.settle()
    assert (outcomes(story), story.card()["stage"]) == ([], "arrived")
    story.edit(DEAL, deal_id, **{story.binding.parent_event: story.item_id})
    story.settle()
    assert (story.card()["stage"], story.card()["parentId2"]) == ("handed", deal_id)
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    assert [one["id"] for one in story.deals()] == [deal_id]
    shown = deal(story, deal_id)
    assert (shown["title"], shown["contactIds"], story.todos(deal_id)) == ("Ручная сделка", [], [])
    story.edit(DEAL, deal_id, stageId=WON)
    story.settle()
    assert story.card()["stage"] == "won"
    story.edit(DEAL, deal_id, stageId=NEW)
    story.settle()
    assert story.card()["stage"] == "handed"


def test_a_linked_deal_of_one_contact_hands_over_that_guest_only(visited: Visited) -> None:
    story, person = visited
    guest = story.guest("Коллегин", "Бек", company=person["company_name"])
    story.registers(guest)
    story.settle()
    both = {story.person(seat)["last_name"]: seat for seat in story.seats()}
    story.arrives(both["Коллегин"]["id"])
    handmade(
        story,
        person["company_id"],
        [person["contact_id"]],
        **{story.binding.parent_event: story.item_id},
    )
    story.settle()
    stages = {story.person(seat)["last_name"]: seat["stage"] for seat in story.seats()}
    assert stages == {"Визитов": "handed", "Коллегин": "arrived"}


def test_a_linked_deal_taken_off_the_event_takes_its_handing_over_back(visited: Visited) -> None:
    story, person = visited
    deal_id = handmade(story, person["company_id"], [], **{story.binding.parent_event: story.item_id})
    story.settle()
    story.edit(DEAL, deal_id, stageId=WON)
    story.settle()
    assert story.card()["stage"] == "won"
    story.edit(DEAL, deal_id, **{story.binding.parent_event: 0})
    story.settle()
    assert story.card()["stage"] == "arrived"
    story.edit(DEAL, deal_id, **{story.binding.parent_event: story.item_id})
    story.settle()
    assert story.card()["stage"] == "won"


def test_a_second_deal_linked_beside_ours_is_followed_and_never_written_to(visited: Visited) -> None:
    story, person = visited
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (ours,) = story.deals()
    second = handmade(story, person["company_id"], [], **{story.binding.parent_event: story.item_id})
    story.settle()
    written = deal(story, second)
    story.edit(DEAL, second, stageId=WON)
    story.settle()
    assert story.card()["stage"] == "won"
    story.edit(DEAL, ours["id"], stageId=WON)
    story.settle()
    story.edit(DEAL, second, stageId=NEW)
    story.settle()
    assert story.card()["stage"] == "won"
    story.edit(DEAL, ours["id"], stageId=LOST)
    story.settle()
    assert story.card()["stage"] == "handed"
    fields = story.binding.deal.fields
    assert [deal(story, second)[name] for name in fields.values()] == [
        written[name] for name in fields.values()
    ]


def test_a_deal_of_people_we_never_met_is_not_our_business(story: Story) -> None:
    contact_id = story.add_contact("Чужак", "Ким", email=f"x{story.number}@other.example")
    handmade(story, None, [contact_id], **{story.binding.parent_event: story.item_id})
    story.settle()
    assert outcomes(story) == []
    assert story.waiting() == []


# ------------------------------------------------------------------------------------------------ another funnel


def test_a_deal_is_followed_into_another_funnel(visited: Visited) -> None:
    story, _person = visited
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    (ours,) = story.deals()
    made = story.rest("crm.category.add", {"entityTypeId": DEAL, "fields": {"name": "Проекты", "sort": 900}})
    category = made["category"]["id"]
    story.edit(DEAL, ours["id"], categoryId=category, stageId=f"C{category}:NEW")
    story.settle()
    assert story.card()["stage"] == "handed"
    story.edit(DEAL, ours["id"], stageId=f"C{category}:WON")
    story.settle()
    assert story.card()["stage"] == "won"
    story.edit(DEAL, ours["id"], stageId=f"C{category}:LOSE")
    story.settle()
    (row,) = outcomes(story)
    assert (row["result"], story.card()["stage"]) == ("lost", "handed")
