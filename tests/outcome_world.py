"""A conference whose guests leave facts, and the decisions made about them; over ``tests.guest_world``."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.store.tables import mark
from smart_process import deciding
from smart_process.facts import Kind, NewFact
from smart_process.settings import Settings
from smart_process.store import colleagues, journal
from smart_process.store import tables as t
from tests.guest_world import GuestWorld

MANAGER, HEAD, ORGANISER = 21, 20, 5


@dataclass
class Outcomes:
    """The world of a decision; ``now`` moves only when a test moves it."""

    guests: GuestWorld
    settings: Settings = field(default_factory=Settings)

    @property
    def now(self) -> datetime:
        return self.guests.now

    @property
    def event_id(self) -> int:
        return self.guests.event_id

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.guests.now += timedelta(**by)

    def company(self, company_id: int = 17, **values: Any) -> int:
        """A CRM company that the app knows."""
        row = {"title": "Alser", "potential": "high", "responsible_id": MANAGER} | values
        with self.guests.store.transaction() as tx:
            tx.execute(
                sa.insert(t.account).values(
                    portal_id=self.guests.portal_id, company_id=company_id, read_at=self.now, **row
                )
            )
        return company_id

    def guest(self, last_name: str = "Иванов", company_id: int | None = None, **values: Any) -> int:
        """A registered guest with a card in the CRM; answers the participation's id."""
        person = {
            "portal_id": self.guests.portal_id,
            "uid": secrets.token_hex(16),
            "last_name": last_name,
            "first_name": "Пётр",
            "position": "директор",
            "company_name": "Alser" if company_id else "",
            "company_id": company_id,
            "match": "matched",
            "email": f"{secrets.token_hex(4)}@alser.example",
            "candidates": [],
        } | values
        with self.guests.store.transaction() as tx:
            made = tx.execute(sa.insert(t.person).values(**person).returning(t.person.c.id))
            person_id = int(made.scalar_one())
            pid = journal.add_participation(
                tx,
                portal_id=self.guests.portal_id,
                event_id=self.event_id,
                person_id=person_id,
                item_id=1000 + person_id,
            )
        assert pid is not None
        self.record(pid, Kind.REGISTERED, actor="guest", source="page")
        return pid

    def record(
        self, pid: int, what: Kind, /, *, actor: str = "app", key: str = "", gate: str = "", **data: Any
    ) -> None:
        """A fact that happened now."""
        fact = NewFact(what, self.now, actor, key or secrets.token_hex(8), gate, data)
        with self.guests.store.transaction() as tx:
            journal.record(tx, {pid: [fact]}, now=self.now)

    def arrives(self, pid: int) -> None:
        """A scan at the entrance."""
        self.record(pid, Kind.ARRIVED, actor="device:1", gate="Главный вход", device="Вход 1")

    def flag(self, pid: int, flag: str, line: str = "", actor: str = "user:21") -> None:
        """A flag set."""
        self.record(pid, Kind.FLAG_SET, actor=actor, flag=flag, **({"product_line": line} if line else {}))

    def unflag(self, pid: int, flag: str) -> None:
        """A flag withdrawn."""
        self.record(pid, Kind.FLAG_WITHDRAWN, actor="user:21", flag=flag)

    def close(self) -> None:
        """From here on the event counts as closed."""
        self.guests.change_event(stage="closed", closed_at=self.now)

    def decide(self, subject: str) -> None:
        """Let the rules look at a subject."""
        with self.guests.store.transaction() as tx:
            deciding.decide(tx, self.guests.portal_id, self.event_id, subject, self.settings, self.now)

    def work_off(self) -> None:
        """Let the rules look at every subject that is marked, as a drain does."""
        while keys := self.guests.marked(journal.DECIDE):
            for key in keys:
                self.decide(key.partition(":")[2])
                with self.guests.store.transaction() as tx:
                    tx.execute(sa.delete(mark).where(mark.c.kind == journal.DECIDE, mark.c.key == key))

    def outcomes(self, state: str | None = "live") -> list[Any]:
        """Outcomes in a state, or all."""
        return self.guests.rows(t.outcome, *([t.outcome.c.state == state] if state else []))

    def one(self) -> Any:
        """The only live outcome."""
        (row,) = self.outcomes()
        return row

    def made(self, **values: Any) -> None:
        """The sync made the deal or task of the live outcome and handed its guests over."""
        row = self.one()
        kept = {"item_id": 900 + row.id, "shadow": {"responsible_id": row.owner_id}} | values
        with self.guests.store.transaction() as tx:
            tx.execute(sa.update(t.outcome).where(t.outcome.c.id == row.id).values(**kept))
            fact = NewFact(Kind.OUTCOME_CREATED, self.now, "app", f"outcome:{row.id}")
            ids = row.content["participations"]
            journal.record(tx, {pid: [fact] for pid in ids}, now=self.now)
            tx.execute(
                sa.update(t.participation).where(t.participation.c.id.in_(ids)).values(outcome_id=row.id)
            )

    def seat(self, pid: int) -> Any:
        """A participation's row."""
        (row,) = self.guests.rows(t.participation, t.participation.c.id == pid)
        return row

    def said(self, kind: str | None = None) -> list[Any]:
        """What waits to be said in the portal."""
        return self.guests.rows(t.effect, *([t.effect.c.kind == kind] if kind else []))


def conference(guests: GuestWorld) -> Outcomes:
    """A live event with an organiser, a sales manager and their head."""
    guests.change_event(stage="live", responsible_id=ORGANISER)
    with guests.store.transaction() as tx:
        people = (
            (MANAGER, "Айгуль Серикова", HEAD),
            (HEAD, "Марат Ахметов", None),
            (ORGANISER, "Ольга Ким", HEAD),
        )
        rows = [
            {"user_id": user_id, "name": name, "active": True, "head_id": head_id}
            for user_id, name, head_id in people
        ]
        colleagues.replace(tx, guests.portal_id, rows, now=guests.now)
    return Outcomes(guests)
