"""Marks: the one queue of the app.

A mark says "this object needs work", never what work: the worker reads the object's current state. ``mark()``
raises the row's sequence; ``done()`` deletes the row only if the sequence is still the one that was claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, execute_all, insert_of
from b24.store.tables import mark as table
from b24.store.tables import portal

DROPPED = "dropped"
"""``held`` of work a person gave up: it stays as it is until its object changes again."""
HOT, NORMAL, BULK = 0, 5, 9
"""Priorities: arrivals and hot outcomes before ordinary work before mass updates."""


_AT_ONCE = 400
"""Marks named in one statement: databases limit its parameters."""


@dataclass(frozen=True)
class Mark:
    """A claimed mark; ``seq`` is what ``done`` must still find."""

    portal_id: int
    kind: str
    key: str
    seq: int
    attempts: int
    sent_at: datetime | None


def mark(
    tx: Tx,
    portal_id: int,
    kind: str,
    keys: Iterable[str | int],
    *,
    now: datetime,
    priority: int = NORMAL,
    due_at: datetime | None = None,
) -> None:
    """Say that objects need work; on a row that waits already the earlier due time and higher priority win.

    A new mark also releases a held row: something changed, so another try is meaningful. It never hurries a row
    whose last call may still be under way (:func:`sent`): that one waits until it can be looked up.
    """
    mark_objects(tx, portal_id, [(kind, str(key)) for key in keys], now=now, priority=priority, due_at=due_at)


def mark_objects(
    tx: Tx,
    portal_id: int,
    objects: Iterable[tuple[str, str]],
    *,
    now: datetime,
    priority: int = NORMAL,
    due_at: datetime | None = None,
) -> None:
    """Like :func:`mark` for objects of several kinds, ``(kind, key)`` each, in one statement."""
    rows = mark_rows(portal_id, objects, now=now, priority=priority, due_at=due_at)
    execute_all(tx, upsert(tx.dialect.name), rows)


def mark_rows(
    portal_id: int,
    objects: Iterable[tuple[str, str]],
    *,
    now: datetime,
    priority: int = NORMAL,
    due_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """The rows of new marks, for :func:`upsert`.

    In the order of their keys: two transactions marking the same objects wait for each other, no deadlock.
    """
    return [
        {
            "portal_id": portal_id,
            "kind": kind,
            "key": key,
            "seq": 1,
            "priority": priority,
            "due_at": due_at or now,
            "marked_at": now,
        }
        for kind, key in sorted(set(objects))
    ]


@cache
def upsert(dialect: str) -> sa.Insert:
    """The statement that raises a mark: a new row, or a higher ``seq`` with the more urgent of both."""
    statement = insert_of(dialect, table)
    new = statement.excluded
    result: sa.Insert = statement.on_conflict_do_update(
        index_elements=[table.c.portal_id, table.c.kind, table.c.key],
        set_={
            "seq": table.c.seq + 1,
            "priority": sa.case((new.priority < table.c.priority, new.priority), else_=table.c.priority),
            "due_at": sa.case(
                (table.c.sent_at.is_not(None), table.c.due_at),
                (table.c.held.is_not(None), new.due_at),
                (new.due_at < table.c.due_at, new.due_at),
                else_=table.c.due_at,
            ),
            "held": None,
            "held_at": None,
            "held_by": None,
        },
    )
    return result


def claim(tx: Tx, portal_id: int, kinds: Sequence[str], *, now: datetime, limit: int) -> list[Mark]:
    """Due marks of the given kinds, most urgent first.

    Claiming changes nothing: the portal's lease is the lock.
    """
    asked = {"portal_id": portal_id, "kinds": list(kinds), "now": now, "limit": limit}
    return [Mark(*row) for row in tx.execute(_CLAIM, asked)]


# Statements of every round of every drain are built once: building one takes longer than running it.
_DUE = sa.and_(
    table.c.portal_id == sa.bindparam("portal_id"),
    table.c.held.is_(None),
    table.c.due_at <= sa.bindparam("now"),
)
_DUE_KINDS = sa.select(table.c.kind).distinct().where(_DUE)
_CLAIM = (
    sa.select(table.c.portal_id, table.c.kind, table.c.key, table.c.seq, table.c.attempts, table.c.sent_at)
    .where(_DUE, table.c.kind.in_(sa.bindparam("kinds", expanding=True)))
    .order_by(table.c.priority, table.c.due_at, table.c.key)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_FORGET = sa.delete(table).where(
    table.c.portal_id == sa.bindparam("portal_id"),
    table.c.kind == sa.bindparam("kind"),
    table.c.key == sa.bindparam("key"),
    table.c.seq == sa.bindparam("seq"),
)


def due_kinds(tx: Tx, portal_id: int, *, now: datetime) -> set[str]:
    """Kinds of a portal's due marks: what :func:`claim` would find something of."""
    return set(tx.scalars(_DUE_KINDS, {"portal_id": portal_id, "now": now}))


def done(tx: Tx, marks: Iterable[Mark], *, again_at: datetime | None = None) -> None:
    """Forget marks whose object was not marked again since they were claimed; others stay, as new work.

    Every call behind them has its answer: none is looked up any more.

    Args:
        again_at: when what was marked meanwhile is due; without it as soon as it was marked for.
    """
    for portal_id, kind, some in _by_kind(marks):
        if _forget(tx, portal_id, kind, some) < len(some):
            # What is left of these keys was marked meanwhile.
            ours = sa.and_(table.c.portal_id == portal_id, table.c.kind == kind)
            again: dict[str, Any] = {"attempts": 0, "error": None, **_ANSWERED}
            if again_at is not None:
                again["due_at"] = again_at
            tx.execute(
                sa.update(table).where(ours, table.c.key.in_([one.key for one in some])).values(**again)
            )


def _forget(tx: Tx, portal_id: int, kind: str, some: Sequence[Mark]) -> int:
    if len(some) == 1:
        claimed = {"portal_id": portal_id, "kind": kind, "key": some[0].key, "seq": some[0].seq}
        return tx.execute(_FORGET, claimed).rowcount
    ours = sa.and_(table.c.portal_id == portal_id, table.c.kind == kind)
    keys = sa.tuple_(table.c.key, table.c.seq).in_([(one.key, one.seq) for one in some])
    return tx.execute(sa.delete(table).where(ours, keys)).rowcount


_ANSWERED = {
    "sent_at": None,
    "sent_fence": None,
    # A call under way had put it off (sent).
    "due_at": sa.case((table.c.sent_at.is_not(None), table.c.marked_at), else_=table.c.due_at),
}


def _by_kind(marks: Iterable[Mark]) -> Iterator[tuple[int, str, list[Mark]]]:
    """Marks of one portal and kind together, few enough for one statement."""
    groups: dict[tuple[int, str], list[Mark]] = defaultdict(list)
    for one in marks:
        groups[one.portal_id, one.kind].append(one)
    for (portal_id, kind), some in groups.items():
        for at in range(0, len(some), _AT_ONCE):
            yield portal_id, kind, some[at : at + _AT_ONCE]


def retry(tx: Tx, one: Mark, *, at: datetime, error: str, counts: bool = True) -> None:
    """Try again later; ``counts`` is false when nothing was attempted (throttled)."""
    attempts = one.attempts + 1 if counts else one.attempts
    tx.execute(sa.update(table).where(_is(one)).values(due_at=at, attempts=attempts, error=error))


def hold(tx: Tx, one: Mark, *, reason: str, error: str, now: datetime) -> None:
    """Stop trying until a person releases it or the object is marked again.

    ``reason``: permanent, setup, internal. That a call may be under way is not forgotten by it.
    """
    values = {"held": reason, "held_at": now, "held_by": None, "error": error}
    tx.execute(sa.update(table).where(_is(one)).values(**values))


def release(
    tx: Tx, portal_id: int, *, reason: str, now: datetime, kind: str | None = None, key: str | None = None
) -> int:
    """Try work held for one reason again (settings changed, a person pressed "retry"); says how much.

    Args:
        kind, key: only work of this kind, only this object.
    """
    due_at = sa.case((table.c.sent_at.is_not(None), table.c.due_at), else_=now)
    freed = tx.execute(
        sa.update(table)
        .where(_held_as(portal_id, reason, kind, key))
        .values(held=None, held_at=None, held_by=None, due_at=due_at, attempts=0)
    )
    return freed.rowcount


def give_up(tx: Tx, portal_id: int, *, reason: str, kind: str, key: str, by: int, now: datetime) -> bool:
    """A person decides that held work is left undone; it stays known who and when, and what may be under way.

    Only a change of the object, or :func:`release` with ``DROPPED``, takes it up again. ``False``: it is not held for
    this reason any more.
    """
    dropped = tx.execute(
        sa.update(table)
        .where(_held_as(portal_id, reason, kind, key))
        .values(held=DROPPED, held_at=now, held_by=by)
    )
    return bool(dropped.rowcount)


def _held_as(portal_id: int, reason: str, kind: str | None, key: str | None) -> sa.ColumnElement[bool]:
    conditions = [table.c.portal_id == portal_id, table.c.held == reason]
    if kind is not None:
        conditions.append(table.c.kind == kind)
    if key is not None:
        conditions.append(table.c.key == key)
    return sa.and_(*conditions)


@dataclass(frozen=True)
class Held:
    """Work that waits for a person, or that one gave up (``reason`` is then ``dropped``, ``by`` their user id).

    ``at``: since when (aware); ``None`` for work held before this was kept.
    """

    kind: str
    key: str
    reason: str
    error: str
    at: datetime | None
    by: int | None


def held(tx: Tx, portal_id: int, *, reason: str, kind: str | None = None, limit: int) -> list[Held]:
    """Work of a portal held for a reason (``DROPPED``: what was given up), the latest first."""
    c = table.c
    rows = tx.execute(
        sa.select(c.kind, c.key, c.held, c.error, c.held_at, c.held_by)
        .where(_held_as(portal_id, reason, kind, None))
        .order_by(c.held_at.desc().nulls_last(), c.kind, c.key)
        .limit(limit)
    )
    return [Held(row.kind, row.key, row.held, row.error or "", row.held_at, row.held_by) for row in rows]


def lag_s(tx: Tx, portal_id: int | None = None, *, now: datetime) -> float:
    """How long the work that waits longest is overdue, in seconds, of one portal or of all that are worked for.

    Work that was tried in vain is overdue since it was marked, other work since it became due; 0 when nothing is.
    """
    overdue_since = sa.case((table.c.error.is_not(None), table.c.marked_at), else_=table.c.due_at)
    whose = portal.c.state == "active" if portal_id is None else table.c.portal_id == portal_id
    oldest = tx.scalar(
        sa.select(sa.type_coerce(sa.func.min(overdue_since), table.c.due_at.type))
        .join(portal, portal.c.id == table.c.portal_id)
        .where(whose, table.c.held.is_(None), sa.or_(table.c.due_at <= now, table.c.error.is_not(None)))
    )
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0


def sent(tx: Tx, marks: Iterable[Mark], *, now: datetime, fence: int, certain_at: datetime) -> None:
    """Note, before anything leaves, that calls for these marks may be on their way.

    Args:
        fence: the lease number of who sends.
        certain_at: when the portal can no longer be executing them. Until then the marks wait, whatever becomes of
            this process; then they are looked up.
    """
    for portal_id, kind, some in _by_kind(marks):
        tx.execute(
            sa.update(table)
            .where(
                table.c.portal_id == portal_id,
                table.c.kind == kind,
                table.c.key.in_([one.key for one in some]),
            )
            .values(sent_at=now, sent_fence=fence, due_at=certain_at)
        )


def answered(tx: Tx, one: Mark) -> None:
    """The call behind this mark got an answer, whatever it was."""
    tx.execute(sa.update(table).where(_is(one)).values(**_ANSWERED))


def in_flight(tx: Tx, portal_id: int, kind: str, keys: Iterable[str]) -> dict[str, datetime]:
    """Of these objects those whose call may still be under way, and from when on it can be looked up."""
    found = tx.execute(
        sa.select(table.c.key, table.c.due_at).where(
            table.c.portal_id == portal_id,
            table.c.kind == kind,
            table.c.key.in_(list(keys)),
            table.c.sent_at.is_not(None),
        )
    )
    return {row.key: row.due_at for row in found}


def unmark(tx: Tx, portal_id: int, kind: str, key: str | int) -> None:
    """Take a mark back (a closing that was called off)."""
    tx.execute(
        sa.delete(table).where(table.c.portal_id == portal_id, table.c.kind == kind, table.c.key == str(key))
    )


def due_portals(tx: Tx, *, now: datetime) -> list[int]:
    """Portals with something due, the longest waiting first, so that no portal starves behind a busy one."""
    found = tx.execute(
        sa.select(table.c.portal_id)
        .join(portal, portal.c.id == table.c.portal_id)
        # Marks of a paused or removed portal wait for its return.
        .where(portal.c.state == "active", table.c.held.is_(None), table.c.due_at <= now)
        .group_by(table.c.portal_id)
        .order_by(sa.func.min(table.c.due_at))
    )
    return [row.portal_id for row in found]


def waiting(tx: Tx, portal_id: int) -> int:
    """How many marks of a portal are not held (due now or later)."""
    return (
        tx.scalar(
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.portal_id == portal_id, table.c.held.is_(None))
        )
        or 0
    )


def _is(one: Mark) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.portal_id == one.portal_id, table.c.kind == one.kind, table.c.key == one.key)
