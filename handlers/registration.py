"""The registration page ``/r/<event-code>`` for browsers, and with ``Accept: application/json`` for programs.

JSON answers carry ``result``: ``registered`` (with ``ticket``, ``new``), ``already``, ``refused`` (with
``reason``), ``invalid`` (``errors`` by field), ``robot``, ``throttled``, ``unknown``; and a ``message``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, request

from b24 import logs
from b24.errors import Untrusted
from b24.store.engine import Tx
from handlers.guest_pages import answer, guest_language, page, wants_json
from handlers.privacy import keep_private
from handlers.throttle import Throttle, caller
from smart_process import registration
from smart_process.language import Translator
from smart_process.people import Identity
from smart_process.registration import Already, Form, Invalid, Reason, Refused, Registered, Result
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import events, journal, participations, setups
from smart_process.store.events import Event
from smart_process.tickets import ticket_link

MOST_BYTES = 64_000
TRAP = "website"
"""A field people do not see; robots fill it in."""
RESEND_S = 3600


@dataclass(frozen=True)
class Visit:
    """One request to an event's page."""

    service: Service
    event: Event
    settings: Settings
    _: Translator


def blueprint(service: Service, *, posts_per_minute: int = 120, misses_per_minute: int = 30) -> Blueprint:
    """The routes of the registration page.

    Args:
        posts_per_minute: per caller's address; a rehearsal plays all guests from one machine and may do more.
        misses_per_minute: how many unknown codes one address may try.
    """
    bp = Blueprint("registration", __name__)
    keep_private(bp)
    posts = Throttle(posts_per_minute * (50 if service.local_smtp else 1), 60, service.clock)
    misses = Throttle(misses_per_minute, 60, service.clock)

    @bp.get("/r/<code>")
    def show(code: str) -> Response:
        """The form, filled in for a personal link, or why there is none."""
        visit = _visit(service, code)
        return _show(visit) if visit else _unknown(misses)

    @bp.post("/r/<code>")
    def submit(code: str) -> Response:
        """A registration, or the wish to get the ticket once more."""
        request.max_content_length = MOST_BYTES
        visit = _visit(service, code)
        if visit is None:
            return _unknown(misses)
        raw = dict(request.form.items())
        if not posts.allows(caller()):
            return _throttled(visit, registration.read_form(raw))
        if "resend" in raw:
            return _resend(visit, raw["resend"])
        return _submit(visit, raw)

    return bp


def _visit(service: Service, code: str) -> Visit | None:
    with service.store.reading() as tx:
        event = events.by_code(tx, code)
        if event is None:
            return None
        settings = setups.read(tx, event.portal_id).settings
    logs.about(event.portal_id)
    return Visit(service, event, settings, guest_language(settings.language))


def _unknown(misses: Throttle) -> Response:
    _ = guest_language()
    status = 404 if misses.allows(caller()) else 429
    text = _("Такой страницы регистрации нет. Проверьте ссылку в приглашении или спросите организатора.")
    if wants_json():
        return answer(status, result="unknown", message=text)
    return page("closed.html", _, status, title=_("Страница не найдена"), text=text)


def _show(visit: Visit) -> Response:
    invitation = request.args.get("i", "")
    with visit.service.store.reading() as tx:
        seat = participations.by_invitation(tx, visit.event.id, invitation)
        if seat and seat.holds_ticket:
            return _already(visit, seat.id, personal=True)
        reason = registration.refusal(tx, visit.event, visit.service.clock(), invited=seat is not None)
        values = registration.prefilled(tx, visit.event, invitation)
    if reason:
        return _closed(visit, reason)
    form = Form(values, consent=False, submission=journal.new_uid(), invitation=invitation if seat else "")
    return _form(visit, form)


def _submit(visit: Visit, raw: Mapping[str, str]) -> Response:
    _, form = visit._, registration.read_form(raw)
    person = registration.validate(form, visit.settings.region, _)
    if raw.get(TRAP):
        text = _(
            "Похоже, форму заполнил не человек: лишнее поле не пустое. Отправьте её, пожалуйста, ещё раз."
        )
        return _refused(visit, form, 422, text, result="robot")
    if isinstance(person, Invalid):
        return _invalid(visit, form, person)
    with visit.service.store.transaction() as tx:
        result = _register(tx, visit, form, person)
    if isinstance(result, Registered):
        visit.service.wake(visit.event.portal_id)
        return _registered(visit, result, person.first_name)
    if isinstance(result, Already):
        return _already(visit, result.participation_id)
    assert isinstance(result, Refused)  # noqa: S101  # nothing else is left
    text = registration.refusal_text(result.reason, _)
    return _refused(visit, form, 409, text, result="refused", reason=result.reason.value)


def _register(tx: Tx, visit: Visit, form: Form, person: Identity) -> Result:
    # Read again inside: the event may have been closed since the page was looked at.
    event = events.by_id(tx, visit.event.id)
    return registration.register(tx, event, form, person, visit.settings, visit.service.clock())


def _resend(visit: Visit, token: str) -> Response:
    _ = visit._
    try:
        wish = visit.service.secrets.unsign(token, "resend", RESEND_S)
        with visit.service.store.transaction() as tx:
            seat = participations.by_id(tx, int(wish["participation"]))
            sent = seat.event_id == visit.event.id and registration.resend(tx, seat.id, visit.service.clock())
    except (Untrusted, LookupError, ValueError, TypeError):
        text = _("Эта кнопка устарела. Откройте страницу регистрации заново.")
        return page("closed.html", _, 400, event=visit.event, title=_("Не получилось"), text=text)
    if not sent:
        text = _("Билет уже отправляли несколько раз. Проверьте папку «Спам» или обратитесь к организатору.")
        return page("closed.html", _, 429, event=visit.event, title=_("Билет уже у вас"), text=text)
    visit.service.wake(visit.event.portal_id)
    text = _("Отправили билет ещё раз – на адрес, указанный при регистрации.")
    return page("closed.html", _, event=visit.event, title=_("Билет отправлен"), text=text)


def _form(
    visit: Visit, form: Form, status: int = 200, *, problem: str = "", errors: Mapping[str, str] | None = None
) -> Response:
    return page(
        "register.html",
        visit._,
        status,
        event=visit.event,
        form=form,
        problem=problem,
        errors=errors or {},
        consent_text=visit._(visit.settings.consent_text),
        trap=TRAP,
    )


def _invalid(visit: Visit, form: Form, found: Invalid) -> Response:
    problem = visit._("Почти готово: исправьте, пожалуйста, отмеченные поля.")
    if wants_json():
        return answer(422, result="invalid", message=problem, errors=dict(found.errors))
    return _form(visit, form, 422, problem=problem, errors=found.errors)


def _refused(visit: Visit, form: Form, status: int, text: str, **why: str) -> Response:
    if wants_json():
        return answer(status, message=text, **why)
    if why.get("reason") == Reason.REPEATED:
        form = Form(form.values, form.consent, journal.new_uid(), form.invitation)
    return _form(visit, form, status, problem=text)


def _throttled(visit: Visit, form: Form) -> Response:
    text = visit._("Слишком много заявок подряд с вашего адреса. Подождите минуту и отправьте ещё раз.")
    reply = _refused(visit, form, 429, text, result="throttled")
    reply.headers["Retry-After"] = "60"
    return reply


def _registered(visit: Visit, done: Registered, first_name: str) -> Response:
    _ = visit._
    if wants_json():
        return answer(
            200, result="registered", ticket=done.ticket, new=done.new, message=_("Вы зарегистрированы")
        )
    link = ticket_link("", done.ticket)
    return page(
        "registered.html", _, event=visit.event, first_name=first_name, address=done.address, link=link
    )


def _already(visit: Visit, participation_id: int, *, personal: bool = False) -> Response:
    _ = visit._
    if wants_json():
        return answer(200, result="already", message=_("Вы уже зарегистрированы"))
    token = visit.service.secrets.sign({"participation": participation_id}, "resend")
    return page("already.html", _, event=visit.event, token=token, personal=personal)


def _closed(visit: Visit, reason: Reason) -> Response:
    text = registration.refusal_text(reason, visit._)
    if wants_json():
        return answer(200, result="refused", reason=reason.value, message=text)
    return page("closed.html", visit._, event=visit.event, title=visit._("Регистрация закрыта"), text=text)
