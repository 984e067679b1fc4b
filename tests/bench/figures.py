"""What was measured, beside what it has to be (design 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One figure.

    Args:
        at_most, at_least: the target, if there is one.
        note: what it was made of.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as good as it has to be."""
        if self.at_most is not None and self.value > self.at_most:
            return False
        return self.at_least is None or self.value >= self.at_least

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else ""


def table(figures: Sequence[Figure]) -> str:
    """All of them for people."""
    width = max((len(one.name) for one in figures), default=0)
    return "\n".join(line(one, width) for one in figures)


def line(one: Figure, width: int = 0) -> str:
    """One of them for people."""
    verdict = "" if not one.target else "ok" if one.met else "MISSED"
    return f"{one.name:<{width}}  {one.value:>9.2f} {one.unit:<4} {one.target:>8}  {verdict:<6}  {one.note}"


def as_json(figures: Sequence[Figure], **about: object) -> str:
    """All of them for programs."""
    return json.dumps(
        {**about, "figures": [asdict(one) | {"met": one.met} for one in figures]},
        ensure_ascii=False,
        indent=1,
    )
