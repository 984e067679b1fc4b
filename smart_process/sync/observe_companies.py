"""What became of the companies behind guests: changed, merged, deleted, taken back out of the bin."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process.schema import APP, COMPANY, CONTACT, DEAL
from smart_process.store import accounts, guests, outcomes, people
from smart_process.store import sync as store
from smart_process.sync import picture
from smart_process.sync.existing import existing
from smart_process.sync.segments import account
from smart_process.sync.work import Work

Item = Mapping[str, Any]
Row = Mapping[str, Any]
NOBODY: frozenset[int] = frozenset()


def observe(
    work: Work, found: Mapping[int, Item], gone: frozenset[int], _last: frozenset[int]
) -> frozenset[int]:
    """Keep segment and responsible of the companies that matter to us, and follow those that became another one.

    One that was merged is where its guests' cards and contacts are now; a restored one carries our key, or has its
    title and its people again. A company somebody deleted is a decision: it is not made again.

    Raises:
        B24Error: the cards and contacts of its guests could not be read.
    """
    with work.service.store.reading() as tx:
        known = store.accounts(tx, work.portal_id, found)
        concerned = accounts.concerned(tx, work.portal_id, gone)
        lost = accounts.gone(tx, work.portal_id)
        strangers = {item_id: item for item_id, item in found.items() if item_id not in known}
        renumbered = _renumbered(tx, work, strangers)
    renumbered = _without_standing(work, renumbered, gone)
    titles = {str(item.get("title") or "") for item in strangers.values()}
    back = {company_id for company_id, title in lost.items() if title and title in titles}
    instead = _instead(work, (concerned | back) - renumbered.keys()) | renumbered
    with work.service.store.transaction() as tx:
        rows = [account(item, work.settings) for item_id, item in found.items() if item_id in known]
        store.save_accounts(tx, work.portal_id, rows, now=work.now())
        _look_up(tx, work, [one for one in known if known[one]["gone_at"] is not None])
        for old in sorted(concerned | instead.keys()):
            _gone(tx, work, old, instead.get(old))
    return NOBODY


def _renumbered(tx: Tx, work: Work, strangers: Mapping[int, Item]) -> dict[int, int]:
    """Companies we made that stand under another number now."""
    keys = {
        str(item["originId"]): item_id
        for item_id, item in strangers.items()
        if item.get("originatorId") == APP and item.get("originId")
    }
    made = guests.companies_by_uid(tx, work.portal_id, keys) if keys else {}
    return {
        row["company_id"]: keys[uid]
        for uid, row in made.items()
        if row["company_id"] not in (None, keys[uid])
    }


def _without_standing(work: Work, renumbered: Mapping[int, int], gone: frozenset[int]) -> dict[int, int]:
    standing = existing(work, COMPANY, renumbered.keys() - gone)
    return {old: new for old, new in renumbered.items() if old not in standing}


def _instead(work: Work, companies: Collection[int]) -> dict[int, int]:
    """By company the one that all its guests' cards show now – or, where those show none, all their contacts."""
    if not companies:
        return {}
    with work.service.store.reading() as tx:
        theirs = accounts.of_companies(tx, work.portal_id, companies)
        company_of = {row["id"]: int(row["company_id"]) for row in theirs}
        seats = store.participations_of_people(tx, list(company_of))
    cards = {
        int(seat["item_id"]): company_of[seat["person_id"]]
        for seat in seats
        if seat["item_id"] and seat["shadow"].get("company_id") == company_of[seat["person_id"]]
    }
    contacts = {int(row["contact_id"]): company_of[row["id"]] for row in theirs if row["contact_id"]}
    by_card = _shown(work, work.binding.participation.entity_type_id, cards)
    by_contact = _shown(work, CONTACT, contacts)
    return {
        one: other
        for one in companies
        if (other := _one(by_card.get(one, set())) or _one(by_contact.get(one, set())))
        and other not in companies
    }


def _shown(work: Work, entity_type_id: int, company_of: Mapping[int, int]) -> dict[int, set[int]]:
    """By company what the cards of its people show instead of it; 0 for nothing."""
    shown: dict[int, set[int]] = {}
    for item in work.items(entity_type_id, sorted(company_of), "id", "companyId"):
        shown.setdefault(company_of[int(item["id"])], set()).add(picture.number(item.get("companyId")))
    return shown


def _one(shown: set[int]) -> int:
    return next(iter(shown)) if len(shown) == 1 else 0


def _gone(tx: Tx, work: Work, company_id: int, instead: int | None) -> None:
    """The portal took the company off cards and deals without a word, or put another in its place: they are read."""
    now = work.now()
    theirs = accounts.of_companies(tx, work.portal_id, [company_id])
    seats = store.participations_of_people(tx, [row["id"] for row in theirs])
    if instead:
        accounts.become(tx, work.portal_id, company_id, instead, now)
    else:
        accounts.note_gone(tx, work.portal_id, company_id, now)
    eti = work.binding.participation.entity_type_id
    read = [f"{eti}:{seat['item_id']}" for seat in seats if seat["item_id"]]
    read += [f"{CONTACT}:{row['contact_id']}" for row in theirs if row["contact_id"]]
    deals = outcomes.by_ids(tx, {seat["outcome_id"] for seat in seats if seat["outcome_id"]})
    read += [f"{DEAL}:{row['item_id']}" for row in deals if row["kind"] == "deal" and row["item_id"]]
    marks.mark(tx, work.portal_id, "pull", read, now=now)


def _look_up(tx: Tx, work: Work, companies: Collection[int]) -> None:
    """Companies thought to be deleted are there: their people's cards get them back."""
    theirs = accounts.of_companies(tx, work.portal_id, companies)
    marks.mark(tx, work.portal_id, people.LOOK_UP, [row["id"] for row in theirs], now=work.now())
