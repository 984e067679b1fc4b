"""Portal events against the bare endpoint, and what a web process holds in memory."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.tables import mark, portal
from smart_process.schema import Binding, TypeBinding
from smart_process.store import setups
from tests.bench.door import Prepared, against
from tests.bench.figures import Figure
from tests.bench.load import Timing, hammer
from tests.bench.served import Server, Told, running

TOKEN = "a" * 32
ROUNDS = 3
TYPE_NAMES = ("event", "participation", "deal")


def measure(ready: Prepared, requests: int, callers: int) -> list[Figure]:
    """Intake of portal events, and what a web process holds when it has answered a whole pack as well.

    Args:
        requests: of each kind in one round; there are three, the bare endpoint and ours in turn.
    """
    config, participations = ready.config, len(ready.tickets)
    store = Store(config["database_url"])
    try:
        with store.transaction() as tx:
            told = Secrets(config["keys"]).encrypt(TOKEN)
            tx.execute(sa.update(portal).values(application_token=told))
            kinds = {
                name: asdict(TypeBinding(number, number)) for number, name in enumerate(TYPE_NAMES, 1_000)
            }
            setups.write_binding(tx, 1, Binding.from_json(kinds))
    finally:
        store.close()
    with running(Told("bare", config)) as bare, running(Told("app", config)) as app:
        events, low = _alternately(
            bare, app, "/b24/events", _events(participations), ready.tickets, requests, callers
        )
        _whole_pack(app, ready.token)
        assert _marked(config["database_url"]) > 1, "the events left no trace"
        return [
            *against(f"portal events, {participations} guests", events, low),
            Figure(f"memory of a web process, {participations} guests", app.peak_mb, "MB", note="peak"),
        ]


def _marked(database_url: str) -> int:
    store = Store(database_url)
    try:
        with store.reading() as tx:
            return tx.scalar(sa.select(sa.func.count()).where(mark.c.kind == "pull")) or 0
    finally:
        store.close()


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
