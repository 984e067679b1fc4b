"""Who a guest is: a form's own answers, shared addresses, people's decisions – and that a ticket waits for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from smart_process import identities
from smart_process.schema import APP, COMPANY, CONTACT
from smart_process.store import decisions, participations
from smart_process.store import tables as t
from tests.smart_process.sync.story import Guest, Row, Story


def by_name(story: Story) -> dict[str, Row]:
    """People of the event's guests by last name."""
    people = [story.person(seat) for seat in story.seats()]
    return {person["last_name"]: person for person in people}


def contact_of(story: Story, last_name: str) -> int:
    """The contact shown on somebody's participation card."""
    seat = next(one for one in story.seats() if story.person(one)["last_name"] == last_name)
    (card,) = [one for one in story.cards() if one["id"] == seat["item_id"]]
    return int(card["contactId"] or 0)


def decides(story: Story, person: Row, answer: str, contact_id: int | None = None) -> None:
    """Somebody in the portal says who a guest is."""
    now = story.service.clock()
    with story.service.store.transaction() as tx:
        identities.settle(
            tx, story.company.portal_id, person["id"], answer, contact_id, actor="user:1", now=now
        )
    story.settle()


# ------------------------------------------------------------------------------------------------ forms


def test_five_colleagues_with_one_office_address_in_a_form_are_five_guests(story: Story) -> None:
    """The portal ties every submission to the one contact it finds by the address; only the answers tell them apart."""
    form, email, phone = story.form(), f"info@office{story.number}.example", "+77172550001"
    names = [
        ("Абаев", "Олжас"),
        ("Беков", "Марат"),
        ("Васин", "Игорь"),
        ("Гусева", "Ольга"),
        ("Дуйсен", "Айнур"),
    ]
    for last_name, first_name in names:
        story.fills_form(
            form, story.guest(last_name, first_name, email=email, phone=phone, company="ТОО Контора")
        )
    story.settle()
    people = by_name(story)
    assert sorted(people) == sorted(last_name for last_name, _ in names)
    contacts = {name: person["contact_id"] for name, person in people.items()}
    assert len(set(contacts.values())) == 5
    assert None not in contacts.values()
    assert {name: contact_of(story, name) for name in contacts} == contacts
    assert story.mails(email) == ["ticket"] * 5
    assert len({seat["ticket"] for seat in story.seats()}) == 5
    assert story.waiting() == []


def test_a_form_filled_in_by_another_than_its_contact_waits_for_a_person_but_has_a_ticket(
    story: Story,
) -> None:
    email = f"family{story.number}@home.example"
    husband = story.add_contact("Иванов", "Пётр", email=email)
    story.registers(story.guest("Иванов", "Пётр", email=email))
    story.settle()
    item_id = story.fills_form(story.form(), story.guest("Орлова", "Светлана", email=email, phone=""))
    story.settle()
    wife = by_name(story)["Орлова"]
    assert len(story.cards()) == 2
    assert item_id in {card["id"] for card in story.cards()}
    assert (wife["match"], [one["contact_id"] for one in wife["candidates"]]) == ("undecided", [husband])
    assert wife["candidates"][0]["agrees"] == ["email"]
    assert story.mails(email) == ["ticket", "ticket"]

    decides(story, wife, decisions.NEW)
    wife = by_name(story)["Орлова"]
    assert wife["match"] == "created"
    assert contact_of(story, "Орлова") == wife["contact_id"] != husband
    assert contact_of(story, "Иванов") == husband
    (made,) = story.items(CONTACT, lastName="Орлова")
    assert (made["originatorId"], made["name"]) == (APP, "Светлана")
    assert story.waiting() == []


def test_a_form_that_writes_over_the_contact_it_finds_makes_nobody_somebody_else(story: Story) -> None:
    email = f"over{story.number}@written.example"
    card = story.add_contact("Старый", "Антон", email=email)
    story.registers(story.guest("Старый", "Антон", email=email))
    story.settle()
    assert story.person(story.seat())["contact_id"] == card
    form = story.form(duplicates="replace")
    story.fills_form(form, story.guest("Новая", "Жанна", email=email))
    story.settle()
    (written_over,) = story.items(CONTACT, id=card)
    assert written_over["lastName"] == "Новая"
    assert len(story.seats()) == 2
    assert by_name(story)["Новая"]["match"] == "undecided"
    assert by_name(story)["Старый"]["contact_id"] == card


def test_a_repeat_is_recognised_by_what_was_typed_not_by_the_card(story: Story) -> None:
    """Two colleagues share an address; the second one's second form is hers, although the contact is his."""
    form, email = story.form(), f"pr@two{story.number}.example"
    first = story.guest("Раимов", "Тимур", email=email, phone="")
    second = story.guest("Садыкова", "Дина", email=email, phone="")
    story.fills_form(form, first)
    story.settle()
    story.fills_form(form, second)
    story.settle()
    story.fills_form(form, second)
    story.settle()
    assert len(story.seats()) == len(story.cards()) == 2
    hers = next(seat for seat in story.seats() if story.person(seat)["last_name"] == "Садыкова")
    assert story.kinds(hers["id"]).count("merged") == 1
    assert story.mails(email) == ["ticket", "ticket"]


def test_a_form_whose_answers_cannot_be_read_is_its_contacts(story: Story) -> None:
    guest = story.guest("Безответный", "Илья")
    item_id = story.fills_form(story.form(), guest)
    found = story.rest(
        "crm.activity.list",
        {"filter": {"BINDINGS": [{"OWNER_TYPE_ID": story.eti, "OWNER_ID": item_id}]}, "select": ["ID"]},
    )
    for one in found:
        story.rest("crm.activity.delete", {"id": one["ID"]})
    story.settle()
    assert story.person(story.seat())["last_name"] == "Безответный"
    assert story.mails(guest.email) == ["ticket"]


# ------------------------------------------------------------------------------------------------ decisions


@pytest.fixture
def doubtful(story: Story) -> tuple[Story, Guest, int]:
    """A guest whose address belongs to a contact of another name."""
    email = f"elena{story.number}@name.example"
    contact_id = story.add_contact("Петрова", "Елена", email=email)
    story.settle()
    guest = story.guest("Кузнецова", "Елена", email=email)
    story.registers(guest)
    story.settle()
    assert story.person(story.seat())["match"] == "undecided"
    return story, guest, contact_id


def test_a_new_surname_is_confirmed_once_and_known_from_then_on(
    doubtful: tuple[Story, Guest, int], stories: Any
) -> None:
    story, guest, contact_id = doubtful
    decides(story, story.person(story.seat()), decisions.CARD, contact_id)
    person = story.person(story.seat())
    assert (person["contact_id"], person["match"], person["candidates"]) == (contact_id, "matched", [])
    assert story.card()["contactId"] == contact_id
    (card,) = story.items(CONTACT, id=contact_id)
    assert card["lastName"] == "Петрова"

    again = stories()
    again.registers(guest)
    again.settle()
    assert again.person(again.seat())["contact_id"] == contact_id
    by_form = stories()
    by_form.fills_form(by_form.form(), guest)
    by_form.settle()
    assert by_form.person(by_form.seat())["contact_id"] == contact_id
    assert by_form.card()["contactId"] == contact_id


def test_no_contact_is_made_for_whom_somebody_said_none(
    doubtful: tuple[Story, Guest, int], stories: Any
) -> None:
    story, guest, contact_id = doubtful
    decides(story, story.person(story.seat()), decisions.NONE)
    again = stories()
    again.registers(guest)
    again.settle()
    for one in (story, again):
        assert one.person(one.seat())["match"] == "none"
        assert not one.card()["contactId"]
        assert one.mails(guest.email).count("ticket") == 2
    found = story.rest(
        "crm.duplicate.findbycomm", {"type": "EMAIL", "values": [guest.email], "entity_type": "CONTACT"}
    )
    assert found == {"CONTACT": [contact_id]}
    assert story.items(COMPANY, title=guest.company) == []
    decided = t.decision.c.person_id == story.person(story.seat())["id"]
    assert [row["answer"] for row in story.rows(t.decision, decided)] == ["none"]


def test_the_same_description_is_decided_the_same_way_after_its_card_is_gone(
    doubtful: tuple[Story, Guest, int],
) -> None:
    story, _guest, _contact_id = doubtful
    decides(story, story.person(story.seat()), decisions.NEW)
    made = story.person(story.seat())["contact_id"]
    story.delete(CONTACT, made)
    story.settle()
    person = story.person(story.seat())
    assert person["match"] == "created"
    assert person["contact_id"] not in (None, made)


def test_a_decision_for_a_contact_who_takes_part_already_leaves_one_participation(
    doubtful: tuple[Story, Guest, int],
) -> None:
    story, guest, contact_id = doubtful
    ticket = story.seat()["ticket"]
    story.registers(story.guest("Петрова", "Елена", email=guest.email))
    story.settle()
    assert len(story.seats()) == 2
    undecided = by_name(story)["Кузнецова"]
    decides(story, undecided, decisions.CARD, contact_id)
    assert len(story.seats()) == len(story.cards()) == 1
    assert story.person(story.seat())["contact_id"] == contact_id
    with story.service.store.reading() as tx:
        found = participations.by_ticket(tx, ticket)
    assert found is not None
    assert found.id == story.seat()["id"]
    (row,) = story.rows(t.person, t.person.c.id == undecided["id"])
    assert row["merged_into"] == story.person(story.seat())["id"]


def test_another_address_of_a_known_guest_is_kept_beside_the_first(story: Story, stories: Any) -> None:
    work = story.guest("Двуадресный", "Лев", email=f"lev{story.number}@work.example")
    story.registers(work)
    story.settle()
    person = story.person(story.seat())
    home = story.guest("Двуадресный", "Лев", email=f"lev{story.number}@home.example", phone=work.phone)
    second = stories()
    second.registers(home)
    second.settle()
    third = stories()
    third.registers(third.guest("Двуадресный", "Лев", email=home.email))
    third.settle()
    assert {one.seat()["person_id"] for one in (story, second, third)} == {person["id"]}
    assert second.mails(home.email) == ["ticket", "ticket"]


# ------------------------------------------------------------------------------------------------ companies


def test_of_several_companies_the_named_one_counts_else_the_primary(story: Story, stories: Any) -> None:
    n = story.number
    primary, other = story.add_company(f"ТОО Первая{n}"), story.add_company(f"АО «Вторая{n}»")
    for last_name, named, expected in (
        ("Названный", f"Вторая{n}", other),
        ("Молчун", f"Третья{n}", primary),
    ):
        email = f"{expected}@several{n}.example"
        story.add_contact(last_name, "Ян", email=email, companyIds=[primary, other], companyId=primary)
        one = stories()
        one.registers(one.guest(last_name, "Ян", email=email, company=named))
        one.settle()
        assert one.person(one.seat())["company_id"] == expected
        assert one.card()["companyId"] == expected


def company_decides(story: Story, person: Row, answer: str, company_id: int | None = None) -> None:
    """Somebody in the portal says which company a guest named."""
    now = story.service.clock()
    with story.service.store.transaction() as tx:
        identities.settle_company(
            tx, story.company.portal_id, person["id"], answer, company_id, actor="user:1", now=now
        )
    story.settle()


def test_a_company_of_the_same_name_is_theirs_only_after_somebody_said_so(story: Story, stories: Any) -> None:
    n = story.number
    namesake = story.add_company(f"ТОО «Альфа{n}»")
    domain = f"alfa{n}.example"
    story.registers(story.guest("Первый", "Руслан", company=f"Альфа{n}", email=f"r@{domain}"))
    story.settle()
    person = story.person(story.seat())
    assert (person["company_id"], person["match"]) == (None, "created")
    assert [one["company_id"] for one in person["company_candidates"]] == [namesake]
    assert not story.card()["companyId"]

    company_decides(story, person, decisions.CARD, namesake)
    person = story.person(story.seat())
    assert (person["company_id"], person["company_candidates"]) == (namesake, [])
    assert story.card()["companyId"] == namesake

    colleague = stories()
    colleague.registers(colleague.guest("Второй", "Нурлан", company=f"альфа{n}, тоо", email=f"n@{domain}"))
    colleague.settle()
    assert colleague.person(colleague.seat())["company_id"] == namesake
    assert len(story.items(COMPANY, **{"%title": f"Альфа{n}"})) == 1


@pytest.mark.parametrize(("answer", "made"), [(decisions.NEW, 1), (decisions.NONE, 0)])
def test_another_company_of_that_name_is_made_only_when_somebody_says_so(
    story: Story, answer: str, made: int
) -> None:
    n = story.number
    namesake = story.add_company(f"Бета{n}")
    story.registers(story.guest("Третий", "Асан", company=f"Бета{n}", email=f"a{n}@gmail.com"))
    story.settle()
    company_decides(story, story.person(story.seat()), answer)
    person = story.person(story.seat())
    others = [one["id"] for one in story.items(COMPANY, **{"%title": f"Бета{n}"}) if one["id"] != namesake]
    assert len(others) == made
    assert [person["company_id"]] == (others or [None])
    assert person["company_candidates"] == []
    story.mark("person", person["id"])
    story.settle()
    assert story.person(story.seat())["company_candidates"] == []
