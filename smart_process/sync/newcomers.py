"""Items nobody of us made: a CRM form's submission, or a card a person added by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import registration
from smart_process.facts import Kind, NewFact
from smart_process.language import translator
from smart_process.people import Contact, Identity
from smart_process.store import form_cards, journal, participations
from smart_process.store.people import find_or_add_person, person_for_contact
from smart_process.sync import effects, picture
from smart_process.sync.contacts import contact_card
from smart_process.sync.work import Work

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Placed:
    """Where a new item belongs.

    ``surplus``: the participation has a card already, the two are to be merged. ``guessed``: contact and company on the
    card are whom the form took its guest for, not who they are.
    """

    participation_id: int
    surplus: bool
    guessed: bool = False


def place(
    tx: Tx, work: Work, item: Item, contact: Item | None, typed: Identity | None, event_id: int
) -> Placed:
    """Tie an item that appeared in the CRM to a participation; safe to repeat.

    A form's item registers its guest and brings them a ticket; a card made by hand is a guest somebody selected.

    Args:
        typed: what the guest answered in the form, see sync/form_answers.
    """
    card = card_of(item, contact, work.settings.region)
    at = datetime.fromisoformat(item["createdTime"])
    if picture.number(item.get("webformId")):
        placed = registration.register_from_form(
            tx,
            event_id=event_id,
            item_id=int(item["id"]),
            contact=card,
            typed=typed,
            at=at,
            now=work.now(),
        )
        found = Placed(placed.participation_id, placed.other_item_id is not None, placed.other_person)
        if placed.beyond is not None:
            _say_beyond(tx, work, int(item["id"]), placed.beyond)
    else:
        found = _by_hand(tx, work, item, card, event_id, at)
    # Also for a known contact: its company, segment and responsible may be new to us.
    person_id = participations.by_id(tx, found.participation_id).person_id
    marks.mark(tx, work.portal_id, "person", [person_id], now=work.now())
    return found


def by_card(
    tx: Tx,
    work: Work,
    entity_type_id: int,
    item: Item,
    contact: Contact,
    typed: Identity | None,
    event_id: int,
) -> int:
    """Register the guest of a lead or deal that a mapped form made; answers our id of the participation.

    Safe to repeat. The participation gets a card of its own, made by us.
    """
    item_id = int(item["id"])
    placed = registration.register_from_form(
        tx,
        event_id=event_id,
        key=f"form:{entity_type_id}:{item_id}",
        contact=contact,
        typed=typed,
        at=datetime.fromisoformat(item["createdTime"]),
        now=work.now(),
    )
    form_cards.tie(tx, work.portal_id, entity_type_id, item_id, placed.participation_id)
    if placed.beyond is not None:
        _say_beyond(tx, work, item_id, placed.beyond, entity_type_id)
    person_id = participations.by_id(tx, placed.participation_id).person_id
    marks.mark(tx, work.portal_id, "person", [person_id], now=work.now())
    return placed.participation_id


def _say_beyond(
    tx: Tx, work: Work, item_id: int, reason: registration.Reason, entity_type_id: int = 0
) -> None:
    """The card exists, so the guest is registered; somebody should know that the page would have said no."""
    _ = translator(work.settings.language)
    text = _(
        "Эта регистрация пришла через CRM-форму; на странице регистрации в ней было бы отказано. %(reason)s",
        reason=registration.refusal_text(reason, _),
    )
    eti = entity_type_id or work.binding.participation.entity_type_id
    key = f"beyond:{entity_type_id}:{item_id}" if entity_type_id else f"beyond:{item_id}"
    effects.comment(tx, work, key, eti, item_id, text)


def card_of(item: Item, contact: Item | None, region: str) -> Contact:
    """Who a participation's card is about: its contact and company, or nobody but its title."""
    if contact is not None:
        card = contact_card(contact, region)
        return replace(card, company_id=picture.number(item.get("companyId")) or card.company_id)
    return Contact(last_name=str(item.get("title") or "")[:120])


def person_of(tx: Tx, work: Work, card: Contact) -> int:
    """Our id of whom a card is about; somebody new is added."""
    find = person_for_contact if card.contact_id else find_or_add_person
    return find(tx, work.portal_id, card, work.now())


def _by_hand(tx: Tx, work: Work, item: Item, card: Contact, event_id: int, at: datetime) -> Placed:
    now, person_id = work.now(), person_of(tx, work, card)
    seat = participations.find_or_add(tx, portal_id=work.portal_id, event_id=event_id, person_id=person_id)
    other = participations.give_item(tx, seat, int(item["id"]))
    by = f"user:{picture.number(item.get('createdBy'))}"
    fact = NewFact(Kind.SELECTED, at, by, f"item:{item['id']}", data={"source": "crm"})
    journal.record(tx, {seat.id: [fact]}, now=now)
    return Placed(seat.id, other is not None)
