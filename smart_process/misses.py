"""Counts wrong secrets per address, so that nobody guesses codes at leisure; in memory of one process."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta


def household(address: str) -> str:
    """Whom to count an address for: the IPv4 address, or the IPv6 network one household or phone has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


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


class Strangers:
    """Keeps openings of pages that prove nothing from spending a portal's requests.

    Whether somebody may open a page only their portal can say, so every opening costs it a request. An address whose
    openings keep failing is not let through to the question; when a whole portal is being tried from many addresses,
    only those that proved themselves here before are.
    """

    def __init__(self, per_address: int = 20, per_portal: int = 100, known: int = 10_000) -> None:
        self._addresses, self._portals = Misses(per_address), Misses(per_portal)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._most = known
        self._lock = threading.Lock()

    def may_ask(self, address: str, member_id: str, *, now: datetime) -> bool:
        """Whether an opening may cost the portal a request."""
        if self._addresses.too_many(address, now=now):
            return False
        with self._lock:
            known = (address, member_id) in self._known
        return known or not self._portals.too_many(member_id, now=now)

    def failed(self, address: str, member_id: str, *, now: datetime) -> None:
        """An opening proved nothing."""
        self._addresses.count(address, now=now)
        self._portals.count(member_id, now=now)

    def proved(self, address: str, member_id: str) -> None:
        """An opening was somebody's of this portal."""
        with self._lock:
            self._known[address, member_id] = None
            self._known.move_to_end((address, member_id))
            while len(self._known) > self._most:
                self._known.popitem(last=False)
