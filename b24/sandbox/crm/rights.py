"""Who may read, add, change, delete, export and import which items.

An employee without an entry may do everything, as in a portal whose roles nobody touched; administrators
always may. ``own`` means items assigned to the user, ``department`` also those of colleagues, ``opened``
also items open to all.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox import users
from b24.sandbox.kernel import RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_right (
        user_id INTEGER NOT NULL, entity_type_id INTEGER NOT NULL, action TEXT NOT NULL, scope TEXT NOT NULL,
        PRIMARY KEY (user_id, entity_type_id, action));
    """
)

ACTIONS = ("read", "add", "update", "delete", "import")
SCOPES = ("none", "own", "department", "opened", "all")


def grant(db: sqlite3.Connection, user_id: int, entity_type_id: int, action: str, scope: str) -> None:
    """Set one right of a user; ``entity_type_id`` 0 stands for every type without an entry of its own.

    Raises:
        ValueError: unknown action or scope.
    """
    if action not in ACTIONS or scope not in SCOPES:
        raise ValueError(f"unknown right {action}={scope}")
    db.execute(
        "INSERT INTO crm_right (user_id, entity_type_id, action, scope) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET scope = excluded.scope",
        (user_id, entity_type_id, action, scope),
    )


def scope_of(db: sqlite3.Connection, user_id: int | None, entity_type_id: int, action: str) -> str:
    """How far a right of the user reaches; administrators, forms and robots (``None``) reach everything."""
    if user_id is None:
        return "all"
    row = db.execute(
        "SELECT coalesce((SELECT scope FROM crm_right WHERE user_id = ?1 AND action = ?3 AND"
        " entity_type_id IN (?2, 0)"
        " ORDER BY entity_type_id DESC LIMIT 1), 'all'), (SELECT admin FROM users WHERE id = ?1)",
        (user_id, entity_type_id, action),
    ).fetchone()
    return "all" if row[1] else str(row[0])


def allowed(
    portal: Any, user_id: int | None, entity_type_id: int, action: str, item: sqlite3.Row | None = None
) -> bool:
    """Whether the user may do ``action`` with the item, or with the type at all."""
    scope = scope_of(portal.db, user_id, entity_type_id, action)
    if scope in ("all", "none"):
        return scope == "all"
    if item is None or user_id is None:
        return True
    owner = item["assigned_by_id"]
    if owner == user_id:
        return True
    if scope == "own":
        return False
    if scope == "opened" and item["opened"] == "Y":
        return True
    return owner in users.colleagues_of(portal, user_id)


def demand(
    portal: Any, user_id: int | None, entity_type_id: int, action: str, item: sqlite3.Row | None = None
) -> None:
    """Refuse what the user may not do.

    Raises:
        RestError: ``ACCESS_DENIED`` (400).
    """
    if not allowed(portal, user_id, entity_type_id, action, item):
        raise RestError("ACCESS_DENIED", "Access denied")


def readable(portal: Any, user_id: int | None, entity_type_id: int) -> tuple[str, list[Any]]:
    """SQL condition on ``crm_item`` that keeps what the user may read."""
    scope = scope_of(portal.db, user_id, entity_type_id, "read")
    if scope == "all":
        return "1", []
    if scope == "none" or user_id is None:
        return "0", []
    if scope == "own":
        return "assigned_by_id = ?", [user_id]
    colleagues = sorted(users.colleagues_of(portal, user_id))
    condition = f"assigned_by_id IN ({', '.join('?' * len(colleagues))})"
    if scope == "opened":
        condition = f"({condition} OR opened = 'Y')"
    return condition, list(colleagues)
