"""Mails waiting, on their way and gone. A row is one mail to one guest; its text is made when it is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store import marks
from b24.store.engine import Tx, insert
from smart_process.facts import Kind, NewFact
from smart_process.store import journal
from smart_process.store import tables as t

SEND = "mail"
"""Mark: a mail waits to be sent; key is the message's id."""

INVITATION, TICKET, MATERIALS, MISSED = "invitation", "ticket", "materials", "missed"
WAITING, SENDING, SENT, POSSIBLY, FAILED = "waiting", "sending", "sent", "possibly", "failed"


@dataclass(frozen=True)
class Message:
    """One mail. ``message_id`` is our key of it: the part of the Message-ID before the @, or what the portal's record
    carries; it never changes."""

    id: int
    portal_id: int
    participation_id: int
    kind: str
    number: int
    state: str
    to_address: str
    message_id: str
    error: str
    created_at: datetime
    sent_at: datetime | None


def queue(
    tx: Tx,
    participation_id: int,
    kind: str,
    *,
    to: str,
    now: datetime,
    again: bool = False,
    priority: int = marks.NORMAL,
) -> int | None:
    """Put a mail in line, once per participation and kind.

    Args:
        to: normalised address; "" queues nothing.
        again: a person asked for it once more: another number, unless one is still waiting.
    Returns:
        The new message's id, or ``None`` when there is nothing to send.
    """
    if not to:
        return None
    earlier = of(tx, participation_id, kind)
    if earlier and (not again or earlier[-1].state in (WAITING, SENDING)):
        return None
    added = _add(tx, participation_id, kind, earlier[-1].number + 1 if earlier else 1, to, WAITING, now)
    if added is None:
        return None
    marks.mark(tx, added.portal_id, SEND, [added.id], now=now, priority=priority)
    return int(added.id)


def went_before(tx: Tx, participation_id: int, kind: str, *, to: str, now: datetime) -> None:
    """Note that a mail left in an earlier life of the app, whose data are gone: it is not due again."""
    if to and not of(tx, participation_id, kind):
        _add(tx, participation_id, kind, 1, to, SENT, now)


def _add(
    tx: Tx, participation_id: int, kind: str, number: int, to: str, state: str, now: datetime
) -> sa.Row[Any] | None:
    owner = tx.execute(
        sa.select(t.participation.c.portal_id, t.participation.c.uid).where(
            t.participation.c.id == participation_id
        )
    ).one()
    return tx.execute(
        insert(tx, t.message)
        .values(
            portal_id=owner.portal_id,
            participation_id=participation_id,
            kind=kind,
            number=number,
            state=state,
            to_address=to,
            message_id=f"{kind}.{number}.{owner.uid}",
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(t.message.c.id, t.message.c.portal_id)
    ).first()


def of(tx: Tx, participation_id: int, kind: str) -> Sequence[Message]:
    """The mails of one kind to one guest, oldest first."""
    return _all(tx, t.message.c.participation_id == participation_id, t.message.c.kind == kind)


def by_id(tx: Tx, message_id: int) -> Message:
    """One mail.

    Raises:
        LookupError: there is none.
    """
    found = _all(tx, t.message.c.id == message_id)
    if not found:
        raise LookupError(f"message {message_id}")
    return found[0]


def address_of(tx: Tx, participation_id: int) -> str:
    """Where mails to a guest go: the address last given for a ticket, else the person's, else ""."""
    tickets = of(tx, participation_id, TICKET)
    if tickets:
        return tickets[-1].to_address
    return (
        tx.scalar(
            sa.select(t.person.c.email)
            .join(t.participation, t.participation.c.person_id == t.person.c.id)
            .where(t.participation.c.id == participation_id)
        )
        or ""
    )


def contact_of(tx: Tx, participation_id: int) -> tuple[int | None, str]:
    """The CRM contact of a guest, and how it was found (``person.match``)."""
    row = tx.execute(
        sa.select(t.person.c.contact_id, t.person.c.match)
        .join(t.participation, t.participation.c.person_id == t.person.c.id)
        .where(t.participation.c.id == participation_id)
    ).one()
    return row.contact_id, row.match


def try_again(tx: Tx, portal_id: int, participation_ids: Collection[int], *, now: datetime) -> None:
    """Something changed for these guests: what waits to be sent to them is tried at once."""
    if participation_ids:
        _mark_waiting(tx, portal_id, t.message.c.participation_id.in_(list(participation_ids)), now=now)


def send_waiting(tx: Tx, portal_id: int, *, now: datetime) -> None:
    """How mails leave was changed: whatever waits is tried at once."""
    _mark_waiting(tx, portal_id, sa.true(), now=now)


def _mark_waiting(tx: Tx, portal_id: int, which: sa.ColumnElement[bool], *, now: datetime) -> None:
    m = t.message.c
    waiting = tx.scalars(sa.select(m.id).where(m.portal_id == portal_id, m.state == WAITING, which)).all()
    marks.mark(tx, portal_id, SEND, waiting, now=now)


def leaving(tx: Tx, message_id: int) -> bool:
    """Note, before anything leaves, that this mail may be on its way; false when it is not its turn."""
    done = tx.execute(
        sa.update(t.message)
        .where(t.message.c.id == message_id, t.message.c.state == WAITING)
        .values(state=SENDING)
    )
    return bool(done.rowcount)


def back(tx: Tx, message_id: int, reason: str) -> None:
    """It certainly did not leave: it waits again."""
    _state(tx, message_id, WAITING, error=reason)


def turned_down(tx: Tx, message_id: int, reason: str) -> None:
    """The portal said no, but may keep a record of the mail: it stays "on its way" until that is gone."""
    _state(tx, message_id, SENDING, error=reason)


def failed(tx: Tx, message_id: int, reason: str) -> None:
    """It was refused for good (or there is nothing to send any more); ``reason`` is for people."""
    _state(tx, message_id, FAILED, error=reason)


def delivered(tx: Tx, message_id: int, *, now: datetime, possibly: bool = False, reason: str = "") -> None:
    """The server took it, or (``possibly``) may have: the fact is recorded, never sent by itself again."""
    one = by_id(tx, message_id)
    _state(tx, message_id, POSSIBLY if possibly else SENT, error=reason, sent_at=now)
    data: dict[str, Any] = {"kind": one.kind, "message_id": one.message_id}
    if possibly:
        data["possibly"] = True
    fact = NewFact(Kind.MESSAGE_SENT, now, "app", f"mail:{message_id}", data=data)
    journal.record(tx, {one.participation_id: [fact]}, now=now)


def interrupted(tx: Tx, portal_id: int, *, now: datetime) -> list[int]:
    """Mails a killed process left on their way are "possibly delivered". Call it under the lease.

    Not those a call to the portal may still be under way for: these are looked up.
    """
    sending = _all(tx, t.message.c.portal_id == portal_id, t.message.c.state == SENDING)
    under_way = marks.in_flight(tx, portal_id, SEND, [str(one.id) for one in sending])
    stuck = [one for one in sending if str(one.id) not in under_way]
    for one in stuck:
        delivered(tx, one.id, now=now, possibly=True, reason="interrupted while sending")
    return [one.id for one in stuck]


def send_again(tx: Tx, message_id: int, *, now: datetime) -> int | None:
    """Queue another copy of a mail that failed or was possibly delivered, because a person asked for it."""
    one = by_id(tx, message_id)
    to = address_of(tx, one.participation_id)
    return queue(tx, one.participation_id, one.kind, to=to, now=now, again=True)


def _state(tx: Tx, message_id: int, state: str, *, error: str = "", sent_at: datetime | None = None) -> None:
    tx.execute(
        sa.update(t.message)
        .where(t.message.c.id == message_id)
        .values(state=state, error=error[:500], sent_at=sent_at)
    )


def _all(tx: Tx, *conditions: sa.ColumnElement[bool]) -> list[Message]:
    columns = [t.message.c[name] for name in Message.__dataclass_fields__]
    return [
        Message(*row) for row in tx.execute(sa.select(*columns).where(*conditions).order_by(t.message.c.id))
    ]
