"""Which objects of the portal we know by id, and which carry a key of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.schema import COMPANY, CONTACT, DEAL, Binding
from smart_process.store import tables as t


def due(tx: Tx, portal_id: int, *, every: timedelta, now: datetime) -> bool:
    """Whether the portal's id sets were last compared longer ago than ``every``."""
    at = tx.scalar(sa.select(t.setup.c.compared_at).where(t.setup.c.portal_id == portal_id))
    return at is None or at <= now - every


def compared(tx: Tx, portal_id: int, *, now: datetime) -> None:
    """The id sets were compared to the end."""
    tx.execute(sa.update(t.setup).where(t.setup.c.portal_id == portal_id).values(compared_at=now))


def items(tx: Tx, portal_id: int, binding: Binding) -> Mapping[int, list[int]]:
    """By entity type the ids of living CRM items we know, in order; of contacts, companies and deals only ours."""
    e, p, h, a, o = t.event.c, t.participation.c, t.person.c, t.account.c, t.outcome.c
    gone = sa.select(a.company_id).where(a.portal_id == portal_id, a.gone_at.is_not(None))
    queries = {
        binding.event.entity_type_id: sa.select(e.item_id).where(
            e.portal_id == portal_id, e.removed_at.is_(None)
        ),
        binding.participation.entity_type_id: sa.select(p.item_id).where(
            p.portal_id == portal_id, p.removed_at.is_(None), p.merged_into.is_(None)
        ),
        CONTACT: sa.select(h.contact_id).where(h.portal_id == portal_id, h.merged_into.is_(None)),
        COMPANY: sa.select(h.company_id).where(
            h.portal_id == portal_id, h.merged_into.is_(None), h.company_id.not_in(gone)
        ),
        DEAL: sa.select(o.item_id).where(o.portal_id == portal_id, o.kind == "deal", o.state == "live"),
    }
    return {entity_type_id: _ids(tx, query) for entity_type_id, query in queries.items()}


def tasks(tx: Tx, portal_id: int) -> list[int]:
    """Ids of the tasks that are live outcomes."""
    o = t.outcome.c
    return _ids(tx, sa.select(o.item_id).where(o.portal_id == portal_id, o.kind == "task", o.state == "live"))


def keys(tx: Tx, portal_id: int, binding: Binding) -> Mapping[int, list[str]]:
    """By entity type the keys objects made by us carry: ``xmlId`` of participations, ``originId`` of the others."""
    p, h, o = t.participation.c, t.person.c, t.outcome.c
    queries = {
        binding.participation.entity_type_id: sa.select(p.uid).where(
            p.portal_id == portal_id, p.item_id.is_not(None)
        ),
        CONTACT: sa.select(h.uid).where(h.portal_id == portal_id, h.contact_id.is_not(None)),
        DEAL: sa.select(o.uid).where(o.portal_id == portal_id, o.kind == "deal", o.item_id.is_not(None)),
    }
    return {entity_type_id: sorted(tx.scalars(query)) for entity_type_id, query in queries.items()}


def _ids(tx: Tx, query: sa.Select[tuple[int]]) -> list[int]:
    found: Iterable[int | None] = tx.scalars(query.distinct())
    return sorted({one for one in found if one})
