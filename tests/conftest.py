"""What every test gets: only loopback, a calm Hypothesis, PostgreSQL and a browser where there is one."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import pytest

from tests.chromium import browser, camera_page, chromium, console, page, phone_page
from tests.guest_world import guests, guests_anywhere

if TYPE_CHECKING:
    from b24.store.engine import Store

__all__ = [
    "browser",
    "camera_page",
    "chromium",
    "console",
    "guests",
    "guests_anywhere",
    "page",
    "phone_page",
]

IN_CI = os.environ.get("CI") == "1"
HERE = Path(__file__).parent
# Under xdist these start first: they are the longest, and the last file to start decides when the suite ends.
SLOW_FIRST = ("e2e", "chaos", "b24/sandbox/test_ui", "b24/sandbox/test_frame")

# No deadline: a shared machine pauses. In CI the same examples every time, so that a red run is repeatable.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the long files first when several workers share the suite; a plain run keeps its order."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.path.relative_to(HERE).as_posix().startswith(SLOW_FIRST))


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


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """Address of a PostgreSQL where databases may be made: ``TEST_PG_URL``, else the local one.

    Where none answers the test is skipped with the reason; in CI it fails.
    """
    import psycopg

    url = os.environ.get("TEST_PG_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        reason = f"no PostgreSQL at {url.rpartition('@')[2]} (set TEST_PG_URL): {error}"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database for one test, ``postgresql://…``; dropped whoever still uses it."""
    with _database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> Iterator[str]:
    """A database with all tables for the tests of one process: making one takes longer than most tests."""
    import smart_process.store.tables  # noqa: F401  its tables join the shared metadata
    from b24.store.engine import Store
    from b24.store.tables import metadata

    with _database(postgres_server) as url:
        store = Store(url)
        metadata.create_all(store.engine)
        store.close()
        yield url


@pytest.fixture
def postgres_tables(shared_postgres: str) -> Iterator[str]:
    """All tables in PostgreSQL without a row, numbers counted from one: ``postgresql+psycopg://…``."""
    yield shared_postgres.replace("postgresql://", "postgresql+psycopg://")
    _empty(shared_postgres)


def _empty(url: str) -> None:
    import psycopg
    from psycopg.sql import SQL, Identifier

    from b24.store.tables import metadata

    asked = [
        SQL("SELECT {name} WHERE EXISTS (SELECT 1 FROM {table})").format(name=name, table=Identifier(name))
        for name in metadata.tables
    ]
    with psycopg.connect(url, autocommit=True) as database:
        filled = [Identifier(row[0]) for row in database.execute(SQL(" UNION ALL ").join(asked))]
        if filled:
            database.execute(SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(SQL(", ").join(filled)))


@contextmanager
def _database(postgres_server: str) -> Iterator[str]:
    import psycopg
    from psycopg.sql import SQL, Identifier

    name = f"b24_test_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    base, _, _ = postgres_server.rpartition("/")
    try:
        yield f"{base}/{name}"
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as server:
            server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite database with all tables, in a file of its own."""
    yield from _opened(f"sqlite:///{tmp_path / 'app.db'}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The same test on both databases."""
    if request.param == "sqlite":
        yield from _opened(f"sqlite:///{tmp_path / 'app.db'}")
    else:
        yield from _opened(request.getfixturevalue("postgres_tables"))


def _opened(url: str) -> Iterator[Store]:
    import smart_process.store.tables  # noqa: F401  its tables join the shared metadata
    from b24.store.engine import Store
    from b24.store.tables import metadata

    store = Store(url)
    with store.transaction() as tx:
        metadata.create_all(tx)
    yield store
    store.close()
