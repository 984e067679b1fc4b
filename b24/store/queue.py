"""Tables of the queue engine (Procrastinate) in a PostgreSQL schema of their own.

Nothing in them is worth keeping: the truth about what is to be done stands in ``mark``. So another release of the
engine simply gets fresh tables, and a downgrade drops them.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import sqlalchemy as sa

from b24.store.engine import NOT_FOR_EVER, Store, Tx

SCHEMA = "queue"


def ensure(tx: Tx) -> None:
    """Make the tables the installed engine expects, where they are not there yet. Only PostgreSQL has a queue."""
    if tx.dialect.name != "postgresql":
        return
    installed = version("procrastinate")
    made_for = tx.scalar(
        sa.text("SELECT obj_description(to_regnamespace(:schema)::oid, 'pg_namespace')"), {"schema": SCHEMA}
    )
    if made_for == installed:
        return
    from procrastinate.schema import SchemaManager

    drop(tx)
    _run(tx, f"CREATE SCHEMA {SCHEMA}; SET LOCAL search_path TO {SCHEMA}")
    _run(tx, SchemaManager.get_schema())
    _run(tx, f"SET LOCAL search_path TO DEFAULT; COMMENT ON SCHEMA {SCHEMA} IS '{installed}'")


def drop(tx: Tx) -> None:
    """Remove the engine's tables with what waits in them; the marks bring it back."""
    if tx.dialect.name == "postgresql":
        _run(tx, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def connection(store: Store) -> dict[str, Any]:
    """How the engine connects: arguments of a pool of psycopg."""
    url = store.engine.url.set(drivername="postgresql")
    return {
        "conninfo": url.render_as_string(hide_password=False),
        "kwargs": {"options": f"-c search_path={SCHEMA} -c {NOT_FOR_EVER}", "connect_timeout": 5},
    }


def _run(tx: Tx, script: str) -> None:
    # Several statements in one go, percent signs as they stand: past SQLAlchemy, inside its transaction.
    driver = tx.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    driver.execute(script)
