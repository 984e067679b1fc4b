"""How tests talk to the sandbox: over HTTP, as any tool would."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import requests

Params = dict[str, Any]


class Refused(AssertionError):
    """The portal answered an error where the test expected a result."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.status_code} {response.text[:500]}")
        self.response = response
        self.body: dict[str, Any] = response.json()
        self.code = self.body.get("error")


class Rest:
    """REST of one portal as its administrator, by the test application's token or a webhook."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.access: dict[str, str] = self.http.get(f"{url}/sandbox/access", timeout=10).json()
        self.token = self.access["access_token"]

    def send(
        self, method: str, params: Params | None = None, *, token: str | None = None
    ) -> requests.Response:
        """POST as the test application (or with another ``token``); the raw response."""
        body = {**(params or {}), "auth": token or self.token}
        return self.http.post(f"{self.access['rest_url']}{method}", json=body, timeout=20)

    def hook(self, method: str, params: Params | None = None) -> requests.Response:
        """POST through the webhook; the raw response."""
        return self.http.post(f"{self.access['webhook_url']}{method}", json=params or {}, timeout=20)

    def answer(
        self, method: str, params: Params | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """The whole envelope; raises :class:`Refused` for an error."""
        response = self.send(method, params, token=token)
        body = response.json()
        if "error" in body:
            raise Refused(response)
        return dict(body)

    def __call__(self, method: str, params: Params | None = None, *, token: str | None = None) -> Any:
        """The ``result``; raises :class:`Refused` for an error."""
        return self.answer(method, params, token=token)["result"]

    def batch(self, cmd: Any, halt: int = 0) -> dict[str, Any]:
        """``result`` of a batch."""
        return dict(self("batch", {"halt": halt, "cmd": cmd}))

    def control(self, path: str, params: Params | None = None, *, method: str = "POST") -> Any:
        """A control call that must succeed."""
        response = self.http.request(method, f"{self.url}/sandbox/{path}", json=params, timeout=20)
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


class Listener:
    """An event handler on loopback: keeps what it receives, answers 200 (or ``status``)."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                keeper.headers.append({key.lower(): value for key, value in self.headers.items()})
                keeper.bodies.append(raw.decode())
                self.send_response(keeper.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/handler/"

    @property
    def events(self) -> list[dict[str, str]]:
        """Bodies as flat pairs: ``{"event": …, "data[FIELDS][ID]": …}``."""
        return [dict(parse_qsl(body, keep_blank_values=True)) for body in list(self.bodies)]

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until ``condition`` is true and return what it returned; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("the condition did not come true in time")
