"""Phones, e-mails and other multiple fields of leads, contacts and companies.

Source: crm/data-types.md (crm_multifield), crm/universal/crm-item-update.md (fm).
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from b24.sandbox.crm.params import integer, mapping, text
from b24.sandbox.kernel import tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_multifield (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL,
        type_id TEXT NOT NULL, value_type TEXT NOT NULL, value TEXT NOT NULL, match TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS crm_multifield_item ON crm_multifield (entity_type_id, item_id);
    CREATE INDEX IF NOT EXISTS crm_multifield_match ON crm_multifield (type_id, match);
    """
)

#: Flat aliases of items: name -> (type, value type or None for any).
ALIASES: dict[str, tuple[str, str | None]] = {
    "phoneMobile": ("PHONE", "MOBILE"),
    "phoneWork": ("PHONE", "WORK"),
    "phoneMailing": ("PHONE", "MAILING"),
    "emailHome": ("EMAIL", "HOME"),
    "emailWork": ("EMAIL", "WORK"),
    "emailMailing": ("EMAIL", "MAILING"),
    "imol": ("IM", "OPENLINE"),
    "email": ("EMAIL", None),
    "phone": ("PHONE", None),
}
_EXTENSION = re.compile(r"(?:доб|вн|ext|x|#|,|;).*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Change:
    """One operation of ``fm``: ``record`` is the id to change or ``None`` for a new value; "" deletes."""

    record: int | None
    type_id: str
    value_type: str
    value: str


def match_key(type_id: str, value: str) -> str:
    """What two equal phones or addresses have in common; "" when there is nothing to compare.

    A phone is its digits without the extension, a national 8 stands for 7; an e-mail is its lower case.
    """
    if type_id == "EMAIL":
        return value.strip().lower()
    if type_id != "PHONE":
        return value.strip()
    digits = re.sub(r"\D", "", _EXTENSION.sub("", value))
    if len(digits) >= 10 and digits[0] == "8" and digits[:2] not in ("80", "81", "82"):
        digits = "7" + digits[1:]
    return digits


def read_changes(fm: Any, *, adding: bool) -> list[Change]:
    """Operations a caller's ``fm`` asks for; rows without ``typeId`` are ignored silently.

    When adding, and when an update sends a list, every row is a new value; else the key decides (``n0`` new,
    digits a record).
    """
    adding = adding or isinstance(fm, list)
    changes = []
    for key, row in mapping(fm).items():
        fields = mapping(row)
        type_id = text(fields.get("typeId") or fields.get("TYPE_ID")).upper()
        if not type_id:
            continue
        record = None if adding else integer(fields.get("id", key))
        value_type = text(fields.get("valueType") or fields.get("VALUE_TYPE")).upper() or "WORK"
        changes.append(
            Change(record, type_id, value_type, text(fields.get("value", fields.get("VALUE"))).strip())
        )
    return changes


def rows_of(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> list[sqlite3.Row]:
    """All values of one item in the order they were added."""
    return db.execute(
        "SELECT id, type_id, value_type, value FROM crm_multifield WHERE entity_type_id = ? AND item_id = ?"
        " ORDER BY id",
        (entity_type_id, item_id),
    ).fetchall()


def apply(db: sqlite3.Connection, entity_type_id: int, item_id: int, changes: list[Change]) -> bool:
    """Write the operations; returns whether anything differs afterwards."""
    before = {row["id"]: row for row in rows_of(db, entity_type_id, item_id)}
    changed = False
    for change in changes:
        known = before.get(change.record) if change.record is not None else None
        changed = _apply_one(db, entity_type_id, item_id, change, known) or changed
    return changed


def _apply_one(
    db: sqlite3.Connection, entity_type_id: int, item_id: int, change: Change, known: sqlite3.Row | None
) -> bool:
    if known is not None and not change.value:
        db.execute("DELETE FROM crm_multifield WHERE id = ?", (known["id"],))
        return True
    if not change.value:
        return False
    if known is not None:
        wanted = (change.type_id, change.value_type, change.value)
        if wanted == (known["type_id"], known["value_type"], known["value"]):
            return False
        db.execute(
            "UPDATE crm_multifield SET type_id = ?, value_type = ?, value = ?, match = ? WHERE id = ?",
            (*wanted, match_key(change.type_id, change.value), known["id"]),
        )
        return True
    insert(db, entity_type_id, item_id, change.type_id, change.value_type, change.value)
    return True


def insert(
    db: sqlite3.Connection, entity_type_id: int, item_id: int, type_id: str, value_type: str, value: str
) -> None:
    """Add one value to an item."""
    db.execute(
        "INSERT INTO crm_multifield (entity_type_id, item_id, type_id, value_type, value, match)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (entity_type_id, item_id, type_id, value_type, value, match_key(type_id, value)),
    )


def shown(rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """``fm`` of ``crm.item.*``."""
    return [
        {"id": row["id"], "valueType": row["value_type"], "value": row["value"], "typeId": row["type_id"]}
        for row in rows
    ]


def aliases(rows: list[sqlite3.Row]) -> dict[str, str]:
    """Flat aliases (``phoneWork`` …): the first value of their kind or ""."""
    values = dict.fromkeys(ALIASES, "")
    for name, (type_id, value_type) in ALIASES.items():
        for row in rows:
            if row["type_id"] == type_id and value_type in (None, row["value_type"]):
                values[name] = row["value"]
                break
    return values


def has(rows: list[sqlite3.Row], type_id: str) -> str:
    """``Y`` when there is a value of this type."""
    return "Y" if any(row["type_id"] == type_id for row in rows) else "N"


def find(db: sqlite3.Connection, entity_type_id: int, type_id: str, values: list[str]) -> list[int]:
    """Ids of items that carry one of these values, whole numbers and addresses only, lowest first."""
    keys = [key for key in (match_key(type_id, value) for value in values) if key]
    if not keys:
        return []
    marks = ", ".join("?" * len(keys))
    rows = db.execute(
        f"SELECT DISTINCT item_id FROM crm_multifield WHERE type_id = ? AND match IN ({marks})"
        " AND entity_type_id = ? ORDER BY item_id",
        (type_id, *keys, entity_type_id),
    )
    return [row[0] for row in rows]
