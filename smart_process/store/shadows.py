"""Shadows as a whole: what we think the portal shows, when the portal itself has forgotten it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import BULK
from smart_process.store import tables as t
from smart_process.store.journal import PUSH

SOON = timedelta(minutes=1)
"""When the fields surely stand again."""


def forget(tx: Tx, portal_id: int, names: Collection[str], *, now: datetime) -> int:
    """Fields of participations are about to be made anew: their values went with them.

    The emptiness of a new field is nobody's decision; what we know is written into it again.

    Returns:
        How many participations had values there.
    """
    p = t.participation
    rows = tx.execute(sa.select(p.c.id, p.c.shadow).where(p.c.portal_id == portal_id).with_for_update()).all()
    concerned = {
        row.id: {name: value for name, value in row.shadow.items() if name not in names}
        for row in rows
        if not row.shadow.keys().isdisjoint(names)
    }
    for participation_id, shadow in concerned.items():
        tx.execute(sa.update(p).where(p.c.id == participation_id).values(shadow=shadow))
    marks.mark(tx, portal_id, PUSH, concerned, now=now, priority=BULK, due_at=now + SOON)
    return len(concerned)
