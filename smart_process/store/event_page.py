"""What the Event tab shows besides the funnel: mails, people nobody could match, who can be invited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.facts import Stage
from smart_process.store import tables as t

SHOWN = 50


@dataclass(frozen=True)
class Mails:
    """How many mails of one kind are in which state."""

    kind: str
    waiting: int
    sent: int
    possibly: int
    failed: int


@dataclass(frozen=True)
class Trouble:
    """A mail that failed or was possibly delivered; ``item_id`` is its guest's card."""

    message_id: int
    kind: str
    state: str
    error: str
    participation_id: int
    item_id: int | None


@dataclass(frozen=True)
class Candidate:
    """A card that may be meant; ``agrees``: ``email`` and ``phone`` where the guest has the card's."""

    item_id: int
    reason: str
    agrees: tuple[str, ...] = ()
    company_id: int | None = None

    @property
    def reasons(self) -> list[str]:
        """Keys of everything that speaks for or against it."""
        return [one for one in (self.reason, *self.agrees) if one]


@dataclass(frozen=True)
class Undecided:
    """A guest whose contact, or whose company, a person has to choose."""

    person_id: int
    item_id: int | None
    candidates: tuple[Candidate, ...]

    @property
    def ids(self) -> str:
        """Cards of the candidates as the portal's merge page takes them."""
        return ",".join(str(one.item_id) for one in self.candidates)


def mails(tx: Tx, event_id: int) -> list[Mails]:
    """Mails of an event by kind."""
    m = t.message.c
    rows = tx.execute(
        sa.select(m.kind, *(_count(m.state.in_(some)) for some in _STATES))
        .select_from(_mails())
        .where(t.participation.c.event_id == event_id)
        .group_by(m.kind)
        .order_by(m.kind)
    )
    return [Mails(*row) for row in rows]


_STATES = (("waiting", "sending"), ("sent",), ("possibly",), ("failed",))


def _mails() -> sa.Join:
    return t.message.join(t.participation, t.participation.c.id == t.message.c.participation_id)


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def troubles(tx: Tx, event_id: int) -> list[Trouble]:
    """The latest mails of an event that need a look; one that was sent again since does not."""
    m, p = t.message, t.participation
    later = m.alias()
    again = sa.exists().where(
        later.c.participation_id == m.c.participation_id,
        later.c.kind == m.c.kind,
        later.c.number > m.c.number,
    )
    rows = tx.execute(
        sa.select(m.c.id, m.c.kind, m.c.state, m.c.error, p.c.id, p.c.item_id)
        .select_from(_mails())
        .where(p.c.event_id == event_id, m.c.state.in_(("failed", "possibly")), ~again)
        .order_by(m.c.id.desc())
        .limit(SHOWN)
    )
    return [Trouble(*row) for row in rows]


def belongs(tx: Tx, event_id: int, message_id: int) -> bool:
    """Whether a mail is one of this event's."""
    found = sa.select(t.message.c.id).select_from(_mails())
    return (
        tx.scalar(found.where(t.participation.c.event_id == event_id, t.message.c.id == message_id))
        is not None
    )


def undecided(tx: Tx, event_id: int) -> list[Undecided]:
    """Guests of an event of whom nobody knows yet which contact they are."""
    h = t.person
    return _asking(tx, event_id, h.c.candidates, "contact_id", h.c.match == "undecided")


def asking_for_company(tx: Tx, event_id: int) -> list[Undecided]:
    """Guests of an event whose company is known by its name alone."""
    h = t.person
    asking = sa.cast(h.c.company_candidates, sa.Text) != "[]"
    return _asking(tx, event_id, h.c.company_candidates, "company_id", asking)


def _asking(
    tx: Tx, event_id: int, kept: sa.Column[Any], name: str, condition: sa.ColumnElement[bool]
) -> list[Undecided]:
    p, h = t.participation, t.person
    rows = tx.execute(
        sa.select(h.c.id, p.c.item_id, kept.label("kept"))
        .select_from(p.join(h, h.c.id == p.c.person_id))
        .where(*_living(event_id), condition, h.c.portal_id == p.c.portal_id)
        # From the few people, not from the event's many guests.
        .where(
            h.c.portal_id == sa.select(t.event.c.portal_id).where(t.event.c.id == event_id).scalar_subquery()
        )
        .order_by(p.c.id)
        .limit(SHOWN)
    )
    return [Undecided(row.id, row.item_id, _candidates(row.kept, name)) for row in rows]


def _candidates(kept: Iterable[Any], name: str) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            int(one[name]), str(one.get("reason", "")), tuple(one.get("agrees", ())), one.get("company_id")
        )
        for one in kept
        if one.get(name)
    )


def waits_for_decision(tx: Tx, event_id: int, person_id: int) -> Undecided | None:
    """One guest of an event who waits for a decision."""
    return next((one for one in undecided(tx, event_id) if one.person_id == person_id), None)


def asks_for_company(tx: Tx, event_id: int, person_id: int) -> Undecided | None:
    """One guest of an event whose company somebody has to name."""
    return next((one for one in asking_for_company(tx, event_id) if one.person_id == person_id), None)


def already_there(tx: Tx, portal_id: int, event_id: int, contact_ids: Iterable[int]) -> int:
    """How many of these contacts take part in an event."""
    p, h = t.participation, t.person
    return (
        tx.scalar(
            sa.select(sa.func.count(sa.distinct(h.c.contact_id)))
            .select_from(p.join(h, h.c.id == p.c.person_id))
            .where(*_living(event_id), h.c.portal_id == portal_id, h.c.contact_id.in_(list(contact_ids)))
        )
        or 0
    )


def to_invite(tx: Tx, event_id: int, *, after: int, limit: int) -> list[int]:
    """The next guests who were selected and neither invited nor registered, by our id."""
    p = t.participation.c
    return list(
        tx.scalars(
            sa.select(p.id)
            .where(*_living(event_id), p.stage == Stage.SELECTED.value, p.id > after)
            .order_by(p.id)
            .limit(limit)
        )
    )


def waiting_to_invite(tx: Tx, event_id: int) -> tuple[int, int]:
    """How many guests are selected and have no invitation in line: with an address, and without one."""
    p, m, h = t.participation, t.message.c, t.person
    queued = sa.exists().where(m.participation_id == p.c.id, m.kind == "invitation")
    reachable = h.c.email != ""
    row = tx.execute(
        sa.select(*(sa.func.coalesce(_count(one), 0) for one in (reachable, ~reachable)))
        .select_from(p.join(h, h.c.id == p.c.person_id))
        .where(*_living(event_id), p.c.stage == Stage.SELECTED.value, ~queued)
    ).one()
    return int(row[0]), int(row[1])


def _living(event_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    p = t.participation.c
    return p.event_id == event_id, p.removed_at.is_(None), p.merged_into.is_(None)
