"""Who may see who the guests are: a role of the settings, departments by the portal's own word."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from b24.sandbox.server import Options, Sandbox
from smart_process.facts import Kind, NewFact
from smart_process.settings import Grant, Roles
from smart_process.store import journal
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs

SALES = 2


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("roles"))
        assert world.call("event/segment/select", {"segment": {}}).status_code == 200
        world.drain()
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


@pytest.fixture(scope="module")
def named(tabs: Tabs) -> int:
    return colleague(tabs, "Назначенная", 1)


@pytest.fixture(scope="module")
def seller(tabs: Tabs) -> int:
    return colleague(tabs, "Продавец", SALES)


@pytest.fixture(scope="module")
def other(tabs: Tabs) -> int:
    return colleague(tabs, "Посторонний", 1)


def colleague(tabs: Tabs, name: str, department: int) -> int:
    made = tabs.place.rest.control("users", {"name": name, "last_name": name, "department": department})
    return int(made["id"])


@pytest.fixture
def seat(tabs: Tabs, named: int) -> Iterator[int]:
    """A guest who came; every role is given to one colleague and one department."""
    grant = Grant(users=(named,), departments=(SALES,))
    tabs.change_settings(roles=Roles(grant, grant, grant, grant))
    row = tabs.rows(t.participation, t.participation.c.event_id == tabs.event_id)[0]
    now = tabs.place.service.clock()
    with tabs.place.service.store.transaction() as tx:
        facts = [NewFact(kind, now, "app", uuid.uuid4().hex) for kind in (Kind.REGISTERED, Kind.ARRIVED)]
        journal.record(tx, {row.id: facts}, now=now)
    yield row.item_id
    tabs.change_settings(roles=Roles())


@pytest.mark.parametrize(
    "path", ["event/people?stage=arrived&where=reached", "event/parts/undecided", "participation/path"]
)
def test_who_the_guests_are_is_told_to_the_role_only(
    tabs: Tabs, seat: int, seller: int, other: int, path: str
) -> None:
    item = seat if path.startswith("participation") else None
    assert tabs.get(path, item_id=item, user_id=other, acting=True).status_code == 403
    assert tabs.get(path, item_id=item, user_id=seller, acting=True).status_code == 200
    assert tabs.get(path, item_id=item, acting=True).status_code == 200


def test_the_tab_of_a_guest_opens_for_the_role_only(tabs: Tabs, seat: int, seller: int, other: int) -> None:
    assert "видят сотрудники, которым это разрешил" in tabs.page("participation", seat, other).text
    assert "Путь гостя" in tabs.page("participation", seat, seller).text
    assert "Путь гостей" in tabs.page("event", user_id=other).text
