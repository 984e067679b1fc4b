"""The migrations make exactly the tables the code declares, on both databases, and can be taken back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import smart_process.store.tables  # noqa: F401  its tables join the shared metadata
from b24 import portals
from b24.secrets import Secrets
from b24.store import marks, migrate
from b24.store.engine import Store
from b24.store.tables import metadata
from tests.b24.conftest import NOW, grant

SECRETS = Secrets(["k" * 40])
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database of either kind."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    if request.param == "postgresql":
        made: str = request.getfixturevalue("postgres_url")
        url = made.replace("postgresql://", "postgresql+psycopg://")
    store = Store(url)
    yield store
    store.close()


def tables(store: Store) -> set[str]:
    return set(sa.inspect(store.engine).get_table_names()) - {"alembic_version"}


def test_upgrade_makes_what_the_code_declares(bare: Store) -> None:
    migrate.upgrade(bare)
    as_declared(bare)


def as_declared(store: Store) -> None:
    assert tables(store) == set(metadata.tables)
    with store.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert migrate.current(tx) == migrate.head()


def test_partial_indexes_are_partial(bare: Store) -> None:
    migrate.upgrade(bare)
    partial = {
        (name, index["name"])
        for name in ("participation", "outcome")
        for index in sa.inspect(bare.engine).get_indexes(name)
        if index.get("dialect_options", {}).get(f"{bare.engine.dialect.name}_where") is not None
    }
    assert partial == {("participation", "uq_participation_person"), ("outcome", "uq_outcome_live")}


def test_upgrade_again_changes_nothing(bare: Store) -> None:
    migrate.upgrade(bare)
    before = tables(bare)
    migrate.upgrade(bare)
    assert tables(bare) == before


def test_every_revision_can_be_taken_back_and_made_again_around_what_is_there(bare: Store) -> None:
    migrate.go_to(bare, migrate.revisions()[-1])
    with bare.transaction() as tx:
        portal_id = portals.save_installation(tx, grant(), "t" * 32, secrets=SECRETS, now=NOW)
        marks.mark(tx, portal_id, "push", [1, 2], now=NOW)
    for revision in (*migrate.revisions()[-2::-1], *migrate.revisions()[1:]):
        migrate.go_to(bare, revision)
        with bare.reading() as tx:
            assert migrate.current(tx) == revision
            assert tx.execute(sa.text("SELECT id, member_id FROM portal")).all() == [
                (portal_id, grant().member_id)
            ]
            assert tx.scalar(sa.text("SELECT count(*) FROM mark")) == 2
    as_declared(bare)


def test_tables_of_a_newer_version_are_left_alone(bare: Store) -> None:
    migrate.upgrade(bare)
    with bare.transaction() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    for revision in ("head", *migrate.revisions()):
        with pytest.raises(migrate.NewerTables, match="later"):
            migrate.go_to(bare, revision)
    assert tables(bare) == set(metadata.tables)


def test_everything_can_be_taken_back(bare: Store) -> None:
    migrate.upgrade(bare)
    migrate.downgrade(bare, "base")
    assert tables(bare) == set()
    with bare.reading() as tx:
        assert migrate.current(tx) is None


def test_processes_that_start_together_upgrade_one_after_the_other(bare: Store) -> None:
    start = "import sys; from b24.store import engine, migrate; migrate.upgrade(engine.Store(sys.argv[1]))"
    url = bare.engine.url.render_as_string(hide_password=False)
    running = [subprocess.Popen([sys.executable, "-c", start, url], cwd=ROOT) for _ in range(3)]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert tables(bare) == set(metadata.tables)


def test_failed_upgrade_leaves_nothing_behind(bare: Store) -> None:
    with bare.transaction() as tx:
        tx.exec_driver_sql("CREATE TABLE watermark (x INTEGER)")
    with pytest.raises(sa.exc.DBAPIError):
        migrate.upgrade(bare)
    assert tables(bare) == {"watermark"}
