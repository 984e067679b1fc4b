"""What became of the contacts behind guests: changed, merged, deleted, taken back out of the bin."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import identities
from smart_process.schema import APP
from smart_process.store import accounts, outcomes
from smart_process.store import people as people_store
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import picture
from smart_process.sync.contacts import addresses
from smart_process.sync.work import Work

Item = Mapping[str, Any]
Row = Mapping[str, Any]
NOBODY: frozenset[int] = frozenset()


def observe(
    work: Work, found: Mapping[int, Item], gone: frozenset[int], _last: frozenset[int]
) -> frozenset[int]:
    """Guests follow their contacts: a merged one to the contact that stayed, a restored one to its new number.

    A contact that a person deleted is a decision: it is looked for, and not made again. One that got a company takes
    its outcomes along.

    Raises:
        B24Error: the cards of guests whose contact is gone could not be read.
    """
    with work.service.store.reading() as tx:
        lost = store.people_by_contact(tx, work.portal_id, gone)
        seats = store.participations_of_people(tx, [row["id"] for row in lost])
    instead = _on_cards(work, seats, gone)
    with work.service.store.transaction() as tx:
        contact_of = {row["id"]: row["contact_id"] for row in lost}
        for seat in seats:
            _forget_links(tx, seat, contact_of[seat["person_id"]])
        for row in lost:
            _lost(tx, work, row, instead.get(row["id"]))
        eti = work.binding.participation.entity_type_id
        cards = [f"{eti}:{seat['item_id']}" for seat in seats if seat["item_id"]]
        # It may have put another in its place: who was merged, say.
        marks.mark(tx, work.portal_id, "pull", cards, now=work.now())
        known = store.people_by_contact(tx, work.portal_id, found)
        deleted = accounts.gone(tx, work.portal_id)
        for row in known:
            _got_company(tx, work, row, found[row["contact_id"]], deleted)
        for item_id in found.keys() - {row["contact_id"] for row in known}:
            _appeared(tx, work, found[item_id])
    return NOBODY


def _on_cards(work: Work, seats: list[Row], gone: frozenset[int]) -> dict[int, int]:
    """By person the contact their card shows now instead of the one that is gone: the portal's answer to a merge."""
    of_card = {int(seat["item_id"]): int(seat["person_id"]) for seat in seats if seat["item_id"]}
    eti = work.binding.participation.entity_type_id
    shown = work.items(eti, sorted(of_card), "id", "contactId")
    contacts = {of_card[int(item["id"])]: picture.number(item.get("contactId")) for item in shown}
    return {person: contact for person, contact in contacts.items() if contact and contact not in gone}


def _forget_links(tx: Tx, seat: Row, contact_id: int) -> None:
    """The portal took the contact off the guest's card and deal without a word."""
    shadow = _without(seat["shadow"], contact_id)
    gone = sorted({*shadow.get(picture.GONE_CONTACTS, []), contact_id})
    store.update(tx, t.participation, seat["id"], shadow=shadow | {picture.GONE_CONTACTS: gone})
    if seat["outcome_id"]:
        (row,) = outcomes.by_ids(tx, [seat["outcome_id"]])
        store.update(tx, t.outcome, row["id"], shadow=_without(row["shadow"], contact_id))


def _without(shadow: Row | None, contact_id: int) -> dict[str, Any]:
    shown = {**(shadow or {})}
    if "contact_ids" in shown:
        shown["contact_ids"] = [one for one in shown["contact_ids"] if one != contact_id]
    return shown


def _lost(tx: Tx, work: Work, row: Row, instead: int | None) -> None:
    now = work.now()
    if instead:
        identities.become(tx, work.portal_id, row, instead, now)
        return
    store.update(tx, t.person, row["id"], contact_id=None, match=people_store.LOST)
    marks.mark(tx, work.portal_id, "person", [row["id"]], now=now)


def _got_company(tx: Tx, work: Work, row: Row, item: Item, deleted: Container[int]) -> None:
    """A company for whom had none, or one that was deleted: whose it was alone, becomes it with its outcomes."""
    before, company = row["company_id"], picture.number(item.get("companyId"))
    if not company or company == before or (before and before not in deleted):
        return
    now = work.now()
    if before and len(accounts.of_companies(tx, work.portal_id, [before])) == 1:
        accounts.become(tx, work.portal_id, before, company, now)
        return
    store.update(tx, t.person, row["id"], company_id=company)
    seats = identities.takes_part(tx, [row["id"]])
    identities.follow(tx, work.portal_id, seats, {before, company}, row["id"], now)
    marks.mark(tx, work.portal_id, people_store.LOOK_UP, [row["id"]], now=now)


def _appeared(tx: Tx, work: Work, item: Item) -> None:
    """A contact we know nobody by: perhaps one that was lost came back, under another number."""
    now, uid = work.now(), str(item.get("originId") or "")
    values = addresses(item, work.settings.region)
    if item.get("originatorId") == APP and uid:
        for row in people_store.without_contact(tx, work.portal_id, uids=[uid]):
            identities.become(tx, work.portal_id, row, int(item["id"]), now)
    else:
        for row in people_store.without_contact(tx, work.portal_id, values=values):
            store.update(tx, t.person, row["id"], match=people_store.LOST)
            marks.mark(tx, work.portal_id, "person", [row["id"]], now=now)
    # One of two cards of a guest, deleted and restored: the portal put it back on the guest's card without a word.
    seats = store.participations_of_people(tx, people_store.reached_by(tx, work.portal_id, values))
    eti = work.binding.participation.entity_type_id
    lacking = [one["item_id"] for one in seats if (one["shadow"] or {}).get(picture.GONE_CONTACTS)]
    marks.mark(tx, work.portal_id, "pull", [f"{eti}:{item_id}" for item_id in lacking if item_id], now=now)
