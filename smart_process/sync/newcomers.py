"""Items nobody of us made: a CRM form's submission, or a card a person added by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import registration
from smart_process.facts import Kind, NewFact
from smart_process.language import translator
from smart_process.people import Contact
from smart_process.store import journal, participations
from smart_process.store.people import find_or_add_person, person_for_contact
from smart_process.sync import effects, picture
from smart_process.sync.people import contact_card
from smart_process.sync.work import Work

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Placed:
    """Where a new item belongs; ``surplus``: the participation has a card already, the two are to be merged."""

    participation_id: int
    surplus: bool


def place(tx: Tx, work: Work, item: Item, contact: Item | None, event_id: int) -> Placed:
    """Tie an item that appeared in the CRM to a participation; safe to repeat.

    A form's item registers its guest and brings them a ticket; a card made by hand is a guest somebody selected.
    """
    card = _card(item, contact, work.settings.region)
    at = datetime.fromisoformat(item["createdTime"])
    if picture.number(item.get("webformId")):
        placed = registration.register_from_form(
            tx, event_id=event_id, item_id=int(item["id"]), contact=card, at=at, now=work.now()
        )
        found = Placed(placed.participation_id, placed.other_item_id is not None)
        if placed.beyond is not None:
            _say_beyond(tx, work, int(item["id"]), placed.beyond)
    else:
        found = _by_hand(tx, work, item, card, event_id, at)
    # Also for a known contact: its company, segment and responsible may be new to us.
    person_id = participations.by_id(tx, found.participation_id).person_id
    marks.mark(tx, work.portal_id, "person", [person_id], now=work.now())
    return found


def _say_beyond(tx: Tx, work: Work, item_id: int, reason: registration.Reason) -> None:
    """The card exists, so the guest is registered; somebody should know that the page would have said no."""
    _ = translator(work.settings.language)
    text = _(
        "Эта регистрация пришла через CRM-форму; на странице регистрации в ней было бы отказано. %(reason)s",
        reason=registration.refusal_text(reason, _),
    )
    eti = work.binding.participation.entity_type_id
    effects.comment(tx, work, f"beyond:{item_id}", eti, item_id, text)


def _card(item: Item, contact: Item | None, region: str) -> Contact:
    if contact is not None:
        card = contact_card(contact, region)
        company_id = picture.number(item.get("companyId")) or card.company_id
        return Contact(
            card.last_name,
            card.first_name,
            card.email,
            card.phone,
            position=card.position,
            contact_id=card.contact_id,
            company_id=company_id,
        )
    return Contact(last_name=str(item.get("title") or "")[:120])


def _by_hand(tx: Tx, work: Work, item: Item, card: Contact, event_id: int, at: datetime) -> Placed:
    now = work.now()
    if card.contact_id:
        person_id = person_for_contact(tx, work.portal_id, card, now)
    else:
        person_id = find_or_add_person(tx, work.portal_id, card, now)
    seat = participations.find_or_add(tx, portal_id=work.portal_id, event_id=event_id, person_id=person_id)
    other = participations.give_item(tx, seat, int(item["id"]))
    by = f"user:{picture.number(item.get('createdBy'))}"
    fact = NewFact(Kind.SELECTED, at, by, f"item:{item['id']}", data={"source": "crm"})
    journal.record(tx, {seat.id: [fact]}, now=now)
    return Placed(seat.id, other is not None)
