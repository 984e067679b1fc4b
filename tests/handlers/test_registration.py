from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from handlers.privacy import mask_path
from smart_process.people import Contact
from smart_process.store import participations
from smart_process.store import tables as t
from smart_process.store.people import person_for_contact
from tests.guest_world import NOW, GuestWorld, guest_site
from tests.smart_process.test_registration import TYPED

PAGE = "/r/partner-day-0"


@pytest.fixture
def web(guests: GuestWorld) -> FlaskClient:
    return guest_site(guests).test_client()


def hidden(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text
    return unescape(found.group(1))


def post(web: FlaskClient, typed: Mapping[str, str] = TYPED, **changes: str) -> TestResponse:
    shown = web.get(PAGE)
    return web.post(PAGE, data={"submission": hidden(shown, "submission"), **typed, **changes})


def post_json(web: FlaskClient, **changes: str) -> TestResponse:
    return web.post(PAGE, data={**TYPED, **changes}, headers={"Accept": "application/json"})


def invite(guests: GuestWorld) -> participations.Participation:
    card = Contact("Ахметова", "Жанар", "zhanar@romashka.kz", "+77011234567", "Ромашка", contact_id=5)
    with guests.store.transaction() as tx:
        person = person_for_contact(tx, guests.portal_id, card, NOW)
        return participations.find_or_add(
            tx, portal_id=guests.portal_id, event_id=guests.event_id, person_id=person
        )


def test_a_guest_fills_in_the_form_and_gets_a_ticket(web: FlaskClient, guests: GuestWorld) -> None:
    done = post(web)
    assert done.status_code == 200
    (seat,) = guests.rows(t.participation)
    assert "Вы зарегистрированы" in done.text
    assert "zhanar@romashka.kz" in done.text
    assert f'href="/t/{seat.ticket}"' in done.text
    assert guests.woken == [guests.portal_id]
    assert web.get(f"/t/{seat.ticket}").status_code == 200


def test_the_page_shows_the_event_in_its_zone(web: FlaskClient) -> None:
    shown = web.get(PAGE).text
    for expected in ("Партнёрская конференция", "Компания «Водолей»", "10:00–18:00 (Алматы, UTC+5)"):
        assert expected in shown


def test_a_refusal_keeps_what_was_typed_and_marks_each_field(web: FlaskClient, guests: GuestWorld) -> None:
    done = post(web, email="zhanar@romashka", phone="12")
    assert done.status_code == 422
    assert 'value="Ахметова"' in done.text
    assert 'value="zhanar@romashka"' in done.text
    assert 'id="email-error"' in done.text
    assert 'id="phone-error"' in done.text
    assert 'id="company-error"' not in done.text
    assert " checked" in done.text
    assert guests.rows(t.participation) == []


def test_a_full_hall_is_said_and_the_form_stays_filled_in(web: FlaskClient, guests: GuestWorld) -> None:
    shown = web.get(PAGE)
    guests.change_event(capacity=0)
    done = web.post(PAGE, data={"submission": hidden(shown, "submission"), **TYPED})
    assert done.status_code == 409
    assert "Все места заняты" in done.text
    assert 'value="Ахметова"' in done.text


@pytest.mark.parametrize(
    ("stage", "words"), [("planning", "ещё не открыта"), ("closed", "уже прошло"), ("cancelled", "отменено")]
)
def test_a_page_without_registration_says_why(
    web: FlaskClient, guests: GuestWorld, stage: str, words: str
) -> None:
    guests.change_event(stage=stage)
    shown = web.get(PAGE)
    assert words in shown.text
    assert "<form" not in shown.text


def test_a_double_click_is_one_registration(web: FlaskClient, guests: GuestWorld) -> None:
    data = {"submission": hidden(web.get(PAGE), "submission"), **TYPED}
    first, second = web.post(PAGE, data=data), web.post(PAGE, data=data)
    assert first.text == second.text
    assert len(guests.rows(t.message)) == 1


def test_somebody_registered_is_offered_their_ticket_again(web: FlaskClient, guests: GuestWorld) -> None:
    post(web)
    again = post(web)
    (seat,) = guests.rows(t.participation)
    assert again.status_code == 200
    assert "Вы уже зарегистрированы" in again.text
    assert seat.ticket not in again.text
    assert "zhanar@romashka.kz" not in again.text
    assert len(guests.rows(t.message)) == 1
    sent = web.post(PAGE, data={"resend": hidden(again, "resend")})
    assert sent.status_code == 200
    assert "Отправили билет ещё раз" in sent.text


@pytest.mark.parametrize("token", ["", "x", "eyJwIjoxfQ.x.y"])
def test_a_made_up_wish_for_a_ticket_is_refused(web: FlaskClient, guests: GuestWorld, token: str) -> None:
    post(web)
    assert web.post(PAGE, data={"resend": token}).status_code == 400
    assert len(guests.rows(t.message)) == 1


def test_a_wish_for_a_ticket_works_only_on_its_own_event(web: FlaskClient, guests: GuestWorld) -> None:
    post(web)
    token = hidden(post(web), "resend")
    guests.add_event(code="other")
    assert web.post("/r/other", data={"resend": token}).status_code == 429
    assert len(guests.rows(t.message)) == 1


def test_a_personal_link_fills_the_form_in(web: FlaskClient, guests: GuestWorld) -> None:
    seat = invite(guests)
    shown = web.get(f"{PAGE}?i={seat.invitation}")
    assert 'value="Жанар"' in shown.text
    assert 'value="+77011234567"' in shown.text
    assert hidden(shown, "i") == seat.invitation
    done = web.post(PAGE, data={**TYPED, "i": seat.invitation, "submission": hidden(shown, "submission")})
    assert done.status_code == 200
    assert guests.rows(t.participation)[0].source == "invitation"


def test_a_personal_link_of_somebody_registered_says_so_and_lets_a_colleague_in(
    web: FlaskClient, guests: GuestWorld
) -> None:
    seat = invite(guests)
    web.post(PAGE, data={**TYPED, "i": seat.invitation})
    shown = web.get(f"{PAGE}?i={seat.invitation}")
    assert "Вы уже зарегистрированы" in shown.text
    assert 'href="/r/partner-day-0?lang=ru"' in shown.text
    assert 'value="Жанар"' not in shown.text


def test_an_unknown_personal_link_shows_the_empty_form(web: FlaskClient) -> None:
    shown = web.get(f"{PAGE}?i={'x' * 22}")
    assert shown.status_code == 200
    assert hidden(shown, "i") == ""


def test_the_honeypot_catches_robots_and_says_so(web: FlaskClient, guests: GuestWorld) -> None:
    done = post(web, website="https://spam.example")
    assert done.status_code == 422
    assert "лишнее поле" in done.text
    assert 'value="Ахметова"' in done.text
    assert guests.rows(t.participation) == []


def test_too_many_posts_from_one_address_wait(guests: GuestWorld) -> None:
    web = guest_site(guests, posts_per_minute=3).test_client()
    answers = [post(web, email="bad").status_code for _n in range(5)]
    assert answers == [422, 422, 422, 429, 429]
    guests.now = NOW.replace(minute=1)
    assert post(web).status_code == 200


def test_unknown_codes_are_404_and_then_too_many(guests: GuestWorld) -> None:
    web = guest_site(guests, misses_per_minute=2).test_client()
    assert [web.get(f"/r/no-{n}").status_code for n in range(3)] == [404, 404, 429]
    assert web.get(PAGE).status_code == 200


@pytest.mark.parametrize(
    ("url", "accept", "lang", "words"),
    [
        (PAGE, "", "ru", "Фамилия"),
        (PAGE, "de-DE,de;q=0.9", "ru", "Фамилия"),
        (PAGE, "en-US,en;q=0.9,ru;q=0.1", "en", "Last name"),
        (PAGE, "kk-KZ", "kk", "Тегі"),
        (f"{PAGE}?lang=kk", "en", "kk", "Тегі"),
        (f"{PAGE}?lang=xx", "en", "en", "Last name"),
        (f"{PAGE}?lang=%00", "*", "ru", "Фамилия"),
    ],
)
def test_the_page_speaks_the_guests_language(
    web: FlaskClient, url: str, accept: str, lang: str, words: str
) -> None:
    shown = web.get(url, headers={"Accept-Language": accept})
    assert f'<html lang="{lang}">' in shown.text
    assert words in shown.text


def test_the_consent_is_asked_in_the_guests_language_unless_the_organiser_wrote_their_own(
    web: FlaskClient, guests: GuestWorld
) -> None:
    assert "I agree that the organiser" in web.get(f"{PAGE}?lang=en").text
    guests.change_settings(consent_text="Согласие № 7")
    assert "Согласие № 7" in web.get(f"{PAGE}?lang=en").text


def test_programs_get_the_same_answers_as_json(web: FlaskClient, guests: GuestWorld) -> None:
    invalid = post_json(web, email="")
    assert (invalid.status_code, invalid.json and list(invalid.json["errors"])) == (422, ["email"])
    done = post_json(web, submission="b" * 32)
    again = post_json(web, submission="b" * 32)
    assert done.json
    assert again.json
    assert (done.json["result"], done.json["new"], again.json["new"]) == ("registered", True, False)
    assert done.json["ticket"] == guests.rows(t.participation)[0].ticket
    already = post_json(web)
    assert already.json
    assert already.json["result"] == "already"
    guests.change_event(stage="closed")
    refused = post_json(web, last_name="Ким", email="kim@x.kz", phone="+77010000000")
    assert refused.json
    assert (refused.status_code, refused.json["result"], refused.json["reason"]) == (409, "refused", "over")


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}?i=x", "/r/unknown"])
def test_pages_are_not_stored_indexed_or_framed(web: FlaskClient, path: str) -> None:
    headers = web.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers


def test_a_page_needs_no_inline_script_or_style(web: FlaskClient) -> None:
    shown = web.get(PAGE).text
    assert not re.search(r"<style|style=|<script(?! src=)| on[a-z]+=", shown)


def test_head_and_other_methods_change_nothing(web: FlaskClient, guests: GuestWorld) -> None:
    assert web.head(PAGE).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        assert web.open(PAGE, method=method).status_code == 405
    assert guests.rows(t.participation) == []


def test_a_huge_form_is_refused(web: FlaskClient, guests: GuestWorld) -> None:
    assert post(web, company="я" * 100_000).status_code == 413
    assert guests.rows(t.participation) == []


def test_markup_typed_into_the_form_stays_text(web: FlaskClient) -> None:
    done = post(web, company='"><script>alert(1)</script>', phone="")
    assert "<script>alert" not in done.text
    assert "&lt;script&gt;" in done.text


HOSTILE = st.dictionaries(
    st.sampled_from([*TYPED, "i", "submission", "resend", "website", "lang", "x"]), st.text(max_size=60)
)


def test_whatever_is_posted_never_breaks_the_server(guests_anywhere: GuestWorld) -> None:
    web = guest_site(guests_anywhere, posts_per_minute=10**6).test_client()

    @given(HOSTILE, st.text(max_size=30), st.sampled_from(["application/json", "text/html", "\x00", ""]))
    def attack(form: dict[str, str], code: str, accept: str) -> None:
        address = PAGE if "x" in form else f"/r/{code.replace('/', '').strip('.') or 'x'}"
        headers = {"Accept": accept.replace("\x00", "bad;q")}
        done = web.post(address, data={**TYPED, **form} if len(form) % 2 else form, headers=headers)
        assert done.status_code < 500

    attack()


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('"GET /t/abcDEF_-123 HTTP/1.1" 200', '"GET /t/*** HTTP/1.1" 200'),
        ("/t/abc/qr.svg?lang=ru", "/t/***/qr.svg?lang=ru"),
        ("/r/partner-day?i=secret&lang=kk", "/r/partner-day?i=***&lang=kk"),
        ("/r/partner-day?lang=kk&i=secret", "/r/partner-day?lang=kk&i=***"),
        ("/scan/enrol-code", "/scan/***"),
        ("/scan/", "/scan/"),
        ("/api/v1/scans", "/api/v1/scans"),
    ],
)
def test_secrets_in_addresses_never_reach_the_log(line: str, masked: str) -> None:
    assert mask_path(line) == masked
