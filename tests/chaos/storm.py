"""The storm: a portal that misbehaves and processes that die, as a seed says."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

from smart_process.demo.portal import LocalPortal
from tests.chaos.processes import App

SHARE = 0.3
"""Of all calls at most so many go wrong."""
KINDS = (
    "5xx html html_after truncated timeout_before timeout_after slow reset_before reset_after storm_503 command_503 "
    "expired_token oauth_5xx event_drop event_double event_delay event_reorder not_visible"
).split()
SECONDS = {"slow_s": 1.0, "storm_s": 1.0, "delay_s": 2.0, "visible_after_s": 0.5}
"""An object is visible before the app looks for one whose create was not answered (cut-off and as long again)."""


def mixed(dice: random.Random) -> dict[str, Any]:
    """A plan: a few kinds that share what may go wrong."""
    kinds = dice.sample(KINDS, dice.randint(2, 6))
    weights = [dice.random() for _ in kinds]
    share = dice.uniform(0.1, SHARE)
    plan: dict[str, Any] = {
        kind: round(share * weight / sum(weights), 3) for kind, weight in zip(kinds, weights, strict=True)
    }
    if "storm_503" in plan:
        plan["storm_503"] /= 10
    return plan | SECONDS | {"seed": dice.randrange(2**31)}


class Faults:
    """The portal's misbehaviour, counted over all plans."""

    def __init__(self, portal: LocalPortal) -> None:
        self._portal = portal
        self.struck: dict[str, int] = {}

    def plan(self, wanted: Mapping[str, Any]) -> None:
        """Replace the plan; an empty one ends it."""
        for kind, times in self._portal.control("faults")["struck"].items():
            self.struck[kind] = self.struck.get(kind, 0) + times
        self._portal.control("faults", dict(wanted))


class Storm:
    """Kills and faults in a thread of its own, until it has killed often enough.

    Args:
        pause_s: how long at least and at most nobody is killed.
        lease_s: how long a worker holds a portal without renewing it; one that is stopped sleeps twice as long.
    """

    def __init__(
        self, app: App, faults: Faults, dice: random.Random, pause_s: tuple[float, float], lease_s: float
    ) -> None:
        self._app, self._faults, self._dice, self._pause_s = app, faults, dice, pause_s
        self._stopped_s = 2 * lease_s
        self._left = 0
        self._calm = threading.Event()
        self.kills = 0

    def rage(self, kills: int) -> None:
        """Kill so many times, beginning now; see :meth:`over`."""
        self._left = kills
        self._calm.clear()
        threading.Thread(target=self._rage, daemon=True, name="storm").start()

    def over(self) -> bool:
        """Whether everybody lives again."""
        return self._calm.is_set()

    def _rage(self) -> None:
        try:
            until = self.kills + self._left
            while self.kills < until:
                self._faults.plan(mixed(self._dice))
                time.sleep(self._dice.uniform(*self._pause_s))
                self._strike()
        finally:
            self._calm.set()

    def _strike(self) -> None:
        victim = self._dice.choice(self._app.processes)
        if len(self._app.processes) > 1 and victim.role == "worker" and self._dice.random() < 0.2:
            # It wakes up and goes on where it was, while another has its portal.
            victim.send(signal.SIGSTOP)
            threading.Timer(self._stopped_s, victim.send, [signal.SIGCONT]).start()
            return
        victim.kill()
        self.kills += 1
        time.sleep(self._dice.random())
        victim.start()
        if self._dice.random() < 0.7:
            victim.wait()
