"""The journal: facts are appended; projection and marks for the portal follow in the same transaction."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, execute_all, insert
from b24.store.hot import Hot
from smart_process.facts import Kind, NewFact, State, project, reached_bits
from smart_process.store import tables as t
from smart_process.store.one_write import write_one

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

_OWNERS = (
    sa.select(
        t.participation.c.id,
        t.participation.c.portal_id,
        t.participation.c.event_id,
        t.participation.c.person_id,
        t.person.c.company_id,
    )
    .join(t.person, t.person.c.id == t.participation.c.person_id)
    .where(t.participation.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(t.participation.c.id)
    .with_for_update(of=t.participation)
)
_ADD = sa.insert(t.fact)
FACT_COLUMNS = tuple(
    t.fact.c[name] for name in ("participation_id", "kind", "at", "actor", "key", "gate", "data")
)
"""What :func:`fact_of` makes a fact of."""
_FACTS = sa.select(*FACT_COLUMNS).order_by(t.fact.c.id)
_HISTORY = _FACTS.where(t.fact.c.participation_id.in_(sa.bindparam("ids", expanding=True)))
_HISTORY_OF_ONE = Hot(lambda _dialect: _FACTS.where(t.fact.c.participation_id == sa.bindparam("id")))
_PROJECT = sa.update(t.participation).where(t.participation.c.id == sa.bindparam("b_id"))


def new_token() -> str:
    """128 random bits as 22 URL-safe characters (tickets, invitations, enrolment codes)."""
    return secrets.token_urlsafe(16)


def new_uid() -> str:
    """A random key under which the portal's object is found again: 32 hex digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Owner:
    """Whose facts they are: a participation with what marks need to know of it."""

    participation_id: int
    portal_id: int
    event_id: int
    person_id: int
    company_id: int | None

    @property
    def subject(self) -> str:
        """The subject rules look at, as the mark ``decide`` names it."""
        return f"{self.event_id}:{subject_of(self.company_id, self.person_id)}"


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
        facts: per participation id, in the order they are learned. A fact whose key the participation already
            has is the same fact: it changes nothing and marks nothing.
        shadowed: the portal has these values already (they were read from it): no push mark; the caller
            compares.
    Returns:
        The new state of every participation that got a new fact.
    """
    if not facts:
        return {}
    owned = owners(tx, facts)
    known = history(tx, facts)
    return append(tx, owned, known, facts, now=now, priority=priority, shadowed=shadowed)


def owners(tx: Tx, participation_ids: Iterable[int]) -> dict[int, Owner]:
    """Read participations and lock them until the transaction ends, in the order of their ids.

    Without the lock two transactions would each project the same participation without the other's fact.
    """
    rows = tx.execute(_OWNERS, {"ids": list(participation_ids)})
    return {row.id: Owner(*row) for row in rows}


def append(
    tx: Tx,
    owned: Mapping[int, Owner],
    known: Mapping[int, Sequence[NewFact]],
    facts: Mapping[int, Sequence[NewFact]],
    *,
    now: datetime,
    priority: int = marks.NORMAL,
    shadowed: bool = False,
) -> dict[int, State]:
    """Like :func:`record`, for a caller who has locked the participations and read their facts since then."""
    new = _unknown(known, facts)
    if not new:
        return {}
    states = {pid: project([*known[pid], *some]) for pid, some in new.items()}
    rows = [_row(owned[pid], one, now) for pid, some in new.items() for one in some]
    raised = _marks(owned, new, now=now, priority=priority, push=not shadowed)
    if len(rows) == 1 and raised:
        ((pid, state),) = states.items()
        write_one(tx, rows[0], pid, _columns(state, now), raised)
        return states
    execute_all(tx, _ADD, rows)
    _store(tx, states, now)
    execute_all(tx, marks.upsert(tx.dialect.name), raised)
    return states


def refresh(
    tx: Tx,
    changed: Mapping[int, Sequence[NewFact]],
    *,
    now: datetime,
    priority: int = marks.NORMAL,
    shadowed: bool = False,
) -> dict[int, State]:
    """Project participations from all their facts and mark what follows; ``changed`` names the new facts."""
    owned = owners(tx, changed)
    states = {pid: project(known) for pid, known in history(tx, changed).items()}
    _store(tx, states, now)
    raised = _marks(owned, changed, now=now, priority=priority, push=not shadowed)
    execute_all(tx, marks.upsert(tx.dialect.name), raised)
    return states


def history(tx: Tx, participation_ids: Iterable[int]) -> dict[int, list[NewFact]]:
    """All facts of participations, in the order they were learned."""
    found: dict[int, list[NewFact]] = {pid: [] for pid in participation_ids}
    ids = list(found)
    rows = _HISTORY_OF_ONE.run(tx, {"id": ids[0]}) if len(ids) == 1 else tx.execute(_HISTORY, {"ids": ids})
    for row in rows:
        found[row.participation_id].append(fact_of(row))
    return found


def fact_of(row: Any) -> NewFact:
    """A fact from a row with ``FACT_COLUMNS``."""
    return NewFact(Kind(row.kind), row.at, row.actor, row.key, row.gate, row.data)


def subject_of(company_id: int | None, person_id: int) -> str:
    """Whom rules look at: the company, or the person while no company is resolved."""
    return f"company:{company_id}" if company_id else f"person:{person_id}"


def _unknown(
    known: Mapping[int, Sequence[NewFact]], facts: Mapping[int, Sequence[NewFact]]
) -> dict[int, list[NewFact]]:
    new: dict[int, list[NewFact]] = {}
    for pid, some in facts.items():
        keys = {one.key for one in known[pid]}
        fresh = {one.key: one for one in reversed(some) if one.key not in keys}
        if fresh:
            new[pid] = list(reversed(fresh.values()))
    return new


def _row(owner: Owner, one: NewFact, now: datetime) -> dict[str, Any]:
    return {
        "portal_id": owner.portal_id,
        "participation_id": owner.participation_id,
        "kind": one.kind.value,
        "at": one.at,
        "known_at": now,
        "actor": one.actor,
        "gate": one.gate,
        "key": one.key,
        "data": dict(one.data),
    }


def _store(tx: Tx, states: Mapping[int, State], now: datetime) -> None:
    execute_all(tx, _PROJECT, [{"b_id": pid, **_columns(state, now)} for pid, state in states.items()])


def _columns(state: State, now: datetime) -> dict[str, Any]:
    return {
        "stage": state.stage.value,
        "reached": reached_bits(state.reached),
        "registered_at": state.registered_at,
        "arrived_at": state.arrived_at,
        "gate": state.gate,
        "device": state.device,
        "source": state.source,
        "flags": dict.fromkeys(sorted(state.flags), True),
        "product_lines": list(state.product_lines),
        "note": state.note,
        "passages": {area: one.to_json() for area, one in state.passages.items()},
        "consent_version": state.consent_version,
        "consent_at": state.consent_at,
        "cancelled": state.cancelled,
        "removed_at": now if state.removed else None,
    }


def _marks(
    owned: Mapping[int, Owner],
    changed: Mapping[int, Sequence[NewFact]],
    *,
    now: datetime,
    priority: int,
    push: bool,
) -> list[dict[str, Any]]:
    by_portal: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for pid, some in changed.items():
        owner = owned[pid]
        if push:
            by_portal[owner.portal_id].append((PUSH, str(pid)))
        if any(one.kind in _DECIDING for one in some):
            by_portal[owner.portal_id].append((DECIDE, owner.subject))
    return [
        row
        for portal_id, objects in sorted(by_portal.items())
        for row in marks.mark_rows(portal_id, objects, now=now, priority=priority)
    ]


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
