"""One day under fire, from an empty folder to the verdict."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import sqlalchemy as sa

from app import Config
from b24 import portals
from b24.client import Portals
from b24.oauth import OAuth
from b24.secrets import Secrets
from b24.store.engine import Store
from b24.store.tables import mark
from b24.transport import Transport
from smart_process.demo import conference
from smart_process.demo.cast import Cast
from smart_process.demo.command import Demo
from smart_process.demo.play import settle
from smart_process.demo.portal import ADMIN, PortalFailed
from smart_process.demo.state import Folder, choose_ports
from smart_process.service import Service
from smart_process.sync import sweep
from smart_process.sync.drain import lease_s
from tests.chaos.crowd import PATIENCE_S, Crowd, insist
from tests.chaos.judging import Verdict, judge
from tests.chaos.ledger import Ledger
from tests.chaos.processes import ROLES, App
from tests.chaos.storm import Faults, Storm
from tests.source_tree import ROOT

STANDARD, ENTERPRISE = (50, 2.0), (250, 5.0)
"""Requests a portal takes at once and per second."""
RELOAD_S = 2.0
Act = Callable[[Callable[[], bool]], None]


@dataclass(frozen=True)
class Day:
    """What is played.

    Args:
        pause_s: seconds between two kills, at least and at most.
        cut_s: when the portal gives a request up; whoever takes a dead worker's portal over waits three times as long.
        bucket: requests the portal takes at once and per second.
    """

    database: str
    seed: int
    kills: int
    guests: int
    pause_s: tuple[float, float] = (0.5, 6.0)
    cut_s: float = 2.0
    bucket: tuple[int, float] = STANDARD


@dataclass(frozen=True)
class Played:
    """How it ended."""

    kills: int
    struck: dict[str, int]
    verdict: Verdict
    errors: list[str]

    @property
    def faults(self) -> int:
        """How often something went wrong."""
        return sum(self.struck.values())


def play(day: Day, *, say: Callable[[str], None] = lambda _text: None) -> Played:
    """Play a day and judge it.

    Raises:
        Exception: it could not be played to its end: somebody was never answered, something never settles.
    """
    dice = random.Random(day.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, _database(day.database, Path(folder)) as url:
        demo, app = _started(Path(folder), day, url)
        faults = Faults(demo.portal)
        storm, ledger = Storm(app, faults, dice, day.pause_s, lease_s(day.cut_s)), Ledger()
        try:
            crowd = Crowd(demo, Cast(day.seed, day.guests, conference.LINES), ledger)
            for kills, phase in zip(_shares(day.kills), (_before, _the_day, _afterwards), strict=True):
                say(f"{phase.__name__.strip('_').replace('_', ' ')}: {kills} kills")
                phase(demo, crowd, storm, kills)
            faults.plan({})
            say("the storm is over")
            _heal(demo)
            _settle(demo)
            crowd.read_mail()
            verdict = judge(demo, ledger, crowd.ours())
            return Played(storm.kills, faults.struck, verdict, app.errors())
        finally:
            demo.stop()


def _shares(kills: int) -> tuple[int, int, int]:
    first = kills // 3
    return first, first, kills - 2 * first


def _before(demo: Demo, crowd: Crowd, storm: Storm, kills: int) -> None:
    """Registration is open."""
    _together(storm, kills, crowd.register, crowd.fill_forms)


def _the_day(demo: Demo, crowd: Crowd, storm: Storm, kills: int) -> None:
    """Who cancelled stays away, the others come; colleagues work on the cards."""
    _move_event(demo, "live")
    crowd.read_mail()
    crowd.cancel(lambda: True)
    _together(storm, kills, crowd.scan, crowd.tap, crowd.walk_in, crowd.edit_cards, crowd.delete_cards)


def _afterwards(demo: Demo, crowd: Crowd, storm: Storm, kills: int) -> None:
    """The event is closed; latecomers' phones come back; sales begin."""
    crowd.read_mail()
    _move_event(demo, "closed")
    _together(storm, kills, crowd.late, crowd.edit_deals)


def _together(storm: Storm, kills: int, *acts: Act) -> None:
    """Everybody at once while the storm rages."""
    storm.rage(kills)
    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(act, storm.over) for act in acts]:
            done.result()


def _move_event(demo: Demo, stage: str) -> None:
    kind = conference.binding(demo).event
    fields = {"stageId": kind.stages[stage]}
    moved = {"entityTypeId": kind.entity_type_id, "id": demo.kept.event_item_id, "fields": fields}
    insist(lambda: conference.rest_of(demo).call("crm.item.update", moved))

    def seen() -> bool:
        _heal(demo)
        return bool(conference.event(demo)["stage"] == stage)

    conference.wait_for(f"the app to see the event as {stage}", seen, 240)


def _heal(demo: Demo) -> None:
    """A kill between the authorisation server's answer and our disk loses the only pair of tokens: the portal pauses,
    and an administrator who opens the app gives it a new one. Without an answer they open it again, a little later."""

    def works() -> bool:
        with conference.service_of(demo).store.reading() as tx:
            return conference.PORTAL_ID not in portals.paused_ids(tx)

    until = time.monotonic() + PATIENCE_S
    while not works() and time.monotonic() < until:
        with suppress(requests.RequestException, PortalFailed):
            opened = demo.portal.control(f"apps/{demo.kept.app_id}/open", {"user_id": ADMIN})
            requests.post(opened["url"], data=opened["fields"], timeout=60)
        time.sleep(RELOAD_S)


def _settle(demo: Demo) -> None:
    """Nothing waits any more. Whatever waits is asked to hurry, but not what may be under way."""
    stopping = threading.Event()

    def hurry() -> None:
        while not stopping.wait(0.5):
            with conference.service_of(demo).store.transaction() as tx:
                key = mark.c.portal_id, mark.c.kind, mark.c.key
                waits = sa.and_(mark.c.sent_at.is_(None), mark.c.held.is_(None))
                # What the app is writing is left alone: neither waits for the other.
                free = sa.select(*key).where(waits).with_for_update(skip_locked=True)
                tx.execute(sa.update(mark).where(sa.tuple_(*key).in_(free)).values(due_at=datetime.now(UTC)))

    service = conference.service_of(demo)
    hurrying = threading.Thread(target=hurry, daemon=True)
    hurrying.start()
    try:
        settle(demo, threading.Event())
        # What dropped events left behind. Workers and colleagues may have used the portal's limit up.
        insist(lambda: sweep.sweep(service, conference.PORTAL_ID))
        settle(demo, threading.Event())
    finally:
        stopping.set()
        hurrying.join()


# ------------------------------------------------------------------ setting the stage


def _started(folder: Path, day: Day, url: str) -> tuple[Demo, App]:
    kept = Folder(folder / "day")
    choose_ports(kept.kept, None)
    demo = Demo(
        kept,
        ROOT / "app.py",
        "",
        kept.path / "calls.jsonl",
        playing=True,
        quiet=True,
        portal_options=(
            "--cut-s",
            str(day.cut_s),
            *(("--plan", "enterprise") if day.bucket == ENTERPRISE else ()),
        ),
    )
    started: list[App] = []

    def start(*, port: int, **config: Any) -> App:
        config |= {"database_url": url, "cut_s": day.cut_s}
        app = App(_reading(Config(**config)), ROLES[day.database], port, config, kept.path, day.bucket)
        started.append(app)
        return app

    demo.start(start)
    return demo, started[0]


def _reading(config: Config) -> Service:
    """The service of whoever watches: the same database, no web and no work of its own."""
    from b24.store.migrate import upgrade

    store, secrets = Store(config.database_url), Secrets(config.keys)
    upgrade(store)

    def clock() -> datetime:
        return datetime.now(UTC)

    assert config.local_origin is not None
    transport = Transport(cut_s=10, allow_origin=config.local_origin)
    oauth = OAuth(
        config.client_id, config.client_secret, (config.local_origin,), transport=transport, clock=clock
    )
    reached = Portals(
        store, secrets, oauth, clock=clock, cut_s=config.cut_s, allow_origin=config.local_origin
    )
    return Service(store, clock, secrets, reached, config.public_url, lambda _portal_id: None)


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    """An empty database, gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'app.sqlite'}"
        return
    with postgres_database() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def postgres_database() -> Iterator[str]:
    """An empty database on ``TEST_PG_URL`` (else the local server), dropped afterwards."""
    import os

    import psycopg
    from psycopg.sql import SQL, Identifier

    server = os.environ.get("TEST_PG_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    name = f"b24_chaos_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def report(played: Played, *, replay: str) -> int:
    """Print how it ended; the exit code."""
    verdict = played.verdict
    for text in verdict.sentences:
        sys.stderr.write(f"! {text}\n")
    for text in sorted(set(played.errors)):
        sys.stderr.write(f"  logged: {text}\n")
    line = (
        f"chaos: kills {played.kills}, faults {played.faults}, lost {len(verdict.lost)}, "
        f"doubled {len(verdict.doubled)}, overwritten {len(verdict.overwritten)}"
    )
    if verdict.sentences:
        sys.stderr.write(f"  again: {replay}\n")
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return 1 if verdict.sentences else 0
