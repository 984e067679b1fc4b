"""The tab «Почему эта сделка» on a deal's card: the decision in one sentence, its rule, guests, facts and history.

The sentence stands in the deal itself; guests are told of as far as the viewer's own token may read their cards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.client import Client
from b24.store import marks
from b24.store.engine import Tx
from placements import viewing
from placements.event_tab import stage_title
from placements.registry import Opened
from placements.session import Forbidden, PageSession, changing, may_change, page_api, problem
from smart_process import explaining, language, rule_table, timeline
from smart_process.card_paths import card_path
from smart_process.facts import Kind, Stage
from smart_process.language import Translator
from smart_process.schema import DEAL
from smart_process.service import Service
from smart_process.store import colleagues, deal_page, events, journal, outcomes, setups
from smart_process.store.deal_page import Guest, Turn
from smart_process.store.events import Event

PAGE_NAME = "deal"
MOST_GUESTS = 200
CHOICES = 50
TOLD = frozenset(
    {
        Kind.REGISTERED,
        Kind.ARRIVED,
        Kind.ARRIVAL_ANNULLED,
        Kind.FLAG_SET,
        Kind.FLAG_WITHDRAWN,
        Kind.NO_SHOW,
        Kind.CANCELLED,
        Kind.STAGE_MOVED,
        Kind.WON,
        Kind.REOPENED,
    }
)
STATES = {
    "superseded": "Теперь за этого партнёра отвечает другая сделка или задача; эту приложение больше не ведёт.",
    "withdrawn": "Основания больше нет, приложение эту сделку не ведёт.",
    "removed": "Сделку удаляли: приложение приняло это как решение и больше её не ведёт.",
}


def tab(service: Service, opened: Opened) -> ResponseReturnValue:
    """The page for one viewer of one deal."""
    session, _ = opened.session, opened.translate
    shared = {"_": _, "language": session.language, "token": opened.token, "origin": opened.origin}
    if session.item is None:
        text = _("Сохраните сделку – здесь появится, откуда она взялась.")
        return render_template("event_tab/wait.html", text=text, **shared)
    deal_id = session.item[1]
    with service.store.reading() as tx:
        outcome = deal_page.outcome_of(tx, session.portal_id, deal_id)
        behind = events.by_id(tx, outcome["event_id"]).item_id if outcome else _linked(opened)
    spoken_for = outcome["content"]["participations"] if outcome else []
    viewer = service.portals.viewer(session.portal_id, opened.viewer_token)
    seen = _read(service, opened, viewer, spoken_for, behind)
    with service.store.reading() as tx:
        guests = deal_page.guests(tx, session.portal_id, spoken_for, seen.tied)
        shown = [one for one in guests if one.item_id in seen.cards]
        event = _event(tx, opened, outcome, shown)
        values = {
            "outcome": _decision(tx, outcome, event, seen.cards, guests, _) if outcome and event else None,
            "guests": _guests(tx, shown, frozenset(spoken_for), seen.events, _),
            "hidden": len(shown) < len(guests),
            "event": event if event and event.item_id in seen.events else None,
            "linked": event is not None or _linked(opened) > 0,
        }
    choices = [] if outcome or values["linked"] else seen.choices
    if choices and not may_change(viewer, *session.item):
        choices = []
    kind = opened.binding
    return render_template(
        "deal_tab/page.html",
        participation_type=kind.participation.entity_type_id,
        event_path=card_path(kind.event.entity_type_id, event.item_id) if event else "",
        choices=[_choice(one, _) for one in choices],
        **values,
        **shared,
    )


def blueprint(service: Service) -> Blueprint:
    """What the page's script asks for: ``/b24/api/deal/…``."""
    bp = Blueprint("deal_tab", __name__, url_prefix="/b24/api/deal")

    @bp.post("/link")
    @page_api(service, PAGE_NAME)
    def link(session: PageSession) -> ResponseReturnValue:
        """Say that the deal began at an event: written with the viewer's own rights, an earlier answer stays."""
        return _link(service, session)

    return bp


def _link(service: Service, session: PageSession) -> ResponseReturnValue:
    data = request.get_json(silent=True)
    event_item = data.get("event") if isinstance(data, Mapping) else None
    if not isinstance(event_item, int) or isinstance(event_item, bool):
        return problem(400, "bad_request", "Выберите мероприятие.", session.language)
    viewer = changing(service, session)
    with service.store.reading() as tx:
        binding = setups.read(tx, session.portal_id).bound
        event = events.by_item(tx, session.portal_id, event_item)
    mine = binding.event.entity_type_id
    if event is None or not viewing.readable(viewer, mine, [event_item]):
        raise Forbidden("У вас нет доступа к этому мероприятию. Сделка не изменена.", "no_event")
    where = {"entityTypeId": DEAL, "id": session.item_id}
    if viewer.call("crm.item.get", where)["item"].get(binding.parent_event):
        return problem(
            409, "linked", "Сделку уже связали с мероприятием. Обновите страницу.", session.language
        )
    viewer.call("crm.item.update", {**where, "fields": {binding.parent_event: event_item}}, write=True)
    with service.store.transaction() as tx:
        key = f"{DEAL}:{session.item_id}"
        marks.mark(tx, session.portal_id, "pull", [key], now=service.clock(), priority=marks.HOT)
    service.wake(session.portal_id)
    return jsonify(done=True)


def _choice(event: Event, _: Translator) -> tuple[int, str, str]:
    day = language.day(event.starts_at, event.zone, _) if event.starts_at else _("дата не назначена")
    return event.item_id, event.title, day


@dataclass(frozen=True)
class Seen:
    """What the viewer's own token may read around one deal, by ids of the CRM.

    ``tied``: participations people or we tied to the deal; ``cards``: those and the guests it speaks for; ``events``
    and, of the latest, ``choices``.
    """

    tied: list[int]
    cards: frozenset[int]
    events: frozenset[int]
    choices: list[Event]


def _read(service: Service, opened: Opened, viewer: Client, spoken_for: Sequence[int], behind: int) -> Seen:
    """Everything the page shows, allowed by one batch of lists with the viewer's token.

    Args:
        behind: CRM id of the event the deal comes from or is linked to, 0 for none.
    """
    eti, theirs = opened.binding.participation.entity_type_id, opened.binding.event.entity_type_id
    with service.store.reading() as tx:
        ours = deal_page.guests(tx, opened.session.portal_id, spoken_for[:MOST_GUESTS], [])
        known = [] if spoken_for else events.latest(tx, opened.session.portal_id, CHOICES)
    tied = {
        "entityTypeId": eti,
        "filter": {opened.binding.parent_deal: opened.session.item_id},
        "select": ["id"],
        "order": {"id": "ASC"},
        "start": -1,
    }
    asked = viewing.lists(eti, (one.item_id for one in ours if one.item_id))
    asked |= viewing.lists(theirs, {behind, *(one.item_id for one in known)} - {0})
    found = viewing.read(viewer, asked | {"tied": ("crm.item.list", tied)})
    ids = {key: [int(one["id"]) for one in rows] for key, rows in found.items()}
    readable = {one for key, some in ids.items() if key.startswith(f"i{theirs}_") for one in some}
    cards = {one for key, some in ids.items() if not key.startswith(f"i{theirs}_") for one in some}
    choices = [one for one in known if one.item_id in readable]
    return Seen(ids["tied"], frozenset(cards), frozenset(readable), choices)


def _linked(opened: Opened) -> int:
    """The event a person chose in the deal's field; 0 for none."""
    linked = str(opened.card.get(opened.binding.parent_event) or "")
    return int(linked) if linked.isascii() and linked.isdigit() else 0


def _event(
    tx: Tx, opened: Opened, outcome: Mapping[str, Any] | None, guests: Sequence[Guest]
) -> Event | None:
    """The event behind a deal: ours by its decision, another's by the link a person made, or by its guests."""
    if outcome is not None:
        return events.by_id(tx, outcome["event_id"])
    if _linked(opened):
        return events.by_item(tx, opened.session.portal_id, _linked(opened))
    return events.by_id(tx, guests[0].event_id) if guests else None


# ------------------------------------------------------------------------ what is shown


def _decision(
    tx: Tx,
    outcome: Mapping[str, Any],
    event: Event,
    allowed: frozenset[int],
    guests: Sequence[Guest],
    _: Translator,
) -> dict[str, Any]:
    shown = {one.id for one in guests if one.item_id in allowed}
    state = outcome["state"]
    return {
        "why": explaining.headline(outcome["explanation"]),
        "whole": outcome["explanation"],
        "rule": _(rule_table.name_of(setups.read(tx, event.portal_id).settings, outcome["rule"])),
        "version": f"{outcome['rules_version']:08x}",
        "priority": outcome["priority"],
        "priority_title": explaining.priority(outcome["priority"], _),
        "todo": outcome["content"].get("todo", ""),
        "deadline": language.moment(outcome["deadline"], event.zone, _),
        "made": language.moment(outcome["created_at"], event.zone, _),
        "result": viewing.outcome_state(outcome["result"], _) if outcome["result"] else "",
        "state": _(STATES[state]) if state in STATES else "",
        "turns": [_turn(tx, one, event, shown, _) for one in deal_page.turns(tx, outcome)],
    }


def _turn(tx: Tx, one: Turn, event: Event, shown: set[int], _: Translator) -> dict[str, str]:
    because = ""
    if one.fact is not None and one.participation_id in shown:
        (line,) = timeline.lines([one.fact], _people(tx, event), outcomes.device_names(tx, event.id), _)
        because = f"{line.what} – {line.by}"
    when = language.moment(one.at, event.zone, _) if one.at else _("ещё не отправлено в портал")
    return {"when": when, "text": one.text, "because": because}


def _people(tx: Tx, event: Event) -> dict[int, str]:
    return {user_id: str(row["name"]) for user_id, row in colleagues.everybody(tx, event.portal_id).items()}


def _guests(
    tx: Tx,
    guests: Sequence[Guest],
    spoken_for: frozenset[int],
    readable: frozenset[int],
    _: Translator,
) -> list[dict[str, Any]]:
    by_event: dict[int, list[Guest]] = defaultdict(list)
    for one in guests:
        by_event[one.event_id].append(one)
    found = []
    for event_id, some in by_event.items():
        event = events.by_id(tx, event_id)
        people, devices = _people(tx, event), outcomes.device_names(tx, event_id)
        known = journal.history(tx, [one.id for one in some])
        for guest in some:
            told = [fact for fact in known[guest.id] if fact.kind in TOLD]
            lines = timeline.lines(told, people, devices, _)
            found.append(
                {
                    "item_id": guest.item_id,
                    "event": event.title if event.item_id in readable else "",
                    "stage": guest.stage,
                    "stage_title": stage_title(Stage(guest.stage), _),
                    "note": guest.note,
                    "by_hand": guest.id not in spoken_for,
                    "lines": [(one, language.moment(one.at, event.zone, _)) for one in lines],
                }
            )
    return found
