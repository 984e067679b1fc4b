"""What decisions read and write: subjects at an event, their facts, and outcomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, insert
from b24.store.tables import mark
from b24.store.tables import portal as portal_table
from smart_process.facts import NewFact
from smart_process.store import journal
from smart_process.store import tables as t

PUSH = "outcome"
"""Mark: an outcome's deal or task is behind our picture; key is the outcome's id."""
TO_DO = "todo"
"""Mark: the to-do of an outcome's deal is to be made, or its deadline was brought forward."""
SAY = "effect"
"""Mark: something waits to be said in the portal; key is the effect's id."""
LIVE, SUPERSEDED, WITHDRAWN, REMOVED = "live", "superseded", "withdrawn", "removed"
BESIDE = "beside"
"""A deal of people's own beside the live one: followed, never written to."""

Row = Mapping[str, Any]


def event(tx: Tx, portal_id: int, event_id: int) -> Row | None:
    """One event of a portal."""
    return _first(tx, _EVENT, id=event_id, portal_id=portal_id)


def installer(tx: Tx, portal_id: int) -> int:
    """The portal user who installed the app."""
    found = tx.execute(sa.select(portal_table.c.user_id).where(portal_table.c.id == portal_id))
    return int(found.scalar_one())


def person(tx: Tx, portal_id: int, person_id: int) -> Row | None:
    """One person of a portal."""
    return _first(tx, _PERSON, id=person_id, portal_id=portal_id)


def being_looked_up(tx: Tx, portal_id: int, person_id: int) -> bool:
    """Whether the sync is still finding out who a person is; it then asks for a decision again."""
    found = tx.scalar(
        sa.select(mark.c.seq).where(
            mark.c.portal_id == portal_id,
            mark.c.kind == "person",
            mark.c.key == str(person_id),
            mark.c.held.is_(None),
        )
    )
    return found is not None


def colleagues_mark(tx: Tx, portal_id: int) -> str | None:
    """``waiting`` or ``held`` when colleagues are to be read, ``None`` when nobody asked."""
    found = tx.execute(
        sa.select(mark.c.held).where(mark.c.portal_id == portal_id, mark.c.kind == "colleagues")
    ).first()
    return None if found is None else "held" if found.held else "waiting"


def guests(tx: Tx, portal_id: int, event_id: int, subject: str) -> list[Row]:
    """Living participations of a subject at an event, with their people; cancelled ones left out."""
    kind, _, number = subject.partition(":")
    asked = {"portal_id": portal_id, "event_id": event_id, "number": int(number)}
    return _rows(tx, _guests(of_company=kind == "company"), asked)


def facts(tx: Tx, participation_ids: Iterable[int]) -> dict[int, list[tuple[int, NewFact]]]:
    """All facts of participations with their ids, in the order they were learned."""
    found: dict[int, list[tuple[int, NewFact]]] = defaultdict(list)
    for row in tx.execute(_FACTS, {"ids": list(participation_ids)}):
        found[row.participation_id].append((row.id, journal.fact_of(row)))
    return found


def account(tx: Tx, portal_id: int, company_id: int) -> Row | None:
    """What we know of a CRM company."""
    return _first(tx, _ACCOUNT, portal_id=portal_id, company_id=company_id)


def device_names(tx: Tx, event_id: int) -> dict[int, str]:
    """Devices of an event by id."""
    return {row.id: row.name for row in tx.execute(_DEVICES, {"event_id": event_id})}


def of_subjects(tx: Tx, event_id: int, subjects: Iterable[str]) -> list[Row]:
    """Outcomes of subjects at an event that still say something: live ones, and those a person removed.

    Live ones are locked until the transaction ends.
    """
    return _rows(tx, _OF_SUBJECTS, {"event_id": event_id, "subjects": list(subjects)})


def add(tx: Tx, values: Row) -> int | None:
    """A new outcome, live unless ``values`` say otherwise; ``None`` when its subject got a live one meanwhile."""
    row = tx.execute(
        insert(tx, t.outcome)
        .values({"uid": journal.new_uid(), "state": LIVE, "touched": False, "shadow": {}, **values})
        .on_conflict_do_nothing()
        .returning(t.outcome.c.id)
    ).first()
    return row.id if row else None


def by_ids(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """Outcomes by id."""
    return _rows(tx, sa.select(t.outcome).where(t.outcome.c.id.in_(list(ids))).order_by(t.outcome.c.id))


def change(tx: Tx, row: Row, *, now: datetime, urgency: int = marks.NORMAL, **values: Any) -> None:
    """Change columns of an outcome and have its deal or task brought up to it."""
    tx.execute(sa.update(t.outcome).where(t.outcome.c.id == row["id"]).values(**values))
    push(tx, row["portal_id"], row["id"], now=now, priority=urgency)


def rename(tx: Tx, outcome_id: int, subject: str) -> None:
    """An outcome follows its subject: the person turned out to belong to a company."""
    tx.execute(sa.update(t.outcome).where(t.outcome.c.id == outcome_id).values(subject=subject))


def push(tx: Tx, portal_id: int, outcome_id: int, *, now: datetime, priority: int = marks.NORMAL) -> None:
    """Have an outcome's deal or task made or brought up to our picture."""
    marks.mark(tx, portal_id, PUSH, [outcome_id], now=now, priority=priority)


def refused(tx: Tx, portal_id: int) -> list[Row]:
    """Live tasks that stand in for a deal the portal refused, oldest first."""
    o = t.outcome
    maybe = sa.cast(o.c.content, sa.Text).like('%"refused"%')
    found = _rows(
        tx,
        sa.select(o)
        .where(o.c.portal_id == portal_id, o.c.state == LIVE, o.c.kind == "task", maybe)
        .order_by(o.c.id),
    )
    return [row for row in found if row["content"].get("refused")]


def stood_in(tx: Tx, row: Row) -> Row | None:
    """The open task that stood in for a refused deal of the same subject until this deal was to take its place."""
    o = t.outcome
    found = _rows(
        tx,
        sa.select(o)
        .where(
            o.c.event_id == row["event_id"],
            o.c.subject == row["subject"],
            o.c.state == SUPERSEDED,
            o.c.kind == "task",
            o.c.item_id.is_not(None),
            o.c.result.is_(None),
        )
        .order_by(o.c.id.desc())
        .limit(1),
    )
    return next(
        (one for one in found if one["content"].get("refused") and not one["shadow"].get("closed")), None
    )


def open_ones(tx: Tx, portal_id: int) -> list[Row]:
    """Live outcomes with a deal or task about which nothing is decided yet: id, owner, shadow."""
    o = t.outcome
    undone = o.c.state == LIVE, o.c.result.is_(None), o.c.item_id.is_not(None)
    return _rows(
        tx,
        sa.select(o.c.id, o.c.owner_id, o.c.shadow)
        .where(o.c.portal_id == portal_id, *undone)
        .order_by(o.c.id),
    )


def may_exist(tx: Tx, row: Row) -> bool:
    """Whether the portal has, or may have, the deal or task of an outcome (a create without an answer)."""
    if row["item_id"]:
        return True
    sent = tx.scalar(
        sa.select(mark.c.sent_at).where(
            mark.c.portal_id == row["portal_id"], mark.c.kind == PUSH, mark.c.key == str(row["id"])
        )
    )
    return sent is not None


def spoken_for(tx: Tx, outcome_id: int, participation_ids: Iterable[int]) -> list[int]:
    """Which of the participations this outcome speaks for in the CRM."""
    p = t.participation
    found = tx.scalars(
        sa.select(p.c.id).where(p.c.id.in_(list(participation_ids)), p.c.outcome_id == outcome_id)
    )
    return list(found)


def speaking_for(tx: Tx, participation_id: int) -> Row | None:
    """The live outcome that speaks for a participation."""
    o, p = t.outcome, t.participation
    found = tx.execute(
        sa.select(o).join(p, p.c.outcome_id == o.c.id).where(p.c.id == participation_id, o.c.state == LIVE)
    )
    row = found.mappings().first()
    return dict(row) if row else None


def let_go(tx: Tx, participation_ids: Sequence[int]) -> None:
    """No outcome speaks for these participations any more."""
    p = t.participation
    tx.execute(sa.update(p).where(p.c.id.in_(list(participation_ids))).values(outcome_id=None))


def first_item(tx: Tx, participation_ids: Iterable[int]) -> int | None:
    """CRM id of the first of these participations that has a card."""
    p = t.participation
    return tx.scalar(
        sa.select(p.c.item_id)
        .where(p.c.id.in_(list(participation_ids)), p.c.item_id.is_not(None), p.c.removed_at.is_(None))
        .order_by(p.c.id)
        .limit(1)
    )


def say(tx: Tx, portal_id: int, kind: str, key: str, body: Mapping[str, Any], *, now: datetime) -> None:
    """Have something said once in the portal: ``comment`` or ``notify``; the same key again is silence."""
    row = tx.execute(
        insert(tx, t.effect)
        .values(portal_id=portal_id, kind=kind, key=key[:120], body=dict(body))
        .on_conflict_do_nothing()
        .returning(t.effect.c.id)
    ).first()
    if row is not None:
        marks.mark(tx, portal_id, SAY, [row.id], now=now)


def _rows(tx: Tx, statement: sa.Select[Any], asked: Mapping[str, Any] | None = None) -> list[Row]:
    return [dict(row) for row in tx.execute(statement, asked).mappings()]


def _first(tx: Tx, statement: sa.Select[Any], **asked: Any) -> Row | None:
    row = tx.execute(statement, asked).mappings().first()
    return dict(row) if row else None


# What every decision reads is built once: building a statement takes longer than running it.
_EVENT = sa.select(t.event).where(
    t.event.c.id == sa.bindparam("id"), t.event.c.portal_id == sa.bindparam("portal_id")
)
_PERSON = sa.select(t.person).where(
    t.person.c.id == sa.bindparam("id"), t.person.c.portal_id == sa.bindparam("portal_id")
)
_ACCOUNT = sa.select(t.account).where(
    t.account.c.portal_id == sa.bindparam("portal_id"), t.account.c.company_id == sa.bindparam("company_id")
)
_DEVICES = sa.select(t.device.c.id, t.device.c.name).where(t.device.c.event_id == sa.bindparam("event_id"))
_FACTS = (
    sa.select(t.fact)
    .where(t.fact.c.participation_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(t.fact.c.id)
)
_OF_SUBJECTS = (
    sa.select(t.outcome)
    .where(
        t.outcome.c.event_id == sa.bindparam("event_id"),
        t.outcome.c.subject.in_(sa.bindparam("subjects", expanding=True)),
        t.outcome.c.state.in_((LIVE, REMOVED)),
    )
    .order_by(t.outcome.c.id)
    .with_for_update()
)


@cache
def _guests(*, of_company: bool) -> sa.Select[Any]:
    p, h = t.participation, t.person
    number = sa.bindparam("number", type_=sa.Integer)
    who = (h.c.company_id == number,) if of_company else (h.c.id == number, h.c.company_id.is_(None))
    ids = sa.select(h.c.id).where(h.c.portal_id == sa.bindparam("portal_id"), *who)
    return (
        sa.select(
            p, h.c.last_name, h.c.first_name, h.c.position, h.c.company_name, h.c.company_id, h.c.contact_id
        )
        .join(h, h.c.id == p.c.person_id)
        .where(
            p.c.event_id == sa.bindparam("event_id"),
            p.c.person_id.in_(ids),
            p.c.removed_at.is_(None),
            p.c.merged_into.is_(None),
            p.c.cancelled.is_(False),
        )
        .order_by(p.c.id)
    )
