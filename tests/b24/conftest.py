"""A portal as the client side sees it: installed in a database, answering over mocked or real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import responses as mocked

from b24 import portals as stored
from b24.client import Client, Portals
from b24.launch import Launch, parse_launch
from b24.oauth import Grant, OAuth
from b24.sandbox.server import Options, Sandbox
from b24.secrets import Secrets
from b24.store.engine import Store

MEMBER = "m" * 32
ENDPOINT = "https://portal.example/rest/"
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass
class World:
    """Portals over one database; ``now`` is the app's clock and may be moved."""

    portals: Portals
    now: datetime = NOW
    portal_id: int = 0

    @property
    def client(self) -> Client:
        """Background calls to the installed portal."""
        return self.portals.client(self.portal_id)

    def row(self) -> stored.Portal:
        """The portal as it is stored now."""
        with self.portals.store.reading() as tx:
            found = stored.by_id(tx, self.portals.secrets, self.portal_id)
        assert found is not None
        return found

    def install(self, grant: Grant, application_token: str | None = "t" * 32) -> int:
        """Write an installation as if it had been verified."""
        with self.portals.store.transaction() as tx:
            self.portal_id = stored.save_installation(
                tx, grant, application_token, secrets=self.portals.secrets, now=self.now
            )
        return self.portal_id


def grant(**changes: Any) -> Grant:
    """A grant of the mocked portal."""
    values: dict[str, Any] = {
        "member_id": MEMBER,
        "client_endpoint": ENDPOINT,
        "access_token": "access-1",
        "refresh_token": "refresh-1",
        "expires_at": NOW + timedelta(hours=1),
        "user_id": 5,
        "scope": ("crm", "task"),
    }
    return Grant(**values | changes)


@pytest.fixture
def make_world() -> Iterator[Callable[[Store], World]]:
    """``make_world(store)``: portals over that database, talking to the mocked outside world."""
    made: list[World] = []

    def make(store: Store) -> World:
        world: World

        def clock() -> datetime:
            return world.now

        oauth = OAuth("app.id", "app-secret", clock=clock)
        world = World(Portals(store, Secrets(["k" * 40]), oauth, clock=clock))
        made.append(world)
        return world

    yield make
    for world in made:
        world.portals.close()


@pytest.fixture
def world(store: Store, make_world: Callable[[Store], World]) -> World:
    """An installed portal behind mocked HTTP (fixture ``http``)."""
    made = make_world(store)
    made.install(grant())
    return made


@pytest.fixture
def http() -> Iterator[mocked.RequestsMock]:
    """Every request of ``requests`` answered from this register; unused answers fail the test."""
    with mocked.RequestsMock() as register:
        yield register


@dataclass
class Local:
    """A real sandbox portal with our app installed in it, over real HTTP."""

    world: World
    sandbox: Sandbox
    app: dict[str, Any]
    admin: dict[str, str] = field(default_factory=dict)

    def control(self, path: str, params: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """A control call of the sandbox that must succeed."""
        answer = requests.request(method, f"{self.sandbox.url}/sandbox/{path}", json=params or {}, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def open(self, **params: Any) -> Launch:
        """What a browser would post to a page of ours, read by us."""
        opened = self.control(f"apps/{self.app['id']}/open", params)
        query = opened["url"].partition("?")[2]
        body = urlencode(opened["fields"])
        return parse_launch(body.encode(), query.encode())


@pytest.fixture(scope="module")
def local_sandbox() -> Iterator[Sandbox]:
    """One sandbox portal for the stories of a module."""
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False, cut_s=2)) as running:
        yield running


@pytest.fixture
def local(store: Store, local_sandbox: Sandbox) -> Iterator[Local]:
    """The sandbox with our app registered in it, not installed yet; no faults planned."""
    url = local_sandbox.url
    answer = requests.post(
        f"{url}/sandbox/apps",
        json={"title": "Ours", "handler_url": f"{url}/sandbox/test-application"},
        timeout=20,
    )
    app = answer.json()
    world: World

    def clock() -> datetime:
        return world.now

    oauth = OAuth(app["client_id"], app["client_secret"], [url], allow_origin=url, clock=clock)
    portals = Portals(
        store, Secrets(["k" * 40]), oauth, clock=clock, cut_s=2, bucket=(1000, 1000.0), allow_origin=url
    )
    world = World(portals, now=datetime.now(UTC))
    made = Local(world, local_sandbox, app)
    made.control("faults", method="DELETE")
    yield made
    made.control("faults", method="DELETE")
    portals.close()
