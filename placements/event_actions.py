"""What a viewer does on the Event tab: segment, invitations, closing, phones, mails, who a guest is.

Every action needs the right to change the event's card, tried with the viewer's own token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from b24.client import Client
from b24.errors import Untrusted
from b24.store.engine import Tx
from placements import viewing
from placements.roles import demand
from placements.session import Forbidden, PageSession, changing, problem
from smart_process import closing, identities, invitation, segment
from smart_process.schema import COMPANY, CONTACT, Binding
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import decisions, event_page, events, messages, setups
from smart_process.store import sync as rows
from smart_process.store.event_page import Candidate
from smart_process.store.events import Event

Guard = Callable[[Callable[..., ResponseReturnValue]], Callable[..., ResponseReturnValue]]
PERMIT_S = 600
"""A long action of several requests tries the viewer's right once and goes on with a signed permit."""
INVITED_AT_ONCE = 100
OVER = frozenset({"closed", "cancelled"})


class Refused(Exception):
    """The request makes no sense or comes at the wrong time; ``text`` (Russian) is for people."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(code)
        self.status, self.code, self.text = status, code, text


def routes(bp: Blueprint, service: Service, guard: Guard) -> None:
    """Add the actions to the Event tab's blueprint."""
    actions: Mapping[str, Callable[[Service, PageSession], ResponseReturnValue]] = {
        "segment/questions": _questions,
        "segment/preview": _preview,
        "segment/select": _select,
        "invite": _invite,
        "closing/now": _close_now,
        "closing/stop": _stop,
        "mail/again": _mail_again,
        "person": _person,
        "company": _company,
    }
    for path, action in actions.items():
        bp.add_url_rule(f"/{path}", path, guard(answering(service, action)), methods=["POST"])


def answering(
    service: Service, action: Callable[[Service, PageSession], ResponseReturnValue]
) -> Callable[..., ResponseReturnValue]:
    """An action as a view: what makes no sense is answered in the viewer's words."""

    def view(session: PageSession) -> ResponseReturnValue:
        try:
            return action(service, session)
        except Refused as refused:
            return problem(refused.status, refused.code, refused.text, session.language)

    return view


def opened_event(tx: Tx, session: PageSession) -> Event:
    """The event whose card is open.

    Raises:
        Forbidden: the app does not know it (any more).
    """
    event = events.by_item(tx, session.portal_id, session.item_id) if session.item_id else None
    if event is None or event.removed_at is not None:
        raise Forbidden("Приложение не знает этого мероприятия. Обновите страницу.", "no_event")
    return event


def body_of() -> Mapping[str, Any]:
    """The request's body. ``Refused`` for anything but an object."""
    data = request.get_json(silent=True)
    if not isinstance(data, Mapping):
        raise Refused(400, "bad_request", "Запрос не читается.")
    return data


def number_of(data: Mapping[str, Any], name: str) -> int:
    """An id in the body, 0 when it is not there."""
    value = data.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise Refused(400, "bad_request", "Запрос не читается.")
    return value


def _permitted(service: Service, session: PageSession, data: Mapping[str, Any]) -> str:
    """Try the viewer's right to change the card, or take an earlier portion's permit; answers a permit."""
    who: dict[str, Any] = {"portal": session.portal_id, "user": session.user_id, "item": session.item_id}
    token = data.get("permit")
    if isinstance(token, str) and token:
        try:
            if service.secrets.unsign(token, "event-permit", PERMIT_S) == who:
                return token
        except Untrusted:
            pass
    changing(service, session)
    return service.secrets.sign(who, "event-permit")


def _setup(tx: Tx, session: PageSession) -> tuple[Binding, Settings]:
    setup = setups.read(tx, session.portal_id)
    return setup.bound, setup.settings


# ------------------------------------------------------------------------ segment and invitations


def _questions(service: Service, session: PageSession) -> ResponseReturnValue:
    with service.store.reading() as tx:
        _binding, settings = _setup(tx, session)
    asked = segment.questions(service.portals.client(session.portal_id), settings)
    return jsonify(
        questions=[
            {
                "name": one.name,
                "title": one.title,
                "options": [{"value": value, "title": title} for value, title in one.options],
            }
            for one in asked
        ]
    )


def _portion(
    service: Service, session: PageSession, data: Mapping[str, Any]
) -> tuple[Event, Settings, segment.Choice, segment.Portion]:
    with service.store.reading() as tx:
        event = opened_event(tx, session)
        _binding, settings = _setup(tx, session)
    try:
        choice = segment.parse_choice(data.get("segment"))
    except segment.BadChoice:
        raise Refused(400, "bad_segment", "Такого отбора нет.") from None
    client = service.portals.client(session.portal_id)
    return event, settings, choice, segment.portion(client, choice, settings, number_of(data, "after"))


def _preview(service: Service, session: PageSession) -> ResponseReturnValue:
    """One portion of a preview: counts, and ``next`` to go on with (``null`` at the end)."""
    data = body_of()
    event, settings, choice, found = _portion(service, session, data)
    with service.store.reading() as tx:
        ids = [one.contact_id for one in found.contacts]
        already = event_page.already_there(tx, session.portal_id, event.id, ids)
    total = None
    if not data.get("after"):
        total = segment.size(service.portals.client(session.portal_id), choice, settings)
    with_email = sum(bool(one.email) for one in found.contacts)
    return jsonify(
        total=total,
        companies=found.companies,
        contacts=len(found.contacts),
        with_email=with_email,
        without_email=len(found.contacts) - with_email,
        already=already,
        next=found.last,
    )


def _select(service: Service, session: PageSession) -> ResponseReturnValue:
    """One portion of «Отобрать»; ``permit`` and ``next`` go into the next request."""
    data = body_of()
    permit = _permitted(service, session, data)
    event, _settings, _choice, found = _portion(service, session, data)
    if event.stage in OVER:
        raise Refused(409, "event_over", "Мероприятие закрыто или отменено: отбирать больше некого.")
    now = service.clock()
    with service.store.transaction() as tx:
        rows.save_accounts(tx, session.portal_id, found.accounts, now=now)
        done = invitation.select(tx, event.id, found.contacts, by=session.actor, now=now)
    service.wake(session.portal_id)
    return jsonify(
        companies=found.companies,
        selected=done.selected,
        already=done.already,
        next=found.last,
        permit=permit,
    )


def _invite(service: Service, session: PageSession) -> ResponseReturnValue:
    """One portion of «Пригласить»: everybody selected, once each."""
    data = body_of()
    permit, now = _permitted(service, session, data), service.clock()
    with service.store.transaction() as tx:
        event = opened_event(tx, session)
        if event.stage in OVER or event.over(now):
            raise Refused(409, "event_over", "Мероприятие уже прошло, закрыто или отменено.")
        ids = event_page.to_invite(tx, event.id, after=number_of(data, "after"), limit=INVITED_AT_ONCE)
        done = invitation.invite(tx, ids, now=now)
    service.wake(session.portal_id)
    more = ids[-1] if len(ids) == INVITED_AT_ONCE else None
    return jsonify(**vars(done), next=more, permit=permit)


# ------------------------------------------------------------------------ closing


def _close_now(service: Service, session: PageSession) -> ResponseReturnValue:
    changing(service, session)
    try:
        with service.store.transaction() as tx:
            closing.close_now(tx, opened_event(tx, session).id, service.clock())
    except closing.NotClosed:
        raise Refused(409, "not_closed", "Сначала переведите мероприятие в «Закрыто».") from None
    service.wake(session.portal_id)
    return jsonify(done=True)


def _stop(service: Service, session: PageSession) -> ResponseReturnValue:
    changing(service, session)
    try:
        with service.store.transaction() as tx:
            _binding, settings = _setup(tx, session)
            event = opened_event(tx, session)
            closing.stop(tx, event.id, session.actor, settings, service.clock())
    except closing.NotClosed:
        raise Refused(409, "not_armed", "Закрытие уже идёт или не назначено.") from None
    service.wake(session.portal_id)
    return jsonify(done=True)


# ------------------------------------------------------------------------ mails and people


def _mail_again(service: Service, session: PageSession) -> ResponseReturnValue:
    message_id = number_of(body_of(), "message")
    demand(service, session, changing(service, session), "resend")
    with service.store.transaction() as tx:
        event = opened_event(tx, session)
        if not event_page.belongs(tx, event.id, message_id):
            raise Refused(404, "no_mail", "Такого письма нет.")
        queued = messages.send_again(tx, message_id, now=service.clock())
    service.wake(session.portal_id)
    return jsonify(queued=queued is not None)


def _person(service: Service, session: PageSession) -> ResponseReturnValue:
    """Who a guest is: ``card`` (one of the candidates), ``new``, or ``none`` – known, and no contact is made."""
    data = body_of()
    person_id, contact_id = number_of(data, "person"), number_of(data, "contact")
    viewer = changing(service, session)
    demand(service, session, viewer, "guests")
    answer = _answer(data, contact_id)
    with service.store.reading() as tx:
        waiting = event_page.waits_for_decision(tx, opened_event(tx, session).id, person_id)
    if waiting is None:
        raise Refused(404, "no_person", "Здесь уже решили.")
    if contact_id:
        _chosen(viewer, CONTACT, contact_id, waiting.candidates)
    with service.store.transaction() as tx:
        now = service.clock()
        identities.settle(
            tx, session.portal_id, person_id, answer, contact_id or None, actor=session.actor, now=now
        )
    service.wake(session.portal_id)
    return jsonify(done=True)


def _company(service: Service, session: PageSession) -> ResponseReturnValue:
    """Which company a guest named: ``card`` (one of that name), ``new``, or ``none``."""
    data = body_of()
    person_id, company_id = number_of(data, "person"), number_of(data, "company")
    viewer = changing(service, session)
    demand(service, session, viewer, "guests")
    answer = _answer(data, company_id)
    with service.store.reading() as tx:
        waiting = event_page.asks_for_company(tx, opened_event(tx, session).id, person_id)
    if waiting is None:
        raise Refused(404, "no_person", "Здесь уже решили.")
    if company_id:
        _chosen(viewer, COMPANY, company_id, waiting.candidates)
    with service.store.transaction() as tx:
        now = service.clock()
        identities.settle_company(
            tx, session.portal_id, person_id, answer, company_id or None, actor=session.actor, now=now
        )
    service.wake(session.portal_id)
    return jsonify(done=True)


def _answer(data: Mapping[str, Any], chosen: int) -> str:
    answer = data.get("answer")
    if answer not in (decisions.CARD, decisions.NEW, decisions.NONE) or (answer == decisions.CARD) != bool(
        chosen
    ):
        raise Refused(400, "bad_request", "Запрос не читается.")
    return str(answer)


def _chosen(viewer: Client, entity_type_id: int, item_id: int, candidates: Sequence[Candidate]) -> None:
    """One of the candidates, and a card the viewer may read: nobody decides about what they cannot see."""
    if item_id not in {one.item_id for one in candidates}:
        raise Refused(400, "no_candidate", "Такого кандидата нет.")
    if not viewing.readable(viewer, entity_type_id, [item_id]):
        raise Forbidden("Эта карточка вам не видна: решить может тот, кто её видит.", "closed_card")
