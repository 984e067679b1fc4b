"""Removing everything a portal's administrator asked us to forget."""

from __future__ import annotations

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import metadata, portal
from smart_process.store import tables as _tables  # noqa: F401 - the domain's tables join the metadata


def forget_portal(tx: Tx, portal_id: int) -> None:
    """Delete all data of a portal but its row, by which a repeated announcement is still recognised.

    Every table with a ``portal_id`` is emptied, those that refer to others first: a table made later is
    not forgotten.
    """
    for table in reversed(metadata.sorted_tables):
        if table is not portal and "portal_id" in table.c:
            tx.execute(sa.delete(table).where(table.c.portal_id == portal_id))
