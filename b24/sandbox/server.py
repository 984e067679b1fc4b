"""The sandbox as a running thing: a portal, its web server, its queue of events, its mailbox.

``Sandbox(...).start()`` runs it in threads of this process (tests, the demo); :func:`main` is the command
``python app.py sandbox``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from b24.sandbox import control_apps, control_people, control_world  # noqa: F401 - they register their calls
from b24.sandbox.control import Control
from b24.sandbox.delivery import Delivery
from b24.sandbox.dispatch import Dispatcher
from b24.sandbox.faults import Faults
from b24.sandbox.limits import BUCKETS, LeakyBucket, OperatingBudget
from b24.sandbox.log import CallLog
from b24.sandbox.mail import MailServer
from b24.sandbox.portal import LocalPortal, open_portal
from b24.sandbox.upgrade import ForeignState
from b24.sandbox.web import PortalWeb


@dataclass(frozen=True)
class Options:
    """How a sandbox runs; the names are those of the command line.

    Attributes:
        port: 0 takes a free one.
        state: SQLite file; ``None`` keeps everything in memory.
        log: file of REST calls, JSON lines.
        cut_s: seconds after which a request is cut off with 504.
        seed: ``"demo"`` or ``"empty"``; counts on the first start of a state only.
        smtp_port: port of the mailbox's SMTP server, 0 for a free one, ``None`` for none.
        pages: serve the web UI.
    """

    port: int = 8900
    state: Path | None = None
    log: Path | None = None
    limits: bool = True
    plan: str = "standard"
    cut_s: float = 60.0
    seed: str = "demo"
    smtp_port: int | None = None
    pages: bool = True


Application = Callable[..., Iterable[bytes]]
"""A WSGI application."""


class _Handler(WSGIRequestHandler):
    """Keeps connections open, answers without Nagle's delay and prints nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: the log of REST calls is :mod:`b24.sandbox.log`."""


class Sandbox:
    """A portal with its servers. ``with Sandbox(Options(port=0)) as sandbox: …`` starts and stops it."""

    portal: LocalPortal

    def __init__(self, options: Options) -> None:
        self._options = options
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.mail: MailServer | None = None

    @property
    def url(self) -> str:
        """Where the portal is."""
        return self.portal.origin

    def start(self) -> Sandbox:
        """Open the state and listen; returns when calls are answered.

        Raises:
            OSError: the port is taken.
            ForeignState: the state file cannot be used.
        """
        options = self._options
        self._server = listen(options.port, self._entry)
        origin = f"http://127.0.0.1:{self._server.port}"
        try:
            self.portal = open_portal(
                options.state, origin=origin, seed=options.seed, plan=options.plan, cut_s=options.cut_s
            )
            self._web = self._application()
        except Exception:
            self._server.server_close()
            self._server = None
            raise
        self._delivery.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True, name="portal"
        )
        self._thread.start()
        self._start_mail()
        return self

    def _entry(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._web(environ, start_response)

    def _application(self) -> PortalWeb:
        capacity, rate = BUCKETS.get(self._options.plan, BUCKETS["standard"])
        self.faults = Faults()
        self.log = CallLog(self._options.log)
        self.bucket = LeakyBucket(capacity, rate) if self._options.limits else None
        dispatcher = Dispatcher(
            self.portal, bucket=self.bucket, budget=OperatingBudget(), faults=self.faults, log=self.log
        )
        self._delivery = Delivery(self.portal, self.faults)
        return PortalWeb(dispatcher, Control(dispatcher), self._pages() if self._options.pages else None)

    def _pages(self) -> Application:
        """The web UI, made when the first page is opened: tools that only call REST do not wait for it."""
        made: list[Application] = []
        lock = threading.Lock()

        def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            with lock:
                if not made:
                    made.append(make_pages(self.portal, self.log))
            return made[0](environ, start_response)

        return pages

    def _start_mail(self) -> None:
        if self._options.smtp_port is not None:
            self.mail = MailServer(self.portal, self._options.smtp_port)
            self.mail.start()

    def stop(self) -> None:
        """Stop listening and close the state; what events are left stays in the queue."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        if self._thread is not None:
            self._thread.join(2)
        if self.mail is not None:
            self.mail.stop()
        self._delivery.stop()
        self.log.close()
        self.portal.close()
        self._server = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ready(self) -> dict[str, str]:
        """The line :func:`main` prints."""
        line = {
            "portal": self.url, "access": f"{self.url}/sandbox/access", "control": f"{self.url}/sandbox/",
            "member_id": self.portal.member_id,
        }  # fmt: skip
        return line | ({"smtp": f"127.0.0.1:{self.mail.port}"} if self.mail is not None else {})


def whole(application: Application) -> Application:
    """The application with its answers read to their end and closed before the first byte leaves.

    Werkzeug's server forgets to close an answer whose browser went away meanwhile, and with it the file it came from.
    """

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        parts = application(environ, start_response)
        try:
            return [b"".join(parts)]
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


def listen(port: int, application: Application) -> BaseWSGIServer:
    """A threaded web server on loopback that does not answer yet; port 0 takes a free one.

    The socket is bound here because the server would end the process over a taken port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen(128)
        server = make_server(
            "127.0.0.1",
            bound.getsockname()[1],
            whole(application),
            threaded=True,
            request_handler=_Handler,
            fd=bound.fileno(),
        )
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server


def make_pages(portal: LocalPortal, log: CallLog) -> Application:
    """The web UI as a WSGI application: a Flask application with the blueprint of :mod:`b24.sandbox.ui`."""
    from flask import Flask

    from b24.sandbox.ui import bp

    app = Flask("b24.sandbox.ui", static_folder=None)
    app.extensions["portal"] = portal
    app.extensions["call_log"] = log
    app.register_blueprint(bp)
    wsgi: Application = app.wsgi_app
    return wsgi


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="app.py sandbox", description="A local portal that speaks Bitrix24's REST."
    )
    parser.add_argument("--port", type=int, default=8900, help="0 takes a free one")
    parser.add_argument("--state", type=Path, help="SQLite file; in memory without it")
    parser.add_argument("--log", type=Path, help="append every REST call as a JSON line")
    parser.add_argument("--limits", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plan", choices=sorted(BUCKETS), default="standard")
    parser.add_argument(
        "--cut-s", type=float, default=60.0, help="seconds until a request is cut off with 504"
    )
    parser.add_argument("--seed", choices=["demo", "empty"], default="demo")
    parser.add_argument("--smtp-port", type=int, help="also receive mail there; 0 takes a free one")
    parser.add_argument(
        "--attached", action="store_true", help="end when standard input ends: whoever started this is gone"
    )
    return parser.parse_args(argv)


def _end_with_input(stopping: threading.Event) -> None:
    """A starter that was killed ends nothing any more, but its end of the pipe closes."""
    while os.read(
        sys.stdin.fileno(), 4096
    ):  # not through a buffer, whose lock would be held when Python ends
        pass
    stopping.set()


def main(argv: Sequence[str]) -> int:
    """``python app.py sandbox``: run until SIGTERM or Ctrl-C; prints one JSON line when ready."""
    given = vars(_arguments(argv))
    attached, options = given.pop("attached"), Options(**given)
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    if attached:
        threading.Thread(target=_end_with_input, args=(stopping,), daemon=True).start()
    try:
        sandbox = Sandbox(options).start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on 127.0.0.1:{options.port}: {error}\n")
        return 1
    except ForeignState as error:
        sys.stderr.write(f"{options.state}: {error}\n")
        return 1
    if not stopping.is_set():
        sys.stdout.write(json.dumps(sandbox.ready()) + "\n")
        sys.stdout.flush()
    while not stopping.wait(1.0):
        pass
    sandbox.stop()
    return 0
