"""One process of the app under fire.

The same wiring as ``serve`` and ``demo``; only here it may be pointed at the local portal from another process. Ends
when whoever plays does, so that nothing outlives them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# What `app` imports when it is called: here at once, so that a process forked from one that has it starts quickly.
import alembic.command
import fast_bitrix24
import flask
import psycopg
from waitress.server import create_server

import handlers
import placements
from app import Config, build
from b24 import portals
from b24.limits import Limits
from b24.store import migrate
from smart_process.sync import queue
from smart_process.sync import worker as background

__all__ = ["alembic", "fast_bitrix24", "flask", "handlers", "migrate", "placements", "psycopg"]

SWEEP_S, TICK_S, PROBES_S = 20.0, 0.25, (1, 2, 5, 5)
"""A day is played in minutes: what dropped events left behind is swept up as often. Not more often: every sweep and
what it marks takes from the two requests a second the portal allows."""
EVERYTHING, WEB, WORKER = "everything", "web", "worker"


@dataclass(frozen=True)
class Told:
    """What a process is.

    Args:
        config: arguments of ``app.Config``.
        bucket: requests the portal takes at once and per second.
    """

    role: str
    port: int
    config: Mapping[str, Any]
    bucket: tuple[int, float]
    log: str


def run(told: Told, player: Connection) -> None:
    """Serve or work until the other end of ``player`` is closed; says "ready" once."""
    log = os.open(told.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    background.SWEEP_S, background.TICK_S, background.PROBE_S = SWEEP_S, TICK_S, 1.0
    portals.PROBES_S = PROBES_S
    queue.EVERY_TEN_MINUTES = f"*/{SWEEP_S:.0f} * * * * *"
    queue.EVERY_MINUTE = queue.EVERY_SECOND
    built = build(Config(**told.config), at_scale=told.role != EVERYTHING)
    size, rate = told.bucket
    built.service.portals.limits = Limits(built.service.store, size=size, rate=rate)
    threading.Thread(target=_end_with, args=(player,), daemon=True).start()
    if told.role == EVERYTHING:
        built.worker.start(built.service)
    if told.role != WORKER:
        _serve_beside(built.web, told.port)
    player.send("ready")
    if told.role == WORKER:
        # Signals are taken by the main thread alone.
        queue.work(built.service)
    threading.Event().wait()


def _end_with(player: Connection) -> None:
    with contextlib.suppress(EOFError):
        player.recv()
    os._exit(0)


def _serve_beside(web: Any, port: int) -> None:
    # It listens from here on.
    server = create_server(web, host="127.0.0.1", port=port, threads=16)
    threading.Thread(target=server.run, daemon=True).start()
