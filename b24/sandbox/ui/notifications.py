"""The bell: notifications for the signed-in person."""

from __future__ import annotations

from typing import Any

from flask import render_template

from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import show_moment
from b24.sandbox.ui.richtext import rich
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import person_name


def unread() -> int:
    """How many notifications the person has not seen."""
    return int(desk().call("im.notify.get", LIMIT=1).get("total_unread_count") or 0)


@bp.get("/sandbox/notifications")
def notifications() -> str:
    """The latest notifications; opening the page marks them as read."""
    rows: list[dict[str, Any]] = desk().call("im.notify.get")["notifications"]
    lines = [
        {
            "text": rich(str(row["text"])),
            "when": show_moment(str(row["date"])),
            "fresh": row["notify_read"] == "N",
            "author": person_name(row["author_id"]) or "Система",
        }
        for row in rows
    ]
    if rows:
        desk().call("im.notify.read", ID=min(int(row["id"]) for row in rows))
    return render_template("notifications.html", rows=lines)
