"""Tickets: what a guest sees behind the link, the QR code, and how they cancel."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import segno

from b24.store import marks
from b24.store.engine import Tx
from smart_process.facts import Kind, NewFact, Stage
from smart_process.store import events, journal, participations
from smart_process.store.events import Event
from smart_process.store.participations import Participation
from smart_process.store.people import identity


class Validity(StrEnum):
    """What a ticket is good for now."""

    VALID = "valid"
    ARRIVED = "arrived"
    CANCELLED = "cancelled"
    EVENT_CANCELLED = "event_cancelled"
    OVER = "over"
    NOT_REGISTERED = "not_registered"


@dataclass(frozen=True)
class Ticket:
    """What the ticket page may say: a first name and the event, nothing of third parties."""

    seat: Participation
    event: Event
    first_name: str
    validity: Validity

    @property
    def shows_code(self) -> bool:
        """Whether there is a QR code to show at the door."""
        return self.validity in (Validity.VALID, Validity.ARRIVED)


def look_up(tx: Tx, token: str, now: datetime) -> Ticket | None:
    """The ticket behind a token, or ``None`` for one nobody has."""
    seat = participations.by_ticket(tx, token)
    if seat is None:
        return None
    event = events.by_id(tx, seat.event_id)
    return Ticket(seat, event, identity(tx, seat.person_id).first_name, _validity(seat, event, now))


def cancel(tx: Tx, token: str, request_id: str, now: datetime) -> Ticket | None:
    """The guest will not come. Changes nothing unless the ticket is valid (arrived, over, cancelled before).

    Args:
        request_id: names the wish; the same one again is no second fact.
    Returns:
        The ticket as it is afterwards.
    """
    ticket = look_up(tx, token, now)
    if ticket is None or ticket.validity is not Validity.VALID:
        return ticket
    fact = NewFact(Kind.CANCELLED, now, "guest", f"cancel:{request_id}")
    journal.record(tx, {ticket.seat.id: [fact]}, now=now, priority=marks.HOT)
    return look_up(tx, token, now)


def ticket_link(public_url: str, token: str) -> str:
    """The address of a ticket; also what its QR code says, so that any phone's camera opens it."""
    return f"{public_url}/t/{token}"


def registration_link(public_url: str, code: str, invitation: str = "") -> str:
    """The address of an event's registration page, personal when there is an invitation."""
    return f"{public_url}/r/{code}" + (f"?i={invitation}" if invitation else "")


def qr_svg(link: str) -> bytes:
    """The QR code as an SVG image, dark on white whatever the page's colours are."""
    return _drawn(link, kind="svg", scale=8, dark="#000", light="#fff", xmldecl=False)


def qr_png(link: str) -> bytes:
    """The QR code as a PNG image: mail programs show no SVG."""
    return _drawn(link, kind="png", scale=8, dark="#000", light="#fff")


def _drawn(link: str, **options: Any) -> bytes:
    drawn = io.BytesIO()
    # Level M still reads with a thumb on a corner; higher levels make modules too small for a cracked screen.
    segno.make(link, error="m", micro=False).save(drawn, border=4, **options)
    return drawn.getvalue()


def _validity(seat: Participation, event: Event, now: datetime) -> Validity:
    if seat.removed_at or seat.cancelled:
        return Validity.CANCELLED
    if event.removed_at or event.stage == "cancelled":
        return Validity.EVENT_CANCELLED
    if seat.arrived_at:
        return Validity.ARRIVED
    if event.over(now) or event.stage == "closed" or seat.stage == Stage.NO_SHOW:
        return Validity.OVER
    return Validity.VALID if seat.registered_at else Validity.NOT_REGISTERED
