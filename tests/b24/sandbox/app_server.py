"""An application of the portal for tests: a server that remembers how it was opened, and its frame in a page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Frame, Page, expect

from tests.b24.sandbox.client import Rest

SDK = Path(__file__).parents[3] / "placements" / "static" / "vendor" / "b24jssdk.min.js"
# The library comes first: once the paragraph is there, it has been run.
PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">{script}<p id="where">{where}</p>'


@dataclass(frozen=True)
class Opened:
    """One POST by which the portal opened a page of the application."""

    path: str
    query: dict[str, str]
    body: dict[str, str]


@dataclass
class AppServer:
    """The application: its pages load BX24 from the portal, ``/sdk`` the vendor's library of its own."""

    portal: str
    opened: list[Opened] = field(default_factory=list)

    def start(self) -> AppServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, path: str) -> bytes:
        library = "/sdk.js" if path == "/sdk" else f"{self.portal}/sandbox/static/bx24.js"
        return PAGE.format(where=path, script=f'<script src="{library}"></script>').encode()

    def last(self, path: str) -> Opened:
        return next(one for one in reversed(self.opened) if one.path == path)

    def _handler(app) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the request's handler below
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(SDK.read_bytes(), "text/javascript")

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                parts = urlsplit(self.path)
                app.opened.append(Opened(parts.path, dict(parse_qsl(parts.query)), dict(parse_qsl(raw))))
                self._answer(app.page(parts.path), "text/html; charset=utf-8")

            def _answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


def register(rest: Rest, app_server: AppServer, title: str) -> dict[str, Any]:
    made: dict[str, Any] = rest.control(
        "apps",
        {
            "title": title,
            "handler_url": f"{app_server.url}/app",
            "installer_url": f"{app_server.url}/install",
            "scopes": "crm,placement,user,department,task",
        },
    )
    return made


def frame_of(page: Page, path: str) -> Frame:
    """The application's frame once its page at ``path`` is there."""
    expect(page.frame_locator("iframe.app-frame:visible").locator("#where")).to_have_text(path)
    frame = page.locator("iframe.app-frame:visible").element_handle().content_frame()
    assert frame is not None
    return frame


def call(frame: Frame, expression: str) -> Any:
    """Run ``expression`` in the frame; ``done`` is the callback to hand to BX24."""
    return frame.evaluate("() => new Promise((done) => {" + expression + "})")
