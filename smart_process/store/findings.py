"""What is wrong with a portal, kept for the moment it began."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store.tables import finding as table

PREFIX = "check:"


def keep(tx: Tx, portal_id: int, keys: Iterable[str], *, now: datetime) -> dict[str, datetime]:
    """Remember what was found just now and forget what is in order again; since when each has been so."""
    found = {f"{PREFIX}{key}"[:120]: key for key in keys}
    ours = sa.and_(table.c.portal_id == portal_id, table.c.key.startswith(PREFIX))
    tx.execute(sa.delete(table).where(ours, table.c.key.not_in(list(found))))
    if found:
        rows = [{"portal_id": portal_id, "key": key, "since": now, "data": {}} for key in found]
        tx.execute(insert(tx, table).on_conflict_do_nothing(), rows)
    kept = tx.execute(sa.select(table.c.key, table.c.since).where(ours))
    return {found[row.key]: row.since for row in kept}
