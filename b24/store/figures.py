"""What an operator watches: totals over all portals, counted in the database, so every process tells the same.

No portal, no person and no secret is in them: the page that shows them needs no password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import bucket, mark, portal


@dataclass(frozen=True)
class Figures:
    """The state of the app at one moment.

    Attributes:
        lag_s: seconds the longest waiting due mark of an active portal is overdue; 0 when nothing is due.
        waiting: kind of mark → how many run by themselves, now or later.
        held: class (permanent, setup, internal) → marks that wait for a person.
        portals: state → portals.
        calls: requests sent to portals since they were installed; a batch is one.
        refused: HTTP status of a limit (503 bucket full, 429 budget of a method spent) → answers.
    """

    lag_s: float
    waiting: Mapping[str, int]
    held: Mapping[str, int]
    portals: Mapping[str, int]
    calls: int
    refused: Mapping[str, int]


def read(tx: Tx, now: datetime) -> Figures:
    """Count everything; a few aggregates, no row of a guest is read."""
    oldest = tx.scalar(
        sa.select(sa.func.min(mark.c.due_at))
        .join(portal, portal.c.id == mark.c.portal_id)
        .where(portal.c.state == "active", mark.c.held.is_(None), mark.c.due_at <= now)
    )
    calls, full, spent = tx.execute(
        sa.select(*(sa.func.coalesce(sa.func.sum(column), 0) for column in _COUNTED))
    ).one()
    return Figures(
        lag_s=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        waiting=_numbers(tx, mark.c.kind, mark.c.held.is_(None)),
        held=_numbers(tx, mark.c.held, mark.c.held.is_not(None)),
        portals=_numbers(tx, portal.c.state, sa.true()),
        calls=int(calls),
        refused={"503": int(full), "429": int(spent)},
    )


_COUNTED = (bucket.c.calls, bucket.c.refused_full, bucket.c.refused_spent)


def _numbers(tx: Tx, by: sa.Column[str], where: sa.ColumnElement[bool]) -> dict[str, int]:
    found = tx.execute(sa.select(by, sa.func.count()).where(where).group_by(by).order_by(by))
    return {row[0]: int(row[1]) for row in found}
