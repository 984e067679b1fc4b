"""States made by an earlier version: columns that came since are added, so that a demo keeps its data."""

from __future__ import annotations

import sqlite3
import zlib


class ForeignState(RuntimeError):
    """A state file this version cannot use; the text says what to do."""


def fingerprint(schema: list[str]) -> int:
    """A number that changes with the declared tables."""
    return zlib.crc32("".join(schema).encode()) & 0x7FFFFFFF


def prepare(db: sqlite3.Connection, schema: list[str]) -> None:
    """Create the declared tables and add missing columns to those that exist already.

    Raises:
        ForeignState: the file is no state of a sandbox, or of a version too different.
    """
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == fingerprint(schema):
            return
        _add_columns(db, schema)
        for sql in schema:
            db.executescript(sql)
        db.execute(f"PRAGMA user_version = {fingerprint(schema)}")
    except sqlite3.DatabaseError as error:
        raise ForeignState(f"the state was made by another version ({error}); remove the file") from error


def _add_columns(db: sqlite3.Connection, schema: list[str]) -> None:
    model = sqlite3.connect(":memory:")
    try:
        for sql in schema:
            model.executescript(sql)
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            known = set(_columns(db, table))
            for name, declared in _columns(model, table).items():
                if name not in known:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {declared}")
    finally:
        model.close()


def _columns(db: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column → its declaration, as ``ALTER TABLE`` wants it."""
    found = {}
    for _, name, kind, needed, default, _ in db.execute(f"PRAGMA table_info({table})").fetchall():
        rule = f" DEFAULT {default}" if default is not None else ""
        found[name] = f"{kind}{' NOT NULL' if needed and rule else ''}{rule}"
    return found
