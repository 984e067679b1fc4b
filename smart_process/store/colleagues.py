"""Colleagues in the portal, as last read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.store.tables import colleague as table


def replace(tx: Tx, portal_id: int, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Take over a full reading; whoever is not in it any more counts as dismissed."""
    tx.execute(sa.delete(table).where(table.c.portal_id == portal_id))
    if rows:
        tx.execute(sa.insert(table), [{"portal_id": portal_id, "read_at": now, **row} for row in rows])


def everybody(tx: Tx, portal_id: int) -> dict[int, Mapping[str, Any]]:
    """All known colleagues by portal user id: name, active, head_id."""
    found = tx.execute(sa.select(table).where(table.c.portal_id == portal_id)).mappings().all()
    return {row["user_id"]: dict(row) for row in found}
