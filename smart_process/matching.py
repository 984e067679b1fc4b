"""Which CRM card is this person's, and which company is theirs. Pure: cards in, decision out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from smart_process import names
from smart_process.people import (
    Contact,
    Identity,
    Sameness,
    agreeing,
    agreement,
    company_key,
    is_shared,
    same_person,
)


@dataclass(frozen=True)
class Decision:
    """What to do about a person.

    ``contact`` set: this card. Empty ``candidates`` and no contact: make a card, unless ``never`` (somebody said so).
    Otherwise a person in the portal decides between the candidates
    (``[{"contact_id", "company_id", "name", "reason", "agrees"}]``) – the ticket never waits for it.
    """

    contact: Contact | None = None
    candidates: tuple[dict[str, Any], ...] = ()
    never: bool = False

    @property
    def create(self) -> bool:
        return self.contact is None and not self.candidates and not self.never


SEVERAL, CONTRADICTS, HELD = "several", "contradicts", "held"
"""Reasons: more cards than one fit; the name does not; the name does, but another guest stands behind the card."""


def decide_contact(
    person: Identity,
    cards: Sequence[Contact],
    *,
    neighbours: Collection[Identity] = (),
    holders: Mapping[int, Collection[Identity]] | None = None,
) -> Decision:
    """Choose among cards that share e-mail or phone with the person.

    One card whose name does not contradict is the person. Several are a case for a human, unless one of them agrees
    in everything and no other does. A card that contradicts alone is a case too (a new surname, a typo) – but an
    address that belongs to people of different names, or to a role, is an office's and proves nothing: a new person.

    Args:
        neighbours: others whom we know under an address or number of this person.
        holders: guests whom a card (by contact id) belongs to already; one who is quite another person makes its
            name no proof: the card was written over.
    """
    held = {card.contact_id for card in cards if _held(person, (holders or {}).get(card.contact_id, ()))}
    verdicts = {card.contact_id: same_person(person, card) for card in cards}
    same = [one for one in cards if verdicts[one.contact_id] is Sameness.SAME and one.contact_id not in held]
    if len(same) == 1:
        return Decision(contact=same[0])
    if same:
        full = [card for card in same if all(agreement(person, card))]
        if len(full) == 1:
            return Decision(contact=full[0])
        return Decision(candidates=_candidates(person, same, SEVERAL))
    others = [
        card
        for card in cards
        if verdicts[card.contact_id] is Sameness.CONTRADICTION
        or (card.contact_id in held and verdicts[card.contact_id] is Sameness.SAME)
    ]
    telling = [card for card in others if not all(map(is_shared, agreeing(person, card)))]
    if not telling or _an_offices(person, [*others, *neighbours]):
        return Decision()
    return Decision(
        candidates=tuple(
            one
            for card in telling
            for one in _candidates(person, [card], HELD if card.contact_id in held else CONTRADICTS)
        )
    )


def _held(person: Identity, holders: Collection[Identity]) -> bool:
    return any(names.strangers(person.name, one.name) for one in holders)


def _an_offices(person: Identity, others: Collection[Identity]) -> bool:
    """Whether people of at least two more names stand behind the person's address or number."""
    known = [one.name for one in others if same_person(person, one) is Sameness.CONTRADICTION]
    return any(names.contradict(one, other) for one, other in combinations(known, 2))


def _candidates(person: Identity, cards: Sequence[Contact], reason: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "contact_id": card.contact_id,
            "company_id": card.company_id,
            "name": card.name,
            "reason": reason,
            "agrees": ["email" if "@" in one else "phone" for one in agreeing(person, card)],
        }
        for card in cards
    )


def common_company(candidates: Collection[dict[str, Any]]) -> int | None:
    """The company all candidates share: known although the person is not."""
    companies = {one.get("company_id") for one in candidates}
    return companies.pop() if len(companies) == 1 else None


FREE_MAIL = frozenset(
    "gmail.com mail.ru bk.ru list.ru inbox.ru yandex.ru yandex.kz ya.ru rambler.ru outlook.com hotmail.com "
    "icloud.com yahoo.com proton.me internet.ru".split()
)


def domain_of(address: str) -> str:
    """The domain of a mail address that says something of the employer; ``""`` for a public mail service."""
    domain = address.rpartition("@")[2].lower()
    return "" if domain in FREE_MAIL else domain


def named(cards: Sequence[tuple[int, str]], company_name: str) -> list[int]:
    """Ids of the companies whose name is the named one, legal form and quotes aside."""
    key = company_key(company_name)
    return [company_id for company_id, title in cards if key and company_key(title) == key]
