"""The app's processes: started, killed with ``kill -9``, started again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from smart_process.service import Service
from tests.chaos.app_process import EVERYTHING, WEB, WORKER, Told, run

ROLES = {"sqlite": (EVERYTHING,), "postgresql": (WEB, WORKER, WORKER)}
"""Database → processes: one that does everything, or one web process and two workers."""

# Forked from a process that has imported everything and done nothing: a day starts a dozen of them.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.chaos.app_process"])


class AppProcess:
    """One process and its successors."""

    def __init__(self, told: Told) -> None:
        self.role = told.role
        self._told = told
        self._process: ForkServerProcess | None = None
        self._ours: Connection | None = None

    def start(self) -> None:
        """Start it; it is not waited for."""
        self._ours, theirs = _FORKS.Pipe()
        self._process = _FORKS.Process(target=run, args=(self._told, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Until it works.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._ours is not None
        try:
            self._ours.recv()
        except EOFError:
            raise RuntimeError(f"the {self.role} process did not start: {self._told.log}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process."""
        process = self._process
        if process is not None and process.pid is not None:
            os.kill(process.pid, number)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        if self._process is None or self._ours is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.join()
        process.close()
        self._ours.close()


class App:
    """The whole app in its processes, as ``smart_process.demo`` expects a running app."""

    def __init__(
        self,
        service: Service,
        roles: Sequence[str],
        port: int,
        config: Mapping[str, Any],
        logs: Path,
        bucket: tuple[int, float],
    ) -> None:
        self.service = service
        self.processes = [
            AppProcess(Told(role, port, config, bucket, str(logs / f"{role}{number}.log")))
            for number, role in enumerate(roles)
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
