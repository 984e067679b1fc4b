"""The history of a contact and of a company as each viewer may see it, and the next invitation from there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from b24.sandbox.server import Options, Sandbox
from smart_process.facts import Kind, NewFact
from smart_process.schema import COMPANY, CONTACT
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "calls.jsonl"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False, log=log)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        world.portions("event/segment/select", {"segment": {}})
        world.drain()
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


class Client:
    """One contact with a company, and their guest at the first event."""

    def __init__(self, tabs: Tabs, row: Any, person: Any) -> None:
        self.tabs, self.id, self.item_id = tabs, row.id, row.item_id
        self.contact, self.company = person.contact_id, person.company_id
        self.name = f"{person.last_name} {person.first_name}"

    def record(self, *kinds: Kind, **data: Any) -> None:
        now = self.tabs.place.service.clock()
        facts = [NewFact(kind, now, "device:3", f"{kind}:{data}", data=data) for kind in kinds]
        with self.tabs.place.service.store.transaction() as tx:
            journal.record(tx, {self.id: facts}, now=now)
        self.tabs.drain()

    def page(self, name: str, **more: Any) -> str:
        reply = self.tabs.page(name, self.contact if name == "contact" else self.company, **more)
        assert reply.status_code == 200, reply.text
        return text_of(reply.text)

    def invite(self, body: Any, *, page: str = "contact", user_id: int = 1, **more: Any) -> Any:
        item_id = self.contact if page == "contact" else self.company
        return self.tabs.call("client/invite", body, page=page, item_id=item_id, user_id=user_id, **more)


@pytest.fixture
def client(opened: Tabs, request: pytest.FixtureRequest) -> Client:
    """Another client for every test."""
    used: list[int] = request.config.stash.setdefault(USED, [])
    people = {row.id: row for row in opened.rows(t.person)}
    row = next(
        row
        for row in opened.rows(t.participation)
        if (who := people[row.person_id]).company_id not in used and who.company_id and who.email
    )
    used.append(people[row.person_id].company_id)
    return Client(opened, row, people[row.person_id])


USED = pytest.StashKey[list[int]]()


@pytest.fixture
def ahead(opened: Tabs) -> int:
    """Another event people can be invited to; its card."""
    soon = opened.place.service.clock() + timedelta(days=30)
    opened.add_event(starts_at=soon.isoformat(), ends_at=(soon + timedelta(hours=8)).isoformat())
    return opened.event_item


def seats(client: Client) -> list[Any]:
    """Participations of the contact at the event under test."""
    p = t.participation.c
    people = [row.id for row in client.tabs.rows(t.person, t.person.c.contact_id == client.contact)]
    return client.tabs.rows(t.participation, p.event_id == client.tabs.event_id, p.person_id.in_(people))


@pytest.mark.parametrize("name", ["contact", "company"])
def test_the_history_tells_how_far_somebody_came_and_what_became_of_it(client: Client, name: str) -> None:
    client.record(Kind.REGISTERED, Kind.ARRIVED)
    client.record(Kind.FLAG_SET, flag="quote_requested")
    client.record(Kind.NOTE, text="Ждёт каталог")
    told = client.page(name)
    for expected in (
        "Форум «Насосы»",
        "Передан в продажи",
        "Просит расчёт",
        "Ждёт каталог",
        "Сделка №",
        "в работе",
        "Пришли: 1",
    ):
        assert expected in told


def test_how_far_somebody_came_stays_when_they_are_moved_back(client: Client) -> None:
    client.record(Kind.REGISTERED, Kind.ARRIVED)
    client.record(Kind.STAGE_MOVED, to="not_relevant")
    told = client.page("contact")
    assert "дошёл до: Пришёл" in told


@pytest.mark.parametrize("name", ["contact", "company"])
def test_a_client_without_events_is_told_what_will_stand_here(opened: Tabs, name: str) -> None:
    kind = CONTACT if name == "contact" else COMPANY
    fields = {"title": "Новая"} if name == "company" else {"name": "Новый"}
    made = opened.place.rest("crm.item.add", {"entityTypeId": kind, "fields": fields})["item"]["id"]
    told = text_of(opened.page(name, int(made)).text)
    assert "Мероприятий пока не было" in told
    assert ("У компании нет контактов" if name == "company" else "Пригласить на мероприятие") in told
    assert "Сохраните карточку" in opened.page(name, 0).text


def test_somebody_else_s_cards_are_neither_shown_nor_counted(client: Client) -> None:
    client.record(Kind.REGISTERED, Kind.ARRIVED)
    manager = client.tabs.colleague("Мансур", read="own")
    where = {"entityTypeId": COMPANY, "id": client.company}
    client.tabs.place.rest("crm.item.update", {**where, "fields": {"assignedById": manager}})
    told = client.page("company", user_id=manager)
    assert "Участия вам не видны" in told
    assert client.name not in told
    card = {"entityTypeId": client.tabs.card_type, "id": client.item_id}
    client.tabs.place.rest("crm.item.update", {**card, "fields": {"assignedById": manager}})
    told = client.page("company", user_id=manager)
    assert "Пришли: 1" in told
    # Whose card it is need not see the event.
    assert "Мероприятие вам не видно" in told
    assert "Форум «Насосы»" not in told


@pytest.mark.parametrize("name", ["contact", "company"])
def test_a_page_costs_two_requests_to_the_portal(client: Client, log: Path, name: str) -> None:
    client.page(name)
    before = client.tabs.requests(log)
    client.page(name)
    # Who looks, and one batch of lists of what they may see.
    assert client.tabs.requests(log) - before == 2


def test_a_contact_is_invited_once_with_a_card_made_by_the_viewer(client: Client, ahead: int) -> None:
    manager = client.tabs.colleague("Мансур")
    done = client.invite({"event": ahead, "mail": True}, user_id=manager)
    assert done.get_json() == {"added": 1, "already": 0, "refused": 0, "queued": 1, "without_address": 0}
    again = client.invite({"event": ahead, "mail": True}, user_id=manager)
    assert again.get_json() == {"added": 0, "already": 1, "refused": 0, "queued": 0, "without_address": 0}
    client.tabs.drain()
    (seat,) = seats(client)
    where = {"entityTypeId": client.tabs.card_type, "id": seat.item_id}
    item = client.tabs.place.rest("crm.item.get", where)["item"]
    assert (item["createdBy"], item["contactId"]) == (manager, client.contact)
    (first, *_rest) = client.tabs.rows(t.fact, t.fact.c.participation_id == seat.id)
    assert (first.kind, first.actor) == ("selected", f"user:{manager}")
    assert len(client.tabs.rows(t.message, t.message.c.participation_id == seat.id)) == 1


def test_several_people_of_a_company_are_invited_without_mail(client: Client, ahead: int) -> None:
    people = client.tabs.place.rest(
        "crm.item.list", {"entityTypeId": CONTACT, "filter": {"companyId": client.company}}
    )["items"]
    ids = [int(one["id"]) for one in people]
    done = client.invite({"event": ahead, "contacts": ids, "mail": False}, page="company")
    assert done.get_json()["added"] == len(ids)
    client.tabs.drain()
    (seat,) = seats(client)
    assert (seat.stage, client.tabs.rows(t.message, t.message.c.participation_id == seat.id)) == (
        "selected",
        [],
    )


def test_who_may_not_add_guests_is_refused_and_nobody_is_invited(client: Client, ahead: int) -> None:
    looker = client.tabs.colleague("Смотритель", add="none")
    reply = client.invite({"event": ahead, "mail": True}, user_id=looker)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_right")
    assert seats(client) == []


def test_who_stands_there_already_is_mailed_by_those_only_who_may_change_the_event(
    client: Client, ahead: int
) -> None:
    client.invite({"event": ahead, "mail": False})
    looker = client.tabs.colleague("Смотритель", update="none")
    done = client.invite({"event": ahead, "mail": True}, user_id=looker).get_json()
    assert (done["already"], done["queued"]) == (1, 0)
    done = client.invite({"event": ahead, "mail": True}).get_json()
    assert (done["already"], done["queued"]) == (1, 1)


def test_who_may_not_see_the_event_or_the_contact_invites_nobody(client: Client, ahead: int) -> None:
    outsider = client.tabs.colleague("Посторонний", read="own")
    reply = client.invite({"event": ahead, "mail": True}, user_id=outsider)
    assert (reply.status_code, reply.get_json()["code"]) == (403, "no_right")
    assert seats(client) == []


def test_an_event_that_is_over_takes_nobody(client: Client, ahead: int) -> None:
    client.tabs.move_event("closed")
    reply = client.invite({"event": ahead, "mail": True})
    assert (reply.status_code, reply.get_json()["code"]) == (409, "event_over")
    assert seats(client) == []


@pytest.mark.parametrize(
    "body",
    [[], {}, {"event": "1"}, {"event": True}, {"event": -1}, {"event": 2**40}],
)
def test_an_unreadable_invitation_is_refused(client: Client, body: Any) -> None:
    assert client.invite(body).status_code == 400


@pytest.mark.parametrize("contacts", [None, [], "1", [0], [True], ["1"], list(range(1, 60))])
def test_people_of_a_company_are_named_by_number(client: Client, ahead: int, contacts: Any) -> None:
    assert client.invite({"event": ahead, "contacts": contacts}, page="company").status_code == 400


@pytest.mark.parametrize("after", ["x", "-1", "99999", "²"])
def test_an_unreadable_page_of_the_history_is_refused(client: Client, after: str) -> None:
    reply = client.tabs.get(
        f"client/history?after={after}", page="contact", item_id=client.contact, acting=True
    )
    assert reply.status_code == 400


def test_the_history_is_read_again_with_the_viewers_token_only(client: Client) -> None:
    path, who = "client/history", {"page": "contact", "item_id": client.contact}
    assert client.tabs.get(path, **who, acting=True).status_code == 200
    assert client.tabs.get(path, **who).get_json()["code"] == "no_viewer_token"
