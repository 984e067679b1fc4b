"""Misbehaviour on demand: what goes wrong, how often, for which methods – repeatable by a seed.

Set through ``POST control/faults``; every kind has its own stream of random numbers, so that adding one kind
does not
change when another strikes.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

KINDS: dict[str, str] = {
    "5xx": "the call is not executed: HTTP 500 INTERNAL_SERVER_ERROR or ERROR_UNEXPECTED_ANSWER as JSON",
    "html": "the call is not executed: a web server's HTML page with 502, 503 or 500",
    "html_after": "the call is executed, the answer is a web server's HTML page with 502",
    "truncated": "the call is executed, the JSON of the answer is cut in the middle",
    "timeout_before": "no answer until the cut-off, then 504; the call is never executed",
    "timeout_after": "the call is executed at some moment before the cut-off, the answer is 504",
    "slow": "the call waits slow_s seconds first; beyond the cut-off it is executed and answered 504",
    "reset_before": "the connection is closed without an answer, the call is not executed",
    "reset_after": "the call is executed, then the connection is closed without an answer",
    "storm_503": "QUERY_LIMIT_EXCEEDED for everybody during storm_s seconds",
    "command_503": "one command of a batch ends with QUERY_LIMIT_EXCEEDED and is not executed",
    "expired_token": "the access token of the call expires now",
    "oauth_5xx": "the token address answers 500",
    "event_drop": "an online event is never sent",
    "event_double": "an online event is sent twice",
    "event_delay": "an online event is sent delay_s seconds later",
    "event_reorder": "an online event waits until those behind it have been sent",
    "not_visible": "an object created less than visible_after_s seconds ago is not found yet",
}
"""Kind → what it does; ``GET control/faults`` shows this list."""

SECONDS = {"slow_s": 2.0, "storm_s": 5.0, "delay_s": 3.0, "visible_after_s": 2.0}


class BadPlan(ValueError):
    """A plan of faults nobody can follow; the text says why."""


@dataclass
class Faults:
    """The current plan; thread-safe.

    Attributes:
        shares: kind → probability 0…1.
        methods: lower-case REST methods concerned; empty means all.
        times: how often each kind may strike; missing means without end.
        seconds: ``slow_s``, ``storm_s``, ``delay_s``, ``visible_after_s``.
        struck: kind → how often it has struck.
    """

    shares: dict[str, float] = field(default_factory=dict)
    methods: frozenset[str] = frozenset()
    times: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict(SECONDS))
    seed: int = 1
    struck: dict[str, int] = field(default_factory=dict)
    _random: dict[str, random.Random] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _storm_until: float = 0.0

    def strikes(self, kind: str, *methods: str) -> bool:
        """Whether ``kind`` happens to this call (``methods``: its name, or those of its batch)."""
        if kind not in self.shares:
            return False
        with self._lock:
            if self.methods and methods and not self.methods & {name.lower() for name in methods}:
                return False
            if self.struck.get(kind, 0) >= self.times.get(kind, 2**31):
                return False
            hit = self._of(kind).random() < self.shares[kind]
            self.struck[kind] = self.struck.get(kind, 0) + int(hit)
            return hit

    def _of(self, kind: str) -> random.Random:
        if kind not in self._random:
            self._random[kind] = random.Random(f"{self.seed}/{kind}")
        return self._random[kind]

    def fraction(self, kind: str) -> float:
        """A number 0…1 of this kind's stream."""
        with self._lock:
            return self._of(kind).random()

    def storming(self, *methods: str) -> bool:
        """Whether a 503 storm is on, or begins with this call."""
        if time.monotonic() < self._storm_until:
            return True
        if not self.strikes("storm_503", *methods):
            return False
        self._storm_until = time.monotonic() + self.seconds["storm_s"]
        return True

    def plan(self, wanted: dict[str, Any]) -> None:
        """Replace the plan by ``{"seed", "methods", "times", "slow_s", …, "<kind>": share}``.

        Raises:
            BadPlan: for an unknown word or a share outside 0…1; the old plan stays.
        """
        fresh = _read(wanted)
        with self._lock:
            self.shares, self.methods, self.times = fresh.shares, fresh.methods, fresh.times
            self.seconds, self.seed = fresh.seconds, fresh.seed
            self.struck, self._random, self._storm_until = {}, {}, 0.0

    def shown(self) -> dict[str, Any]:
        """The plan and what has struck so far, as JSON."""
        with self._lock:
            return {
                "seed": self.seed, "shares": dict(self.shares), "methods": sorted(self.methods),
                "times": dict(self.times), **self.seconds, "struck": dict(self.struck), "kinds": KINDS,
            }  # fmt: skip


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadPlan(f"{name} must be a number") from None
    if not low <= number <= high:
        raise BadPlan(f"{name} must be between {low:g} and {high:g}")
    return number


def _read(wanted: dict[str, Any]) -> Faults:
    fresh = Faults()
    rest = {**wanted, **_map(wanted.get("shares"))}
    rest.pop("shares", None)
    fresh.seed = int(_number("seed", rest.pop("seed", 1), -(2**62), 2**62))
    names = rest.pop("methods", [])
    fresh.methods = frozenset(str(one).lower() for one in (names if isinstance(names, list) else [names]))
    fresh.times = {
        str(kind): int(_number(str(kind), n, 0, 2**31)) for kind, n in _map(rest.pop("times", {})).items()
    }
    for name in SECONDS:
        if name in rest:
            fresh.seconds[name] = _number(name, rest.pop(name), 0, 3600)
    for kind, share in rest.items():
        if kind not in KINDS:
            raise BadPlan(f"unknown fault {kind!r}; known: {', '.join(KINDS)}")
        fresh.shares[kind] = _number(kind, share, 0, 1)
    return fresh


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
