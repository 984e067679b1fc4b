"""What people in the portal decided about guests and companies, so that the same question is not asked again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store import tables as t

Row = Mapping[str, Any]
CARD, NEW, NONE = "card", "new", "none"
"""Answers: this card; a new one is made; none is made."""


def remember(
    tx: Tx,
    portal_id: int,
    key: str,
    person_id: int,
    answer: str,
    *,
    contact_id: int | None = None,
    company_id: int | None = None,
    actor: str,
    now: datetime,
) -> None:
    """Keep an answer; a later one to the same question takes its place.

    Args:
        key: of the question (smart_process.identities); ``person_id``: about whom it was asked.
    """
    values = {
        "person_id": person_id,
        "answer": answer,
        "contact_id": contact_id,
        "company_id": company_id,
        "actor": actor,
        "at": now,
    }
    d = t.decision
    statement = insert(tx, d).values(portal_id=portal_id, key=key, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=[d.c.portal_id, d.c.key], set_=values))


def remembered(tx: Tx, portal_id: int, questions: Mapping[str, tuple[str, int]]) -> dict[str, Row]:
    """Answers by the name of a question.

    Args:
        questions: name → key and person; what was decided about a person counts also after they told us more.
    """
    if not questions:
        return {}
    d = t.decision.c
    keys = [key for key, _person in questions.values()]
    people = [person for _key, person in questions.values()]
    asked = sa.select(t.decision).where(
        d.portal_id == portal_id, sa.or_(d.key.in_(keys), d.person_id.in_(people))
    )
    by_key: dict[str, Row] = {}
    by_person: dict[tuple[int, str], Row] = {}
    for found in tx.execute(asked.order_by(d.at, d.key)).mappings():
        by_key[found["key"]] = by_person[found["person_id"], _about(found["key"])] = dict(found)
    return {
        name: answer
        for name, (key, person) in questions.items()
        if (answer := by_key.get(key) or by_person.get((person, _about(key))))
    }


def _about(key: str) -> str:
    """What a question is about: its key begins with it."""
    return key.partition(":")[0]
