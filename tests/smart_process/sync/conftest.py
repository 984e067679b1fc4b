"""A portal and our app for the stories of a module; every story has an event of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from b24.sandbox.server import Options, Sandbox
from tests.portal_and_app import Served
from tests.smart_process.sync.story import Company, Story, company


@contextmanager
def opened(database: str) -> Iterator[Company]:
    """A portal with the app installed in it, its data in ``database``."""
    served = Served()
    options = Options(port=0, seed="empty", limits=False, pages=False, cut_s=1, smtp_port=0)
    try:
        with Sandbox(options) as sandbox:
            made = company(sandbox, served, database)
            yield made
            made.rest.close()
            made.service.portals.close()
            made.service.store.close()
    finally:
        served.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The installed app of one company."""
    with opened(f"sqlite:///{tmp_path_factory.mktemp('sync') / 'app.db'}") as made:
        yield made


@pytest.fixture
def postgres_place(postgres_url: str) -> Iterator[Company]:
    """The same with its data in PostgreSQL."""
    with opened(postgres_url.replace("postgresql://", "postgresql+psycopg://")) as made:
        yield made


@pytest.fixture
def stories(place: Company) -> Iterator[Callable[[], Story]]:
    """Make stories, each with an event of its own; afterwards the portal behaves again."""
    yield lambda: Story(place).begin()
    place.rest.control("faults", method="DELETE")


@pytest.fixture
def story(stories: Callable[[], Story]) -> Story:
    """A story of its own."""
    return stories()
