"""Widgets of installed applications at a place, with the titles this portal shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from b24.sandbox import apps, placement
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.session import language
from b24.sandbox.ui.site import bp


@dataclass(frozen=True)
class Widget:
    """A bound placement of an installed application; ``group`` gathers items of one menu."""

    id: int
    app_id: int
    title: str
    group: str = ""

    def href(self, subject: Any = "", activity: Any = "") -> str:
        """The page that shows the widget in a frame, about a card, a task or a colleague with this id."""
        about = {"placement": self.id, "item": subject, "activity": activity}
        query = urlencode({name: value for name, value in about.items() if value})
        return f"/marketplace/app/{self.app_id}/?{query}"


@bp.app_template_global("widgets")
def widgets(code: str) -> list[Widget]:
    """Widgets at a placement code for the person at the desk, in the order of binding."""
    here = desk().portal
    with here.transaction():
        rows = [row for row in placement.bound(here, code) if row["user_id"] in (0, desk().user_id)]
        names = {app.id: app.title for app in apps.every(here)} if rows else {}
    return [
        Widget(
            row["id"], row["app_id"], widget_title(row) or names[row["app_id"]], text_of(row, "GROUP_NAME")
        )
        for row in rows
    ]


def widget_title(row: Any) -> str:
    """The title in the chosen language, else the general one; empty for a nameless widget."""
    return text_of(row, "TITLE") or str(row["title"] or "")


def text_of(row: Any, name: str) -> str:
    """A text of the widget in the chosen language; empty where the application gave none."""
    translated = json.loads(row["languages"])
    texts = translated.get(language()) if isinstance(translated, dict) else None
    return str((texts or {}).get(name) or "")
