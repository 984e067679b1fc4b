"""What the settings page shows of our own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.store import messages, outcomes
from smart_process.store import tables as t

FORMS = "forms"
"""Mark, key ``0``: the form map was changed; submissions nobody could place are looked at again."""


def companies(tx: Tx, portal_id: int) -> list[int]:
    """CRM ids of the companies whose segment is kept."""
    return list(tx.scalars(sa.select(t.account.c.company_id).where(t.account.c.portal_id == portal_id)))


def events(tx: Tx, portal_id: int) -> list[tuple[int, str]]:
    """Events a form can register for, the latest first: CRM id and title."""
    e = t.event.c
    rows = tx.execute(
        sa.select(e.item_id, e.title)
        .where(e.portal_id == portal_id, e.removed_at.is_(None), e.item_id.is_not(None))
        .order_by(e.starts_at.desc().nulls_first(), e.id.desc())
    )
    return [(int(row.item_id), row.title) for row in rows]


def placed(tx: Tx, portal_id: int, item_ids: Sequence[int]) -> set[int]:
    """Those of the participation cards that are somebody's at an event."""
    p = t.participation.c
    found = tx.scalars(sa.select(p.item_id).where(p.portal_id == portal_id, p.item_id.in_(item_ids)))
    return {int(one) for one in found}


def refused(tx: Tx, portal_id: int) -> Sequence[Mapping[str, Any]]:
    """Outcomes that are a task because the portal refused the deal."""
    return outcomes.refused(tx, portal_id)


def mails_waiting(tx: Tx, portal_id: int) -> int:
    """How many mails have not left."""
    m = t.message.c
    waiting = sa.select(sa.func.count()).where(m.portal_id == portal_id, m.state == messages.WAITING)
    return tx.scalar(waiting) or 0
