"""The client of a filled form: found by phone or e-mail, or made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from b24.sandbox.crm import links, multifields, store
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT
from b24.sandbox.crm.params import text
from b24.sandbox.crm.schema import read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import is_empty, read_value

_COMMUNICATIONS = ("PHONE", "EMAIL")


@dataclass(frozen=True)
class Client:
    """Contact and company of a submission; either may be missing."""

    contact_id: int | None
    company_id: int | None


def find_or_make(
    portal: Any,
    duplicates: str,
    contact: dict[str, Any],
    company: dict[str, Any],
    origin: dict[str, Any],
) -> Client:
    """The client a guest's answers belong to.

    Args:
        duplicates: ``allow`` makes new cards always, ``merge`` fills what is empty in a found card,
        ``replace``
            overwrites it.
        contact: answers by database name, ``PHONE`` and ``EMAIL`` among them; so for ``company``.
        origin: source, form and UTM marks of cards made here.
    """
    found = None if duplicates == "allow" else _find(portal, CONTACT, contact)
    company_card = None if duplicates == "allow" else _find(portal, COMPANY, company)
    if company_card is None and found is not None and duplicates != "allow":
        company_card = _company_of(portal, found)
    company_id = _settle(portal, duplicates, COMPANY, company, company_card, origin)
    contact_id = _settle(portal, duplicates, CONTACT, contact, found, origin)
    if contact_id and company_id and found is None:
        links.set_companies(portal.db, contact_id, [company_id])
    return Client(contact_id, company_id)


def known(portal: Any, answers: dict[str, Any]) -> Client:
    """Contact and company with one of the answered phones or addresses; nothing is made or changed."""
    contact, company = _find(portal, CONTACT, answers), _find(portal, COMPANY, answers)
    if company is None and contact is not None:
        company = _company_of(portal, contact)
    return Client(contact.id if contact else None, company.id if company else None)


def communications(answers: dict[str, Any]) -> list[Change]:
    """Phones and addresses among the answers, to be written to a card."""
    return [Change(None, name, "WORK", text(answers[name])) for name in _COMMUNICATIONS if answers.get(name)]


def _find(portal: Any, entity_type_id: int, answers: dict[str, Any]) -> Item | None:
    """The card most of the communications agree on, the oldest of equals; names do not matter."""
    hits: Counter[int] = Counter()
    for kind in _COMMUNICATIONS:
        value = text(answers.get(kind))
        if value:
            hits.update(multifields.find(portal.db, entity_type_id, kind, [value]))
    if not hits:
        return None
    best = min(hits, key=lambda number: (-hits[number], number))
    return store.find(portal.db, read_schema(portal.db).types[entity_type_id], best)


def _company_of(portal: Any, contact: Item) -> Item | None:
    companies = links.companies_of(portal.db, contact.id)
    if not companies:
        return None
    return store.find(portal.db, read_schema(portal.db).types[COMPANY], companies[0])


def _settle(
    portal: Any,
    duplicates: str,
    entity_type_id: int,
    answers: dict[str, Any],
    card: Item | None,
    origin: dict[str, Any],
) -> int | None:
    """Write the answers into the found card or make a new one."""
    kind = read_schema(portal.db).types[entity_type_id]
    values = {
        name: read_value(portal.db, kind.by_upper[name], value)
        for name, value in answers.items()
        if name in kind.by_upper and name not in _COMMUNICATIONS
    }
    changes = communications(answers)
    if card is None:
        if not answers:
            return None
        own = {name: value for name, value in origin.items() if name in kind.by_upper}
        return store.create(portal, None, kind, values | own, changes)
    if duplicates == "merge":
        values = {name: value for name, value in values.items() if is_empty(card.value(name))}
    store.update(portal, None, card, values, _new_ones(portal, card, changes))
    return card.id


def _new_ones(portal: Any, card: Item, changes: list[Change]) -> list[Change]:
    known = {
        (row["type_id"], multifields.match_key(row["type_id"], row["value"]))
        for row in multifields.rows_of(portal.db, card.kind.entity_type_id, card.id)
    }
    return [
        each
        for each in changes
        if (each.type_id, multifields.match_key(each.type_id, each.value)) not in known
    ]
