"""Door and portal events against the bare endpoint, and what a web process holds in memory."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa

from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.migrate import upgrade
from b24.store.tables import mark, portal
from smart_process.demo.bench_data import GATE, fill
from smart_process.schema import Binding, TypeBinding
from smart_process.store import bench_data, setups
from tests.bench.figures import Figure
from tests.bench.load import Timing, hammer
from tests.bench.served import Server, Told, make_bare, running

TOKEN = "a" * 32
ROUNDS = 3
TYPE_NAMES = ("event", "participation", "deal")


def measure(database_url: str, participations: int, requests: int, callers: int) -> list[Figure]:
    """Door, intake and memory on an empty database, filled with so many participations.

    Args:
        requests: of each kind in one round; there are three, the bare endpoint and ours in turn.
    """
    key = Secrets.new_key()
    config = {
        "database_url": database_url,
        "public_url": "https://bench.invalid",
        "client_id": "bench",
        "client_secret": "bench",
        "keys": (key,),
    }
    store = Store(database_url)
    try:
        upgrade(store)
        tickets, device = fill(store, participations, datetime.now(UTC))
        make_bare(store, tickets)
        with store.transaction() as tx:
            tx.execute(sa.update(portal).values(application_token=Secrets((key,)).encrypt(TOKEN)))
            kinds = {
                name: asdict(TypeBinding(number, number)) for number, name in enumerate(TYPE_NAMES, 1_000)
            }
            setups.write_binding(tx, 1, Binding.from_json(kinds))
            bench_data.count_anew(tx)
    finally:
        store.close()
    with running(Told("bare", config)) as bare, running(Told("app", config)) as app:
        scans, floor = _alternately(
            bare, app, "/api/v1/scans", _scans(tickets, device), tickets, requests, callers
        )
        events, low = _alternately(
            bare, app, "/b24/events", _events(participations), tickets, requests, callers
        )
        _whole_pack(app, device)
        assert _marked(database_url) > 1, "the events left no trace"
        return [
            *_against(f"door, {participations} guests", scans, floor, at_least=0.5),
            *_against(f"portal events, {participations} guests", events, low),
            Figure(f"memory of a web process, {participations} guests", app.peak_mb, "MB", note="peak"),
        ]


def _marked(database_url: str) -> int:
    store = Store(database_url)
    try:
        with store.reading() as tx:
            return tx.scalar(sa.select(sa.func.count()).where(mark.c.kind == "pull")) or 0
    finally:
        store.close()


def _against(what: str, ours: Timing, floor: Timing, at_least: float | None = None) -> list[Figure]:
    waits = f"{1000 * ours.p95:.1f} ms against {1000 * floor.p95:.1f} ms"
    speed = f"{ours.per_s:.0f}/s against {floor.per_s:.0f}/s"
    return [
        Figure(f"{what}: p95 against bare", ours.p95 / floor.p95, "×", at_most=2, note=waits),
        Figure(f"{what}: throughput", ours.per_s / floor.per_s, "×", at_least=at_least, note=speed),
    ]


class _Kind:
    """Requests of one kind: headers, and a body for a number."""

    def __init__(self, headers: dict[str, str], body: Any) -> None:
        self.headers, self.body = headers, body


def _alternately(
    bare: Server, app: Server, path: str, kind: _Kind, tickets: Sequence[str], requests: int, callers: int
) -> tuple[Timing, Timing]:
    ours, floor, dice = Timing(), Timing(), random.Random(1)
    json_type = {"Content-Type": "application/json"}
    for _ in range(ROUNDS):
        simple = [json.dumps({"key": dice.choice(tickets)}).encode() for _ in range(requests)]
        hammer(floor, bare.port, "/bare", simple, json_type, callers)
        hammer(ours, app.port, path, [kind.body(dice) for _ in range(requests)], kind.headers, callers)
    return ours, floor


def _scans(tickets: Sequence[str], device: str) -> _Kind:
    def body(dice: random.Random) -> bytes:
        scan = {
            "scan_id": UUID(int=dice.getrandbits(128)).hex,
            "ticket": dice.choice(tickets),
            "gate": GATE,
            "scanned_at": datetime.now(UTC).isoformat(),
            "direction": "entry",
        }
        return json.dumps({"scans": [scan]}).encode()

    return _Kind({"Content-Type": "application/json", "Authorization": f"Bearer {device}"}, body)


def _events(participations: int) -> _Kind:
    def body(dice: random.Random) -> bytes:
        told = {
            "event": "ONCRMCONTACTUPDATE",
            "data[FIELDS][ID]": dice.randint(1, participations),
            "ts": 1_700_000_000,
            "auth[member_id]": "bench",
            "auth[application_token]": TOKEN,
        }
        return urlencode(told).encode()

    return _Kind({"Content-Type": "application/x-www-form-urlencoded"}, body)


def _whole_pack(app: Server, device: str) -> None:
    """What a phone downloads before the doors open: the biggest answer there is."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=120)
    try:
        connection.request("GET", "/api/v1/pack", headers={"Authorization": f"Bearer {device}"})
        reply = connection.getresponse()
        said = reply.read()
        assert reply.status == 200, said[:300]
    finally:
        connection.close()
