"""Leases: one owner at a time for a portal's drain or token refresh, with a fencing number.

The number rises whenever the owner changes, so a worker that was asleep sees that its work belongs to
somebody else. A lease that ran out may be taken by anybody; its former owner cannot renew it any more once it
was taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, insert_of
from b24.store.tables import lease as table

DRAIN = "drain"
REFRESH = "refresh"


def acquire(
    tx: Tx, portal_id: int, owner: str, ttl_s: float, now: datetime, *, name: str = DRAIN
) -> int | None:
    """Take a lease that is free, ran out or is ours already.

    Returns:
        The fencing number, or ``None`` while somebody else holds it.
    """
    wanted: dict[str, Any] = {"portal_id": portal_id, "name": name, "owner": owner, "fence": 1}
    wanted["until"] = now + timedelta(seconds=ttl_s)
    taken: int | None = tx.scalar(_take(tx.dialect.name), {**wanted, "now": now})
    return taken


# Built once: every drain takes a lease and gives it back.
@cache
def _take(dialect: str) -> sa.Executable:
    statement = insert_of(dialect, table)
    new, ours = statement.excluded, table.c.owner == statement.excluded.owner
    result: sa.Executable = statement.on_conflict_do_update(
        index_elements=[table.c.portal_id, table.c.name],
        set_={
            "fence": sa.case((ours, table.c.fence), else_=table.c.fence + 1),
            "owner": new.owner,
            "until": new.until,
        },
        where=(table.c.until <= sa.bindparam("now")) | ours,
    ).returning(table.c.fence)
    return result


_GIVE_BACK = (
    sa.update(table)
    .where(
        table.c.portal_id == sa.bindparam("its_portal"),
        table.c.name == sa.bindparam("its_name"),
        table.c.owner == sa.bindparam("its_owner"),
    )
    .values(until=sa.bindparam("now"), owner="")
)


def renew(
    tx: Tx, portal_id: int, owner: str, fence: int, ttl_s: float, now: datetime, *, name: str = DRAIN
) -> bool:
    """Hold a lease longer; ``False`` when it is no longer ours and the work must stop."""
    held = tx.execute(
        sa.update(table)
        .where(_is(portal_id, name), table.c.owner == owner, table.c.fence == fence)
        .values(until=now + timedelta(seconds=ttl_s))
    )
    return bool(held.rowcount)


def release(tx: Tx, portal_id: int, owner: str, now: datetime, *, name: str = DRAIN) -> None:
    """Give a lease back; the row stays, so that fencing numbers keep rising."""
    tx.execute(_GIVE_BACK, {"its_portal": portal_id, "its_name": name, "its_owner": owner, "now": now})


def held(tx: Tx, now: datetime, *, name: str = DRAIN) -> set[int]:
    """Portals somebody holds this lease of now."""
    return set(tx.scalars(sa.select(table.c.portal_id).where(table.c.name == name, table.c.until > now)))


def _is(portal_id: int, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.portal_id == portal_id, table.c.name == name)
