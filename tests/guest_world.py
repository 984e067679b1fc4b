"""A portal with one event and no Bitrix24 behind it: where guests register, hold tickets and get mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from flask import Flask

from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.tables import mark, portal
from handlers import registration, tickets
from smart_process.service import Service
from smart_process.settings import Settings, Smtp
from smart_process.store import setups
from smart_process.store import tables as t

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
STARTS = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)


@dataclass
class GuestWorld:
    """The database and the ids in it; ``now`` is what the app takes for the time."""

    store: Store
    portal_id: int = 0
    event_id: int = 0
    now: datetime = NOW
    secrets: Secrets = field(default_factory=lambda: Secrets(["k" * 40]))
    woken: list[int] = field(default_factory=list)

    def add_event(self, **values: Any) -> int:
        """An event that is open for registration; values override."""
        with self.store.transaction() as tx:
            number = tx.scalar(sa.select(sa.func.count()).select_from(t.event)) or 0
            base = {
                "portal_id": self.portal_id,
                "item_id": 7 + number,
                "code": f"partner-day-{number}",
                "title": "Партнёрская конференция",
                "stage": "open",
                "starts_at": STARTS,
                "ends_at": STARTS + timedelta(hours=8),
                "time_zone": "Asia/Almaty",
                "place": "Алматы, пр. Достык, 52",
                "product_lines": ["Насосы", "Клапаны"],
                "sender": "Компания «Водолей»",
                "shadow": {},
            }
            made = tx.execute(sa.insert(t.event).values(base | values).returning(t.event.c.id))
            return int(made.scalar_one())

    def change_event(self, **values: Any) -> None:
        """Change the event under test."""
        with self.store.transaction() as tx:
            tx.execute(sa.update(t.event).where(t.event.c.id == self.event_id).values(**values))

    def change_settings(self, **values: Any) -> None:
        """Replace the portal's settings: defaults with these."""
        with self.store.transaction() as tx:
            setups.write_settings(tx, self.portal_id, Settings(**values), now=datetime.now(UTC))

    def rows(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        """All rows of a table, in order."""
        with self.store.reading() as tx:
            first = next(iter(table.primary_key.columns))
            return list(tx.execute(sa.select(table).where(*conditions).order_by(first)))

    def marked(self, kind: str) -> list[str]:
        """Keys of the marks of a kind."""
        return sorted(row.key for row in self.rows(mark) if row.kind == kind)


def add_portal(world: GuestWorld, member_id: str = "a" * 32) -> None:
    """Another installed portal; the world then stands for it."""
    with world.store.transaction() as tx:
        made = tx.execute(
            sa.insert(portal)
            .values(
                member_id=member_id,
                client_endpoint="http://127.0.0.1:1/rest/",
                access_token="x",
                refresh_token="x",
                token_expires_at=NOW,
                user_id=1,
                installed_at=NOW,
                updated_at=NOW,
            )
            .returning(portal.c.id)
        )
        world.portal_id = made.scalar_one()


def _world(store: Store) -> GuestWorld:
    world = GuestWorld(store)
    add_portal(world)
    world.event_id = world.add_event()
    smtp = Smtp(from_address="events@vodoley.example", from_name="Водолей")
    world.change_settings(smtp=smtp)
    return world


@pytest.fixture
def guests(store: Store) -> GuestWorld:
    """A guest world on SQLite."""
    return _world(store)


@pytest.fixture
def guests_anywhere(either_store: Store) -> GuestWorld:
    """A guest world on each database we support."""
    return _world(either_store)


def guest_site(world: GuestWorld, **options: Any) -> Flask:
    """The guests' pages over a world, without anything of the portal behind them."""
    here = Path(__file__).parent.parent / "placements"
    web = Flask("guests", template_folder=str(here / "templates"), static_folder=str(here / "static"))
    web.config["TESTING"] = True
    web.jinja_env.trim_blocks = web.jinja_env.lstrip_blocks = True
    service = Service(
        store=world.store,
        clock=lambda: world.now,
        secrets=world.secrets,
        portals=cast(Any, None),
        public_url="https://events.example",
        wake=world.woken.append,
    )
    web.register_blueprint(registration.blueprint(service, **options))
    web.register_blueprint(tickets.blueprint(service))
    return web
