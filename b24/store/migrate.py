"""The database's tables, brought to what this version of the app expects. Both databases, one transaction."""

from __future__ import annotations

import logging
import threading
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from b24.store import queue
from b24.store.engine import Store, Tx
from b24.store.tables import metadata

HERE = Path(__file__).parent / "migrations"
# Any number; the same in every process of the app.
_LOCK = 0x6224_0001


log = logging.getLogger(__name__)
# Of every look it would say which database it is.
logging.getLogger("alembic").setLevel(logging.WARNING)
# Alembic keeps its context in module globals.
_one_at_a_time = threading.Lock()


class NewerTables(Exception):
    """A newer version of the app made these tables; this one would not know what to do with them."""


def upgrade(store: Store, revision: str = "head") -> None:
    """Make or upgrade all tables; safe to call from several processes at once, and again.

    Raises:
        NewerTables: nothing was changed.
    """
    with _one_at_a_time, store.transaction() as tx:
        _alone(tx)
        before = _known(tx)
        command.upgrade(_config(tx), revision)
        if revision == "head":
            queue.ensure(tx)
        after = current(tx)
    if after != before:
        log.info("the database's tables: %s → %s", before, after)


def downgrade(store: Store, revision: str) -> None:
    """Go back to a revision; ``base`` removes everything.

    Raises:
        NewerTables: nothing was changed.
    """
    with _one_at_a_time, store.transaction() as tx:
        _alone(tx)
        _known(tx)
        queue.drop(tx)
        command.downgrade(_config(tx), revision)


def go_to(store: Store, revision: str) -> None:
    """Bring the tables to one of :func:`revisions`, forward or back.

    Raises:
        NewerTables: nothing was changed.
    """
    with store.reading() as tx:
        before = _known(tx)
    known = revisions()
    if before is not None and known.index(before) > known.index(revision):
        downgrade(store, revision)
        log.info("the database's tables: %s → %s", before, revision)
    else:
        # "head" also looks after the queue's tables.
        upgrade(store, "head" if revision == head() else revision)


def current(tx: Tx) -> str | None:
    """The revision of a database, ``None`` for an empty one."""
    return MigrationContext.configure(tx).get_current_revision()


def _known(tx: Tx) -> str | None:
    found = current(tx)
    if found is not None and found not in revisions():
        raise NewerTables(found)
    return found


@cache
def revisions() -> tuple[str, ...]:
    """All revisions this version of the app knows, the oldest first."""
    return tuple(one.revision for one in ScriptDirectory(str(HERE)).walk_revisions())[::-1]


@cache
def head() -> str | None:
    """The revision this version of the app expects."""
    return ScriptDirectory(str(HERE)).get_current_head()


def _config(tx: Tx) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = tx
    config.attributes["target_metadata"] = metadata
    return config


def _alone(tx: Tx) -> None:
    """Two processes that start together upgrade one after the other (SQLite's writers always do)."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
