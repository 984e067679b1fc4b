"""Leads that mapped CRM forms make: their guests take part at once, and conversion finds the right client.

The contact and company we know go into the lead's empty fields, so that converting it makes no second card of the same
person. What conversion makes is followed: its contact is the guest's, its deal the outcome (sync/foreign_deals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process import identities
from smart_process.people import Contact, Identity, email_of, phone_of
from smart_process.schema import LEAD
from smart_process.store import form_cards
from smart_process.store import sync as store
from smart_process.sync import contacts, form_answers, newcomers, picture
from smart_process.sync.work import Commands, Work, all_failed, all_unread, failed

MARK = "lead"
CONVERTED = "S"
Row = Mapping[str, Any]
Item = Mapping[str, Any]


def observe(
    work: Work, found: Mapping[int, Item], gone: frozenset[int], last: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Register guests of leads that a mapped form made, and follow those that were converted.

    Args:
        last: leads that get no further look: their own fields say then who filled the form in.
    Returns ids to be looked at again: the form's answers cannot be read yet.
    """
    with work.service.store.reading() as tx:
        known = form_cards.guests(tx, work.portal_id, LEAD, found)
        events = {
            item_id: event
            for item_id, item in found.items()
            if item_id not in known and (event := event_of_form(tx, work, item))
        }
    new = {item_id: found[item_id] for item_id in events}
    answers, cards = read_forms(work, LEAD, new)
    early = frozenset(new) - answers.keys() - last
    with work.service.store.transaction() as tx:
        for item_id, guest in known.items():
            _follow(tx, work, guest, found[item_id])
        for item_id in sorted(new.keys() - early):
            item, typed = new[item_id], answers.get(item_id)
            card = cards.get(picture.number(item.get("contactId")))
            contact = contacts.contact_card(card, work.settings.region) if card else _described(work, item)
            newcomers.by_card(tx, work, LEAD, item, contact, typed, events[item_id]["id"])
            marks.mark(tx, work.portal_id, MARK, [item_id], now=work.now())
    return early


def event_of_form(tx: Tx, work: Work, item: Item) -> Row | None:
    """The event a form's lead or deal registers for: by its parent link, else by the form map."""
    form_id = picture.number(item.get("webformId"))
    if not form_id:
        return None
    parent = picture.number(item.get(work.binding.parent_event))
    mapped = parent or work.settings.form_events.get(str(form_id))
    return store.event_by_item(tx, work.portal_id, mapped) if mapped else None


def read_forms(
    work: Work, entity_type_id: int, items: Mapping[int, Item]
) -> tuple[dict[int, Identity], dict[int, Item]]:
    """Answers of the forms by item, and the contacts on the items by id.

    Raises:
        B24Error: the portal could not be asked.
    """
    replies = work.read({str(one): form_answers.command(entity_type_id, one) for one in items})
    read = {one: form_answers.read(replies[str(one)], work.settings.region) for one in items}
    ids = sorted({picture.number(item.get("contactId")) for item in items.values()} - {0})
    found = contacts.cards(work, ids) if ids else {}
    return {one: typed for one, typed in read.items() if typed is not None}, found


def _described(work: Work, item: Item) -> Contact:
    """A lead's own words: a lead is no client yet."""
    fm = [one for one in item.get("fm") or [] if isinstance(one, Mapping)]
    region = work.settings.region
    mails = [email_of(str(one.get("value", ""))) for one in fm if one.get("typeId") == "EMAIL"]
    phones = [phone_of(str(one.get("value", "")), region) for one in fm if one.get("typeId") == "PHONE"]
    return Contact(
        last_name=str(item.get("lastName") or ""),
        first_name=str(item.get("name") or ""),
        email=next(filter(None, mails), ""),
        phone=next(filter(None, phones), ""),
        company_name=str(item.get("companyTitle") or ""),
        position=str(item.get("post") or ""),
    )


def _follow(tx: Tx, work: Work, guest: Row, item: Item) -> None:
    """Whom a person turned the lead into is the guest, unless we know the guest already."""
    contact_id = picture.number(item.get("contactId"))
    if contact_id and not guest["contact_id"]:
        (row,) = store.people(tx, [guest["person_id"]])
        company_id = row["company_id"] or picture.number(item.get("companyId")) or None
        identities.become(tx, work.portal_id, {**row, "company_id": company_id}, contact_id, work.now())


def push(work: Work) -> int:
    """Write the contact and company of marked leads' guests into the leads' empty fields."""
    claimed = work.claim(MARK, limit=work.client.room("crm.item.update", LEAD))
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        guests = form_cards.guests(tx, work.portal_id, LEAD, [int(one.key) for one in claimed])
    ours = {one: guests[int(one.key)] for one in claimed if int(one.key) in guests}
    work.finish([one for one in claimed if one not in ours])
    try:
        shown = _shown(work, [int(one.key) for one in ours])
    except errors.B24Error as error:
        all_unread(work, list(ours), error)
        return len(claimed)
    fields = {one: _empty_ones(guest, shown.get(int(one.key))) for one, guest in ours.items()}
    work.finish([one for one, some in fields.items() if not some])
    _send(work, {one: some for one, some in fields.items() if some})
    return len(claimed)


def _shown(work: Work, ids: Sequence[int]) -> dict[int, Item]:
    asked = {
        "entityTypeId": LEAD,
        "filter": {"@id": list(ids)},
        "select": ["id", "contactId", "companyId", "stageSemanticId"],
        "start": -1,
    }
    items = work.client.call("crm.item.list", asked)["items"] if ids else []
    return {int(item["id"]): item for item in items}


def _empty_ones(guest: Row, item: Item | None) -> dict[str, int]:
    """What the lead lacks; a converted or deleted one lacks nothing."""
    if item is None or item.get("stageSemanticId") == CONVERTED:
        return {}
    wanted = {"contactId": guest["contact_id"], "companyId": guest["living_company_id"]}
    return {name: value for name, value in wanted.items() if value and not picture.number(item.get(name))}


def _send(work: Work, some: Mapping[Mark, Mapping[str, int]]) -> None:
    if not some:
        return
    commands: Commands = {
        one.key: ("crm.item.update", {"entityTypeId": LEAD, "id": int(one.key), "fields": fields})
        for one, fields in some.items()
    }
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(list(some)))
    except errors.B24Error as error:
        all_failed(work, some, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error) and not errors.is_not_found(reply):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                marks.done(tx, [one])
