"""Requests as fast as a few callers can send them, and how long each waited."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field


@dataclass
class Timing:
    """How long requests took, in seconds, over one or several rounds."""

    each: list[float] = field(default_factory=list)
    wall: float = 0.0

    def share(self, part: float) -> float:
        """So many of all, 0 to 1, were answered within so many seconds."""
        return sorted(self.each)[min(len(self.each) - 1, int(len(self.each) * part))]

    @property
    def p95(self) -> float:
        """Ninety-five of a hundred were answered within so many seconds."""
        return self.share(0.95)

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return len(self.each) / self.wall


def hammer(
    timing: Timing, port: int, path: str, bodies: Sequence[bytes], headers: Mapping[str, str], callers: int
) -> None:
    """POST all bodies, each caller one after the other on a connection of its own.

    Raises:
        AssertionError: one was not answered with 200.
    """
    waiting, lock = iter(bodies), threading.Lock()

    def call() -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for body in _shared(waiting, lock):
                began = time.perf_counter()
                connection.request("POST", path, body, dict(headers))
                reply = connection.getresponse()
                said = reply.read()
                timing.each.append(time.perf_counter() - began)
                assert reply.status == 200, f"{path}: {reply.status} {said[:300]!r}"

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        for done in [pool.submit(call) for _ in range(callers)]:
            done.result()
    timing.wall += time.perf_counter() - began


def _shared(some: Iterator[bytes], lock: threading.Lock) -> Iterator[bytes]:
    while True:
        with lock:
            one = next(some, None)
        if one is None:
            return
        yield one
