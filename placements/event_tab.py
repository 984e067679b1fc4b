"""The tab «Воронка» on an event's card: the funnel and the people behind it, closing, segment, links, mails.

The server renders numbers and ids; names are read by the page itself with the viewer's own rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.redact import redact_text
from b24.store import marks
from b24.store.engine import Tx
from placements import door_tab, event_actions
from placements.registry import Opened
from placements.roles import see_guests
from placements.session import PageSession, page_api, problem
from smart_process import closing, language, registration
from smart_process.card_paths import card_path
from smart_process.facts import Stage
from smart_process.funnel import STEPS
from smart_process.language import Translator, translator
from smart_process.registration import Reason
from smart_process.schema import TYPES
from smart_process.service import Service
from smart_process.store import event_page, events, setups
from smart_process.store import funnel as funnel_store
from smart_process.store.events import Event
from smart_process.store.funnel import PAGE, Where

PAGE_NAME = "event"
FAILED = (Stage.SELECTED, Stage.DECLINED, Stage.NO_SHOW, Stage.NOT_RELEVANT)
"""Stages of the kanban that are no steps of the funnel."""
NOW: Mapping[Reason | None, str] = {
    None: "Регистрация идёт.",
    Reason.NOT_OPEN: "Пока закрыта: откроется на стадии «Регистрация открыта», приглашённым лично – «Приглашаем».",
    Reason.OVER: "Регистрация закрыта: мероприятие прошло.",
    Reason.CANCELLED: "Регистрация закрыта: мероприятие отменено.",
    Reason.FULL: "Все места заняты. Чтобы регистрация пошла дальше, увеличьте «Вместимость» в карточке.",
}
"""What a guest meets on the registration page now, and what changes it."""


def tab(service: Service, opened: Opened) -> ResponseReturnValue:
    """The page for one viewer of one event."""
    session, _ = opened.session, opened.translate
    shared = {"_": _, "language": session.language, "token": opened.token, "origin": opened.origin}
    if session.item is None:
        text = _("Сохраните карточку мероприятия – воронка появится здесь.")
        return render_template("event_tab/wait.html", text=text, **shared)
    with service.store.reading() as tx:
        event = events.by_item(tx, session.portal_id, session.item[1])
        values = _funnel(service, tx, event, _) | _links(service, tx, event, _) if event else {}
    if event is None:
        _read_soon(service, session)
        text = _("Приложение ещё читает эту карточку. Обновите вкладку через несколько секунд.")
        return render_template("event_tab/wait.html", text=text, **shared)
    return render_template(
        "event_tab/page.html",
        event=event,
        participation_type=opened.binding.participation.entity_type_id,
        **values,
        **shared,
    )


def _read_soon(service: Service, session: PageSession) -> None:
    with service.store.transaction() as tx:
        marks.mark(
            tx,
            session.portal_id,
            "pull",
            [f"{session.entity_type_id}:{session.item_id}"],
            now=service.clock(),
        )
    service.wake(session.portal_id)


def blueprint(service: Service) -> Blueprint:
    """What the page's script asks for: ``/b24/api/event/…``."""
    bp = Blueprint("event_tab", __name__, url_prefix="/b24/api/event")
    guard = page_api(service, PAGE_NAME)

    @bp.get("/parts/<name>")
    @guard
    def part(session: PageSession, name: str) -> ResponseReturnValue:
        return _part(service, session, name)

    @bp.get("/state")
    @guard
    def state(session: PageSession) -> ResponseReturnValue:
        """Changes when the part «closing» has to be drawn again; cheap, for pages that stay open."""
        with service.store.reading() as tx:
            event = event_actions.opened_event(tx, session)
        return jsonify(state=f"{event.stage} {event.closing_at} {event.closed_at}")

    @bp.get("/people")
    @guard
    def people(session: PageSession) -> ResponseReturnValue:
        return _people(service, session)

    event_actions.routes(bp, service, guard)
    door_tab.routes(bp, service, guard)
    return bp


# ------------------------------------------------------------------------ parts of the page


def _funnel(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    found = funnel_store.of_event(tx, event.id)
    most = max((step.reached for step in found.steps), default=0) or 1
    return {
        "steps": [
            {
                "key": step.stage.value,
                "title": stage_title(step.stage, _),
                "reached": step.reached,
                "width": round(100 * step.reached / most, 1),
                "through_width": round(100 * step.through / most, 1),
                "now": step.now,
                "conversion": None if step.conversion is None else round(100 * step.conversion),
                "lost": step.lost,
                "beside": step.beside,
            }
            for step in found.steps
        ],
        "others": [
            {"key": stage.value, "title": stage_title(stage, _), "now": found.now[stage.value]}
            for stage in FAILED
        ],
        "total": found.total,
        "over": event.stage in event_actions.OVER,
    }


def stage_title(stage: Stage, _: Translator) -> str:
    """The declared title of a participation's stage in the viewer's language."""
    return next(spec.title.get(_.lang) for spec in TYPES["participation"].stages if spec.key == stage)


def _links(service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    reason = registration.refusal(tx, event, service.clock(), invited=False)
    return {
        "registration": f"{service.public_url}/r/{event.code}",
        "open": reason is None,
        "now": _(NOW[reason]),
        "capacity": event.capacity,
        "taken": events.registered_count(tx, event.id),
    }


def _closing(service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    armed = closing.is_armed(event)
    due = event.closing_at is not None and event.closing_at <= service.clock()
    waits = event.stage == closing.CLOSED and event.closed_at is None
    at = event.closing_at if armed else event.closed_at
    return {
        "event": event,
        "armed": armed,
        "running": due or (event.closing_at is not None and event.closed_at is not None),
        "ahead": closing.forecast(tx, event.portal_id, event.id) if waits else None,
        "at": language.moment(at, event.zone, _) if at else "",
    }


def _ahead(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    return {"ahead": closing.forecast(tx, event.portal_id, event.id)}


def _mails(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    kinds = {
        "invitation": _("Приглашения"),
        "ticket": _("Билеты"),
        "materials": _("Материалы"),
        "missed": _("Письма не пришедшим"),
    }
    return {
        "mails": event_page.mails(tx, event.id),
        "troubles": [replace(one, error=_reason(one.error, _)) for one in event_page.troubles(tx, event.id)],
        "kinds": kinds,
    }


def _reason(error: str, _: Translator) -> str:
    """Ours in the reader's language; what a mail server said as it said it, without the guest's address."""
    return _(redact_text(error)) if error else ""


def _undecided(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    return {
        "undecided": event_page.undecided(tx, event.id),
        "companies": event_page.asking_for_company(tx, event.id),
        "why": {
            "several": _("подходят несколько карточек"),
            "contradicts": _("имя другое"),
            "held": _("имя подходит, но за этой карточкой уже другой гость"),
            "name": _("название совпало"),
            "email": _("e-mail совпадает"),
            "phone": _("телефон совпадает"),
        },
    }


def _invitations(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    waiting, silent = event_page.waiting_to_invite(tx, event.id)
    return {"event": event, "waiting": waiting, "silent": silent}


PARTS: dict[str, door_tab.Part] = {
    "funnel": _funnel,
    "links": _links,
    "closing": _closing,
    "ahead": _ahead,
    "mails": _mails,
    "undecided": _undecided,
    "invitations": _invitations,
}


ABOUT_PEOPLE = frozenset({"undecided"})
"""Parts for those who may see who the guests are."""


def _part(service: Service, session: PageSession, name: str) -> ResponseReturnValue:
    if name not in PARTS:
        return problem(404, "no_part", "Такой части страницы нет.", session.language)
    if name in ABOUT_PEOPLE:
        see_guests(service, session)
    _ = translator(session.language)
    with service.store.reading() as tx:
        event = event_actions.opened_event(tx, session)
        binding = setups.read(tx, session.portal_id).bound
        values = PARTS[name](service, tx, event, _)
    kind = binding.participation.entity_type_id
    html = render_template(f"event_tab/_{name}.html", _=_, participation_type=kind, **values)
    return jsonify(html=html)


def _people(service: Service, session: PageSession) -> ResponseReturnValue:
    see_guests(service, session)
    stage, where = request.args.get("stage", ""), request.args.get("where", "")
    after = request.args.get("after", "0")
    known = where in set(Where) and stage in set(Stage)
    if not known or not after.isascii() or not after.isdigit() or len(after) > 9:
        return problem(400, "bad_question", "Список не найден.", session.language)
    if where != Where.NOW and Stage(stage) not in STEPS:
        return problem(400, "bad_question", "Список не найден.", session.language)
    with service.store.reading() as tx:
        event = event_actions.opened_event(tx, session)
        some = funnel_store.people_behind(tx, event.id, Stage(stage), Where(where), after=int(after))
        binding = setups.read(tx, session.portal_id).bound
    return jsonify(
        people=[
            {
                "id": one.id,
                "item_id": one.item_id,
                "path": card_path(binding.participation.entity_type_id, one.item_id),
                "stage": one.stage,
            }
            for one in some
        ],
        next=some[-1].id if len(some) == PAGE else None,
    )
