"""Invitation: contacts of a segment become participations, and participations get their personal link."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from b24.store import marks
from b24.store.engine import Tx
from smart_process.facts import Kind, NewFact
from smart_process.people import Contact
from smart_process.store import events, journal, messages, participations
from smart_process.store.events import Event
from smart_process.store.people import LOOK_UP, hold, person_for_contact

_AT_ONCE = 200


@dataclass(frozen=True)
class Selection:
    """How many contacts became participations, and how many people were there already."""

    selected: int
    already: int


@dataclass(frozen=True)
class Invitations:
    """What inviting did: mails queued, and why the others got none."""

    queued: int = 0
    already: int = 0
    registered: int = 0
    declined: int = 0
    without_address: int = 0


def select(tx: Tx, event_id: int, contacts: Iterable[Contact], *, by: str, now: datetime) -> Selection:
    """Make participations (stage Selected) of contacts; somebody who is there already stays as they are.

    Args:
        contacts: cards as read from the portal, addresses and numbers normalised.
        by: actor of the facts, ``user:<id>``.
    """
    event, chosen = events.by_id(tx, event_id), list(contacts)
    hold(tx, event.portal_id, chosen)
    seats: dict[int, bool] = {}
    for contact in chosen:
        person_id = person_for_contact(tx, event.portal_id, contact, now)
        there = participations.of_person(tx, event_id, person_id)
        seat = there or participations.find_or_add(
            tx, portal_id=event.portal_id, event_id=event_id, person_id=person_id
        )
        seats.setdefault(seat.id, there is None)
    new = [seat_id for seat_id, is_new in seats.items() if is_new]
    fact = NewFact(Kind.SELECTED, now, by, "selected", data={"source": "segment"})
    for some in _portions(new):
        journal.record(tx, {seat_id: [fact] for seat_id in some}, now=now, priority=marks.BULK)
    return Selection(len(new), len(seats) - len(new))


def adopt(tx: Tx, event: Event, contact: Contact, item_id: int, *, by: str, now: datetime) -> int:
    """Tie a card that a viewer has just made in the CRM to its participation; answers our id.

    The sync does the same with a card it finds (sync/newcomers): whoever comes first, it is one fact. Of a second card
    of one guest the surplus is merged away.
    """
    person_id = person_for_contact(tx, event.portal_id, contact, now)
    seat = participations.find_or_add(tx, portal_id=event.portal_id, event_id=event.id, person_id=person_id)
    other = participations.give_item(tx, seat, item_id)
    fact = NewFact(Kind.SELECTED, now, by, f"item:{item_id}", data={"source": "crm"})
    # The card is read before anything is written into it: it is a person's.
    journal.record(tx, {seat.id: [fact]}, now=now, shadowed=True)
    marks.mark(tx, event.portal_id, LOOK_UP, [person_id], now=now)
    if other is not None:
        marks.mark(tx, event.portal_id, "merge", [f"{seat.id}:{item_id}"], now=now)
    return seat.id


def invite(tx: Tx, participation_ids: Iterable[int], *, now: datetime) -> Invitations:
    """Queue the invitation of each participation, once in its life; the stage follows the sent mail."""
    counts = dict.fromkeys(Invitations.__dataclass_fields__, 0)
    for participation_id in dict.fromkeys(participation_ids):
        counts[_invite(tx, participation_id, now)] += 1
    return Invitations(**counts)


def _invite(tx: Tx, participation_id: int, now: datetime) -> str:
    seat = participations.by_id(tx, participation_id)
    if seat.holds_ticket:
        return "registered"
    if seat.cancelled or seat.merged_into:
        return "declined"
    if messages.of(tx, seat.id, messages.INVITATION):
        return "already"
    to = messages.address_of(tx, seat.id)
    if not to:
        return "without_address"
    queued = messages.queue(tx, seat.id, messages.INVITATION, to=to, now=now, priority=marks.BULK)
    return "queued" if queued else "already"


def _portions(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
