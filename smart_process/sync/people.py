"""People: looked up in the CRM by e-mail and phone, matched, or made – companies first, then contacts.

A create whose answer was lost is looked up by our own key before it is repeated (design 3.1, "No duplicates").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process import identities
from smart_process.identities import describe
from smart_process.matching import Decision, common_company, decide_contact, named
from smart_process.people import Contact, Identity, company_key
from smart_process.schema import APP, COMPANY, CONTACT
from smart_process.store import accounts, decisions, guests
from smart_process.store import people as people_store
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import companies, contacts, merging, picture
from smart_process.sync.contacts import contact_card
from smart_process.sync.segments import account
from smart_process.sync.work import Work, all_failed, all_unread, failed, later

AT_ONCE = 50
OPEN = ("new", people_store.LOST)
"""Whose contact has to be looked up: nobody did yet, or it was deleted."""
Row = Mapping[str, Any]


@dataclass
class Case:
    """One person on the way to a contact."""

    mark: Mark
    row: Row
    decision: Decision | None = None
    company_id: int | None = None
    # Cards of the named company's name: somebody is asked whether one of them is meant.
    company_candidates: list[dict[str, Any]] = field(default_factory=list)
    # What people answered before: who this is, which company is meant.
    answers: Mapping[str, Row] = field(default_factory=dict)
    # Its company is being made: the person waits for it.
    waits: bool = False
    # The card was made by us, now or in a call whose answer was lost.
    made: bool = False


def resolve(work: Work) -> int:
    """Find or make the contact and company of marked people."""
    claimed = work.claim("person", limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        found = store.people(tx, [int(one.key) for one in claimed])
        rows = {str(row["id"]): row for row in found if row["merged_into"] is None}
        answers = _answers(tx, work, rows)
    work.finish([one for one in claimed if one.key not in rows])
    cases = [Case(one, rows[one.key], answers=answers[one.key]) for one in claimed if one.key in rows]
    try:
        _look_up(work, cases)
        _named_companies(work, cases)
        _companies(work, cases)
    except errors.B24Error as error:
        all_unread(work, [case.mark for case in cases], error)
        return len(claimed)
    _wait(work, [case for case in cases if case.waits])
    ready = [case for case in cases if not case.waits]
    _make(work, ready)
    known = [case for case in ready if _settled(case)]
    try:
        _accounts(work, known)
    except errors.B24Error as error:
        all_unread(work, [case.mark for case in known], error)
        return len(claimed)
    _conclude(work, known)
    return len(claimed)


def _settled(case: Case) -> bool:
    if case.row["match"] not in OPEN:
        return True
    return case.decision is not None and not case.decision.create


def _wait(work: Work, cases: Sequence[Case]) -> None:
    if not cases:
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for case in cases:
            marks.retry(
                tx, case.mark, at=later(case.mark, now), error="its company is being made", counts=False
            )


def _answers(tx: Tx, work: Work, rows: Mapping[str, Row]) -> dict[str, dict[str, Row]]:
    """By person and question: what people in the portal answered before."""
    who = {key: (identities.person_key(describe(row)), row["id"]) for key, row in rows.items()}
    which = {key: (identities.company_question(row), row["id"]) for key, row in rows.items()}
    found = {
        name: decisions.remembered(tx, work.portal_id, asked)
        for name, asked in (("person", who), ("company", which))
    }
    return {key: {name: some[key] for name, some in found.items() if key in some} for key in rows}


def _look_up(work: Work, cases: Sequence[Case]) -> None:
    new = [case for case in cases if case.row["match"] in OPEN]
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for case in new:
        commands |= _searches(case)
    hits = work.read(commands)
    ids = {key: contacts.ids_of(found) for key, found in hits.items()}
    chosen = {one for case in new if (one := _chosen(case))}
    cards = contacts.cards(work, sorted({one for some in ids.values() for one in some} | chosen))
    with work.service.store.reading() as tx:
        holders = store.people_by_contact(tx, work.portal_id, cards)
        for case in new:
            theirs = {
                one for key, some in ids.items() if key.partition(".")[0] == case.mark.key for one in some
            }
            wanted = sorted((theirs | {_chosen(case)}) & cards.keys())
            made = [one for one in ids.get(f"{case.mark.key}.made", []) if one in cards]
            case.made = bool(made)
            mine = {one: contact_card(cards[one], work.settings.region, describe(case.row)) for one in wanted}
            case.decision = (
                Decision(contact=mine[made[0]]) if made else _decide(tx, work, case, mine, holders)
            )


def _chosen(case: Case) -> int:
    """The card somebody said is this person's; 0 when nobody did."""
    return picture.number(case.answers.get("person", {}).get("contact_id"))


def _decide(tx: Tx, work: Work, case: Case, cards: Mapping[int, Contact], holders: Sequence[Row]) -> Decision:
    answer = case.answers.get("person", {}).get("answer")
    if answer == decisions.CARD and _chosen(case) in cards:
        return Decision(contact=cards[_chosen(case)])
    if answer in (decisions.NEW, decisions.NONE):
        return Decision(never=answer == decisions.NONE)
    held: dict[int, list[Identity]] = defaultdict(list)
    for row in holders:
        if row["id"] != case.row["id"]:
            held[row["contact_id"]].append(describe(row))
    person = describe(case.row)
    around = people_store.neighbours(tx, work.portal_id, [person])
    others = [known.one for known in around if known.row.id != case.row["id"]]
    decision = decide_contact(person, list(cards.values()), neighbours=others, holders=held)
    # Somebody deleted their card: that it is wanted no more is a decision too.
    return Decision(never=True) if decision.create and case.row["match"] == people_store.LOST else decision


def _searches(case: Case) -> dict[str, tuple[str, Mapping[str, Any]]]:
    row, key = case.row, case.mark.key
    searches: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if row["email"]:
        searches[f"{key}.email"] = contacts.search("EMAIL", [row["email"]])
    if row["phone"]:
        searches[f"{key}.phone"] = contacts.search("PHONE", contacts.phone_spellings(row["phone"]))
    if case.mark.sent_at is not None:
        # Our create may have been executed: it carries our key.
        wanted = {"originatorId": APP, "originId": row["uid"]}
        searches[f"{key}.made"] = (
            "crm.item.list",
            {"entityTypeId": CONTACT, "filter": wanted, "select": ["id"], "start": -1},
        )
    return searches


def _named_companies(work: Work, cases: Sequence[Case]) -> None:
    """A person of several companies stands for the one they named; else their card's primary one stays."""
    asking = {
        case.mark.key: case.decision.contact
        for case in cases
        if case.decision
        and case.decision.contact
        and len(case.decision.contact.company_ids) > 1
        and company_key(case.row["company_name"])
        and not case.row["company_id"]
    }
    ids = sorted({one for contact in asking.values() for one in contact.company_ids})
    titles = companies.titles(work, ids)
    for case in cases:
        contact = asking.get(case.mark.key)
        if contact:
            theirs = [(one, titles[one]) for one in contact.company_ids if one in titles]
            meant = named(theirs, case.row["company_name"])
            case.decision = Decision(
                contact=replace(contact, company_id=meant[0] if len(meant) == 1 else contact.company_id)
            )


def _companies(work: Work, cases: Sequence[Case]) -> None:
    """The company of everybody without one: the one we made, a card of that name with evidence, or a new one."""
    for case in cases:
        case.company_id = case.answers.get("company", {}).get("company_id")
    lacking = {case.mark.key: case for case in cases if _company_open(case)}
    if not lacking:
        return
    asking = {key: case.row for key, case in lacking.items() if _company_answer(case) != decisions.NEW}
    found = companies.find(work, asking) if asking else {}
    # No company is matched by its name alone without a person's yes: its guest goes without one meanwhile.
    missing = {key: case.row for key, case in lacking.items() if key not in found and _may_make(case)}
    made = companies.wanted(work, missing) if missing else {}
    for key, case in lacking.items():
        company = found.get(key, made.get(key))
        if isinstance(company, companies.Undecided):
            case.company_candidates = company.candidates
        else:
            case.company_id = company
        case.waits = key in made and made[key] is None


def _company_answer(case: Case) -> str:
    return str(case.answers.get("company", {}).get("answer", ""))


def _may_make(case: Case) -> bool:
    return case.decision is None or not case.decision.never


def _company_open(case: Case) -> bool:
    answer = _company_answer(case)
    if case.row["company_id"] or not company_key(case.row["company_name"]):
        return False
    if answer in (decisions.CARD, decisions.NONE):
        return False
    if case.decision is None:
        return answer == decisions.NEW
    if case.decision.contact is not None:
        return case.decision.contact.company_id is None
    return case.decision.create or case.decision.never


def _make(work: Work, cases: Sequence[Case]) -> None:
    """Make the contacts that nobody has; a refusal is the refused one's own."""
    making = [case for case in cases if case.decision is not None and case.decision.create]
    with work.service.store.reading() as tx:
        responsible = store.responsible_of_people(tx, [case.row["id"] for case in making])
        gone = accounts.gone(tx, work.portal_id)
    room = work.client.room("crm.item.add", CONTACT)
    for at in range(0, len(making), room):
        some = making[at : at + room]
        commands = {case.mark.key: _new_contact(case, responsible.get(case.row["id"]), gone) for case in some}
        leaving = work.leaving([case.mark for case in some])
        try:
            replies = work.client.batch(commands, write=True, before_send=leaving)
        except errors.B24Error as error:
            all_failed(work, [case.mark for case in some], error)
            continue
        _made(work, some, replies)


def _made(work: Work, some: Sequence[Case], replies: Mapping[str, Any]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for case in some:
            reply = replies[case.mark.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, case.mark, reply, now=now, certain_at=work.certain_at(now))
                continue
            contact_id = int(reply.result["item"]["id"])
            # Kept at once: what comes after it in this wave may fail.
            kept = {"contact_id": contact_id, "match": "created", "company_id": case.company_id}
            store.update(tx, t.person, case.row["id"], **kept)
            marks.answered(tx, case.mark)
            case.decision = Decision(contact=Contact(contact_id=contact_id, company_id=case.company_id))
            case.row = {**case.row, "contact_id": contact_id, "match": "created"}


def _new_contact(case: Case, responsible: int | None, gone: Container[int]) -> tuple[str, Mapping[str, Any]]:
    row = case.row
    fields: dict[str, Any] = {
        "name": row["first_name"],
        "lastName": row["last_name"],
        "post": row["position"],
        "originatorId": APP,
        "originId": row["uid"],
        "opened": "Y",
        "fm": [
            {"typeId": kind, "valueType": "WORK", "value": row[name]}
            for kind, name in (("EMAIL", "email"), ("PHONE", "phone"))
            if row[name]
        ],
    }
    if case.company_id and case.company_id not in gone:
        fields["companyId"] = case.company_id
    if responsible:
        fields["assignedById"] = responsible
    return "crm.item.add", {"entityTypeId": CONTACT, "fields": fields}


def _accounts(work: Work, cases: Sequence[Case]) -> None:
    """Segment and responsible of companies not seen before, for the rules."""
    wanted = {company for case in cases if (company := _company_of(case))}
    with work.service.store.reading() as tx:
        wanted = guests.unknown_accounts(tx, work.portal_id, wanted)
    rows = [account(item, work.settings) for item in work.items(COMPANY, sorted(wanted))]
    with work.service.store.transaction() as tx:
        store.save_accounts(tx, work.portal_id, rows, now=work.now())


def _company_of(case: Case) -> int | None:
    if case.row["company_id"]:
        return int(case.row["company_id"])
    contact = case.decision.contact if case.decision else None
    if contact is not None and contact.company_id:
        return contact.company_id
    if case.decision is not None and case.decision.candidates:
        return common_company(case.decision.candidates)
    return case.company_id


def _conclude(work: Work, cases: Sequence[Case]) -> None:
    now = work.now()
    for case in cases:
        with work.service.store.transaction() as tx:
            _conclude_one(tx, work, case, now)


def _conclude_one(tx: Tx, work: Work, case: Case, now: datetime) -> None:
    row, decision = case.row, case.decision
    values: dict[str, Any] = {"company_id": _company_of(case)}
    if case.company_candidates or values["company_id"]:
        values["company_candidates"] = [] if values["company_id"] else case.company_candidates
    if decision is not None and decision.contact is not None:
        made = case.made or row["match"] == "created"
        values |= {"contact_id": decision.contact.contact_id, "match": "created" if made else "matched"}
        values["candidates"] = []
    elif decision is not None:
        match = "none" if decision.never else "undecided"
        values |= {"match": match, "candidates": list(decision.candidates)}
    store.update(tx, t.person, row["id"], **values)
    takes_part = store.participations_of_people(tx, [row["id"]])
    if values.get("contact_id"):
        merging.one_person(tx, work.portal_id, row["id"], values["contact_id"], now)
    followed = {row["company_id"], values["company_id"]}
    identities.follow(tx, work.portal_id, takes_part, followed, row["id"], now)
    marks.done(tx, [case.mark])
