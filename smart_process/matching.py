"""Which CRM card is this person's, and which company is theirs. Pure: cards in, decision out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from smart_process.people import Contact, Identity, Sameness, agreement, company_key, same_person


@dataclass(frozen=True)
class Decision:
    """What to do about a person.

    ``contact`` set: this card. Empty ``candidates`` and no contact: make a card. Otherwise a person in the portal
    decides between the candidates (``[{"contact_id", "reason"}]``) – the ticket never waits for it.
    """

    contact: Contact | None = None
    candidates: tuple[dict[str, Any], ...] = ()

    @property
    def create(self) -> bool:
        return self.contact is None and not self.candidates


SEVERAL = "несколько карточек подходят"
CONTRADICTS = "почта или телефон совпали, имя – нет"


def decide_contact(person: Identity, cards: Sequence[Contact]) -> Decision:
    """Choose among cards that share e-mail or phone with the person.

    One card whose name does not contradict is the person. Several are a case for a human, unless one of them agrees
    in everything and no other does. A card that contradicts alone is a case too (a new surname, a typo) – but an
    address that already belongs to people of different names is an office's and proves nothing: a new person.
    """
    same = [card for card in cards if same_person(person, card) is Sameness.SAME]
    if len(same) == 1:
        return Decision(contact=same[0])
    if same:
        full = [card for card in same if all(agreement(person, card))]
        if len(full) == 1:
            return Decision(contact=full[0])
        return Decision(candidates=_candidates(same, SEVERAL))
    others = [card for card in cards if same_person(person, card) is Sameness.CONTRADICTION]
    if len(others) == 1:
        return Decision(candidates=_candidates(others, CONTRADICTS))
    return Decision()


def _candidates(cards: Sequence[Contact], reason: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"contact_id": card.contact_id, "company_id": card.company_id, "name": card.name, "reason": reason}
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
