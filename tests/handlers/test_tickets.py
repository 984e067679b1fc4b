from __future__ import annotations

import re
from datetime import timedelta

import icalendar
import pytest
from flask.testing import FlaskClient

from smart_process import tickets
from smart_process.facts import Kind, NewFact
from smart_process.registration import Registered
from smart_process.store import journal
from smart_process.store import tables as t
from tests.guest_world import NOW, STARTS, GuestWorld, guest_site
from tests.handlers.test_registration import hidden
from tests.smart_process.test_registration import submit


@pytest.fixture
def web(guests: GuestWorld) -> FlaskClient:
    return guest_site(guests).test_client()


@pytest.fixture
def ticket(guests: GuestWorld) -> str:
    done = submit(guests)
    assert isinstance(done, Registered)
    return f"/t/{done.ticket}"


def record(guests: GuestWorld, kind: Kind) -> None:
    (seat,) = guests.rows(t.participation)
    with guests.store.transaction() as tx:
        journal.record(tx, {seat.id: [NewFact(kind, guests.now, "user:1", f"test:{kind}")]}, now=guests.now)


def test_a_ticket_shows_first_name_event_and_code_and_nothing_else_of_the_guest(
    web: FlaskClient, ticket: str
) -> None:
    shown = web.get(ticket)
    assert shown.status_code == 200
    for expected in ("Жанар", "Партнёрская конференция", "10:00–18:00 (Алматы, UTC+5)", f"{ticket}/qr.svg"):
        assert expected in shown.text
    for secret in ("Ахметова", "zhanar@romashka.kz", "7011234567", "Ромашка", "Закупки"):
        assert secret not in shown.text


def test_the_code_says_the_tickets_address(web: FlaskClient, ticket: str) -> None:
    shown = web.get(f"{ticket}/qr.svg")
    assert shown.mimetype == "image/svg+xml"
    assert shown.data == tickets.qr_svg(f"https://events.example{ticket}")
    assert shown.data != tickets.qr_svg("https://events.example/t/other")


def test_the_calendar_file_is_in_the_events_zone(web: FlaskClient, ticket: str) -> None:
    shown = web.get(f"{ticket}/event.ics")
    assert shown.mimetype == "text/calendar"
    (entry,) = icalendar.Calendar.from_ical(shown.data).walk("VEVENT")
    assert isinstance(entry, icalendar.Event)
    assert (entry.start, str(entry["STATUS"])) == (STARTS, "CONFIRMED")
    assert "TZID=Asia/Almaty" in shown.text


def test_a_guest_cancels_and_the_seat_is_free(web: FlaskClient, guests: GuestWorld, ticket: str) -> None:
    token = hidden(web.get(ticket), "token")
    done = web.post(f"{ticket}/cancel", data={"token": token})
    assert (done.status_code, done.location) == (303, ticket)
    assert guests.rows(t.participation)[0].stage == "declined"
    shown = web.get(ticket).text
    assert "Участие отменено" in shown
    assert "qr.svg" not in shown
    assert guests.woken == [guests.portal_id]
    assert web.get(f"{ticket}/qr.svg").status_code == 404
    assert "STATUS:CANCELLED" in web.get(f"{ticket}/event.ics").text


def test_cancelling_twice_is_one_fact(web: FlaskClient, guests: GuestWorld, ticket: str) -> None:
    token = hidden(web.get(ticket), "token")
    for _n in range(2):
        assert web.post(f"{ticket}/cancel", data={"token": token}).status_code == 303
    assert [row.kind for row in guests.rows(t.fact)] == ["registered", "cancelled"]


@pytest.mark.parametrize("token", ["", "x", "other"])
def test_cancelling_needs_the_token_of_this_very_page(
    web: FlaskClient, guests: GuestWorld, ticket: str, token: str
) -> None:
    if token == "other":
        token = guests.secrets.sign({"ticket": "x" * 22, "id": "1"}, "cancel")
    assert web.post(f"{ticket}/cancel", data={"token": token}).status_code == 400
    assert guests.rows(t.participation)[0].stage == "registered"


def test_nobody_cancels_after_arriving(web: FlaskClient, guests: GuestWorld, ticket: str) -> None:
    token = hidden(web.get(ticket), "token")
    record(guests, Kind.ARRIVED)
    assert web.post(f"{ticket}/cancel", data={"token": token}).status_code == 409
    assert guests.rows(t.participation)[0].stage == "arrived"
    shown = web.get(ticket).text
    assert "Вы отметились на входе" in shown
    assert "Отменить участие" not in shown


def test_a_guest_who_cancelled_registers_again_by_the_link_on_the_page(
    web: FlaskClient, guests: GuestWorld, ticket: str
) -> None:
    web.post(f"{ticket}/cancel", data={"token": hidden(web.get(ticket), "token")})
    guests.now += timedelta(minutes=1)
    link = re.search(r'href="(/r/[^"]+)"', web.get(ticket).text)
    assert link
    shown = web.get(link.group(1))
    assert 'value="Жанар"' in shown.text
    assert isinstance(submit(guests), Registered)
    assert "Покажите этот код" in web.get(ticket).text


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"stage": "cancelled"}, "отменил мероприятие", False),
        ({"removed_at": NOW}, "отменил мероприятие", False),
        ({"ends_at": NOW - timedelta(hours=1)}, "Мероприятие прошло", False),
        ({"starts_at": None, "ends_at": None}, "Покажите этот код", True),
    ],
)
def test_a_ticket_says_what_became_of_its_event(
    web: FlaskClient, guests: GuestWorld, ticket: str, change: dict[str, object], words: str, code: bool
) -> None:
    guests.change_event(**change)
    shown = web.get(ticket)
    assert words in shown.text
    assert ("qr.svg" in shown.text) is code
    assert web.get(f"{ticket}/qr.svg").status_code == (200 if code else 404)


@pytest.mark.parametrize("fact", [Kind.REMOVED, Kind.CANCELLED])
def test_a_participation_removed_in_the_crm_has_a_cancelled_ticket(
    web: FlaskClient, guests: GuestWorld, ticket: str, fact: Kind
) -> None:
    record(guests, fact)
    assert "Участие отменено" in web.get(ticket).text


def test_an_old_ticket_leads_to_the_participation_it_was_merged_into(
    web: FlaskClient, guests: GuestWorld, ticket: str
) -> None:
    other = submit(guests, last_name="Ким", first_name="Анна", email="anna@x.kz", phone="+77010000000")
    assert isinstance(other, Registered)
    with guests.store.transaction() as tx:
        gone = t.participation.c.ticket == ticket.removeprefix("/t/")
        tx.execute(t.participation.update().where(gone).values(merged_into=other.participation_id))
    assert "Анна" in web.get(ticket).text


@pytest.mark.parametrize(
    "path", ["/t/x", "/t/" + "x" * 22, "/t/" + "x" * 22 + "/qr.svg", "/t/%00", "/t/" + "я" * 22]
)
def test_an_unknown_ticket_is_not_found_in_plain_words(web: FlaskClient, path: str) -> None:
    shown = web.get(path)
    assert shown.status_code == 404
    assert "Такого билета нет" in shown.text


def test_unknown_tickets_cannot_be_tried_without_end_and_real_ones_still_open(
    web: FlaskClient, ticket: str
) -> None:
    answers = {web.get(f"/t/{n:022d}").status_code for n in range(40)}
    assert answers == {404, 429}
    assert web.get(ticket).status_code == 200


@pytest.mark.parametrize("part", ["", "/qr.svg", "/event.ics"])
def test_everything_under_a_ticket_is_private(web: FlaskClient, ticket: str, part: str) -> None:
    headers = web.get(ticket + part).headers
    assert headers["Cache-Control"] == "no-store"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(("lang", "words"), [("en", "Show this code"), ("kk", "Осы кодты")])
def test_a_ticket_speaks_the_guests_language(web: FlaskClient, ticket: str, lang: str, words: str) -> None:
    assert words in web.get(f"{ticket}?lang={lang}").text
