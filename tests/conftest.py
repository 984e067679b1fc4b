"""What every test gets: only loopback, a calm Hypothesis, PostgreSQL and a browser where there is one."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.chromium import browser, camera_page, chromium, console, page, phone_page
from tests.databases import (
    either_store,
    postgres_server,
    postgres_store,
    postgres_url,
    shared_postgres,
    shared_sqlite,
    store,
)
from tests.guest_world import guests, guests_anywhere

__all__ = [
    "browser",
    "camera_page",
    "chromium",
    "console",
    "either_store",
    "guests",
    "guests_anywhere",
    "page",
    "phone_page",
    "postgres_server",
    "postgres_store",
    "postgres_url",
    "shared_postgres",
    "shared_sqlite",
    "store",
]

IN_CI = os.environ.get("CI") == "1"
HERE = Path(__file__).parent
# Under xdist these start first, in this order: the longest, and the last file to start decides when the suite ends.
SLOW_FIRST = (
    "smart_process/sync/test_lost_answers",
    "e2e/test_demo_play",
    "e2e/test_demo_command",
    "chaos",
    "e2e/test_demo_edits",
    "smart_process/sync/test_outcomes_in_crm",
    "smart_process/test_provision",
    "smart_process/sync",
    "e2e",
    "bench",
    "b24/sandbox/test_ui",
    "b24/sandbox/test_frame",
    "b24/test_migrate",
    "placements",
    "handlers",
)

# No deadline: a shared machine pauses. In CI the same examples every time, so that a red run is repeatable.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the long files first when several workers share the suite; a plain run keeps its order."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.path.relative_to(HERE).as_posix()))


def _place(path: str) -> int:
    return next((at for at, start in enumerate(SLOW_FIRST) if path.startswith(start)), len(SLOW_FIRST))


def _is_here(host: object) -> bool:
    """True for loopback addresses and for names that need no look-up."""
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection and look-up that leaves this machine.

    ``pytest.fail`` is no ``Exception``: code that takes an unreachable host for "try later" cannot hide it.
    """
    real_connect, real_connect_ex, real_getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def refuse(host: object) -> None:
        if not _is_here(host):
            pytest.fail(f"a test wanted to reach {host!r}; only loopback is open", pytrace=True)

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refuse(address[0])
        return real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        if self.family != socket.AF_UNIX:
            refuse(address[0])
        return real_connect_ex(self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return real_getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        # A proxy of the developer's own would be asked for loopback addresses too.
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield
