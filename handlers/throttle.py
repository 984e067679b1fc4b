"""How often one address may try: kept in this process, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from flask import request

from smart_process.misses import household

_MOST_KEYS = 20_000


class Throttle:
    """A bucket per caller that holds ``burst`` tries and refills evenly within ``per_s`` seconds.

    Generous on purpose: an office or a hotel full of guests comes from one address.
    """

    def __init__(self, burst: int, per_s: float, clock: Callable[[], datetime]) -> None:
        self._burst, self._each_s, self._clock = burst, per_s / burst, clock
        self._lock = threading.Lock()
        # When each caller's bucket will be full again, seconds since the epoch; least recent first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Count one try; false when the bucket is empty, and then it is not counted."""
        now = self._clock().timestamp()
        with self._lock:
            full_at = max(self._full_at.pop(key, now), now) + self._each_s
            allowed = full_at - now <= self._burst * self._each_s
            self._full_at[key] = full_at if allowed else full_at - self._each_s
            while len(self._full_at) > _MOST_KEYS:
                self._full_at.popitem(last=False)
        return allowed


def caller() -> str:
    """Whom to count a request for: the IPv4 address, or the IPv6 network one household or phone has."""
    return household(request.remote_addr or "")
