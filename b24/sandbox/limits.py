"""How often and how long the portal lets itself be called.

Two limits, both documented: a leaky bucket per source address over all applications, and a budget of working
time per
method and application in ten one-minute buckets.

Source: limits.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

BUCKETS = {"enterprise": (250, 5.0), "standard": (50, 2.0)}
"""Plan → (requests before blocking, requests per second drained)."""

OPERATING_LIMIT = 480.0
MINUTES = 10


class LeakyBucket:
    """Counts requests per source address; above ``capacity`` a request is refused and not counted."""

    def __init__(self, capacity: int, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, source: str) -> bool:
        """Count one request of ``source``; ``False`` when the bucket would overflow."""
        with self._lock:
            moment = self._clock()
            level, since = self._levels.get(source, (0.0, moment))
            level = max(0.0, level - (moment - since) * self.rate)
            fits = level + 1 <= self.capacity + 1e-9
            self._levels[source] = (level + 1 if fits else level, moment)
        return fits

    def level(self, source: str) -> float:
        """How full the bucket of ``source`` is now."""
        with self._lock:
            level, since = self._levels.get(source, (0.0, self._clock()))
            return max(0.0, level - (self._clock() - since) * self.rate)

    def reset(self) -> None:
        """Empty every bucket (``control/limits``)."""
        with self._lock:
            self._levels.clear()


@dataclass
class _Minute:
    first_call: float
    seconds: float = 0.0


@dataclass
class _Account:
    minutes: dict[int, _Minute] = field(default_factory=dict)

    def forget_before(self, moment: float) -> None:
        for minute in [key for key, one in self.minutes.items() if one.first_call + 60 * MINUTES <= moment]:
            del self.minutes[minute]


class OperatingBudget:
    """Working seconds per caller and method over ten minutes; times are unix seconds of the portal."""

    def __init__(self, limit: float = OPERATING_LIMIT) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, str], _Account] = {}

    def spent(self, caller: str, method: str, moment: float) -> float:
        """What ``operating`` says: seconds used in the buckets that still count."""
        with self._lock:
            account = self._accounts.get((caller, method))
            if account is None:
                return 0.0
            account.forget_before(moment)
            return sum(one.seconds for one in account.minutes.values())

    def exceeded(self, caller: str, method: str, moment: float) -> bool:
        """Whether the next call is blocked: the call that crosses the limit still ends."""
        return self.spent(caller, method, moment) > self.limit

    def add(self, caller: str, method: str, seconds: float, moment: float) -> None:
        """Account a finished call to the bucket of its minute."""
        with self._lock:
            account = self._accounts.setdefault((caller, method), _Account())
            account.forget_before(moment)
            minute = account.minutes.setdefault(int(moment // 60), _Minute(first_call=moment))
            minute.seconds += seconds

    def reset_at(self, caller: str, method: str, moment: float) -> int:
        """``operating_reset_at``: when the oldest bucket drops out, unix seconds."""
        with self._lock:
            account = self._accounts.get((caller, method))
            if account is None or not account.minutes:
                return int(moment) + 60 * MINUTES
            return int(min(one.first_call for one in account.minutes.values())) + 60 * MINUTES

    def reset(self) -> None:
        """Forget everything (``control/limits``)."""
        with self._lock:
            self._accounts.clear()
