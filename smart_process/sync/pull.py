"""Pull: objects marked "changed in the portal" are read in batches and handed to their observers.

Portal events and sweeps only mark; what changed is found by comparing what is read with what was known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from b24 import errors
from b24.answers import Answer
from b24.store import marks
from b24.store.marks import Mark
from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD
from smart_process.store import sync as store
from smart_process.sync import (
    leads,
    observe_clients,
    observe_companies,
    observe_deals,
    observe_events,
    observe_participations,
    picture,
)
from smart_process.sync.stage_moves import History
from smart_process.sync.work import Work, all_unread, later

PAGE = 50
PAGES = 10
"""Of items in one request; with those of other types and the histories it stays below 50 commands."""
AGAIN, AHEAD = timedelta(seconds=8), timedelta(seconds=1)
"""An object named again while it was being read is read again a little later, together with others."""
LOOKS = 3
"""A new object may not be visible yet when its event arrives, nor its event's card: so many looks until what is not
found counts as gone, and what cannot be placed as nobody's."""

Items = Mapping[int, Mapping[str, Any]]
Observer = Callable[[Work, Items, frozenset[int], frozenset[int]], frozenset[int]]
"""Takes the items that were read, the ids that are gone and those that get no further look; answers with ids to be
looked at again."""


def items(work: Work) -> int:
    """Read marked CRM items of all types, with the stage moves of participations, in one request."""
    claimed = work.claim("pull", limit=PAGE * PAGES, ahead=AHEAD)
    if not claimed:
        return 0
    observers = _observers(work)
    wanted: dict[int, dict[int, Mark]] = {entity_type_id: {} for entity_type_id in observers}
    for one in claimed:
        kind, _, item_id = one.key.partition(":")
        if kind.isdigit() and int(kind) in wanted and item_id.isdigit():
            wanted[int(kind)][int(item_id)] = one
    known = {one for some in wanted.values() for one in some.values()}
    work.finish([one for one in claimed if one not in known])
    _read(work, wanted, observers)
    return len(claimed)


def _observers(work: Work) -> dict[int, Observer]:
    """In this order: who takes part needs the event, an outcome those it speaks for."""
    binding = work.binding
    return {
        binding.event.entity_type_id: observe_events.observe,
        COMPANY: observe_companies.observe,
        CONTACT: observe_clients.observe,
        binding.participation.entity_type_id: observe_participations.observe,
        LEAD: leads.observe,
        DEAL: observe_deals.observe,
    }


def _read(work: Work, wanted: Mapping[int, Mapping[int, Mark]], observers: Mapping[int, Observer]) -> None:
    pages = [
        (entity_type_id, ids[at : at + PAGE])
        for entity_type_id, some in wanted.items()
        for ids in [sorted(some)]
        for at in range(0, len(ids), PAGE)
    ]
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {
        f"p{n}": _page(work, entity_type_id, ids) for n, (entity_type_id, ids) in enumerate(pages)
    }
    histories = {
        n: observe_participations.history(work, ids)
        for n, (entity_type_id, ids) in enumerate(pages)
        if entity_type_id == work.binding.participation.entity_type_id
    }
    # After the items: a stage that was read has its move in the history.
    commands |= {f"p{n}.{key}": one for n, some in histories.items() for key, one in some.items()}
    try:
        replies = work.client.batch(commands) if commands else {}
    except errors.B24Error as error:
        all_unread(work, [one for some in wanted.values() for one in some.values()], error)
        return
    for n, (entity_type_id, ids) in enumerate(pages):
        reply, marked = replies[f"p{n}"], wanted[entity_type_id]
        if isinstance(reply, errors.B24Error):
            all_unread(work, [marked[one] for one in ids], reply)
            continue
        observer = observers[entity_type_id]
        if n in histories:
            moved = {key: replies[f"p{n}.{key}"] for key in histories[n]}
            observer = partial(observe_participations.observe, moved=History(histories[n], moved))
        _observe(work, ids, reply, marked, observer)


def _observe(
    work: Work, page: Sequence[int], reply: Answer, marked: Mapping[int, Mark], observer: Observer
) -> None:
    found = {int(item["id"]): item for item in reply.result["items"]}
    missing = frozenset(page) - found.keys()
    last = frozenset(item_id for item_id in page if marked[item_id].attempts >= LOOKS - 1)
    try:
        unplaced = observer(work, found, missing & last, last)
    except errors.B24Error as error:
        all_unread(work, [marked[item_id] for item_id in page], error)
        return
    again = [marked[one] for one in (missing - last) | unplaced if marked[one].attempts < LOOKS - 1]
    with work.service.store.transaction() as tx:
        for one in again:
            marks.retry(tx, one, at=later(one, work.now()), error="not readable yet")
        looked_at = [marked[item_id] for item_id in page if marked[item_id] not in again]
        marks.done(tx, looked_at, again_at=work.now() + AGAIN)


def _page(work: Work, entity_type_id: int, ids: Sequence[int]) -> tuple[str, dict[str, Any]]:
    asked: dict[str, Any] = {
        "entityTypeId": entity_type_id,
        "filter": {"@id": list(ids)},
        "order": {"id": "ASC"},
        "start": -1,
    }
    selected = _select(work, entity_type_id)
    if selected:
        asked["select"] = selected
    return "crm.item.list", asked


def _select(work: Work, entity_type_id: int) -> list[str]:
    binding = work.binding
    if entity_type_id == binding.event.entity_type_id:
        return picture.select(binding.event)
    if entity_type_id == binding.participation.entity_type_id:
        return picture.select(binding.participation, (binding.event.entity_type_id, DEAL))
    if entity_type_id == DEAL:
        return [*observe_deals.DEAL_SELECT, binding.parent_event]
    # Contacts, companies and leads: without a selection, because only then `fm` comes along.
    return []


def tasks(work: Work) -> int:
    """Read marked tasks of ours: done, reopened, deleted."""
    claimed = work.claim("pull_task", limit=PAGE)
    if not claimed:
        return 0
    ours = {one.key: one for one in claimed if one.key.isdigit()}
    with work.service.store.reading() as tx:
        known = {
            str(row["item_id"]): row
            for row in store.outcomes_by_item(tx, work.portal_id, "task", [int(key) for key in ours])
        }
    work.finish([one for one in claimed if one.key not in known])
    if not known:
        return len(claimed)
    asked = {"filter": {"ID": list(known)}, "select": ["ID", "STATUS", "RESPONSIBLE_ID", "CHANGED_DATE"]}
    try:
        reply = work.client.ask("tasks.task.list", asked)
    except errors.B24Error as error:
        all_unread(work, [ours[key] for key in known], error)
        return len(claimed)
    found = {str(task["id"]): task for task in reply.result["tasks"]}
    with work.service.store.transaction() as tx:
        for key, row in known.items():
            observe_deals.task(tx, work, row, found.get(key))
            marks.done(tx, [ours[key]])
    return len(claimed)
