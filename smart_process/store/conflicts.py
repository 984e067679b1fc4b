"""Disputed scans of an event."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.checkin import arrival_key
from smart_process.store import tables as t

READ = 500


@dataclass(frozen=True)
class Disputed:
    """A scan with the verdict ``conflict``; ``key`` is that of the arrival it left."""

    key: str
    participation_id: int
    item_id: int | None


def disputed(tx: Tx, event_id: int) -> list[Disputed]:
    """Disputed scans by phones of an event, decided ones among them."""
    s, p = t.scan.c, t.participation.c
    rows = tx.execute(
        sa.select(s.device_id, s.scan_id, p.id, p.item_id)
        .join(t.device, t.device.c.id == s.device_id)
        .join(t.participation, p.id == s.participation_id)
        .where(t.device.c.event_id == event_id, s.verdict == "conflict", p.removed_at.is_(None))
        .order_by(s.received_at.desc(), s.scan_id)
        .limit(READ)
    )
    return [Disputed(arrival_key(row.device_id, row.scan_id), row.id, row.item_id) for row in rows]
