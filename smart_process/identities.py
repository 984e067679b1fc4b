"""A person in the portal decides who an undecided guest is: one of the candidates, or somebody new."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process.store import people
from smart_process.store import sync as rows
from smart_process.store import tables as t
from smart_process.sync import merging

SOMEBODY_NEW: list[dict[str, Any]] = [{"decision": "new"}]
"""In ``person.candidates``: a person looked at the candidates, none of them is this guest."""


def settle(tx: Tx, portal_id: int, person_id: int, contact_id: int | None, *, now: datetime) -> None:
    """Tie a guest to the chosen contact, or have a new one made; safe to repeat.

    Args:
        contact_id: one of the candidates' CRM ids; ``None``: nobody of them.
    """
    (row,) = rows.people(tx, [person_id])
    if contact_id is None:
        rows.update(tx, t.person, person_id, match="new", contact_id=None, candidates=SOMEBODY_NEW)
    else:
        chosen: dict[str, Any] = next(
            (one for one in row["candidates"] if one.get("contact_id") == contact_id), {}
        )
        company_id = row["company_id"] or chosen.get("company_id")
        rows.update(
            tx,
            t.person,
            person_id,
            match="matched",
            contact_id=contact_id,
            company_id=company_id,
            candidates=[],
        )
        merging.twins(tx, portal_id, person_id, contact_id, now)
    # The sync reads company and segment, and has cards and outcomes follow.
    marks.mark(tx, portal_id, people.LOOK_UP, [person_id], now=now)
