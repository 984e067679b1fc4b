"""The local portal as the demo uses it: a child process, its control calls, and REST as its administrator."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

ADMIN = 1
WAIT_S = 30.0


class PortalFailed(Exception):
    """The local portal did not start or refused what the demo asked; the text says why."""


class LocalPortal:
    """The sandbox portal in a process of its own."""

    def __init__(self, script: Path, arguments: Sequence[str]) -> None:
        command = [sys.executable, str(script), "sandbox", "--attached", *arguments]
        # A group of its own: Ctrl-C in a terminal reaches us first, and we end it in order. When we are killed, the
        # end of its input ends it: two portals with one state would both deliver its events.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.origin = ""
        self._session = requests.Session()

    def wait(self) -> None:
        """Until it answers.

        Raises:
            PortalFailed: it ended instead.
        """
        out = self._process.stdout
        line = out.readline() if out else ""
        if not line:
            raise PortalFailed(f"the local portal did not start (exit code {self._process.wait(5)})")
        self.origin = json.loads(line)["portal"]

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it within two seconds."""
        self._session.close()
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A control call: GET without a body, else POST of JSON."""
        url = f"{self.origin}/sandbox/{path}"
        if body is None:
            reply = self._session.get(url, timeout=WAIT_S)
        else:
            reply = self._session.post(url, json=body, timeout=WAIT_S)
        if reply.status_code >= 400:
            raise PortalFailed(f"{path}: {reply.status_code} {reply.text[:300]}")
        return reply.json()

    def page(self, path: str, form: Mapping[str, str], *, user_id: int) -> None:
        """What a colleague sends off on a page of the portal.

        Raises:
            PortalFailed: the page did not take it.
        """
        reply = self._session.post(
            f"{self.origin}{path}",
            data=form,
            cookies={"b24sandbox_user": str(user_id)},
            allow_redirects=False,
            timeout=WAIT_S,
        )
        if reply.status_code >= 400:
            raise PortalFailed(f"{path}: {reply.status_code} {reply.text[:300]}")


class Rest:
    """REST of the portal as an administrator's incoming webhook: what a person does by hand, the demo does here."""

    def __init__(self, webhook_url: str) -> None:
        self._url = webhook_url
        self._session = requests.Session()
        self.requests = 0

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """One method; waits where the portal asks for patience.

        Raises:
            PortalFailed: the portal refused it.
        """
        return self.envelope(method, params)["result"]

    def envelope(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One method with what stands beside its result (``total``, ``next``)."""
        from time import sleep

        for _ in range(120):
            reply = self._session.post(f"{self._url}{method}", json=dict(params), timeout=WAIT_S)
            self.requests += 1
            body: dict[str, Any] = reply.json()
            if body.get("error") == "QUERY_LIMIT_EXCEEDED":
                # The bucket is the app's too: step back and let it work.
                sleep(1.0)
                continue
            if "error" in body:
                raise PortalFailed(f"{method}: {body['error']} {body.get('error_description', '')}")
            return body
        raise PortalFailed(f"{method}: the portal's request limit did not let us through")

    def batch(self, commands: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
        """Up to 50 commands; results by key.

        Raises:
            PortalFailed: one of them was refused.
        """
        results, refused = self._batch(commands)
        if refused:
            raise PortalFailed(f"batch: {refused}")
        return results

    def tried(self, commands: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
        """Up to 50 commands; results by key, without those the portal refused."""
        results, refused = self._batch(commands)
        return {key: value for key, value in results.items() if key not in refused}

    def _batch(
        self, commands: Mapping[str, tuple[str, Mapping[str, Any]]]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        cmd = {key: f"{method}?{_query(params)}" for key, (method, params) in commands.items()}
        answer = self.call("batch", {"halt": 0, "cmd": cmd})
        results, refused = answer["result"], answer["result_error"]
        return dict(results or {}), dict(refused or {})

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _query(params: Mapping[str, Any]) -> str:
    """PHP-style nested keys, as inside a batch command."""
    from urllib.parse import urlencode

    return urlencode(list(_pairs("", params)))


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _pairs(f"{name}[{key}]" if name else str(key), one)
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _pairs(f"{name}[{at}]", one)
    else:
        yield name, "" if value is None else str(value)
