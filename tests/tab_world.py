"""The sandbox's partner programme with the app installed, one event in it, and our tabs as pages and endpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import placements
from b24.page_session import HEADER, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.store import marks
from placements.session import TOKEN_HEADER
from smart_process.schema import COMPANY, CONTACT, DEAL, PLACEMENTS
from smart_process.settings import SegmentFields
from smart_process.store import setups
from smart_process.store import tables as t
from smart_process.sync.drain import drain
from tests.portal_and_app import PortalAndApp, Served, make_web, portal_and_app

LEVELS = {"Высокий": "high", "Средний": "medium", "Низкий": "low"}


@dataclass
class Tabs:
    """One portal, one event; calls are made as the portal's first administrator unless said otherwise."""

    place: PortalAndApp
    event_item: int = 0
    event_id: int = 0

    @property
    def event_type(self) -> int:
        return self.place.binding.event.entity_type_id

    @property
    def card_type(self) -> int:
        return self.place.binding.participation.entity_type_id

    @property
    def _types(self) -> dict[str, int]:
        """Entity types by the page that opens on them."""
        crm = {"contact": CONTACT, "company": COMPANY, "deal": DEAL}
        return {"event": self.event_type, "participation": self.card_type, **crm}

    def add_event(self, stage: str = "open", **fields: Any) -> None:
        """Make an event in the CRM and have it read; from now on it is the one under test."""
        kind = self.place.binding.event
        names = {kind.fields[name]: value for name, value in fields.items()}
        made = self.place.rest(
            "crm.item.add",
            {
                "entityTypeId": kind.entity_type_id,
                "fields": {"title": "Форум «Насосы»", "stageId": kind.stages[stage], **names},
            },
        )
        self.event_item = int(made["item"]["id"])
        self.pull(self.event_type, self.event_item)
        (row,) = self.rows(t.event, t.event.c.item_id == self.event_item)
        self.event_id = row.id

    def move_event(self, stage: str) -> None:
        """Somebody moves the event in the CRM."""
        kind = self.place.binding.event
        where = {"entityTypeId": kind.entity_type_id, "id": self.event_item}
        self.place.rest("crm.item.update", {**where, "fields": {"stageId": kind.stages[stage]}})
        self.pull(self.event_type, self.event_item)

    def card(self, item_id: int | None = None) -> str:
        """Path of a participation's card in the portal, of the event's without a number."""
        kind, number = (self.card_type, item_id) if item_id else (self.event_type, self.event_item)
        return f"/crm/type/{kind}/details/{number}/"

    def pull(self, entity_type_id: int, item_id: int) -> None:
        """An object changed in the portal; everything that follows is worked off."""
        with self.place.service.store.transaction() as tx:
            marks.mark(tx, 1, "pull", [f"{entity_type_id}:{item_id}"], now=self.place.service.clock())
        self.drain()

    def drain(self) -> None:
        """Let the sync work everything off that is due."""
        for _ in range(20):
            if not drain(self.place.service, 1):
                return

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        """Rows of a table in order."""
        with self.place.service.store.reading() as tx:
            return list(tx.execute(table.select().where(*conditions).order_by(table.c.id)))

    def page(
        self, name: str = "event", item_id: int | None = None, user_id: int = 1, lang: str = "ru"
    ) -> Any:
        """The tab as the portal opens it on a card."""
        types = {"event": self.event_type, "participation": self.card_type}
        code = next(one.code_in(types) for one in PLACEMENTS if one.name == name)
        number = self.event_item if item_id is None else item_id
        options = {"ID": str(number)} if number else {}
        opened = self.place.opened(user_id, placement=code, options=options)
        opened["url"] = opened["url"].replace("LANG=ru", f"LANG={lang}")
        return self.place.post(f"/b24/placement/{name}", opened)

    def colleague(self, name: str, *, department: int = 1, **rights: str) -> int:
        """Somebody who is no administrator; ``rights``: ``read="own"``, ``update="none"`` … for all of the CRM."""
        made = self.place.rest.control(
            "users", {"name": name, "last_name": "Коллега", "department": department}
        )
        if rights:
            self.place.rest.control(f"users/{made['id']}/rights", {"entity_type_id": 0, **rights})
        return int(made["id"])

    def requests(self, log: Path) -> int:
        """How often our application has asked the portal so far, whatever for."""
        lines = log.read_text(encoding="utf-8").splitlines()
        return sum(self.place.app["client_id"] in str(json.loads(line)["auth"]) for line in lines)

    def session(self, page: str = "event", item_id: int | None = None, user_id: int = 1) -> str:
        """A page's session."""
        kind = self._types[page]
        number = self.event_item if item_id is None else item_id
        return PageSession(1, user_id, user_id == 1, page, kind, number).sign(self.place.service.secrets)

    def token(self, user_id: int = 1) -> str:
        """A viewer's own token."""
        return str(self.place.opened(user_id)["fields"]["AUTH_ID"])

    def call(self, path: str, body: Any = None, *, token: str | None = None, **session: Any) -> Any:
        """A POST of the page's script; ``token=""`` sends no viewer token."""
        headers = {
            HEADER: self.session(session.pop("page", path.split("/", maxsplit=1)[0]), **session),
            TOKEN_HEADER: self.token(session.get("user_id", 1)) if token is None else token,
        }
        return self.place.web.post(f"/b24/api/{path}", json={} if body is None else body, headers=headers)

    def get(self, path: str, **session: Any) -> Any:
        """A GET of the page's script; ``acting`` sends the viewer's token along."""
        page, acting = session.pop("page", path.split("/", maxsplit=1)[0]), session.pop("acting", False)
        headers = {HEADER: self.session(page, **session)}
        if acting:
            headers[TOKEN_HEADER] = self.token(session.get("user_id", 1))
        return self.place.web.get(f"/b24/api/{path}", headers=headers)

    def part(self, name: str) -> str:
        """A part of the Event tab as text, its tags and runs of blanks gone."""
        reply = self.get(f"event/parts/{name}")
        assert reply.status_code == 200, reply.text
        return text_of(reply.get_json()["html"])

    def portions(self, path: str, body: dict[str, Any]) -> dict[str, int]:
        """An action of several requests, its counts added up."""
        total: dict[str, int] = {}
        more: dict[str, Any] = {"next": 0, "permit": ""}
        while more["next"] is not None:
            reply = self.call(path, {**body, "after": more["next"], "permit": more["permit"]})
            assert reply.status_code == 200, reply.text
            found = reply.get_json()
            more = {"next": found.pop("next"), "permit": found.pop("permit", "")}
            for name, value in found.items():
                total[name] = total.get(name, 0) + (value or 0)
        return total

    def change_settings(self, **values: Any) -> None:
        """Change settings of the portal."""
        with self.place.service.store.transaction() as tx:
            before = setups.read(tx, 1).settings
            setups.write_settings(tx, 1, replace(before, **values), now=self.place.service.clock())


def text_of(html: str) -> str:
    """What a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").split())


def open_tabs(sandbox: Sandbox, folder: Path, served: Served | None = None) -> Tabs:
    """Install the app in a demo portal and open an event; ``served`` puts its pages on a port, for a browser."""
    address = {"public_url": served.url} if served else {}
    place = portal_and_app(sandbox, f"sqlite:///{folder / 'app.db'}", **address)
    place.install()
    place.finish()
    web = make_web(place.service, placements.TABS)
    placements.register_apis(web, place.service)
    place.web = web.test_client()
    if served:
        served.web = web
    world = Tabs(place)
    world.change_settings(segment=_segment(place))
    soon = place.service.clock() + timedelta(days=1)
    world.add_event(starts_at=soon.isoformat(), ends_at=(soon + timedelta(hours=8)).isoformat())
    return world


@contextmanager
def served_tabs(folder: Path, served: Served) -> Iterator[Tabs]:
    """:func:`open_tabs` in a demo portal with its own pages, ours on ``served``: for a browser."""
    with Sandbox(Options(port=0, seed="demo", limits=False)) as sandbox:
        world = open_tabs(sandbox, folder, served)
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        served.stop()
        world.place.service.store.close()


def _segment(place: PortalAndApp) -> SegmentFields:
    fields = place.rest("crm.item.fields", {"entityTypeId": COMPANY})["fields"]
    named = {spec["title"]: (name, spec) for name, spec in fields.items()}
    potential, spec = named["Потенциал"]
    return SegmentFields(
        potential=potential,
        cooperation=named["Форма сотрудничества"][0],
        region=named["Регион"][0],
        potentials={str(one["ID"]): LEVELS[one["VALUE"]] for one in spec["items"]},
    )
