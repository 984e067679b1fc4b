"""Mails the portal sends: each once whatever happens to the answer, what is refused is said and leaves no trace."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from smart_process import checkup, identities
from smart_process.language import translator
from smart_process.schema import CONTACT
from smart_process.settings import CrmMail, Settings
from smart_process.store import decisions, messages, setups
from smart_process.store import tables as t
from smart_process.sync import crm_mailing
from tests.smart_process.sync.story import Row, Story
from tests.smart_process.sync.test_cut_anywhere import begun_again_until_settled, cut

SENDER = CrmMail(True, "events@vector.example", "Вектор")


@pytest.fixture
def story(stories: Callable[[], Story]) -> Story:
    """A story whose mails leave through the portal."""
    made = stories()
    choose(made, crm_mail=SENDER)
    return made


def choose(story: Story, **values: Any) -> None:
    """What an administrator changes in the settings."""
    with story.service.store.transaction() as tx:
        settings: Settings = replace(story.settings, **values)
        now = story.service.clock()
        setups.write_settings(tx, story.company.portal_id, settings, now=now)
        messages.send_waiting(tx, story.company.portal_id, now=now)


def work(story: Story) -> None:
    """What the app does now, without waiting for anything."""
    for _ in range(3):
        story.events_arrived()
        story.drain()


def mail(story: Story) -> Row:
    """The only mail to the only guest."""
    (row,) = story.rows(t.message, t.message.c.participation_id == story.seat()["id"])
    return row


def letters(story: Story, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = story.rest.control(f"mail.json?to={address}", method="GET")
    return found


def in_the_card(story: Story, contact_id: int) -> list[dict[str, Any]]:
    """E-mails in a contact's timeline."""
    where = {"OWNER_TYPE_ID": CONTACT, "OWNER_ID": contact_id, "TYPE_ID": 4}
    select = ["ID", "SUBJECT", "COMPLETED", "COMMUNICATIONS", "ORIGIN_ID"]
    found: list[dict[str, Any]] = story.rest("crm.activity.list", {"filter": where, "select": select})
    return found


def test_a_ticket_goes_from_the_guests_contact_with_the_code_attached(story: Story) -> None:
    guest = story.guest("Билетов", "Тимур")
    story.registers(guest)
    story.settle()
    (letter,) = letters(story, guest.email)
    assert letter["from"] == "Вектор <events@vector.example>"
    assert letter["subject"] == f"Ваш билет: День партнёра {story.number}"
    full = story.rest.control(f"mail/{letter['id']}.json", method="GET")
    assert {one["name"]: one["type"] for one in full["attachments"]} == {
        "ticket.png": "image/png",
        "event.ics": "text/calendar",
    }
    assert f"/t/{story.seat()['ticket']}" in full["html"]
    assert "ticket.png" in full["html"]
    assert "cid:" not in full["html"]
    (record,) = in_the_card(story, story.person(story.seat())["contact_id"])
    assert (record["COMPLETED"], record["COMMUNICATIONS"][0]["VALUE"]) == ("Y", guest.email)
    assert letters(story, "events@vector.example") == []
    assert (mail(story)["state"], mail(story)["message_id"]) == ("sent", record["ORIGIN_ID"])
    assert story.kinds(story.seat()["id"]).count("message_sent") == 1


def test_mails_to_several_guests_are_one_request(story: Story) -> None:
    guests = [story.guest("Много", name) for name in ("Анна", "Борис", "Вера")]
    for guest in guests:
        story.registers(guest)
    with story.counted() as sent:
        story.settle()
    assert [some.count("crm.activity.add") for some in sent if "crm.activity.add" in some] == [3]
    assert [len(letters(story, guest.email)) for guest in guests] == [1, 1, 1]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("reset_before", "sent"),
        ("timeout_before", "sent"),
        ("reset_after", "possibly"),
        ("html_after", "possibly"),
    ],
)
def test_an_unanswered_mail_is_looked_up_and_never_sent_twice(story: Story, fault: str, state: str) -> None:
    guest = story.guest("Ответова", "Неждана", company="")
    story.registers(guest)
    story.faults(**{fault: 1}, times={fault: 1}, methods=["crm.activity.add"])
    work(story)
    assert mail(story)["state"] == "sending"
    story.faults()
    work(story)
    # Not before the portal is certainly through.
    assert mail(story)["state"] == "sending"
    story.settle()
    assert mail(story)["state"] == state
    assert len(letters(story, guest.email)) == 1
    assert len(in_the_card(story, story.person(story.seat())["contact_id"])) == 1
    assert mail(story)["error"] == (crm_mailing.IN_THE_CARD if state == "possibly" else "")


def test_an_answer_nobody_noted_is_looked_up_too(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_args: Any) -> None:
        raise KeyboardInterrupt

    guest = story.guest("Убит", "Процесс", company="")
    story.registers(guest)
    with monkeypatch.context() as patch:
        patch.setattr(crm_mailing, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            work(story)
    assert mail(story)["state"] == "sending"
    story.settle()
    assert (mail(story)["state"], len(letters(story, guest.email))) == ("possibly", 1)


@pytest.mark.parametrize("executed", [False, True], ids=["before-it-leaves", "after-it-was-executed"])
def test_killed_again_and_again_every_guest_has_one_mail(story: Story, executed: bool) -> None:
    guests = [story.guest("Убитых", name, company="") for name in ("Анна", "Борис")]
    dice = random.Random(5)
    for guest in guests:
        story.registers(guest)
    with cut(story, lambda _call: dice.random() < 0.5, executed=executed):
        begun_again_until_settled(story)
    assert [len(letters(story, guest.email)) for guest in guests] == [1, 1]
    people = [story.person(seat) for seat in story.seats()]
    assert [len(in_the_card(story, person["contact_id"])) for person in people] == [1, 1]
    assert story.waiting() == []


def test_a_mail_the_portal_has_in_hand_does_not_leave_another_way_as_well(story: Story) -> None:
    guest = story.guest("Перемена", "Пути", company="")
    story.registers(guest)
    story.faults(reset_after=1, times={"reset_after": 1}, methods=["crm.activity.add"])
    work(story)
    story.faults()
    choose(story, crm_mail=CrmMail())
    assert story.settings.mail_way == "smtp"
    story.settle()
    assert (mail(story)["state"], len(letters(story, guest.email))) == ("possibly", 1)


def test_without_any_sender_mails_wait_and_leave_once_there_is_one(story: Story) -> None:
    choose(story, crm_mail=CrmMail(True))
    guest = story.guest("Отправитель", "Пропал")
    story.registers(guest)
    story.settle()
    contact_id = story.person(story.seat())["contact_id"]
    assert (mail(story)["state"], letters(story, guest.email)) == ("waiting", [])
    # Nobody shall read in the card what was never sent.
    assert in_the_card(story, contact_id) == []
    found = {
        one.key: one.words(translator("ru")) for one in checkup.check(story.service, story.company.portal_id)
    }
    assert "Подключите почтовый ящик к CRM" in found["held:mail:setup"]
    story.rest.control("mailboxes", {"email": "crm@vector.example"})
    choose(story, fallback_owner_id=1)
    story.settle()
    story.rest.control("mailboxes", {"email": ""})
    (letter,) = letters(story, guest.email)
    assert (letter["from"], mail(story)["state"]) == ("crm@vector.example", "sent")
    assert len(in_the_card(story, contact_id)) == 1


def test_a_refused_mail_says_why_and_can_be_sent_again(story: Story) -> None:
    choose(story, crm_mail=CrmMail())
    guest = story.guest("Удалён", "Контакт")
    story.registers(guest)
    story.settle()
    contact_id = story.person(story.seat())["contact_id"]
    choose(story, crm_mail=SENDER)
    story.faults(event_drop=1)
    story.delete(CONTACT, contact_id)
    with story.service.store.transaction() as tx:
        number = messages.send_again(tx, mail(story)["id"], now=story.service.clock())
    story.settle()
    story.faults()
    (row,) = story.rows(t.message, t.message.c.id == number)
    assert (row["state"], row["error"]) == ("failed", f"Could not find 'CONTACT' with ID: {contact_id}")


def undecided(story: Story) -> tuple[str, int]:
    """A guest with somebody else's address: the address and that contact."""
    email = f"family{story.number}@home.example"
    husband = story.add_contact("Ким", "Олег", email=email)
    story.registers(story.guest("Ким", "Жанна", email=email, company=""))
    work(story)
    assert story.person(story.seat())["match"] == "undecided"
    return email, husband


@pytest.mark.parametrize("answer", [decisions.CARD, decisions.NEW])
def test_a_guest_nobody_decided_about_waits_for_their_contact(story: Story, answer: str) -> None:
    email, husband = undecided(story)
    assert (mail(story)["state"], letters(story, email)) == ("waiting", [])
    (mark,) = story.marks(messages.SEND)
    # Waiting for a decision is not work that failed.
    assert (mark["held"], mark["error"]) == (None, None)
    assert mark["due_at"] > story.service.clock() + timedelta(minutes=5)
    decide(story, answer, husband)
    work(story)
    assert (mail(story)["state"], len(letters(story, email))) == ("sent", 1)
    assert len(in_the_card(story, story.person(story.seat())["contact_id"])) == 1


def decide(story: Story, answer: str, contact_id: int) -> None:
    with story.service.store.transaction() as tx:
        identities.settle(
            tx,
            story.company.portal_id,
            story.seat()["person_id"],
            answer,
            contact_id if answer == decisions.CARD else None,
            actor="user:1",
            now=story.service.clock(),
        )


def test_a_guest_who_gets_no_contact_gets_no_mail_through_the_crm_and_it_is_said(story: Story) -> None:
    email, husband = undecided(story)
    decide(story, decisions.NONE, husband)
    story.settle()
    assert (mail(story)["state"], letters(story, email)) == ("failed", [])
    assert "нет карточки контакта" in mail(story)["error"]


def test_mails_that_waited_for_a_contact_leave_when_another_way_is_chosen(story: Story) -> None:
    email, _ = undecided(story)
    choose(story, crm_mail=CrmMail())
    work(story)
    assert (mail(story)["state"], len(letters(story, email))) == ("sent", 1)
