"""One person, one participation: surplus cards are merged into the one that has the ticket.

A portal's form always makes a new item, and one human being may register under two addresses. The surplus card's
values go into empty fields of the first; where they contradict, a comment keeps them. Old ids keep resolving.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.facts import Kind, NewFact
from smart_process.store import journal, messages, people
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import contradictions, effects
from smart_process.sync.existing import existing
from smart_process.sync.work import Work, all_failed, all_unread, failed, later

MARK = "merge"


def one_person(tx: Tx, portal_id: int, person_id: int, contact_id: int, now: datetime) -> int:
    """Two people of ours turned out to be one contact: they are one person, with one participation at each event.

    Returns:
        Our id of that person: the one whom we knew under the contact before.
    """
    others = [row for row in store.people_by_contact(tx, portal_id, [contact_id]) if row["id"] != person_id]
    for other in sorted(others, key=lambda row: row["id"]):
        _join_seats(tx, portal_id, person_id, other["id"], now)
        people.merge(tx, other["id"], person_id)
        person_id = other["id"]
    return person_id


def _join_seats(tx: Tx, portal_id: int, person_id: int, other_id: int, now: datetime) -> None:
    theirs = {
        row["event_id"]: row
        for row in store.participations_of_people(tx, [other_id])
        if row["removed_at"] is None
    }
    for one in store.participations_of_people(tx, [person_id]):
        other = theirs.get(one["event_id"])
        if other is not None and one["removed_at"] is None:
            first, second = _ordered(one, other)
            join(tx, portal_id, first, second, now)


def _ordered(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The card that stays first: it exists in the CRM, it is registered, it is older."""

    def rank(row: Mapping[str, Any]) -> tuple[bool, bool, int]:
        return row["item_id"] is None, row["registered_at"] is None, row["id"]

    first, second = sorted((one, other), key=rank)
    return first, second


def join(tx: Tx, portal_id: int, first: Mapping[str, Any], second: Mapping[str, Any], now: datetime) -> None:
    """Facts of the second become facts of the first; the second's ticket and links lead there from now on."""
    past = journal.history(tx, [second["id"]])[second["id"]]
    # That its card was deleted once says nothing about the first's.
    history = [one for one in past if one.kind not in (Kind.REMOVED, Kind.RESTORED)]
    store.update(tx, t.participation, second["id"], merged_into=first["id"])
    merged = NewFact(Kind.MERGED, now, "app", f"merged:{second['id']}", data={"participation": second["id"]})
    journal.record(tx, {first["id"]: [*history, merged]}, now=now)
    _move_ticket_mail(tx, first["id"], second["id"], now)
    if second["item_id"] is not None:
        marks.mark(tx, portal_id, MARK, [f"{first['id']}:{second['item_id']}"], now=now)


def _move_ticket_mail(tx: Tx, first: int, second: int, now: datetime) -> None:
    """A ticket that still waits to be sent is sent for the card that stays; one sent before leads there anyway."""
    waiting = [one for one in messages.of(tx, second, messages.TICKET) if one.state == messages.WAITING]
    if waiting and not messages.of(tx, first, messages.TICKET):
        messages.queue(tx, first, messages.TICKET, to=waiting[-1].to_address, now=now)


def cards(work: Work) -> int:
    """Merge surplus CRM items into the participation they belong to."""
    claimed = work.claim(MARK, limit=20)
    if not claimed:
        return 0
    pairs = {one: _pair(one) for one in claimed}
    with work.service.store.reading() as tx:
        rows = {row["id"]: row for row in store.participations(tx, [pair[0] for pair in pairs.values()])}
    ready = {one: pair for one, pair in pairs.items() if (row := rows.get(pair[0])) and row["item_id"]}
    _adopt(work, {one: pair for one, pair in pairs.items() if one not in ready}, rows)
    work.finish([one for one in ready if _same(pairs[one], rows)])
    ready = {one: pair for one, pair in ready.items() if not _same(pair, rows)}
    try:
        ready = _still_two(work, ready, rows)
    except errors.B24Error as error:
        all_unread(work, ready, error)
        return len(claimed)
    if ready:
        _merge(work, ready, rows)
    return len(claimed)


def _still_two(
    work: Work, pairs: Mapping[Mark, tuple[int, int]], rows: Mapping[int, Mapping[str, Any]]
) -> dict[Mark, tuple[int, int]]:
    """Those of which both cards exist; a surplus one may have been merged by a call whose answer was lost."""
    eti = work.binding.participation.entity_type_id
    standing = existing(
        work, eti, [item_id for pid, surplus in pairs.values() for item_id in (rows[pid]["item_id"], surplus)]
    )
    left = {}
    with work.service.store.transaction() as tx:
        for one, (pid, surplus) in pairs.items():
            survivor = rows[pid]["item_id"]
            if survivor not in standing:
                # Deleted meanwhile: the pull records it, and finds a place for the other.
                keys = [f"{eti}:{survivor}", f"{eti}:{surplus}"]
                marks.mark(tx, work.portal_id, "pull", keys, now=work.now())
                marks.done(tx, [one])
            elif surplus not in standing:
                _merged(tx, work, one, pid, surplus, survivor, work.now())
            else:
                left[one] = (pid, surplus)
    return left


def _pair(one: Mark) -> tuple[int, int]:
    participation_id, _, item_id = one.key.partition(":")
    return int(participation_id), int(item_id)


def _same(pair: tuple[int, int], rows: Mapping[int, Mapping[str, Any]]) -> bool:
    return pair[0] in rows and rows[pair[0]]["item_id"] == pair[1]


def _adopt(work: Work, pairs: Mapping[Mark, tuple[int, int]], rows: Mapping[int, Mapping[str, Any]]) -> None:
    """A participation without a card takes the surplus one as its own – unless its own may be on the way."""
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, (participation_id, item_id) in pairs.items():
            row = rows.get(participation_id)
            if row is None or row["merged_into"] is not None:
                marks.done(tx, [one])
            elif row["inflight"] is not None:
                marks.retry(tx, one, at=later(one, now), error="its own card may be on the way", counts=False)
            else:
                store.update(tx, t.participation, participation_id, item_id=item_id)
                eti = work.binding.participation.entity_type_id
                marks.mark(tx, work.portal_id, "pull", [f"{eti}:{item_id}"], now=now)
                marks.done(tx, [one])


def _merge(work: Work, ready: Mapping[Mark, tuple[int, int]], rows: Mapping[int, Mapping[str, Any]]) -> None:
    eti = work.binding.participation.entity_type_id
    commands = {
        one.key: (
            "crm.entity.mergeBatch",
            {"params": {"entityTypeId": eti, "entityIds": [rows[pid]["item_id"], item_id]}},
        )
        for one, (pid, item_id) in ready.items()
    }
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(list(ready)))
    except errors.B24Error as error:
        all_failed(work, ready, error)
        return
    conflicts = {}
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, (pid, item_id) in ready.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            elif reply.result.get("STATUS") == "SUCCESS":
                _merged(tx, work, one, pid, item_id, rows[pid]["item_id"], now)
            else:
                conflicts[one] = (pid, item_id)
    if conflicts:
        _settle_conflicts(work, conflicts, rows)


def _merged(tx: Tx, work: Work, one: Mark, pid: int, item_id: int, survivor: int, now: datetime) -> None:
    fact = NewFact(Kind.MERGED, now, "app", f"merged:item:{item_id}", data={"item_id": item_id})
    journal.record(tx, {pid: [fact]}, now=now)
    eti = work.binding.participation.entity_type_id
    marks.mark(tx, work.portal_id, "pull", [f"{eti}:{survivor}"], now=now)
    marks.done(tx, [one])


def _settle_conflicts(
    work: Work, conflicts: Mapping[Mark, tuple[int, int]], rows: Mapping[int, Mapping[str, Any]]
) -> None:
    """Values contradict: the first card keeps its own and gets what it lacks, a comment keeps the other's words, the
    surplus goes to the bin. Cut anywhere, it is done again: a value is written once, a comment said once."""
    cards = {one.key: (int(rows[pid]["item_id"]), item_id) for one, (pid, item_id) in conflicts.items()}
    try:
        pairs = contradictions.read(work, cards)
    except errors.B24Error as error:
        all_unread(work, conflicts, error)
        return
    with work.service.store.transaction() as tx:
        for one in conflicts:
            if one.key not in pairs:
                marks.retry(tx, one, at=later(one, work.now()), error="its card is gone")
    conflicts = {one: pair for one, pair in conflicts.items() if one.key in pairs}
    filling = {
        one: command
        for one in conflicts
        if (command := contradictions.write(work, cards[one.key][0], pairs[one.key]))
    }
    filled = _sent(work, {one: conflicts[one] for one in filling}, filling)
    left = {one: pair for one, pair in conflicts.items() if one in filled or one not in filling}
    eti = work.binding.participation.entity_type_id
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in left:
            first, surplus = cards[one.key]
            text = contradictions.comment(work, surplus, pairs[one.key])
            effects.comment(tx, work, f"merge:{surplus}", eti, first, text)
    deleting = {one: ("crm.item.delete", {"entityTypeId": eti, "id": pair[1]}) for one, pair in left.items()}
    gone = _sent(work, left, deleting)
    with work.service.store.transaction() as tx:
        for one in gone:
            pid, item_id = conflicts[one]
            _merged(tx, work, one, pid, item_id, rows[pid]["item_id"], now)


def _sent(
    work: Work, some: Mapping[Mark, tuple[int, int]], commands: Mapping[Mark, tuple[str, Mapping[str, Any]]]
) -> list[Mark]:
    """Which of the writing commands were carried out, or found nothing to do any more; the others are settled."""
    if not some:
        return []
    try:
        replies = work.client.batch(
            {one.key: command for one, command in commands.items()},
            write=True,
            before_send=work.leaving(list(some)),
        )
    except errors.B24Error as error:
        all_failed(work, some, error)
        return []
    refused = {one: reply for one in some if isinstance(reply := replies[one.key], errors.B24Error)}
    refused = {one: reply for one, reply in refused.items() if not errors.is_not_found(reply)}
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, reply in refused.items():
            failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
    return [one for one in some if one not in refused]
