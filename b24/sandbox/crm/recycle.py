"""Deleting items, and the recycle bin from which people take them back.

A deleted item leaves a picture of itself and its bonds; what is restored is a new item with a new id.
Source: crm/universal/crm-item-delete.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm import activities, history, links, multifields, store, tasks, timeline
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.crm.store import COLUMNS, Item
from b24.sandbox.kernel import tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_recycle_bin (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL,
        title TEXT NOT NULL, picture TEXT NOT NULL, deleted_by INTEGER, deleted_time INTEGER NOT NULL);
    """
)


def delete(portal: Any, user_id: int | None, item: Item, *, events: bool = True) -> None:
    """Remove an item with its bonds; smart processes keep a copy only when their recycle bin is on."""
    db, kind = portal.db, item.kind
    if not kind.is_smart_process or kind.settings.get("isRecyclebinEnabled") == "Y":
        _keep(portal, user_id, item)
    number = (kind.entity_type_id, item.id)
    links.forget(db, *number)
    history.forget(db, *number)
    db.execute("DELETE FROM crm_multifield WHERE entity_type_id = ? AND item_id = ?", number)
    db.execute("DELETE FROM crm_item WHERE entity_type_id = ? AND id = ?", number)
    if events:
        store.emit_change(portal, kind, item.id, "DELETE", user_id)


def title_of(item: Item) -> str:
    """What people call an item: its title or the person's name."""
    parts = [item.value("LAST_NAME"), item.value("NAME")]
    return item.value("TITLE") or " ".join(part for part in parts if part) or f"{item.kind.title} #{item.id}"


def _keep(portal: Any, user_id: int | None, item: Item) -> None:
    db, number = portal.db, (item.kind.entity_type_id, item.id)
    picture = {
        "values": {upper: item.row[upper.lower()] for upper in COLUMNS} | item.data,
        "contacts": links.contacts_of(db, *number),
        "companies": links.companies_of(db, item.id) if number[0] == CONTACT else [],
        "parents": links.parents_of(db, *number),
        "children": links.children_of(db, *number),
        "participations": links.items_of_contact(db, item.id) if number[0] == CONTACT else [],
        "fm": [tuple(row)[1:] for row in multifields.rows_of(db, *number)],
    }
    db.execute(
        "INSERT INTO crm_recycle_bin (entity_type_id, item_id, title, picture, deleted_by, deleted_time)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*number, title_of(item), json.dumps(picture), user_id, int(portal.now().timestamp())),
    )


def contents(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """What lies in the bin, last deleted first."""
    return db.execute("SELECT * FROM crm_recycle_bin ORDER BY id DESC").fetchall()


def restore(portal: Any, user_id: int | None, bin_id: int) -> tuple[int, int] | None:
    """Take something out of the bin; returns (entityTypeId, new id), ``None`` when it is not there."""
    db = portal.db
    row = db.execute("SELECT * FROM crm_recycle_bin WHERE id = ?", (bin_id,)).fetchone()
    kind = read_schema(db).types.get(row["entity_type_id"]) if row is not None else None
    if kind is None:
        return None
    picture = json.loads(row["picture"])
    kept = {
        k: v for k, v in picture["values"].items() if k in kind.by_upper and not k.startswith("PARENT_ID_")
    }
    system = {k: v for k, v in kept.items() if k in ("CREATED_TIME", "CREATED_BY")}
    changes = [Change(None, *values) for values in picture["fm"]]
    kept |= _place(db, kind, kept)
    item_id = store.create(
        portal, user_id, kind, kept, changes, system=system, automation=False, checked=False
    )
    _tie_again(db, kind, item_id, picture)
    for module in (timeline, activities, tasks):
        module.repoint(db, kind.entity_type_id, row["item_id"], item_id)
    db.execute("DELETE FROM crm_recycle_bin WHERE id = ?", (bin_id,))
    return kind.entity_type_id, item_id


def _place(db: sqlite3.Connection, kind: ObjectType, kept: dict[str, Any]) -> dict[str, Any]:
    """Where the item stood; the first stage, or the default funnel, where people have removed those since."""
    schema = read_schema(db)
    category_id = kept.get("CATEGORY_ID") or 0
    if kind.categories and not any(each.id == category_id for each in kind.categories):
        return {"CATEGORY_ID": None, "STAGE_ID": None}
    if kind.has_stages and schema.stage(kind, category_id, kept.get("STAGE_ID")) is None:
        return {"STAGE_ID": None}
    return {}


def discard(db: sqlite3.Connection, bin_id: int) -> bool:
    """Throw something away for good; whether it was there."""
    return bool(db.execute("DELETE FROM crm_recycle_bin WHERE id = ?", (bin_id,)).rowcount)


def _tie_again(db: sqlite3.Connection, kind: ObjectType, item_id: int, picture: dict[str, Any]) -> None:
    own = kind.entity_type_id
    if own == CONTACT:
        links.set_companies(db, item_id, [n for n in picture["companies"] if _exists(db, COMPANY, n)])
        for other, number in picture["participations"]:
            if _exists(db, other, number):
                links.set_contacts(db, other, number, [*links.contacts_of(db, other, number), item_id])
    else:
        links.set_contacts(db, own, item_id, [n for n in picture["contacts"] if _exists(db, CONTACT, n)])
    for parent_type, parent_id in picture["parents"].items():
        if _exists(db, int(parent_type), parent_id):
            links.set_parent(db, own, item_id, int(parent_type), parent_id)
    for child_type, child_id in picture["children"]:
        if _exists(db, child_type, child_id):
            links.set_parent(db, child_type, child_id, own, item_id)


def _exists(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> bool:
    row = db.execute(
        "SELECT 1 FROM crm_item WHERE entity_type_id = ? AND id = ?", (entity_type_id, item_id)
    ).fetchone()
    return row is not None
