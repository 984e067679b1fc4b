"""Many portals on a few workers: how long the changes of a small one wait beside big ones."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import mark, portal
from smart_process.facts import Kind, NewFact
from smart_process.store import bench_data, journal
from smart_process.store import tables as t
from tests.bench.figures import Figure
from tests.bench.served import Told, running
from tests.bench.world import PORTAL_ID, World

BIG_EACH = 20
"""Every twentieth portal is a big one."""
SMALL = 2
PATIENCE_S = 300.0


def worst_lag(made: World, portals: int, changes: int, spread_s: float) -> list[Figure]:
    """Every portal has something to write; big ones so many ``changes`` at once, the others two, spread over a while.

    All stand behind one address of the local portal, which has no limit here; the app keeps each within its own.
    """
    store = made.app.service.store
    workers = 1 if store.is_sqlite else 2
    made.add_guests(max(changes, SMALL))
    made.settle()
    with store.transaction() as tx:
        seats = _portals(tx, portals, changes)
        bench_data.count_anew(tx)
    dice = random.Random(1)
    small = [pid for pid in seats if len(seats[pid]) == SMALL]
    plan = sorted((dice.uniform(0, spread_s), pid) for pid in small)
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(running(Told("worker", made.config)))
        began = time.monotonic()
        for portal_id in seats.keys() - set(small):
            _change(made, seats[portal_id])
        worst, last = 0.0, time.monotonic() + PATIENCE_S
        while plan or made.waiting(journal.PUSH):
            assert time.monotonic() < last, "the workers never get through"
            while plan and plan[0][0] <= time.monotonic() - began:
                _change(made, seats[plan.pop(0)[1]])
            worst = max(worst, _lag(made, small))
            time.sleep(0.1)
        took = time.monotonic() - began
    number = sum(map(len, seats.values()))
    return [
        Figure(
            f"{portals} portals on {workers} worker(s): worst lag of a small one",
            worst,
            "s",
            note=f"{number} changes, {len(seats) - len(small)} big portals, all done in {took:.1f} s",
        )
    ]


def _lag(made: World, small: list[int]) -> float:
    oldest = sa.select(sa.func.min(mark.c.marked_at)).where(
        mark.c.kind == journal.PUSH, mark.c.portal_id.in_(small)
    )
    with made.app.service.store.reading() as tx:
        since = tx.scalar(oldest)
    return (datetime.now(UTC) - since).total_seconds() if since else 0.0


def _change(made: World, seats: list[int]) -> None:
    now = datetime.now(UTC)
    facts = {pid: [NewFact(Kind.ARRIVED, now, "device:1", f"bench:{pid}", "Вход")] for pid in seats}
    with made.app.service.store.transaction() as tx:
        journal.record(tx, facts, now=now)


def _portals(tx: Tx, number: int, changes: int) -> dict[int, list[int]]:
    """Further portals like the first, with guests whose cards are those of the first; ids of their participations."""
    first = _copy(tx, portal, portal.c.id == PORTAL_ID)
    setup = dict(tx.execute(sa.select(t.setup).where(t.setup.c.portal_id == PORTAL_ID)).mappings().one())
    event = _copy(tx, t.event, t.event.c.portal_id == PORTAL_ID)
    p = t.participation.c
    items = tx.scalars(sa.select(p.item_id).where(p.portal_id == PORTAL_ID).order_by(p.item_id.desc())).all()
    nobody = {"last_name": "Гость", "first_name": "Анна", "position": "", "company_name": ""}
    seats = {}
    for n in range(number):
        portal_id = _add(tx, portal, first | {"member_id": f"bench-{n}"})
        tx.execute(sa.insert(t.setup).values(setup | {"portal_id": portal_id}))
        event_id = _add(tx, t.event, event | {"portal_id": portal_id, "code": journal.new_token()})
        cards = items[: SMALL if n % BIG_EACH else changes]
        bench_data.add_guests(
            tx, portal_id, event_id, dict.fromkeys((one - 1 for one in cards), nobody), datetime.now(UTC)
        )
        seats[portal_id] = list(tx.scalars(sa.select(p.id).where(p.portal_id == portal_id)))
    tx.execute(sa.update(t.person).values(contact_id=None, company_id=None, match="none"))
    return seats


def _copy(tx: Tx, table: sa.Table, which: sa.ColumnElement[bool]) -> dict[str, Any]:
    row = dict(tx.execute(sa.select(table).where(which)).mappings().one())
    row.pop("id")
    return row


def _add(tx: Tx, table: sa.Table, values: dict[str, Any]) -> int:
    return int(tx.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())
