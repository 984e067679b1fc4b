"""Deals somebody else made: by a mapped form, out of a form's lead, or by a person who linked them to an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b24.store.engine import Tx
from smart_process import adopting
from smart_process.adopting import Deal
from smart_process.deciding import FORM, LINKED
from smart_process.facts import Kind, NewFact
from smart_process.people import Contact
from smart_process.schema import APP, DEAL, LEAD
from smart_process.store import form_cards, journal, participations
from smart_process.store import outcomes as outcome_store
from smart_process.store import sync as store
from smart_process.sync import contacts, leads, newcomers, outcomes, picture
from smart_process.sync.work import Work

Row = Mapping[str, Any]
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Strangers:
    """Deals without an outcome that concern an event, by id.

    ``forms``: made by a mapped form, with its event; ``converted``: out of a form's lead, with its guest; ``linked``:
    with the event a person linked them to.
    """

    forms: Mapping[int, Row]
    converted: Mapping[int, Row]
    linked: Mapping[int, Row]


def observe(work: Work, found: Mapping[int, Item], last: frozenset[int]) -> frozenset[int]:
    """Adopt deals that are not ours and concern an event; answers ids to be looked at again (form not readable yet)."""
    with work.service.store.reading() as tx:
        strangers = _strangers(tx, work, found)
        registered = form_cards.guests(tx, work.portal_id, DEAL, strangers.forms)
    new = {one: found[one] for one in strangers.forms if one not in registered}
    answers, cards = leads.read_forms(work, DEAL, new)
    early = frozenset(new) - answers.keys() - last
    with work.service.store.transaction() as tx:
        for item_id in sorted(new.keys() - early):
            item = new[item_id]
            card = cards.get(picture.number(item.get("contactId")))
            title = Contact(last_name=str(item.get("title") or "")[:120])
            contact = contacts.contact_card(card, work.settings.region) if card else title
            event_id = strangers.forms[item_id]["id"]
            newcomers.by_card(tx, work, DEAL, item, contact, answers.get(item_id), event_id)
        guests = form_cards.guests(tx, work.portal_id, DEAL, strangers.forms.keys() - early)
        for item_id, guest in (guests | dict(strangers.converted)).items():
            _adopt_forms(tx, work, found[item_id], guest)
        for item_id, event in strangers.linked.items():
            _adopt_linked(tx, work, found[item_id], event)
    return early


def _strangers(tx: Tx, work: Work, found: Mapping[int, Item]) -> Strangers:
    known = {row["item_id"] for row in store.outcomes_by_item(tx, work.portal_id, "deal", found)}
    items = {one: item for one, item in found.items() if one not in known and item.get("originatorId") != APP}
    of_leads = form_cards.guests(
        tx, work.portal_id, LEAD, {picture.number(item.get("leadId")) for item in items.values()} - {0}
    )
    forms: dict[int, Row] = {}
    converted: dict[int, Row] = {}
    linked: dict[int, Row] = {}
    for item_id, item in items.items():
        lead = of_leads.get(picture.number(item.get("leadId")))
        if lead:
            converted[item_id] = lead
        elif event := leads.event_of_form(tx, work, item):
            forms[item_id] = event
        elif event := _event(tx, work, item):
            linked[item_id] = event
    return Strangers(forms, converted, linked)


def _event(tx: Tx, work: Work, item: Item) -> Row | None:
    parent = picture.number(item.get(work.binding.parent_event))
    return store.event_by_item(tx, work.portal_id, parent) if parent else None


def _deal(item: Item) -> Deal:
    return Deal(
        int(item["id"]), str(item.get("title") or ""), picture.number(item.get("assignedById")) or None
    )


def _adopt_forms(tx: Tx, work: Work, item: Item, guest: Row) -> None:
    """A form's deal stands for its guest's subject; the guest is handed over when a rule raises it."""
    (event,) = store.events(tx, [guest["event_id"]])
    seat = participations.by_id(tx, guest["id"])
    subject = journal.subject_of(guest["company_id"], seat.person_id)
    adopting.adopt(tx, event, subject, _deal(item), FORM, [], work.settings, work.now())


def _adopt_linked(tx: Tx, work: Work, item: Item, event: Row) -> None:
    """A person's deal stands for the guests among its contacts, else for everybody of its company who took part."""
    company_id = picture.number(item.get("companyId")) or None
    ids = [picture.number(one) for one in item.get("contactIds") or []]
    people = store.people_by_contact(tx, work.portal_id, ids)
    person = next(iter(people), None)
    company_id = company_id or (person["company_id"] if person else None)
    if not company_id and person is None:
        return
    subject = journal.subject_of(company_id, person["id"] if person else 0)
    guests = outcome_store.guests(tx, work.portal_id, event["id"], subject)
    among = [row["id"] for row in guests if row["contact_id"] in ids]
    came = [row["id"] for row in guests if row["arrived_at"] is not None]
    now = work.now()
    outcome = adopting.adopt(tx, event, subject, _deal(item), LINKED, among or came, work.settings, now)
    if outcome is None:
        return
    if outcome["state"] == outcome_store.LIVE:
        outcomes.hand_over(tx, work, outcome, outcome["item_id"], now)
        return
    data = {"kind": "deal", "item_id": outcome["item_id"], "priority": outcome["priority"], "rule": LINKED}
    fact = NewFact(Kind.OUTCOME_CREATED, now, "app", f"outcome:{outcome['id']}", data=data)
    journal.record(tx, {pid: [fact] for pid in outcome["content"]["participations"]}, now=now)
