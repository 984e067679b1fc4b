"""The automated accessibility checker on a page or a frame, as it is at this moment."""

from __future__ import annotations

import importlib.resources
from functools import cache
from typing import Any

from playwright.sync_api import Frame, Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """(tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"], iframes: false })"""


@cache
def _checker() -> str:
    return (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def complaints(place: Page | Frame) -> list[str]:
    """What axe finds against WCAG 2.2 AA: the rule, the elements, what is wrong with the first."""
    place.evaluate(f"() => {{ if (!window.axe) {{ {_checker()} }} }}")
    # What fades or moves in would be measured half-way.
    place.evaluate("() => document.getAnimations().forEach((one) => one.finish())")
    found: dict[str, Any] = place.evaluate(RUN, RULES)
    return [_told(one) for one in found["violations"]]


def _told(one: dict[str, Any]) -> str:
    where = ", ".join(" ".join(map(str, node["target"])) for node in one["nodes"])
    return f"{one['id']}: {where}: {one['nodes'][0]['failureSummary']}"
