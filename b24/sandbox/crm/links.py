"""Bonds between items: contacts of a deal, companies of a contact, parents of a child.

Source: crm/universal/index.md, crm/universal/crm-item-add.md (contactIds, companyIds, parentId…).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from b24.sandbox.crm.objects import COMPANY, CONTACT
from b24.sandbox.kernel import tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_item_contact (
        entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL, contact_id INTEGER NOT NULL,
        sort INTEGER NOT NULL, PRIMARY KEY (entity_type_id, item_id, contact_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_item_contact_back ON crm_item_contact (contact_id, entity_type_id);
    CREATE TABLE IF NOT EXISTS crm_contact_company (
        contact_id INTEGER NOT NULL, company_id INTEGER NOT NULL, sort INTEGER NOT NULL,
        PRIMARY KEY (contact_id, company_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_contact_company_back ON crm_contact_company (company_id, sort);
    CREATE TABLE IF NOT EXISTS crm_parent (
        child_type INTEGER NOT NULL, child_id INTEGER NOT NULL, parent_type INTEGER NOT NULL,
        parent_id INTEGER NOT NULL, PRIMARY KEY (child_type, child_id, parent_type)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_parent_back ON crm_parent (parent_type, parent_id, child_type);
    """
)


def unique(ids: Iterable[int | None]) -> list[int]:
    """Positive ids in their order, each once."""
    return list(dict.fromkeys(number for number in ids if number and number > 0))


def contacts_of(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> list[int]:
    """Contacts of an item, the primary one first."""
    if entity_type_id == COMPANY:
        sql = "SELECT contact_id FROM crm_contact_company WHERE company_id = ? ORDER BY contact_id"
        return [row[0] for row in db.execute(sql, (item_id,))]
    sql = "SELECT contact_id FROM crm_item_contact WHERE entity_type_id = ? AND item_id = ? ORDER BY sort"
    return [row[0] for row in db.execute(sql, (entity_type_id, item_id))]


def set_contacts(db: sqlite3.Connection, entity_type_id: int, item_id: int, contacts: Sequence[int]) -> None:
    """Replace the contacts of an item; the first becomes the primary one."""
    if entity_type_id == COMPANY:
        _set_company_contacts(db, item_id, contacts)
        return
    db.execute(
        "DELETE FROM crm_item_contact WHERE entity_type_id = ? AND item_id = ?", (entity_type_id, item_id)
    )
    db.executemany(
        "INSERT INTO crm_item_contact (entity_type_id, item_id, contact_id, sort) VALUES (?, ?, ?, ?)",
        [(entity_type_id, item_id, contact, 10 * n) for n, contact in enumerate(unique(contacts), 1)],
    )
    # the primary contact stands on the item's row too
    db.execute(
        "UPDATE crm_item SET contact_id = ? WHERE entity_type_id = ? AND id = ?",
        (next(iter(unique(contacts)), None), entity_type_id, item_id),
    )


def _set_company_contacts(db: sqlite3.Connection, company_id: int, contacts: Sequence[int]) -> None:
    wanted = unique(contacts)
    present = contacts_of(db, COMPANY, company_id)
    for contact in present:
        if contact not in wanted:
            set_companies(db, contact, [each for each in companies_of(db, contact) if each != company_id])
    for contact in wanted:
        if contact not in present:
            set_companies(db, contact, [*companies_of(db, contact), company_id])


def companies_of(db: sqlite3.Connection, contact_id: int) -> list[int]:
    """Companies of a contact, the primary one first."""
    rows = db.execute(
        "SELECT company_id FROM crm_contact_company WHERE contact_id = ? ORDER BY sort", (contact_id,)
    )
    return [row[0] for row in rows]


def set_companies(db: sqlite3.Connection, contact_id: int, companies: Sequence[int]) -> None:
    """Replace the companies of a contact; the first is the primary one, repeated on the contact's row."""
    wanted = unique(companies)
    db.execute("DELETE FROM crm_contact_company WHERE contact_id = ?", (contact_id,))
    db.executemany(
        "INSERT INTO crm_contact_company (contact_id, company_id, sort) VALUES (?, ?, ?)",
        [(contact_id, company, 10 * n) for n, company in enumerate(wanted, 1)],
    )
    db.execute(
        "UPDATE crm_item SET company_id = ? WHERE entity_type_id = ? AND id = ?",
        (wanted[0] if wanted else None, CONTACT, contact_id),
    )


def parents_of(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> dict[int, int]:
    """Parents of an item: entityTypeId of the parent -> its id."""
    rows = db.execute(
        "SELECT parent_type, parent_id FROM crm_parent WHERE child_type = ? AND child_id = ?",
        (entity_type_id, item_id),
    )
    return {row[0]: row[1] for row in rows}


def set_parent(
    db: sqlite3.Connection, entity_type_id: int, item_id: int, parent_type: int, parent_id: int | None
) -> None:
    """Bind an item to a parent of this type; nothing or 0 unbinds."""
    if parent_id:
        db.execute(
            "INSERT INTO crm_parent (child_type, child_id, parent_type, parent_id) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET parent_id = excluded.parent_id",
            (entity_type_id, item_id, parent_type, parent_id),
        )
    else:
        db.execute(
            "DELETE FROM crm_parent WHERE child_type = ? AND child_id = ? AND parent_type = ?",
            (entity_type_id, item_id, parent_type),
        )


def children_of(
    db: sqlite3.Connection, entity_type_id: int, item_id: int, child_type: int | None = None
) -> list[tuple[int, int]]:
    """Children of an item as (entityTypeId, id)."""
    rows = db.execute(
        "SELECT child_type, child_id FROM crm_parent WHERE parent_type = ? AND parent_id = ?"
        " AND (? IS NULL OR child_type = ?) ORDER BY child_type, child_id",
        (entity_type_id, item_id, child_type, child_type),
    )
    return [(row[0], row[1]) for row in rows]


def items_of_contact(db: sqlite3.Connection, contact_id: int) -> list[tuple[int, int]]:
    """Deals, leads and smart-process items a contact takes part in."""
    rows = db.execute(
        "SELECT entity_type_id, item_id FROM crm_item_contact WHERE contact_id = ?"
        " ORDER BY entity_type_id, item_id",
        (contact_id,),
    )
    return [(row[0], row[1]) for row in rows]


def forget(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> None:
    """Cut every bond of an item that is being deleted."""
    own = (entity_type_id, item_id)
    db.execute("DELETE FROM crm_parent WHERE child_type = ? AND child_id = ?", own)
    db.execute("DELETE FROM crm_parent WHERE parent_type = ? AND parent_id = ?", own)
    db.execute("DELETE FROM crm_item_contact WHERE entity_type_id = ? AND item_id = ?", own)
    if entity_type_id == CONTACT:
        _forget_contact(db, item_id)
    if entity_type_id == COMPANY:
        _forget_company(db, item_id)


def _forget_contact(db: sqlite3.Connection, contact_id: int) -> None:
    for entity_type_id, item_id in items_of_contact(db, contact_id):
        rest = [each for each in contacts_of(db, entity_type_id, item_id) if each != contact_id]
        set_contacts(db, entity_type_id, item_id, rest)
    db.execute("DELETE FROM crm_contact_company WHERE contact_id = ?", (contact_id,))


def _forget_company(db: sqlite3.Connection, company_id: int) -> None:
    contacts = contacts_of(db, COMPANY, company_id)
    for contact in contacts:
        set_companies(db, contact, [each for each in companies_of(db, contact) if each != company_id])
    db.execute("UPDATE crm_item SET company_id = NULL WHERE company_id = ?", (company_id,))
