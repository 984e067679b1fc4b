"""Rehearsal: the whole chain at the door with practice guests, the day before.

A rehearsal is a tenant of its own, beside the portal it belongs to. What keeps two customers apart keeps it apart from
the real event: its tickets are unknown at the real door and real ones in it, nothing of it is counted, sent to the CRM
or mailed, and wiping it is forgetting a tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from b24.secrets import Secrets
from b24.store.engine import Tx
from smart_process.facts import Kind, NewFact
from smart_process.people import Identity
from smart_process.store import erasure, journal, participations, people
from smart_process.store import rehearsal as rows
from smart_process.store.events import Event

LASTS = timedelta(days=1)
COMPANY = "ТОО «Учебная»"
EXPECTED = ("admitted", "admitted", "admitted", "already_admitted", "cancelled", "wrong_event")
"""What the door has to say to each practice ticket, in the order they are made."""
_GUESTS = (
    ("Учебный", "Первый"),
    ("Учебная", "Вторая"),
    ("Учебный", "Третий"),
    ("Учебный", "Пришедший"),
    ("Учебная", "Отменившая"),
    ("Учебный", "Чужой"),
)


@dataclass(frozen=True)
class Practice:
    """A practice guest: the ticket, and the verdict the door has to give."""

    name: str
    ticket: str
    expected: str


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal under way; ``event_id`` is the practice event phones enrol for."""

    portal_id: int
    event_id: int
    started_at: datetime
    guests: tuple[Practice, ...]

    def over(self, now: datetime) -> bool:
        """Whether it has to be wiped."""
        return now - self.started_at >= LASTS


def start(tx: Tx, event: Event, secrets: Secrets, *, title: str, now: datetime) -> None:
    """Make a rehearsal of an event anew: practice guests of one company, the event's gates and product lines."""
    wipe(tx, event.id)
    portal_id = rows.add_tenant(tx, event.id, event.portal_id, secrets.encrypt(""), now=now)
    practice = rows.add_event(tx, portal_id, event.id, title=title, item_id=rows.PRACTICE, now=now)
    other = rows.add_event(tx, portal_id, event.id, title=title, item_id=rows.OTHER, now=now)
    for number, ((last, first), verdict) in enumerate(zip(_GUESTS, EXPECTED, strict=True)):
        place = other if verdict == "wrong_event" else practice
        who = Identity(last, first, company_name=COMPANY)
        person_id = people.find_or_add_person(tx, portal_id, who, now)
        pid = participations.find_or_add(tx, portal_id=portal_id, event_id=place, person_id=person_id).id
        journal.record(tx, {pid: _facts(verdict, number, now)}, now=now)


def _facts(verdict: str, number: int, now: datetime) -> list[NewFact]:
    facts = [NewFact(Kind.REGISTERED, now, "app", f"practice:{number}", data={"source": "page"})]
    if verdict == "already_admitted":
        facts.append(
            NewFact(Kind.ARRIVED, now, "app", f"practice:{number}:in", gate="–", data={"device": "–"})
        )
    if verdict == "cancelled":
        facts.append(NewFact(Kind.CANCELLED, now, "guest", f"practice:{number}:out"))
    return facts


def under_way(tx: Tx, event_id: int) -> Rehearsal | None:
    """The rehearsal of an event, if there is one."""
    found = rows.tenant(tx, event_id)
    if found is None:
        return None
    guests = rows.guests(tx, found.id)
    told = tuple(
        Practice(f"{row.last_name} {row.first_name}", row.ticket, verdict)
        for row, verdict in zip(guests, EXPECTED, strict=False)
    )
    return Rehearsal(found.id, rows.practice_event(tx, found.id), found.installed_at, told)


def wipe(tx: Tx, event_id: int) -> bool:
    """Forget a rehearsal with everything that was done in it; false when there is none."""
    found = rows.tenant(tx, event_id)
    if found is None:
        return False
    erasure.forget_portal(tx, found.id)
    rows.remove_tenant(tx, found.id)
    return True


def wipe_old(tx: Tx, now: datetime) -> int:
    """Forget rehearsals that nobody ended; answers how many there were."""
    old = rows.begun_before(tx, now - LASTS)
    return sum(wipe(tx, event_id) for event_id in old)


def counts(tx: Tx, rehearsal: Rehearsal) -> Mapping[str, int]:
    """How many scans of the rehearsal got which verdict."""
    return rows.verdicts(tx, rehearsal.event_id)
