"""Certainty: online events are never retried, so now and then the portal is asked what changed.

Every type by ``updatedTime`` (watermark: the largest portal time read, never our clock), once a day what we know by id,
because a deletion leaves no ``updatedTime``, and the portal's offline queue. A sweep only marks; the pull compares.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from b24 import errors, logs
from b24.store import calls, marks
from smart_process import rehearsal
from smart_process.schema import Binding
from smart_process.service import Service
from smart_process.store import setups
from smart_process.store import sync as store
from smart_process.sync import colleagues, id_sets, offline

log = logging.getLogger(__name__)

OVERLAP = timedelta(days=1)
"""Portals were seen to compare date filters in another zone than they answer in (trap 48)."""
LATE = timedelta(minutes=2)
"""What is saved beside others may be seen after one with a later time was; a portal's clock is set back by seconds."""

CALLS_AT_ONCE = 2000


def forget_old(service: Service) -> None:
    """Forget old rehearsals and old lines of the log of calls."""
    with service.store.transaction() as tx:
        rehearsal.wipe_old(tx, service.clock())
    forgotten = CALLS_AT_ONCE
    while forgotten == CALLS_AT_ONCE:
        # In portions: a backlog of days in one transaction would keep the door waiting.
        with service.store.transaction() as tx:
            forgotten = calls.forget_old(tx, service.clock(), limit=CALLS_AT_ONCE)


def quietly(service: Service, portal_id: int) -> None:
    """Sweep a portal; one that cannot be read now is read next time."""
    with logs.of_portal(portal_id):
        try:
            sweep(service, portal_id)
        except errors.B24Error as error:
            log.info("the sweep waits: %s", error)


def sweep(service: Service, portal_id: int) -> int:
    """Mark what changed since the last sweep, or is gone; answers how many objects."""
    with service.store.reading() as tx:
        binding = setups.read(tx, portal_id).binding
    if binding is None:
        return 0
    with service.store.transaction() as tx:
        # Who was dismissed hands on what they had.
        colleagues.ask_if_old(tx, portal_id, service.clock())
    marked = 0
    try:
        for kind in (binding.event, binding.participation):
            marked += _of_type(service, portal_id, kind.entity_type_id)
        marked += id_sets.compare(service, portal_id, binding)
        # Last: whatever ails the queue must not stop the looks that need none.
        marked += _offline(service, portal_id, binding)
    finally:
        if marked:
            service.wake(portal_id)
    return marked


def _offline(service: Service, portal_id: int, binding: Binding) -> int:
    try:
        return offline.read(service, portal_id, binding)
    except (errors.Rejected, errors.SetupMissing) as error:
        log.info("no offline queue: %s", error)
        return 0


def _of_type(service: Service, portal_id: int, entity_type_id: int) -> int:
    with service.store.reading() as tx:
        since = store.watermark(tx, portal_id, entity_type_id)
    asked = {"entityTypeId": entity_type_id, "select": ["id", "updatedTime"]}
    if since:
        asked["filter"] = {">=updatedTime": (datetime.fromisoformat(since) - OVERLAP).isoformat()}
    oldest = datetime.fromisoformat(since) - LATE if since else None
    rows = [
        row
        for row in service.portals.client(portal_id).rows("crm.item.list", asked)
        if oldest is None or datetime.fromisoformat(row["updatedTime"]) >= oldest
    ]
    if not rows:
        return 0
    latest = max(
        (since or rows[0]["updatedTime"], *(row["updatedTime"] for row in rows)), key=datetime.fromisoformat
    )
    now = service.clock()
    with service.store.transaction() as tx:
        keys = [f"{entity_type_id}:{row['id']}" for row in rows]
        marks.mark(tx, portal_id, "pull", keys, now=now, priority=marks.BULK)
        store.raise_watermark(tx, portal_id, entity_type_id, latest)
    return len(rows)
