"""The tab «Мероприятия» on a contact's and a company's card: the history of events, and who can be invited next.

Only participations the viewer's own token may read are shown and counted; names are read by the page itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.client import Client
from b24.errors import B24Error
from b24.store import marks
from placements import viewing
from placements.event_tab import stage_title
from placements.registry import Opened
from placements.roles import see_guests
from placements.session import Forbidden, PageSession, acting, may_change, page_api, problem
from smart_process import invitation, language
from smart_process.card_paths import card_path
from smart_process.door_words import zone_of
from smart_process.facts import RANK, Stage, reached_stages
from smart_process.language import Translator, translator
from smart_process.people import Contact
from smart_process.schema import COMPANY, CONTACT, FLAGS, Binding
from smart_process.service import Service
from smart_process.store import events, history, setups
from smart_process.store.events import Event
from smart_process.store.history import Visit
from smart_process.sync.contacts import contact_card

PAGE_NAMES = ("contact", "company")
SHOWN = 50
MOST_INVITED = 50
CHOICES = 50


@dataclass(frozen=True)
class Seen:
    """What one viewer may know of a client's events."""

    visits: Sequence[Visit]
    hidden: bool
    ahead: Sequence[Event]
    people: Sequence[Mapping[str, Any]]
    events: frozenset[int]
    """Events whose cards the viewer may read, by their ids in the CRM."""


def tab(service: Service, opened: Opened) -> ResponseReturnValue:
    """The page for one viewer of one contact or company."""
    session, _ = opened.session, opened.translate
    shared = {"_": _, "language": session.language, "token": opened.token, "origin": opened.origin}
    if session.item is None:
        text = _("Сохраните карточку – история мероприятий появится здесь.")
        return render_template("event_tab/wait.html", text=text, **shared)
    viewer = service.portals.viewer(session.portal_id, opened.viewer_token)
    values = _shown(service, session, opened.binding, viewer, 0)
    return render_template("client_tab/page.html", page=session.page, **values, **shared)


def blueprint(service: Service) -> Blueprint:
    """What the page's script asks for: ``/b24/api/client/…``."""
    bp = Blueprint("client_tab", __name__, url_prefix="/b24/api/client")
    guard = page_api(service, *PAGE_NAMES)

    @bp.get("/history")
    @guard
    def visits(session: PageSession) -> ResponseReturnValue:
        """A page of the history as the viewer may read it now."""
        after = request.args.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 4:
            return problem(400, "bad_question", "Список не найден.", session.language)
        see_guests(service, session)
        viewer = acting(service, session)
        with service.store.reading() as tx:
            binding = setups.read(tx, session.portal_id).bound
        values = _shown(service, session, binding, viewer, int(after))
        part = "client_tab/_rows.html" if int(after) else "client_tab/_history.html"
        html = render_template(part, _=translator(session.language), page=session.page, **values)
        return jsonify(html=html, next=values["next"])

    @bp.post("/invite")
    @guard
    def invite(session: PageSession) -> ResponseReturnValue:
        return _invite(service, session)

    return bp


# ------------------------------------------------------------------------ what is shown


def _shown(
    service: Service, session: PageSession, binding: Binding, viewer: Client, after: int
) -> dict[str, Any]:
    seen = _seen(service, session, binding, viewer)
    _ = translator(session.language)
    rows = seen.visits[after : after + SHOWN]
    return {
        "rows": [_row(one, binding, seen.events, _) for one in rows],
        "next": after + SHOWN if len(seen.visits) > after + SHOWN else None,
        "totals": _totals(seen.visits),
        "hidden": seen.hidden,
        "ahead": [(one.item_id, one.title, _day(one.starts_at, one.time_zone, _)) for one in seen.ahead],
        "people": [
            {
                "id": int(one["id"]),
                "name": " ".join(str(one.get(key) or "") for key in ("lastName", "name")).strip(),
                "post": str(one.get("post") or ""),
            }
            for one in seen.people
        ],
        "participation_type": binding.participation.entity_type_id,
    }


def _seen(service: Service, session: PageSession, binding: Binding, viewer: Client) -> Seen:
    """Everything the page shows, allowed by one batch of lists with the viewer's token."""
    item_id = session.item_id or 0
    find = history.of_company if session.entity_type_id == COMPANY else history.of_contact
    with service.store.reading() as tx:
        known = find(tx, session.portal_id, item_id)
        ahead = events.ahead(tx, session.portal_id, service.clock())[:CHOICES]
    mine, theirs = binding.participation.entity_type_id, binding.event.entity_type_id
    asked = viewing.lists(mine, (one.item_id for one in known if one.item_id))
    asked |= viewing.lists(theirs, {one.item_id for one in ahead} | {one.event_item_id for one in known})
    if session.entity_type_id == COMPANY:
        asked["people"] = _people_of(item_id)
    found = viewing.read(viewer, asked)
    people = found.pop("people", [])
    allowed = {
        kind: {int(row["id"]) for key, rows in found.items() if key.startswith(f"i{kind}_") for row in rows}
        for kind in (mine, theirs)
    }
    visits = [one for one in known if one.item_id in allowed[mine]]
    return Seen(
        visits,
        any(one.item_id and one.item_id not in allowed[mine] for one in known),
        [one for one in ahead if one.item_id in allowed[theirs]],
        people,
        frozenset(allowed[theirs]),
    )


def _people_of(company_id: int) -> viewing.Command:
    return "crm.item.list", {
        "entityTypeId": CONTACT,
        "filter": {"companyId": company_id},
        "select": ["id", "name", "lastName", "post"],
        "order": {"id": "ASC"},
        "start": -1,
    }


def _totals(visits: Sequence[Visit]) -> dict[str, int]:
    return {
        "visits": len(visits),
        "invited": sum(one.invited for one in visits),
        "came": sum(one.arrived_at is not None for one in visits),
        "missed": sum(one.stage == Stage.NO_SHOW for one in visits),
    }


def _row(one: Visit, binding: Binding, readable: Collection[int], _: Translator) -> dict[str, Any]:
    furthest = max(reached_stages(one.reached), key=RANK.__getitem__, default=Stage.SELECTED)
    outcome = None
    if one.outcome_kind:
        outcome = viewing.outcome_link(one.outcome_kind, one.outcome_item_id, one.outcome_owner_id, _)
        outcome["state"] = viewing.outcome_state(one.result, _)
    return {
        "item_id": one.item_id,
        "event": one.event_title if one.event_item_id in readable else "",
        "event_path": card_path(binding.event.entity_type_id, one.event_item_id),
        "day": _day(one.starts_at, one.time_zone, _),
        "stage": one.stage,
        "stage_title": stage_title(Stage(one.stage), _),
        "furthest": "" if furthest == one.stage else stage_title(furthest, _),
        "flags": [title.get(_.lang) for key, title in FLAGS.items() if one.flags.get(key)],
        "lines": one.product_lines,
        "note": one.note,
        "outcome": outcome,
    }


def _day(at: Any, zone: str, _: Translator) -> str:
    return language.day(at, zone_of(zone), _) if at else _("дата не назначена")


# ------------------------------------------------------------------------ inviting


def _invite(service: Service, session: PageSession) -> ResponseReturnValue:
    """Add people to an event ahead: the cards are made with the viewer's own rights, the invitation is ours."""
    chosen = _choice(session, request.get_json(silent=True))
    if chosen is None:
        return problem(400, "bad_request", "Выберите мероприятие и людей.", session.language)
    event_item, contact_ids, mail = chosen
    viewer, now = acting(service, session), service.clock()
    with service.store.reading() as tx:
        setup = setups.read(tx, session.portal_id)
        event = next(
            (one for one in events.ahead(tx, session.portal_id, now) if one.item_id == event_item), None
        )
        there = history.contacts_at(tx, event.id, contact_ids) if event else {}
    if event is None:
        return problem(409, "event_over", "Это мероприятие уже никого не принимает.", session.language)
    binding, kind = setup.bound, setup.bound.event.entity_type_id
    cards, standing = _asked(viewer, binding, event, contact_ids, setup.settings.region)
    new = [card for card in cards if card.contact_id not in there and card.contact_id not in standing]
    made = _make(viewer, binding, event, new)
    # Whoever stands there already is mailed only by somebody who could do so on the event's own page.
    everybody = mail and len(new) < len(cards) and may_change(viewer, kind, event_item)
    by_contact = {card.contact_id: card for card in cards}
    with service.store.transaction() as tx:
        seats = dict(there)
        for contact_id, item_id in {**standing, **made}.items():
            if contact_id not in seats:
                seats[contact_id] = invitation.adopt(
                    tx, event, by_contact[contact_id], item_id, by=session.actor, now=now
                )
        keys = [f"{binding.participation.entity_type_id}:{item_id}" for item_id in made.values()]
        marks.mark(tx, session.portal_id, "pull", keys, now=now, priority=marks.HOT)
        mailed = [seat for contact, seat in seats.items() if mail and (everybody or contact in made)]
        sent = invitation.invite(tx, mailed, now=now)
    service.wake(session.portal_id)
    return jsonify(
        added=len(made),
        already=len(cards) - len(new),
        refused=len(new) - len(made),
        queued=sent.queued,
        without_address=sent.without_address,
    )


def _choice(session: PageSession, data: Any) -> tuple[int, list[int], bool] | None:
    if not isinstance(data, Mapping):
        return None
    contacts = [session.item_id] if session.entity_type_id == CONTACT else data.get("contacts")
    if not isinstance(contacts, list) or not 0 < len(contacts) <= MOST_INVITED:
        return None
    if not all(_is_id(one) for one in (*contacts, data.get("event"))):
        return None
    return data["event"], list(dict.fromkeys(contacts)), data.get("mail") is True


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _asked(
    viewer: Client, binding: Binding, event: Event, contact_ids: Sequence[int], region: str
) -> tuple[list[Contact], dict[int, int]]:
    """The contacts as the viewer may read them, and cards they have at the event already: contact → item.

    A card whose creation was not answered is found so before it is made again.
    """
    mine = binding.participation.entity_type_id
    found = viewing.read(
        viewer,
        {
            # Without a selection: only then phones and mails come along.
            "contacts": (
                "crm.item.list",
                {"entityTypeId": CONTACT, "filter": {"@id": list(contact_ids)}, "start": -1},
            ),
            "standing": (
                "crm.item.list",
                {
                    "entityTypeId": mine,
                    "filter": {"@contactId": list(contact_ids), binding.parent_event: event.item_id},
                    "select": ["id", "contactId"],
                    "order": {"id": "ASC"},
                    "start": -1,
                },
            ),
            **viewing.lists(binding.event.entity_type_id, [event.item_id]),
        },
    )
    if not found[f"i{binding.event.entity_type_id}_0"] or not found["contacts"]:
        raise Forbidden("У вас нет доступа к этому мероприятию или контакту.", "no_right")
    cards = [contact_card(one, region) for one in found["contacts"]]
    standing = {int(one["contactId"]): int(one["id"]) for one in reversed(found["standing"])}
    return cards, standing


def _make(viewer: Client, binding: Binding, event: Event, cards: Sequence[Contact]) -> dict[int, int]:
    """Cards made with the viewer's own rights: contact → item; whom the portal refused is missing.

    Raises:
        B24Error: none could be made, for a reason that is not the viewer's right.

    Source: crm/universal/crm-item-add.md.
    """
    if not cards:
        return {}
    commands = {
        str(card.contact_id): (
            "crm.item.add",
            {
                "entityTypeId": binding.participation.entity_type_id,
                "fields": {
                    "title": f"{card.name} – {event.title}" if card.name else event.title,
                    "contactId": card.contact_id,
                    **({"companyId": card.company_id} if card.company_id else {}),
                    binding.parent_event: event.item_id,
                },
            },
        )
        for card in cards
    }
    replies = viewer.batch(commands, write=True)
    made = {
        int(key): int(reply.result["item"]["id"])
        for key, reply in replies.items()
        if not isinstance(reply, B24Error)
    }
    if not made:
        error = next(reply for reply in replies.values() if isinstance(reply, B24Error))
        if isinstance(error, viewing.CLOSED):
            raise Forbidden("У вас нет права добавлять участников мероприятий.", "no_right")
        raise error
    return made
