"""The Event tab: numbers and the people behind them, segment and invitations, closing, phones, who may do it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.sandbox.server import Options, Sandbox
from placements import event_tab
from smart_process import devices
from smart_process.facts import Kind, NewFact
from smart_process.language import translator
from smart_process.schema import COMPANY, CONTACT
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


@pytest.fixture
def tabs(opened: Tabs) -> Tabs:
    """The module's portal with a fresh event."""
    soon = opened.place.service.clock() + timedelta(days=1)
    opened.add_event(starts_at=soon.isoformat(), ends_at=(soon + timedelta(hours=8)).isoformat())
    return opened


def choice(tabs: Tabs, **titles: str) -> dict[str, list[str]]:
    """A segment by what people read."""
    questions = tabs.call("event/segment/questions").get_json()["questions"]
    return {
        one["name"]: [
            option["value"] for option in one["options"] if option["title"] == titles.get(one["name"])
        ]
        for one in questions
    }


def test_a_new_card_says_to_be_saved_first(tabs: Tabs) -> None:
    assert "Сохраните карточку" in tabs.page(item_id=0).text


def test_a_card_just_made_is_read_first(tabs: Tabs) -> None:
    made = tabs.place.rest("crm.item.add", {"entityTypeId": tabs.event_type, "fields": {"title": "Новое"}})
    page = tabs.page(item_id=int(made["item"]["id"]))
    assert page.status_code == 200
    assert "ещё читает" in page.text
    tabs.drain()
    assert "Путь гостей" in tabs.page(item_id=int(made["item"]["id"])).text


def test_an_event_without_guests_says_how_to_begin_and_what_its_link_answers(tabs: Tabs) -> None:
    assert "Гостей пока нет" in text_of(tabs.page().text)
    assert "Регистрация идёт" in tabs.part("links")
    tabs.move_event("planning")
    assert "Пока закрыта" in tabs.part("links")
    tabs.move_event("cancelled")
    assert "мероприятие отменено" in tabs.part("links")
    assert "Гостей не было" in tabs.part("funnel")


def test_a_segment_is_previewed_selected_and_invited_once(tabs: Tabs) -> None:
    segment = {"segment": choice(tabs, potential="Высокий", region="Алматы")}
    seen = tabs.portions("event/segment/preview", segment)
    companies = {
        int(one["id"])
        for one in tabs.place.rest("crm.item.list", _of_segment(tabs, segment["segment"]))["items"]
    }
    assert seen["companies"] == seen["total"] == len(companies) > 0
    assert seen["contacts"] == seen["with_email"] + seen["without_email"] > 0
    assert seen["already"] == 0

    done = tabs.portions("event/segment/select", segment)
    assert done["selected"] == seen["contacts"]
    tabs.drain()
    assert len(cards(tabs)) == seen["contacts"]
    again = tabs.portions("event/segment/select", segment)
    assert (again["selected"], again["already"]) == (0, seen["contacts"])
    assert tabs.portions("event/segment/preview", segment)["already"] == seen["contacts"]

    invited = tabs.portions("event/invite", {})
    assert (invited["queued"], invited["without_address"]) == (seen["with_email"], seen["without_email"])
    assert tabs.portions("event/invite", {})["queued"] == 0


def _of_segment(tabs: Tabs, chosen: dict[str, list[str]]) -> dict[str, Any]:
    from smart_process.store import setups

    with tabs.place.service.store.reading() as tx:
        fields = setups.read(tx, 1).settings.segment
    wanted = {f"@{getattr(fields, name)}": values for name, values in chosen.items() if values}
    return {"entityTypeId": COMPANY, "filter": wanted, "select": ["id"]}


def cards(tabs: Tabs) -> list[dict[str, Any]]:
    """Participations of the event in the CRM."""
    found: list[dict[str, Any]] = []
    while True:
        where = {f"parentId{tabs.event_type}": tabs.event_item, ">id": found[-1]["id"] if found else 0}
        asked = {"filter": where, "select": ["id"], "order": {"id": "ASC"}, "start": -1}
        page = tabs.place.rest("crm.item.list", {"entityTypeId": tabs.card_type, **asked})["items"]
        found += page
        if len(page) < 50:
            return found


def test_a_whole_segment_comes_in_portions(tabs: Tabs) -> None:
    seen = tabs.portions("event/segment/preview", {"segment": {}})
    assert seen["companies"] == seen["total"] == 120
    first = tabs.call("event/segment/preview", {"segment": {}}).get_json()
    assert (first["companies"], first["next"] is None) == (50, False)


@pytest.fixture
def crowd(tabs: Tabs) -> Tabs:
    """Guests of the event: some registered, some there."""
    tabs.portions("event/segment/select", {"segment": choice(tabs, potential="Высокий", region="Астана")})
    tabs.drain()
    now = tabs.place.service.clock()
    ids = [row.id for row in tabs.rows(t.participation, t.participation.c.event_id == tabs.event_id)]
    with tabs.place.service.store.transaction() as tx:
        journal.record(tx, {pid: [NewFact(Kind.REGISTERED, now, "guest", "r")] for pid in ids[:3]}, now=now)
        journal.record(tx, {pid: [NewFact(Kind.ARRIVED, now, "app", "a")] for pid in ids[:2]}, now=now)
    return tabs


def test_the_tab_shows_the_numbers_and_the_people_behind_them(crowd: Tabs) -> None:
    page = crowd.page()
    assert "Пришёл" in text_of(page.text)
    ids = [row.item_id for row in crowd.rows(t.participation, t.participation.c.event_id == crowd.event_id)]
    found = crowd.get("event/people?stage=arrived&where=reached").get_json()
    assert [one["item_id"] for one in found["people"]] == ids[:2]
    assert found["next"] is None
    lost = crowd.get("event/people?stage=arrived&where=lost").get_json()
    assert [one["item_id"] for one in lost["people"]] == ids[2:3]
    assert 'data-stage="arrived" data-where="reached"' in page.text


def test_the_tab_names_nobody_itself(crowd: Tabs) -> None:
    """Names are read by the page with the viewer's own rights."""
    page = crowd.page().text + "".join(
        crowd.get(f"event/parts/{name}").text for name in ("funnel", "closing", "mails", "undecided")
    )
    for person in crowd.rows(t.person):
        assert not person.email or person.email not in page
        assert not person.last_name or f"{person.last_name} {person.first_name}" not in page


@pytest.mark.parametrize(
    "query",
    [
        "",
        "stage=arrived",
        "stage=moon&where=now",
        "stage=declined&where=reached",
        "stage=arrived&where=reached&after=x",
        "stage=arrived&where=reached&after=-1",
        "stage=arrived&where=reached&after=99999999999999999999",
        "stage=arrived&where=reached&after=²",
    ],
)
def test_a_strange_question_is_refused(tabs: Tabs, query: str) -> None:
    assert tabs.get(f"event/people?{query}").status_code == 400


def test_closing_is_shown_stopped_and_run_by_a_click(crowd: Tabs) -> None:
    crowd.move_event("live")
    assert "Что произойдёт при закрытии" in crowd.part("closing")
    assert crowd.call("event/closing/now").status_code == 409
    crowd.move_event("closed")
    shown = crowd.part("closing")
    assert "Мероприятие закроется" in shown
    assert "станут «Не пришёл»: 1" in shown
    assert crowd.call("event/closing/stop").status_code == 200
    assert "Закрытие остановлено" in crowd.part("closing")
    assert crowd.call("event/closing/stop").status_code == 409
    assert crowd.call("event/closing/now").status_code == 200
    crowd.drain()
    assert "Мероприятие закрыто" in crowd.part("closing")
    stages = [row.stage for row in crowd.rows(t.participation, t.participation.c.event_id == crowd.event_id)]
    assert stages.count("no_show") == 1
    assert crowd.call("event/closing/now").status_code == 409


def test_a_closed_event_invites_nobody(crowd: Tabs) -> None:
    assert "Вход сейчас" in text_of(crowd.get("event/door/live").get_json()["html"])
    offered = ("segment-open", "part-gates", "enrolment")
    assert all(f'id="{one}"' in crowd.page().text for one in offered)
    crowd.move_event("cancelled")
    assert text_of(crowd.get("event/door/live").get_json()["html"]).startswith("Кто прошёл 2 из 3")
    assert not any(f'id="{one}"' in crowd.page().text for one in offered)
    assert crowd.call("event/invite").status_code == 409
    assert crowd.call("event/segment/select", {"segment": {}}).status_code == 409


def test_a_link_for_phones_is_good_for_enrolling(tabs: Tabs) -> None:
    made = tabs.call(
        "event/enrolment", {"gates": ["Главный вход", " Зал А "], "role": "supervise"}
    ).get_json()
    assert made["qr"].startswith("data:image/svg+xml;base64,")
    code = made["link"].rpartition("/scan/")[2]
    with tabs.place.service.store.reading() as tx:
        found, event = devices.look_up(tx, code, now=tabs.place.service.clock())
    assert (found.gates, found.role, event.id) == (("Главный вход", "Зал А"), "supervise", tabs.event_id)


ACTIONS = (
    "segment/select",
    "invite",
    "closing/now",
    "closing/stop",
    "enrolment",
    "gates",
    "phone/revoke",
    "case",
    "rehearsal/start",
    "rehearsal/wipe",
    "mail/again",
    "person",
    "company",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_needs_the_viewers_own_token(opened: Tabs, action: str) -> None:
    body = {"segment": {}, "gates": [], "case": "scan:1:x", "answer": "same"}
    reply = opened.call(f"event/{action}", body, token="")
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_viewer_token")


@pytest.mark.parametrize("action", [*ACTIONS, "segment/preview", "segment/questions"])
def test_another_pages_session_is_no_use(opened: Tabs, action: str) -> None:
    reply = opened.place.web.post(
        f"/b24/api/event/{action}", json={}, headers={"X-Page-Session": opened.session("participation")}
    )
    assert reply.status_code == 403
    assert opened.place.web.post(f"/b24/api/event/{action}", json={}).status_code == 401


def test_a_permit_is_good_for_its_own_card_and_viewer_only(tabs: Tabs) -> None:
    permit = tabs.call("event/invite").get_json()["permit"]
    again = tabs.call("event/invite", {"permit": permit}, token="")
    assert again.status_code == 200
    for session in ({"item_id": tabs.event_item - 1}, {"user_id": 2}):
        assert tabs.call("event/invite", {"permit": permit}, token="", **session).status_code == 403


# Starting a rehearsal reads no body: nothing in it can be hostile.
@pytest.mark.parametrize("action", [*(one for one in ACTIONS if one != "rehearsal/start"), "segment/preview"])
@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        7,
        {"segment": [1]},
        {"segment": {"potential": "1"}},
        {"segment": {"potential": [1]}},
        {"segment": {"potential": [""]}},
        {"segment": {"id": ["1"]}},
        {"segment": {}, "after": -1},
        {"segment": {}, "after": 1.5},
        {"segment": {}, "after": True},
        {"segment": {}, "after": 2**40, "message": -1, "person": "x"},
        {"gates": "вход", "permit": ["x"], "person": None},
        {"gates": [""], "permit": "x.y.z", "message": {}},
        {"gates": ["я" * 65], "contact": -5},
        {"gates": ["a"] * 21},
        {"role": "admin"},
        {"person": 1, "answer": "card"},
        {"person": 1, "answer": "new", "contact": 5, "company": 5},
        {"person": 1, "answer": ["new"]},
    ],
)
def test_a_hostile_body_is_refused_or_harmless(opened: Tabs, action: str, body: Any) -> None:
    before = counts(opened)
    assert opened.call(f"event/{action}", body).status_code < 500
    assert {**counts(opened), "enrolment": 0} == {**before, "enrolment": 0}


def counts(tabs: Tabs) -> dict[str, int]:
    """How much there is of everything."""
    with tabs.place.service.store.reading() as tx:
        return {
            table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (t.participation, t.fact, t.message, t.outcome, t.enrolment)
        }


def test_no_part_of_that_name(tabs: Tabs) -> None:
    assert tabs.get("event/parts/secrets").status_code == 404


# ------------------------------------------------------------------------ people and mails


def undecided(tabs: Tabs) -> tuple[int, int]:
    """A guest who registers with a known contact's address and another name; their person and the contact."""
    contact = tabs.place.rest(
        "crm.item.add",
        {
            "entityTypeId": CONTACT,
            "fields": {
                "name": "Алма",
                "lastName": f"Оспанова{tabs.event_id}",
                "fm": [
                    {
                        "typeId": "EMAIL",
                        "valueType": "WORK",
                        "value": f"alma.ospanova{tabs.event_id}@alma.example",
                    }
                ],
            },
        },
    )["item"]["id"]
    with tabs.place.service.store.transaction() as tx:
        from smart_process.people import Identity
        from smart_process.store.people import find_or_add_person

        who = Identity("Сергеев", "Пётр", f"alma.ospanova{tabs.event_id}@alma.example", "", "", "")
        person = find_or_add_person(tx, 1, who, tabs.place.service.clock())
        pid = journal.add_participation(tx, portal_id=1, event_id=tabs.event_id, person_id=person)
        assert pid is not None
        fact = NewFact(Kind.REGISTERED, tabs.place.service.clock(), "guest", "r")
        journal.record(tx, {pid: [fact]}, now=tabs.place.service.clock())
    tabs.drain()
    return person, int(contact)


def test_an_undecided_guest_becomes_the_chosen_contact(tabs: Tabs) -> None:
    person, contact = undecided(tabs)
    assert f"№ {contact}" in tabs.part("undecided")
    answer = {"person": person, "answer": "card", "contact": contact}
    assert tabs.call("event/person", answer | {"contact": contact + 1000}).status_code == 400
    assert tabs.call("event/person", answer).status_code == 200
    tabs.drain()
    (row,) = tabs.rows(t.person, t.person.c.id == person)
    assert (row.contact_id, row.match) == (contact, "matched")
    assert tabs.part("undecided") == ""
    assert tabs.call("event/person", answer).status_code == 404


def test_an_undecided_guest_becomes_a_new_contact(tabs: Tabs) -> None:
    person, contact = undecided(tabs)
    assert tabs.call("event/person", {"person": person, "answer": "new"}).status_code == 200
    tabs.drain()
    (row,) = tabs.rows(t.person, t.person.c.id == person)
    assert row.match == "created"
    assert row.contact_id not in (None, contact)


def test_a_guest_whom_nobody_is_gets_no_contact_when_somebody_says_so(tabs: Tabs) -> None:
    person, contact = undecided(tabs)
    assert "имя другое; e-mail совпадает" in tabs.part("undecided")
    assert tabs.call("event/person", {"person": person, "answer": "none"}).status_code == 200
    tabs.drain()
    (row,) = tabs.rows(t.person, t.person.c.id == person)
    assert (row.match, row.contact_id) == ("none", None)
    with tabs.place.service.store.reading() as tx:
        kept = tx.execute(t.decision.select().where(t.decision.c.person_id == person)).one()
    assert (kept.answer, kept.actor) == ("none", "user:1")
    assert tabs.part("undecided") == ""
    assert f"№ {contact}" not in tabs.page().text


def test_a_colleague_who_cannot_see_the_candidate_cannot_choose_it(tabs: Tabs) -> None:
    person, contact = undecided(tabs)
    rest = tabs.place.rest
    user = int(rest.control("users", {"name": "Без", "last_name": "Контактов"})["id"])
    rest.control(f"users/{user}/rights", {"entity_type_id": CONTACT, "read": "none"})
    answer = {"person": person, "answer": "card", "contact": contact}
    refused = tabs.call("event/person", answer, user_id=user)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "closed_card")
    rest.control(f"users/{user}/rights", {"entity_type_id": tabs.event_type, "update": "none"})
    refused = tabs.call("event/person", answer | {"answer": "new", "contact": 0}, user_id=user)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "no_right")
    (row,) = tabs.rows(t.person, t.person.c.id == person)
    assert row.match == "undecided"


def test_the_choice_between_companies_is_made_on_the_tab(tabs: Tabs) -> None:
    n = tabs.event_id
    namesakes = [
        tabs.place.rest("crm.item.add", {"entityTypeId": COMPANY, "fields": {"title": f"{form} Омега{n}"}})[
            "item"
        ]["id"]
        for form in ("ТОО", "АО")
    ]
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        from smart_process.people import Identity
        from smart_process.store.people import find_or_add_person

        who = Identity("Ким", "Лев", f"lev{n}@gmail.com", "", f"Омега{n}", "")
        person = find_or_add_person(tx, 1, who, now)
        pid = journal.add_participation(tx, portal_id=1, event_id=tabs.event_id, person_id=person)
        assert pid is not None
        journal.record(tx, {pid: [NewFact(Kind.REGISTERED, now, "guest", "r")]}, now=now)
    tabs.drain()
    html = tabs.get("event/parts/undecided").get_json()["html"]
    assert "Чья это компания?" in html
    assert f"/crm/company/merge/?id={namesakes[0]},{namesakes[1]}" in html
    answer = {"person": person, "answer": "card", "company": namesakes[1]}
    assert tabs.call("event/company", answer | {"company": 10**6}).status_code == 400
    assert tabs.call("event/company", answer).status_code == 200
    tabs.drain()
    (row,) = tabs.rows(t.person, t.person.c.id == person)
    assert row.company_id == namesakes[1]
    assert tabs.part("undecided") == ""
    assert tabs.call("event/company", answer).status_code == 404


def test_a_failed_mail_is_shown_and_sent_again(crowd: Tabs) -> None:
    crowd.portions("event/invite", {})
    mine = t.message.c.participation_id.in_(
        [row.id for row in crowd.rows(t.participation, t.participation.c.event_id == crowd.event_id)]
    )
    (first, *_rest) = crowd.rows(t.message, mine)
    with crowd.place.service.store.transaction() as tx:
        tx.execute(
            sa.update(t.message)
            .where(t.message.c.id == first.id)
            .values(state="failed", error="550 <olga@firm.example> no such box")
        )
    shown = crowd.part("mails")
    assert "no such box" in shown
    assert "olga" not in shown
    assert crowd.call("event/mail/again", {"message": first.id}).get_json() == {"queued": True}
    assert "no such box" not in crowd.part("mails")
    assert crowd.call("event/mail/again", {"message": 10**6}).status_code == 404


@pytest.mark.parametrize(
    ("error", "lang", "shown"),
    [
        ("мероприятие отменено", "en", "the event was called off"),
        ("мероприятие отменено", "ru", "мероприятие отменено"),
        ("550 100% full", "kk", "550 100% full"),
        ("", "en", ""),
    ],
)
def test_why_a_mail_did_not_leave_is_said_in_the_readers_language(error: str, lang: str, shown: str) -> None:
    assert event_tab._reason(error, translator(lang)) == shown
