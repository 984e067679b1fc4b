"""Registration: what a guest typed becomes a participation with a ticket, or a kind refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from b24.store import marks
from b24.store.engine import Tx
from smart_process import names
from smart_process.facts import Kind, NewFact
from smart_process.language import Translator
from smart_process.people import Contact, Identity, email_of, phone_of
from smart_process.settings import Settings
from smart_process.store import events, journal, messages, participations
from smart_process.store.events import Event
from smart_process.store.participations import Participation
from smart_process.store.people import (
    complete,
    find_or_add_person,
    find_person,
    identity,
    of_contact,
    person_for_contact,
)

FIELDS = ("last_name", "first_name", "company", "position", "email", "phone")
_LONGEST = {"last_name": 100, "first_name": 100, "company": 200, "position": 150, "email": 254, "phone": 40}
MAX_TICKET_MAILS = 4
"""The confirmation and three repeats a guest may ask for."""


class Reason(StrEnum):
    """Why nobody (or this guest) can register now."""

    NOT_OPEN = "not_open"
    OVER = "over"
    CANCELLED = "cancelled"
    FULL = "full"
    REPEATED = "repeated"


@dataclass(frozen=True)
class Form:
    """A form as typed, stripped and shortened; ``submission`` is 32 hex digits that name this filling-in."""

    values: Mapping[str, str]
    consent: bool
    submission: str
    invitation: str = ""


@dataclass(frozen=True)
class Registered:
    """A registration. ``new`` is false for the same submission once more (a double click)."""

    participation_id: int
    ticket: str
    address: str
    new: bool


@dataclass(frozen=True)
class Already:
    """The guest was registered before, by another submission: nothing changed, no second mail."""

    participation_id: int


@dataclass(frozen=True)
class Refused:
    """Nobody is let in: see :func:`refusal_text`."""

    reason: Reason


@dataclass(frozen=True)
class Invalid:
    """What is wrong, by field name; ``consent`` is one of them."""

    errors: Mapping[str, str] = field(default_factory=dict)


Result = Registered | Already | Refused | Invalid


def read_form(raw: Mapping[str, str]) -> Form:
    """The form of a request: what is missing is empty, what is too long is cut but still too long."""
    values = {name: _tidy(raw.get(name, ""))[: _LONGEST[name] + 1] for name in FIELDS}
    submission = raw.get("submission", "").replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{32}", submission):
        submission = journal.new_uid()
    return Form(
        values, raw.get("consent", "") in ("1", "on", "true", "yes"), submission, raw.get("i", "")[:22]
    )


def validate(form: Form, region: str, _: Translator) -> Identity | Invalid:
    """The person described by a form, or one message per field that needs another look."""
    values = form.values
    errors = {name: _empty(name, _) for name in FIELDS if not values[name]}
    long = [name for name in FIELDS if len(values[name]) > _LONGEST[name]]
    errors |= dict.fromkeys(long, _("Слишком длинно: сократите, пожалуйста."))
    errors |= {
        name: _("Напишите буквами, как в документе.")
        for name in ("last_name", "first_name")
        if name not in errors and not names.words(values[name])
    }
    email, phone = _one_address(values["email"]), phone_of(values["phone"], region)
    if not email:
        errors.setdefault("email", _("Проверьте адрес: похоже, в нём опечатка. Пример: name@company.kz"))
    if not phone:
        errors.setdefault("phone", _("Проверьте номер: нужен телефон с кодом. Пример: +7 701 123-45-67"))
    if not form.consent:
        errors["consent"] = _("Без согласия мы не вправе вас зарегистрировать.")
    if errors:
        return Invalid(errors)
    return Identity(
        values["last_name"], values["first_name"], email, phone, values["company"], values["position"]
    )


def refusal(tx: Tx, event: Event, now: datetime, *, invited: bool) -> Reason | None:
    """Why nobody can register now; who was invited personally need not wait until it is open to all."""
    if event.removed_at or event.stage == "cancelled":
        return Reason.CANCELLED
    if event.stage in ("follow_up", "closed") or event.over(now):
        return Reason.OVER
    if event.stage not in ("open", "live") and not (invited and event.stage == "inviting"):
        return Reason.NOT_OPEN
    if event.capacity is not None and events.registered_count(tx, event.id) >= event.capacity:
        return Reason.FULL
    return None


def refusal_text(reason: Reason, _: Translator) -> str:
    """The reason in words for a guest."""
    return {
        Reason.NOT_OPEN: _("Регистрация ещё не открыта. Загляните, пожалуйста, позже."),
        Reason.OVER: _("Мероприятие уже прошло, регистрация закрыта."),
        Reason.CANCELLED: _("Мероприятие отменено, регистрация закрыта."),
        Reason.REPEATED: _(
            "Вы отменили участие после этой заявки. Если вы снова с нами, отправьте форму ещё раз."
        ),
        Reason.FULL: _("Все места заняты. Если кто-то откажется, место появится снова – загляните позже."),
    }[reason]


def register(tx: Tx, event: Event, form: Form, person: Identity, settings: Settings, now: datetime) -> Result:
    """Register a guest who filled in the page; the mail with the ticket is queued in the same transaction.

    Args:
        person: what :func:`validate` made of ``form``.
    """
    events.lock(tx, event.id)
    key = f"page:{form.submission}"
    invited = _invited(tx, event, form, person)
    seat = invited or _seat(tx, event, person)
    if seat:
        repeated = participations.knows(tx, seat.id, key)
        if seat.holds_ticket:
            return _registered(tx, seat, new=False) if repeated else Already(seat.id)
        if repeated:
            return Refused(Reason.REPEATED)
    reason = refusal(tx, event, now, invited=invited is not None)
    if reason:
        return Refused(reason)
    seat = _take_seat(tx, event, invited, person, now)
    source = "invitation" if invited else "page"
    _record(tx, seat, key, now, now, source=source, consent_version=settings.consent_version)
    messages.queue(tx, seat.id, messages.TICKET, to=person.email, now=now, again=True, priority=marks.HOT)
    return _registered(tx, seat, new=True)


@dataclass(frozen=True)
class FromForm:
    """What a CRM form's item became.

    ``other_item_id``: the guest's participation already has this other card; the two are to be merged.
    ``beyond``: the page would have refused (full, over, …); somebody should look. ``other_person``: who filled the form
    in is not the contact the portal took them for.
    """

    participation_id: int
    new: bool
    other_item_id: int | None = None
    beyond: Reason | None = None
    other_person: bool = False


def register_from_form(
    tx: Tx,
    *,
    event_id: int,
    item_id: int | None = None,
    key: str = "",
    contact: Contact,
    typed: Identity | None = None,
    at: datetime,
    now: datetime,
) -> FromForm:
    """Register the guest of a CRM form's item: the card exists, so nobody is refused. Safe to repeat.

    Args:
        item_id: of the participation the form made in the portal; a form that makes leads or deals makes none.
        key: names the submission where there is no ``item_id``.
        contact: the card the form matched or made; ``contact_id`` 0 when it has none.
        typed: the guest as they described themselves in the form, where its answers can be read. A form finds its
            contact by address or number alone: the name says whether it is them.
        at: when the item was created.
    """
    events.lock(tx, event_id)
    event = events.by_id(tx, event_id)
    seat = participations.by_item(tx, event.portal_id, item_id) if item_id else None
    apart = typed is not None and _is_somebody_else(tx, event.portal_id, typed, contact)
    if seat is None:
        person_id = _person_of_form(tx, event.portal_id, contact, typed, apart, now)
        seat = participations.find_or_add(
            tx, portal_id=event.portal_id, event_id=event_id, person_id=person_id
        )
    other = participations.give_item(tx, seat, item_id) if item_id else None
    key = key or f"item:{item_id}"
    if participations.knows(tx, seat.id, key) or (other and seat.holds_ticket):
        return FromForm(seat.id, False, other, None, apart)
    new = not seat.holds_ticket
    beyond = refusal(tx, event, now, invited=True) if new else None
    _record(tx, seat, key, at, now, source="crm_form", consent_version="")
    to = (typed.email if typed else "") or contact.email or messages.address_of(tx, seat.id)
    if new and beyond not in (Reason.CANCELLED, Reason.OVER):
        messages.queue(tx, seat.id, messages.TICKET, to=to, now=now, again=True, priority=marks.HOT)
    return FromForm(seat.id, new, other, beyond, apart)


def resend(tx: Tx, participation_id: int, now: datetime) -> bool:
    """Queue the ticket once more to the address we know. False when it was asked for too often."""
    seat = participations.by_id(tx, participation_id)
    if not seat.holds_ticket:
        return False
    sent = messages.of(tx, seat.id, messages.TICKET)
    if sent and sent[-1].state in (messages.WAITING, messages.SENDING):
        return True
    if len(sent) >= MAX_TICKET_MAILS:
        return False
    to = messages.address_of(tx, seat.id)
    return messages.queue(tx, seat.id, messages.TICKET, to=to, now=now, again=True) is not None


def prefilled(tx: Tx, event: Event, invitation: str) -> dict[str, str]:
    """What a personal link fills into the form; empty for a link that is not of this event."""
    seat = participations.by_invitation(tx, event.id, invitation) if invitation else None
    if seat is None:
        return {}
    known = identity(tx, seat.person_id)
    return {
        "last_name": known.last_name,
        "first_name": known.first_name,
        "company": known.company_name,
        "position": known.position,
        "email": known.email,
        "phone": known.phone,
    }


def _invited(tx: Tx, event: Event, form: Form, person: Identity) -> Participation | None:
    """The invited guest's participation – unless a colleague uses the forwarded link for themselves."""
    seat = participations.by_invitation(tx, event.id, form.invitation) if form.invitation else None
    if seat is None or names.contradict(identity(tx, seat.person_id).name, person.name):
        return None
    return seat


def _seat(tx: Tx, event: Event, person: Identity) -> Participation | None:
    person_id = find_person(tx, event.portal_id, person)
    return participations.of_person(tx, event.id, person_id) if person_id else None


def _take_seat(
    tx: Tx, event: Event, invited: Participation | None, person: Identity, now: datetime
) -> Participation:
    if invited:
        complete(tx, invited.person_id, person, now)
        return invited
    person_id = find_or_add_person(tx, event.portal_id, person, now)
    return participations.find_or_add(tx, portal_id=event.portal_id, event_id=event.id, person_id=person_id)


def _is_somebody_else(tx: Tx, portal_id: int, typed: Identity, contact: Contact) -> bool:
    """Whether a form's answers are not its contact's: the name contradicts the card's, or the card's earlier guest
    (a form may write over the card it finds)."""
    if not contact.contact_id or not names.words(typed.name):
        return False
    known = of_contact(tx, portal_id, contact.contact_id)
    if known is not None and names.strangers(typed.name, f"{known.last_name} {known.first_name}"):
        return True
    return names.contradict(typed.name, contact.name)


def _person_of_form(
    tx: Tx, portal_id: int, contact: Contact, typed: Identity | None, apart: bool, now: datetime
) -> int:
    if apart or not contact.contact_id:
        return find_or_add_person(tx, portal_id, typed or contact, now)
    person_id = person_for_contact(tx, portal_id, contact, now)
    if typed is not None:
        complete(tx, person_id, typed, now)
    return person_id


def _record(
    tx: Tx, seat: Participation, key: str, at: datetime, now: datetime, *, source: str, consent_version: str
) -> None:
    data = {"source": source, "consent_version": consent_version}
    journal.record(tx, {seat.id: [NewFact(Kind.REGISTERED, at, "guest", key, data=data)]}, now=now)


def _registered(tx: Tx, seat: Participation, *, new: bool) -> Registered:
    return Registered(seat.id, seat.ticket, messages.address_of(tx, seat.id), new)


def _tidy(text: str) -> str:
    """One line without invisible characters: they are pasted along and break a look-up."""
    return " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())


def _one_address(typed: str) -> str:
    """The address of the form's field; "" for several and for a blank inside one.

    Of «ivan ov@firma.kz» only «ov@firma.kz» is an address, and the ticket would go to a stranger.
    """
    named = "<" in typed and typed.endswith(">")
    return email_of(typed) if named or not re.search(r"[\s,;]", typed.strip(" ,;")) else ""


def _empty(name: str, _: Translator) -> str:
    return {
        "last_name": _("Напишите, пожалуйста, фамилию."),
        "first_name": _("Напишите, пожалуйста, имя."),
        "company": _("Напишите, пожалуйста, компанию."),
        "position": _("Напишите, пожалуйста, должность."),
        "email": _("Напишите, пожалуйста, e-mail: на него придёт билет."),
        "phone": _("Напишите, пожалуйста, телефон."),
    }[name]
