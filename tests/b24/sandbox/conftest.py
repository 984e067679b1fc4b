"""A real sandbox portal on a free port, reached over HTTP only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from b24.sandbox.server import Options, Sandbox
from tests.b24.sandbox.app_server import AppServer
from tests.b24.sandbox.client import Listener, Rest

Start = Callable[..., Sandbox]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One empty portal for the tests of a module, without the intensity limit."""
    with Sandbox(Options(port=0, seed="empty", limits=False)) as running:
        yield running


@pytest.fixture(scope="module")
def rest(sandbox: Sandbox) -> Iterator[Rest]:
    """The portal's REST as its administrator."""
    client = Rest(sandbox.url)
    yield client
    client.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start portals with other options: ``start(limits=True, cut_s=1)``; they stop after the test."""
    running: list[Sandbox] = []

    def start_one(**options: Any) -> Sandbox:
        chosen = {"port": 0, "seed": "empty", "limits": False, **options}
        running.append(Sandbox(Options(**chosen)).start())
        return running[-1]

    yield start_one
    for one in running:
        one.stop()


@pytest.fixture
def connect() -> Iterator[Callable[[Sandbox], Rest]]:
    """A client of a portal: ``connect(start())``."""
    clients: list[Rest] = []

    def connect_to(one: Sandbox) -> Rest:
        clients.append(Rest(one.url))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An event handler on loopback."""
    running = Listener()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def app_server(sandbox: Sandbox) -> Iterator[AppServer]:
    """An application's server beside the module's portal."""
    server = AppServer(sandbox.url).start()
    yield server
    server.stop()
