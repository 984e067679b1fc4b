"""Companies of guests that are in the CRM no more, or became another one.

A company somebody deleted still holds its guests together – nobody is called twice because a card is gone –, but it
is written to no card any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, insert
from smart_process.store import journal, outcomes, people
from smart_process.store import tables as t

Row = Mapping[str, Any]
LOST = "company_lost"
"""In a deal's shadow: the portal took the company off it when somebody deleted that."""


def gone(tx: Tx, portal_id: int) -> dict[int, str]:
    """Companies that were deleted, with their titles. They are few."""
    a = t.account.c
    asked = sa.select(a.company_id, a.title).where(a.portal_id == portal_id, a.gone_at.is_not(None))
    return {row.company_id: row.title for row in tx.execute(asked)}


def living(company_id: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A company id for cards, ``NULL`` where it was deleted; the query joins ``account`` to it from outside."""
    return sa.case((t.account.c.gone_at.is_(None), company_id))


def join_on(portal_id: sa.ColumnElement[Any], company_id: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """The condition for :func:`living`."""
    a = t.account.c
    return sa.and_(a.portal_id == portal_id, a.company_id == company_id)


def concerned(tx: Tx, portal_id: int, company_ids: Collection[int]) -> set[int]:
    """Which of these companies somebody of ours belongs to, or was made by us."""
    h, c = t.person.c, t.company.c
    ids = list(company_ids)
    found = set(tx.scalars(sa.select(h.company_id).where(h.portal_id == portal_id, h.company_id.in_(ids))))
    return found | set(
        tx.scalars(sa.select(c.company_id).where(c.portal_id == portal_id, c.company_id.in_(ids)))
    )


def of_companies(tx: Tx, portal_id: int, company_ids: Iterable[int]) -> list[Row]:
    """People of companies; without those who turned out to be another one of them."""
    h = t.person
    theirs = h.c.portal_id == portal_id, h.c.company_id.in_(list(company_ids)), h.c.merged_into.is_(None)
    return [dict(row) for row in tx.execute(sa.select(h).where(*theirs).order_by(h.c.id)).mappings()]


def note_gone(tx: Tx, portal_id: int, company_id: int, now: datetime) -> None:
    """Remember that a company was deleted; its deals know that it was not a person who took it off them."""
    a = t.account
    values = {"portal_id": portal_id, "company_id": company_id, "title": "", "read_at": now, "gone_at": now}
    tx.execute(
        insert(tx, a)
        .values(**values)
        .on_conflict_do_update(index_elements=[a.c.portal_id, a.c.company_id], set_={"gone_at": now})
    )
    for row in _outcomes(tx, portal_id, company_id):
        _note_lost(tx, row, company_id)


def _note_lost(tx: Tx, row: Row, company_id: int) -> None:
    if row["shadow"].get("company_id") == company_id:
        shadow = {**row["shadow"], LOST: True}
        tx.execute(sa.update(t.outcome).where(t.outcome.c.id == row["id"]).values(shadow=shadow))


def become(tx: Tx, portal_id: int, company_id: int, other_id: int, now: datetime) -> None:
    """A company is another one from now on, by a merge or under another number: people, answers and outcomes follow.

    Where the other has an outcome at the same event, deciding finds both and leaves the weightier.
    """
    followers = of_companies(tx, portal_id, [company_id])
    for table in (t.person, t.company, t.decision):
        theirs = table.c.portal_id == portal_id, table.c.company_id == company_id
        tx.execute(sa.update(table).where(*theirs).values(company_id=other_id))
    for row in _outcomes(tx, portal_id, company_id):
        _note_lost(tx, row, company_id)
        _follow(tx, row, f"company:{other_id}")
        key = f"{row['event_id']}:company:{other_id}"
        marks.mark(tx, portal_id, journal.DECIDE, [key], now=now)
        outcomes.push(tx, portal_id, row["id"], now=now)
    a = t.account.c
    tx.execute(sa.delete(t.account).where(a.portal_id == portal_id, a.company_id == company_id))
    # The sync reads the other company, and has cards follow.
    marks.mark(tx, portal_id, people.LOOK_UP, [row["id"] for row in followers], now=now)


def _follow(tx: Tx, row: Row, subject: str) -> None:
    # One outcome of a subject at an event is live; a second one is found by its people, who are the subject's.
    if outcomes.of_subjects(tx, row["event_id"], [subject]):
        p = t.participation.c
        people_ids = tx.scalars(
            sa.select(p.person_id).where(p.id.in_(row["content"]["participations"])).order_by(p.id)
        )
        names = [f"person:{one}" for one in people_ids]
        free = [one for one in names if not outcomes.of_subjects(tx, row["event_id"], [one])]
        if not free:
            return
        subject = free[0]
    outcomes.rename(tx, row["id"], subject)


def _outcomes(tx: Tx, portal_id: int, company_id: int) -> list[Row]:
    o = t.outcome
    theirs = o.c.portal_id == portal_id, o.c.subject == f"company:{company_id}"
    return [dict(row) for row in tx.execute(sa.select(o).where(*theirs).order_by(o.c.id)).mappings()]
