"""What must be true in the end, whatever was killed (design 4): every sentence says in which class it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from b24 import portals
from smart_process.demo import conference
from smart_process.demo.command import Demo
from smart_process.demo.doors import Crm
from smart_process.demo.play import read_journal
from smart_process.demo.reading_back import differences
from smart_process.schema import APP, COMPANY, CONTACT, DEAL
from smart_process.store import messages
from smart_process.store import tables as t
from tests.chaos.ledger import Ledger

Row = Mapping[str, Any]


@dataclass
class Verdict:
    """Sentences about what went wrong, by class."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        return [*self.lost, *self.doubled, *self.overwritten]


def judge(demo: Demo, ledger: Ledger, ours: set[str]) -> Verdict:
    """Compare portal, journal and what people remember.

    Args:
        ours: addresses of guests whose contact only we can have made.
    """
    verdict = Verdict()
    binding, event_item = conference.binding(demo), demo.kept.event_item_id
    for text in differences(conference.rest_of(demo), binding, event_item, read_journal(demo)):
        doubled = text.startswith(("two ", "a second "))
        (verdict.doubled if doubled else verdict.lost).append(text)
    people = _people(demo)
    verdict.lost += [*_portal(demo), *_acknowledged(people, ledger)]
    crm = Crm(conference.rest_of(demo))
    verdict.doubled += _doubled(demo, crm, ours)
    mails_lost, mails_doubled = _mails(demo)
    verdict.lost += mails_lost
    verdict.doubled += mails_doubled
    verdict.overwritten += _overwritten(crm, ledger)
    return verdict


def _people(demo: Demo) -> list[Row]:
    """Participations of the event, removed and merged ones too, with address and number of tickets."""
    p, h = t.participation, t.person
    asked = (
        sa.select(p, h.c.email, h.c.merged_into.label("person_merged"))
        .join(h, h.c.id == p.c.person_id)
        .where(p.c.event_id == conference.event(demo)["id"])
    )
    with conference.service_of(demo).store.reading() as tx:
        return [dict(row) for row in tx.execute(asked).mappings()]


def _portal(demo: Demo) -> list[str]:
    with conference.service_of(demo).store.reading() as tx:
        paused = portals.paused_ids(tx)
    return ["the portal is paused"] if paused else []


def _acknowledged(people: list[Row], ledger: Ledger) -> list[str]:
    """Whatever got a 2xx is in the journal."""
    by_email: dict[str, list[Row]] = {}
    for row in people:
        by_email.setdefault(row["email"], []).append(row)
    found = [
        f"{address} registered and is not there"
        for address in [*ledger.tickets, *ledger.walk_ins, *ledger.forms.values()]
        if not any(one["registered_at"] or one["arrived_at"] for one in by_email.get(address, ()))
    ]
    by_ticket = {row["ticket"]: row for row in people}
    by_id = {row["id"]: row for row in people}

    def behind(link: str) -> Row:
        row = by_ticket.get(link.rpartition("/")[2])
        while row and row["merged_into"]:
            row = by_id[row["merged_into"]]
        return row or {"arrived_at": None, "cancelled": False, "flags": {}, "product_lines": [], "lost": True}

    found += [f"the arrival of {link} is lost" for link in ledger.arrived if not behind(link)["arrived_at"]]
    found += [
        f"the cancellation of {link} is lost" for link in ledger.cancelled if not behind(link)["cancelled"]
    ]
    found += [
        f"the flag {flag} {line} of {link} is lost"
        for link, flag, line in sorted(ledger.flags)
        if not behind(link)["flags"].get(flag) or (line and line not in behind(link)["product_lines"])
    ]
    return found


def _doubled(demo: Demo, crm: Crm, ours: set[str]) -> list[str]:
    names = conference.binding(demo)
    kind, event = names.participation, {names.parent_event: demo.kept.event_item_id}
    contacts = crm.items(CONTACT, {"originatorId": APP}, ["id", "originId", "fm"])
    companies = crm.items(COMPANY, {"originatorId": APP}, ["id", "originId", "title"])
    deals = crm.items(DEAL, {"originatorId": APP} | event, ["id", "originId"])
    seats = crm.items(kind.entity_type_id, event, ["id", "xmlId"])
    mails = [
        one["value"].lower()
        for contact in crm.items(CONTACT, {}, ["id", "fm"])
        for one in contact.get("fm") or []
        if one.get("typeId") == "EMAIL" and one["value"].lower() in ours
    ]
    return [
        *_twice("contacts carry the key", (one["originId"] for one in contacts)),
        *_twice("companies carry the key", (one["originId"] for one in companies)),
        *_twice("companies of ours are called", (one["title"] for one in companies)),
        *_twice("deals carry the key", (one["originId"] for one in deals)),
        *_twice("participations carry the key", (one["xmlId"] for one in seats if one["xmlId"])),
        *_twice("contacts have the address", mails),
        *_comments(demo, [deal["id"] for deal in deals]),
    ]


def _twice(what: str, keys: Iterable[Any]) -> list[str]:
    return [f"{times} {what} {key}" for key, times in Counter(keys).items() if times > 1]


def _comments(demo: Demo, deal_ids: list[int]) -> list[str]:
    found = []
    for at in range(0, len(deal_ids), 50):
        asked = {
            f"d{deal_id}": (
                "crm.timeline.comment.list",
                {"filter": {"ENTITY_ID": deal_id, "ENTITY_TYPE": "deal"}, "select": ["ID", "COMMENT"]},
            )
            for deal_id in deal_ids[at : at + 50]
        }
        for key, comments in conference.rest_of(demo).batch(asked).items():
            found += _twice(f"comments of deal {key[1:]} say", (one["COMMENT"] for one in comments))
    return found


def _mails(demo: Demo) -> tuple[list[str], list[str]]:
    """Sent means it arrived once; without an answer it is listed as possible, and arrived once or never."""
    with conference.service_of(demo).store.reading() as tx:
        rows = {row.message_id: row for row in tx.execute(sa.select(t.message))}
    arrived = Counter(one["message_id"].strip("<>").partition("@")[0] for one in _mailbox(demo))
    known = {messages.SENT: {1}, messages.POSSIBLY: {0, 1}, messages.FAILED: {0}}
    lost = [
        f"mail {key} is {row.state} and arrived {arrived[key]} times"
        for key, row in rows.items()
        if arrived[key] not in known.get(row.state, ()) and arrived[key] < 2
    ]
    lost += [f"nobody knows of the mail {key} that arrived" for key in arrived if key not in rows]
    return lost, [f"the mail {key} arrived {times} times" for key, times in arrived.items() if times > 1]


def _mailbox(demo: Demo) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = demo.portal.control("mail.json")
    return found


def _overwritten(crm: Crm, ledger: Ledger) -> list[str]:
    found = []
    for entity_type_id in {key[0] for key in ledger.typed}:
        items = {item["id"]: item for item in crm.items(entity_type_id, {}, [])}
        for (kind, item_id, name), value in ledger.typed.items():
            if kind == entity_type_id and item_id in items and not _same(items[item_id].get(name), value):
                shown = items[item_id].get(name)
                found.append(f"{name} of {kind}:{item_id} was typed {value!r} and is {shown!r}")
    return found


def _same(shown: Any, typed: Any) -> bool:
    return shown == typed or (typed == "Y" and shown is True)
