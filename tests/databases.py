"""Databases for tests: one of each kind per process, empty again for every test.

Making the tables, and compiling every statement anew for a new engine, took longer than most tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from b24.store.engine import Store

COUNT_FROM_ONE = """
SELECT setval(quote_ident(schemaname) || '.' || quote_ident(sequencename), 1, false)
FROM pg_sequences WHERE last_value IS NOT NULL"""


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
        if os.environ.get("CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database for one test, ``postgresql://…``; dropped whoever still uses it."""
    with _database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> Iterator[Store]:
    """The PostgreSQL database of this process, with all tables."""
    with _database(postgres_server) as url:
        store = _with_tables(url)
        yield store
        store.close()


@pytest.fixture
def postgres_store(shared_postgres: Store) -> Iterator[Store]:
    """All tables in PostgreSQL without a row, numbers counted from one."""
    yield shared_postgres
    _empty(shared_postgres)


@pytest.fixture(scope="session")
def shared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, bytes]:
    """The SQLite database of this process, and its file as it is with all tables and no row."""
    import sqlalchemy as sa

    file = tmp_path_factory.mktemp("sqlite") / "app.db"
    store = _with_tables(f"sqlite:///{file}")
    store.close()

    @sa.event.listens_for(store.engine, "connect")
    def _hasty(connection: Any, _record: Any) -> None:
        connection.execute(
            "PRAGMA synchronous=OFF"
        )  # no test cuts the power; waiting for the disk took half the time

    return store, file.read_bytes()


@pytest.fixture
def store(shared_sqlite: tuple[Store, bytes]) -> Iterator[Store]:
    """All tables in SQLite without a row."""
    store, empty = shared_sqlite
    file = Path(str(store.engine.url.database))
    for name in (file, file.with_name("app.db-wal"), file.with_name("app.db-shm")):
        name.unlink(missing_ok=True)
    file.write_bytes(empty)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either_store(request: pytest.FixtureRequest) -> Store:
    """The same test on both databases."""
    made: Store = request.getfixturevalue("store" if request.param == "sqlite" else "postgres_store")
    return made


def _with_tables(url: str) -> Store:
    import smart_process.store.tables  # noqa: F401  its tables join the shared metadata
    from b24.store.engine import Store
    from b24.store.tables import metadata

    store = Store(url)
    with store.transaction() as tx:
        metadata.create_all(tx)
    return store


def _empty(store: Store) -> None:
    """Take every row out. DELETE and not TRUNCATE, which makes new files: a dozen times slower for a few rows."""
    import sqlalchemy as sa

    from b24.store.tables import metadata

    asked = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in metadata.tables
    )
    with store.transaction() as tx:
        filled = list(tx.scalars(sa.text(asked)))
        wipe = [f'DELETE FROM "{name}"' for name in filled]
        # The order of foreign keys is nobody's concern when all rows go.
        tx.exec_driver_sql("; ".join(["SET LOCAL session_replication_role = replica", *wipe, COUNT_FROM_ONE]))
    store.close()


@contextmanager
def _database(postgres_server: str) -> Iterator[str]:
    import psycopg
    from psycopg.sql import SQL, Identifier

    name = f"b24_test_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        server.execute(SQL("ALTER DATABASE {} SET synchronous_commit = off").format(Identifier(name)))
    base, _, _ = postgres_server.rpartition("/")
    try:
        yield f"{base}/{name}"
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as server:
            server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
