"""The app as an operator with many portals runs it: web processes and workers on PostgreSQL, in processes of their own.

One portal, guests who come, and a worker that is stopped in the middle of its work and wakes up when another has it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import sqlalchemy as sa

from b24.store.tables import lease
from smart_process import devices
from smart_process.schema import CONTACT
from tests.bench.world import World, world
from tests.eventually import eventually
from tests.source_tree import ROOT

pytestmark = pytest.mark.postgres

CUT_S = 1.5
WEB = "import app, json, sys; c = json.loads(sys.argv[1]); p = int(sys.argv[2]); app.log_to_console(); \
app.serve(app.Config(**c), '127.0.0.1', p, None, 2)"
WORKER = "import app, json, sys; app.log_to_console(); app.work(app.Config(**json.loads(sys.argv[1])))"


class Processes:
    """What runs, where it listens and what it says."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.config, self.folder = config, folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def start(self, name: str, code: str, *more: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-c", code, json.dumps(self.config), *more]
            self.running[name] = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What it said; every line has to be JSON."""
        return [json.loads(line) for line in (self.folder / f"{name}.log").read_text().splitlines()]

    def wait_for(self, name: str, words: str) -> None:
        eventually(
            lambda: (
                self.running[name].poll() is not None
                or any(words in one["message"] for one in self.lines(name))
            ),
            within=30,
            waiting_for=f"{name} to say {words}",
        )
        assert self.running[name].poll() is None, self.lines(name)[-1]

    def name_of(self, pid: int) -> str:
        return next(name for name, one in self.running.items() if one.pid == pid)

    def end(self) -> dict[str, int]:
        """Ask all to end; their exit codes."""
        for one in self.running.values():
            one.send_signal(signal.SIGTERM)
        return {name: one.wait(30) for name, one in self.running.items()}

    def kill(self) -> None:
        for one in self.running.values():
            one.kill()
            one.wait()


@pytest.fixture
def portal(postgres_url: str) -> Iterator[World]:
    with world(postgres_url, CUT_S) as made:
        yield made


@pytest.fixture
def app(portal: World, tmp_path: Path) -> Iterator[Processes]:
    """Two web processes and two workers."""
    made = Processes(portal.config, tmp_path)
    try:
        made.start("web", WEB, str(made.port))
        made.start("first", WORKER)
        made.start("second", WORKER)
        made.wait_for("web", "Listening")
        made.wait_for("first", "working")
        made.wait_for("second", "working")
        yield made
    finally:
        made.kill()


def phone(portal: World) -> dict[str, str]:
    """Headers of an enrolled phone."""
    store, now = portal.app.service.store, datetime.now(UTC)
    with store.transaction() as tx:
        code = devices.create_enrolment(tx, 1, gates=("Вход",), role="scan", by="user:1", now=now)
        return {"Authorization": f"Bearer {devices.enrol(tx, code, 'Вход 1', now=now)[1]}"}


def let_in(app: Processes, headers: dict[str, str], names: list[str]) -> None:
    """Guests without an invitation come to the door: each is to become a contact and a participation."""
    for name in names:
        one = {"action_id": uuid4().hex, "last_name": name, "first_name": "Анна", "gate": "Вход"}
        one["email"] = f"guest-{one['action_id']}@guests.example"
        reply = requests.post(
            f"http://127.0.0.1:{app.port}/api/v1/walk-ins",
            json={"walk_ins": [one]},
            headers=headers,
            timeout=30,
        )
        assert reply.json()["results"][0]["result"] == "done", reply.text


def holder(portal: World) -> int:
    """The process that works for the portal now, 0: none."""
    with portal.app.service.store.reading() as tx:
        owner = tx.scalar(sa.select(lease.c.owner).where(lease.c.name == "drain")) or ""
    return int(owner.split(":")[1]) if owner else 0


def in_portal(portal: World) -> tuple[Counter[str], Counter[str]]:
    """Contacts by last name, participations by contact."""
    kind = portal.binding.participation
    contacts = portal.rest("crm.item.list", {"entityTypeId": CONTACT, "select": ["id", "lastName"]})["items"]
    items = portal.rest("crm.item.list", {"entityTypeId": kind.entity_type_id, "select": ["id", "contactId"]})
    names = {int(one["id"]): one["lastName"] for one in contacts}
    return Counter(names.values()), Counter(names.get(int(one["contactId"]), "") for one in items["items"])


def metric(app: Processes, name: str) -> float:
    lines = requests.get(f"http://127.0.0.1:{app.port}/metrics", timeout=10).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"event_app_{name} ")))


def test_a_worker_that_sleeps_past_its_lease_doubles_nothing(portal: World, app: Processes) -> None:
    headers = phone(portal)
    guests = [f"Гость{letter}" for letter in "абвгдежзиклм"]
    # Every request takes a while, so that there is a middle in which a worker can be stopped.
    portal.rest.control("faults", {"slow": 1.0, "slow_s": 0.4, "methods": ["batch"]})
    let_in(app, headers, guests[:6])
    sleeper = eventually(lambda: holder(portal), waiting_for="a worker to take the portal")
    os.kill(sleeper, signal.SIGSTOP)
    portal.rest.control("faults", method="DELETE")
    let_in(app, headers, guests[6:])
    other = eventually(
        lambda: (pid := holder(portal)) != sleeper and pid,
        within=20,
        waiting_for="the other worker to take it",
    )
    assert {app.name_of(sleeper), app.name_of(other)} == {"first", "second"}
    eventually(lambda: not portal.waiting(), within=30, waiting_for="the other worker to finish")
    os.kill(sleeper, signal.SIGCONT)
    # What it wakes up to, and work that nobody was told of.
    portal.arrive(portal.add_guests(1))
    eventually(lambda: not portal.waiting(), within=30, waiting_for="the work nobody was told of")
    contacts, participations = in_portal(portal)
    assert {name: contacts[name] for name in guests} == dict.fromkeys(guests, 1)
    assert {name: participations[name] for name in guests} == dict.fromkeys(guests, 1)
    assert metric(app, "portal_requests_total") > 0
    assert metric(app, "lag_seconds") == 0
    assert set(app.end().values()) == {0}
    said = [*app.lines("first"), *app.lines("second")]
    assert [one for one in said if one["level"] in ("ERROR", "CRITICAL")] == []
    assert {one["portal"] for one in said if one["logger"] == "b24.client"} == {1}
