"""The journal: facts are appended, the projection and the mark for the portal follow in the same transaction."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, insert
from smart_process.facts import Kind, NewFact, State, project, reached_bits
from smart_process.store import tables as t

PUSH = "participation"
"""Mark: our picture of a participation is ahead of the portal's."""
DECIDE = "decide"
"""Mark: rules have something to look at; key is ``<event id>:<subject>``."""

_DECIDING = frozenset(
    {
        Kind.ARRIVED,
        Kind.ARRIVAL_ANNULLED,
        Kind.FLAG_SET,
        Kind.FLAG_WITHDRAWN,
        Kind.STAGE_MOVED,
        Kind.CANCELLED,
        Kind.NO_SHOW,
        Kind.REMOVED,
        Kind.RESTORED,
        Kind.MERGED,
    }
)


def new_token() -> str:
    """128 random bits as 22 URL-safe characters (tickets, invitations, enrolment codes)."""
    return secrets.token_urlsafe(16)


def new_uid() -> str:
    """A random key under which the portal's object is found again: 32 hex digits."""
    return secrets.token_hex(16)


def record(
    tx: Tx,
    facts: Mapping[int, Sequence[NewFact]],
    *,
    now: datetime,
    priority: int = marks.NORMAL,
    shadowed: bool = False,
) -> dict[int, State]:
    """Append facts to participations, project them anew and mark them for the portal.

    Args:
        facts: per participation id, in the order they are learned. A fact whose key the participation already has
            is the same fact: it changes nothing and marks nothing.
        shadowed: the portal has these values already (they were read from it): no push mark; the caller compares.
    Returns:
        The new state of every participation that got a new fact.
    """
    new = _unknown(tx, facts)
    if not new:
        return {}
    tx.execute(sa.insert(t.fact), list(_fact_rows(tx, new, now)))
    return refresh(tx, new, now=now, priority=priority, shadowed=shadowed)


def refresh(
    tx: Tx,
    changed: Mapping[int, Sequence[NewFact]],
    *,
    now: datetime,
    priority: int = marks.NORMAL,
    shadowed: bool = False,
) -> dict[int, State]:
    """Project participations from all their facts and mark what follows; ``changed`` names the new facts."""
    states = {pid: project(known) for pid, known in history(tx, changed).items()}
    tx.execute(
        sa.update(t.participation).where(t.participation.c.id == sa.bindparam("b_id")),
        [{"b_id": pid, **_columns(state, now)} for pid, state in states.items()],
    )
    _mark(tx, changed, now=now, priority=priority, push=not shadowed)
    return states


def history(tx: Tx, participation_ids: Iterable[int]) -> dict[int, list[NewFact]]:
    """All facts of participations, in the order they were learned."""
    found: dict[int, list[NewFact]] = {pid: [] for pid in participation_ids}
    rows = tx.execute(
        sa.select(t.fact).where(t.fact.c.participation_id.in_(list(found))).order_by(t.fact.c.id)
    )
    for row in rows:
        found[row.participation_id].append(
            NewFact(Kind(row.kind), row.at, row.actor, row.key, row.gate, row.data)
        )
    return found


def subject_of(company_id: int | None, person_id: int) -> str:
    """Whom rules look at: the company, or the person while no company is resolved."""
    return f"company:{company_id}" if company_id else f"person:{person_id}"


def _unknown(tx: Tx, facts: Mapping[int, Sequence[NewFact]]) -> dict[int, list[NewFact]]:
    keys = {one.key for some in facts.values() for one in some}
    known = {
        (row.participation_id, row.key)
        for row in tx.execute(
            sa.select(t.fact.c.participation_id, t.fact.c.key).where(
                t.fact.c.participation_id.in_(list(facts)), t.fact.c.key.in_(list(keys))
            )
        )
    }
    new: dict[int, list[NewFact]] = defaultdict(list)
    for pid, some in facts.items():
        for one in some:
            if (pid, one.key) not in known:
                known.add((pid, one.key))
                new[pid].append(one)
    return dict(new)


def _fact_rows(
    tx: Tx, new: Mapping[int, Sequence[NewFact]], now: datetime
) -> Iterable[dict[str, Any]]:
    owners = dict(
        tx.execute(
            sa.select(t.participation.c.id, t.participation.c.portal_id).where(
                t.participation.c.id.in_(list(new))
            )
        )
        .tuples()
        .all()
    )
    for pid, some in new.items():
        for one in some:
            yield {
                "portal_id": owners[pid],
                "participation_id": pid,
                "kind": one.kind.value,
                "at": one.at,
                "known_at": now,
                "actor": one.actor,
                "gate": one.gate,
                "key": one.key,
                "data": dict(one.data),
            }


def _columns(state: State, now: datetime) -> dict[str, Any]:
    return {
        "stage": state.stage.value,
        "reached": reached_bits(state.reached),
        "registered_at": state.registered_at,
        "arrived_at": state.arrived_at,
        "gate": state.gate,
        "device": state.device,
        "source": state.source,
        "flags": {flag: True for flag in sorted(state.flags)},
        "product_lines": list(state.product_lines),
        "note": state.note,
        "consent_version": state.consent_version,
        "consent_at": state.consent_at,
        "cancelled": state.cancelled,
        "removed_at": now if state.removed else None,
    }


def _mark(
    tx: Tx, changed: Mapping[int, Sequence[NewFact]], *, now: datetime, priority: int, push: bool
) -> None:
    rows = tx.execute(
        sa.select(
            t.participation.c.id,
            t.participation.c.portal_id,
            t.participation.c.event_id,
            t.participation.c.person_id,
            t.person.c.company_id,
        )
        .join(t.person, t.person.c.id == t.participation.c.person_id)
        .where(t.participation.c.id.in_(list(changed)))
    ).all()
    by_portal: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_portal[row.portal_id].append(row)
    for portal_id, some in by_portal.items():
        if push:
            marks.mark(tx, portal_id, PUSH, [row.id for row in some], now=now, priority=priority)
        deciding = [row for row in some if any(one.kind in _DECIDING for one in changed[row.id])]
        marks.mark(
            tx,
            portal_id,
            DECIDE,
            [f"{row.event_id}:{subject_of(row.company_id, row.person_id)}" for row in deciding],
            now=now,
            priority=priority,
        )


def add_participation(
    tx: Tx, *, portal_id: int, event_id: int, person_id: int, item_id: int | None = None
) -> int | None:
    """Make the participation of a person at an event, without facts yet.

    Returns:
        Its id, or ``None`` when the person already has one there (somebody else was faster): read it then.
    """
    row = tx.execute(
        insert(tx, t.participation)
        .values(
            portal_id=portal_id,
            event_id=event_id,
            person_id=person_id,
            uid=new_uid(),
            item_id=item_id,
            ticket=new_token(),
            invitation=new_token(),
            stage="selected",
            flags={},
            product_lines=[],
            shadow={},
        )
        .on_conflict_do_nothing()
        .returning(t.participation.c.id)
    ).first()
    return row.id if row else None
