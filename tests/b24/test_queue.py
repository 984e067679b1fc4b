"""The queue engine's tables: made with ours, made anew for another release, taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from b24.store import migrate, queue
from b24.store.engine import Store

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    made = Store(postgres_url)
    migrate.upgrade(made)
    yield made
    made.close()


def jobs(store: Store) -> int | None:
    with store.reading() as tx:
        if tx.scalar(sa.text("SELECT to_regclass('queue.procrastinate_jobs')")) is None:
            return None
        return tx.scalar(sa.text("SELECT count(*) FROM queue.procrastinate_jobs")) or 0


@pytest.fixture
def with_a_job(store: Store) -> Store:
    # Its trigger looks for its functions where the engine's connections do.
    with store.transaction() as tx:
        tx.execute(sa.text(f"SET LOCAL search_path TO {queue.SCHEMA}"))
        tx.execute(sa.text("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('q', 't')"))
    return store


def test_the_same_release_keeps_what_waits(with_a_job: Store) -> None:
    migrate.upgrade(with_a_job)
    assert jobs(with_a_job) == 1


def test_another_release_gets_fresh_tables(with_a_job: Store) -> None:
    with with_a_job.transaction() as tx:
        tx.execute(sa.text("COMMENT ON SCHEMA queue IS '3.0.0'"))
    migrate.upgrade(with_a_job)
    assert jobs(with_a_job) == 0


def test_going_back_takes_them_away_and_forward_brings_them_again(with_a_job: Store) -> None:
    migrate.downgrade(with_a_job, "0002")
    assert jobs(with_a_job) is None
    migrate.upgrade(with_a_job)
    assert jobs(with_a_job) == 0


def test_our_own_tables_stay_where_they_are(store: Store) -> None:
    with store.reading() as tx:
        assert tx.scalar(sa.text("SELECT to_regclass('public.mark')")) is not None
        assert tx.scalar(sa.text("SHOW search_path")) == '"$user", public'
