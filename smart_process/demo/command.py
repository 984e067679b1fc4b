"""``python app.py demo``: everything started in order, links printed, everything ended by Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import requests

from smart_process.demo import conference, installing
from smart_process.demo.portal import LocalPortal, PortalFailed, Rest
from smart_process.demo.state import AlreadyRunning, Folder, Unusable, choose_ports
from smart_process.service import Service


class RunningApp(Protocol):
    """The app, serving and working in this process."""

    service: Service

    def stop(self) -> None:
        """End both."""
        ...


class StartApp(Protocol):
    """Starts the app for the portal at ``local_origin``, in threads of this process."""

    def __call__(
        self,
        *,
        database_url: str,
        public_url: str,
        client_id: str,
        client_secret: str,
        keys: tuple[str, ...],
        port: int,
        local_origin: str,
    ) -> RunningApp: ...


Install = Callable[[LocalPortal, int, installing.Say], None]


class Demo:
    """One run of the demo in one folder."""

    def __init__(
        self,
        folder: Folder,
        script: Path,
        public_url: str,
        log: Path | None,
        *,
        playing: bool,
        quiet: bool,
        portal_options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.kept = folder.kept
        self.public_url = public_url or f"http://127.0.0.1:{self.kept.app_port}"
        self.playing = playing
        self._quiet = quiet
        arguments = [
            *("--port", str(self.kept.portal_port)),
            *("--smtp-port", str(self.kept.smtp_port)),
            *("--state", str(folder.path / "portal.sqlite")),
            *(("--log", str(log)) if log else ()),
            *portal_options,
        ]
        self.portal = LocalPortal(script, arguments)
        self.app: RunningApp | None = None
        self.rest: Rest | None = None

    def say(self, text: str) -> None:
        """A line of progress; JSON alone goes to standard output."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def start(self, start_app: StartApp, install: Install = installing.install) -> None:
        """Portal, app, installation, conference – what is there already is left as it is.

        ``install`` ends with the app installed; one with a real browser does what an administrator does.
        """
        kept, own = self.kept, f"http://127.0.0.1:{self.kept.app_port}"
        if not kept.client_id:
            self.say("Портал: данные партнёрской конференции…")
            self.portal.wait()
            made = installing.register(self.portal, own)
            kept.app_id, kept.client_id, kept.client_secret = (
                int(made["id"]),
                made["client_id"],
                made["client_secret"],
            )
            self.folder.save()
        self.app = start_app(
            database_url=f"sqlite:///{self.folder.path / 'app.sqlite'}",
            public_url=self.public_url,
            client_id=kept.client_id,
            client_secret=kept.client_secret,
            keys=(kept.key,),
            port=kept.app_port,
            local_origin=f"http://127.0.0.1:{kept.portal_port}",
        )
        if not self.portal.origin:
            self.portal.wait()
        self.rest = Rest(self.portal.control("access")["webhook_url"])
        # Tabs and events are bound to addresses: where one has changed, the installer runs again and moves them.
        addresses = [own, self.public_url]
        if kept.installed_for != addresses:
            self.say("Установка приложения в портал:")
            if kept.installed_for:
                installing.move(self.portal, kept.app_id, own)
            install(self.portal, kept.app_id, self.say)
            kept.installed_for = addresses
            self.folder.save()
        conference.prepare(self)

    def links(self) -> dict[str, str]:
        """What is printed when everything is ready; the contract of ``demo --json``."""
        origin, code = self.portal.origin, conference.event_code(self)
        return {
            "portal": origin,
            "app": self.public_url,
            "access": f"{origin}/sandbox/access",
            "control": f"{origin}/sandbox/",
            "event_code": code,
            "event": f"{origin}{conference.event_path(self)}",
            "registration": f"{self.public_url}/r/{code}",
            "scanner": f"{self.public_url}/scan/{self.kept.enrol_code}",
            "mailbox": f"{origin}/sandbox/mail",
        }

    def stop(self) -> None:
        """End everything in order: no new work, then the portal."""
        if self.app is not None:
            self.app.stop()
        if self.rest is not None:
            self.rest.close()
        self.portal.stop()
        self.folder.close()


INTERRUPTED = 130
TITLES = {
    "portal": "Портал",
    "event": "Карточка мероприятия",
    "registration": "Регистрация гостя",
    "scanner": "Сканер для этого компьютера",
    "mailbox": "Почта гостей",
}


def main(argv: Sequence[str], *, script: Path, public_url: str, start_app: StartApp) -> int:
    """Run the command; returns its exit code."""
    options = _arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    stopping, ready = threading.Event(), threading.Event()
    _listen(stopping, ready)
    began = time.monotonic()
    try:
        folder = Folder(options.state)
    except AlreadyRunning as running:
        if options.play:
            sys.stderr.write("Эта демонстрация уже запущена: завершите её (Ctrl-C) и повторите.\n")
            return 1
        return _print_running(running, options.json)
    except Unusable as unusable:
        sys.stderr.write(f"{unusable}\n")
        return 1
    choose_ports(folder.kept, options.port)
    folder.save()
    log = _log_of(options) if options.play or options.log else None
    demo = Demo(
        folder,
        script,
        public_url.rstrip("/"),
        log,
        playing=options.play,
        quiet=options.json and not options.play,
    )
    try:
        demo.start(start_app)
        ready.set()
        if options.play:
            return _play(demo, options, stopping)
        links = demo.links()
        folder.running(links)
        _print(links, options.json, public_url, time.monotonic() - began)
        _wait(demo, stopping)
    except KeyboardInterrupt:
        return INTERRUPTED
    except PortalFailed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    except requests.RequestException:
        sys.stderr.write(
            "Портал больше не отвечает. Запустите ещё раз: данные сохранены, начатое продолжится.\n"
        )
        return 1
    finally:
        ready.set()
        demo.stop()
    return 0


def _listen(stopping: threading.Event, ready: threading.Event) -> None:
    """Ctrl-C and SIGTERM set ``stopping``; until it is ``ready`` they interrupt what the command is doing."""

    def stop(*_: object) -> None:
        stopping.set()
        if not ready.is_set():
            # A first start takes a while, and what it began is gone on with the next time.
            raise KeyboardInterrupt

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)


def _play(demo: Demo, options: argparse.Namespace, stopping: threading.Event) -> int:
    from smart_process.demo.play import play

    return play(
        demo,
        guests=options.guests,
        seed=options.seed,
        with_edits=options.edits,
        as_json=options.json,
        log=_log_of(options),
        stopping=stopping,
    )


def _log_of(options: argparse.Namespace) -> Path:
    """Where the portal's REST calls are written; a play counts them."""
    given: Path | None = options.log
    return given or options.state / "calls.jsonl"


def _wait(demo: Demo, stopping: threading.Event) -> None:
    while not stopping.wait(0.5):
        if not demo.portal.alive:
            raise PortalFailed("the local portal ended unexpectedly; start the demo again, its data is kept")


def _print_running(running: AlreadyRunning, as_json: bool) -> int:
    if running.links is None:
        sys.stderr.write("Эта демонстрация как раз запускается в другом окне.\n")
        return 1
    _print(running.links, as_json, "", None)
    return 0


def _print(links: dict[str, str], as_json: bool, public_url: str, took_s: float | None) -> None:
    if as_json:
        sys.stdout.write(json.dumps(links, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    width = max(map(len, TITLES.values()))
    lines = [f"  {title:<{width}}  {links[name]}" for name, title in TITLES.items()]
    head = "Уже работает:" if took_s is None else f"Готово за {took_s:.1f} с:"
    sys.stdout.write("\n".join(["", head, *lines, ""]) + "\n")
    if public_url:
        sys.stdout.write(f"Сканер для телефона – наведите камеру:\n{_qr(links['scanner'])}\n")
    elif took_s is not None:
        sys.stdout.write(
            "Телефону нужен https: браузер не даёт странице камеру по http. "
            "Откройте туннель и запустите PUBLIC_URL=https://… make demo\n"
        )
    if took_s is not None:
        sys.stdout.write("Ctrl-C завершает всё, данные остаются.\n")
    sys.stdout.flush()


def _qr(text: str) -> str:
    from io import StringIO

    import segno

    out = StringIO()
    segno.make(text, micro=False).terminal(out=out, compact=True)
    return out.getvalue()


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="app.py demo",
        description="The app with a local portal and one partner conference; --play plays the whole day.",
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".demo"), help="folder of the data (default .demo)"
    )
    parser.add_argument("--port", type=int, help="port of the app; a free one is chosen and kept without it")
    parser.add_argument("--log", type=Path, help="append every REST call as a JSON line")
    parser.add_argument("--json", action="store_true", help="print one JSON line (with --play: the result)")
    parser.add_argument("--play", action="store_true", help="play the day without a person, check it, end")
    parser.add_argument(
        "--edits",
        action="store_true",
        help="with --play: colleagues edit, merge and delete in the CRM meanwhile",
    )
    parser.add_argument("--guests", type=int, default=60, help="how many guests play (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is chosen by chance")
    return parser.parse_args(argv)
