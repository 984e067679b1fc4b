"""Configurable activities: an application says what the entry looks like, and alone may change it.

Source: crm/timeline/activities/configurable/*.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm import activities, owners
from b24.sandbox.crm.layout import check_layout
from b24.sandbox.crm.params import fields_of, integer, is_yes, listing, mapping, required, text
from b24.sandbox.crm.values import iso_of, parse_timestamp
from b24.sandbox.kernel import Call, RestError, method, tables

PROVIDER = "CONFIGURABLE_REST_APP"
tables(
    """
    CREATE TABLE IF NOT EXISTS crm_configurable (
        activity_id INTEGER PRIMARY KEY, app_id INTEGER NOT NULL, type_id TEXT NOT NULL,
        incoming TEXT NOT NULL DEFAULT 'N', badge TEXT NOT NULL DEFAULT '', layout TEXT NOT NULL);
    """
)


def _context(call: Call) -> int:
    if call.app_id is None:
        raise RestError(
            "ERROR_WRONG_CONTEXT", "Method call is only possible in the context of an application"
        )
    return call.app_id


def _found(call: Call) -> tuple[sqlite3.Row, sqlite3.Row]:
    """The activity of the call and what makes it configurable."""
    row = activities.row_of(call.db, integer(required(call, "id")))
    own = call.db.execute(
        "SELECT * FROM crm_configurable WHERE activity_id = ?", (row["id"] if row else 0,)
    ).fetchone()
    if row is None or own is None:
        raise RestError("NOT_FOUND", "Not found.")
    return row, own


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if fields.get("deadline"):
        moment = _moment(fields["deadline"])
        values |= {"deadline": moment, "start_time": moment, "end_time": moment}
    if "completed" in fields:
        values["completed"] = "Y" if is_yes(fields["completed"]) else "N"
    if integer(fields.get("responsibleId")):
        values["responsible_id"] = integer(fields["responsibleId"])
    for name, column in (("originatorId", "originator_id"), ("originId", "origin_id")):
        if name in fields:
            values[column] = text(fields[name]) or None
    if "pingOffsets" in fields:
        offsets = [integer(each) or 0 for each in listing(fields["pingOffsets"])]
        values["settings"] = json.dumps({"PING_OFFSETS": offsets} if offsets else [])
    return values


def _moment(value: Any) -> int | None:
    try:
        return parse_timestamp(value)
    except ValueError:
        raise RestError("WRONG_FIELD_VALUE", "Wrong value of the field deadline") from None


def _check_type(call: Call, code: str) -> None:
    if code == "CONFIGURABLE":
        return
    known = call.db.execute(
        "SELECT 1 FROM crm_activity_type WHERE app_id = ? AND type_id = ? AND configurable = 'Y'",
        (call.app_id, code),
    ).fetchone()
    if known is None:
        raise RestError("WRONG_FIELD_VALUE", "Wrong value of the field typeId")


def _extra(call: Call, fields: dict[str, Any], before: sqlite3.Row | None) -> dict[str, Any]:
    """Type, channel and badge; a badge nobody registered is simply not shown."""
    type_id = text(fields.get("typeId")) or (before["type_id"] if before else "CONFIGURABLE")
    _check_type(call, type_id)
    incoming = fields.get("isIncomingChannel", before["incoming"] if before else "N")
    badge = text(fields.get("badgeCode", before["badge"] if before else ""))
    return {"type_id": type_id, "incoming": "Y" if is_yes(incoming) else "N", "badge": badge}


def _refuse_deadline(extra: dict[str, Any], deadline: int | None) -> None:
    if extra["incoming"] == "Y" and deadline is not None:
        raise RestError(
            "INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE", "Incoming activity can not be with deadline"
        )


@method("crm.activity.configurable.add", scope="crm")
def add(call: Call) -> Any:
    """A configurable activity in the timeline of an item."""
    app_id = _context(call)
    owner = owners.demand_known(call, required(call, "ownerTypeId"), required(call, "ownerId"))
    fields = fields_of(call)
    layout = check_layout(required(call, "layout"))
    extra = _extra(call, fields, None)
    values = _values(fields)
    _refuse_deadline(extra, values.get("deadline"))
    subject = text(mapping(layout["header"]).get("title"))
    number = activities.write(
        call.portal,
        call.user_id,
        (owner.kind.entity_type_id, owner.id),
        {"type_id": 6, "provider_id": PROVIDER, "provider_type_id": extra["type_id"], "subject": subject}
        | values,
    )
    call.db.execute(
        "INSERT INTO crm_configurable (activity_id, app_id, type_id, incoming, badge, layout)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (number, app_id, extra["type_id"], extra["incoming"], extra["badge"], _dumped(layout)),
    )
    return {"activity": {"id": number}}


def _dumped(layout: dict[str, Any]) -> str:
    return json.dumps(layout, ensure_ascii=False)


@method("crm.activity.configurable.update", scope="crm")
def update(call: Call) -> Any:
    """Change a configurable activity; only the application that made it may."""
    app_id = _context(call)
    row, own = _found(call)
    owners.demand(call, row["owner_type_id"], row["owner_id"], "update")
    if own["app_id"] != app_id:
        message = "The activity can only be updated by the application that created it"
        raise RestError("ERROR_WRONG_APPLICATION", message)
    fields, layout = fields_of(call), check_layout(required(call, "layout"))
    extra = _extra(call, fields, own)
    values = _values(fields)
    _refuse_deadline(extra, values.get("deadline"))
    subject = text(mapping(layout["header"]).get("title"))
    activities.change(call.portal, call.user_id, row["id"], values | {"subject": subject})
    call.db.execute(
        "UPDATE crm_configurable SET type_id = ?, incoming = ?, badge = ?, layout = ? WHERE activity_id = ?",
        (extra["type_id"], extra["incoming"], extra["badge"], _dumped(layout), row["id"]),
    )
    return {"activity": {"id": row["id"]}}


@method("crm.activity.configurable.get", scope="crm")
def get(call: Call) -> Any:
    """A configurable activity with its layout."""
    _context(call)
    row, own = _found(call)
    owners.demand(call, row["owner_type_id"], row["owner_id"], "read")
    settings = json.loads(row["settings"])
    fields = {
        "typeId": own["type_id"],
        "completed": row["completed"] == "Y",
        "deadline": None if row["deadline"] is None else iso_of(row["deadline"]),
        "pingOffsets": settings.get("PING_OFFSETS", []) if isinstance(settings, dict) else [],
        "isIncomingChannel": own["incoming"] == "Y",
        "responsibleId": row["responsible_id"],
        "badgeCode": own["badge"],
        "originatorId": row["originator_id"],
        "originId": row["origin_id"],
    }
    place = {"id": row["id"], "ownerTypeId": row["owner_type_id"], "ownerId": row["owner_id"]}
    return {"activity": place | {"fields": fields, "layout": json.loads(own["layout"])}}
