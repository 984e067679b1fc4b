"""Deals: made once with everybody concerned; afterwards people's, but for priority, explanation and contacts.

A deal carries our key in ``originId``: a create whose answer was lost is looked up by it before it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from smart_process import refusals
from smart_process.deciding import LINKED, ORIGIN
from smart_process.schema import APP, DEAL
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.store.accounts import LOST
from smart_process.sync import outcomes, picture, to_dos
from smart_process.sync.outcomes import Bound, Command, Row, Way
from smart_process.sync.work import Work


def push(work: Work) -> int:
    """Make and keep up the deals behind marked outcomes."""
    return outcomes.push(work, WAY)


def find(work: Work, rows: Sequence[Row]) -> dict[str, int]:
    """Deals the portal has for these outcomes: our key → id.

    Raises:
        B24Error: the portal could not be asked.
    """
    asked = {
        "entityTypeId": DEAL,
        "filter": {"originatorId": APP, "@originId": [row["uid"] for row in rows]},
        "select": ["id", "originId"],
        "start": -1,
    }
    items = work.client.call("crm.item.list", asked)["items"]
    return {str(item["originId"]): int(item["id"]) for item in items}


def _command(work: Work, row: Row, bound: Bound) -> Command | None:
    if row["state"] != "live":
        return None
    ours = deal_picture(work, row, bound)
    if row["item_id"] is None:
        return "crm.item.add", {"entityTypeId": DEAL, "fields": ours}
    changed = _changes(work, row, ours)
    if not changed:
        return None
    return "crm.item.update", {"entityTypeId": DEAL, "id": row["item_id"], "fields": changed}


def deal_picture(work: Work, row: Row, bound: Bound) -> dict[str, Any]:
    """A deal as it is made: people change it afterwards, we only keep up priority, explanation and contacts."""
    settings, binding = work.settings, work.binding
    contacts = sorted({one["contact_id"] for one in bound if one["contact_id"]})
    company = next((one["company_id"] for one in bound if one["company_id"]), None)
    fields: dict[str, Any] = {
        **settings.deal_defaults,
        "title": row["title"],
        "categoryId": settings.deal_category_id,
        "assignedById": row["owner_id"],
        "originatorId": APP,
        "originId": row["uid"],
        "sourceDescription": row["event_title"],
        "opened": "Y",
        binding.parent_event: row["event_item_id"],
        **_said(work, row),
    }
    if settings.deal_stage_id:
        fields["stageId"] = settings.deal_stage_id
    if contacts:
        fields["contactIds"] = contacts
    if company:
        fields["companyId"] = company
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _said(work: Work, row: Row) -> dict[str, Any]:
    deal = work.binding.deal
    said = {}
    if "priority" in deal.fields:
        said[deal.fields["priority"]] = deal.enums.get("priority", {}).get(row["priority"], "")
    if "explanation" in deal.fields:
        said[deal.fields["explanation"]] = row["explanation"]
    return said


def _changes(work: Work, row: Row, ours: Mapping[str, Any]) -> dict[str, Any]:
    shadow = row["shadow"]
    # A deal whose create had no answer is written once whole in what we keep up: the answer tells the rest.
    changed = {name: value for name, value in _said(work, row).items() if shadow.get(name) != value}
    if row["content"].get(ORIGIN):
        # Whose deal it is, a form or a person has said: we only say why it matters.
        return changed
    if shadow.get(LOST) and not shadow.get("company_id") and ours.get("companyId"):
        changed["companyId"] = ours["companyId"]
    contacts = [one for one in ours.get("contactIds", []) if one not in shadow.get("contact_ids", [])]
    # Contacts people added stay; those they took off again are not put back.
    taken_off = set(shadow.get("offered", [])) - set(shadow.get("contact_ids", []))
    fresh = [one for one in contacts if one not in taken_off]
    if fresh:
        changed["contactIds"] = sorted({*shadow.get("contact_ids", []), *fresh})
    return changed


def _made(tx: Tx, work: Work, row: Row, result: Mapping[str, Any], now: datetime) -> None:
    item = result["item"]
    contacts = sorted(picture.number(one) for one in item.get("contactIds") or [])
    kept = {name: value for name, value in row["shadow"].items() if name != LOST or not item.get("companyId")}
    shadow = {
        **kept,
        **_said(work, row),
        "stage": item.get("stageId"),
        "responsible_id": picture.number(item.get("assignedById")),
        "contact_ids": contacts,
        "offered": contacts,
        "company_id": picture.number(item.get("companyId")),
    }
    store.update(tx, t.outcome, row["id"], item_id=int(item["id"]), shadow=shadow)
    if row["todo_id"] is None and row["content"].get(ORIGIN) != LINKED:
        marks.mark(tx, work.portal_id, to_dos.MARK, [row["id"]], now=now, priority=marks.HOT)
    outcomes.hand_over(tx, work, row, int(item["id"]), now)


def _refused(tx: Tx, work: Work, row: Row, error: errors.B24Error) -> bool:
    """A deal that lacks a field the portal demands becomes a task."""
    if error.code.upper() not in refusals.CODES:
        return False
    refusals.becomes_task(tx, row, error.description, work.settings, work.now())
    return True


WAY = Way(
    "deal",
    lambda work: work.client.room("crm.item.add", DEAL),
    lambda deal_id: ("pull", f"{DEAL}:{deal_id}"),
    find,
    _command,
    _made,
    _refused,
)
