"""Widgets of installed applications at a place, with the titles this portal shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from b24.sandbox import apps, placement
from b24.sandbox.ui.desk import desk

LANGUAGE = "ru"


@dataclass(frozen=True)
class Widget:
    """A bound placement of an installed application."""

    id: int
    app_id: int
    title: str


def widgets(code: str) -> list[Widget]:
    """Widgets at a placement code, in the order of binding."""
    here = desk().portal
    with here.transaction():
        rows = placement.bound(here, code)
        names = {app.id: app.title for app in apps.every(here)}
    return [Widget(row["id"], row["app_id"], widget_title(row) or names[row["app_id"]]) for row in rows]


def widget_title(row: Any) -> str:
    """The title in the portal's language, else the general one; empty for a nameless widget."""
    translated = json.loads(row["languages"])
    texts = translated.get(LANGUAGE) if isinstance(translated, dict) else None
    return str((texts or {}).get("TITLE") or row["title"] or "")
