"""When what a portal's event is about is looked at: soon, and the later the more often it comes again.

One change of a card sends several events, an import thousands, and our own writes come back as events too. Each
look costs a request of a small budget, so looks wait for each other: objects named within one window are read
together, and an object named again and again is read once per growing window.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

WINDOWS = tuple(timedelta(seconds=one) for one in (1, 2, 8))
"""How long the first event about an object waits for others, the next after it was read, and all further ones."""
_CALM = WINDOWS[-1]
_MOST = 20_000


class Gathering:
    """Kept in this process, in bounded memory: what is forgotten is only looked at a little earlier."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Per object how often it was named of late and when it is looked at; least recent first.
        self._named: OrderedDict[tuple[int, str], tuple[int, datetime]] = OrderedDict()
        # Ends of the open windows, per portal and length.
        self._open: OrderedDict[tuple[int, int], datetime] = OrderedDict()

    def due(self, portal_id: int, key: str, now: datetime) -> datetime:
        """When to look at an object that is named now."""
        with self._lock:
            times, at = self._named.pop((portal_id, key), (-1, now - 2 * _CALM))
            if not now < at <= now + _CALM:
                times = 0 if abs(now - at) > _CALM else min(times + 1, len(WINDOWS) - 1)
                at = self._window(portal_id, times, now)
            self._named[portal_id, key] = times, at
            _bound(self._named)
        return at

    def _window(self, portal_id: int, times: int, now: datetime) -> datetime:
        end = self._open.pop((portal_id, times), now)
        if not now < end <= now + WINDOWS[times]:
            end = now + WINDOWS[times]
        self._open[portal_id, times] = end
        _bound(self._open)
        return end


def _bound(kept: OrderedDict[Any, datetime] | OrderedDict[Any, tuple[int, datetime]]) -> None:
    while len(kept) > _MOST:
        kept.popitem(last=False)
