"""The door: scans against the bare endpoint by callers and batches, the offline pack, a portal that is slow beside it.

Every scan is somebody's arrival: before each round all arrivals are forgotten, so that the dear path is measured and
not the cheap answer "already in".
"""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.migrate import upgrade
from b24.store.tables import mark
from smart_process import devices
from smart_process.demo.bench_data import GATE, fill
from smart_process.facts import Kind, Stage, reached_bits
from smart_process.store import bench_data
from smart_process.store import tables as t
from smart_process.store.journal import PUSH
from tests.bench.figures import Figure
from tests.bench.load import Timing, hammer
from tests.bench.served import Server, Told, make_bare, running
from tests.bench.world import PORTAL_ID, RATE, SIZE, World
from tests.eventually import eventually

ROUNDS = 3
BATCH = 50
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Prepared:
    """A database with one live event: the app's configuration for it, tickets, a phone's token."""

    config: dict[str, Any]
    tickets: list[str]
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Of a phone's request."""
        return JSON | {"Authorization": f"Bearer {self.token}"}


@contextmanager
def prepared(database_url: str, participations: int) -> Iterator[Prepared]:
    """Fill an empty database; the bare endpoint has a row for each ticket."""
    config = {
        "database_url": database_url,
        "public_url": "https://bench.invalid",
        "client_id": "bench",
        "client_secret": "bench",
        "keys": (Secrets.new_key(),),
    }
    store = Store(database_url)
    try:
        upgrade(store)
        # A while ago: a refresh of the pack looks back a few seconds.
        tickets, token = fill(store, participations, datetime.now(UTC) - timedelta(minutes=5))
        make_bare(store, tickets)
        with store.transaction() as tx:
            bench_data.count_anew(tx)
    finally:
        store.close()
    yield Prepared(config, tickets, token)


def measure(ready: Prepared, requests: int, callers: Sequence[int]) -> list[Figure]:
    """Throughput and waits of ``POST /api/v1/scans``, one scan a request and fifty.

    Args:
        requests: scans in one round (no more than there are guests), ten times as many in batches.
    """
    guests = len(ready.tickets)
    figures = []
    with running(Told("bare", ready.config)) as bare, running(Told("app", ready.config)) as app:
        for number in callers:
            what = f"door, {guests} guests, {number} caller{'s' if number > 1 else ''}"
            ours, floor = _rounds(ready, bare, app, number, 1, min(requests, guests))
            figures += against(what, ours, floor, at_least=0.5)
            many, floor = _rounds(ready, bare, app, number, BATCH, min(10 * requests, guests))
            figures.append(_batches(f"{what}, batches of {BATCH}", many, floor))
    return figures


def against(what: str, ours: Timing, floor: Timing, at_least: float | None = None) -> list[Figure]:
    """Waits and throughput of ours as ratios to those of the bare endpoint in the same run."""
    speed = f"{ours.per_s:.0f}/s against {floor.per_s:.0f}/s"
    return [
        Figure(f"{what}: p95 against bare", ours.p95 / floor.p95, "×", at_most=2, note=_waits(ours, floor)),
        Figure(f"{what}: throughput", ours.per_s / floor.per_s, "×", at_least=at_least, note=speed),
    ]


def _batches(what: str, many: Timing, floor: Timing) -> Figure:
    scans = BATCH * many.per_s
    note = f"{scans:.0f} scans/s against {floor.per_s:.0f}/s; {_waits(many, floor)}"
    return Figure(f"{what}: throughput", scans / floor.per_s, "×", at_least=0.5, note=note)


def _waits(ours: Timing, floor: Timing) -> str:
    """Median, p95 and p99 of both, in ms."""

    def told(one: Timing) -> str:
        return "/".join(f"{1000 * one.share(share):.1f}" for share in (0.5, 0.95, 0.99))

    return f"p50/p95/p99 {told(ours)} ms against {told(floor)} ms"


def _rounds(
    ready: Prepared, bare: Server, app: Server, callers: int, batch: int, scans: int
) -> tuple[Timing, Timing]:
    """The bare endpoint and ours in turn; everybody arrives anew in each round."""
    ours, floor, dice = Timing(), Timing(), random.Random(1)
    for _ in range(ROUNDS):
        chosen = dice.sample(ready.tickets, scans)
        # As many requests on both sides, within reason: a batch is one request of ours.
        simple = [json.dumps({"key": one}).encode() for one in chosen[: max(200, scans // batch)]]
        hammer(floor, bare.port, "/bare", simple, JSON, callers)
        _nobody_came(ready.config["database_url"])
        bodies = [_body(chosen[at : at + batch], dice) for at in range(0, scans, batch)]
        hammer(ours, app.port, "/api/v1/scans", bodies, ready.headers, callers)
    return ours, floor


def _body(tickets: Sequence[str], dice: random.Random) -> bytes:
    now = datetime.now(UTC).isoformat()
    scans = [
        {
            "scan_id": UUID(int=dice.getrandbits(128)).hex,
            "ticket": ticket,
            "gate": GATE,
            "scanned_at": now,
            "direction": "entry",
        }
        for ticket in tickets
    ]
    return json.dumps({"scans": scans}).encode()


def _nobody_came(database_url: str) -> None:
    store, p = Store(database_url), t.participation
    try:
        with store.transaction() as tx:
            for table in (t.scan, mark):
                tx.execute(sa.delete(table))
            tx.execute(sa.delete(t.fact).where(t.fact.c.kind != Kind.REGISTERED.value))
            tx.execute(
                sa.update(p)
                .where(p.c.arrived_at.is_not(None))
                .values(
                    stage=Stage.REGISTERED.value,
                    reached=reached_bits({Stage.REGISTERED}),
                    arrived_at=None,
                    gate="",
                    device="",
                )
            )
            bench_data.count_anew(tx)
    finally:
        store.close()


def flat(figures: Sequence[Figure], fewest: int, most: int) -> list[Figure]:
    """The door with many guests against the door with few; both as ratios to the floor of their own run."""
    ratios = {one.name: one.value for one in figures}
    few, many = f"door, {fewest} guests, ", f"door, {most} guests, "
    found = []
    for name, value in ratios.items():
        more = ratios.get(name.replace(few, many))
        if name.startswith(few) and more is not None:
            callers, _, what = name.removeprefix(few).rpartition(": ")
            told = f"{what.removesuffix(' against bare')} with {most} guests against {fewest}"
            found.append(Figure(f"door, {callers}: {told}", more / value, "×"))
    return found


def pack(ready: Prepared) -> list[Figure]:
    """The offline pack: how large it travels, how long it takes to be made, whole and with nothing new."""
    with running(Told("app", ready.config)) as app:
        connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=120)
        try:
            _ask(connection, ready, "")
            whole = sorted(_ask(connection, ready, "") for _ in range(3))[1]
            version = json.loads(_ask(connection, ready, "", "identity")[2])["version"]
            fresh = sorted(_ask(connection, ready, f"?since={version}") for _ in range(20))[10]
        finally:
            connection.close()
    plain, guests = len(_unpacked(whole[2])), len(ready.tickets)
    each = f"{len(whole[2]) / guests:.0f} bytes a guest, {plain / 1e6:.1f} MB unpacked"
    return [
        Figure(f"pack of {guests} guests: size on its way", len(whole[2]) / 1e6, "MB", note=each),
        Figure(f"pack of {guests} guests: time to build", whole[0], "s"),
        Figure(f"pack of {guests} guests: refresh with nothing new", 1000 * fresh[0], "ms"),
    ]


def _ask(
    connection: http.client.HTTPConnection, ready: Prepared, query: str, encoding: str = "gzip"
) -> tuple[float, int, bytes]:
    began = time.perf_counter()
    connection.request("GET", f"/api/v1/pack{query}", headers=ready.headers | {"Accept-Encoding": encoding})
    reply = connection.getresponse()
    said = reply.read()
    assert reply.status == 200, said[:300]
    return time.perf_counter() - began, reply.status, said


def _unpacked(said: bytes) -> bytes:
    import gzip

    return gzip.decompress(said) if said[:2] == b"\x1f\x8b" else said


def beside_a_slow_portal(made: World, guests: int, slow_s: float) -> Figure:
    """Waits at the door while a worker brings arrivals to a portal that takes two requests a second, slowly.

    Half of the guests arrive with nothing going on, the other half while the first half travels.
    """
    made.add_guests(guests)
    made.settle()
    with made.app.service.store.transaction() as tx:
        p = t.participation.c
        newest = sa.select(p.id, p.ticket, p.event_id).order_by(p.id.desc()).limit(guests)
        rows = list(tx.execute(newest))
        now = datetime.now(UTC)
        code = devices.create_enrolment(tx, rows[0].event_id, gates=[GATE], by="app", now=now)
        _, token = devices.enrol(tx, code, "bench", now=now)
    ready = Prepared(made.config, [row.ticket for row in rows], token)
    half, dice = guests // 2, random.Random(1)
    alone, beside = Timing(), Timing()
    made.limits(SIZE, RATE)
    made.rest.control("faults", {"slow": 1, "slow_s": slow_s})
    with running(Told("app", made.config)) as app:
        first, second = ready.tickets[:half], ready.tickets[half:]
        bodies = [_body([ticket], dice) for ticket in first]
        hammer(alone, app.port, "/api/v1/scans", bodies, ready.headers, 4)
        with running(Told("worker", made.config)):
            _until_asked(made)
            bodies = [_body([ticket], dice) for ticket in second]
            hammer(beside, app.port, "/api/v1/scans", bodies, ready.headers, 4)
            left = made.waiting(PUSH)
            made.rest.control("faults", method="DELETE")
            eventually(lambda: not made.waiting(PUSH) and not _under_way(made), within=300)
    note = f"{_waits(beside, alone)}; {left} cards still to be written when the last guest was in"
    return Figure(
        f"door beside a portal of {RATE:g} requests/s: p95 against alone",
        beside.p95 / alone.p95,
        "×",
        at_most=2,
        note=note,
    )


def _under_way(made: World) -> int:
    asked = sa.select(sa.func.count()).select_from(mark).where(mark.c.sent_at.is_not(None))
    with made.app.service.store.reading() as tx:
        return tx.scalar(asked) or 0


def _until_asked(made: World) -> None:
    """The worker is at it: the portal has its first request."""
    last = time.monotonic() + 30
    known = len(made.calls())
    while len(made.calls()) == known:
        assert time.monotonic() < last, f"the worker of portal {PORTAL_ID} never begins"
        time.sleep(0.02)
