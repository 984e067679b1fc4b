"""What one fact leaves behind, written with as little ado as a database allows: one statement on PostgreSQL, where each
is a round trip, and kept statements on SQLite.

An arrival is the write the door waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from b24.store.hot import Hot
from b24.store.tables import mark
from smart_process.store import tables as t


def write_one(
    tx: Tx,
    fact: Mapping[str, Any],
    participation_id: int,
    projection: Mapping[str, Any],
    marked: Sequence[Mapping[str, Any]],
) -> None:
    """Append a fact, store the new projection of its participation, raise one or more marks."""
    columns = tuple(fact), tuple(projection), tuple(marked[0])
    if tx.dialect.name == "sqlite":
        add, store, raised = _three(*columns)
        add.run(tx, fact)
        store.run(tx, {**projection, "b_id": participation_id})
        for row in marked:
            raised.run(tx, row)
        return
    params = {f"fact_{name}": value for name, value in fact.items()}
    params |= {f"new_{name}": value for name, value in projection.items()}
    for number, row in enumerate(marked):
        params |= {f"mark{number}_{name}": value for name, value in row.items()}
    _one(*columns, len(marked)).run(tx, params | {"b_id": participation_id})


@cache
def _three(
    fact: tuple[str, ...], projection: tuple[str, ...], mark_columns: tuple[str, ...]
) -> tuple[Hot, Hot, Hot]:
    return (
        Hot(lambda _dialect: sa.insert(t.fact).inline(), fact),
        Hot(lambda _dialect: _PROJECT, projection),
        Hot(marks.upsert, mark_columns),
    )


_PROJECT = sa.update(t.participation).where(t.participation.c.id == sa.bindparam("b_id"))


@cache
def _one(
    fact: tuple[str, ...], projection: tuple[str, ...], mark_columns: tuple[str, ...], marked: int
) -> Hot:
    def whole(dialect: str) -> sa.Update:
        added = sa.insert(t.fact).values(_bound(t.fact, fact, "fact_")).cte("added")
        rows = [_bound(mark, mark_columns, f"mark{number}_") for number in range(marked)]
        raised = marks.upsert(dialect).values(rows).cte("raised")
        projected = _PROJECT.values(_bound(t.participation, projection, "new_"))
        return projected.add_cte(added, raised)

    return Hot(whole)


def _bound(table: sa.Table, columns: Sequence[str], prefix: str) -> dict[str, Any]:
    return {name: sa.bindparam(prefix + name, type_=table.c[name].type) for name in columns}
