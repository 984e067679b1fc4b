"""The funnel of an event: invited → registered → arrived → engaged → handed over → won. Pure.

*Reached* comes from the facts and never shrinks by moving on; *now* equals the kanban. Walk-ins and those
nobody invited stand apart: a conversion counts only those who came through the step before, so none can
exceed 100 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from smart_process.facts import PATH, RANK, Stage, reached_bits

STEPS = PATH[1:]
"""Steps of the funnel; being selected is no step, it is the list."""
WALK_IN = "walk_in"
"""``source`` of somebody who was registered at the door."""


@dataclass(frozen=True)
class Group:
    """How many guests share a present stage, the stages reached (bits of ``facts.PATH``) and a source."""

    stage: str
    reached: int
    source: str
    count: int


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        reached: everybody who ever got here.
        through: those of them who came through the step before; ``beside``: the others.
        now: who stands in this stage of the kanban.
        conversion: ``through`` per ``reached`` of the step before, 0…1; ``None`` after nobody.
        lost: who reached the step before and not this one.
    """

    stage: Stage
    reached: int
    through: int
    now: int
    conversion: float | None
    lost: int

    @property
    def beside(self) -> int:
        return self.reached - self.through


@dataclass(frozen=True)
class Funnel:
    """``now`` counts every stage of the kanban, failures too; its sum is ``total``."""

    steps: tuple[Step, ...]
    now: dict[str, int]
    total: int


def bits_of(group: Group) -> int:
    """What a guest reached as the funnel sees it: somebody registered at the door did not register before."""
    return group.reached & ~reached_bits([Stage.REGISTERED]) if group.source == WALK_IN else group.reached


def funnel(groups: Iterable[Group]) -> Funnel:
    """The funnel of an event from its guests in groups."""
    some = list(groups)
    now: Counter[str] = Counter({stage.value: 0 for stage in Stage})
    for group in some:
        now[group.stage] += group.count
    counted = [(bits_of(group), group.count) for group in some]
    steps: list[Step] = []
    for stage in STEPS:
        steps.append(_step(stage, counted, steps[-1] if steps else None, now[stage.value]))
    return Funnel(tuple(steps), dict(now), sum(now.values()))


def _step(stage: Stage, counted: list[tuple[int, int]], before: Step | None, now: int) -> Step:
    here = 1 << RANK[stage]
    reached = sum(count for bits, count in counted if bits & here)
    if before is None:
        return Step(stage, reached, reached, now, None, 0)
    both = here | 1 << RANK[before.stage]
    through = sum(count for bits, count in counted if bits & both == both)
    conversion = through / before.reached if before.reached else None
    return Step(stage, reached, through, now, conversion, before.reached - through)
