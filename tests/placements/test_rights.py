"""Rights are the portal's: every page and every action, tried by everybody whom it does not concern.

A route added later has to be added here: the tables are compared with the routes there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from b24.page_session import HEADER, MAX_AGE_S, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.store.tables import metadata
from placements.session import TOKEN_HEADER
from smart_process.facts import Kind, NewFact
from smart_process.schema import CONTACT, DEAL
from smart_process.settings import Grant, Roles
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs

CLICK = {"reason": "Ошибка", "click": "0123456789abcdef"}
CHANGING: dict[str, tuple[str, dict[str, Any]]] = {
    "event/segment/select": ("event", {"segment": {}}),
    "event/invite": ("event", {}),
    "event/closing/now": ("event", {}),
    "event/closing/stop": ("event", {}),
    "event/enrolment": ("event", {"gates": ["Вход"]}),
    "event/gates": ("event", {"gates": [{"name": "Вход", "kind": "entrance"}]}),
    "event/phone/revoke": ("event", {"phone": 1}),
    "event/case": ("event", {"case": "1:1", "answer": "same"}),
    "event/case/reopen": ("event", {"case": "1:1"}),
    "event/rehearsal/start": ("event", {}),
    "event/rehearsal/wipe": ("event", {}),
    "event/mail/again": ("event", {"message": 1}),
    "event/person": ("event", {"person": 1, "contact": 0}),
    "event/company": ("event", {"person": 1, "company": 0}),
    "participation/resend": ("participation", {}),
    "participation/annul": ("participation", CLICK),
    "participation/withdraw/quote_requested": ("participation", CLICK),
    "client/invite": ("contact", {"event": 0, "mail": True}),
    "deal/link": ("deal", {"event": 0}),
}
"""Actions: the page they stand on and a body that would be carried out; 0 stands for the event's card."""
READING = {
    "event/parts/funnel": "event",
    "event/door/live": "event",
    "event/state": "event",
    "event/people": "event",
    "event/segment/questions": "event",
    "event/segment/preview": "event",
    "participation/path": "participation",
    "participation/changed": "participation",
    "client/history": "contact",
}
"""What pages read; ``changed`` only asks us to read the card again."""
PAGES = ("event", "participation", "contact", "company", "deal")


@dataclass
class World:
    """One guest at one event with a deal, and the cards the tabs stand on."""

    tabs: Tabs
    items: dict[str, int]

    def count(self) -> dict[str, int]:
        """How much of everything there is on our side."""
        with self.tabs.place.service.store.reading() as tx:
            return {
                table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in metadata.sorted_tables
                if table.name not in ("rest_call", "rate")
            }

    def act(self, path: str, user_id: int, **more: Any) -> Any:
        page, body = CHANGING[path]
        body = {
            key: self.tabs.event_item if value == 0 and key == "event" else value
            for key, value in body.items()
        }
        return self.tabs.call(path, body, page=page, item_id=self.items[page], user_id=user_id, **more)

    def send(self, path: str, headers: dict[str, str]) -> Any:
        """A request with these headers alone, by the method the route has."""
        body = CHANGING[path][1] if path in CHANGING else {}
        adapter = self.tabs.place.web.application.url_map.bind("localhost")
        method = "POST" if "POST" in adapter.allowed_methods(f"/b24/api/{path}") else "GET"
        return self.tabs.place.web.open(f"/b24/api/{path}", method=method, json=body, headers=headers)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False)) as sandbox:
        tabs = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        tabs.portions("event/segment/select", {"segment": {}})
        tabs.drain()
        people = {row.id: row for row in tabs.rows(t.person)}
        seat = next(row for row in tabs.rows(t.participation) if people[row.person_id].company_id)
        now = tabs.place.service.clock()
        facts = [NewFact(kind, now, "device:3", kind.value) for kind in (Kind.REGISTERED, Kind.ARRIVED)]
        facts.append(NewFact(Kind.FLAG_SET, now, "device:3", "flag", data={"flag": "quote_requested"}))
        with tabs.place.service.store.transaction() as tx:
            journal.record(tx, {seat.id: facts}, now=now)
        tabs.drain()
        who = people[seat.person_id]
        contact = tabs.place.rest("crm.item.add", {"entityTypeId": CONTACT, "fields": {"name": "Новый"}})
        deal = tabs.place.rest("crm.item.add", {"entityTypeId": DEAL, "fields": {"title": "Своя"}})["item"][
            "id"
        ]
        items = {"event": tabs.event_item, "participation": seat.item_id, "deal": int(deal)}
        yield World(tabs, items | {"contact": int(contact["item"]["id"]), "company": who.company_id})
        tabs.place.rest.close()
        tabs.place.service.portals.close()
        tabs.place.service.store.close()


@pytest.fixture(scope="module")
def manager(world: World) -> int:
    """Sees and changes what is assigned to them, and nothing is."""
    return world.tabs.colleague("Мансур", read="own", update="own", add="none")


@pytest.fixture(scope="module")
def reader(world: World) -> int:
    """Sees everything and changes nothing."""
    return world.tabs.colleague("Рената", update="none", add="none")


@pytest.fixture(scope="module")
def doorman(world: World) -> int:
    """A colleague at the door without any right in the CRM."""
    return world.tabs.colleague("Дархан", read="none", update="none", add="none", delete="none")


def test_every_route_of_the_pages_is_tried_here(world: World) -> None:
    rules = world.tabs.place.web.application.url_map.iter_rules()
    routes = {rule.rule.removeprefix("/b24/api/") for rule in rules if rule.rule.startswith("/b24/api/")}
    # Those of administrators: tests/placements/test_settings_page.py.
    routes = {one for one in routes if not one.startswith(("settings/", "app/"))}
    tried = {
        path.replace("quote_requested", "<flag>").replace("/funnel", "/<name>").replace("/live", "/<name>")
        for path in (*CHANGING, *READING)
    }
    assert routes == tried


@pytest.mark.parametrize("page", PAGES)
def test_who_may_read_the_card_may_open_its_tab(world: World, reader: int, page: str) -> None:
    assert world.tabs.page(page, world.items[page], user_id=1).status_code == 200
    assert world.tabs.page(page, world.items[page], user_id=reader).status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", ["manager", "doorman"])
def test_who_may_not_read_the_card_is_refused_politely(
    world: World, who: str, page: str, request: pytest.FixtureRequest
) -> None:
    reply = world.tabs.page(page, world.items[page], user_id=request.getfixturevalue(who))
    assert reply.status_code == 403
    assert 'data-session=""' in reply.text
    assert "Нет доступа" in reply.text


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize("who", ["manager", "reader", "doorman"])
def test_an_action_needs_the_right_to_change(
    world: World, who: str, path: str, request: pytest.FixtureRequest
) -> None:
    """Somebody kept a session of a page that they may open no more, or never might."""
    before, user_id = world.count(), request.getfixturevalue(who)
    reply = world.act(path, user_id)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_right")
    assert reply.content_type == "application/problem+json"
    assert world.count() == before


@pytest.mark.parametrize("path", [*CHANGING, *READING])
def test_without_a_good_session_nothing_is_answered(world: World, path: str) -> None:
    tabs, secrets = world.tabs, world.tabs.place.service.secrets
    page = CHANGING[path][0] if path in CHANGING else READING[path]
    with time_machine.travel(time.time() - MAX_AGE_S - 5):
        expired = tabs.session(page, world.items[page])
    elsewhere = PageSession(999, 1, True, page, 1, world.items[page]).sign(secrets)
    good, before = tabs.session(page, world.items[page]), world.count()
    for session in ("", "x", f"{good}x", expired, elsewhere):
        reply = world.send(path, {HEADER: session, TOKEN_HEADER: tabs.token()})
        assert reply.status_code == 401, session
    assert world.count() == before


@pytest.mark.parametrize("path", [*CHANGING, *READING])
def test_a_session_of_another_page_is_refused(world: World, path: str) -> None:
    page = CHANGING[path][0] if path in CHANGING else READING[path]
    other = next(one for one in ("deal", "event") if one != page)
    headers = {HEADER: world.tabs.session(other, world.items[other]), TOKEN_HEADER: world.tabs.token()}
    reply = world.send(path, headers)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "other_page")


@pytest.mark.parametrize("path", CHANGING)
def test_a_token_that_is_not_the_viewers_changes_nothing(world: World, reader: int, path: str) -> None:
    before = world.count()
    for token, code in (("", "no_viewer_token"), ("f" * 70, "viewer_token_expired")):
        assert world.act(path, 1, token=token).get_json()["code"] == code
    assert world.act(path, 1, token=world.tabs.token(reader)).get_json()["code"] == "other_user"
    # Another application's token of the same person.
    foreign = world.tabs.place.rest.token
    assert world.act(path, 1, token=foreign).get_json()["code"] == "viewer_token_expired"
    assert world.count() == before


def test_a_user_of_another_portal_opens_nothing(world: World) -> None:
    """Their own token, our portal's number: the stored address does not know them."""
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as elsewhere:
        from tests.b24.sandbox.client import Rest

        rest = Rest(elsewhere.url)
        token = rest.token
        rest.close()
    for page in PAGES:
        kind = world.tabs.place.opened(
            1, placement="CRM_CONTACT_DETAIL_TAB", options={"ID": str(world.items["contact"])}
        )
        kind["fields"]["AUTH_ID"] = token
        assert world.tabs.place.post(f"/b24/placement/{page}", kind).status_code == 403
    for path in CHANGING:
        assert world.act(path, 1, token=token).get_json()["code"] == "viewer_token_expired"


@pytest.fixture
def named(world: World) -> Iterator[int]:
    """Somebody who may change every card; the roles are given to nobody they belong to."""
    nobody = Grant(users=(987654,))
    world.tabs.change_settings(roles=Roles(devices=nobody, undo=nobody, resend=nobody, guests=nobody))
    yield world.tabs.colleague("Асем", department=1)
    world.tabs.change_settings(roles=Roles())


ROLES = {
    "event/enrolment": "devices",
    "event/gates": "devices",
    "event/phone/revoke": "devices",
    "event/rehearsal/start": "devices",
    "event/rehearsal/wipe": "devices",
    "event/case": "undo",
    "event/case/reopen": "undo",
    "event/mail/again": "resend",
    "participation/resend": "resend",
    "participation/annul": "undo",
}


@pytest.mark.parametrize("path", ROLES)
def test_a_role_is_asked_for_beyond_the_right_to_change(world: World, named: int, path: str) -> None:
    before = world.count()
    reply = world.act(path, named)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_role")
    assert "назначил администратор" in reply.get_json()["detail"]
    assert world.count() == before


@pytest.mark.parametrize("grant", ["user", "department", "administrator"])
@pytest.mark.parametrize("path", ["event/enrolment", "participation/resend"])
def test_a_role_is_held_by_name_by_department_and_by_administrators(
    world: World, named: int, path: str, grant: str
) -> None:
    held = {"user": Grant(users=(named,)), "department": Grant(departments=(1,))}.get(grant)
    if held:
        world.tabs.change_settings(roles=Roles(**{ROLES[path]: held}))
    assert world.act(path, 1 if grant == "administrator" else named).status_code == 200


def test_an_administrator_who_is_none_any_more_holds_no_role(world: World, named: int) -> None:
    """The page was opened as an administrator's; the portal is asked again."""
    page = PageSession(1, named, True, "event", world.tabs.event_type, world.items["event"]).sign(
        world.tabs.place.service.secrets
    )
    headers = {HEADER: page, TOKEN_HEADER: world.tabs.token(named)}
    reply = world.tabs.place.web.post("/b24/api/event/enrolment", json={"gates": []}, headers=headers)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_role")


def test_the_segment_is_not_selected_with_a_permit_of_somebody_else(world: World, reader: int) -> None:
    permit = world.tabs.call("event/segment/select", {"segment": {}}).get_json()["permit"]
    body = {"segment": {}, "permit": permit}
    reply = world.tabs.call("event/segment/select", body, user_id=reader)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_right")


def test_contacts_are_not_shown_by_us_but_by_the_portal(world: World, reader: int) -> None:
    """Somebody who may read the event but no contact finds numbers in our answers and no names."""
    world.tabs.place.rest.control(f"users/{reader}/rights", {"entity_type_id": CONTACT, "read": "none"})
    try:
        names = {row.last_name for row in world.tabs.rows(t.person) if row.last_name}
        page = world.tabs.page("event", world.items["event"], user_id=reader).text
        people = world.tabs.get(
            "event/people?stage=arrived&where=reached", user_id=reader, item_id=world.items["event"]
        ).text
        assert not [name for name in names if name in page or name in people]
    finally:
        world.tabs.place.rest.control(f"users/{reader}/rights", {"entity_type_id": CONTACT, "read": "all"})


@pytest.fixture
def salesman(world: World) -> int:
    """Sees clients, guests and deals, and no event."""
    user_id = world.tabs.colleague("Салтанат")
    rights = {"entity_type_id": world.tabs.event_type, "read": "none", "update": "none"}
    world.tabs.place.rest.control(f"users/{user_id}/rights", rights)
    return user_id


@pytest.mark.parametrize("page", ["participation", "company", "deal"])
def test_an_event_is_named_only_to_whom_it_may_be_shown(world: World, salesman: int, page: str) -> None:
    (outcome,) = world.tabs.rows(t.outcome)
    items = {**world.items, "deal": outcome.item_id}
    title = world.tabs.rows(t.event)[0].title
    link = f"/crm/type/{world.tabs.event_type}/details/"
    for user_id, named in ((1, True), (salesman, False)):
        shown = world.tabs.page(page, items[page], user_id=user_id)
        assert shown.status_code == 200
        assert (link in shown.text) == named
        # The sentence of a decision stands in the deal itself, where this viewer reads it.
        if page != "deal":
            assert (title in unescape(shown.text)) == named
