"""The tab «Путь гостя» on a participation's card: every fact, flags, note, ticket, what can be done.

Flags are set and the note is written by the viewer's own REST call in the page; the sync makes facts of them, like of
any edit. What is taken back carries a reason, so it is said to us. Of an outcome only what names nobody is shown: it
may speak for guests whose cards this viewer may not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.store import marks
from b24.store.engine import Tx
from placements import viewing
from placements.registry import Opened
from placements.roles import demand, see_guests
from placements.session import Forbidden, PageSession, changing, page_api, problem
from smart_process import explaining, language, registration, rule_table, timeline
from smart_process.card_paths import card_path
from smart_process.facts import Kind, NewFact, Stage
from smart_process.language import Translator, translator
from smart_process.schema import FLAGS, Binding, flag_field
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import colleagues, events, journal, outcomes, participations, setups
from smart_process.store.participations import Participation
from smart_process.tickets import ticket_link

PAGE_NAME = "participation"
LONGEST_REASON = 300


def tab(service: Service, opened: Opened) -> ResponseReturnValue:
    """The page for one viewer of one guest."""
    session, _ = opened.session, opened.translate
    shared = {"_": _, "language": session.language, "token": opened.token, "origin": opened.origin}
    if session.item is None:
        text = _("Сохраните карточку участия – путь гостя появится здесь.")
        return render_template("event_tab/wait.html", text=text, **shared)
    with service.store.reading() as tx:
        seat = participations.by_item(tx, session.portal_id, session.item[1])
        values = _shown(tx, service, seat, _) if seat else {}
    if seat is None:
        _read_soon(service, session)
        text = _("Приложение ещё читает эту карточку. Обновите вкладку через несколько секунд.")
        return render_template("event_tab/wait.html", text=text, **shared)
    # Who sees a guest need not see the event.
    event = (opened.binding.event.entity_type_id, values["event"].item_id)
    viewer = service.portals.viewer(session.portal_id, opened.viewer_token)
    named = bool(viewing.readable(viewer, event[0], [event[1]]))
    path = card_path(*event) if named else ""
    return render_template("participation_tab/page.html", event_path=path, **values, **shared)


def blueprint(service: Service) -> Blueprint:
    """What the page's script asks for: ``/b24/api/participation/…``."""
    bp = Blueprint("participation_tab", __name__, url_prefix="/b24/api/participation")
    guard = page_api(service, PAGE_NAME)

    @bp.get("/path")
    @guard
    def path(session: PageSession) -> ResponseReturnValue:
        see_guests(service, session)
        _ = translator(session.language)
        with service.store.reading() as tx:
            values = _shown(tx, service, _opened_seat(tx, session), _)
        return jsonify(html=render_template("participation_tab/_path.html", _=_, **values))

    @bp.post("/changed")
    @guard
    def changed(session: PageSession) -> ResponseReturnValue:
        """The viewer changed the card through the portal: read it now instead of waiting for the event."""
        _read_soon(service, session)
        return jsonify(done=True)

    @bp.post("/resend")
    @guard
    def resend(session: PageSession) -> ResponseReturnValue:
        demand(service, session, changing(service, session), "resend")
        with service.store.transaction() as tx:
            queued = registration.resend(tx, _opened_seat(tx, session).id, service.clock())
        service.wake(session.portal_id)
        return jsonify(queued=queued)

    @bp.post("/annul")
    @guard
    def annul(session: PageSession) -> ResponseReturnValue:
        """Take every arrival so far back."""
        return _take_back(service, session, "")

    @bp.post("/withdraw/<flag>")
    @guard
    def withdraw(session: PageSession, flag: str) -> ResponseReturnValue:
        """Take a flag back."""
        if flag not in FLAGS:
            return problem(404, "no_flag", "Такой отметки нет.", session.language)
        return _take_back(service, session, flag)

    return bp


def _opened_seat(tx: Tx, session: PageSession) -> Participation:
    seat = participations.by_item(tx, session.portal_id, session.item_id) if session.item_id else None
    if seat is None or seat.removed_at is not None:
        raise Forbidden("Приложение не знает этой карточки. Обновите страницу.", "no_participation")
    return seat


def _read_soon(service: Service, session: PageSession) -> None:
    key = f"{session.entity_type_id}:{session.item_id}"
    with service.store.transaction() as tx:
        marks.mark(tx, session.portal_id, "pull", [key], now=service.clock(), priority=marks.HOT)
    service.wake(session.portal_id)


def _take_back(service: Service, session: PageSession, flag: str) -> ResponseReturnValue:
    """Undo an arrival, or a flag, with a reason people read later; a repeated click changes nothing."""
    data = request.get_json(silent=True)
    reason = data.get("reason") if isinstance(data, Mapping) else None
    click = data.get("click") if isinstance(data, Mapping) else None
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= LONGEST_REASON:
        return problem(400, "no_reason", "Напишите причину: её увидят коллеги.", session.language)
    if not isinstance(click, str) or not 8 <= len(click) <= 40:
        return problem(400, "bad_request", "Запрос не читается.", session.language)
    viewer = changing(service, session)
    if not flag:
        demand(service, session, viewer, "undo")
    now, said = service.clock(), {"reason": reason.strip()}
    undo = NewFact(Kind.ARRIVAL_ANNULLED, now, session.actor, f"annul:{click}", data=said)
    off = NewFact(Kind.FLAG_WITHDRAWN, now, session.actor, f"withdraw:{click}", data=said | {"flag": flag})
    with service.store.transaction() as tx:
        seat = _opened_seat(tx, session)
        if seat.flags.get(flag) if flag else seat.arrived_at is not None:
            journal.record(tx, {seat.id: [off if flag else undo]}, now=now, priority=marks.HOT)
    service.wake(session.portal_id)
    return jsonify(done=True)


# ------------------------------------------------------------------------ what is shown


def _shown(tx: Tx, service: Service, seat: Participation, _: Translator) -> dict[str, Any]:
    event, setup = events.by_id(tx, seat.event_id), setups.read(tx, seat.portal_id)
    binding = setup.bound
    people = {user_id: str(row["name"]) for user_id, row in colleagues.everybody(tx, seat.portal_id).items()}
    facts = journal.history(tx, [seat.id])[seat.id]
    lines = timeline.lines(facts, people, outcomes.device_names(tx, seat.event_id), _)
    outcome = outcomes.speaking_for(tx, seat.id)
    return {
        "event": event,
        "lines": [(line, _when(line.at, event.zone, _)) for line in reversed(lines)],
        "flags": _flags(seat, binding, _),
        "note": seat.note,
        "note_field": binding.participation.fields.get("note", ""),
        "product_lines": seat.product_lines,
        "ticket": ticket_link(service.public_url, seat.ticket) if seat.holds_ticket else "",
        "cancelled": seat.cancelled,
        "arrived": seat.arrived_at is not None and seat.stage != Stage.NOT_RELEVANT,
        "outcome": _outcome(outcome, setup.settings, event.zone, _) if outcome else None,
        "entity_type_id": binding.participation.entity_type_id,
        "item_id": seat.item_id,
    }


def _when(at: datetime, zone: ZoneInfo, _: Translator) -> str:
    return language.moment(at, zone, _)


def _outcome(outcome: Mapping[str, Any], settings: Settings, zone: ZoneInfo, _: Translator) -> dict[str, Any]:
    return {
        **viewing.outcome_link(outcome["kind"], outcome["item_id"], outcome["owner_id"], _),
        "priority": outcome["priority"],
        "priority_title": explaining.priority(outcome["priority"], _),
        "rule": _(rule_table.name_of(settings, outcome["rule"])),
        "deadline": _when(outcome["deadline"], zone, _),
        "state": viewing.outcome_state(outcome["result"], _),
        "shared": len(outcome["content"]["participations"]) > 1,
    }


def _flags(seat: Participation, binding: Binding, _: Translator) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "field": binding.participation.fields.get(flag_field(key), ""),
            "title": title.get(_.lang),
            "on": bool(seat.flags.get(key)),
        }
        for key, title in FLAGS.items()
    ]
