"""Which card is a guest's: decided from names, addresses and numbers alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_process.matching import common_company, decide_contact, domain_of, named
from smart_process.people import Contact, Identity

MAIL, PHONE = "ivanov@firm.example", "+77011234567"


def guest(name: str = "Иванов Пётр", email: str = MAIL, phone: str = PHONE) -> Identity:
    last, _, first = name.partition(" ")
    return Identity(last, first, email, phone)


def card(number: int, name: str, email: str = "", phone: str = "", company: int | None = None) -> Contact:
    last, _, first = name.partition(" ")
    return Contact(last, first, email, phone, contact_id=number, company_id=company)


@pytest.mark.parametrize(
    ("cards", "chosen"),
    [
        ([card(1, "Иванов Пётр", MAIL)], 1),
        ([card(1, "Иванов Пётр", "", PHONE)], 1),
        ([card(1, "Пётр Иванов", MAIL)], 1),
        ([card(1, "Ivanov Petr", MAIL)], 1),
        ([card(1, "Иванов П.", MAIL)], 1),
        ([card(1, "Иванов Пётр", MAIL), card(2, "Сидорова Анна", MAIL)], 1),
        ([card(1, "Иванов Пётр", MAIL), card(2, "Иванов Пётр", MAIL, PHONE)], 2),
    ],
)
def test_a_card_that_agrees_and_does_not_contradict_is_the_guest(cards: list[Contact], chosen: int) -> None:
    decision = decide_contact(guest(), cards)
    assert decision.contact is not None
    assert decision.contact.contact_id == chosen
    assert not decision.create


@pytest.mark.parametrize(
    "cards",
    [
        [card(1, "Иванов Пётр", MAIL), card(2, "Иванов Пётр", "", PHONE)],
        [card(1, "Иванов Пётр", MAIL, PHONE), card(2, "Иванов Пётр", MAIL, PHONE)],
        [card(1, "Сидорова Анна", MAIL)],
    ],
)
def test_several_cards_or_a_contradiction_are_for_a_person_to_decide(cards: list[Contact]) -> None:
    decision = decide_contact(guest(), cards)
    assert decision.contact is None
    assert not decision.create
    assert [one["contact_id"] for one in decision.candidates] == [one.contact_id for one in cards]


@pytest.mark.parametrize(
    "cards",
    [
        [],
        [card(1, "Иванов Пётр", "other@firm.example")],
        [card(1, "Сидорова Анна", MAIL), card(2, "Ким Олег", MAIL)],
    ],
)
def test_nobodys_card_or_an_offices_address_means_somebody_new(cards: list[Contact]) -> None:
    assert decide_contact(guest(), cards).create


CARDS = st.builds(
    card,
    st.integers(1, 9),
    st.sampled_from(["Иванов Пётр", "Иванов П.", "Сидорова Анна", "Ким Олег", ""]),
    st.sampled_from([MAIL, "other@firm.example", ""]),
    st.sampled_from([PHONE, "+77770000000", ""]),
)


@given(st.lists(CARDS, max_size=5, unique_by=lambda one: one.contact_id))
def test_a_decision_is_one_of_three_and_does_not_depend_on_the_order(cards: list[Contact]) -> None:
    decision = decide_contact(guest(), cards)
    assert [decision.contact is not None, bool(decision.candidates), decision.create].count(True) == 1
    turned = decide_contact(guest(), cards[::-1])
    assert turned.contact == decision.contact
    assert {one["contact_id"] for one in turned.candidates} == {
        one["contact_id"] for one in decision.candidates
    }


@pytest.mark.parametrize(
    ("companies", "common"), [([5, 5], 5), ([5, 6], None), ([5, None], None), ([None], None)]
)
def test_the_company_of_all_candidates_is_known_although_the_person_is_not(
    companies: list[int | None], common: int | None
) -> None:
    assert common_company([{"company_id": one} for one in companies]) == common


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@Firm.kz", "firm.kz"), ("a@gmail.com", ""), ("a@mail.ru", ""), ("", "")],
)
def test_a_public_mail_service_says_nothing_of_the_employer(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_a_company_is_named_whatever_its_legal_form_and_quotes() -> None:
    cards = [(1, "ТОО «Альфа Строй»"), (2, "Альфа"), (3, 'АО "АЛЬФА СТРОЙ"')]
    assert named(cards, "альфа строй") == [1, 3]
    assert named(cards, "  ") == []
