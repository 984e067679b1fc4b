"""One company, one event, and everybody who works with it: a sandbox portal, our app, and a clock of our own.

People act through REST as an administrator of the portal, guests through forms and the registration page, phones
through the journal. :meth:`Story.settle` lets events arrive and drains until nothing is left to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import requests
import sqlalchemy as sa

from app import create_app
from b24 import portals
from b24.limits import Limits
from b24.sandbox.crm import conversion, duplicates
from b24.sandbox.crm.schema import read_schema
from b24.sandbox.crm.store import find
from b24.sandbox.server import Sandbox
from b24.store import marks
from b24.store.tables import mark as mark_table
from smart_process import registration
from smart_process.facts import Kind, NewFact
from smart_process.people import Identity, email_of, phone_of
from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD, Binding
from smart_process.service import Service
from smart_process.settings import Settings, Smtp
from smart_process.store import events, journal, setups
from smart_process.store import tables as t
from smart_process.sync import drain
from tests.b24.sandbox.client import Refused, Rest
from tests.eventually import eventually
from tests.portal_and_app import PortalAndApp, Served, make_service, make_web

Row = Mapping[str, Any]
LINES = ["Насосы", "Вентиляция"]
_numbers = count(1)


def unique() -> int:
    """A number no other story of this run has."""
    return next(_numbers)


class Clock:
    """The app's clock: the machine's, moved ahead where a test does not want to wait."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move_to(self, moment: datetime) -> None:
        """Let time pass until ``moment``; never backwards."""
        self.ahead += max(moment - self(), timedelta())


@dataclass
class Company:
    """The installed app of one portal, shared by the stories of a module."""

    sandbox: Sandbox
    rest: Rest
    service: Service
    clock: Clock
    delivering: threading.Lock
    portal_id: int = 1

    @property
    def binding(self) -> Binding:
        with self.service.store.reading() as tx:
            return setups.read(tx, self.portal_id).bound


def company(sandbox: Sandbox, served: Served, database: str) -> Company:
    """Install the app in a portal; its events arrive at ``served`` over the network."""
    rest = Rest(sandbox.url)
    app = rest.control(
        "apps",
        {
            "title": "Мероприятия",
            "handler_url": f"{served.url}/b24/app",
            "installer_url": f"{served.url}/b24/install",
        },
    )
    clock = Clock()
    service = make_service(sandbox, app, database, public_url=served.url, clock=clock)
    service = replace(service, local_smtp=True)
    # The portal counts no requests: what waits for a slot after a 503 lets the app's clock run, not the test.
    service.portals.limits = Limits(
        service.store,
        size=10_000,
        rate=1000.0,
        now=lambda: clock().timestamp(),
        sleep=lambda seconds: clock.move_to(clock() + timedelta(seconds=seconds)),
    )
    installer = PortalAndApp(sandbox, rest, service, make_web(service).test_client(), app)
    served.web = create_app(service)
    installer.install_anyhow()
    installer.finish()
    rest.control("clock", {"event_delay_s": 0})
    made = Company(sandbox, rest, service, clock, _watch_delivery(sandbox))
    assert sandbox.mail is not None
    smtp = Smtp(
        "127.0.0.1", sandbox.mail.port, tls="none", from_address="day@vector.example", from_name="Вектор"
    )
    with service.store.transaction() as tx:
        settings = Settings(smtp=smtp, fallback_owner_id=1, closing_delay_min=0)
        setups.write_settings(tx, made.portal_id, settings, now=clock())
    return made


def _watch_delivery(sandbox: Sandbox) -> threading.Lock:
    """A lock held while the queue server is posting: a taken event is neither in the queue nor with us."""
    lock = threading.Lock()
    delivery = sandbox._delivery
    send_due = delivery._send_due

    def watched() -> float:
        with lock:
            return send_due()

    delivery._send_due = watched  # type: ignore[method-assign]
    return lock


@dataclass
class Guest:
    """What somebody types about themselves."""

    last_name: str
    first_name: str
    email: str
    phone: str
    company: str = ""
    position: str = "инженер"


@dataclass
class Story:
    """One event in the shared company; counts only what belongs to it."""

    company: Company
    item_id: int = 0
    number: int = field(default_factory=unique)

    # ------------------------------------------------------------------ short names

    @property
    def rest(self) -> Rest:
        return self.company.rest

    @property
    def service(self) -> Service:
        return self.company.service

    @property
    def binding(self) -> Binding:
        return self.company.binding

    @property
    def eti(self) -> int:
        return self.binding.participation.entity_type_id

    # ------------------------------------------------------------------ the marketer

    def begin(self, **values: Any) -> Story:
        """An event whose registration is open."""
        kind = self.binding.event
        starts = self.service.clock().replace(microsecond=0) + timedelta(days=1)
        own = {
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=8)).isoformat(),
            "time_zone": "Asia/Almaty",
            "product_lines": LINES,
        } | values
        fields: dict[str, Any] = {kind.fields[name]: value for name, value in own.items()}
        fields |= {"title": f"День партнёра {self.number}", "stageId": kind.stages["open"], "assignedById": 1}
        made = self.rest("crm.item.add", {"entityTypeId": kind.entity_type_id, "fields": fields})
        self.item_id = int(made["item"]["id"])
        self.settle()
        return self

    def form(self, duplicates: str = "merge") -> int:
        """A CRM form that registers for this event by a hidden field; ``duplicates`` as the portal's form has it."""
        shown = (
            ("last_name", "string", "contact", "LAST_NAME"),
            ("first_name", "string", "contact", "NAME"),
            ("company", "string", "company", "TITLE"),
            ("position", "string", "contact", "POST"),
            ("email", "email", "contact", "EMAIL"),
            ("phone", "phone", "contact", "PHONE"),
        )
        fields: list[dict[str, Any]] = [
            {"name": name, "caption": name, "kind": kind, "entity": entity, "target": target}
            for name, kind, entity, target in shown
        ]
        parent = f"PARENT_ID_{self.binding.event.entity_type_id}"
        hidden = {
            "name": "e",
            "caption": "e",
            "kind": "hidden",
            "entity": "item",
            "target": parent,
            "value": self.item_id,
        }
        definition = {
            "name": "Регистрация",
            "target_type": self.eti,
            "duplicates": duplicates,
            "fields": [*fields, hidden],
        }
        return int(self.rest.control("forms", definition)["id"])

    def mapped_form(self, entity_type_id: int) -> int:
        """A CRM form that makes leads or deals, named in the form map of the settings for this event."""
        shown = (
            ("last_name", "string", "LAST_NAME"),
            ("first_name", "string", "NAME"),
            ("position", "string", "POST"),
            ("email", "email", "EMAIL"),
            ("phone", "phone", "PHONE"),
        )
        own = "item" if entity_type_id == LEAD else "contact"
        company = ("item", "COMPANY_TITLE") if entity_type_id == LEAD else ("company", "TITLE")
        fields = [
            {"name": name, "caption": name, "kind": kind, "entity": own, "target": target}
            for name, kind, target in shown
        ]
        fields.append(
            {
                "name": "company",
                "caption": "company",
                "kind": "string",
                "entity": company[0],
                "target": company[1],
            }
        )
        definition = {"name": "Заявка", "target_type": entity_type_id, "fields": fields}
        form_id = int(self.rest.control("forms", definition)["id"])
        mapped = {**self.settings.form_events, str(form_id): self.item_id}
        with self.service.store.transaction() as tx:
            settings = replace(self.settings, form_events=mapped)
            setups.write_settings(tx, self.company.portal_id, settings, now=self.service.clock())
        return form_id

    def converts(self, lead_id: int, *kinds: int) -> conversion.Converted:
        """A sales manager converts a lead into these objects."""
        portal = self.company.sandbox.portal
        with portal.transaction():
            return conversion.convert(portal, 1, lead_id, set(kinds))

    def move_event(self, stage: str) -> None:
        """Move the event's card."""
        kind = self.binding.event
        self.edit(kind.entity_type_id, self.item_id, stageId=kind.stages[stage])

    # ------------------------------------------------------------------ guests

    def guest(self, last_name: str = "Иванов", first_name: str = "Пётр", **values: Any) -> Guest:
        """Somebody with an address and a number of their own; ``company`` is theirs alone unless named."""
        n = unique()
        own = {"email": f"g{n}@firm{n}.example", "phone": f"+7701{n:07d}", "company": f"Фирма {n}"} | values
        return Guest(last_name, first_name, **own)

    def fills_form(self, form_id: int, guest: Guest) -> int:
        """Fill a CRM form; the id of the item the portal made of it."""
        values = {name: value for name, value in vars(guest).items() if value}
        return int(self.rest.control(f"forms/{form_id}/submit", values)["item_id"])

    def registers(self, guest: Guest, **more: str) -> registration.Result:
        """Fill the registration page, now by the clock the portal shares (see :meth:`record`)."""
        typed = {**vars(guest), "consent": "on", **more}
        form = registration.read_form(typed)
        person = Identity(
            guest.last_name,
            guest.first_name,
            email_of(guest.email),
            phone_of(guest.phone),
            guest.company,
            guest.position,
        )
        with self.service.store.transaction() as tx:
            event = events.by_id(tx, self.event["id"])
            return registration.register(tx, event, form, person, self.settings, datetime.now(UTC))

    @property
    def settings(self) -> Settings:
        with self.service.store.reading() as tx:
            return setups.read(tx, self.company.portal_id).settings

    # ------------------------------------------------------------------ phones

    def record(
        self, pid: int, what: Kind, /, *, actor: str = "device:1", gate: str = "", **data: Any
    ) -> None:
        """A fact that happened now by the clock the portal shares, not the app's, which jumps over waits."""
        one = NewFact(what, datetime.now(UTC), actor, f"t:{unique()}", gate, data)
        with self.service.store.transaction() as tx:
            journal.record(tx, {pid: [one]}, now=self.service.clock())

    def arrives(self, pid: int) -> None:
        """A scan at the entrance."""
        self.record(pid, Kind.ARRIVED, gate="Главный вход", device="Вход 1")

    def flags(self, pid: int, flag: str, line: str = "") -> None:
        """A flag set on a phone."""
        self.record(pid, Kind.FLAG_SET, flag=flag, **({"product_line": line} if line else {}))

    # ------------------------------------------------------------------ people in the CRM

    def insists(self, act: Callable[[], Any]) -> Any:
        """A person repeats what the portal did not take at once."""
        for _ in range(50):
            try:
                return act()
            except (Refused, requests.ConnectionError, ValueError):
                self.rest.access = self.rest.http.get(f"{self.rest.url}/sandbox/access", timeout=10).json()
                self.rest.token = self.rest.access["access_token"]
        raise AssertionError("the portal never takes it")

    def edit(self, entity_type_id: int, item_id: int, /, **fields: Any) -> None:
        """Somebody edits a card."""
        self.rest("crm.item.update", {"entityTypeId": entity_type_id, "id": item_id, "fields": fields})

    def edit_card(self, item_id: int, **values: Any) -> None:
        """Somebody edits a participation, by our field names; ``stage`` by our stage key."""
        kind = self.binding.participation
        stage = values.pop("stage", None)
        fields = {kind.fields.get(name, name): value for name, value in values.items()}
        self.edit(
            self.eti, item_id, **fields, **({"stageId": kind.stages.get(stage, stage)} if stage else {})
        )

    def add_contact(
        self, last_name: str, first_name: str, *, email: str = "", phone: str = "", **more: Any
    ) -> int:
        """Somebody's card in the CRM."""
        fm = [
            {"typeId": kind, "valueType": "WORK", "value": value}
            for kind, value in (("EMAIL", email), ("PHONE", phone))
            if value
        ]
        fields = {"lastName": last_name, "name": first_name, "fm": fm, **more}
        return int(self.rest("crm.item.add", {"entityTypeId": CONTACT, "fields": fields})["item"]["id"])

    def add_company(self, title: str, *, email: str = "") -> int:
        """A company's card."""
        fm = [{"typeId": "EMAIL", "valueType": "WORK", "value": email}] if email else []
        made = self.rest("crm.item.add", {"entityTypeId": COMPANY, "fields": {"title": title, "fm": fm}})
        return int(made["item"]["id"])

    def delete(self, entity_type_id: int, item_id: int) -> None:
        """Somebody deletes a card."""
        self.rest("crm.item.delete", {"entityTypeId": entity_type_id, "id": item_id})

    def merge(self, entity_type_id: int, survivor: int, *others: int) -> None:
        """Somebody unites cards on the portal's page of duplicates; the survivor's values stay."""
        portal = self.company.sandbox.portal
        with portal.transaction():
            kind = read_schema(portal.db).type(entity_type_id)
            items = [find(portal.db, kind, one) for one in (survivor, *others)]
            first, *rest = [one for one in items if one is not None]
            names = ("TITLE", "NAME", "LAST_NAME", "POST")
            stays: dict[str, Any] = {name: first for name in names if name in kind.by_upper}
            duplicates.merge_by_hand(portal, 1, first, rest, stays)

    def restore(self, entity_type_id: int, item_id: int) -> int:
        """Somebody takes it back from the recycle bin; its new id."""
        found = self.rest.control("recycle", method="GET")
        lying = next(
            one for one in found if (one["entity_type_id"], one["item_id"]) == (entity_type_id, item_id)
        )
        back = self.rest.control(f"recycle/{lying['id']}/restore", {})
        return int(back["item_id"] if "item_id" in back else back["id"])

    # ------------------------------------------------------------------ the app at work

    def drain(self) -> int:
        """One drain."""
        return drain.drain(self.service, self.company.portal_id, budget_s=600)

    def settle(self, *, patience: timedelta = timedelta(hours=2)) -> None:
        """Let events arrive and drain until nothing is left; waits of marks are skipped by the clock."""
        until = self.service.clock() + patience
        for _ in range(400):
            self.events_arrived()
            self.drain()
            self._ask_again_whether_we_may()
            if self._events_pending():
                continue
            due = self._next_due()
            if due is None:
                return
            assert due < until, f"still not settled: {self.waiting()}"
            self.company.clock.move_to(due)
        raise AssertionError(f"never settles: {self.waiting()}")

    def _ask_again_whether_we_may(self) -> None:
        """What the worker does with a portal that let us in no more."""
        with self.service.store.reading() as tx:
            paused = self.company.portal_id in portals.paused_ids(tx)
        if paused:
            self.company.clock.move_to(self.service.clock() + timedelta(seconds=portals.PROBES_S[0]))
            self.service.portals.probe(self.company.portal_id)

    def events_arrived(self) -> None:
        """Wait until the queue server has posted what it had."""
        eventually(lambda: not self._events_pending(), within=90, waiting_for="the events to be posted")

    def _events_pending(self) -> bool:
        # Asked where they lie: over HTTP this was the most frequent request of these tests.
        with self.company.delivering, self.company.sandbox.portal.transaction() as db:
            return db.execute("SELECT 1 FROM event_queue LIMIT 1").fetchone() is not None

    def _next_due(self) -> datetime | None:
        column = mark_table.c.due_at
        with self.service.store.reading() as tx:
            due: datetime | None = tx.scalar(
                sa.select(sa.func.min(column)).where(mark_table.c.held.is_(None))
            )
        return due

    def waiting(self) -> list[tuple[Any, ...]]:
        """All marks: kind, key, attempts, held, error."""
        c = mark_table.c
        with self.service.store.reading() as tx:
            return [tuple(row) for row in tx.execute(sa.select(c.kind, c.key, c.attempts, c.held, c.error))]

    def marks(self, kind: str) -> list[Row]:
        """Marks of a kind with all they carry."""
        with self.service.store.reading() as tx:
            found = tx.execute(sa.select(mark_table).where(mark_table.c.kind == kind))
            return [dict(row) for row in found.mappings()]

    def mark(self, kind: str, *keys: Any) -> None:
        """Mark objects."""
        with self.service.store.transaction() as tx:
            marks.mark(tx, self.company.portal_id, kind, keys, now=self.service.clock())

    # ------------------------------------------------------------------ what is known and shown

    def rows(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> list[Row]:
        """Rows of a table of ours, in order."""
        with self.service.store.reading() as tx:
            found = tx.execute(
                sa.select(table).where(*conditions).order_by(next(iter(table.primary_key.columns)))
            )
            return [dict(row) for row in found.mappings()]

    @property
    def event(self) -> Row:
        """The event as we know it."""
        (row,) = self.rows(t.event, t.event.c.item_id == self.item_id)
        return row

    def seats(self, *, all_of_them: bool = False) -> list[Row]:
        """Participations of this event; living ones unless all are wanted."""
        p = t.participation.c
        alive = [] if all_of_them else [p.merged_into.is_(None), p.removed_at.is_(None)]
        return self.rows(t.participation, p.event_id == self.event["id"], *alive)

    def seat(self) -> Row:
        """The only living participation."""
        (row,) = self.seats()
        return row

    def person(self, seat: Row) -> Row:
        """Who takes part."""
        (row,) = self.rows(t.person, t.person.c.id == seat["person_id"])
        return row

    def facts(self, pid: int) -> list[Row]:
        """The journal of a participation."""
        return self.rows(t.fact, t.fact.c.participation_id == pid)

    def kinds(self, pid: int) -> list[str]:
        """Kinds of facts in order."""
        return [row["kind"] for row in self.facts(pid)]

    def items(self, entity_type_id: int, **where: Any) -> list[dict[str, Any]]:
        """Cards in the portal."""
        found: list[dict[str, Any]] = self.rest(
            "crm.item.list", {"entityTypeId": entity_type_id, "filter": where, "select": ["*", "ufCrm*"]}
        )["items"]
        return found

    def cards(self) -> list[dict[str, Any]]:
        """Participation cards of this event in the portal."""
        return self.items(self.eti, **{self.binding.parent_event: self.item_id})

    def card(self) -> dict[str, Any]:
        """The only participation card of this event, by our names; ``stage`` is our key."""
        (item,) = self.cards()
        return self.named(item)

    def named(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """A participation card with our field names beside the portal's."""
        kind = self.binding.participation
        return {
            **item,
            **{ours: item.get(theirs) for ours, theirs in kind.fields.items()},
            "stage": kind.stage_key(item["stageId"]) or item["stageId"],
        }

    def deals(self) -> list[dict[str, Any]]:
        """Deals of this event."""
        return self.items(DEAL, **{self.binding.parent_event: self.item_id})

    def tasks(self) -> list[dict[str, Any]]:
        """Tasks that name this event's outcomes in their last line."""
        uids = {row["uid"] for row in self.rows(t.outcome, t.outcome.c.event_id == self.event["id"])}
        found = self.rest(
            "tasks.task.list", {"select": ["ID", "TITLE", "STATUS", "DESCRIPTION", "PRIORITY", "UF_CRM_TASK"]}
        )
        return [one for one in found["tasks"] if str(one["description"]).strip().rpartition("\n")[2] in uids]

    def comments(self, entity_type_id: int, item_id: int) -> list[str]:
        """What was said in a card's timeline."""
        owner = "deal" if entity_type_id == DEAL else f"dynamic_{entity_type_id}"
        asked = {"filter": {"ENTITY_ID": item_id, "ENTITY_TYPE": owner}, "select": ["ID", "COMMENT"]}
        return [str(one["COMMENT"]) for one in self.rest("crm.timeline.comment.list", asked)]

    def todos(self, deal_id: int) -> list[dict[str, Any]]:
        """To-dos in a deal's timeline."""
        where = {"OWNER_TYPE_ID": DEAL, "OWNER_ID": deal_id, "PROVIDER_ID": "CRM_TODO"}
        found: list[dict[str, Any]] = self.rest(
            "crm.activity.list", {"filter": where, "select": ["ID", "SUBJECT", "DEADLINE", "COMPLETED"]}
        )
        return found

    def mails(self, address: str) -> list[str]:
        """Kinds of the mails somebody got, oldest first."""
        found = self.rest.http.get(
            f"{self.rest.url}/sandbox/mail.json", params={"to": address}, timeout=10
        ).json()
        return [
            one["message_id"].strip("<").partition(".")[0]
            for one in sorted(found, key=lambda one: int(one["id"]))
        ]

    def faults(self, **plan: Any) -> None:
        """Make the portal misbehave; without arguments it behaves again."""
        self.rest.control("faults", plan, method="POST" if plan else "DELETE")

    # ------------------------------------------------------------------ counting

    @contextmanager
    def counted(self) -> Iterator[list[tuple[str, ...]]]:
        """Every REST request the app sends meanwhile: the methods in it."""
        transport = self.service.portals.transport
        original, sent = transport.post, list[tuple[str, ...]]()

        def post(url: str, payload: Mapping[str, Any], **more: Any) -> Any:
            sent.append(methods_of(url, payload))
            return original(url, payload, **more)

        transport.post = post  # type: ignore[method-assign]
        try:
            yield sent
        finally:
            transport.post = original  # type: ignore[method-assign]


def methods_of(url: str, payload: Mapping[str, Any]) -> tuple[str, ...]:
    """The methods a request calls, those of a batch opened up."""
    name = url.rpartition("/rest/")[2]
    if name != "batch":
        return (name,)
    return tuple(str(one).partition("?")[0] for one in payload["cmd"].values())


def writes(requests: Sequence[tuple[str, ...]]) -> list[str]:
    """Methods in requests that change something."""
    changing = (".add", ".update", ".delete", ".mergeBatch", ".complete")
    return [name for some in requests for name in some if name.endswith(changing)]
