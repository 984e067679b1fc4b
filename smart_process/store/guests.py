"""Companies and people we make: unified by our own unique keys before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store import tables as t
from smart_process.store.journal import new_uid


def company_to_make(tx: Tx, portal_id: int, name: str, name_key: str) -> Mapping[str, Any]:
    """The company of this name that we made or are about to make: one row however often it is named."""
    c = t.company
    tx.execute(
        insert(tx, c)
        .values(portal_id=portal_id, uid=new_uid(), name=name[:255], name_key=name_key[:255])
        .on_conflict_do_nothing()
    )
    known = sa.select(c).where(c.c.portal_id == portal_id, c.c.name_key == name_key[:255])
    return dict(tx.execute(known).mappings().one())


def company_made(tx: Tx, portal_id: int, name_key: str) -> int | None:
    """CRM id of a company we made under this name."""
    c = t.company
    return tx.scalar(
        sa.select(c.c.company_id).where(c.c.portal_id == portal_id, c.c.name_key == name_key[:255])
    )


def companies_by_uid(tx: Tx, portal_id: int, uids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Companies we made or are about to make, by the key their cards carry."""
    c = t.company
    found = tx.execute(sa.select(c).where(c.c.portal_id == portal_id, c.c.uid.in_(list(uids))))
    return {row["uid"]: dict(row) for row in found.mappings()}


def unknown_accounts(tx: Tx, portal_id: int, company_ids: set[int]) -> set[int]:
    """Companies we know nothing of yet."""
    a = t.account
    known = tx.scalars(
        sa.select(a.c.company_id).where(a.c.portal_id == portal_id, a.c.company_id.in_(company_ids))
    )
    return company_ids - set(known)
