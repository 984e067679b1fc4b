"""Pull: objects marked "changed in the portal" are read in batches and handed to their observers.

Portal events and sweeps only mark; what changed is found by comparing what is read with what was known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from b24 import errors
from b24.answers import Answer
from b24.store import marks
from b24.store.marks import Mark
from smart_process.schema import COMPANY, CONTACT, DEAL
from smart_process.store import sync as store
from smart_process.sync import observe_deals, observe_events, observe_participations, picture
from smart_process.sync.work import Work, all_failed, later

PAGE = 50
TRIES_UNTIL_GONE = 3
"""An object we never saw may not be visible yet when its event arrives: so many looks before it counts as gone."""

Items = Mapping[int, Mapping[str, Any]]
Observer = Callable[[Work, Items, frozenset[int]], frozenset[int]]
"""Takes the items that were read and the ids that were not found; answers with ids to be looked at again."""


def items(work: Work) -> int:
    """Read marked CRM items, up to 20 pages in one request."""
    claimed = work.claim("pull", limit=PAGE * 20)
    by_type: dict[int, dict[int, Mark]] = defaultdict(dict)
    unreadable: list[Mark] = []
    for one in claimed:
        kind, _, item_id = one.key.partition(":")
        if kind.isdigit() and item_id.isdigit():
            by_type[int(kind)][int(item_id)] = one
        else:
            unreadable.append(one)
    observers = _observers(work)
    for entity_type_id in list(by_type):
        if entity_type_id not in observers:
            unreadable.extend(by_type.pop(entity_type_id).values())
    if unreadable:
        work.finish(unreadable)
    for entity_type_id, wanted in by_type.items():
        _read(work, entity_type_id, wanted, observers[entity_type_id])
    return len(claimed)


def _observers(work: Work) -> dict[int, Observer]:
    binding = work.binding
    return {
        binding.event.entity_type_id: observe_events.observe,
        binding.participation.entity_type_id: observe_participations.observe,
        DEAL: observe_deals.observe,
        CONTACT: observe_deals.observe_contacts,
        COMPANY: observe_deals.observe_companies,
    }


def _read(work: Work, entity_type_id: int, wanted: Mapping[int, Mark], observer: Observer) -> None:
    ids = sorted(wanted)
    pages = [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]
    commands = {f"p{n}": _page(work, entity_type_id, page) for n, page in enumerate(pages)}
    try:
        replies = work.client.batch(commands)
    except errors.B24Error as error:
        all_failed(work, wanted.values(), error)
        return
    for n, page in enumerate(pages):
        reply = replies[f"p{n}"]
        marked = [wanted[one] for one in page]
        if isinstance(reply, errors.B24Error):
            all_failed(work, marked, reply)
            continue
        _observe(work, page, reply, marked, observer)


def _observe(
    work: Work, page: Sequence[int], reply: Answer, marked: Sequence[Mark], observer: Observer
) -> None:
    found = {int(item["id"]): item for item in reply.result["items"]}
    gone = frozenset(page) - frozenset(found)
    try:
        again = observer(work, found, gone)
    except errors.B24Error as error:
        all_failed(work, marked, error)
        return
    with work.service.store.transaction() as tx:
        for one in marked:
            if int(one.key.partition(":")[2]) in again and one.attempts < TRIES_UNTIL_GONE:
                marks.retry(tx, one, at=later(one, work.now()), error="not readable yet")
            else:
                marks.done(tx, [one])


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
    # Contacts and companies: without a selection, because only then `fm` comes along.
    return []


def tasks(work: Work) -> int:
    """Read marked tasks of ours: done, reopened, deleted."""
    claimed = work.claim("pull_task", limit=PAGE)
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
        all_failed(work, [ours[key] for key in known], error)
        return len(claimed)
    found = {str(task["id"]): task for task in reply.result["tasks"]}
    with work.service.store.transaction() as tx:
        for key, row in known.items():
            observe_deals.task(tx, work, row, found.get(key))
            marks.done(tx, [ours[key]])
    return len(claimed)
