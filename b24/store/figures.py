"""What an operator watches: totals over all portals, counted in the database, so every process tells the same.

No portal, no person and no secret is in them: the page that shows them needs no password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from b24.store.tables import bucket, mark, portal


@dataclass(frozen=True)
class Figures:
    """The state of the app at one moment.

    Attributes:
        lag_s: of active portals, see ``b24.store.marks.lag_s``.
        waiting: kind of mark → how many run by themselves, now or later.
        held: class (permanent, setup, internal) → marks that wait for a person; dropped → marks one gave up.
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
    calls, full, spent = tx.execute(
        sa.select(*(sa.func.coalesce(sa.func.sum(column), 0) for column in _COUNTED))
    ).one()
    return Figures(
        lag_s=marks.lag_s(tx, now=now),
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
