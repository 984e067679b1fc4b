"""What is said once in the portal: timeline comments and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.bb_codes import without_codes
from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync.work import Work, all_failed, all_unread, failed

MARK = "effect"
OWNERS = {LEAD: "lead", DEAL: "deal", CONTACT: "contact", COMPANY: "company"}


def comment(tx: Tx, work: Work, key: str, entity_type_id: int, item_id: int, text: str) -> None:
    """Have something said once in a card's timeline; ``key`` names the occasion."""
    body = {"entity_type_id": entity_type_id, "item_id": item_id, "text": text}
    made = store.add_effect(tx, work.portal_id, "comment", key, body)
    if made is not None:
        marks.mark(tx, work.portal_id, MARK, [made], now=work.now())


def comments_and_notices(work: Work) -> int:
    """Say what waits to be said; a comment whose answer was lost is looked for before it is repeated."""
    claimed = work.claim(MARK, limit=work.client.room("crm.timeline.comment.add"))
    if not claimed:
        return 0
    with work.service.store.reading() as tx:
        rows = {str(row["id"]): row for row in store.effects(tx, [int(one.key) for one in claimed])}
    work.finish([one for one in claimed if one.key not in rows])
    waiting = {one: rows[one.key] for one in claimed if one.key in rows}
    try:
        said = _said_before(
            work, [row for one, row in waiting.items() if one.sent_at and row["kind"] == "comment"]
        )
    except errors.B24Error as error:
        all_unread(work, waiting, error)
        return len(claimed)
    fresh = {one: row for one, row in waiting.items() if row["id"] not in said}
    try:
        replies = _say(work, fresh) if fresh else {}
    except errors.B24Error as error:
        all_failed(work, fresh, error)
        return len(claimed)
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, row in waiting.items():
            reply = replies.get(one.key)
            if isinstance(reply, errors.B24Error) and not _nowhere(row, reply):
                failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
            else:
                store.update(tx, t.effect, row["id"], done_at=now)
                marks.done(tx, [one])
    return len(claimed)


def _say(work: Work, fresh: Mapping[Mark, Mapping[str, Any]]) -> Mapping[str, Any]:
    commands = {one.key: _command(row) for one, row in fresh.items()}
    return work.client.batch(commands, write=True, before_send=work.leaving(list(fresh)))


def _command(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    body = row["body"]
    if row["kind"] == "notify":
        # The same TAG replaces the notice, so that a repeat shows once (chats/notifications/im-notify-system-add).
        return "im.notify.system.add", {
            "USER_ID": body["user_id"],
            "MESSAGE": without_codes(body["text"]),
            "TAG": f"EVENTAPP|{row['key']}"[:255],
        }
    return "crm.timeline.comment.add", {
        "fields": {
            "ENTITY_ID": body["item_id"],
            "ENTITY_TYPE": _owner(body),
            "COMMENT": without_codes(body["text"]),
        }
    }


def _owner(body: Mapping[str, Any]) -> str:
    return OWNERS.get(body["entity_type_id"], f"dynamic_{body['entity_type_id']}")


def _said_before(work: Work, rows: list[Mapping[str, Any]]) -> set[int]:
    """Comments that stand in their timeline although we never saw the answer."""
    if not rows:
        return set()
    replies = work.client.batch({str(row["id"]): _comments(row["body"]) for row in rows})
    said = set()
    for row in rows:
        reply, text = replies[str(row["id"])], without_codes(row["body"]["text"])
        if not isinstance(reply, errors.B24Error):
            if any(one.get("COMMENT") == text for one in reply.result):
                said.add(row["id"])
        elif not isinstance(reply, errors.Rejected):
            raise reply
        # A timeline that cannot be read – of a card that is gone, "Access denied." – takes no comment: adding says why.
    return said


def _nowhere(row: Mapping[str, Any], error: errors.B24Error) -> bool:
    """The card a comment was for was deleted meanwhile: there is nobody left to tell."""
    return row["kind"] == "comment" and errors.is_not_found(error)


def _comments(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return "crm.timeline.comment.list", {
        "filter": {"ENTITY_ID": body["item_id"], "ENTITY_TYPE": _owner(body)},
        "order": {"ID": "DESC"},
        "select": ["ID", "COMMENT"],
    }
