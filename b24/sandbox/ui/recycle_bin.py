"""The recycle bin: what was deleted, by whom, taking it back or throwing it away for good."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm import recycle
from b24.sandbox.portal import PORTAL_ZONE
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import kind_of, person_name

PAGE = 50


@bp.get("/crm/recyclebin/")
def bin_page() -> str:
    """What lies in the bin, last deleted first; ``?q=`` looks into titles. Employees see what they deleted."""
    wanted = request.args.get("q", "").strip().casefold()
    with desk().portal.transaction() as db:
        found = [row for row in recycle.contents(db) if mine(row) and wanted in row["title"].casefold()]
    start = max(0, request.args.get("start", 0, int)) // PAGE * PAGE
    rows = [prepared(row) for row in found[start : start + PAGE]]
    return render_template("recycle_bin.html", rows=rows, total=len(found), start=start, page=PAGE)


def mine(row: sqlite3.Row) -> bool:
    """Whether the signed-in person may see the deleted item: administrators everything, others their own."""
    here = desk()
    return here.portal.is_admin(here.user_id) or row["deleted_by"] == here.user_id


def prepared(row: sqlite3.Row) -> dict[str, Any]:
    """A deleted item ready for the template."""
    kind = kind_of(row["entity_type_id"])
    return {
        "id": row["id"],
        "item_id": row["item_id"],
        "title": row["title"],
        "kind": kind.title if kind else "тип удалён",
        "restorable": kind is not None,
        "deleted": datetime.fromtimestamp(row["deleted_time"], PORTAL_ZONE).strftime("%d.%m.%Y %H:%M"),
        "deleted_by": person_name(row["deleted_by"]) or "портал",
    }


@bp.post("/sandbox/ui/recycle/<any(restore, discard):action>")
def act_on_bin(action: str) -> Response:
    """Take an item back (it opens, with a new number) or throw it away: form field ``bin_id``."""
    here, bin_id = desk(), request.form.get("bin_id", 0, int)
    with here.portal.transaction() as db:
        row = next((one for one in recycle.contents(db) if one["id"] == bin_id and mine(one)), None)
        if row is None:
            abort(404, "В корзине этого нет.")
        if action == "discard":
            recycle.discard(db, bin_id)
            return redirect("/crm/recyclebin/", 303)
        restored = recycle.restore(here.portal, here.user_id, bin_id)
    kind = kind_of(restored[0]) if restored else None
    if restored is None or kind is None:
        abort(404, "Восстановить некуда: типа больше нет.")
    return redirect(kind.details(restored[1]), 303)
