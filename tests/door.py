"""A small conference at a door: a portal, an event, guests with tickets, an enrolled phone, the API."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from b24.sandbox.server import listen
from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.tables import mark, metadata, portal
from handlers import devices as device_routes
from handlers import flags as flag_routes
from handlers import health, openapi, problems
from handlers import live as live_routes
from handlers import pack as pack_routes
from handlers import scans as scan_routes
from placements import scanner
from smart_process import devices
from smart_process.facts import Kind, NewFact
from smart_process.service import Service
from smart_process.store import journal
from smart_process.store import tables as t

NOW = datetime(2026, 11, 21, 4, 5, tzinfo=UTC)
ALMATY = "Asia/Almaty"


@dataclass
class Guest:
    """A participation made for a test."""

    id: int
    ticket: str
    person_id: int


@dataclass
class Door:
    """The world of a door test; ``now`` is the server's clock and may be moved."""

    store: Store
    app: Flask
    portal_id: int
    event_id: int
    token: str = ""
    now: datetime = NOW
    woken: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def web(self) -> FlaskClient:
        """A client of its own for each caller: threads share none."""
        return self.app.test_client()

    def enrol(
        self,
        gates: Sequence[str] = ("entrance",),
        role: str = "scan",
        event_id: int | None = None,
        name: str = "Вход 1",
    ) -> str:
        """A new phone's token."""
        with self.store.transaction() as tx:
            code = devices.create_enrolment(
                tx, event_id or self.event_id, gates=gates, role=role, by="user:1", now=self.now
            )
            return devices.enrol(tx, code, name, now=self.now)[1]

    def code(self, **kwargs: Any) -> str:
        """A new enrolment code."""
        with self.store.transaction() as tx:
            options: dict[str, Any] = {"gates": ["entrance"], "by": "user:1", "now": self.now} | kwargs
            return devices.create_enrolment(tx, self.event_id, **options)

    def enrol_with(self, code: str) -> None:
        """Use a code once, as another phone would."""
        with self.store.transaction() as tx:
            devices.enrol(tx, code, "Другой телефон", now=self.now)

    def call(self, path: str, body: Any, token: str | None = None, **kwargs: Any) -> Any:
        """POST JSON as a device."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.web.post(path, json=body, headers=headers, **kwargs)

    def scan(self, ticket: str, token: str | None = None, **fields: Any) -> dict[str, Any]:
        """The verdict on one scan."""
        reply = self.call("/api/v1/scans", {"scans": [self.a_scan(ticket, **fields)]}, token)
        assert reply.status_code == 200, reply.text
        return cast(dict[str, Any], reply.json["verdicts"][0])

    def a_scan(self, ticket: str, **fields: Any) -> dict[str, Any]:
        """One entry of ``scans``."""
        return {
            "scan_id": secrets.token_hex(16),
            "ticket": ticket,
            "gate": "entrance",
            "scanned_at": self.now.isoformat(),
            "direction": "entry",
        } | fields

    def facts(self, guest: Guest, kind: Kind | None = None) -> list[NewFact]:
        """A guest's facts, of one kind if given."""
        with self.store.reading() as tx:
            known = journal.history(tx, [guest.id])[guest.id]
        return [one for one in known if kind in (None, one.kind)]

    def seat(self, guest: Guest) -> Any:
        """A guest's row."""
        with self.store.reading() as tx:
            return tx.execute(sa.select(t.participation).where(t.participation.c.id == guest.id)).one()

    def marks(self) -> set[tuple[str, str, int]]:
        """All marks: kind, key, priority."""
        with self.store.reading() as tx:
            return {(r.kind, r.key, r.priority) for r in tx.execute(sa.select(mark))}

    def guest(self, last_name: str = "Иванов", **fields: Any) -> Guest:
        """A registered guest."""
        return add_guest(
            self.store, self.portal_id, fields.pop("event_id", self.event_id), last_name, **fields
        )

    def record(self, guest: Guest, kind: Kind, **data: Any) -> None:
        """A fact of somebody else's."""
        fact = NewFact(kind, self.now, "guest", secrets.token_hex(8), data=data)
        with self.store.transaction() as tx:
            journal.record(tx, {guest.id: [fact]}, now=self.now)


def new_id(made: sa.CursorResult[Any]) -> int:
    """The id an INSERT gave its row."""
    key = made.inserted_primary_key
    assert key
    return int(key[0])


def add_portal(store: Store, member_id: str = "m1") -> int:
    """An installed portal."""
    with store.transaction() as tx:
        made = tx.execute(
            sa.insert(portal).values(
                member_id=member_id,
                client_endpoint="https://portal.example/rest/",
                access_token="x",
                refresh_token="x",
                token_expires_at=NOW,
                user_id=1,
                installed_at=NOW,
                updated_at=NOW,
            )
        )
        return new_id(made)


def add_event(store: Store, portal_id: int, **fields: Any) -> int:
    """An event today in Almaty, 9 to 18."""
    values: dict[str, Any] = {
        "portal_id": portal_id,
        "item_id": secrets.randbelow(10**6),
        "code": secrets.token_hex(8),
        "title": "Партнёрская конференция",
        "stage": "live",
        "starts_at": datetime(2026, 11, 21, 4, 0, tzinfo=UTC),
        "ends_at": datetime(2026, 11, 21, 13, 0, tzinfo=UTC),
        "time_zone": ALMATY,
        "place": "Алматы",
        "product_lines": ["CRM", "Телефония"],
        "shadow": {},
    }
    with store.transaction() as tx:
        made = tx.execute(sa.insert(t.event).values(**(values | fields)))
        return new_id(made)


def add_guest(store: Store, portal_id: int, event_id: int, last_name: str = "Иванов", **fields: Any) -> Guest:
    """A registered person with a ticket."""
    person = {
        "portal_id": portal_id,
        "uid": secrets.token_hex(16),
        "last_name": last_name,
        "first_name": "Пётр",
        "company_name": "ТОО «Ромашка»",
        "position": "директор",
        "candidates": [],
    } | fields
    with store.transaction() as tx:
        person_id = new_id(tx.execute(sa.insert(t.person).values(**person)))
        pid = journal.add_participation(tx, portal_id=portal_id, event_id=event_id, person_id=person_id)
        assert pid is not None
        fact = NewFact(Kind.REGISTERED, NOW - timedelta(days=3), "guest", "page:1", data={"source": "page"})
        journal.record(tx, {pid: [fact]}, now=NOW - timedelta(days=3))
        ticket = tx.scalar(sa.select(t.participation.c.ticket).where(t.participation.c.id == pid))
    return Guest(pid, str(ticket), person_id)


def open_door(store: Store, now: datetime = NOW) -> Door:
    """The API over a store with one portal and one live event, and one phone at its entrance."""
    metadata.create_all(store.engine)
    portal_id = add_portal(store)
    app = Flask("door", template_folder=str(scanner.TEMPLATES), static_folder=str(scanner.STATIC))
    app.testing = True
    times = {"starts_at": now - timedelta(minutes=5), "ends_at": now + timedelta(hours=9)}
    door = Door(store, app, portal_id, add_event(store, portal_id, **times), now=now)
    service = Service(
        store=store,
        clock=lambda: door.now,
        secrets=Secrets(("k" * 40,)),
        portals=cast(Any, None),
        public_url="https://app.example",
        wake=door.woken.append,
    )
    problems.register(app)
    for module in (
        device_routes,
        scan_routes,
        flag_routes,
        pack_routes,
        live_routes,
        openapi,
        health,
        scanner,
    ):
        app.register_blueprint(module.blueprint(service))
    door.token = door.enrol()
    return door


@contextmanager
def serving(door: Door) -> Iterator[Door]:
    """The door over HTTP at ``door.url``."""
    server = listen(0, door.app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    door.url = f"http://127.0.0.1:{server.port}"
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_today(folder: Path) -> Iterator[Door]:
    """A door whose event is on now, over HTTP; its data in SQLite in the folder."""
    store = Store(f"sqlite:///{folder / 'door.db'}")
    with serving(open_door(store, now=datetime.now(UTC).replace(microsecond=0))) as door:
        yield door
    store.close()


def at_once(*work: Any) -> list[Any]:
    """Run functions in threads that start together; answers in their order."""
    gate, answers, errors = threading.Barrier(len(work)), [None] * len(work), []

    def run(index: int) -> None:
        try:
            gate.wait()
            answers[index] = work[index]()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return answers
