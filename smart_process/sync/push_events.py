"""Push of events: code, registration link and local time are kept up on their cards; the rest is the organiser's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.marks import Mark
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import picture
from smart_process.sync.picture import Picture
from smart_process.sync.work import Commands, Work, all_failed, failed

MARK = "event"
Row = Mapping[str, Any]


def push(work: Work) -> int:
    """Write what differs on marked events' cards."""
    claimed = work.claim(MARK, limit=work.client.room("crm.item.update", work.binding.event.entity_type_id))
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.events(tx, [int(one.key) for one in claimed])}
    changes = {
        one: (rows[one.key], changed) for one in claimed if (changed := _changed(work, rows.get(one.key)))
    }
    work.finish([one for one in claimed if one not in changes])
    if changes:
        _send(work, changes)
    return len(claimed)


def _changed(work: Work, row: Row | None) -> Picture:
    if row is None or row["removed_at"] is not None:
        return {}
    link = f"{work.service.public_url}/r/{row['code']}"
    return picture.difference(picture.event(row, registration_link=link), row["shadow"])


def _send(work: Work, changes: Mapping[Mark, tuple[Row, Picture]]) -> None:
    commands: Commands = {one.key: _update(work, row, changed) for one, (row, changed) in changes.items()}
    try:
        replies = work.client.batch(commands, write=True)
    except errors.B24Error as error:
        all_failed(work, changes, error)
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, (row, changed) in changes.items():
            reply = replies[one.key]
            if not isinstance(reply, errors.B24Error):
                store.update(tx, t.event, row["id"], shadow={**row["shadow"], **changed})
                marks.done(tx, [one])
            elif errors.is_not_found(reply):
                # Deleted meanwhile: the pull records it.
                eti = work.binding.event.entity_type_id
                marks.mark(tx, work.portal_id, "pull", [f"{eti}:{row['item_id']}"], now=now)
                marks.done(tx, [one])
            else:
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))


def _update(work: Work, row: Row, changed: Picture) -> tuple[str, Mapping[str, Any]]:
    kind = work.binding.event
    fields = picture.encode(kind, picture.EVENT_FIELDS, changed)
    return "crm.item.update", {"entityTypeId": kind.entity_type_id, "id": row["item_id"], "fields": fields}
