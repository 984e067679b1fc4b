"""Around entries of a timeline: further owners, notes, pins, pictures, an application's blocks.

Source: crm/timeline/{bindings,note,logmessage/icons,logmessage/logo,layout-blocks}/*.md, crm-timeline-item-pin.md.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from typing import Any

from b24.sandbox.crm import activities, owners
from b24.sandbox.crm.activity_types import described
from b24.sandbox.crm.layout import check_blocks
from b24.sandbox.crm.params import PAGE, either, fields_of, integer, mapping, required, start_of, text
from b24.sandbox.crm.schema import as_entity_type_id
from b24.sandbox.crm.values import iso_of
from b24.sandbox.kernel import Answer, Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_timeline_binding (
        owner_id INTEGER NOT NULL, entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL,
        PRIMARY KEY (owner_id, entity_type_id, item_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_timeline_binding_item ON crm_timeline_binding (entity_type_id, item_id);
    CREATE TABLE IF NOT EXISTS crm_timeline_note (
        item_type INTEGER NOT NULL, item_id INTEGER NOT NULL, body TEXT NOT NULL, created_by INTEGER NOT NULL,
        created INTEGER NOT NULL, updated_by INTEGER NOT NULL, updated INTEGER NOT NULL,
        PRIMARY KEY (item_type, item_id));
    CREATE TABLE IF NOT EXISTS crm_timeline_pin (
        owner_type_id INTEGER NOT NULL, owner_id INTEGER NOT NULL, entry_id INTEGER NOT NULL,
        PRIMARY KEY (owner_type_id, owner_id, entry_id)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crm_timeline_picture (
        kind TEXT NOT NULL, code TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (kind, code));
    CREATE TABLE IF NOT EXISTS crm_timeline_blocks (
        kind TEXT NOT NULL, entry_id INTEGER NOT NULL, app_id INTEGER NOT NULL, layout TEXT NOT NULL,
        PRIMARY KEY (kind, entry_id, app_id));
    """
)

MAX_PINNED = 3
ICONS = (
    "arrow-down", "attention", "bank-card", "business-process", "call", "call-completed", "call-incoming",
    "call-outcoming", "camera", "cart", "chain", "channel-camera", "channel-chat", "channel-email", "channel-phone",
    "chat", "check", "clock", "comment", "cross", "customer-return", "deal", "delivery", "document", "IM", "info",
    "lead", "mail-income", "mail-outcome", "message", "note", "pipeline", "refresh", "restore", "robot", "sms", "stage",
    "store", "sum", "task", "task-activity", "view", "wallet", "whatsapp", "window",
)  # fmt: skip


def _entry(db: sqlite3.Connection, number: int | None) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM crm_timeline WHERE id = ?", (number,)).fetchone()
    return row


# Bindings: an entry shown in more timelines than that of its first owner.

_BINDING = """
OWNER_ID integer qi Запись таймлайна
ENTITY_ID integer qi Элемент
ENTITY_TYPE string qi Тип элемента
"""


def _bond(call: Call) -> tuple[sqlite3.Row, int, int]:
    fields = mapping(either(call, "fields"))
    row = _entry(call.db, integer(fields.get("OWNER_ID")))
    if row is None:
        raise RestError("", "OWNER_ID is not defined or invalid")
    item_id = integer(fields.get("ENTITY_ID")) or 0
    if item_id <= 0:
        raise RestError("", "ENTITY_ID is not defined or invalid.")
    entity_type_id = owners.type_by_symbol(text(fields.get("ENTITY_TYPE")))
    if not entity_type_id:
        raise RestError("", "ENTITY_TYPE is not defined or invalid.")
    return row, entity_type_id, item_id


def _bonds_of(db: sqlite3.Connection, row: sqlite3.Row) -> list[tuple[int, int]]:
    more = db.execute("SELECT * FROM crm_timeline_binding WHERE owner_id = ?", (row["id"],))
    return [(row["entity_type_id"], row["item_id"]), *((each[1], each[2]) for each in more)]


def _demand(call: Call, entity_type_id: int, item_id: int) -> None:
    try:
        owners.demand(call, entity_type_id, item_id, "update")
    except RestError:
        raise RestError("", "Access denied.") from None


@method("crm.timeline.bindings.bind", scope="crm")
def bind(call: Call) -> bool:
    """Show an entry in the timeline of one more item."""
    row, entity_type_id, item_id = _bond(call)
    _demand(call, entity_type_id, item_id)
    if (entity_type_id, item_id) not in _bonds_of(call.db, row):
        call.db.execute(
            "INSERT INTO crm_timeline_binding (owner_id, entity_type_id, item_id) VALUES (?, ?, ?)",
            (row["id"], entity_type_id, item_id),
        )
    return True


@method("crm.timeline.bindings.unbind", scope="crm")
def unbind(call: Call) -> bool:
    """Take an entry out of the timeline of an item."""
    row, entity_type_id, item_id = _bond(call)
    _demand(call, entity_type_id, item_id)
    done = call.db.execute(
        "DELETE FROM crm_timeline_binding WHERE owner_id = ? AND entity_type_id = ? AND item_id = ?",
        (row["id"], entity_type_id, item_id),
    )
    if not done.rowcount:
        raise RestError("", "Not found.")
    return True


@method("crm.timeline.bindings.list", scope="crm")
def bindings(call: Call) -> Answer:
    """Items in whose timelines an entry stands."""
    row = _entry(call.db, integer(mapping(either(call, "filter")).get("OWNER_ID")))
    if row is None:
        raise RestError("", "OWNER_ID is not defined or invalid")
    found = [
        {
            "OWNER_ID": str(row["id"]),
            "ENTITY_ID": str(item_id),
            "ENTITY_TYPE": owners.symbol_of(entity_type_id),
        }
        for entity_type_id, item_id in _bonds_of(call.db, row)
    ]
    start = max(start_of(call), 0)
    return Answer(
        found[start : start + PAGE], len(found), start + PAGE if len(found) > start + PAGE else None
    )


@method("crm.timeline.bindings.fields", scope="crm")
def binding_fields(_call: Call) -> Any:
    """Description of a binding."""
    return described(_BINDING)


# Notes: one a person left on an entry (itemType 1) or an activity (itemType 2).


def _noted(call: Call) -> tuple[int, int]:
    owners.demand_known(call, required(call, "ownerTypeId"), required(call, "ownerId"))
    kind, number = integer(required(call, "itemType")), integer(required(call, "itemId"))
    known = (
        _entry(call.db, number) if kind == 1 else activities.row_of(call.db, number) if kind == 2 else None
    )
    if known is None:
        raise RestError("NOT_FOUND", "Not found.")
    return kind or 0, known["id"]


def _note(call: Call, place: tuple[int, int]) -> sqlite3.Row:
    sql = "SELECT * FROM crm_timeline_note WHERE item_type = ? AND item_id = ?"
    found = call.db.execute(sql, place).fetchone()
    if found is None:
        raise RestError("NOT_FOUND", "Not found.")
    row: sqlite3.Row = found
    return row


@method("crm.timeline.note.save", scope="crm")
def note_save(call: Call) -> bool:
    """Write or rewrite the note of an entry."""
    place, body = _noted(call), text(required(call, "text"))
    now = int(call.portal.now().timestamp())
    call.db.execute(
        "INSERT INTO crm_timeline_note VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?5)"
        " ON CONFLICT DO UPDATE SET body = ?3, updated_by = ?4, updated = ?5",
        (*place, body, call.user_id, now),
    )
    return True


@method("crm.timeline.note.get", scope="crm")
def note_get(call: Call) -> Any:
    """The note of an entry."""
    row = _note(call, _noted(call))
    return {
        "text": row["body"], "createdById": row["created_by"], "createdTime": iso_of(row["created"]),
        "updatedById": row["updated_by"], "updatedTime": iso_of(row["updated"]),
    }  # fmt: skip


@method("crm.timeline.note.delete", scope="crm")
def note_delete(call: Call) -> bool:
    """Remove the note of an entry."""
    place = _noted(call)
    _note(call, place)
    call.db.execute("DELETE FROM crm_timeline_note WHERE item_type = ? AND item_id = ?", place)
    return True


# Pins.


def _pinned(call: Call) -> tuple[int, int, int]:
    owner_type = as_entity_type_id(required(call, "ownerTypeId"))
    owner = owners.demand(call, owner_type, required(call, "ownerId"), "update")
    row = _entry(call.db, integer(required(call, "id")))
    if row is None or (owner.kind.entity_type_id, owner.id) not in _bonds_of(call.db, row):
        raise RestError("NOT_FOUND", "Not found.")
    return owner.kind.entity_type_id, owner.id, row["id"]


@method("crm.timeline.item.pin", scope="crm")
def pin(call: Call) -> None:
    """Keep an entry at the top of an item's timeline; three at most."""
    place = _pinned(call)
    others = call.db.execute(
        "SELECT count(*) FROM crm_timeline_pin WHERE owner_type_id = ? AND owner_id = ? AND entry_id <> ?",
        place,
    ).fetchone()[0]
    if others >= MAX_PINNED:
        raise RestError("0", "Only three events can be added to favorites")
    call.db.execute("INSERT OR IGNORE INTO crm_timeline_pin VALUES (?, ?, ?)", place)


@method("crm.timeline.item.unpin", scope="crm")
def unpin(call: Call) -> None:
    """Let an entry go from the top of an item's timeline."""
    call.db.execute(
        "DELETE FROM crm_timeline_pin WHERE owner_type_id = ? AND owner_id = ? AND entry_id = ?",
        _pinned(call),
    )


# Pictures: icons and logos, the portal's own and those of applications.


def _picture(kind: str, code: str, *, system: bool) -> dict[str, Any]:
    return {"code": code, "isSystem": system, "fileUri": "" if system else f"/upload/crm/{kind}/{code}.png"}


def _own_pictures(db: sqlite3.Connection, kind: str) -> list[str]:
    rows = db.execute("SELECT code FROM crm_timeline_picture WHERE kind = ? ORDER BY rowid", (kind,))
    return [row["code"] for row in rows]


def _register(kind: str) -> None:
    @method(f"crm.timeline.{kind}.list", scope="crm")
    def list_(call: Call) -> Answer:
        """All codes: the portal's own and those applications added."""
        own = _own_pictures(call.db, kind)
        shown = [_picture(kind, code, system=True) for code in ICONS if code not in own]
        shown += [_picture(kind, code, system=False) for code in own]
        return Answer({f"{kind}s": shown}, total=len(shown))

    @method(f"crm.timeline.{kind}.get", scope="crm")
    def get(call: Call) -> Any:
        """One picture."""
        code = text(required(call, "code"))
        own = code in _own_pictures(call.db, kind)
        if not own and code not in ICONS:
            raise RestError("NOT_FOUND", "Not found.")
        return {kind: _picture(kind, code, system=not own)}

    @method(f"crm.timeline.{kind}.add", scope="crm")
    def add(call: Call) -> Any:
        """A picture of an application's own, PNG in base64; administrators only."""
        _administrators(call)
        code, content = text(required(call, "code")), _png(required(call, "fileContent"))
        call.db.execute("INSERT OR REPLACE INTO crm_timeline_picture VALUES (?, ?, ?)", (kind, code, content))
        return {kind: _picture(kind, code, system=False)}

    @method(f"crm.timeline.{kind}.delete", scope="crm")
    def delete(call: Call) -> bool:
        """Remove a picture that is not the portal's own."""
        _administrators(call)
        code = text(required(call, "code"))
        if code not in _own_pictures(call.db, kind):
            raise RestError("NOT_FOUND", "Not found.")
        call.db.execute("DELETE FROM crm_timeline_picture WHERE kind = ? AND code = ?", (kind, code))
        return True


def _administrators(call: Call) -> None:
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied")


def _png(value: Any) -> bytes:
    try:
        content = base64.b64decode(text(value), validate=False)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise RestError("INVALID_ARG_VALUE", "Invalid value of parameter fileContent")
    return content


for _kind in ("icon", "logo"):
    _register(_kind)


# Blocks of an application in somebody else's entry.


def _blocks_place(call: Call, kind: str) -> tuple[str, int, int]:
    if call.app_id is None:
        raise RestError(
            "ERROR_WRONG_CONTEXT", "Method call is only possible in the context of a rest application"
        )
    number = as_entity_type_id(required(call, "entityTypeId"))
    owner = owners.demand(call, number, required(call, "entityId"), "update")
    place = (owner.kind.entity_type_id, owner.id)
    if kind == "timeline":
        row = _entry(call.db, integer(required(call, "timelineId")))
        known = row is not None and place in _bonds_of(call.db, row)
    else:
        row = activities.row_of(call.db, integer(required(call, "activityId")))
        known = row is not None and (row["owner_type_id"], row["owner_id"]) == place
    if row is None or not known:
        raise RestError("NOT_FOUND", "Not found.")
    return kind, row["id"], call.app_id


def _register_blocks(kind: str) -> None:
    where = "kind = ? AND entry_id = ? AND app_id = ?"

    @method(f"crm.{kind}.layout.blocks.set", scope="crm")
    def set_(call: Call) -> Any:
        """Add blocks to an entry; the application's former ones are replaced."""
        place = _blocks_place(call, kind)
        layout = json.dumps(check_blocks(fields_of(call, "layout")), ensure_ascii=False)
        call.db.execute("INSERT OR REPLACE INTO crm_timeline_blocks VALUES (?, ?, ?, ?)", (*place, layout))
        return {"success": True}

    @method(f"crm.{kind}.layout.blocks.get", scope="crm")
    def get(call: Call) -> Any:
        """Blocks the application added to an entry."""
        place = _blocks_place(call, kind)
        row = call.db.execute(f"SELECT layout FROM crm_timeline_blocks WHERE {where}", place).fetchone()
        return {"layout": json.loads(row["layout"]) if row else None}

    @method(f"crm.{kind}.layout.blocks.delete", scope="crm")
    def delete(call: Call) -> Any:
        """Remove the application's blocks from an entry."""
        call.db.execute(f"DELETE FROM crm_timeline_blocks WHERE {where}", _blocks_place(call, kind))
        return {"success": True}


for _kind in ("timeline", "activity"):
    _register_blocks(_kind)
