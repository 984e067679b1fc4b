"""A person in the portal decides who an undecided guest is, and whose company is meant; the answer is remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import names
from smart_process.matching import domain_of
from smart_process.people import Identity, company_key
from smart_process.schema import LEAD
from smart_process.store import decisions, form_cards, journal, messages, outcomes, people
from smart_process.store import sync as rows
from smart_process.store import tables as t
from smart_process.sync import merging

Row = Mapping[str, Any]


def person_key(one: Identity) -> str:
    """The question "who is this?" of a description: the same name, address and number are the same question."""
    return f"person:{_hash(' '.join(sorted(names.words(one.name))), one.email, one.phone)}"


def company_question(row: Row) -> str:
    """The question "which company is meant?": of everybody who names it and writes from its domain – or of this person.

    Args:
        row: columns ``company_name``, ``email`` and ``uid`` of a person.
    """
    return f"company:{_hash(company_key(row['company_name']), domain_of(row['email']) or row['uid'])}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:48]


def describe(row: Row) -> Identity:
    """The description in a row of table ``person``."""
    return Identity(
        row["last_name"], row["first_name"], row["email"], row["phone"], row["company_name"], row["position"]
    )


def settle(
    tx: Tx, portal_id: int, person_id: int, answer: str, contact_id: int | None, *, actor: str, now: datetime
) -> None:
    """Tie a guest to the chosen contact, have a new one made, or none at all; safe to repeat.

    Args:
        answer: ``card`` (then ``contact_id`` is one of the candidates'), ``new`` or ``none`` (store.decisions).
        actor: ``user:<portal user id>``.
    """
    (row,) = rows.people(tx, [person_id])
    key = person_key(describe(row))
    decisions.remember(tx, portal_id, key, person_id, answer, contact_id=contact_id, actor=actor, now=now)
    if answer == decisions.CARD and contact_id:
        become(tx, portal_id, row, contact_id, now)
        return
    match = "none" if answer == decisions.NONE else "new"
    rows.update(tx, t.person, person_id, match=match, contact_id=None, candidates=[])
    # The sync makes the card, and has participations and outcomes follow.
    marks.mark(tx, portal_id, people.LOOK_UP, [person_id], now=now)


def become(tx: Tx, portal_id: int, row: Row, contact_id: int, now: datetime) -> None:
    """Tie a person to a CRM contact; whoever else is that contact is the same person from now on."""
    chosen: Row = next((one for one in row["candidates"] if one.get("contact_id") == contact_id), {})
    company_id = row["company_id"] or chosen.get("company_id")
    values: dict[str, Any] = {
        "match": "matched",
        "contact_id": contact_id,
        "company_id": company_id,
        "candidates": [],
    }
    rows.update(tx, t.person, row["id"], **values)
    before = takes_part(tx, [row["id"]])
    person_id = merging.one_person(tx, portal_id, row["id"], contact_id, now)
    follow(tx, portal_id, before, {row["company_id"], company_id}, row["id"], now)
    # The sync reads company and segment, and has cards and outcomes follow.
    marks.mark(tx, portal_id, people.LOOK_UP, [person_id], now=now)


def settle_company(
    tx: Tx, portal_id: int, person_id: int, answer: str, company_id: int | None, *, actor: str, now: datetime
) -> None:
    """Say which company a guest named: this card, a new one, or none; the same answer goes for their colleagues.

    Args:
        answer: as for :func:`settle`.
    """
    (row,) = rows.people(tx, [person_id])
    key = company_question(row)
    decisions.remember(tx, portal_id, key, person_id, answer, company_id=company_id, actor=actor, now=now)
    asking = rows.people_asking_for_company(tx, portal_id)
    same = {one["id"]: one for one in asking if company_question(one) == key} | {person_id: row}
    for one in same.values():
        rows.update(tx, t.person, one["id"], company_candidates=[])
        if company_id:
            rows.update(tx, t.person, one["id"], company_id=company_id)
            follow(tx, portal_id, takes_part(tx, [one["id"]]), {None, company_id}, one["id"], now)
    marks.mark(tx, portal_id, people.LOOK_UP, same, now=now)


def takes_part(tx: Tx, person_ids: list[int]) -> list[Row]:
    """Living participations of people."""
    return rows.participations_of_people(tx, person_ids)


def follow(
    tx: Tx, portal_id: int, seats: list[Row], companies: set[int | None], person_id: int, now: datetime
) -> None:
    """Cards and outcomes follow a person who is somebody else, or somebody's, from now on."""
    subjects = {journal.subject_of(one, person_id) for one in companies}
    marks.mark(tx, portal_id, journal.PUSH, [one["id"] for one in seats], now=now)
    # Their contact may be another one now: it goes onto the outcome beside those that stand there.
    outcome_ids = {one["outcome_id"] for one in seats if one["outcome_id"]}
    marks.mark(tx, portal_id, outcomes.PUSH, outcome_ids, now=now)
    leads = form_cards.of_participations(tx, LEAD, [one["id"] for one in seats])
    marks.mark(tx, portal_id, "lead", leads, now=now)
    keys = [f"{one['event_id']}:{subject}" for one in seats for subject in subjects]
    marks.mark(tx, portal_id, journal.DECIDE, keys, now=now)
    # Mails the portal sends go by the contact.
    messages.try_again(tx, portal_id, [one["id"] for one in seats], now=now)
