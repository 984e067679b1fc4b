"""The ticket behind a guest's personal link: page, QR code, calendar entry, cancelling."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from b24 import logs
from b24.errors import Untrusted
from handlers.guest_pages import guest_language, page
from handlers.privacy import keep_private
from handlers.throttle import Throttle, caller
from smart_process import tickets
from smart_process.calendar_file import calendar_file
from smart_process.language import Translator
from smart_process.service import Service
from smart_process.store import setups
from smart_process.store.journal import new_uid
from smart_process.tickets import Ticket, Validity

FORM_S = 24 * 3600


def blueprint(service: Service, *, misses_per_minute: int = 30) -> Blueprint:
    """The routes under ``/t/``.

    Args:
        misses_per_minute: how many unknown tickets one address may try before it hears 429 instead of 404.
    """
    bp = Blueprint("tickets", __name__)
    keep_private(bp)
    misses = Throttle(misses_per_minute, 60, service.clock)

    @bp.get("/t/<token>")
    def show(token: str) -> Response:
        """First name, event and QR code; never anything about somebody else."""
        ticket = _look_up(service, token)
        return _page(service, ticket) if ticket else _unknown(misses)

    @bp.get("/t/<token>/qr.svg")
    def qr(token: str) -> Response:
        """The QR code of a ticket that opens the door."""
        ticket = _look_up(service, token)
        if ticket is None or not ticket.shows_code:
            return _unknown(misses)
        link = tickets.ticket_link(service.public_url, ticket.seat.ticket)
        return Response(tickets.qr_svg(link), mimetype="image/svg+xml")

    @bp.get("/t/<token>/event.ics")
    def calendar(token: str) -> Response:
        """The event for the guest's calendar."""
        ticket = _look_up(service, token)
        entry = _calendar(service, ticket) if ticket else None
        if entry is None:
            return _unknown(misses)
        reply = Response(entry, content_type="text/calendar; charset=utf-8; method=PUBLISH")
        reply.headers["Content-Disposition"] = 'attachment; filename="event.ics"'
        return reply

    @bp.post("/t/<token>/cancel")
    def cancel(token: str) -> BaseResponse:
        """The guest will not come; ends at the ticket's page, which says how it stands."""
        request.max_content_length = 10_000
        ticket = _look_up(service, token)
        return _cancel(service, ticket) if ticket else _unknown(misses)

    return bp


def _look_up(service: Service, token: str) -> Ticket | None:
    with service.store.reading() as tx:
        return tickets.look_up(tx, token, service.clock())


def _unknown(misses: Throttle) -> Response:
    _ = guest_language()
    status = 404 if misses.allows(caller()) else 429
    text = _("Такого билета нет. Откройте ссылку из письма целиком или спросите организатора.")
    return page("closed.html", _, status, title=_("Билет не найден"), text=text)


def _page(service: Service, ticket: Ticket, status: int = 200, problem: str = "") -> Response:
    _ = _language(service, ticket)
    path = tickets.ticket_link("", ticket.seat.ticket)
    token = service.secrets.sign({"ticket": ticket.seat.ticket, "id": new_uid()}, "cancel")
    return page(
        "ticket.html",
        _,
        status,
        event=ticket.event,
        ticket=ticket,
        words=_words(ticket.validity, _),
        path=path,
        problem=problem,
        form_token=token if ticket.validity is Validity.VALID else "",
        register_path=tickets.registration_link("", ticket.event.code, ticket.seat.invitation),
    )


def _language(service: Service, ticket: Ticket) -> Translator:
    logs.about(ticket.event.portal_id)
    with service.store.reading() as tx:
        return guest_language(setups.read(tx, ticket.event.portal_id).settings.language)


def _words(validity: Validity, _: Translator) -> str:
    return {
        Validity.VALID: _("Покажите этот код на входе – с экрана или на бумаге."),
        Validity.ARRIVED: _("Вы отметились на входе. Хорошего дня!"),
        Validity.CANCELLED: _("Участие отменено, билет больше не действует."),
        Validity.EVENT_CANCELLED: _("Организатор отменил мероприятие, билет не действует."),
        Validity.OVER: _("Мероприятие прошло. Спасибо, что собирались к нам!"),
        Validity.NOT_REGISTERED: _("Вы ещё не зарегистрированы: билет появится после регистрации."),
    }[validity]


def _cancel(service: Service, ticket: Ticket) -> BaseResponse:
    _ = _language(service, ticket)
    try:
        wish = service.secrets.unsign(request.form.get("token", ""), "cancel", FORM_S)
    except Untrusted:
        wish = {}
    if not service.secrets.equal(str(wish.get("ticket", "")), ticket.seat.ticket):
        return _page(service, ticket, 400, _("Страница устарела. Нажмите «Отменить участие» ещё раз."))
    with service.store.transaction() as tx:
        after = tickets.cancel(tx, ticket.seat.ticket, str(wish["id"]), service.clock())
    if after is None or after.validity is not Validity.CANCELLED:
        return _page(service, after or ticket, 409, _("Отменить участие уже нельзя."))
    service.wake(ticket.event.portal_id)
    lang = f"?lang={request.args['lang']}" if request.args.get("lang") == _.lang else ""
    return redirect(tickets.ticket_link("", ticket.seat.ticket) + lang, 303)


def _calendar(service: Service, ticket: Ticket) -> bytes | None:
    with service.store.reading() as tx:
        sender = setups.read(tx, ticket.event.portal_id).settings.sender
    return calendar_file(
        ticket.event,
        uid=ticket.seat.uid,
        link=tickets.ticket_link(service.public_url, ticket.seat.ticket),
        organiser=(ticket.event.sender or sender.from_name or ticket.event.title, sender.from_address),
        cancelled=ticket.validity in (Validity.CANCELLED, Validity.EVENT_CANCELLED),
        now=service.clock(),
    )
