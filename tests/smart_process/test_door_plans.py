"""How SQLite finds the seats of many scans at once: by their keys, never by reading every guest of the portal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store.engine import Store, Tx
from smart_process.demo.bench_data import fill
from smart_process.store import door

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
HASH = "0" * 64
TICKETS = [f"{number:022d}" for number in range(50)]
IDS = list(range(1, 51))
READS: dict[str, Callable[[Tx], object]] = {
    "tickets": lambda tx: door.open_door(tx, HASH, TICKETS),
    "tickets and ids": lambda tx: door.open_door(tx, HASH, TICKETS, IDS),
    "ids": lambda tx: door.seats(tx, 1, IDS),
    "ids, unlocked": lambda tx: door.seats(tx, 1, IDS, lock=False),
    "a portal's tickets and ids": lambda tx: door.seats_behind(tx, 1, TICKETS, IDS),
}


@pytest.mark.parametrize("name", READS)
def test_many_scans_are_found_by_their_keys(name: str, store: Store) -> None:
    fill(store, 60, NOW)
    asked: list[tuple[str, Any]] = []

    def listen(_connection: object, _cursor: object, statement: str, values: Any, *_more: object) -> None:
        if "FROM" in statement and "participation" in statement:
            asked.append((statement, values))

    sa.event.listen(store.engine, "before_cursor_execute", listen)
    with store.transaction() as tx:
        READS[name](tx)
    sa.event.remove(store.engine, "before_cursor_execute", listen)
    ((statement, values),) = asked
    with store.reading() as tx:
        steps = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    taken = [step for step in steps if "participation" in step]
    assert taken
    assert [step for step in taken if "portal_id" in step or step.startswith("SCAN")] == []
