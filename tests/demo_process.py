"""``python app.py demo`` as a user has it: a process in a terminal, its links, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.eventually import eventually
from tests.source_tree import ROOT

LONGEST_S = 300.0
GUESTS = ("--guests", "4")


def command(state: Path, *arguments: str) -> list[str]:
    """``python app.py demo`` on a state."""
    return [sys.executable, str(ROOT / "app.py"), "demo", "--state", str(state), *arguments]


def run(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command until it ends by itself."""
    return subprocess.run(
        command(state, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )


def start(state: Path) -> subprocess.Popen[str]:
    """The command, not waited for."""
    return subprocess.Popen(
        command(state, "--json"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class DemoProcess:
    """``demo --json`` once it has printed its links; leaving the ``with`` is Ctrl-C."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self._said = state.with_name(f"{state.name}.err")
        with self._said.open("w") as errors:
            self._process = subprocess.Popen(
                command(state, "--json", *arguments),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the demo did not start: {self._said.read_text()}"
        self.links: dict[str, str] = json.loads(line)
        self.family = [self._process.pid, *_children(self._process.pid)]

    @property
    def said(self) -> str:
        """Everything on standard error so far."""
        return self._said.read_text()

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; exit code and what stood on standard output after the links.

        Fails when a process of the demo still lives three seconds later.
        """
        self._process.send_signal(signal.SIGINT)
        rest, _ = self._process.communicate(timeout=3)
        eventually(lambda: not any(map(_lives, self.family)), within=1, waiting_for="the portal to end")
        return self._process.returncode, rest

    def kill(self) -> None:
        """``kill -9``; fails when a process of the demo outlives it."""
        self._process.kill()
        self._process.communicate(timeout=3)
        eventually(lambda: not any(map(_lives, self.family)), within=5, waiting_for="the portal to end")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.communicate(timeout=10)


def _children(pid: int) -> list[int]:
    """Processes started by one, of any session."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in table.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def played(state: Path, *more: str) -> dict[str, Any]:
    """The result of a day played with few guests that ends well."""
    done = run(state, "--play", "--json", *GUESTS, *more)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    result: dict[str, Any] = json.loads(done.stdout)
    return result
