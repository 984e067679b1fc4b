"""People: looked up in the CRM by e-mail and phone, matched, or made – companies first, then contacts.

A create whose answer was lost is looked up by our own key before it is repeated (design 3.1, "No duplicates").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.marks import Mark
from smart_process.identities import SOMEBODY_NEW
from smart_process.matching import Decision, common_company, decide_contact
from smart_process.people import Contact, Identity, company_key, email_of, phone_of
from smart_process.schema import APP, COMPANY, CONTACT
from smart_process.store import guests, journal
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import companies, merging, picture
from smart_process.sync.segments import account
from smart_process.sync.work import Work, all_failed, all_unread, failed, later

AT_ONCE = 50
CREATES = 25
Row = Mapping[str, Any]


@dataclass
class Case:
    """One person on the way to a contact."""

    mark: Mark
    row: Row
    decision: Decision | None = None
    company_id: int | None = None
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
        rows = {str(row["id"]): row for row in store.people(tx, [int(one.key) for one in claimed])}
    work.finish([one for one in claimed if one.key not in rows])
    cases = [Case(one, rows[one.key]) for one in claimed if one.key in rows]
    try:
        _look_up(work, cases)
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
    if case.row["match"] != "new":
        return True
    return case.decision is not None and not case.decision.create


def _wait(work: Work, cases: Sequence[Case]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for case in cases:
            marks.retry(
                tx, case.mark, at=later(case.mark, now), error="its company is being made", counts=False
            )


def _look_up(work: Work, cases: Sequence[Case]) -> None:
    new = [case for case in cases if case.row["match"] == "new"]
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for case in new:
        commands |= _searches(case)
    hits = work.read(commands)
    ids = {key: _contact_ids(found) for key, found in hits.items()}
    cards = _cards(work, sorted({one for some in ids.values() for one in some}))
    for case in new:
        theirs = {one for key, some in ids.items() if key.partition(".")[0] == case.mark.key for one in some}
        person = _identity(case.row)
        ours = {
            one: contact_card(cards[one], work.settings.region, person)
            for one in sorted(theirs)
            if one in cards
        }
        made = [one for one in ids.get(f"{case.mark.key}.made", []) if one in ours]
        if made:
            case.decision, case.made = Decision(contact=ours[made[0]]), True
        elif case.row["candidates"] == SOMEBODY_NEW:
            case.decision = Decision()
        else:
            case.decision = decide_contact(person, list(ours.values()))


def _searches(case: Case) -> dict[str, tuple[str, Mapping[str, Any]]]:
    row, key = case.row, case.mark.key
    searches: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if row["email"]:
        searches[f"{key}.email"] = _find("EMAIL", [row["email"]])
    if row["phone"]:
        searches[f"{key}.phone"] = _find("PHONE", phone_spellings(row["phone"]))
    if case.mark.sent_at is not None:
        # Our create may have been executed: it carries our key.
        wanted = {"originatorId": APP, "originId": row["uid"]}
        searches[f"{key}.made"] = (
            "crm.item.list",
            {"entityTypeId": CONTACT, "filter": wanted, "select": ["id"], "start": -1},
        )
    return searches


def _find(kind: str, values: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    return "crm.duplicate.findbycomm", {"type": kind, "values": list(values), "entity_type": "CONTACT"}


def phone_spellings(phone: str) -> list[str]:
    """How a number may stand in the CRM: findbycomm compares whole numbers (trap 49)."""
    if phone.startswith("+7"):
        return [phone, f"8{phone[2:]}", phone[1:]]
    return [phone, phone[1:]]


def _contact_ids(found: Any) -> list[int]:
    # findbycomm answers `[]` for nothing and an object otherwise; a list answers with items.
    if isinstance(found, Mapping):
        hits = found["items"] if "items" in found else found.get("CONTACT", [])
        return [int(one["id"] if isinstance(one, Mapping) else one) for one in hits]
    return []


def _cards(work: Work, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    pages = [list(ids[at : at + 50]) for at in range(0, len(ids), 50)]
    replies = work.read(
        {
            f"p{n}": ("crm.item.list", {"entityTypeId": CONTACT, "filter": {"@id": page}, "start": -1})
            for n, page in enumerate(pages)
        }
    )
    return {int(item["id"]): item for reply in replies.values() for item in reply["items"]}


def contact_card(item: Mapping[str, Any], region: str, person: Identity | None = None) -> Contact:
    """A contact as ``crm.item.*`` shows it, addresses and numbers normalised.

    Of several mails and phones those count that ``person`` has too, else the first ones.
    """
    emails = [email_of(str(one.get("value", ""))) for one in _fm(item, "EMAIL")]
    phones = [phone_of(str(one.get("value", "")), region) for one in _fm(item, "PHONE")]
    return Contact(
        last_name=str(item.get("lastName") or ""),
        first_name=str(item.get("name") or ""),
        email=_shared(emails, person.email if person else ""),
        phone=_shared(phones, person.phone if person else ""),
        position=str(item.get("post") or ""),
        contact_id=int(item["id"]),
        company_id=picture.number(item.get("companyId")) or None,
    )


def _shared(values: Sequence[str], wanted: str) -> str:
    return wanted if wanted in values else next((one for one in values if one), "")


def _fm(item: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in item.get("fm") or [] if isinstance(one, Mapping) and one.get("typeId") == kind]


def _identity(row: Row) -> Identity:
    return Identity(
        row["last_name"], row["first_name"], row["email"], row["phone"], row["company_name"], row["position"]
    )


def _companies(work: Work, cases: Sequence[Case]) -> None:
    """The company of everybody without one: the one we made, a card of that name with evidence, or a new one."""
    lacking = {case.mark.key: case for case in cases if _company_open(case)}
    if not lacking:
        return
    found = companies.find(work, {key: case.row for key, case in lacking.items()})
    # No company is matched by its name alone without a person's yes: its guest goes without one.
    missing = {key: case.row for key, case in lacking.items() if key not in found}
    made = companies.wanted(work, missing) if missing else {}
    for key, case in lacking.items():
        company = found.get(key, made.get(key))
        case.company_id = company if isinstance(company, int) else None
        case.waits = key in made and made[key] is None


def _company_open(case: Case) -> bool:
    if case.row["company_id"] or not company_key(case.row["company_name"]):
        return False
    if case.decision is None:
        return False
    if case.decision.contact is not None:
        return case.decision.contact.company_id is None
    return case.decision.create


def _make(work: Work, cases: Sequence[Case]) -> None:
    """Make the contacts that nobody has; a refusal is the refused one's own."""
    making = [case for case in cases if case.decision is not None and case.decision.create]
    with work.service.store.reading() as tx:
        responsible = store.responsible_of_people(tx, [case.row["id"] for case in making])
    for at in range(0, len(making), CREATES):
        some = making[at : at + CREATES]
        commands = {case.mark.key: _new_contact(case, responsible.get(case.row["id"])) for case in some}
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


def _new_contact(case: Case, responsible: int | None) -> tuple[str, Mapping[str, Any]]:
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
    if case.company_id:
        fields["companyId"] = case.company_id
    if responsible:
        fields["assignedById"] = responsible
    return "crm.item.add", {"entityTypeId": CONTACT, "fields": fields}


def _accounts(work: Work, cases: Sequence[Case]) -> None:
    """Segment and responsible of companies not seen before, for the rules."""
    wanted = {company for case in cases if (company := _company_of(case))}
    with work.service.store.reading() as tx:
        wanted = guests.unknown_accounts(tx, work.portal_id, wanted)
    ids = sorted(wanted)
    pages = [ids[at : at + 50] for at in range(0, len(ids), 50)]
    replies = work.read(
        {
            f"p{n}": ("crm.item.list", {"entityTypeId": COMPANY, "filter": {"@id": page}, "start": -1})
            for n, page in enumerate(pages)
        }
    )
    with work.service.store.transaction() as tx:
        for reply in replies.values():
            rows = [account(item, work.settings) for item in reply["items"]]
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


def _conclude_one(tx: Any, work: Work, case: Case, now: Any) -> None:
    row, decision = case.row, case.decision
    values: dict[str, Any] = {"company_id": _company_of(case)}
    if decision is not None and decision.contact is not None:
        made = case.made or row["match"] == "created"
        values |= {"contact_id": decision.contact.contact_id, "match": "created" if made else "matched"}
        values["candidates"] = []
    elif decision is not None:
        values |= {"match": "undecided", "candidates": list(decision.candidates)}
    store.update(tx, t.person, row["id"], **values)
    if values.get("contact_id"):
        merging.twins(tx, work.portal_id, row["id"], values["contact_id"], now)
    takes_part = store.participations_of_people(tx, [row["id"]])
    marks.mark(tx, work.portal_id, journal.PUSH, [one["id"] for one in takes_part], now=now)
    subjects = {
        journal.subject_of(company, row["id"]) for company in (row["company_id"], values["company_id"])
    }
    marks.mark(
        tx,
        work.portal_id,
        journal.DECIDE,
        [f"{one['event_id']}:{subject}" for one in takes_part for subject in subjects],
        now=now,
    )
    marks.done(tx, [case.mark])
