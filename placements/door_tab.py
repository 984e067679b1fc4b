"""The door on the Event tab: gates, phones, what happens at them now, disputed passages, the rehearsal.

Numbers and ids only: names are read by the page itself with the viewer's own rights.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from b24.store.engine import Tx
from placements.event_actions import OVER, Guard, Refused, answering, body_of, number_of, opened_event
from placements.roles import demand, see_guests
from placements.session import PageSession, changing, problem
from smart_process import conflicts, devices, language, live_view, rehearsal
from smart_process.admission import Gate, GateKind, gate_json
from smart_process.conflicts import Answer, Case, Why
from smart_process.language import Translator, translator
from smart_process.schema import FLAGS
from smart_process.service import Service
from smart_process.store import devices as device_rows
from smart_process.store import event_gates, live, setups
from smart_process.store.events import Event
from smart_process.store.live import Phone
from smart_process.tickets import qr_svg

MOST_GATES, LONGEST_GATE = 20, 64
SHOWN = 30
DECIDED_SHOWN = 10
KINDS = {GateKind.ENTRANCE: "Вход", GateKind.SESSION: "Закрытая сессия", GateKind.STAND: "Стенд"}
WHY = {
    Why.CANCELLED: "Билет был отменён, телефон об этом ещё не знал.",
    Why.WRONG_GATE: "Этот телефон не должен был работать на этом входе.",
    Why.ONE_PHONE: "Один телефон записал билет дважды.",
    Why.TOGETHER: "Два телефона почти одновременно: скорее всего, один гость.",
    Why.APART: "Проходы далеко друг от друга: билет могли передать или скопировать.",
}
ANSWERS = {Answer.SAME: "оставили как есть", Answer.ANNUL: "один проход отменён"}
VERDICTS = {
    "admitted": "Проходите",
    "already_admitted": "Уже проходил",
    "cancelled": "Билет отменён",
    "wrong_event": "Другое мероприятие",
}

Part = Callable[[Service, Tx, Event, Translator], dict[str, Any]]


def routes(bp: Blueprint, service: Service, guard: Guard) -> None:
    """Add the door's parts and actions to the Event tab's blueprint."""
    actions: Mapping[str, Callable[[Service, PageSession], ResponseReturnValue]] = {
        "enrolment": _enrolment,
        "gates": _save_gates,
        "phone/revoke": _revoke,
        "case": _settle,
        "case/reopen": _reopen,
        "rehearsal/start": _start,
        "rehearsal/wipe": _wipe,
    }
    for path, action in actions.items():
        bp.add_url_rule(f"/{path}", path, guard(answering(service, action)), methods=["POST"])

    @bp.get("/door/<name>")
    @guard
    def door_part(session: PageSession, name: str) -> ResponseReturnValue:
        return _part(service, session, name)


# ------------------------------------------------------------------------ what is shown


def _part(service: Service, session: PageSession, name: str) -> ResponseReturnValue:
    if name not in PARTS:
        return problem(404, "no_part", "Такой части страницы нет.", session.language)
    if name == "cases":
        see_guests(service, session)
    _ = translator(session.language)
    with service.store.reading() as tx:
        event = opened_event(tx, session)
        kind = setups.read(tx, session.portal_id).bound.participation.entity_type_id
        values = PARTS[name](service, tx, event, _)
    return jsonify(html=render_template(f"event_tab/_{name}.html", _=_, participation_type=kind, **values))


def _gates(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    return {
        "gates": [gate_json(gate) for gate in event_gates.read(tx, event.id).values()],
        "kinds": {kind.value: _(title) for kind, title in KINDS.items()},
        "flags": {flag: words.get(_.lang) for flag, words in FLAGS.items()},
        "most": MOST_GATES,
    }


def _phones(service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    now = service.clock()
    return {"phones": [_phone(one, event, now, _) for one in live.phones(tx, event.id)]}


def _phone(one: Phone, event: Event, now: datetime, _: Translator) -> dict[str, Any]:
    works = live_view.works(one, now)
    return {
        "phone": one,
        "works": works,
        "silent": works and live_view.is_silent(one, now),
        "seen": language.lately(one.last_seen_at, now, event.zone, _) if one.last_seen_at else "",
        "until": language.moment(one.expires_at, event.zone, _),
        "clock": round((one.skew_s or 0) / 60),
    }


def _live(service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    now = service.clock()
    door = live_view.look(tx, event.id, event.starts_at, now)
    return {
        "door": door,
        "per_minute": language.number(door.lanes.per_minute, _),
        "planned_now": language.number(door.planned[-1], _),
        "kinds": {kind.value: _(title) for kind, title in KINDS.items()},
        "important": [
            {
                "item_id": one.item_id,
                "company_id": one.company_id,
                "gate": one.gate,
                "at": language.lately(one.arrived_at, now, event.zone, _),
            }
            for one in live.important(tx, event.id)
        ],
        "shown": event.stage in ("live", "follow_up"),
        "over": event.stage in OVER,
    }


def _cases(_service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    cases = conflicts.open_cases(tx, event.id)
    return {
        "cases": [_case(one, event, _) for one in cases[:SHOWN]],
        "more": max(0, len(cases) - SHOWN),
        "decided": [
            {"case": one, "answer": _(ANSWERS[one.answer]), "at": language.moment(one.at, event.zone, _)}
            for one in conflicts.decided_cases(tx, event.id)[:DECIDED_SHOWN]
        ],
    }


def _case(case: Case, event: Event, _: Translator) -> dict[str, Any]:
    return {
        "case": case,
        "why": _(WHY[case.why]),
        "minutes": round(case.gap.total_seconds() / 60),
        "showings": [
            {
                "showing": one,
                "at": language.moment(one.at, event.zone, _),
                "clock": round(one.skew_s / 60),
            }
            for one in case.showings
        ],
    }


def _rehearsal(service: Service, tx: Tx, event: Event, _: Translator) -> dict[str, Any]:
    found = rehearsal.under_way(tx, event.id)
    if found is None or found.over(service.clock()):
        return {"rehearsal": None}
    scanned = rehearsal.counts(tx, found)
    return {
        "rehearsal": found,
        "guests": [
            {
                "name": one.name,
                "expected": _(VERDICTS[one.expected]),
                "qr": _picture(f"{service.public_url}/t/{one.ticket}"),
            }
            for one in found.guests
        ],
        "scanned": sum(scanned.values()),
        "phones": len(device_rows.of_event(tx, found.event_id)),
    }


PARTS: dict[str, Part] = {
    "gates": _gates,
    "phones": _phones,
    "live": _live,
    "cases": _cases,
    "rehearsal": _rehearsal,
}


# ------------------------------------------------------------------------ what is done


def _enrolment(service: Service, session: PageSession) -> ResponseReturnValue:
    """A link and its QR for phones; shown once, stored as a hash. ``rehearsal``: for the practice event."""
    data = body_of()
    gates = data.get("gates", [])
    named = isinstance(gates, list) and all(isinstance(one, str) for one in gates)
    gates = [one.strip() for one in gates] if named else None
    if gates is None or len(gates) > MOST_GATES or not all(0 < len(one) <= LONGEST_GATE for one in gates):
        raise Refused(400, "bad_gates", "Названия входов: до 20, каждое до 64 знаков.")
    role = data.get("role", "scan")
    if role not in devices.ROLES:
        raise Refused(400, "bad_role", "Такой роли нет.")
    demand(service, session, changing(service, session), "devices")
    with service.store.transaction() as tx:
        event_id = _place(tx, opened_event(tx, session), practice=data.get("rehearsal") is True)
        code = devices.create_enrolment(
            tx, event_id, gates=gates, role=role, by=session.actor, now=service.clock()
        )
    link = f"{service.public_url}/scan/{code}"
    return jsonify(link=link, qr=_picture(link))


def _place(tx: Tx, event: Event, *, practice: bool) -> int:
    if not practice:
        return event.id
    found = rehearsal.under_way(tx, event.id)
    if found is None:
        raise Refused(409, "no_rehearsal", "Репетиция уже закончена.")
    return found.event_id


def _picture(link: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(qr_svg(link)).decode()}"


def _save_gates(service: Service, session: PageSession) -> ResponseReturnValue:
    gates = _read_gates(body_of().get("gates"))
    demand(service, session, changing(service, session), "devices")
    with service.store.transaction() as tx:
        event_gates.write(tx, opened_event(tx, session).id, gates)
    return jsonify(done=True)


def _read_gates(told: Any) -> list[Gate]:
    """The gates as the page sends them.

    Raises:
        Refused: too many, a name that is empty, too long or twice, an unknown kind or flag.
    """
    if not isinstance(told, list) or len(told) > MOST_GATES or not all(isinstance(one, dict) for one in told):
        raise Refused(400, "bad_gates", "Названия входов: до 20, каждое до 64 знаков.")
    try:
        gates = [Gate(*_read_gate(one)) for one in told]
    except (KeyError, ValueError, AttributeError):
        raise Refused(400, "bad_gates", "Названия входов: до 20, каждое до 64 знаков.") from None
    if len({gate.name for gate in gates}) < len(gates):
        raise Refused(400, "twin_gates", "Два входа называются одинаково.")
    return gates


def _read_gate(told: Mapping[str, Any]) -> tuple[str, GateKind, str, bool]:
    name, flag = str(told["name"]).strip(), str(told.get("flag", ""))
    if not 0 < len(name) <= LONGEST_GATE or not name.isprintable() or (flag and flag not in FLAGS):
        raise ValueError(name)
    return name, GateKind(told["kind"]), flag, told.get("reentry") is True


def _revoke(service: Service, session: PageSession) -> ResponseReturnValue:
    """Switch a phone off: its next contact is refused and wipes its list."""
    device_id = number_of(body_of(), "phone")
    demand(service, session, changing(service, session), "devices")
    with service.store.transaction() as tx:
        event = opened_event(tx, session)
        if device_id not in {one.id for one in device_rows.of_event(tx, event.id)}:
            raise Refused(404, "no_phone", "Такого телефона нет.")
        device_rows.revoke(tx, session.portal_id, device_id, now=service.clock())
    return jsonify(done=True)


def _settle(service: Service, session: PageSession) -> ResponseReturnValue:
    data = body_of()
    answer, key, showing = data.get("answer"), data.get("case"), data.get("showing", "")
    if answer not in list(Answer) or not isinstance(key, str) or not isinstance(showing, str):
        raise Refused(400, "bad_request", "Запрос не читается.")
    demand(service, session, changing(service, session), "undo")
    try:
        with service.store.transaction() as tx:
            event = opened_event(tx, session)
            conflicts.settle(
                tx, event.id, key, Answer(answer), showing, by=session.actor, now=service.clock()
            )
    except conflicts.Settled:
        raise Refused(409, "settled", "Здесь уже решили.") from None
    service.wake(session.portal_id)
    return jsonify(done=True)


def _reopen(service: Service, session: PageSession) -> ResponseReturnValue:
    key = body_of().get("case")
    if not isinstance(key, str):
        raise Refused(400, "bad_request", "Запрос не читается.")
    demand(service, session, changing(service, session), "undo")
    try:
        with service.store.transaction() as tx:
            event = opened_event(tx, session)
            conflicts.reopen(tx, event.id, key, by=session.actor, now=service.clock())
    except conflicts.Settled:
        raise Refused(409, "not_settled", "Здесь решения уже нет.") from None
    service.wake(session.portal_id)
    return jsonify(done=True)


def _start(service: Service, session: PageSession) -> ResponseReturnValue:
    demand(service, session, changing(service, session), "devices")
    _ = translator(session.language)
    with service.store.transaction() as tx:
        event = opened_event(tx, session)
        title = _("РЕПЕТИЦИЯ: %(event)s", event=event.title)[:255]
        rehearsal.start(tx, event, service.secrets, title=title, now=service.clock())
    return jsonify(done=True)


def _wipe(service: Service, session: PageSession) -> ResponseReturnValue:
    demand(service, session, changing(service, session), "devices")
    with service.store.transaction() as tx:
        rehearsal.wipe(tx, opened_event(tx, session).id)
    return jsonify(done=True)
