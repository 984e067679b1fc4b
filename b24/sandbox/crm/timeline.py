"""The timeline of items: comments and log entries.

Source: crm/timeline/comments/*.md, crm/timeline/logmessage/*.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm import owners, store
from b24.sandbox.crm.activity_types import described
from b24.sandbox.crm.params import PAGE, fields_of, integer, listing, mapping, required, start_of, text
from b24.sandbox.crm.schema import as_entity_type_id
from b24.sandbox.crm.values import iso_of
from b24.sandbox.kernel import Answer, Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_timeline (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, entity_type_id INTEGER NOT NULL,
        item_id INTEGER NOT NULL, author_id INTEGER, created INTEGER NOT NULL, title TEXT NOT NULL DEFAULT '',
        body TEXT NOT NULL DEFAULT '', icon TEXT NOT NULL DEFAULT '', files TEXT NOT NULL DEFAULT '[]');
    CREATE INDEX IF NOT EXISTS crm_timeline_item ON crm_timeline (entity_type_id, item_id, id);
    """
)

#: An entry stands in the timeline of its owner and of whatever it was bound to since.
_SHOWN_AT = (
    "(entity_type_id = ?1 AND item_id = ?2 OR id IN"
    " (SELECT owner_id FROM crm_timeline_binding WHERE entity_type_id = ?1 AND item_id = ?2))"
)
_FIELDS = """
ID integer r ID
CREATED datetime r Дата добавления
ENTITY_ID integer qi Элемент
ENTITY_TYPE string qi Тип элемента
AUTHOR_ID integer i Автор
COMMENT string - Текст комментария
FILES attached_diskfile m Файлы
"""


def entries(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> list[sqlite3.Row]:
    """Comments and log entries of an item, last first (the web UI's view)."""
    return db.execute(
        f"SELECT * FROM crm_timeline WHERE {_SHOWN_AT} ORDER BY id DESC", (entity_type_id, item_id)
    ).fetchall()


def repoint(db: sqlite3.Connection, entity_type_id: int, before: int, after: int) -> None:
    """The timeline of one item becomes another's."""
    db.execute(
        "UPDATE crm_timeline SET item_id = ? WHERE entity_type_id = ? AND item_id = ?",
        (after, entity_type_id, before),
    )


def write(
    portal: Any,
    user_id: int | None,
    kind: str,
    owner: tuple[int, int],
    *,
    title: str = "",
    body: str = "",
    icon: str = "",
    files: list[str] | None = None,
) -> int:
    """Add an entry (``comment`` or ``log``) to the timeline of ``owner``; returns its id."""
    cursor = portal.db.execute(
        "INSERT INTO crm_timeline (kind, entity_type_id, item_id, author_id, created, title, body,"
        " icon, files)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            kind,
            *owner,
            user_id,
            int(portal.now().timestamp()),
            title,
            body,
            icon,
            json.dumps(files or [], ensure_ascii=False),
        ),
    )
    store.touch_activity(portal, *owner, user_id)
    return int(cursor.lastrowid or 0)


@method("crm.timeline.comment.add", scope="crm")
def comment_add(call: Call) -> int:
    """A comment in the timeline of an item."""
    fields = fields_of(call)
    for name in ("ENTITY_ID", "ENTITY_TYPE", "COMMENT"):
        if fields.get(name) is None:
            raise RestError("100", f"Could not find value for parameter {{{name}}}")
    owner = owners.demand(
        call, owners.type_by_symbol(text(fields["ENTITY_TYPE"])), fields["ENTITY_ID"], "update"
    )
    body = text(fields["COMMENT"])
    if not body.strip():
        raise RestError("INVALID_ARG_VALUE", "Empty comment")
    files = [text(listing(each)[0]) for each in listing(fields.get("FILES")) if listing(each)]
    number = write(
        call.portal, call.user_id, "comment", (owner.kind.entity_type_id, owner.id), body=body, files=files
    )
    _tell(call, "ADD", number)
    return number


def _tell(call: Call, what: str, number: int) -> None:
    call.portal.emit(f"ONCRMTIMELINECOMMENT{what}", {"FIELDS": {"ID": number}}, user_id=call.user_id)


def _comment(call: Call) -> sqlite3.Row:
    number = integer(call.params.get("id"))
    if number is None:
        raise RestError("", "ID is not defined or invalid.")
    found = call.db.execute(
        "SELECT * FROM crm_timeline WHERE id = ? AND kind = 'comment'", (number,)
    ).fetchone()
    if found is None:
        raise RestError("", "Not found.")
    row: sqlite3.Row = found
    return row


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    files = json.loads(row["files"])
    return {
        "ID": str(row["id"]),
        "ENTITY_ID": str(row["item_id"]),
        "ENTITY_TYPE": owners.symbol_of(row["entity_type_id"]),
        "CREATED": iso_of(row["created"]),
        "COMMENT": row["body"],
        "AUTHOR_ID": str(row["author_id"] or 0),
        "FILES": {str(n): {"id": n, "name": name, "type": "file"} for n, name in enumerate(files, 1)},
    }


@method("crm.timeline.comment.get", scope="crm")
def comment_get(call: Call) -> Any:
    """One comment."""
    return _shown(_comment(call))


@method("crm.timeline.comment.list", scope="crm")
def comment_list(call: Call) -> Answer:
    """Comments of one item; ``ENTITY_ID`` and ``ENTITY_TYPE`` are required in the filter."""
    filter_ = mapping(call.params.get("filter"))
    entity_type_id = owners.type_by_symbol(text(filter_.get("ENTITY_TYPE")))
    try:
        owner = owners.demand(call, entity_type_id, filter_.get("ENTITY_ID"), "read")
    except RestError:
        raise RestError("", "Access denied.") from None
    order = mapping(call.params.get("order")) or {"ID": "DESC"}
    name, direction = next(iter(order.items()))
    column = {"ID": "id", "CREATED": "created", "AUTHOR_ID": "author_id"}.get(name, "id")
    sign = "DESC" if text(direction).upper() == "DESC" else "ASC"
    rows = call.db.execute(
        f"SELECT * FROM crm_timeline WHERE kind = 'comment' AND {_SHOWN_AT}"
        f" ORDER BY {column} {sign}, id {sign}",
        (owner.kind.entity_type_id, owner.id),
    ).fetchall()
    start = max(start_of(call), 0)
    names = {text(each) for each in listing(call.params.get("select"))} - {"*"}
    page = [_shown(row) for row in rows[start : start + PAGE]]
    page = [{key: value for key, value in each.items() if not names or key in names} for each in page]
    return Answer(page, len(rows), start + PAGE if len(rows) > start + PAGE else None)


def _comment_to_change(call: Call) -> sqlite3.Row:
    """The comment a call wants to change; its author or whoever may change the owner may.

    Raises:
        RestError: ``100``, ``NOT_FOUND``, ``OWNER_NOT_FOUND`` or ``ACCESS_DENIED``.
    """
    number = integer(required(call, "id"))
    row = call.db.execute(
        "SELECT * FROM crm_timeline WHERE id = ? AND kind = 'comment'", (number,)
    ).fetchone()
    if row is None:
        raise RestError("NOT_FOUND", "Not found.")
    owners.demand(call, row["entity_type_id"], row["item_id"], "update")
    found: sqlite3.Row = row
    return found


@method("crm.timeline.comment.update", scope="crm")
def comment_update(call: Call) -> int:
    """Change the text of a comment; answers with its id."""
    row = _comment_to_change(call)
    fields = fields_of(call)
    if "COMMENT" in fields:
        if not text(fields["COMMENT"]).strip():
            raise RestError("INVALID_ARG_VALUE", "Empty comment")
        call.db.execute("UPDATE crm_timeline SET body = ? WHERE id = ?", (text(fields["COMMENT"]), row["id"]))
    _tell(call, "UPDATE", row["id"])
    return int(row["id"])


@method("crm.timeline.comment.fields", scope="crm")
def comment_fields(_call: Call) -> Any:
    """Description of a comment."""
    return described(_FIELDS)


@method("crm.timeline.comment.delete", scope="crm")
def comment_delete(call: Call) -> bool:
    """Remove a comment, or its bond with the owner the call names when it stands in several timelines."""
    row = _comment_to_change(call)
    if _unbound(call, row):
        return True
    call.db.execute("DELETE FROM crm_timeline WHERE id = ?", (row["id"],))
    _tell(call, "DELETE", row["id"])
    return True


def _unbound(call: Call, row: sqlite3.Row) -> bool:
    """Take the comment out of one of several timelines; false when it stands in one only.

    Raises:
        RestError: ``OWNER_NOT_FOUND``; ``MULTIPLE_BINDINGS`` when none of several is named.
    """
    more = call.db.execute(
        "SELECT entity_type_id, item_id FROM crm_timeline_binding WHERE owner_id = ?", (row["id"],)
    ).fetchall()
    places = [(row["entity_type_id"], row["item_id"]), *((each[0], each[1]) for each in more)]
    named = call.params.get("ownerTypeId"), call.params.get("ownerId")
    place = (integer(named[0]) or 0, integer(named[1]) or 0)
    if any(each is not None for each in named) and place not in places:
        raise RestError("OWNER_NOT_FOUND", "Owner was not found")
    if len(places) == 1:
        return False
    if place not in places:
        raise RestError("MULTIPLE_BINDINGS", "Element has bindings to multiple entities")
    if place == places[0]:
        call.db.execute(
            "UPDATE crm_timeline SET entity_type_id = ?, item_id = ? WHERE id = ?", (*places[1], row["id"])
        )
        place = places[1]
    call.db.execute(
        "DELETE FROM crm_timeline_binding WHERE owner_id = ? AND entity_type_id = ? AND item_id = ?",
        (row["id"], *place),
    )
    return True


def _shown_log(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "created": iso_of(row["created"]),
        "authorId": row["author_id"],
        "title": row["title"],
        "text": row["body"],
        "iconCode": row["icon"],
    }


@method("crm.timeline.logmessage.add", scope="crm")
def log_add(call: Call) -> Any:
    """A log entry in the timeline of an item."""
    fields = fields_of(call)
    for name in ("entityTypeId", "entityId", "title", "text", "iconCode"):
        if fields.get(name) in (None, ""):
            raise RestError("100", f"Could not find value for parameter {{{name}}}")
    owner = owners.demand(call, as_entity_type_id(fields["entityTypeId"]), fields["entityId"], "update")
    number = write(
        call.portal,
        call.user_id,
        "log",
        (owner.kind.entity_type_id, owner.id),
        title=text(fields["title"]),
        body=text(fields["text"]),
        icon=text(fields["iconCode"]),
    )
    return {"logMessage": _shown_log(_log(call, number))}


def _log(call: Call, number: int | None) -> sqlite3.Row:
    found = call.db.execute("SELECT * FROM crm_timeline WHERE id = ? AND kind = 'log'", (number,)).fetchone()
    if found is None:
        raise RestError("NOT_FOUND", "Not found.")
    row: sqlite3.Row = found
    return row


@method("crm.timeline.logmessage.get", scope="crm")
def log_get(call: Call) -> Any:
    """One log entry."""
    return {"logMessage": _shown_log(_log(call, integer(required(call, "id"))))}


@method("crm.timeline.logmessage.list", scope="crm")
def log_list(call: Call) -> Answer:
    """Log entries of one item."""
    owner = owners.demand(
        call, as_entity_type_id(required(call, "entityTypeId")), required(call, "entityId"), "read"
    )
    rows = [row for row in entries(call.db, owner.kind.entity_type_id, owner.id) if row["kind"] == "log"]
    start = max(start_of(call), 0)
    orders = [text(way).upper() for way in mapping(call.params.get("order")).values()]
    if orders[:1] != ["DESC"]:
        rows.reverse()
    page = [_shown_log(row) for row in rows[start : start + PAGE]]
    return Answer(page, len(rows), start + PAGE if len(rows) > start + PAGE else None)


@method("crm.timeline.logmessage.delete", scope="crm")
def log_delete(call: Call) -> bool:
    """Remove a log entry."""
    row = _log(call, integer(required(call, "id")))
    call.db.execute("DELETE FROM crm_timeline WHERE id = ?", (row["id"],))
    return True
