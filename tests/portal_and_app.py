"""A sandbox portal and our pages beside it, wired as the demo wires them, for stories of installation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import smart_process.store.tables  # noqa: F401 - the domain's tables join the metadata
from b24.client import Portals
from b24.oauth import OAuth
from b24.sandbox.server import Sandbox, listen
from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.tables import metadata
from b24.transport import Transport
from handlers import install, portal_events
from placements import pages
from placements.registry import Opened, Tab
from smart_process.schema import PLACEMENTS, Binding
from smart_process.service import Service
from smart_process.store import setups
from tests.b24.sandbox.client import Rest
from tests.source_tree import ROOT

READING = (".get", ".list", ".fields", ".items", ".types", ".gettypes", ".getbyentitytypeid")
READING_NAMES = frozenset({"scope", "profile", "events", "app.info", "server.time", "user.current"})


def shows_session(_service: Service, opened: Opened) -> str:
    """A tab for tests: says what it was opened for."""
    return json.dumps(vars(opened.session))


@dataclass
class PortalAndApp:
    """One portal with our application registered in it, and our pages as a test client."""

    sandbox: Sandbox
    rest: Rest
    service: Service
    web: FlaskClient
    app: dict[str, Any]
    woken: list[int] = field(default_factory=list)

    def opened(self, user_id: int = 1, **more: Any) -> dict[str, Any]:
        """What a browser posts when somebody opens the application; see the sandbox's ``apps/<id>/open``."""
        found: dict[str, Any] = self.rest.control(f"apps/{self.app['id']}/open", {"user_id": user_id, **more})
        return found

    def post(self, path: str, opened: Mapping[str, Any], **headers: str) -> TestResponse:
        """Post an opened page to one of our addresses."""
        query = opened["url"].partition("?")[2]
        return self.web.post(path, query_string=query, data=dict(opened["fields"]), headers=headers)

    def begin(self, user_id: int = 1) -> dict[str, Any]:
        """Open the installer as a program; its JSON."""
        reply = self.post("/b24/install", self.opened(user_id), Accept="application/json")
        assert reply.status_code == 200, reply.text
        return dict(reply.get_json())

    def step(self, session: str) -> dict[str, Any]:
        """One step of an installation."""
        reply = self.web.post("/b24/install/step", headers={"X-Page-Session": session})
        assert reply.status_code == 200, reply.text
        return dict(reply.get_json())

    def install(self) -> dict[str, Any]:
        """A whole installation, up to the first problem; the last answer."""
        begun = self.begin()
        for _ in begun["steps"]:
            begun |= self.step(begun["session"])
            if begun["problem"]:
                break
        return begun

    def install_anyhow(self) -> None:
        """Press again after a problem, as people do: on a busy machine an answer may miss a short cut-off."""
        problems = [self.install()["problem"]]
        while problems[-1] and len(problems) < 5:
            problems.append(self.install()["problem"])
        assert not problems[-1], problems

    def finish(self) -> None:
        """What the installer page tells the portal at the end."""
        token = self.opened()["fields"]["AUTH_ID"]
        self.rest.control(f"apps/{self.app['id']}/install-finish", {"access_token": token})

    @property
    def portal_id(self) -> int:
        return 1

    @property
    def binding(self) -> Binding:
        with self.service.store.reading() as tx:
            return setups.read(tx, self.portal_id).bound

    def calls(self, log: Path) -> list[tuple[str, dict[str, Any]]]:
        """Every REST call of the log, batches opened up."""
        found = []
        for line in log.read_text(encoding="utf-8").splitlines():
            call = json.loads(line)
            inner = (call["params"] or {}).get("cmd") if call["method"].lower() == "batch" else None
            if inner is None:
                found.append((call["method"].lower(), call["params"]))
            else:
                found += [(str(one).partition("?")[0].lower(), {}) for one in inner.values()]
        return found


def is_writing(method: str) -> bool:
    """Whether a REST method changes anything."""
    return method not in READING_NAMES and not method.endswith(READING)


def make_service(
    sandbox: Sandbox,
    app: Mapping[str, Any],
    database: str,
    *,
    public_url: str,
    wake: Callable[[int], None] = lambda _portal_id: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Service:
    """Our side for one application of a sandbox, on an empty database."""
    store = Store(database)
    metadata.create_all(store.engine)
    secrets = Secrets([Secrets.new_key()])
    transport = Transport(cut_s=5, allow_origin=sandbox.url)
    oauth = OAuth(app["client_id"], app["client_secret"], (sandbox.url,), transport=transport, clock=clock)
    portals = Portals(
        store, secrets, oauth, clock=clock, cut_s=5, bucket=(10_000, 1000.0), allow_origin=sandbox.url
    )
    return Service(store, clock, secrets, portals, public_url, wake)


def make_web(service: Service, tabs: Mapping[str, Tab] | None = None) -> Flask:
    """A Flask application with our pages inside the portal and nothing else."""
    web = Flask(
        "pages",
        template_folder=str(ROOT / "placements/templates"),
        static_folder=str(ROOT / "placements/static"),
        static_url_path="/static",
    )
    web.testing = True
    web.register_blueprint(install.blueprint(service))
    web.register_blueprint(portal_events.blueprint(service))
    web.register_blueprint(pages.blueprint(service, tabs or {one.name: shows_session for one in PLACEMENTS}))
    return web


def portal_and_app(
    sandbox: Sandbox,
    database: str,
    *,
    public_url: str = "http://127.0.0.1:9",
    scopes: Sequence[str] = (),
) -> PortalAndApp:
    """Register our application in a portal and wire our side to it; nothing is installed yet."""
    rest = Rest(sandbox.url)
    app = rest.control(
        "apps",
        {
            "title": "Мероприятия",
            "handler_url": f"{public_url}/b24/app",
            "installer_url": f"{public_url}/b24/install",
            **({"scopes": list(scopes)} if scopes else {}),
        },
    )
    woken: list[int] = []
    service = make_service(sandbox, app, database, public_url=public_url, wake=woken.append)
    return PortalAndApp(sandbox, rest, service, make_web(service).test_client(), app, woken)


class Served:
    """Our pages on a real port of this machine, for what must come over the network (events, a browser)."""

    def __init__(self) -> None:
        self.web: Flask | None = None
        self._server = listen(0, self._entry)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _entry(self, environ: Any, start_response: Any) -> Any:
        if self.web is None:
            start_response("503 Service Unavailable", [])
            return [b""]
        return self.web(environ, start_response)

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)
