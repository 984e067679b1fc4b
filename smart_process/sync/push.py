"""Push: objects of ours whose picture is ahead are written, only fields that differ, 50 commands a request.

Each command's own answer counts. The shadow is taken from the answer; a create whose answer was lost is looked up by
``xmlId`` before it is repeated; an update whose answer was lost is repeated, its values counting as ours meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.marks import Mark
from smart_process.store import journal
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import picture, stage_moves
from smart_process.sync.picture import Picture
from smart_process.sync.work import Work, all_failed, failed, later

AT_ONCE = 50
Row = Mapping[str, Any]
WAITS_FOR_PERSON_S = 60
"""A card waits for its person's contact so long at most; then it goes without and gets the link later."""


def participations(work: Work) -> int:
    """Write marked participations to the portal."""
    claimed = work.claim(journal.PUSH, limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {row["id"]: row for row in store.participations(tx, [int(one.key) for one in claimed])}
    todo: dict[Mark, Row] = {}
    idle: list[Mark] = []
    waiting: list[Mark] = []
    for one in claimed:
        row = rows.get(int(one.key))
        if row is None or row["removed_at"] is not None or row["merged_into"] is not None:
            idle.append(one)
        elif row["match"] == "new" and row["item_id"] is None and one.attempts < 3:
            waiting.append(one)
        else:
            todo[one] = row
    work.finish(idle)
    _wait(work, waiting)
    made = _find_lost(work, [row for one, row in todo.items() if one.sent_at and row["item_id"] is None])
    _write(work, todo, made)
    return len(claimed) - len(waiting)


def _wait(work: Work, some: Sequence[Mark]) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            marks.retry(tx, one, at=later(one, now), error="its contact is being looked up")


def _find_lost(work: Work, rows: Sequence[Row]) -> dict[str, int]:
    if not rows:
        return {}
    kind = work.binding.participation
    asked = {
        "entityTypeId": kind.entity_type_id,
        "filter": {"@xmlId": [row["uid"] for row in rows]},
        "select": ["id", "xmlId"],
        "start": -1,
    }
    reply = work.client.ask("crm.item.list", asked)
    return {str(item["xmlId"]): int(item["id"]) for item in reply.result["items"]}


def _write(work: Work, todo: Mapping[Mark, Row], made: Mapping[str, int]) -> None:
    updates: dict[Mark, tuple[Row, Picture]] = {}
    creates: dict[Mark, tuple[Row, Picture]] = {}
    idle = []
    for one, row in todo.items():
        ours = _ours(work, row)
        item_id = row["item_id"] or made.get(row["uid"])
        changed = _changed(row, ours)
        if item_id is None:
            creates[one] = (row, ours)
        elif changed or row["item_id"] is None:
            updates[one] = ({**row, "item_id": item_id}, changed)
        else:
            idle.append(one)
    work.finish(idle)
    _send(work, updates, create=False)
    for at in range(0, len(creates), 25):
        _send(work, dict(list(creates.items())[at : at + 25]), create=True)


def _ours(work: Work, row: Row) -> Picture:
    ours = picture.participation(row, ticket_link=f"{work.service.public_url}/t/{row['ticket']}")
    shadow = row["shadow"]
    # Links to people are theirs to change: we only fill what is empty.
    if row["contact_id"] and not shadow.get("contact_ids"):
        ours["contact_ids"] = [row["contact_id"]]
    if row["company_id"] and not shadow.get("company_id"):
        ours["company_id"] = row["company_id"]
    if row["responsible_id"] and row["item_id"] is None:
        ours["responsible_id"] = row["responsible_id"]
    if row["outcome_kind"] == "deal" and row["outcome_item_id"]:
        ours["deal_id"] = row["outcome_item_id"]
    return ours


def _changed(row: Row, ours: Picture) -> Picture:
    changed = picture.difference(ours, row["shadow"])
    # A title people gave the card stays.
    if row["item_id"] is not None and row["shadow"].get("title"):
        changed.pop("title", None)
    if "stage" in changed and not stage_moves.may_push(row["shadow"], row["stage"]):
        changed.pop("stage")
    return changed


def _send(work: Work, some: Mapping[Mark, tuple[Row, Picture]], *, create: bool) -> None:
    if not some:
        return
    commands = {
        one.key: _add(work, row, changed) if create else _update(work, row, changed)
        for one, (row, changed) in some.items()
    }
    with work.service.store.transaction() as tx:
        for row, changed in some.values():
            store.update(tx, t.participation, row["id"], inflight=changed)
    leaving = work.leaving(list(some)) if create else None
    try:
        replies = work.client.batch(commands, write=True, before_send=leaving)
    except errors.B24Error as error:
        if not isinstance(error, errors.Ambiguous):
            _forget(work, some)
        all_failed(work, some, error)
        return
    for one, (row, changed) in some.items():
        _settle(work, one, row, changed, replies[one.key])


def _fields(work: Work, changed: Picture) -> dict[str, Any]:
    kind = work.binding.participation
    fields = picture.encode(kind, picture.PARTICIPATION_FIELDS, changed)
    if "deal_id" in changed:
        fields[work.binding.parent_deal] = changed["deal_id"]
    return fields


def _add(work: Work, row: Row, ours: Picture) -> tuple[str, Mapping[str, Any]]:
    binding = work.binding
    filled = {name: value for name, value in ours.items() if value not in ("", [], False, 0)}
    fields = _fields(work, filled) | {binding.parent_event: row["event_item_id"]}
    return "crm.item.add", {"entityTypeId": binding.participation.entity_type_id, "fields": fields}


def _update(work: Work, row: Row, changed: Picture) -> tuple[str, Mapping[str, Any]]:
    binding = work.binding
    fields = _fields(work, changed)
    return "crm.item.update", {
        "entityTypeId": binding.participation.entity_type_id,
        "id": row["item_id"],
        "fields": fields,
    }


def _forget(work: Work, some: Mapping[Mark, tuple[Row, Picture]]) -> None:
    with work.service.store.transaction() as tx:
        for row, _ in some.values():
            store.update(tx, t.participation, row["id"], inflight=None)


def _settle(work: Work, one: Mark, row: Row, changed: Picture, reply: Any) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        if isinstance(reply, errors.B24Error):
            unsure = isinstance(reply, errors.Ambiguous)
            store.update(tx, t.participation, row["id"], inflight=changed if unsure else None)
            if errors.is_not_found(reply) and row["item_id"]:
                eti = work.binding.participation.entity_type_id
                marks.mark(tx, work.portal_id, "pull", [f"{eti}:{row['item_id']}"], now=now)
                marks.done(tx, [one])
            else:
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            return
        kind = work.binding.participation
        answer = picture.read(kind, picture.PARTICIPATION_FIELDS, reply.result["item"])
        shadow = _confirmed(row["shadow"], changed, answer)
        store.update(
            tx,
            t.participation,
            row["id"],
            item_id=int(reply.result["item"]["id"]),
            shadow=shadow,
            inflight=None,
        )
        marks.done(tx, [one])


def _confirmed(before: Picture, changed: Picture, answer: Picture) -> Picture:
    """What we now know the portal shows: what we wrote, as it answered it.

    Other fields of the answer stay out of the shadow: where they differ from it, a person changed them meanwhile, and
    the next pull must still see that.
    """
    shadow = {**before}
    for name, value in changed.items():
        shadow[name] = answer.get(name, value)
    if not before:
        shadow |= {name: value for name, value in answer.items() if name not in shadow}
    if "stage" in changed:
        stage_moves.pushed(shadow, changed["stage"])
        shadow.pop(stage_moves.ASIDE, None)
    return shadow


def events(work: Work) -> int:
    """Keep code, registration link and local time up on events' cards."""
    claimed = work.claim("event", limit=AT_ONCE)
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.events(tx, [int(one.key) for one in claimed])}
    kind = work.binding.event
    changes: dict[Mark, tuple[Row, Picture]] = {}
    for one in claimed:
        row = rows.get(one.key)
        if row is None or row["removed_at"] is not None:
            continue
        link = f"{work.service.public_url}/r/{row['code']}"
        changed = picture.difference(picture.event(row, registration_link=link), row["shadow"])
        if changed:
            changes[one] = (row, changed)
    work.finish([one for one in claimed if one not in changes])
    commands = {
        one.key: (
            "crm.item.update",
            {
                "entityTypeId": kind.entity_type_id,
                "id": row["item_id"],
                "fields": picture.encode(kind, picture.EVENT_FIELDS, changed),
            },
        )
        for one, (row, changed) in changes.items()
    }
    if not commands:
        return len(claimed)
    try:
        replies = work.client.batch(commands, write=True)
    except errors.B24Error as error:
        all_failed(work, changes, error)
        return len(claimed)
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, (row, changed) in changes.items():
            reply = replies[one.key]
            if isinstance(reply, errors.B24Error):
                failed(tx, one, reply, now=now)
            else:
                store.update(tx, t.event, row["id"], shadow={**row["shadow"], **changed})
                marks.done(tx, [one])
    return len(claimed)
