"""Gates organisers defined for an event."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.admission import Gate, gate_json, gates_of
from smart_process.store import tables as t


def read(tx: Tx, event_id: int) -> dict[str, Gate]:
    """The gates by name, in the order they were given."""
    stored = tx.scalar(sa.select(t.event.c.gates).where(t.event.c.id == event_id))
    return gates_of(stored or [])


def write(tx: Tx, event_id: int, gates: Iterable[Gate]) -> None:
    """Replace the gates. What was recorded at one that is gone stays recorded under its name."""
    stored = [gate_json(gate) for gate in gates]
    tx.execute(sa.update(t.event).where(t.event.c.id == event_id).values(gates=stored))
