"""Persons of a portal: strangers unified by what they told us, cards by their id.

Two submissions of one stranger must make one person, also at the same moment: SQLite has one writer, on
PostgreSQL whoever looks for an address or a number holds it until the transaction ends.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, insert
from smart_process import names
from smart_process.people import Contact, Identity, Sameness, agreement, same_person
from smart_process.store import tables as t
from smart_process.store.journal import new_uid

LOOK_UP = "person"
"""Mark: find the person's card in the portal, or make one."""

LOST = "lost"
"""``person.match`` of whose contact was deleted: it is looked for and not made again."""
_SLOTS = 64
_LIMITS = {
    "last_name": 120,
    "first_name": 120,
    "position": 160,
    "company_name": 255,
    "email": 254,
    "phone": 20,
}


@dataclass(frozen=True)
class Known:
    """A person as we met them: their row, and a description with that address and number of theirs that was asked."""

    row: sa.Row[Any]
    one: Identity


def find_or_add_person(tx: Tx, portal_id: int, submitted: Identity, now: datetime) -> int:
    """The person who describes themselves so; made, and marked for the look-up in the portal, when new.

    What we did not know yet is filled in, nothing known is replaced; another address or number is kept beside the
    known one. When the description fits people who contradict each other («Иванов И.» beside Иван and Илья) a new
    person waits for a decision in the portal.
    """
    fitting = _fitting(tx, portal_id, submitted)
    chosen = _choose(fitting, submitted)
    if chosen is None:
        return _add(tx, portal_id, submitted, now, candidates=_candidates(fitting))
    row = _survivor(tx, chosen.row)
    _fill(tx, row, submitted, now)
    return int(row.id)


def find_person(tx: Tx, portal_id: int, submitted: Identity) -> int | None:
    """The person :func:`find_or_add_person` would choose, changing nothing."""
    chosen = _choose(_fitting(tx, portal_id, submitted), submitted)
    return int(_survivor(tx, chosen.row).id) if chosen else None


def complete(tx: Tx, person_id: int, submitted: Identity, now: datetime) -> None:
    """Fill in what we did not know of a person who is surely this one (their personal link was used)."""
    row = tx.execute(sa.select(t.person).where(t.person.c.id == person_id)).one()
    _fill(tx, _survivor(tx, row), submitted, now)


def person_for_contact(tx: Tx, portal_id: int, contact: Contact, now: datetime) -> int:
    """The person behind a CRM card, made when unknown; the card's values replace ours, its empty ones do not.

    A stranger who registered before and is the same person becomes this card's person.
    """
    known = of_contact(tx, portal_id, contact.contact_id)
    if known is None:
        strangers = [one for one in _fitting(tx, portal_id, contact) if one.row.contact_id is None]
        chosen = _choose(strangers, contact)
        known = _survivor(tx, chosen.row) if chosen else None
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
    _note_channels(tx, known, contact, values)
    return int(known.id)


def of_contact(tx: Tx, portal_id: int, contact_id: int) -> sa.Row[Any] | None:
    """The person behind a CRM card."""
    alone = t.person.c.merged_into.is_(None)
    return tx.execute(_of(portal_id).where(t.person.c.contact_id == contact_id, alone).limit(1)).first()


def without_contact(
    tx: Tx, portal_id: int, *, uids: Collection[str] = (), values: Collection[str] = ()
) -> list[Mapping[str, Any]]:
    """People whose contact was deleted and none was found since: by our keys, or by mail addresses and numbers."""
    h = t.person.c
    lost = h.contact_id.is_(None), h.merged_into.is_(None), h.match.in_([LOST, "none"])
    theirs = sa.or_(h.uid.in_(list(uids)), h.email.in_(list(values)), h.phone.in_(list(values)))
    return [dict(row._mapping) for row in tx.execute(_of(portal_id).where(*lost, theirs))]


def reached_by(tx: Tx, portal_id: int, values: Collection[str]) -> list[int]:
    """Ids of people who described themselves by one of these mail addresses or numbers."""
    h = t.person.c
    theirs = sa.or_(h.email.in_(list(values)), h.phone.in_(list(values)))
    return [row.id for row in tx.execute(_of(portal_id).where(h.merged_into.is_(None), theirs))]


def neighbours(tx: Tx, portal_id: int, people: Iterable[Identity]) -> list[Known]:
    """Everybody we know under an address or number of these people, themselves included."""
    return [known for one in people for known in _agreeing(tx, portal_id, one)]


def merge(tx: Tx, survivor_id: int, other_id: int) -> None:
    """Two people of ours are one: what the other takes part in and was met under is the survivor's from now on.

    Participations of both at one event must have been joined before. The other's description stays as it was given,
    so that whoever describes themselves so again is found.
    """
    p, c = t.participation, t.channel
    tx.execute(sa.update(p).where(p.c.person_id == other_id).values(person_id=survivor_id))
    rows = tx.execute(sa.select(t.person).where(t.person.c.id.in_([survivor_id, other_id]))).all()
    row = {one.id: one for one in rows}
    tx.execute(sa.update(t.person).where(t.person.c.id == other_id).values(merged_into=survivor_id))
    for value in (row[other_id].email, row[other_id].phone):
        if value:
            _note_channel(tx, row[survivor_id], value)
    for value in tx.scalars(sa.select(c.c.value).where(c.c.person_id == other_id)).all():
        _note_channel(tx, row[survivor_id], value)


def merged_with(tx: Tx, person_ids: Iterable[int]) -> list[int]:
    """Ids of those who turned out to be one of these people."""
    return list(tx.scalars(_MERGED, {"ids": list(person_ids)}))


# Built once: it runs with every decision.
_MERGED = sa.select(t.person.c.id).where(t.person.c.merged_into.in_(sa.bindparam("ids", expanding=True)))


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


def _agreeing(tx: Tx, portal_id: int, one: Identity) -> list[Known]:
    values = [value for value in (one.email, one.phone) if value]
    if not values:
        return []
    c = t.channel.c
    beside = sa.select(c.person_id, c.value).where(c.portal_id == portal_id, c.value.in_(values))
    met: dict[int, set[str]] = defaultdict(set)
    for person_id, value in tx.execute(beside):
        met[person_id].add(value)
    same = [
        column == value
        for column, value in ((t.person.c.email, one.email), (t.person.c.phone, one.phone))
        if value
    ]
    rows = tx.execute(_of(portal_id).where(sa.or_(*same, t.person.c.id.in_(list(met))))).all()
    return [Known(row, _met(row, one, met[row.id])) for row in rows]


def _met(row: sa.Row[Any], one: Identity, channels: set[str]) -> Identity:
    known = _identity(row)
    return replace(
        known,
        email=one.email if one.email in channels else known.email,
        phone=one.phone if one.phone in channels else known.phone,
    )


def _fitting(tx: Tx, portal_id: int, one: Identity) -> list[Known]:
    hold(tx, portal_id, [one])
    return [known for known in _agreeing(tx, portal_id, one) if _is_same(known, one)]


def _identity(row: sa.Row[Any]) -> Identity:
    return Identity(**{key: getattr(row, key) for key in _LIMITS})


def _is_same(known: Known, one: Identity) -> bool:
    return same_person(known.one, one) is Sameness.SAME


def _survivor(tx: Tx, row: sa.Row[Any]) -> sa.Row[Any]:
    """The person whom somebody turned out to be."""
    seen: set[int] = set()
    while row.merged_into and row.id not in seen:
        seen.add(row.id)
        row = tx.execute(sa.select(t.person).where(t.person.c.id == row.merged_into)).one()
    return row


def _choose(fitting: Sequence[Known], one: Identity) -> Known | None:
    """The best of several; nobody when they contradict each other and none has the very same name."""
    if not fitting:
        return None
    for known in fitting:
        if sorted(names.words(known.one.name)) == sorted(names.words(one.name)):
            return known
    # max() keeps the first of equals: the oldest.
    best = max(fitting, key=lambda known: agreement(known.one, one))
    if names.equal(best.one.name, one.name):
        return best
    pairs = combinations(fitting, 2)
    apart = any(_who(a) != _who(b) and names.contradict(a.one.name, b.one.name) for a, b in pairs)
    return None if apart else best


def _who(known: Known) -> int:
    return int(known.row.merged_into or known.row.id)


def _candidates(fitting: Sequence[Known]) -> list[dict[str, Any]]:
    """Those with a card: only between cards can somebody in the portal decide."""
    cards = {known.row.contact_id: known for known in fitting if known.row.contact_id}
    return [
        {
            "contact_id": contact_id,
            "company_id": known.row.company_id,
            "name": known.one.name,
            "reason": "several",
        }
        for contact_id, known in cards.items()
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
    _note_channels(tx, row, one, new)
    if new:
        marks.mark(tx, row.portal_id, LOOK_UP, [row.id], now=now)


def _note_channels(tx: Tx, row: sa.Row[Any], one: Identity, new: Mapping[str, Any]) -> None:
    """Keep an address or number that is neither the known one nor took its place – and the known one it replaced."""
    for name in ("email", "phone"):
        known, met = getattr(row, name), getattr(one, name)
        other = known if name in new else met
        if met and known and met != known:
            _note_channel(tx, row, other)


def _note_channel(tx: Tx, row: sa.Row[Any], value: str) -> None:
    values = {"portal_id": row.portal_id, "value": value, "person_id": row.id}
    tx.execute(insert(tx, t.channel).values(**values).on_conflict_do_nothing())


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
