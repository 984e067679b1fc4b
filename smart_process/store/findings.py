"""What is wrong with a portal, kept for the moment it began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store.tables import finding as table

PREFIX, TWIN = "check:", "twin:"


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


@dataclass(frozen=True)
class Twins:
    """Objects of the portal that carry the same key of ours; ``since``: when that was first noticed (aware)."""

    entity_type_id: int
    key: str
    ids: tuple[int, ...]
    since: datetime


def keep_twins(
    tx: Tx, portal_id: int, found: Mapping[tuple[int, str], Sequence[int]], *, now: datetime
) -> None:
    """Remember which keys more than one object carries – entity type and key, with the ids – and forget the others."""
    rows = {f"{TWIN}{kind}:{key}"[:120]: list(ids) for (kind, key), ids in found.items()}
    ours = sa.and_(table.c.portal_id == portal_id, table.c.key.startswith(TWIN))
    tx.execute(sa.delete(table).where(ours, table.c.key.not_in(list(rows))))
    for key, ids in rows.items():
        values = {"portal_id": portal_id, "key": key, "since": now, "data": {"ids": ids}}
        statement = insert(tx, table).values(values)
        same = [table.c.portal_id, table.c.key]
        tx.execute(
            statement.on_conflict_do_update(index_elements=same, set_={"data": statement.excluded.data})
        )


def twins(tx: Tx, portal_id: int) -> list[Twins]:
    """Objects with one key of ours, the earliest noticed first."""
    ours = sa.and_(table.c.portal_id == portal_id, table.c.key.startswith(TWIN))
    rows = tx.execute(sa.select(table).where(ours).order_by(table.c.since, table.c.key))
    found = []
    for row in rows:
        _prefix, kind, key = row.key.split(":", 2)
        found.append(Twins(int(kind), key, tuple(row.data["ids"]), row.since))
    return found
