"""Guests come by a CRM form, by the page or by hand – and each ends as one participation with one card."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from smart_process import registration
from smart_process.schema import APP, COMPANY, CONTACT
from smart_process.store import participations
from tests.smart_process.sync.story import LINES, Story


def test_a_crm_form_makes_a_participation_with_a_ticket_in_the_mail(story: Story) -> None:
    guest = story.guest("Сериков", "Ержан")
    item_id = story.fills_form(story.form(), guest)
    story.settle()
    seat, card = story.seat(), story.card()
    assert (seat["item_id"], card["id"], card["stage"]) == (item_id, item_id, "registered")
    assert card["xmlId"] == seat["uid"]
    assert card["title"].startswith("Сериков Ержан")
    assert seat["ticket"] in card["ticket_link"]
    assert story.mails(guest.email) == ["ticket"]
    assert story.waiting() == []


def test_a_form_by_somebody_who_has_a_card_is_merged_into_it(story: Story) -> None:
    guest = story.guest("Ким", "Анна")
    story.registers(guest)
    story.settle()
    first = story.seat()
    story.fills_form(story.form(), guest)
    story.settle()
    seat = story.seat()
    assert (seat["id"], seat["ticket"], seat["item_id"]) == (first["id"], first["ticket"], first["item_id"])
    assert [card["id"] for card in story.cards()] == [first["item_id"]]
    assert story.card()["stage"] == "registered"
    assert story.kinds(seat["id"]).count("merged") == 1
    assert story.mails(guest.email) == ["ticket"]
    assert story.waiting() == []


def test_the_item_of_a_merged_form_leads_to_the_guest_for_ever(story: Story) -> None:
    guest = story.guest("Пак", "Виктор")
    story.registers(guest)
    story.settle()
    surplus = story.fills_form(story.form(), guest)
    story.settle()
    seat = story.seat()
    facts = len(story.facts(seat["id"]))
    # Its events may come again, late or doubled.
    story.mark("pull", f"{story.eti}:{surplus}")
    story.settle()
    assert len(story.facts(seat["id"])) == facts
    assert [row["id"] for row in story.seats(all_of_them=True)] == [seat["id"]]
    assert [card["id"] for card in story.cards()] == [seat["item_id"]]
    assert story.waiting() == []


def test_a_form_is_adopted_while_our_own_card_is_not_made_yet(story: Story) -> None:
    guest = story.guest("Югай", "Олег")
    form = story.form()
    story.registers(guest)
    item_id = story.fills_form(form, guest)
    story.events_arrived()
    story.settle()
    assert [card["id"] for card in story.cards()] == [story.seat()["item_id"]]
    assert story.card()["stage"] == "registered"
    assert story.mails(guest.email) == ["ticket"]
    assert item_id in {story.seat()["item_id"], *_merged_items(story)}


def _merged_items(story: Story) -> set[int]:
    seat = story.seat()
    return {row["data"].get("item_id", 0) for row in story.facts(seat["id"]) if row["kind"] == "merged"}


def test_two_forms_of_one_guest_at_once_end_as_one_card_and_one_mail(story: Story) -> None:
    guest = story.guest("Тен", "Марина")
    form = story.form()
    story.fills_form(form, guest)
    story.fills_form(form, guest)
    story.settle()
    assert len(story.cards()) == 1
    assert len(story.seats(all_of_them=True)) == 1
    assert story.mails(guest.email) == ["ticket"]
    assert len(story.items(CONTACT, lastName="Тен", name="Марина")) == 1


def test_an_invited_guests_form_goes_into_the_invited_card(story: Story) -> None:
    email = "a.isa@invited.example"
    contact_id = story.add_contact("Иса", "Айдана", email=email)
    kind = story.binding.participation
    fields = {
        "title": "Иса Айдана",
        "contactId": contact_id,
        "stageId": kind.stages["invited"],
        story.binding.parent_event: story.item_id,
    }
    made = story.rest("crm.item.add", {"entityTypeId": story.eti, "fields": fields})["item"]
    story.settle()
    story.fills_form(story.form(), story.guest("Иса", "Айдана", email=email))
    story.settle()
    card = story.card()
    assert (card["id"], card["stage"], card["contactId"]) == (made["id"], "registered", contact_id)
    assert story.mails(email) == ["ticket"]


def test_a_card_made_by_hand_is_a_guest_somebody_selected(story: Story) -> None:
    contact_id = story.add_contact("Цой", "Роман", email="r.tsoy@hand.example")
    fields = {"title": "Цой", "contactId": contact_id, story.binding.parent_event: story.item_id}
    story.rest("crm.item.add", {"entityTypeId": story.eti, "fields": fields})
    story.settle()
    seat = story.seat()
    assert (seat["stage"], seat["source"]) == ("selected", "crm")
    assert story.person(seat)["contact_id"] == contact_id
    assert story.mails("r.tsoy@hand.example") == []


def test_a_card_without_an_event_is_nobodys_until_somebody_names_one(story: Story) -> None:
    contact_id = story.add_contact("Хегай", "Лев", email="l.hegay@late.example")
    fields = {"title": "Хегай", "contactId": contact_id}
    made = story.rest("crm.item.add", {"entityTypeId": story.eti, "fields": fields})["item"]
    story.settle()
    assert story.seats() == []
    story.edit(story.eti, made["id"], **{story.binding.parent_event: story.item_id})
    story.settle()
    assert story.seat()["item_id"] == made["id"]


# ------------------------------------------------------------------------------------------------ the page


def test_a_known_contact_is_recognised_and_left_as_it_is(story: Story) -> None:
    email = "known@partner.example"
    company_id = story.add_company("ТОО Известная")
    contact_id = story.add_contact("Ли", "Ольга", email=email, companyId=company_id, post="директор")
    story.settle()
    before = story.items(CONTACT, id=contact_id)[0]
    story.registers(story.guest("Ли", "Ольга", email=email, company="Совсем другая", position="никто"))
    story.settle()
    seat, card = story.seat(), story.card()
    assert story.person(seat)["contact_id"] == contact_id
    assert (card["contactId"], card["companyId"]) == (contact_id, company_id)
    after = story.items(CONTACT, id=contact_id)[0]
    assert {k: v for k, v in after.items() if k != "lastCommunicationTime"} == before
    assert story.items(COMPANY, title="Совсем другая") == []


def test_a_stranger_becomes_a_contact_of_a_new_company(story: Story) -> None:
    guest = story.guest("Новиков", "Глеб")
    story.registers(guest)
    story.settle()
    (contact,) = story.items(CONTACT, lastName="Новиков", name="Глеб")
    (company,) = story.items(COMPANY, title=guest.company)
    assert (contact["originatorId"], contact["companyId"]) == (APP, company["id"])
    assert company["originatorId"] == APP
    assert (story.card()["contactId"], story.card()["companyId"]) == (contact["id"], company["id"])


def test_two_strangers_of_one_company_make_one_company(story: Story) -> None:
    first = story.guest("Ахметов", "Болат", company="ТОО «Две сосны»")
    second = story.guest("Ахметова", "Сауле", company="Две сосны, ТОО")
    story.registers(first)
    story.registers(second)
    story.settle()
    made = {person["company_id"] for person in map(story.person, story.seats())}
    assert len(made) == 1
    assert len([one for one in story.items(COMPANY) if "Две сосны" in one["title"]]) == 1


def test_a_stranger_who_registers_twice_makes_one_contact(story: Story) -> None:
    guest = story.guest("Дважды", "Игорь")
    assert isinstance(story.registers(guest), registration.Registered)
    assert isinstance(story.registers(guest), registration.Already)
    story.settle()
    assert len(story.items(CONTACT, lastName="Дважды")) == 1
    assert len(story.cards()) == 1


def test_colleagues_with_one_office_address_are_different_people(story: Story) -> None:
    email, phone = "office@shared.example", "+77272000001"
    story.add_contact("Первый", "Антон", email=email)
    story.add_contact("Второй", "Борис", email=email)
    story.settle()
    for last_name, first_name in (("Третий", "Вадим"), ("Четвёртая", "Галина")):
        story.registers(story.guest(last_name, first_name, email=email, phone=phone, company="ТОО Контора"))
    story.settle()
    people = [story.person(seat) for seat in story.seats()]
    assert [person["match"] for person in people] == ["created", "created"]
    assert len({person["contact_id"] for person in people}) == 2
    assert len(story.cards()) == 2


def test_several_fitting_cards_wait_for_a_person_and_the_ticket_does_not(story: Story) -> None:
    email = "double@cards.example"
    cards = [story.add_contact("Тимур", "Сафин", email=email) for _ in range(2)]
    story.settle()
    story.registers(story.guest("Сафин", "Тимур", email=email))
    story.settle()
    seat = story.seat()
    person = story.person(seat)
    assert (person["match"], person["contact_id"]) == ("undecided", None)
    assert sorted(one["contact_id"] for one in person["candidates"]) == cards
    assert story.mails(email) == ["ticket"]
    assert story.card()["stage"] == "registered"
    assert not story.card()["contactId"]
    assert len(story.items(CONTACT, lastName="Сафин")) == 0


def test_a_contradicting_card_waits_for_a_person(story: Story) -> None:
    email = "married@name.example"
    contact_id = story.add_contact("Петрова", "Елена", email=email)
    story.settle()
    story.registers(story.guest("Кузнецова", "Дарья", email=email))
    story.settle()
    person = story.person(story.seat())
    assert person["match"] == "undecided"
    assert [one["contact_id"] for one in person["candidates"]] == [contact_id]
    assert story.mails(email) == ["ticket"]


def test_two_people_of_ours_who_are_one_contact_take_part_once(story: Story) -> None:
    office, private = "one@twice.example", "two@twice.example"
    first = story.registers(story.guest("Эм", "Юрий", email=office, phone="+77012220001"))
    second = story.registers(story.guest("Эм", "Юрий", email=private, phone="+77012220002"))
    assert isinstance(first, registration.Registered)
    assert isinstance(second, registration.Registered)
    # Both addresses stand on one card that a colleague had made.
    fm = [{"typeId": "EMAIL", "valueType": "WORK", "value": one} for one in (office, private)]
    story.rest(
        "crm.item.add", {"entityTypeId": CONTACT, "fields": {"lastName": "Эм", "name": "Юрий", "fm": fm}}
    )
    story.settle()
    assert len(story.seats()) == 1
    assert len(story.cards()) == 1
    assert len(story.items(CONTACT, lastName="Эм")) == 1
    with story.service.store.reading() as tx:
        resolved = [participations.by_ticket(tx, one.ticket) for one in (first, second)]
    assert [one.id for one in resolved if one] == [story.seat()["id"]] * 2


def test_a_form_beyond_the_halls_capacity_registers_and_says_so_on_the_card(story: Story) -> None:
    kind = story.binding.event
    story.edit(kind.entity_type_id, story.item_id, **{kind.fields["capacity"]: 1})
    story.settle()
    form = story.form()
    story.fills_form(form, story.guest("Первый", "Вместился"))
    story.settle()
    late = story.fills_form(form, story.guest("Второй", "Лишний"))
    story.settle()
    assert {story.named(card)["stage"] for card in story.cards()} == {"registered"}
    said = {card["id"]: story.comments(story.eti, card["id"]) for card in story.cards()}
    assert [len(texts) for texts in said.values()] == [0, 1]
    assert "Все места заняты" in said[late][0]


@pytest.fixture
def sizes(story: Story) -> Iterator[str]:
    """A field the organiser added to participations; its name in items."""
    found = story.rest("crm.type.getByEntityTypeId", {"entityTypeId": story.eti})
    type_id = int(found["type"]["id"])
    field = {
        "entityId": f"CRM_{type_id}",
        "fieldName": f"UF_CRM_{type_id}_SIZE",
        "userTypeId": "string",
        "editFormLabel": {"ru": "Размер", "en": "Size"},
    }
    made = story.rest("userfieldconfig.add", {"moduleId": "crm", "field": field})["field"]
    yield f"ufCrm{type_id}Size"
    story.rest("userfieldconfig.delete", {"moduleId": "crm", "id": made["id"]})


def test_of_a_doubled_form_that_contradicts_nothing_is_lost(story: Story, sizes: str) -> None:
    guest = story.guest("Спорный", "Алихан")
    story.registers(guest)
    story.settle()
    seat = story.seat()
    first = seat["item_id"]
    story.edit_card(first, note="с первой карточки", product_lines=[LINES[0]])
    story.settle()
    second = story.fills_form(story.form(), guest)
    typed = {"note": "со второй карточки", "product_lines": [LINES[1]], "flag_quote_requested": "Y"}
    story.edit_card(second, **typed, **{sizes: "XL"})
    story.settle()
    card = story.card()
    assert (card["id"], card["note"]) == (first, "с первой карточки"), "typed first, it stands"
    assert (card[sizes], card["flag_quote_requested"]) == ("XL", "Y"), "empty before"
    assert sorted(card["product_lines"]) == sorted(LINES)
    (said,) = [text for text in story.comments(story.eti, first) if f"№ {second}" in text]
    assert "со второй карточки" in said
    assert "XL" not in said
    assert story.items(story.eti, id=second) == []
    assert [one["item_id"] for one in story.rest.control("recycle", method="GET") if one["item_id"] == second]
    assert story.seat()["flags"]["quote_requested"], "what was on the card is a fact"
    assert story.seat()["ticket"] == seat["ticket"]
    assert story.waiting() == []


@pytest.mark.parametrize("cut", ["item.update", "item.delete"])
def test_a_contradicting_card_is_settled_once_although_an_answer_was_lost(
    story: Story, sizes: str, cut: str
) -> None:
    guest = story.guest("Оборванный", "Нурлан")
    story.registers(guest)
    story.settle()
    first = story.seat()["item_id"]
    story.edit_card(first, note="первая")
    story.settle()
    second = story.fills_form(story.form(), guest)
    story.edit_card(second, note="вторая", **{sizes: "M"})
    story.faults(timeout_after=1, methods=[f"crm.{cut}"], times={"timeout_after": 1})
    story.settle()
    assert story.rest.control("faults", method="GET")["struck"] == {"timeout_after": 1}
    story.faults()
    story.settle()
    assert (story.card()["id"], story.card()["note"], story.card()[sizes]) == (first, "первая", "M")
    assert len([text for text in story.comments(story.eti, first) if f"№ {second}" in text]) == 1
    assert story.waiting() == []


def test_a_company_among_very_many_of_a_similar_name_is_found(story: Story) -> None:
    """Lists come 50 at a time: what stands on the second page is not made again."""
    word = f"Курорт{story.number}"
    fields = [{"title": f"{word} {n}"} for n in range(60)]
    commands = {
        f"c{n}": "crm.item.add?" + urlencode({"entityTypeId": COMPANY, "fields[title]": one["title"]})
        for n, one in enumerate(fields)
    }
    for at in (0, 40):
        story.rest.batch(dict(list(commands.items())[at : at + 40]))
    story.add_company(f"ТОО {word} Последний", email=f"all@kurort{story.number}.example")
    story.registers(
        story.guest(
            "Курортный", "Гость", company=f"{word} последний", email=f"me@kurort{story.number}.example"
        )
    )
    story.settle()
    (found,) = [one for one in story.items(COMPANY, **{"%title": "Последний"}) if word in one["title"]]
    assert story.person(story.seat())["company_id"] == found["id"]
