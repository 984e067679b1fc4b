"""Companies of guests: a card of that name with evidence, or one we make – once, however many people name it.

Every company we make is an object of its own with a mark of its own: that its create may be under way is known to
everybody who needs it, and it is looked up by our key before it is repeated (design 3.1, "No duplicates").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.matching import domain_of, named
from smart_process.people import company_key
from smart_process.schema import APP, COMPANY
from smart_process.store import accounts, guests
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync.work import Commands, Work, all_failed, all_unread, failed

MARK = "company"
PAGE = 50
MOST = 1000
"""So many cards with one word in their title are looked through; behind a commoner word only people find one."""
Row = Mapping[str, Any]
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Undecided:
    """Cards have this name, and nothing but the name: only a person can say that one of them is meant.

    ``candidates``: ``[{"company_id", "reason"}]``; none when they are too many to be looked through.
    """

    candidates: list[dict[str, Any]] = field(default_factory=list)


BY_NAME = "name"
"""The reason why somebody is asked about a company."""


def find(work: Work, people: Mapping[str, Row]) -> dict[str, int | Undecided]:
    """Companies that exist already for people (by key) who name one: ours, or a card of that name with evidence.

    Raises:
        B24Error: the portal could not be asked.
    """
    found: dict[str, int | Undecided] = {}
    with work.service.store.reading() as tx:
        gone = accounts.gone(tx, work.portal_id)
        for key, row in people.items():
            made = guests.company_made(tx, work.portal_id, company_key(row["company_name"]))
            if made and made not in gone:
                found[key] = made
    asking = {key: row for key, row in people.items() if key not in found}
    # Not made again, but its guests stay together.
    deleted = {company_key(title): company_id for company_id, title in gone.items() if company_key(title)}
    cards = _named(work, {company_key(row["company_name"]) for row in asking.values()})
    for key, row in asking.items():
        match = _match(row, cards[company_key(row["company_name"])]) or deleted.get(
            company_key(row["company_name"])
        )
        if match is not None:
            found[key] = match
    return found


def _named(work: Work, names: Collection[str]) -> dict[str, list[Item] | None]:
    """Cards in whose title the longest word of a name stands; ``None``: too many to be looked through."""
    first = work.answers({name: _search(name, 0) for name in names})
    pages = {
        f"{at}:{name}": _search(name, at)
        for name, answer in first.items()
        for at in range(PAGE, min(answer.total or 0, MOST), PAGE)
    }
    more = work.read(pages)
    found: dict[str, list[Item] | None] = {
        name: list(answer.result["items"]) for name, answer in first.items()
    }
    for key, result in more.items():
        some = found[key.partition(":")[2]]
        if some is not None:
            some.extend(result["items"])
    return found | {name: None for name, answer in first.items() if (answer.total or 0) > MOST}


def _search(name: str, start: int) -> tuple[str, Mapping[str, Any]]:
    word = max(name.split(), key=len)
    # Without a selection, because only then mails come along (`fm`).
    return "crm.item.list", {
        "entityTypeId": COMPANY,
        "filter": {"%title": word},
        "order": {"id": "ASC"},
        "start": start,
    }


def _match(row: Row, items: Sequence[Item] | None) -> int | Undecided | None:
    if items is None:
        return Undecided()
    cards = [(int(one["id"]), str(one["title"] or "")) for one in items]
    same_name = named(cards, row["company_name"])
    ours = [one for one in items if int(one["id"]) in same_name and one.get("originatorId") == APP]
    if len(ours) == 1:
        # Made by us, perhaps a moment ago by a call that has no answer yet.
        return int(ours[0]["id"])
    proven = [
        int(one["id"]) for one in items if int(one["id"]) in same_name and _shares_domain(row["email"], one)
    ]
    if len(proven) == 1:
        return proven[0]
    asked = [{"company_id": one, "reason": BY_NAME} for one in same_name]
    return Undecided(asked) if asked else None


def _shares_domain(email: str, item: Mapping[str, Any]) -> bool:
    ours = domain_of(email)
    mails = [one for one in item.get("fm") or [] if isinstance(one, Mapping) and one.get("typeId") == "EMAIL"]
    return bool(ours) and ours in {domain_of(str(one.get("value", ""))) for one in mails}


def titles(work: Work, ids: Sequence[int]) -> dict[int, str]:
    """Titles of company cards by id.

    Raises:
        B24Error: the portal could not be asked.
    """
    return {int(one["id"]): str(one["title"] or "") for one in work.items(COMPANY, ids, "id", "title")}


def wanted(work: Work, people: Mapping[str, Row]) -> dict[str, int | None]:
    """Have companies made for people (by key); ``None``: not made yet, ask again when its mark is done."""
    with work.service.store.transaction() as tx:
        rows = {key: _row_of(tx, work, row["company_name"]) for key, row in people.items()}
        missing = sorted({row["uid"] for row in rows.values() if row["company_id"] is None})
        responsible = store.responsible_of_people(tx, [row["id"] for row in people.values()])
        marks.mark(tx, work.portal_id, MARK, missing, now=work.now())
    owners = {
        rows[key]["uid"]: responsible[row["id"]] for key, row in people.items() if row["id"] in responsible
    }
    while make(work, owners):
        pass
    with work.service.store.reading() as tx:
        made = guests.companies_by_uid(tx, work.portal_id, [row["uid"] for row in rows.values()])
    return {key: made[row["uid"]]["company_id"] for key, row in rows.items()}


def _row_of(tx: Tx, work: Work, name: str) -> Row:
    return guests.company_to_make(tx, work.portal_id, name, company_key(name))


def make(work: Work, owners: Mapping[str, int] | None = None) -> int:
    """Make marked companies; those whose create may have been executed are looked up first.

    Args:
        owners: responsible users by our key of the company.
    """
    claimed = work.claim(MARK, limit=work.client.room("crm.item.add", COMPANY))
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = guests.companies_by_uid(tx, work.portal_id, [one.key for one in claimed])
    open_ones = {one: rows[one.key] for one in claimed if _is_open(rows.get(one.key))}
    work.finish([one for one in claimed if one not in open_ones])
    try:
        made = _made_before(work, [one.key for one in open_ones if one.sent_at])
    except errors.B24Error as error:
        all_unread(work, open_ones, error)
        return len(claimed)
    with work.service.store.transaction() as tx:
        for one, row in open_ones.items():
            if one.key in made:
                _made(tx, one, row, made[one.key])
    _create(work, {one: row for one, row in open_ones.items() if one.key not in made}, owners or {})
    return len(claimed)


def _is_open(row: Row | None) -> bool:
    return row is not None and row["company_id"] is None


def _made(tx: Tx, one: Mark, row: Row, company_id: int) -> None:
    store.update(tx, t.company, row["id"], company_id=company_id)
    marks.done(tx, [one])


def _made_before(work: Work, uids: Sequence[str]) -> dict[str, int]:
    """Which of our keys the portal has already."""
    pages = [list(uids[at : at + 50]) for at in range(0, len(uids), 50)]
    replies = work.read({f"p{n}": _by_our_keys(page) for n, page in enumerate(pages)})
    return {str(one["originId"]): int(one["id"]) for reply in replies.values() for one in reply["items"]}


def _by_our_keys(uids: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    return "crm.item.list", {
        "entityTypeId": COMPANY,
        "filter": {"originatorId": APP, "@originId": list(uids)},
        "select": ["id", "originId"],
        "start": -1,
    }


def _create(work: Work, some: Mapping[Mark, Row], owners: Mapping[str, int]) -> None:
    if not some:
        return
    commands: Commands = {one.key: _add(row, owners.get(one.key)) for one, row in some.items()}
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(list(some)))
    except errors.B24Error as error:
        all_failed(work, some, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, row in some.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                _made(tx, one, row, int(reply.result["item"]["id"]))


def _add(row: Row, owner: int | None) -> tuple[str, Mapping[str, Any]]:
    fields = {"title": row["name"], "originatorId": APP, "originId": row["uid"], "opened": "Y"}
    if owner:
        fields["assignedById"] = owner
    return "crm.item.add", {"entityTypeId": COMPANY, "fields": fields}
