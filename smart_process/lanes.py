"""How many lanes the entrance needs. Pure arithmetic over published figures; shown as a plan, never acted on.

Six to seven guests of ten come within half an hour around the start; a lane with a scanner passes eight a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

PER_LANE = 8
"""Guests a minute through one lane."""
# Until how many minutes after the start (before it: negative), which share of those who will come, in how long.
_CURVE = ((-60, 0.05, 60), (-15, 0.15, 45), (15, 0.65, 30), (60, 0.15, 45))
_REST = (0.05, 120)
_REST_UNTIL = _CURVE[-1][0] + _REST[1]


@dataclass(frozen=True)
class Lanes:
    """``per_minute``: guests to be expected a minute now or at the coming peak; ``needed`` and ``open`` lanes."""

    per_minute: float
    needed: int
    open: int

    @property
    def short(self) -> int:
        """Lanes missing."""
        return max(0, self.needed - self.open)


def planned(expected: int, minutes_from_start: float) -> float:
    """Guests a minute the plan expects at a moment; negative minutes: before the event begins."""
    until, share, within = _REST_UNTIL, *_REST
    for one in reversed(_CURVE):
        if minutes_from_start < one[0]:
            until, share, within = one
    return expected * share / within if until - within <= minutes_from_start < until else 0.0


def plan(
    *, expected: int, arrived: int, minutes_from_start: float, last_minutes: float, opened: int
) -> Lanes:
    """Lanes needed now.

    Args:
        expected: guests registered, arrived or not.
        minutes_from_start: negative before the event begins.
        last_minutes: arrivals a minute, measured over the last few minutes.
        opened: phones at entrances in touch with us.
    """
    ahead = [(share, within) for until, share, within in _CURVE if minutes_from_start < until]
    planned = max((share / within for share, within in [*ahead, _REST] if share), default=0.0) * expected
    # Who is here already does not come again.
    rate = max(min(planned, float(max(0, expected - arrived))), last_minutes)
    needed = ceil(rate / PER_LANE) if rate > 0 else 0
    return Lanes(round(rate, 1), max(needed, 1 if expected > arrived else 0), opened)
