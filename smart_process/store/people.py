"""Persons of a portal: strangers unified by what they told us, cards by their id.

Two submissions of one stranger must make one person, also at the same moment: SQLite has one writer, on
PostgreSQL whoever looks for an address or a number holds it until the transaction ends.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx
from smart_process import names
from smart_process.people import Contact, Identity, Sameness, agreement, same_person
from smart_process.store import tables as t
from smart_process.store.journal import new_uid

LOOK_UP = "person"
"""Mark: find the person's card in the portal, or make one."""

_SLOTS = 64
_LIMITS = {
    "last_name": 120,
    "first_name": 120,
    "position": 160,
    "company_name": 255,
    "email": 254,
    "phone": 20,
}


def find_or_add_person(tx: Tx, portal_id: int, submitted: Identity, now: datetime) -> int:
    """The person who describes themselves so; made, and marked for the look-up in the portal, when new.

    What we did not know yet is filled in, nothing known is replaced. When the description fits people who
    contradict each other («Иванов И.» beside Иван and Илья) a new person waits for a decision in the portal.
    """
    fitting = _fitting(tx, portal_id, submitted)
    chosen = _choose(fitting, submitted)
    if chosen is None:
        return _add(tx, portal_id, submitted, now, candidates=_candidates(fitting))
    _fill(tx, chosen, submitted, now)
    return int(chosen.id)


def find_person(tx: Tx, portal_id: int, submitted: Identity) -> int | None:
    """The person :func:`find_or_add_person` would choose, changing nothing."""
    chosen = _choose(_fitting(tx, portal_id, submitted), submitted)
    return int(chosen.id) if chosen else None


def complete(tx: Tx, person_id: int, submitted: Identity, now: datetime) -> None:
    """Fill in what we did not know of a person who is surely this one (their personal link was used)."""
    row = tx.execute(sa.select(t.person).where(t.person.c.id == person_id)).one()
    _fill(tx, row, submitted, now)


def person_for_contact(tx: Tx, portal_id: int, contact: Contact, now: datetime) -> int:
    """The person behind a CRM card, made when unknown; the card's values replace ours, its empty ones do not.

    A stranger who registered before and is the same person becomes this card's person.
    """
    known = tx.execute(_of(portal_id).where(t.person.c.contact_id == contact.contact_id).limit(1)).first()
    if known is None:
        hold(tx, portal_id, [contact])
        strangers = [
            row
            for row in _agreeing(tx, portal_id, contact)
            if row.contact_id is None and _is_same(row, contact)
        ]
        known = _choose(strangers, contact)
    if known is None:
        return _add(tx, portal_id, contact, now, contact_id=contact.contact_id, company_id=contact.company_id)
    values: dict[str, Any] = {key: value for key, value in _values(contact).items() if value}
    company: dict[str, Any] = {"company_id": contact.company_id} if contact.company_id else {}
    linked: dict[str, Any] = {
        "contact_id": contact.contact_id,
        **company,
        "match": "matched",
        "candidates": [],
    }
    if known.contact_id == contact.contact_id:
        linked = company
    _update(tx, known, values | linked)
    return int(known.id)


def identity(tx: Tx, person_id: int) -> Identity:
    """What we know of a person.

    Raises:
        LookupError: there is no such person.
    """
    row = tx.execute(sa.select(t.person).where(t.person.c.id == person_id)).first()
    if row is None:
        raise LookupError(f"person {person_id}")
    return _identity(row)


def _of(portal_id: int) -> sa.Select[Any]:
    return sa.select(t.person).where(t.person.c.portal_id == portal_id).order_by(t.person.c.id)


def _agreeing(tx: Tx, portal_id: int, one: Identity) -> Sequence[sa.Row[Any]]:
    same = [
        column == value
        for column, value in ((t.person.c.email, one.email), (t.person.c.phone, one.phone))
        if value
    ]
    return tx.execute(_of(portal_id).where(sa.or_(*same))).all() if same else []


def _fitting(tx: Tx, portal_id: int, one: Identity) -> list[sa.Row[Any]]:
    hold(tx, portal_id, [one])
    return [row for row in _agreeing(tx, portal_id, one) if _is_same(row, one)]


def _identity(row: sa.Row[Any]) -> Identity:
    return Identity(**{key: getattr(row, key) for key in _LIMITS})


def _is_same(row: sa.Row[Any], one: Identity) -> bool:
    return same_person(_identity(row), one) is Sameness.SAME


def _choose(fitting: Sequence[sa.Row[Any]], one: Identity) -> sa.Row[Any] | None:
    """The best of several; nobody when they contradict each other and none has the very same name."""
    if not fitting:
        return None
    for row in fitting:
        if sorted(names.words(_identity(row).name)) == sorted(names.words(one.name)):
            return row
    # max() keeps the first of equals: the oldest.
    best = max(fitting, key=lambda row: agreement(_identity(row), one))
    if names.equal(_identity(best).name, one.name):
        return best
    pairs = combinations([_identity(row).name for row in fitting], 2)
    return None if any(names.contradict(a, b) for a, b in pairs) else best


def _candidates(fitting: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    """Those with a card: only between cards can somebody in the portal decide."""
    return [
        {
            "contact_id": row.contact_id,
            "company_id": row.company_id,
            "name": _identity(row).name,
            "reason": "несколько карточек подходят",
        }
        for row in fitting
        if row.contact_id
    ]


def _add(
    tx: Tx,
    portal_id: int,
    one: Identity,
    now: datetime,
    *,
    contact_id: int | None = None,
    company_id: int | None = None,
    candidates: Sequence[dict[str, Any]] = (),
) -> int:
    row = tx.execute(
        sa.insert(t.person)
        .values(
            portal_id=portal_id,
            uid=new_uid(),
            contact_id=contact_id,
            company_id=company_id,
            match="matched" if contact_id else "undecided" if candidates else "new",
            candidates=list(candidates),
            **_values(one),
        )
        .returning(t.person.c.id)
    ).one()
    if contact_id is None:
        marks.mark(tx, portal_id, LOOK_UP, [row.id], now=now)
    return int(row.id)


def _fill(tx: Tx, row: sa.Row[Any], one: Identity, now: datetime) -> None:
    """Fill what is empty; a name given in full also replaces initials of a person without a card."""
    new = {key: value for key, value in _values(one).items() if value and not getattr(row, key)}
    if row.contact_id is None and _fuller(one, _identity(row)):
        new |= {"last_name": _values(one)["last_name"], "first_name": _values(one)["first_name"]}
    _update(tx, row, new)
    if new:
        marks.mark(tx, row.portal_id, LOOK_UP, [row.id], now=now)


def _fuller(one: Identity, than: Identity) -> bool:
    def letters(name: str) -> list[int]:
        return sorted(len(word) for word in names.words(name))

    return len(names.words(one.name)) >= len(names.words(than.name)) and min(
        letters(one.name), default=0
    ) > 1 >= min(letters(than.name), default=0)


def _update(tx: Tx, row: sa.Row[Any], values: dict[str, Any]) -> None:
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    if changed:
        tx.execute(sa.update(t.person).where(t.person.c.id == row.id).values(**changed))


def _values(one: Identity) -> dict[str, str]:
    return {key: getattr(one, key)[:limit] for key, limit in _LIMITS.items()}


def hold(tx: Tx, portal_id: int, people: Iterable[Identity]) -> None:
    """Hold addresses and numbers until the transaction ends; call it first when there are many people."""
    if tx.dialect.name != "postgresql":
        return
    keys = {value for one in people for value in (one.email, one.phone) if value}
    # Few locks for any number of people, taken in one order everywhere: nobody waits in a circle.
    for slot in sorted({zlib.crc32(key.encode()) % _SLOTS for key in keys}):
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(portal_id, slot)))
