"""What pushing deals and tasks has in common: they wait for their guests' cards, are looked up before a create is
repeated, and hand over everybody they speak for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.facts import Kind, NewFact
from smart_process.store import journal
from smart_process.store import outcomes as outcome_store
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync.work import Work, all_failed, all_unread, failed, later

AT_ONCE = 50
"""Outcomes looked at together: deals and tasks are of one kind of mark."""
MARK = outcome_store.PUSH
Row = Mapping[str, Any]
Bound = Sequence[Row]
Command = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Way:
    """How outcomes of one kind get into the portal.

    Attributes:
        room: how many go into one request now.
        find: our keys whose object the portal has already → its id; reads only.
        command: what is to be sent for an outcome and those it speaks for, ``None`` when nothing is.
        made: keeps what an answer said.
        pulled: kind and key of the mark by which a deal or task is read again.
        refused: deals with a create the portal refused; false when it cannot.
    """

    kind: str
    room: Callable[[Work], int]
    pulled: Callable[[int], tuple[str, str]]
    find: Callable[[Work, Sequence[Row]], Mapping[str, int]]
    command: Callable[[Work, Row, Bound], Command | None]
    made: Callable[[Tx, Work, Row, Any, datetime], None]
    refused: Callable[[Tx, Work, Row, errors.B24Error], bool] = lambda *_: False


def push(work: Work, way: Way) -> int:
    """Make and keep up what stands behind marked outcomes of one kind."""
    claimed = work.claim(MARK, limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.outcomes(tx, [int(one.key) for one in claimed])}
        ours = {one: row for one in claimed if (row := rows.get(one.key)) and row["kind"] == way.kind}
        some = dict(list(ours.items())[: way.room(work)])
        bound = {
            one: store.contacts_and_items(tx, row["content"]["participations"]) for one, row in some.items()
        }
    work.finish([one for one in claimed if one.key not in rows])
    waiting = [one for one, row in some.items() if _not_yet(row, bound[one])]
    _wait(work, waiting)
    ready = {one: row for one, row in some.items() if one not in waiting}
    try:
        ready = _adopted(work, way, ready)
    except errors.B24Error as error:
        all_unread(work, ready, error)
        return len(some)
    _write(work, way, ready, {one: way.command(work, row, bound[one]) for one, row in ready.items()})
    return len(some)


def _not_yet(row: Row, bound: Bound) -> bool:
    """An outcome is bound to cards; it waits for those that are still being made."""
    return row["state"] == "live" and row["item_id"] is None and any(one["item_id"] is None for one in bound)


def _wait(work: Work, some: Iterable[Mark]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            marks.retry(tx, one, at=later(one, now), error="its guests' cards are being made", counts=False)


def _adopted(work: Work, way: Way, some: Mapping[Mark, Row]) -> dict[Mark, Row]:
    """The outcomes with the ids of those the portal has although we never saw the answer."""
    lost = [row for one, row in some.items() if one.sent_at and not row["item_id"]]
    found = way.find(work, lost) if lost else {}
    with work.service.store.transaction() as tx:
        for row in lost:
            if row["uid"] in found:
                store.update(tx, t.outcome, row["id"], item_id=found[row["uid"]])
    return {one: {**row, "item_id": row["item_id"] or found.get(row["uid"])} for one, row in some.items()}


def _write(work: Work, way: Way, some: Mapping[Mark, Row], commands: Mapping[Mark, Command | None]) -> None:
    work.finish([one for one in some if commands[one] is None])
    sending = {one.key: command for one, command in commands.items() if command is not None}
    sent = {one: row for one, row in some.items() if one.key in sending}
    if not sending:
        return
    try:
        replies = work.client.batch(sending, write=True, before_send=work.leaving(list(sent)))
    except errors.B24Error as error:
        all_failed(work, sent, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, row in sent.items():
            _settle(tx, work, way, one, row, replies[one.key], now)


def _settle(tx: Tx, work: Work, way: Way, one: Mark, row: Row, reply: Any, now: datetime) -> None:
    if not isinstance(reply, errors.B24Error):
        way.made(tx, work, row, reply.result, now)
        marks.done(tx, [one])
        return
    if isinstance(reply, errors.Rejected) and not row["item_id"] and way.refused(tx, work, row, reply):
        marks.done(tx, [one])
        return
    failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
    if isinstance(reply, errors.Rejected) and row["item_id"]:
        # Perhaps somebody deleted it, which is a decision: the pull finds out and takes up what is held here.
        kind, key = way.pulled(row["item_id"])
        marks.mark(tx, work.portal_id, kind, [key], now=now)


def hand_over(tx: Tx, work: Work, row: Row, item_id: int, now: datetime, *, key: str = "") -> None:
    """Everybody the outcome speaks for is handed to sales; their cards show priority, explanation and deal.

    Args:
        key: names the occasion, when it is not the first.
    """
    data = {"kind": row["kind"], "item_id": item_id, "priority": row["priority"], "rule": row["rule"]}
    ids = row["content"]["participations"]
    keys = dict.fromkeys(ids, key) if key else _occasions(tx, row, ids)
    facts = {pid: [NewFact(Kind.OUTCOME_CREATED, now, "app", one, data=data)] for pid, one in keys.items()}
    journal.record(tx, facts, now=now)
    for pid in ids:
        store.update(tx, t.participation, pid, outcome_id=row["id"])
    marks.mark(tx, work.portal_id, journal.PUSH, ids, now=now)


def _occasions(tx: Tx, row: Row, ids: Sequence[int]) -> dict[int, str]:
    """Keys for those this outcome does not speak for now: who left it and came back is handed over again."""
    spoken_for = set(outcome_store.spoken_for(tx, row["id"], ids))
    first = f"outcome:{row['id']}"
    before = journal.history(tx, [pid for pid in ids if pid not in spoken_for])
    times = {
        pid: sum(one.kind is Kind.OUTCOME_CREATED and f"{one.key}:".startswith(f"{first}:") for one in past)
        for pid, past in before.items()
    }
    return {pid: f"{first}:again:{times[pid]}" if times[pid] else first for pid in times}
