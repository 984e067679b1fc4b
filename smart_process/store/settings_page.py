"""What the settings page shows of our own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True)
class PossiblyDelivered:
    """A mail whose server did not answer after taking it; ``item_id`` is its guest's card."""

    kind: str
    sent_at: datetime | None
    item_id: int | None
    event_item_id: int | None
    event_title: str


def possibly_delivered(tx: Tx, portal_id: int, *, limit: int) -> tuple[int, list[PossiblyDelivered]]:
    """How many mails of a portal may have been delivered, and the latest of them; one sent again since is none."""
    m, p, e = t.message, t.participation, t.event
    later = m.alias()
    again = sa.exists().where(
        later.c.participation_id == m.c.participation_id,
        later.c.kind == m.c.kind,
        later.c.number > m.c.number,
    )
    where = sa.and_(m.c.portal_id == portal_id, m.c.state == messages.POSSIBLY, ~again)
    count = tx.scalar(sa.select(sa.func.count()).select_from(m).where(where)) or 0
    rows = tx.execute(
        sa.select(m.c.kind, m.c.sent_at, p.c.item_id, e.c.item_id, e.c.title)
        .select_from(m.join(p, p.c.id == m.c.participation_id).join(e, e.c.id == p.c.event_id))
        .where(where)
        .order_by(m.c.id.desc())
        .limit(limit)
    )
    return count, [PossiblyDelivered(*row) for row in rows]
