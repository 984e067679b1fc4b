"""PostgreSQL: what one fact leaves behind, written in one statement instead of three.

An arrival is the write the door waits for; each statement less is a round trip less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from b24.store import marks
from b24.store.engine import Tx
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
    params = {f"fact_{name}": value for name, value in fact.items()}
    params |= {f"new_{name}": value for name, value in projection.items()}
    for number, row in enumerate(marked):
        params |= {f"mark{number}_{name}": value for name, value in row.items()}
    statement = _statement(tuple(fact), tuple(projection), tuple(marked[0]), len(marked))
    tx.execute(statement, params | {"b_id": participation_id})


@cache
def _statement(
    fact: tuple[str, ...], projection: tuple[str, ...], mark_columns: tuple[str, ...], marked: int
) -> sa.TextClause:
    """Written out once: SQLAlchemy compiles an insert of several rows anew every time it is executed."""
    added = sa.insert(t.fact).values(_bound(t.fact, fact, "fact_")).cte("added")
    rows = [_bound(mark, mark_columns, f"mark{number}_") for number in range(marked)]
    raised = marks.upsert("postgresql").values(rows).cte("raised")
    whole = (
        sa.update(t.participation)
        .where(t.participation.c.id == sa.bindparam("b_id"))
        .values(_bound(t.participation, projection, "new_"))
        .add_cte(added, raised)
    )
    compiled = whole.compile(dialect=postgresql.dialect(paramstyle="named"))  # type: ignore[no-untyped-call]
    binds = [sa.bindparam(name, one.value, type_=one.type) for one, name in compiled.bind_names.items()]
    # In ":name::TYPE" sa.text() does not see the name.
    return sa.text(re.sub(r"(:\w+)::", r"\1 ::", str(compiled))).bindparams(*binds)


def _bound(table: sa.Table, columns: Sequence[str], prefix: str) -> dict[str, Any]:
    return {name: sa.bindparam(prefix + name, type_=table.c[name].type) for name in columns}
