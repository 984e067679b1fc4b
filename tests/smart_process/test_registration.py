from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from smart_process import registration
from smart_process.facts import Kind, NewFact
from smart_process.language import translator
from smart_process.people import Contact, Identity
from smart_process.registration import Already, Invalid, Reason, Refused, Registered, Result
from smart_process.settings import Settings
from smart_process.store import events, journal, messages, participations
from smart_process.store import tables as t
from smart_process.store.people import find_or_add_person, person_for_contact
from tests.guest_world import NOW, GuestWorld, add_portal

_ = translator("ru")
TYPED = {
    "last_name": "Ахметова",
    "first_name": "Жанар",
    "company": "ТОО «Ромашка»",
    "position": "Закупки",
    "email": "Zhanar@romashka.kz",
    "phone": "8 701 123-45-67",
    "consent": "1",
}


def submit(guests: GuestWorld, typed: Mapping[str, str] = TYPED, **changes: str) -> Result:
    form = registration.read_form({"submission": uuid4().hex, **typed, **changes})
    person = registration.validate(form, "KZ", _)
    assert isinstance(person, Identity), person
    with guests.store.transaction() as tx:
        event = events.by_id(tx, guests.event_id)
        return registration.register(tx, event, form, person, Settings(consent_version="3"), guests.now)


def cancel(guests: GuestWorld, participation_id: int) -> None:
    fact = NewFact(Kind.CANCELLED, guests.now, "guest", f"cancel:{uuid4().hex}")
    with guests.store.transaction() as tx:
        journal.record(tx, {participation_id: [fact]}, now=guests.now)


def contact(**values: Any) -> Contact:
    base: dict[str, Any] = {
        "last_name": "Ахметова",
        "first_name": "Жанар",
        "email": "zhanar@romashka.kz",
        "phone": "+77011234567",
        "contact_id": 55,
        "company_id": 9,
    }
    return Contact(**base | values)


def test_a_registration_is_a_fact_a_person_a_mail_and_marks(guests_anywhere: GuestWorld) -> None:
    done = submit(guests_anywhere)
    assert isinstance(done, Registered)
    assert done.new
    (seat,) = guests_anywhere.rows(t.participation)
    assert (seat.stage, seat.source, seat.consent_version) == ("registered", "page", "3")
    assert seat.registered_at == NOW == seat.consent_at
    (person,) = guests_anywhere.rows(t.person)
    assert (person.email, person.phone) == ("zhanar@romashka.kz", "+77011234567")
    assert (person.company_name, person.position) == ("ТОО «Ромашка»", "Закупки")
    (mail,) = guests_anywhere.rows(t.message)
    assert (mail.kind, mail.state, mail.to_address) == ("ticket", "waiting", "zhanar@romashka.kz")
    assert guests_anywhere.marked("mail") == [str(mail.id)]
    assert guests_anywhere.marked("person") == [str(person.id)]
    assert guests_anywhere.marked("participation") == [str(seat.id)]


def test_the_same_submission_again_is_the_same_registration(guests: GuestWorld) -> None:
    first, second = submit(guests, submission="a" * 32), submit(guests, submission="a" * 32)
    assert isinstance(first, Registered)
    assert isinstance(second, Registered)
    assert (second.ticket, second.new) == (first.ticket, False)
    assert len(guests.rows(t.fact)) == len(guests.rows(t.message)) == 1


def test_registering_twice_changes_nothing_and_sends_nothing(guests: GuestWorld) -> None:
    first, second = submit(guests), submit(guests, first_name="Zhanar", last_name="AKHMETOVA")
    assert isinstance(first, Registered)
    assert second == Already(first.participation_id)
    assert len(guests.rows(t.fact)) == len(guests.rows(t.message)) == len(guests.rows(t.person)) == 1


@pytest.mark.parametrize("same_submission", [True, False])
def test_two_posts_at_the_same_moment_make_one_registration(
    guests_anywhere: GuestWorld, same_submission: bool
) -> None:
    ids = [uuid4().hex] * 8 if same_submission else [uuid4().hex for _n in range(8)]
    start = threading.Barrier(len(ids))

    def post(submission: str) -> Result:
        start.wait(timeout=10)
        return submit(guests_anywhere, submission=submission)

    with ThreadPoolExecutor(len(ids)) as pool:
        results = list(pool.map(post, ids))
    assert sum(isinstance(one, Registered) and one.new for one in results) == 1
    for table in (t.person, t.participation, t.fact, t.message):
        assert len(guests_anywhere.rows(table)) == 1


def test_the_last_seat_is_taken_once(guests_anywhere: GuestWorld) -> None:
    guests_anywhere.change_event(capacity=3)
    start = threading.Barrier(6)

    def post(n: int) -> Result:
        start.wait(timeout=10)
        return submit(
            guests_anywhere, last_name="Ким" + "абвгде"[n], email=f"{n}@x.kz", phone=f"+7701000000{n}"
        )

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(post, range(6)))
    assert sum(isinstance(one, Registered) for one in results) == 3
    assert results.count(Refused(Reason.FULL)) == 3
    assert len(guests_anywhere.rows(t.participation)) == len(guests_anywhere.rows(t.person)) == 3


def test_five_colleagues_with_one_office_address_are_five_people(guests: GuestWorld) -> None:
    for first, last in [("Анна", "Ким"), ("Олег", "Пак"), ("Ольга", "Пак"), ("Иван", "Ли"), ("Ян", "Цой")]:
        done = submit(guests, first_name=first, last_name=last, email="office@romashka.kz")
        assert isinstance(done, Registered)
    assert len(guests.rows(t.person)) == 5
    assert len({row.ticket for row in guests.rows(t.participation)}) == 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stage": "planning"}, Reason.NOT_OPEN),
        ({"stage": "inviting"}, Reason.NOT_OPEN),
        ({"stage": "follow_up"}, Reason.OVER),
        ({"stage": "closed"}, Reason.OVER),
        ({"ends_at": NOW - timedelta(minutes=1)}, Reason.OVER),
        ({"ends_at": None, "starts_at": NOW - timedelta(hours=25)}, Reason.OVER),
        ({"stage": "cancelled"}, Reason.CANCELLED),
        ({"removed_at": NOW}, Reason.CANCELLED),
        ({"capacity": 0}, Reason.FULL),
    ],
)
def test_a_refusal_has_its_reason_and_leaves_nothing_behind(
    guests: GuestWorld, change: dict[str, Any], reason: Reason
) -> None:
    guests.change_event(**change)
    assert submit(guests) == Refused(reason)
    for table in (t.person, t.participation, t.fact, t.message):
        assert guests.rows(table) == []


@pytest.mark.parametrize(
    "change",
    [{"stage": "live"}, {"starts_at": NOW - timedelta(hours=1)}, {"ends_at": None}, {"capacity": 1}],
)
def test_registration_stays_open_while_people_may_still_come(
    guests: GuestWorld, change: dict[str, Any]
) -> None:
    guests.change_event(**change)
    assert isinstance(submit(guests), Registered)


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("lang", ["ru", "en", "kk"])
def test_every_reason_has_words_in_every_language(reason: Reason, lang: str) -> None:
    text = registration.refusal_text(reason, translator(lang))
    assert len(text) > 20
    assert lang == "ru" or text != registration.refusal_text(reason, _)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"last_name": ""}, "last_name"),
        ({"last_name": "  \u200b "}, "last_name"),
        ({"first_name": "12345"}, "first_name"),
        ({"company": ""}, "company"),
        ({"position": ""}, "position"),
        ({"email": ""}, "email"),
        ({"email": "zhanar@romashka"}, "email"),
        ({"email": "zha nar@romashka.kz"}, "email"),
        ({"email": "zhanar@romashka.kz, second@x.kz"}, "email"),
        ({"email": "zhanar@romashka.kz\r\nBcc: second@x.kz"}, "email"),
        ({"phone": ""}, "phone"),
        ({"phone": "12-34"}, "phone"),
        ({"company": "я" * 201}, "company"),
        ({"email": "a" * 300 + "@x.kz"}, "email"),
        ({"consent": ""}, "consent"),
        ({"consent": "no"}, "consent"),
    ],
)
def test_every_field_has_its_own_message(change: dict[str, str], field: str) -> None:
    found = registration.validate(registration.read_form({**TYPED, **change}), "KZ", _)
    assert isinstance(found, Invalid)
    assert list(found.errors) == [field]


def test_an_empty_form_names_everything_that_is_missing() -> None:
    found = registration.validate(registration.read_form({}), "KZ", _)
    assert isinstance(found, Invalid)
    assert set(found.errors) == {*registration.FIELDS, "consent"}
    assert len(set(found.errors.values())) == len(found.errors)


def test_a_guest_who_cancelled_may_register_again_and_gets_another_mail(guests: GuestWorld) -> None:
    first = submit(guests, submission="a" * 32)
    assert isinstance(first, Registered)
    mail = guests.rows(t.message)[0].id
    with guests.store.transaction() as tx:
        assert messages.leaving(tx, mail)
        messages.delivered(tx, mail, now=NOW)
    guests.now += timedelta(minutes=5)
    cancel(guests, first.participation_id)
    guests.now += timedelta(minutes=5)
    assert submit(guests, submission="a" * 32) == Refused(Reason.REPEATED)
    again = submit(guests)
    assert isinstance(again, Registered)
    assert (again.ticket, again.new) == (first.ticket, True)
    assert [row.number for row in guests.rows(t.message)] == [1, 2]
    assert guests.rows(t.participation)[0].stage == "registered"


def invited_seat(guests: GuestWorld) -> participations.Participation:
    with guests.store.transaction() as tx:
        person = person_for_contact(tx, guests.portal_id, contact(), NOW)
        return participations.find_or_add(
            tx, portal_id=guests.portal_id, event_id=guests.event_id, person_id=person
        )


def test_a_personal_link_leads_to_the_invited_person_also_with_another_address(guests: GuestWorld) -> None:
    seat = invited_seat(guests)
    done = submit(guests, email="private@mail.kz", phone="+77770000000", i=seat.invitation)
    assert isinstance(done, Registered)
    assert done.participation_id == seat.id
    assert done.address == "private@mail.kz"
    assert guests.rows(t.participation)[0].source == "invitation"
    assert guests.rows(t.person)[0].email == "zhanar@romashka.kz"


def test_a_forwarded_link_registers_the_colleague_and_not_the_invited(guests: GuestWorld) -> None:
    seat = invited_seat(guests)
    done = submit(guests, first_name="Олег", last_name="Пак", i=seat.invitation)
    assert isinstance(done, Registered)
    assert done.participation_id != seat.id
    assert [row.stage for row in guests.rows(t.participation)] == ["selected", "registered"]


def test_the_invited_may_register_before_registration_opens_to_all(guests: GuestWorld) -> None:
    guests.change_event(stage="inviting")
    assert isinstance(submit(guests, i=invited_seat(guests).invitation), Registered)


def test_a_personal_link_prefills_the_form_only_of_its_own_event(guests: GuestWorld) -> None:
    seat, other = invited_seat(guests), guests.add_event()
    with guests.store.reading() as tx:
        mine = registration.prefilled(tx, events.by_id(tx, guests.event_id), seat.invitation)
        theirs = registration.prefilled(tx, events.by_id(tx, other), seat.invitation)
        none = registration.prefilled(tx, events.by_id(tx, guests.event_id), "x" * 22)
    assert mine["last_name"] == "Ахметова"
    assert mine["email"] == "zhanar@romashka.kz"
    assert theirs == none == {}


def test_a_ticket_is_sent_again_on_request_but_not_without_end(guests: GuestWorld) -> None:
    done = submit(guests)
    assert isinstance(done, Registered)
    answers = []
    for _n in range(6):
        for row in guests.rows(t.message, t.message.c.state == "waiting"):
            with guests.store.transaction() as tx:
                messages.leaving(tx, row.id)
                messages.delivered(tx, row.id, now=NOW)
        with guests.store.transaction() as tx:
            answers.append(registration.resend(tx, done.participation_id, NOW))
    assert answers == [True, True, True, False, False, False]
    assert {row.to_address for row in guests.rows(t.message)} == {"zhanar@romashka.kz"}


def form_item(guests: GuestWorld, item_id: int, **values: Any) -> registration.FromForm:
    with guests.store.transaction() as tx:
        return registration.register_from_form(
            tx, event_id=guests.event_id, item_id=item_id, contact=contact(**values), at=NOW, now=NOW
        )


def test_a_crm_forms_item_becomes_a_registration_with_its_card(guests_anywhere: GuestWorld) -> None:
    first, again = form_item(guests_anywhere, 900), form_item(guests_anywhere, 900)
    assert (first.new, again.new) == (True, False)
    (seat,) = guests_anywhere.rows(t.participation)
    assert (seat.item_id, seat.stage, seat.source) == (900, "registered", "crm_form")
    (person,) = guests_anywhere.rows(t.person)
    assert (person.contact_id, person.company_id, person.match) == (55, 9, "matched")
    assert len(guests_anywhere.rows(t.message)) == 1


def test_a_crm_form_after_the_page_is_the_same_guest_and_one_mail(guests: GuestWorld) -> None:
    submit(guests)
    done = form_item(guests, 900)
    assert not done.new
    (seat,) = guests.rows(t.participation)
    assert seat.item_id == 900
    assert len(guests.rows(t.message)) == len(guests.rows(t.person)) == 1


def test_two_form_items_of_one_guest_are_named_for_merging(guests: GuestWorld) -> None:
    form_item(guests, 900)
    assert form_item(guests, 901).other_item_id == 900
    assert len(guests.rows(t.participation)) == 1


def test_a_crm_form_without_an_address_registers_without_a_mail(guests: GuestWorld) -> None:
    assert form_item(guests, 900, email="").new
    assert guests.rows(t.message) == []


def test_a_crm_form_beyond_capacity_is_registered_and_says_so(guests: GuestWorld) -> None:
    guests.change_event(capacity=0)
    done = form_item(guests, 900)
    assert (done.new, done.beyond) == (True, Reason.FULL)


def test_initials_that_fit_two_people_wait_for_a_decision_with_a_ticket(guests: GuestWorld) -> None:
    with guests.store.transaction() as tx:
        for n, first in enumerate(("Иван", "Илья")):
            card = contact(
                last_name="Пак", first_name=first, email="office@x.kz", phone="", contact_id=60 + n
            )
            person_for_contact(tx, guests.portal_id, card, NOW)
        unclear = Identity("Пак", "И.", "office@x.kz")
        first_time = find_or_add_person(tx, guests.portal_id, unclear, NOW)
        assert find_or_add_person(tx, guests.portal_id, unclear, NOW) == first_time
    person = guests.rows(t.person)[-1]
    assert (person.id, person.match) == (first_time, "undecided")
    assert [one["contact_id"] for one in person.candidates] == [60, 61]


def test_a_card_takes_over_the_stranger_who_registered_before(guests: GuestWorld) -> None:
    submit(guests)
    with guests.store.transaction() as tx:
        person_for_contact(tx, guests.portal_id, contact(position="Директор"), NOW)
    (person,) = guests.rows(t.person)
    assert (person.contact_id, person.match, person.position) == (55, "matched", "Директор")


def test_another_portals_people_are_never_found(guests: GuestWorld) -> None:
    submit(guests)
    other = GuestWorld(guests.store)

    add_portal(other, member_id="b" * 32)
    other.event_id = other.add_event(code="theirs")
    assert isinstance(submit(other), Registered)
    assert {row.portal_id for row in guests.rows(t.person)} == {guests.portal_id, other.portal_id}
