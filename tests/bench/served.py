"""Processes that are measured: the app's web side, a bare endpoint on the same database, a worker of the app.

The bare endpoint is what no web application of this kind can be faster than: Flask, SQLAlchemy, one indexed update and
one insert in a transaction, on the same web server.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, jsonify, request
from waitress.server import create_server

from app import Config, build
from b24.store.engine import Store

_bare = sa.MetaData()
ROW = sa.Table(
    "bare_row",
    _bare,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("times", sa.Integer, nullable=False),
)
LINE = sa.Table(
    "bare_line",
    _bare,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("key", sa.String(32), nullable=False),
)


def make_bare(store: Store, keys: list[str]) -> None:
    """Tables of the bare endpoint with a row for each key."""
    _bare.create_all(store.engine)
    with store.transaction() as tx:
        for at in range(0, len(keys), 5_000):
            tx.execute(sa.insert(ROW), [{"key": key, "times": 0} for key in keys[at : at + 5_000]])


def bare(store: Store) -> Flask:
    """The bare endpoint: ``POST /bare`` with ``{"key"}``."""
    web = Flask("bare")

    @web.post("/bare")
    def one() -> Response:
        key = request.get_json()["key"]
        with store.transaction() as tx:
            tx.execute(sa.update(ROW).where(ROW.c.key == key).values(times=ROW.c.times + 1))
            tx.execute(sa.insert(LINE).values(key=key))
        return jsonify(done=True)

    return web


@dataclass(frozen=True)
class Told:
    """``what`` is ``app``, ``bare`` or ``worker``; ``config`` are arguments of ``app.Config``."""

    what: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Server:
    """A running process: where it listens (0 for a worker) and which it is."""

    port: int
    pid: int

    @property
    def peak_mb(self) -> float:
        """The most memory it ever held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (one for one in status.splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


def _run(told: Told, player: Connection) -> None:
    port = 0
    if told.what == "worker":
        built = build(Config(**told.config))
        built.worker.start(built.service)
    else:
        store = Store(told.config["database_url"])
        web = bare(store) if told.what == "bare" else build(Config(**told.config)).web
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        server = create_server(web, host="127.0.0.1", port=0, threads=16)
        port = server.effective_port
    player.send(port)
    if port:
        import threading

        threading.Thread(target=server.run, daemon=True).start()
    with contextlib.suppress(EOFError):
        player.recv()
    os._exit(0)


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.bench.served"])


@contextmanager
def running(told: Told) -> Iterator[Server]:
    """Start a process and end it."""
    ours, theirs = _FORKS.Pipe()
    process = _FORKS.Process(target=_run, args=(told, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Server(ours.recv(), process.pid or 0)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
