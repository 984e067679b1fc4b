from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import icalendar
import pytest
import sqlalchemy as sa

from smart_process import invitation, messages, tickets
from smart_process.facts import Kind, NewFact
from smart_process.messages import NothingToSay
from smart_process.people import Contact
from smart_process.settings import Smtp
from smart_process.store import journal
from smart_process.store import messages as store
from smart_process.store import tables as t
from tests.guest_world import NOW, STARTS, GuestWorld
from tests.smart_process.test_registration import submit

URL = "https://events.example"
SMTP = Smtp(from_address="events@vodoley.example", from_name="Водолей")


def composed(guests: GuestWorld, message_id: int, at: Any = NOW) -> EmailMessage:
    """A mail as the receiver's program reads it."""
    with guests.store.reading() as tx:
        made = messages.compose(tx, message_id, public_url=URL, now=at)
    read = message_from_bytes(made.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def seat(guests: GuestWorld) -> sa.Row[Any]:
    return guests.rows(t.participation)[-1]


def record(guests: GuestWorld, kind: Kind, **data: Any) -> None:
    fact = NewFact(kind, NOW, "user:1", f"test:{kind}:{data}", data=data)
    with guests.store.transaction() as tx:
        journal.record(tx, {seat(guests).id: [fact]}, now=NOW)


def queue(guests: GuestWorld, kind: str) -> int:
    with guests.store.transaction() as tx:
        queued = store.queue(tx, seat(guests).id, kind, to="zhanar@romashka.kz", now=NOW)
    assert queued
    return queued


def invited(guests: GuestWorld) -> int:
    card = Contact("Ахметова", "Жанар", "zhanar@romashka.kz", "+77011234567", contact_id=5, company_id=9)
    with guests.store.transaction() as tx:
        invitation.select(tx, guests.event_id, [card], by="user:1", now=NOW)
    with guests.store.transaction() as tx:
        ids = tx.scalars(sa.select(t.participation.c.id)).all()
        assert invitation.invite(tx, ids, now=NOW).queued == 1
    return int(guests.rows(t.message)[-1].id)


def test_a_ticket_mail_has_text_html_a_code_and_a_calendar_entry(guests: GuestWorld) -> None:
    submit(guests)
    mail = composed(guests, guests.rows(t.message)[0].id)
    link = f"{URL}/t/{seat(guests).ticket}"
    assert mail["To"] == "zhanar@romashka.kz"
    assert mail["From"] == "Компания «Водолей» <events@vodoley.example>"
    assert mail["Subject"] == "Ваш билет: Партнёрская конференция"
    assert mail["Message-ID"] == f"<ticket.1.{seat(guests).uid}@vodoley.example>"
    for body in (text_of(mail), text_of(mail, "html")):
        assert link in body
        assert "Жанар" in body
        assert "24 ноября 2026\u00a0г., 10:00–18:00 (Алматы, UTC+5)" in body
        assert "Алматы, пр. Достык, 52" in body
    png = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert f"cid:{png['Content-ID'].strip('<>')}" in text_of(mail, "html")
    assert png.get_content() == tickets.qr_png(link)
    (entry,) = [part for part in mail.iter_attachments() if part.get_content_type() == "text/calendar"]
    assert "SUMMARY:Партнёрская конференция" in entry.get_content()


def test_a_mail_composed_twice_has_one_message_id(guests: GuestWorld) -> None:
    submit(guests)
    mail = guests.rows(t.message)[0].id
    assert composed(guests, mail)["Message-ID"] == composed(guests, mail, NOW + timedelta(1))["Message-ID"]


def test_a_mail_says_what_is_true_when_it_leaves(guests: GuestWorld) -> None:
    submit(guests)
    guests.change_event(title="Новое название", place="Астана", time_zone="Europe/Moscow")
    body = text_of(composed(guests, guests.rows(t.message)[0].id))
    assert "Новое название" in body
    assert "08:00–16:00 (Москва, UTC+3)" in body


def test_an_invitation_carries_the_personal_link_only(guests: GuestWorld) -> None:
    mail = composed(guests, invited(guests))
    row = seat(guests)
    for body in (text_of(mail), text_of(mail, "html")):
        assert f"{URL}/r/partner-day-0?i={row.invitation}" in body
        assert row.ticket not in body
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


@pytest.mark.parametrize(
    ("lang", "subject", "hello"),
    [("en", "Your ticket:", "Hello"), ("kk", "Сіздің билетіңіз:", "Сәлеметсіз бе")],
)
def test_mails_speak_the_portals_language(guests: GuestWorld, lang: str, subject: str, hello: str) -> None:
    guests.change_settings(smtp=SMTP, language=lang)
    submit(guests)
    mail = composed(guests, guests.rows(t.message)[0].id)
    assert mail["Subject"].startswith(subject)
    assert hello in text_of(mail)
    assert mail["Content-Language"] == lang


@pytest.mark.parametrize(
    ("facts", "kind", "expected", "absent"),
    [
        ([(Kind.ARRIVED, {})], "materials", "Спасибо, что пришли", "заинтересовало"),
        (
            [(Kind.ARRIVED, {}), (Kind.FLAG_SET, {"flag": "product_interest", "product_line": "Насосы"})],
            "materials",
            "Вас заинтересовало: Насосы.",
            "расчёт",
        ),
        (
            [(Kind.ARRIVED, {}), (Kind.FLAG_SET, {"flag": "quote_requested"})],
            "materials",
            "запрос на расчёт записан",
            "материалы записан",
        ),
        (
            [(Kind.ARRIVED, {}), (Kind.FLAG_SET, {"flag": "materials_requested"})],
            "materials",
            "запрос на материалы записан",
            "расчёт",
        ),
        ([(Kind.NO_SHOW, {})], "missed", "не получилось увидеться", "Спасибо, что пришли"),
    ],
)
def test_words_afterwards_depend_on_who_came_and_what_they_asked(
    guests: GuestWorld, facts: list[tuple[Kind, dict[str, Any]]], kind: str, expected: str, absent: str
) -> None:
    submit(guests)
    for fact, data in facts:
        record(guests, fact, **data)
    mail = composed(guests, queue(guests, kind))
    for body in (text_of(mail), text_of(mail, "html")):
        assert expected in body
        assert absent not in body


@pytest.mark.parametrize(
    ("kind", "fact", "why"),
    [
        ("ticket", Kind.CANCELLED, "участие отменено"),
        ("invitation", None, "уже зарегистрирован"),
        ("materials", None, "не пришёл"),
        ("missed", Kind.ARRIVED, "пришёл"),
        ("missed", Kind.CANCELLED, "участие отменено"),
        ("ticket", Kind.REMOVED, "удалено"),
    ],
)
def test_a_mail_that_became_pointless_is_not_sent(
    guests: GuestWorld, kind: str, fact: Kind | None, why: str
) -> None:
    submit(guests)
    queued = guests.rows(t.message)[0].id if kind == "ticket" else queue(guests, kind)
    if fact:
        record(guests, fact)
    with pytest.raises(NothingToSay, match=why):
        composed(guests, queued)


def test_nobody_is_invited_to_a_cancelled_event(guests: GuestWorld) -> None:
    queued = invited(guests)
    guests.change_event(stage="cancelled")
    with pytest.raises(NothingToSay, match="мероприятие отменено"):
        composed(guests, queued)


@pytest.mark.parametrize(
    ("sender", "name", "reply_to"),
    [
        ("", "Водолей", None),
        ("Отдел обучения <study@vodoley.example>", "Отдел обучения", "study@vodoley.example"),
        ("Хакер\r\nBcc: all@x.kz", "Хакер Bcc: all@x.kz", "all@x.kz"),
    ],
)
def test_the_organiser_is_the_sender(
    guests: GuestWorld, sender: str, name: str, reply_to: str | None
) -> None:
    guests.change_event(sender=sender, title="Строка\r\nBcc: x@y.kz")
    submit(guests)
    mail = composed(guests, guests.rows(t.message)[0].id)
    assert mail["From"].addresses[0].display_name == name
    assert mail["From"].addresses[0].addr_spec == "events@vodoley.example"
    assert mail["Reply-To"] == reply_to
    assert mail["Bcc"] is None


def test_markup_in_names_stays_text(guests: GuestWorld) -> None:
    guests.change_event(title="<script>alert(1)</script>", place="A & B")
    submit(guests)
    mail = composed(guests, guests.rows(t.message)[0].id)
    assert "<script>" not in text_of(mail, "html")
    assert "A & B" in text_of(mail)
    assert "&amp;" not in text_of(mail)


def test_an_invitation_goes_out_once_and_counts_say_why_others_got_none(guests: GuestWorld) -> None:
    cards = [
        Contact("Ким", "Анна", "anna@x.kz", contact_id=1),
        Contact("Пак", "Олег", "", "+77010000001", contact_id=2),
        Contact("Ли", "Иван", "ivan@x.kz", contact_id=3),
        Contact("Цой", "Ян", "yan@x.kz", contact_id=4),
    ]
    with guests.store.transaction() as tx:
        done = invitation.select(tx, guests.event_id, cards, by="user:7", now=NOW)
        assert done == invitation.Selection(4, 0)
        again = invitation.select(tx, guests.event_id, cards[:2], by="user:7", now=NOW)
        assert again == invitation.Selection(0, 2)
    ids = [row.id for row in guests.rows(t.participation)]
    registered = NewFact(Kind.REGISTERED, NOW, "guest", "page:1", data={"source": "page"})
    declined = NewFact(Kind.CANCELLED, NOW, "guest", "cancel:1")
    with guests.store.transaction() as tx:
        journal.record(tx, {ids[2]: [registered], ids[3]: [declined]}, now=NOW)
        first = invitation.invite(tx, ids, now=NOW)
        second = invitation.invite(tx, ids, now=NOW)
    assert first == invitation.Invitations(queued=1, registered=1, declined=1, without_address=1)
    assert second == invitation.Invitations(already=1, registered=1, declined=1, without_address=1)
    assert [row.to_address for row in guests.rows(t.message)] == ["anna@x.kz"]


def test_the_stage_follows_the_invitation_that_left(guests: GuestWorld) -> None:
    queued = invited(guests)
    assert seat(guests).stage == "selected"
    with guests.store.transaction() as tx:
        assert store.leaving(tx, queued)
        assert not store.leaving(tx, queued)
        store.delivered(tx, queued, now=NOW)
    assert seat(guests).stage == "invited"
    assert guests.rows(t.message)[-1].state == "sent"


def test_a_mail_cut_by_a_kill_is_possibly_delivered_and_sent_again_only_on_request(
    guests: GuestWorld,
) -> None:
    submit(guests)
    mail = guests.rows(t.message)[0].id
    with guests.store.transaction() as tx:
        store.leaving(tx, mail)
    with guests.store.transaction() as tx:
        assert store.interrupted(tx, guests.portal_id, now=NOW) == [mail]
        assert store.interrupted(tx, guests.portal_id, now=NOW) == []
    assert guests.rows(t.message)[0].state == "possibly"
    assert [row.kind for row in guests.rows(t.fact)] == ["registered", "message_sent"]
    with guests.store.transaction() as tx:
        assert store.send_again(tx, mail, now=NOW)
    assert [row.number for row in guests.rows(t.message)] == [1, 2]


def entry_of(guests: GuestWorld, at: Any = NOW) -> icalendar.Event:
    mail = composed(guests, guests.rows(t.message)[0].id, at)
    (part,) = [one for one in mail.iter_attachments() if one.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert calendar["METHOD"] == "PUBLISH"
    (entry,) = calendar.walk("VEVENT")
    assert isinstance(entry, icalendar.Event)
    return entry


def test_the_calendar_entry_is_in_the_events_zone_and_replaces_itself(guests: GuestWorld) -> None:
    submit(guests)
    first = entry_of(guests)
    assert first.start == STARTS
    assert first["DTSTART"].params["TZID"] == "Asia/Almaty"
    assert first.end == STARTS + timedelta(hours=8)
    guests.change_event(starts_at=STARTS + timedelta(days=1), ends_at=STARTS + timedelta(days=1, hours=8))
    second = entry_of(guests, NOW + timedelta(minutes=10))
    assert second["UID"] == first["UID"]
    assert int(str(second["SEQUENCE"])) > int(str(first["SEQUENCE"]))
    assert second.start == STARTS + timedelta(days=1)


def test_without_a_date_there_is_no_calendar_entry(guests: GuestWorld) -> None:
    guests.change_event(starts_at=None, ends_at=None)
    submit(guests)
    assert list(composed(guests, guests.rows(t.message)[0].id).iter_attachments()) == []
