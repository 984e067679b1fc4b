"""Rows of a database made for load: one live event with registered guests, written as fast as databases take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import portal
from smart_process.facts import Kind, NewFact, State, project, reached_bits
from smart_process.store import tables as t
from smart_process.store.journal import new_token, new_uid

ZONE = "Asia/Almaty"


def is_empty(tx: Tx) -> bool:
    """Whether no portal was ever here."""
    return not tx.scalar(sa.select(sa.func.count()).select_from(portal))


def count_anew(tx: Tx) -> None:
    """PostgreSQL plans by what it counted last, and has seen nothing of what was just written."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.text("ANALYZE"))


def add_event(tx: Tx, now: datetime) -> tuple[int, int]:
    """A portal that cannot be reached and its event, live since an hour; answers their ids."""
    portal_id = _id(
        tx,
        portal,
        member_id="bench",
        client_endpoint="https://bench.invalid/rest/",
        access_token="",
        refresh_token="",
        token_expires_at=now,
        user_id=1,
        installed_at=now,
        updated_at=now,
    )
    event_id = _id(
        tx,
        t.event,
        portal_id=portal_id,
        item_id=1,
        code=new_token(),
        title="Bench",
        stage="live",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(days=30),
        time_zone=ZONE,
        product_lines=[],
        shadow={},
    )
    return portal_id, event_id


def _id(tx: Tx, table: sa.Table, **values: Any) -> int:
    return int(tx.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one())


def add_guests(
    tx: Tx, portal_id: int, event_id: int, guests: Mapping[int, Mapping[str, str]], now: datetime
) -> list[str]:
    """Registered guests with cards in the portal; answers their tickets.

    Args:
        guests: number → what a guest says of themselves (last_name, first_name, position, company_name).
    """
    tx.execute(
        sa.insert(t.person), [_person(portal_id, number) | dict(told) for number, told in guests.items()]
    )
    people = _newest(tx, t.person, len(guests))
    fact = NewFact(Kind.REGISTERED, now, "guest", "registered", data={"source": "page"})
    state = project([fact])
    rows = [
        _seat(portal_id, event_id, person, number, state)
        for number, person in zip(guests, people, strict=True)
    ]
    tx.execute(sa.insert(t.participation), rows)
    seats = _newest(tx, t.participation, len(guests))
    tx.execute(sa.insert(t.fact), list(_facts(portal_id, seats, fact)))
    return [row["ticket"] for row in rows]


def _newest(tx: Tx, table: sa.Table, how_many: int) -> list[int]:
    """Ids of the rows inserted last, in their order."""
    found = tx.scalars(sa.select(table.c.id).order_by(table.c.id.desc()).limit(how_many)).all()
    return sorted(found)


def _person(portal_id: int, number: int) -> dict[str, Any]:
    return {
        "portal_id": portal_id,
        "uid": new_uid(),
        "email": f"guest{number}@bench.example",
        "phone": f"+7700{number:07d}",
        "contact_id": number + 1,
        "company_id": number // 5 + 1,
        "match": "created",
        "candidates": [],
    }


def _seat(portal_id: int, event_id: int, person_id: int, number: int, state: State) -> dict[str, Any]:
    return {
        "portal_id": portal_id,
        "event_id": event_id,
        "person_id": person_id,
        "uid": new_uid(),
        "item_id": number + 1,
        "ticket": new_token(),
        "invitation": new_token(),
        "stage": state.stage.value,
        "reached": reached_bits(state.reached),
        "registered_at": state.registered_at,
        "source": state.source,
        "flags": {},
        "product_lines": [],
        "shadow": {},
    }


def _facts(portal_id: int, seats: Sequence[int], fact: NewFact) -> Iterator[dict[str, Any]]:
    for seat in seats:
        yield {
            "portal_id": portal_id,
            "participation_id": seat,
            "kind": fact.kind.value,
            "at": fact.at,
            "known_at": fact.at,
            "actor": fact.actor,
            "key": fact.key,
            "data": dict(fact.data),
        }
