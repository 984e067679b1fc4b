"""The event app for Bitrix24: wiring and the command line.

``create_app`` puts the parts together; everything it needs comes from :class:`Config`. The environment is read here
and nowhere else. Each command imports what it needs when it runs: the local portal starts without the app's libraries.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask, Response

    from b24.store.clock import SharedClock
    from b24.store.engine import Store
    from smart_process.service import Service
    from smart_process.sync.queue import Nudges
    from smart_process.sync.worker import Worker

HERE = Path(__file__).parent
BODY_LIMIT = 1_000_000
"""Bytes of a request body; 200 scans or a portal's event are far below."""


@dataclass(frozen=True)
class Config:
    """Where this process runs and for which application.

    Args:
        public_url: how the world reaches us, without a slash at the end.
        keys: secrets for encryption and signing, the newest first; older ones still decrypt.
        cut_s: when portals give a request up; look-up delays and leases follow from it.
        local_origin: the one plain-http portal and authorisation server of this machine, started by ``demo`` itself.
            No environment variable can set it.
        devices_only: answer phones and nobody else, do no background work: what is possible without a portal.
    """

    database_url: str
    public_url: str
    client_id: str
    client_secret: str
    keys: tuple[str, ...]
    cut_s: float = 60.0
    local_origin: str | None = None
    devices_only: bool = False


@dataclass(frozen=True)
class Built:
    """A wired app: the web side, the background side, and what both share.

    ``worker`` works in this process; with ``nudges`` workers of their own do, and are told of what there is to do.
    """

    web: Flask
    worker: Worker
    service: Service
    nudges: Nudges | None = None
    clock: SharedClock | None = None

    def close(self) -> None:
        """End background work and connections; what waits, waits in the marks."""
        self.worker.stop()
        if self.nudges is not None:
            self.nudges.close()
        if self.clock is not None:
            self.clock.close()
        self.service.portals.close()
        self.service.store.close()


def build(config: Config, *, at_scale: bool = False) -> Built:
    """Open the database (upgrading it), and wire web and background; nothing runs yet.

    Args:
        at_scale: workers of their own do what is to be done (PostgreSQL).
    """
    from b24.client import Portals
    from b24.oauth import ORIGINS, OAuth
    from b24.secrets import Secrets
    from b24.store.clock import SharedClock
    from b24.store.engine import Store
    from b24.store.migrate import upgrade
    from b24.transport import Transport
    from smart_process.service import Service
    from smart_process.store.setups import renew_all_secrets
    from smart_process.sync.worker import Worker

    store = Store(config.database_url)
    upgrade(store)
    secrets = Secrets(config.keys)
    renew_all_secrets(store, secrets)
    shared = None if store.is_sqlite else SharedClock(store)
    clock: Callable[[], datetime] = shared or (lambda: datetime.now(UTC))
    transport = Transport(cut_s=10, allow_origin=config.local_origin)
    origins = (config.local_origin,) if config.local_origin else ORIGINS
    oauth = OAuth(config.client_id, config.client_secret, origins, transport=transport, clock=clock)
    portals = Portals(
        store,
        secrets,
        oauth,
        clock=clock,
        cut_s=config.cut_s,
        allow_origin=config.local_origin,
        now=lambda: clock().timestamp(),
    )
    worker = Worker()
    nudges = _nudges(store) if at_scale else None
    service = Service(
        store=store,
        clock=clock,
        secrets=secrets,
        portals=portals,
        public_url=config.public_url.rstrip("/"),
        wake=worker.wake if nudges is None else nudges.wake,
        local_smtp=config.local_origin is not None,
    )
    return Built(create_app(service, devices_only=config.devices_only), worker, service, nudges, shared)


def _nudges(store: Store) -> Nudges:
    from b24.store import queue
    from smart_process.sync.queue import Nudges

    return Nudges(queue.connection(store))


def create_app(service: Service, *, devices_only: bool = False) -> Flask:
    """The web side over a wired service."""
    from flask import Flask

    import handlers
    import placements
    from b24 import logs

    web = Flask(
        __name__,
        template_folder=str(HERE / "placements" / "templates"),
        static_folder=str(HERE / "placements" / "static"),
    )
    web.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    web.jinja_env.trim_blocks = web.jinja_env.lstrip_blocks = True
    if devices_only:
        handlers.register(web, service, handlers.OF_DEVICES)
    else:
        handlers.register(web, service)
        placements.register(web, service)
    web.before_request(lambda: logs.about(None))
    web.after_request(_headers)
    return web


def _headers(reply: Response) -> Response:
    """What holds unless a page says otherwise: nothing foreign is loaded, nobody frames us."""
    reply.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    )
    reply.headers.setdefault("X-Content-Type-Options", "nosniff")
    reply.headers.setdefault("Referrer-Policy", "same-origin")
    return reply


def main(argv: Sequence[str]) -> int:
    """``python app.py COMMAND``; see ``--help``."""
    command, rest = (argv[0], argv[1:]) if argv else ("--help", ())
    commands: Mapping[str, Callable[[Sequence[str]], int]] = {
        "demo": _demo,
        "serve": _serve,
        "worker": _worker,
        "doctor": _doctor,
        "migrate": _migrate,
        "sandbox": _sandbox,
        "bench-data": _bench_data,
    }
    if command in commands:
        return commands[command](rest)
    sys.stderr.write(
        "python app.py demo     the app with a local portal and a partner conference in it\n"
        "python app.py serve    the app for real portals: web and background work in one process, or many of web\n"
        "python app.py worker   background work beside serve --workers, as many as you like\n"
        "python app.py doctor   what is wrong with the portals, and what to do about it\n"
        "python app.py migrate  the database's tables to this version or back to an earlier one\n"
        "python app.py sandbox  only the local portal\n"
        "python app.py bench-data  a database of any size to load the door with\n"
        "Each command explains itself with --help.\n"
    )
    return 0 if command in ("--help", "-h", "help") else 2


def _sandbox(argv: Sequence[str]) -> int:
    from b24.sandbox.server import main as sandbox

    return sandbox(argv)


def _demo(argv: Sequence[str]) -> int:
    from smart_process.demo.command import main as demo

    return demo(
        argv, script=HERE / "app.py", public_url=os.environ.get("PUBLIC_URL", ""), start_app=_start_demo_app
    )


def _bench_data(argv: Sequence[str]) -> int:
    from smart_process.demo.bench_data import main as bench_data

    return bench_data(argv, database_url=os.environ.get("DATABASE_URL", ""))


def _serve(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="app.py serve",
        description="Web and background work in one process. Set in the environment: PUBLIC_URL (https://…), "
        "B24_CLIENT_ID, B24_CLIENT_SECRET, APP_KEYS (secrets of 32 characters or more, newest first, commas between) "
        "and, unless SQLite in ./data will do, DATABASE_URL. With DATABASE_URL alone it answers phones only: "
        "no portal is served, nothing is synchronised.",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="web processes; more than one need PostgreSQL, and python app.py worker for the background work",
    )
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, behind your https proxy")
    parser.add_argument(
        "--proxy",
        help="address of that proxy: its X-Forwarded-For is believed, so that guests are told apart",
    )
    options = parser.parse_args(argv)
    try:
        config = _config(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.workers > 1 and _is_sqlite(config):
        sys.stderr.write("several web processes need PostgreSQL: name one in DATABASE_URL\n")
        return 2
    log_to_console()
    return _unless_away(lambda: serve(config, options.host, options.port, options.proxy, options.workers))


def _worker(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="app.py worker",
        description="Background work on PostgreSQL, beside serve --workers; any number of these on any number of "
        "machines. The environment is that of serve. SIGTERM ends it after the requests under way.",
    )
    parser.parse_args(argv)
    try:
        config = _config(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if config.devices_only or _is_sqlite(config):
        sys.stderr.write("a worker needs the environment of serve, with PostgreSQL in DATABASE_URL\n")
        return 2
    log_to_console()
    return _unless_away(lambda: work(config))


def _is_sqlite(config: Config) -> bool:
    return config.database_url.startswith("sqlite")


def _unless_away(run: Callable[[], int]) -> int:
    from b24.store.engine import DatabaseAway
    from b24.store.migrate import NewerTables

    try:
        return run()
    except DatabaseAway as error:
        sys.stderr.write(f"the database does not answer: {error.orig}\n")
    except NewerTables as error:
        sys.stderr.write(
            f"a newer version of the app made the database's tables ({error}); start that one, or take them back "
            "with it: python app.py migrate --to REVISION\n"
        )
    return 1


def work(config: Config) -> int:
    """Background work until the process is asked to end."""
    from smart_process.sync import queue

    built = build(config, at_scale=True)
    try:
        queue.work(built.service)
    finally:
        built.close()
    return 0


def serve(config: Config, host: str, port: int, proxy: str | None, processes: int) -> int:
    """Answer requests until the process is asked to end: alone and with the background work, or in several processes
    (PostgreSQL) without it."""
    if processes > 1:
        return _serve_many(config, host, port, proxy, processes)
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    running = Running(config, host, port, proxy=proxy)
    stopping.wait()
    running.stop()
    return 0


def _serve_many(config: Config, host: str, port: int, proxy: str | None, processes: int) -> int:
    from gunicorn.app.base import BaseApplication
    from gunicorn.glogging import Logger

    from b24.store.engine import Store
    from b24.store.migrate import upgrade

    class Lines(Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            """Its lines go where all lines go."""
            self.error_log.propagate = True

    class Web(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
                "bind": f"{host}:{port}",
                "workers": processes,
                "worker_class": "gthread",
                "threads": 16,
                "timeout": 60,
                "logger_class": Lines,
                "control_socket_disable": True,
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            """In each process, after it was forked."""
            return _behind(proxy, build(config, at_scale=True).web)

    # Once, and before anything listens: what is wrong with the database is said here.
    store = Store(config.database_url)
    upgrade(store)
    store.close()
    Web().run()
    return 0


def _behind(proxy: str | None, web: Any) -> Any:
    """Believe X-Forwarded-For of this address and of nobody else."""
    from werkzeug.middleware.proxy_fix import ProxyFix

    proxied = ProxyFix(web, x_for=1, x_proto=0, x_host=0)
    return lambda environ, start: (proxied if environ["REMOTE_ADDR"] == proxy else web)(environ, start)


def _doctor(argv: Sequence[str]) -> int:
    from b24.store.engine import DatabaseAway, Store
    from smart_process import doctor
    from smart_process.language import translator

    asked = doctor.arguments(argv)
    try:
        config = _config(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if config.devices_only:
        sys.stderr.write("set PUBLIC_URL, B24_CLIENT_ID, B24_CLIENT_SECRET and APP_KEYS as for serve\n")
        return 2
    store = Store(config.database_url)
    try:
        problem = doctor.database_problem(store, translator(asked.lang))
    except DatabaseAway as error:
        problem = str(error)
    finally:
        store.close()
    if problem:
        return doctor.fail(asked, problem, sys.stdout.write)
    built = build(config)
    try:
        return doctor.run(built.service, asked, sys.stdout.write)
    finally:
        built.close()


def _migrate(argv: Sequence[str]) -> int:
    from b24.store import migrate
    from b24.store.engine import Store

    known = migrate.revisions()
    parser = argparse.ArgumentParser(
        prog="app.py migrate",
        description="Bring the tables of DATABASE_URL (else SQLite in ./data) to a revision, in one transaction. "
        "serve and worker go forward by themselves; this is for going back to an earlier version of the app: end all "
        "processes, take a backup, go to the revision the earlier version knows as its last. What only the later "
        "tables hold is gone then. Without --to: forward to the last revision.",
    )
    parser.add_argument("--to", choices=known, default=known[-1], metavar="REVISION", help=", ".join(known))
    options = parser.parse_args(argv)
    log_to_console()

    def run() -> int:
        store = Store(_database_url(os.environ))
        try:
            migrate.go_to(store, options.to)
        finally:
            store.close()
        sys.stdout.write(f"the database's tables: {options.to}\n")
        return 0

    return _unless_away(run)


def log_to_console() -> None:
    """Every line with its portal and without secrets (tokens, and the paths of tickets, enrolment, personal links)."""
    from b24.logs import JsonLines
    from handlers.privacy import mask_path

    console = logging.StreamHandler()
    console.setFormatter(JsonLines(mask_path))
    logging.basicConfig(level=logging.INFO, handlers=[console])
    # It tells of every request that waits a moment for a thread: most lines just when there is most to do.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def _config(environment: Mapping[str, str]) -> Config:
    """The configuration of ``serve``.

    Raises:
        ValueError: something is missing or unsafe, in words.
    """
    needed = ("PUBLIC_URL", "B24_CLIENT_ID", "B24_CLIENT_SECRET", "APP_KEYS")
    missing = [name for name in needed if not environment.get(name)]
    if len(missing) == len(needed) and environment.get("DATABASE_URL"):
        return _devices_only(environment["DATABASE_URL"])
    if missing:
        raise ValueError(f"set {', '.join(missing)} in the environment (python app.py serve --help)")
    if not environment["PUBLIC_URL"].startswith("https://"):
        raise ValueError("PUBLIC_URL has to start with https:// – portals open the app over https only")
    keys = tuple(key.strip() for key in environment["APP_KEYS"].split(",") if key.strip())
    return Config(
        database_url=_database_url(environment),
        public_url=environment["PUBLIC_URL"],
        client_id=environment["B24_CLIENT_ID"],
        client_secret=environment["B24_CLIENT_SECRET"],
        keys=keys,
    )


def _database_url(environment: Mapping[str, str]) -> str:
    if url := environment.get("DATABASE_URL"):
        return url
    data = Path("data")
    data.mkdir(exist_ok=True, mode=0o700)  # guests and tokens: nobody else on this machine reads them
    return f"sqlite:///{data / 'app.sqlite'}"


def _devices_only(database_url: str) -> Config:
    from b24.secrets import Secrets

    sys.stderr.write(
        "PUBLIC_URL, B24_CLIENT_ID, B24_CLIENT_SECRET and APP_KEYS are not set: phones are answered, portals are not\n"
    )
    # Nothing is decrypted or signed for longer than this process lives.
    return Config(database_url, "", "", "", (Secrets.new_key(),), devices_only=True)


class Running:
    """The app, serving and working in threads of this process."""

    def __init__(self, config: Config, host: str, port: int, *, proxy: str | None = None) -> None:
        from waitress.server import create_server

        self._built = build(config)
        self.service = self._built.service
        trusted = {"trusted_proxy": proxy, "trusted_proxy_headers": {"x-forwarded-for"}} if proxy else {}
        self._server = create_server(
            self._built.web,
            host=host,
            port=port,
            threads=16,
            ident="",
            clear_untrusted_proxy_headers=True,
            **trusted,
        )
        if not config.devices_only:
            self._built.worker.start(self.service)
        self._stopping = False
        threading.Thread(target=self._serve, daemon=True, name="web").start()

    def _serve(self) -> None:
        try:
            self._server.run()
        except OSError:
            # Its sockets were closed while it waited for them.
            if not self._stopping:
                raise

    def stop(self) -> None:
        """No new requests, then the background work under way, then the connections."""
        self._stopping = True
        self._server.close()
        self._built.close()


def _start_demo_app(*, port: int, local_origin: str, **config: Any) -> Running:
    return Running(Config(local_origin=local_origin, **config), "127.0.0.1", port)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        # Before a command listens to it: there is nothing to end yet.
        raise SystemExit(130) from None
