"""Leads and deals that mapped CRM forms made, and the participations they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store import tables as t
from smart_process.store.accounts import join_on, living

Row = Mapping[str, Any]


def tie(tx: Tx, portal_id: int, entity_type_id: int, item_id: int, participation_id: int) -> None:
    """Remember whom a lead or deal registered; safe to repeat."""
    values = {
        "portal_id": portal_id,
        "entity_type_id": entity_type_id,
        "item_id": item_id,
        "participation_id": participation_id,
    }
    tx.execute(insert(tx, t.form_card).values(**values).on_conflict_do_nothing())


def guests(tx: Tx, portal_id: int, entity_type_id: int, item_ids: Iterable[int]) -> dict[int, Row]:
    """Participations (of one merged away the one it became part of) with their person, by lead or deal."""
    f, p, h = t.form_card.c, t.participation, t.person
    merged = p.alias()
    rows = tx.execute(
        sa.select(
            f.item_id,
            p.c.id,
            p.c.event_id,
            p.c.person_id,
            h.c.contact_id,
            h.c.company_id,
            living(h.c.company_id).label("living_company_id"),
            h.c.match,
        )
        .select_from(
            t.form_card.join(merged, merged.c.id == f.participation_id)
            .join(p, p.c.id == sa.func.coalesce(merged.c.merged_into, merged.c.id))
            .join(h, h.c.id == p.c.person_id)
            .outerjoin(t.account, join_on(f.portal_id, h.c.company_id))
        )
        .where(
            f.portal_id == portal_id,
            f.entity_type_id == entity_type_id,
            f.item_id.in_(list(item_ids)),
        )
    )
    return {row["item_id"]: dict(row) for row in rows.mappings()}


def of_participations(tx: Tx, entity_type_id: int, participation_ids: Iterable[int]) -> list[int]:
    """Leads or deals that stand for these participations."""
    f = t.form_card.c
    asked = f.entity_type_id == entity_type_id, f.participation_id.in_(list(participation_ids))
    return list(tx.scalars(sa.select(f.item_id).where(*asked)))
