"""How many commands go into one request, so that the portal is through with it long before it gives requests up.

A request cut off by the portal leaves half its commands done and no answer to any, so writes are kept well below the
cut-off: what one command of a kind took lately says how many fit. Creates set off far more in a portal (robots,
duplicate control, counters) than updates, so they begin with few.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from b24.answers import MAX_BATCH

SHARE = 3
"""A request takes at most this part of the time after which the portal gives up: 20 s of 60."""
FIRST_CREATES = 10
ROUNDING = 1e-9


@dataclass(frozen=True)
class _Known:
    """What one command of a kind takes, in seconds, and how many of them went well in one request."""

    each_s: float
    passed: int


class Pace:
    """Commands of a kind per request, learned from answers; in the memory of a process, for all its portals.

    Args:
        cut_s: when a portal gives a request up.
    """

    def __init__(self, cut_s: float) -> None:
        self._longest_s = cut_s / SHARE
        self._known: dict[tuple[int, str], _Known] = {}

    def room(self, portal_id: int, kind: str) -> int:
        """How many commands of this kind may go into one request now, 1 to 50; never over twice what went well."""
        known = self._known.get((portal_id, kind))
        if known is None:
            return FIRST_CREATES if ".add" in kind else MAX_BATCH
        fitting = int(self._longest_s / known.each_s + ROUNDING) if known.each_s > 0 else MAX_BATCH
        return max(1, min(MAX_BATCH, 2 * known.passed, fitting))

    def answered(self, portal_id: int, took: Iterable[tuple[str, float]]) -> None:
        """Learn from an answer: the kind of every command that was executed, and its seconds.

        What got slower is believed at once, what got faster by halves: a portal at its limit is not quick again
        because of one good answer.
        """
        times: dict[str, list[float]] = defaultdict(list)
        for kind, seconds in took:
            times[kind].append(seconds)
        for kind, some in times.items():
            known, each_s = self._known.get((portal_id, kind)), sum(some) / len(some)
            if known is not None and each_s < known.each_s:
                each_s = (each_s + known.each_s) / 2
            passed = max(len(some), known.passed if known else self.room(portal_id, kind) // 2)
            self._known[portal_id, kind] = _Known(each_s, passed)

    def unanswered(self, portal_id: int, kinds: Iterable[str]) -> None:
        """A request with these commands brought no answer in time: half as many go next."""
        for kind, number in Counter(kinds).items():
            fewer = max(1, number // 2)
            self._known[portal_id, kind] = _Known(self._longest_s / fewer, fewer - fewer // 2)


def kind_of(method: str, params: Mapping[str, Any]) -> str:
    """What commands are measured by: the method, and the type of the items it is about."""
    about = params.get("entityTypeId")
    return f"{method.lower()}:{about}" if about is not None else method.lower()
