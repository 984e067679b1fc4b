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

    from smart_process.service import Service
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
    """A wired app: the web side, the background side, and what both share."""

    web: Flask
    worker: Worker
    service: Service

    def close(self) -> None:
        """End background work and connections; what waits, waits in the marks."""
        self.worker.stop()
        self.service.portals.close()
        self.service.store.close()


def build(config: Config, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Built:
    """Open the database (upgrading it), and wire web and background; nothing runs yet."""
    from b24.client import Portals
    from b24.oauth import ORIGINS, OAuth
    from b24.secrets import Secrets
    from b24.store.engine import Store
    from b24.store.migrate import upgrade
    from b24.transport import Transport
    from smart_process.service import Service
    from smart_process.sync.worker import Worker

    store = Store(config.database_url)
    upgrade(store)
    secrets = Secrets(config.keys)
    transport = Transport(cut_s=10, allow_origin=config.local_origin)
    origins = (config.local_origin,) if config.local_origin else ORIGINS
    oauth = OAuth(config.client_id, config.client_secret, origins, transport=transport, clock=clock)
    portals = Portals(
        store, secrets, oauth, clock=clock, cut_s=config.cut_s, allow_origin=config.local_origin
    )
    worker = Worker()
    service = Service(
        store=store,
        clock=clock,
        secrets=secrets,
        portals=portals,
        public_url=config.public_url.rstrip("/"),
        wake=worker.wake,
        local_smtp=config.local_origin is not None,
    )
    return Built(create_app(service, devices_only=config.devices_only), worker, service)


def create_app(service: Service, *, devices_only: bool = False) -> Flask:
    """The web side over a wired service."""
    from flask import Flask

    import handlers
    import placements

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
        "doctor": _doctor,
        "sandbox": _sandbox,
        "bench-data": _bench_data,
    }
    if command in commands:
        return commands[command](rest)
    sys.stderr.write(
        "python app.py demo     the app with a local portal and a partner conference in it\n"
        "python app.py serve    the app for real portals: web and background work in one process\n"
        "python app.py doctor   what is wrong with the portals, and what to do about it\n"
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
    _log_to_console()
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    running = Running(config, options.host, options.port, proxy=options.proxy)
    stopping.wait()
    running.stop()
    return 0


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


def _log_to_console() -> None:
    """Every line through the filter that knows which paths are secrets (tickets, enrolment, personal links)."""
    from handlers.privacy import MaskedPaths

    console = logging.StreamHandler()
    console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    console.addFilter(MaskedPaths())
    logging.basicConfig(level=logging.INFO, handlers=[console])


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
    url = environment.get("DATABASE_URL", "")
    if not url:
        data = Path("data")
        data.mkdir(exist_ok=True, mode=0o700)  # guests and tokens: nobody else on this machine reads them
        url = f"sqlite:///{data / 'app.sqlite'}"
    return Config(
        database_url=url,
        public_url=environment["PUBLIC_URL"],
        client_id=environment["B24_CLIENT_ID"],
        client_secret=environment["B24_CLIENT_SECRET"],
        keys=keys,
    )


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
