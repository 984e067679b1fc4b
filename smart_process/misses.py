"""Counts wrong secrets per address, so that nobody guesses codes at leisure; in memory of one process."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta


class Misses:
    """At most ``limit`` misses of one address ``within`` a time; old addresses are forgotten."""

    def __init__(
        self, limit: int = 30, within: timedelta = timedelta(minutes=1), addresses: int = 10_000
    ) -> None:
        self._limit, self._within, self._addresses = limit, within, addresses
        self._seen: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def too_many(self, address: str, *, now: datetime) -> bool:
        """Whether an address missed too often lately."""
        with self._lock:
            seen = self._seen.get(address, deque())
            while seen and now - seen[0] > self._within:
                seen.popleft()
            return len(seen) >= self._limit

    def count(self, address: str, *, now: datetime) -> None:
        """Note one miss."""
        with self._lock:
            if address not in self._seen and len(self._seen) >= self._addresses:
                self._seen.pop(next(iter(self._seen)))
            self._seen.setdefault(address, deque(maxlen=self._limit)).append(now)
