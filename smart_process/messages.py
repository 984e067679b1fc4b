"""What mails to guests say: made when they are sent, from what is true then, in the portal's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Any

import jinja2

from b24.store.engine import Tx
from smart_process import crm_mail, owners
from smart_process.calendar_file import calendar_file
from smart_process.crm_mail import CrmLetter
from smart_process.language import CATALOGUES, Translator, period, translator
from smart_process.people import Identity, email_of, wire_address
from smart_process.settings import Settings
from smart_process.store import colleagues, decisions, events, outcomes, participations, setups
from smart_process.store import messages as store
from smart_process.store.events import Event
from smart_process.store.participations import Participation
from smart_process.store.people import identity
from smart_process.tickets import qr_png, registration_link, ticket_link

QR_ID = "ticket-qr"
TICKET_FILE, CALENDAR_FILE = "ticket.png", "event.ics"


class NothingToSay(Exception):
    """The mail has become pointless since it was queued; the text says why."""


class NoContactYet(Exception):
    """The portal can send the mail once it has a contact for the guest."""


@dataclass(frozen=True)
class Letter:
    """Everything a mail is made of."""

    mail: store.Message
    seat: Participation
    person: Identity
    event: Event
    settings: Settings
    public_url: str
    now: datetime

    @property
    def sender(self) -> tuple[str, str]:
        """The organiser's name and the address the portal sends from."""
        name, _address = parseaddr(self.event.sender)
        ours = self.settings.sender
        return _one_line(name or self.event.sender or ours.from_name or self.event.title), ours.from_address

    @property
    def reply_to(self) -> str:
        """An address written into the event's sender, for answers; "" when there is none."""
        return email_of(self.event.sender)

    @property
    def ticket_link(self) -> str:
        """The guest's ticket."""
        return ticket_link(self.public_url, self.seat.ticket)

    @property
    def registration_link(self) -> str:
        """The guest's personal registration page."""
        return registration_link(self.public_url, self.event.code, self.seat.invitation)


def compose(tx: Tx, message_id: int, *, public_url: str, now: datetime) -> EmailMessage:
    """The mail behind a row, ready to be sent to its ``To`` through a mail server.

    Raises:
        NothingToSay: the guest cancelled, the event was called off, there is no address, …
    """
    letter = _letter(tx, message_id, public_url, now)
    return _message(letter, translator(letter.settings.language))


def compose_for_crm(tx: Tx, message_id: int, *, public_url: str, now: datetime) -> CrmLetter:
    """The mail behind a row, ready to be sent by the portal.

    Raises:
        NothingToSay: as :func:`compose`; also when the guest will have no contact in the CRM.
        NoContactYet: the guest's contact is still to be made or chosen.
    """
    letter = _letter(tx, message_id, public_url, now)
    contact_id, match = store.contact_of(tx, letter.seat.id)
    if contact_id is None:
        if match == decisions.NONE:
            raise NothingToSay("у гостя нет карточки контакта, а письма через CRM уходят с неё")
        raise NoContactYet
    _ = translator(letter.settings.language)
    files = []
    if letter.mail.kind == store.TICKET:
        files.append((TICKET_FILE, qr_png(letter.ticket_link)))
        entry = _calendar(letter)
        files += [(CALENDAR_FILE, entry)] if entry else []
    return CrmLetter(
        marker=letter.mail.message_id,
        contact_id=contact_id,
        to=wire_address(letter.mail.to_address),
        sender=crm_mail.sender(*letter.sender),
        responsible_id=crm_responsible(
            tx, letter.mail.portal_id, letter.settings, letter.event.responsible_id
        ),
        subject=_subject(letter, _),
        html=_templates().get_template(f"{letter.mail.kind}.html").render(_values(letter, _, qr_id="")),
        files=tuple(files),
    )


def crm_responsible(tx: Tx, portal_id: int, settings: Settings, event_responsible_id: int | None) -> int:
    """The portal user whose mail it is: the same for a whole event, because the portal may take their mailbox."""
    return owners.owner(
        event_responsible_id,
        colleagues.everybody(tx, portal_id),
        fallback_id=settings.fallback_owner_id,
        event_responsible_id=None,
        installer_id=outcomes.installer(tx, portal_id),
    )


def _letter(tx: Tx, message_id: int, public_url: str, now: datetime) -> Letter:
    mail = store.by_id(tx, message_id)
    seat = participations.by_id(tx, mail.participation_id)
    letter = Letter(
        mail,
        seat,
        identity(tx, seat.person_id),
        events.by_id(tx, seat.event_id),
        setups.read(tx, mail.portal_id).settings,
        public_url,
        now,
    )
    reason = _pointless(letter)
    if reason:
        raise NothingToSay(reason)
    return letter


def _pointless(letter: Letter) -> str:
    seat, event, kind = letter.seat, letter.event, letter.mail.kind
    if not letter.mail.to_address:
        return "нет адреса"
    if seat.removed_at or seat.merged_into:
        return "участие удалено или объединено с другим"
    if event.removed_at or event.stage == "cancelled":
        return "мероприятие отменено"
    return _OUTDATED[kind](letter)


def _of_invitation(letter: Letter) -> str:
    if letter.seat.holds_ticket:
        return "гость уже зарегистрирован"
    return _after_refusal(letter) or ("мероприятие прошло" if letter.event.over(letter.now) else "")


def _of_ticket(letter: Letter) -> str:
    return "" if letter.seat.holds_ticket else "участие отменено"


def _after_refusal(letter: Letter) -> str:
    return "участие отменено" if letter.seat.cancelled else ""


def _of_materials(letter: Letter) -> str:
    return "" if letter.seat.arrived_at else "гость не пришёл"


def _of_missed(letter: Letter) -> str:
    return "гость пришёл" if letter.seat.arrived_at else _after_refusal(letter)


_OUTDATED: dict[str, Callable[[Letter], str]] = {
    store.INVITATION: _of_invitation,
    store.TICKET: _of_ticket,
    store.MATERIALS: _of_materials,
    store.MISSED: _of_missed,
}


def _subject(letter: Letter, _: Translator) -> str:
    words = {
        store.INVITATION: _("Приглашение: %(event)s"),
        store.TICKET: _("Ваш билет: %(event)s"),
        store.MATERIALS: _("Спасибо, что были с нами: %(event)s"),
        store.MISSED: _("Жаль, что не увиделись: %(event)s"),
    }
    return _one_line(words[letter.mail.kind] % {"event": letter.event.title})


def _message(letter: Letter, _: Translator) -> EmailMessage:
    name, address = letter.sender
    message = EmailMessage()
    message["From"] = Address(name, addr_spec=wire_address(address))
    message["To"] = wire_address(letter.mail.to_address)
    if letter.reply_to:
        message["Reply-To"] = wire_address(letter.reply_to)
    message["Subject"] = _subject(letter, _)
    message["Date"] = format_datetime(letter.now)
    message["Message-ID"] = f"<{letter.mail.message_id}@{wire_address(address).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    _write(message, letter, _)
    # Last: the parts take headers of content along when they are made.
    message["Content-Language"] = _.lang
    return message


def _write(message: EmailMessage, letter: Letter, _: Translator) -> None:
    values = _values(letter, _, qr_id=QR_ID)
    kind = letter.mail.kind
    message.set_content(_templates().get_template(f"{kind}.txt").render(values), cte="quoted-printable")
    html = _templates().get_template(f"{kind}.html").render(values)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if kind == store.TICKET:
        _attach_ticket(message, letter)


def _attach_ticket(message: EmailMessage, letter: Letter) -> None:
    _text, html = message.iter_parts()
    html.add_related(qr_png(letter.ticket_link), "image", "png", cid=f"<{QR_ID}>", filename=TICKET_FILE)
    entry = _calendar(letter)
    if entry:
        message.add_attachment(
            entry.decode(), subtype="calendar", filename=CALENDAR_FILE, params={"method": "PUBLISH"}
        )


def _calendar(letter: Letter) -> bytes | None:
    return calendar_file(
        letter.event,
        uid=letter.seat.uid,
        link=letter.ticket_link,
        organiser=letter.sender,
        cancelled=False,
        now=letter.now,
    )


def _values(letter: Letter, _: Translator, *, qr_id: str) -> dict[str, Any]:
    """What the templates say; ``qr_id`` is "" where no picture can stand in the text."""
    event = letter.event
    return {
        "_": _,
        "lang": _.lang,
        "first_name": letter.person.first_name,
        "event": event,
        "sender": letter.sender[0],
        "when": period(event.starts_at, event.ends_at, event.zone, _),
        "ticket_link": letter.ticket_link,
        "registration_link": letter.registration_link,
        "qr_id": qr_id,
        "ticket_file": TICKET_FILE,
        "product_lines": letter.seat.product_lines,
        "asked": [flag for flag in ("quote_requested", "materials_requested") if letter.seat.flags.get(flag)],
    }


def _one_line(text: str) -> str:
    """Line breaks in a header would start another header."""
    return " ".join(text.split())[:200]


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(CATALOGUES.parent / "templates" / "mail"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
