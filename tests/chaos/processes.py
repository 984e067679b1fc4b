"""The app's processes: started, killed with ``kill -9``, started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smart_process.service import Service
from tests.source_tree import ROOT

ROLES = {"sqlite": ("everything",), "postgresql": ("web", "worker", "worker")}
"""Database → processes: one that does everything, or one web process and two workers."""


class AppProcess:
    """One process and its successors."""

    def __init__(self, role: str, port: int, config: Mapping[str, Any], log: Path) -> None:
        self.role = role
        self._told = json.dumps({"role": role, "port": port, "config": dict(config)}) + "\n"
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; it is not waited for."""
        with self._log.open("a") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.app_process"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(self._told)
        self._process.stdin.flush()

    def wait(self) -> None:
        """Until it works.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the {self.role} process did not start: {self._log}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)
        self._process = None


class App:
    """The whole app in its processes, as ``smart_process.demo`` expects a running app."""

    def __init__(
        self, service: Service, roles: Sequence[str], port: int, config: Mapping[str, Any], logs: Path
    ) -> None:
        self.service = service
        self.processes = [
            AppProcess(role, port, config, logs / f"{role}{number}.log") for number, role in enumerate(roles)
        ]
        self.logs = logs
        self._lock = threading.Lock()
        for process in self.processes:
            process.start()
        for process in self.processes:
            process.wait()

    def stop(self) -> None:
        """End everything."""
        with self._lock:
            for process in self.processes:
                process.kill()
        self.service.portals.close()
        self.service.store.close()

    def errors(self) -> list[str]:
        """Last lines of tracebacks the processes logged."""
        found = []
        for log in sorted(self.logs.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            inside = False
            for line in lines:
                if line.startswith("Traceback"):
                    inside = True
                elif inside and line and not line.startswith((" ", "Traceback")):
                    found.append(f"{log.name}: {line[:200]}")
                    inside = False
        return found
