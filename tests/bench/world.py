"""A portal with the app installed in it and an event with any number of guests, whose cards exist on both sides."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app import Built, Config, build
from b24.limits import Limits
from b24.sandbox.limits import BUCKETS
from b24.sandbox.server import Options, Sandbox
from b24.secrets import Secrets
from b24.store.tables import mark
from smart_process.facts import Kind, NewFact
from smart_process.schema import Binding
from smart_process.store import bench_data, journal, setups
from smart_process.store import sync as sync_store
from smart_process.store import tables as t
from smart_process.sync.drain import drain
from tests.b24.sandbox.client import Rest
from tests.eventually import eventually
from tests.portal_and_app import PortalAndApp, Served

SIZE, RATE = BUCKETS["standard"]
NO_LIMIT = (10**9, 10**6)
PORTAL_ID = 1


@dataclass
class World:
    """The portal, the app, and one live event.

    Attributes:
        config: arguments of ``app.Config``, for further processes on the same database.
    """

    sandbox: Sandbox
    rest: Rest
    app: Built
    config: dict[str, Any]
    told: dict[str, Any]
    event_item_id: int = 0

    @property
    def binding(self) -> Binding:
        """Names in the portal."""
        with self.app.service.store.reading() as tx:
            return setups.read(tx, PORTAL_ID).bound

    def add_guests(self, number: int) -> list[int]:
        """Registered guests with cards in the portal; our ids of their participations."""
        items = self._cards(number)
        store, now = self.app.service.store, datetime.now(UTC)
        names = {
            item_id - 1: {
                "last_name": f"Гость {item_id}",
                "first_name": "Анна",
                "position": "",
                "company_name": "",
            }
            for item_id in items
        }
        with store.transaction() as tx:
            event = sync_store.event_by_item(tx, PORTAL_ID, self.event_item_id)
            assert event is not None
            bench_data.add_guests(tx, PORTAL_ID, event["id"], names, now)
            tx.execute(sa.update(t.person).values(contact_id=None, company_id=None, match="none"))
            bench_data.count_anew(tx)
            ids = tx.scalars(
                sa.select(t.participation.c.id).order_by(t.participation.c.id.desc()).limit(number)
            )
            return sorted(ids)

    def _cards(self, number: int) -> list[int]:
        eti, parent = self.binding.participation.entity_type_id, self.binding.parent_event
        made: list[int] = []
        for at in range(0, number, 50):
            command = f"crm.item.add?entityTypeId={eti}&fields[{parent}]={self.event_item_id}"
            answer = self.rest.batch({f"c{n}": command for n in range(at, min(at + 50, number))})
            made += [int(one["item"]["id"]) for one in answer["result"].values()]
        return made

    def arrive(self, ids: list[int]) -> None:
        """A phone tells of so many arrivals."""
        now = datetime.now(UTC)
        store = self.app.service.store
        for at in range(0, len(ids), 1_000):
            facts = {
                pid: [NewFact(Kind.ARRIVED, now, "device:1", f"bench:{pid}", "Вход")]
                for pid in ids[at : at + 1_000]
            }
            with store.transaction() as tx:
                journal.record(tx, facts, now=now)

    def settle(self) -> None:
        """Nothing waits on either side."""

        def quiet() -> bool:
            if self.rest.control("events", method="GET")["pending"]:
                return False
            with self.app.service.store.transaction() as tx:
                tx.execute(sa.update(mark).where(mark.c.sent_at.is_(None)).values(due_at=datetime.now(UTC)))
            return not drain(self.app.service, PORTAL_ID, budget_s=600) and not self.waiting()

        eventually(quiet, within=1200, waiting_for="both sides to come to rest")

    def waiting(self, *kinds: str) -> int:
        """How many marks wait, of these kinds or at all."""
        asked = sa.select(sa.func.count()).select_from(mark)
        with self.app.service.store.reading() as tx:
            return tx.scalar(asked.where(mark.c.kind.in_(kinds)) if kinds else asked) or 0

    def limits(self, size: int, rate: float) -> None:
        """What the portal takes, and what the app believes it takes; both buckets are empty."""
        assert self.sandbox.bucket is not None
        self.sandbox.bucket.capacity, self.sandbox.bucket.rate = size, rate
        self.sandbox.bucket.reset()
        portals = self.app.service.portals
        portals.limits = Limits(portals.store, size=size, rate=rate)

    def fill_buckets(self) -> None:
        """As after a burst of the app's own: what it may use of the portal's bucket is used up on both sides."""
        assert self.sandbox.bucket is not None
        limits = self.app.service.portals.limits
        while limits.reserve(PORTAL_ID, "profile") <= 0:
            assert self.sandbox.bucket.take("127.0.0.1")

    def calls(self) -> list[dict[str, Any]]:
        """REST requests of the app the portal remembers."""
        client_id = str(self.told["client_id"])
        return [one for one in self.sandbox.log.recent if client_id in str(one["auth"])]


@contextmanager
def world(database_url: str, cut_s: float = 60.0) -> Iterator[World]:
    """An empty database, a portal, the app installed, a live event; no limits yet.

    ``cut_s``: when the portal gives a request up.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    served = Served()
    options = Options(port=0, seed="empty", pages=False, smtp_port=None, cut_s=cut_s)
    try:
        with Sandbox(options) as sandbox:
            rest = Rest(sandbox.url)
            pages = {"handler_url": f"{served.url}/b24/app", "installer_url": f"{served.url}/b24/install"}
            told = rest.control("apps", {"title": "Мероприятия", **pages})
            config = {
                "database_url": database_url,
                "public_url": served.url,
                "client_id": told["client_id"],
                "client_secret": told["client_secret"],
                "keys": (Secrets.new_key(),),
                "local_origin": sandbox.url,
                "cut_s": cut_s,
            }
            app = build(Config(**config))
            made = World(sandbox, rest, app, config, told)
            made.limits(*NO_LIMIT)
            try:
                installer = PortalAndApp(sandbox, rest, app.service, app.web.test_client(), told)
                served.web = app.web
                installer.install_anyhow()
                installer.finish()
                rest.control("clock", {"event_delay_s": 0})
                _event(made)
                yield made
            finally:
                rest.close()
                app.close()
    finally:
        served.stop()


def _event(made: World) -> None:
    kind = made.binding.event
    starts = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    own = {
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(days=9)).isoformat(),
        "time_zone": "UTC",
    }
    fields: dict[str, Any] = {kind.fields[name]: value for name, value in own.items()}
    fields |= {"title": "Bench", "stageId": kind.stages["live"], "assignedById": 1}
    added = made.rest("crm.item.add", {"entityTypeId": kind.entity_type_id, "fields": fields})
    made.event_item_id = int(added["item"]["id"])
    made.settle()
