"""Activities of items: universal to-dos and the records of ``crm.activity.*``.

Source: crm/timeline/activities/todo/*.md, crm/timeline/activities/activity-base/*.md.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from b24.sandbox.crm import emails, filters, owners, rights, store
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import OWNER_TYPES
from b24.sandbox.crm.params import (
    PAGE,
    fields_of,
    integer,
    is_yes,
    listing,
    mapping,
    required,
    start_of,
    text,
)
from b24.sandbox.crm.schema import as_entity_type_id
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import iso_of, keep_file, parse_timestamp, reader
from b24.sandbox.kernel import Answer, Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_activity (
        id INTEGER PRIMARY KEY AUTOINCREMENT, owner_type_id INTEGER NOT NULL, owner_id INTEGER NOT NULL,
        type_id INTEGER NOT NULL, provider_id TEXT NOT NULL, provider_type_id TEXT NOT NULL,
        subject TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
        description_type INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL, last_updated INTEGER NOT NULL,
        start_time INTEGER, end_time INTEGER, deadline INTEGER, completed TEXT NOT NULL DEFAULT 'N',
        responsible_id INTEGER, priority INTEGER NOT NULL DEFAULT 2, direction INTEGER NOT NULL DEFAULT 0,
        originator_id TEXT, origin_id TEXT, author_id INTEGER, editor_id INTEGER,
        settings TEXT NOT NULL DEFAULT '[]', provider_params TEXT NOT NULL DEFAULT '[]',
        communications TEXT NOT NULL DEFAULT '[]', files TEXT NOT NULL DEFAULT '[]');
    CREATE TABLE IF NOT EXISTS crm_activity_binding (
        activity_id INTEGER NOT NULL, owner_type_id INTEGER NOT NULL, owner_id INTEGER NOT NULL,
        PRIMARY KEY (activity_id, owner_type_id, owner_id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_activity_binding_owner ON crm_activity_binding (owner_type_id, owner_id);
    """
)

TODO_PROVIDER = "CRM_TODO"
#: Colours of a to-do in the timeline.
COLORS = frozenset({"default", *"1234567"})
_NUMBER = reader("integer")
_NUMBERS = (
    "ID", "OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID", "RESPONSIBLE_ID", "PRIORITY", "DIRECTION",
    "AUTHOR_ID", "EDITOR_ID", "DESCRIPTION_TYPE",
)  # fmt: skip
_TEXTS = (
    "PROVIDER_ID", "PROVIDER_TYPE_ID", "SUBJECT", "COMPLETED", "DESCRIPTION", "ORIGINATOR_ID", "ORIGIN_ID",
)  # fmt: skip
_MOMENTS = ("CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE")
_COLUMNS = (
    {name: Column(f"crm_activity.{name.lower()}", _NUMBER, "number") for name in _NUMBERS}
    | {name: Column(f"crm_activity.{name.lower()}") for name in _TEXTS}
    | {name: Column(f"crm_activity.{name.lower()}", parse_timestamp, "number") for name in _MOMENTS}
    | {"STATUS": Column("CASE crm_activity.completed WHEN 'Y' THEN 2 ELSE 1 END", _NUMBER, "number")}
)
_NULLS = (
    "PROVIDER_GROUP_ID", "PROVIDER_DATA", "RESULT_VALUE", "RESULT_SUM", "RESULT_CURRENCY_ID",
    "RESULT_SOURCE_ID",
)  # fmt: skip
_ZEROS = ("ASSOCIATED_ENTITY_ID", "RESULT_MARK", "RESULT_STATUS", "RESULT_STREAM", "AUTOCOMPLETE_RULE")
#: Which column a writable field of ``crm.activity.add`` and ``.update`` goes to, and how it is read.
_WRITABLE: dict[str, Any] = (
    dict.fromkeys(("RESPONSIBLE_ID", "PRIORITY", "DIRECTION", "DESCRIPTION_TYPE", "TYPE_ID"), _NUMBER)
    | {name: text for name in _TEXTS if name != "COMPLETED"}
    | dict.fromkeys(("START_TIME", "END_TIME", "DEADLINE"), parse_timestamp)
    | {"COMPLETED": lambda value: "Y" if is_yes(value) else "N"}
    | {
        name: lambda value: json.dumps(value or [], ensure_ascii=False)
        for name in ("SETTINGS", "PROVIDER_PARAMS")
    }
)
_CHANNEL_OF = {2: "PHONE", emails.EMAIL: "EMAIL"}
"""What kind of channel an activity of a type has when the caller names none."""
_NEED_CHANNEL = frozenset({1, 2, emails.EMAIL})
"""Meetings, calls and mails; the page of crm.activity.type.add shows an application's own kind without any."""


_NEVER_EMPTY = frozenset({"type_id", "description_type", "priority", "direction", "responsible_id"})


def of_item(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> list[sqlite3.Row]:
    """Activities bound to an item, last first (the web UI's view)."""
    return db.execute(
        "SELECT crm_activity.* FROM crm_activity"
        " JOIN crm_activity_binding AS bond ON bond.activity_id = crm_activity.id"
        " WHERE bond.owner_type_id = ? AND bond.owner_id = ? ORDER BY crm_activity.id DESC",
        (entity_type_id, item_id),
    ).fetchall()


def repoint(db: sqlite3.Connection, entity_type_id: int, before: int, after: int) -> None:
    """Activities of one item become another's."""
    values = (after, entity_type_id, before)
    db.execute("UPDATE crm_activity SET owner_id = ? WHERE owner_type_id = ? AND owner_id = ?", values)
    db.execute(
        "UPDATE OR REPLACE crm_activity_binding SET owner_id = ? WHERE owner_type_id = ? AND owner_id = ?",
        values,
    )


def write(portal: Any, user_id: int | None, owner: tuple[int, int], values: dict[str, Any]) -> int:
    """Add an activity; ``values`` are columns. Returns its id."""
    now = int(portal.now().timestamp())
    row = {
        "owner_type_id": owner[0],
        "owner_id": owner[1],
        "created": now,
        "last_updated": now,
        "responsible_id": user_id or 1,
        "author_id": user_id or 1,
        "editor_id": user_id or 1,
        **values,
    }
    cursor = portal.db.execute(
        f"INSERT INTO crm_activity ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        tuple(row.values()),
    )
    number = int(cursor.lastrowid or 0)
    bind(portal.db, number, *owner)
    store.touch_activity(portal, *owner, user_id)
    portal.emit("ONCRMACTIVITYADD", {"FIELDS": {"ID": number}}, user_id=user_id)
    return number


def bind(db: sqlite3.Connection, activity_id: int, entity_type_id: int, item_id: int) -> None:
    """Show an activity in the timeline of one more item."""
    db.execute(
        "INSERT OR IGNORE INTO crm_activity_binding (activity_id, owner_type_id, owner_id) VALUES (?, ?, ?)",
        (activity_id, entity_type_id, item_id),
    )


def change(portal: Any, user_id: int | None, activity_id: int, values: dict[str, Any]) -> None:
    """Write columns of an activity and tell about it."""
    values = values | {"last_updated": int(portal.now().timestamp()), "editor_id": user_id or 1}
    names = ", ".join(f"{name} = ?" for name in values)
    portal.db.execute(f"UPDATE crm_activity SET {names} WHERE id = ?", (*values.values(), activity_id))
    portal.emit("ONCRMACTIVITYUPDATE", {"FIELDS": {"ID": activity_id}}, user_id=user_id)


def row_of(db: sqlite3.Connection, activity_id: int | None) -> sqlite3.Row | None:
    """An activity by id."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM crm_activity WHERE id = ?", (activity_id,)).fetchone()
    return row


# To-dos.


def _owner(call: Call) -> Item:
    entity_type_id = as_entity_type_id(required(call, "ownerTypeId"))
    return owners.demand(call, entity_type_id, required(call, "ownerId"), "update")


def _deadline(value: Any) -> int:
    try:
        moment = parse_timestamp(value)
    except ValueError:
        moment = None
    if moment is None:
        raise RestError("WRONG_DATETIME_FORMAT", "Wrong datetime format")
    return moment


def _todo(call: Call, completed: str = "CAN_NOT_UPDATE_COMPLETED_TODO") -> sqlite3.Row:
    owner = _owner(call)
    found = row_of(call.db, integer(required(call, "id")))
    if found is None or (found["owner_type_id"], found["owner_id"]) != (owner.kind.entity_type_id, owner.id):
        raise RestError("NOT_FOUND", "Not found.")
    if found["completed"] == "Y":
        raise RestError(completed, "Completed activity cannot be modified")
    return found


def _todo_settings(call: Call, before: dict[str, Any]) -> str:
    settings = dict(before)
    if "pingOffsets" in call.params:
        settings["PING_OFFSETS"] = [integer(each) or 0 for each in listing(call.params["pingOffsets"])]
    if "colorId" in call.params:
        settings["COLOR"] = text(call.params["colorId"])
    return json.dumps(settings or [])


@method("crm.activity.todo.add", scope="crm")
def todo_add(call: Call) -> Any:
    """A to-do with a deadline in the timeline of an item."""
    owner = _owner(call)
    deadline = _deadline(required(call, "deadline"))
    number = write(
        call.portal,
        call.user_id,
        (owner.kind.entity_type_id, owner.id),
        {
            "type_id": 6,
            "provider_id": TODO_PROVIDER,
            "provider_type_id": "TODO",
            "subject": text(call.params.get("title")),
            "description": text(call.params.get("description")),
            "start_time": deadline,
            "end_time": deadline,
            "deadline": deadline,
            "responsible_id": integer(call.params.get("responsibleId")) or call.user_id,
            "settings": _todo_settings(call, {}),
        },
    )
    return {"id": number}


@method("crm.activity.todo.update", scope="crm")
def todo_update(call: Call) -> Any:
    """Change a to-do that is not completed."""
    row = _todo(call)
    deadline = _deadline(required(call, "deadline"))
    values: dict[str, Any] = {"deadline": deadline, "start_time": deadline, "end_time": deadline}
    for name, column in (("title", "subject"), ("description", "description")):
        if name in call.params:
            values[column] = text(call.params[name])
    if integer(call.params.get("responsibleId")):
        values["responsible_id"] = integer(call.params["responsibleId"])
    before = json.loads(row["settings"])
    values["settings"] = _todo_settings(call, before if isinstance(before, dict) else {})
    change(call.portal, call.user_id, row["id"], values)
    return {"id": row["id"]}


@method("crm.activity.todo.updateDeadline", scope="crm")
def todo_update_deadline(call: Call) -> Any:
    """Move the deadline of a to-do."""
    row = _todo(call)
    moment = _deadline(required(call, "value"))
    change(
        call.portal, call.user_id, row["id"], {"deadline": moment, "start_time": moment, "end_time": moment}
    )
    return {"id": row["id"]}


@method("crm.activity.todo.updateDescription", scope="crm")
def todo_update_description(call: Call) -> Any:
    """Change the text of a to-do."""
    row = _todo(call)
    change(call.portal, call.user_id, row["id"], {"description": text(required(call, "value"))})
    return {"id": row["id"]}


@method("crm.activity.todo.updateResponsibleUser", scope="crm")
def todo_update_responsible(call: Call) -> Any:
    """Hand a to-do to another employee."""
    row = _todo(call)
    responsible = integer(required(call, "responsibleId"))
    change(call.portal, call.user_id, row["id"], {"responsible_id": responsible})
    return {"id": row["id"]}


@method("crm.activity.todo.updateColor", scope="crm")
def todo_update_color(call: Call) -> Any:
    """Change the colour of a to-do."""
    row = _todo(call, "CAN_NOT_UPDATE_COLOR_COMPLETED_TODO")
    color = text(required(call, "colorId"))
    if color not in COLORS:
        raise RestError("CAN_NOT_UPDATE_WRONG_COLOR_TODO", "Wrong color")
    before = json.loads(row["settings"])
    settings = (before if isinstance(before, dict) else {}) | {"COLOR": color}
    change(call.portal, call.user_id, row["id"], {"settings": json.dumps(settings)})
    return {"id": row["id"]}


# All activities.


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """An activity as ``crm.activity.get`` shows it: strings, empty arrays as lists."""
    result: dict[str, Any] = {}
    for name in ("ID", "OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID"):
        result[name] = str(row[name.lower()])
    result |= {
        name: row[name.lower()] for name in ("PROVIDER_ID", "PROVIDER_TYPE_ID", "SUBJECT", "DESCRIPTION")
    }
    for name in _MOMENTS:
        moment = row[name.lower()]
        result[name] = "" if moment is None else iso_of(moment)
    for name in ("DESCRIPTION_TYPE", "RESPONSIBLE_ID", "PRIORITY", "DIRECTION", "AUTHOR_ID", "EDITOR_ID"):
        result[name] = str(row[name.lower()] or 0)
    return result | {
        "COMPLETED": row["completed"],
        "STATUS": "2" if row["completed"] == "Y" else "1",
        "NOTIFY_TYPE": "0",
        "NOTIFY_VALUE": "0",
        "LOCATION": "",
        "SETTINGS": json.loads(row["settings"]),
        "ORIGINATOR_ID": row["originator_id"],
        "ORIGIN_ID": row["origin_id"],
        "PROVIDER_PARAMS": json.loads(row["provider_params"]),
        **dict.fromkeys(_NULLS),
        **dict.fromkeys(_ZEROS, "0"),
    }


def _bindings_where(value: Any) -> tuple[str, list[Any]]:
    """The special filter key ``BINDINGS``: bound to any of these owners."""
    parts: list[str] = []
    values: list[Any] = []
    for each in listing(value):
        pair = mapping(each)
        conditions = []
        for name in ("OWNER_TYPE_ID", "OWNER_ID"):
            if name in pair:
                conditions.append(f"bond.{name.lower()} = ?")
                values.append(integer(pair[name]))
        if conditions:
            parts.append(f"({' AND '.join(conditions)})")
    if not parts:
        return "1", []
    source = "SELECT 1 FROM crm_activity_binding AS bond WHERE bond.activity_id = crm_activity.id"
    return f"EXISTS ({source} AND ({' OR '.join(parts)}))", values


@method("crm.activity.list", scope="crm")
def activity_list(call: Call) -> Answer:
    """Activities by filter, 50 a page."""
    filter_ = mapping(call.params.get("filter"))
    bound, bound_values = _bindings_where(filter_.pop("BINDINGS", None))
    resolve = filters.resolver(_COLUMNS)
    where, values = filters.where(filter_, resolve, ignore_unknown=True)
    order = filters.order_by(
        call.params.get("order"), resolve, default=["crm_activity.start_time ASC"], ignore_unknown=True
    )
    rows = call.db.execute(
        f"SELECT * FROM crm_activity WHERE {where} AND {bound} ORDER BY {order}, crm_activity.id",
        (*values, *bound_values),
    ).fetchall()
    rows = [row for row in rows if _readable(call, row)]
    start = max(start_of(call), 0)
    names = {text(each) for each in listing(call.params.get("select"))}
    page = [_selected(call.db, row, names) for row in rows[start : start + PAGE]]
    return Answer(page, len(rows), start + PAGE if len(rows) > start + PAGE else None)


def _selected(db: sqlite3.Connection, row: sqlite3.Row, names: set[str]) -> dict[str, Any]:
    full = shown(row)
    result = full if not names or "*" in names else {k: v for k, v in full.items() if k in names or k == "ID"}
    if "COMMUNICATIONS" in names:
        rows = [mapping(each) for each in json.loads(row["communications"])]
        result["COMMUNICATIONS"] = [_communication(row["id"], n, each) for n, each in enumerate(rows)]
    if "FILES" in names:
        result["FILES"] = [_shown_file(db, number) for number in json.loads(row["files"])]
    return result


def _shown_file(db: sqlite3.Connection, number: int) -> dict[str, Any]:
    """A file of an activity as a ``diskfile`` (crm/data-types)."""
    name, content = _file(db, number)
    return {
        "ID": number,
        "FILE_ID": number,
        "NAME": name,
        "SIZE": f"{max(1, round(len(content) / 1024))} Kb",
        "BYTES": len(content),
        "CAN_READ": True,
        "VIEW_URL": f"/bitrix/tools/disk/uf.php?attachedId={number}",
        "PREVIEW_URL": "",
    }


def _communication(activity_id: int, place: int, given: dict[str, Any]) -> dict[str, Any]:
    """One channel of an activity; the number of its row is made of the activity's."""
    return {
        "ID": str(activity_id * 10 + place),
        "TYPE": text(given.get("TYPE")),
        "VALUE": text(given.get("VALUE")),
        "ENTITY_ID": text(given.get("ENTITY_ID")),
        "ENTITY_TYPE_ID": text(given.get("ENTITY_TYPE_ID")),
        "ENTITY_SETTINGS": given.get("ENTITY_SETTINGS") or [],
    }


def _readable(call: Call, row: sqlite3.Row) -> bool:
    if call.is_admin or rights.scope_of(call.db, call.user_id, row["owner_type_id"], "read") == "all":
        return True
    owner = owners.find(call.db, row["owner_type_id"], row["owner_id"])
    return owner is not None and rights.allowed(
        call.portal, call.user_id, row["owner_type_id"], "read", owner.row
    )


def _activity(call: Call, missing: str) -> sqlite3.Row:
    found = row_of(call.db, integer(call.params.get("id", call.params.get("ID"))))
    if found is None:
        raise RestError("", missing)
    if not _readable(call, found):
        raise RestError("", "Access denied.")
    return found


@method("crm.activity.get", scope="crm")
def activity_get(call: Call) -> Any:
    """One activity."""
    return shown(_activity(call, "Not found."))


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, read in _WRITABLE.items():
        if name in fields:
            try:
                values[name.lower()] = read(fields[name])
            except ValueError:
                raise RestError("", f"The field {name} is not defined or invalid.") from None
    return {name: value for name, value in values.items() if value is not None or name not in _NEVER_EMPTY}


@method("crm.activity.add", scope="crm")
def activity_add(call: Call) -> int:
    """A record of a call, meeting, mail or an application's own kind; an outgoing completed mail is sent at once."""
    fields = fields_of(call)
    for name in ("SUBJECT", "RESPONSIBLE_ID", "TYPE_ID"):
        if not fields.get(name):
            wrong = "empty" if name == "SUBJECT" else "invalid"
            raise RestError("", f"The field {name} is not defined or {wrong}")
    owner = _owner_of_record(call, fields)
    values = _columns(fields)
    kind = values["type_id"]
    channels = _channels(fields.get("COMMUNICATIONS"), kind)
    if kind in _NEED_CHANNEL and not channels:
        raise RestError("", "The field COMMUNICATIONS is not defined or invalid")
    if kind in _NEED_CHANNEL and len(channels) > 1:
        raise RestError("", "The only one communication is allowed for activity of specified type")
    names = {1: ("CRM_MEETING", "MEETING"), 2: ("CRM_CALL", "CALL"), emails.EMAIL: ("CRM_EMAIL", "EMAIL")}
    provider, provider_type = names.get(kind, ("REST_APP", "REST_APP"))
    values.setdefault("provider_id", provider)
    values.setdefault("provider_type_id", provider_type)
    if values.get("deadline") is None:
        values["deadline"] = values.get("start_time") or values.get("end_time")
    kept = _kept_files(call, fields.get("FILES"))
    values |= {"communications": json.dumps(channels, ensure_ascii=False), "files": json.dumps(list(kept))}
    number = write(call.portal, call.user_id, (owner.kind.entity_type_id, owner.id), values)
    if emails.leaves(values):
        settings = mapping(fields.get("SETTINGS"))
        emails.send(call.portal, number, values, settings, channels, list(kept.values()))
    return number


def _owner_of_record(call: Call, fields: dict[str, Any]) -> Item:
    """The card an activity goes to; this method words its refusals differently from its newer siblings."""
    entity_type_id = as_entity_type_id(fields.get("OWNER_TYPE_ID"))
    item_id = integer(fields.get("OWNER_ID"))
    owner = owners.find(call.db, entity_type_id, item_id)
    if owner is None:
        known = OWNER_TYPES.get(entity_type_id)
        raise RestError(
            "", f"Could not find '{known[0] if known else entity_type_id}' with ID: {item_id or 0}"
        )
    if not rights.allowed(call.portal, call.user_id, entity_type_id, "update", owner.row):
        raise RestError("", "Access denied.")
    return owner


def _channels(given: Any, kind: int) -> list[dict[str, Any]]:
    """The communications that count: those with a value; of a mail none that claims to be something else."""
    wanted = _CHANNEL_OF.get(kind, "")
    rows = [mapping(each) for each in listing(given)]
    full = [
        row | {"TYPE": text(row.get("TYPE")).upper() or wanted}
        for row in rows
        if text(row.get("VALUE")).strip()
    ]
    return [row for row in full if kind != emails.EMAIL or row["TYPE"] == wanted]


def _kept_files(call: Call, given: Any) -> dict[int, tuple[str, bytes]]:
    """Files of an activity, kept: id → name and content (files/how-to-upload-files)."""
    try:
        ids = [keep_file(call.db, each) for each in listing(given)]
    except ValueError:
        raise RestError("", "The field FILES is not defined or invalid.") from None
    return {number: _file(call.db, number) for number in ids if number is not None}


def _file(db: sqlite3.Connection, number: int) -> tuple[str, bytes]:
    row = db.execute("SELECT name, content FROM crm_file WHERE id = ?", (number,)).fetchone()
    return str(row["name"]), bytes(row["content"])


@method("crm.activity.update", scope="crm")
def activity_update(call: Call) -> bool:
    """Change an activity; ``COMPLETED`` Y completes it."""
    row = _activity(call, "Activity is not found")
    fields = fields_of(call)
    values = _columns(fields)
    if "COMMUNICATIONS" in fields:
        channels = _channels(fields["COMMUNICATIONS"], row["type_id"])
        values["communications"] = json.dumps(channels, ensure_ascii=False)
    if values:
        change(call.portal, call.user_id, row["id"], values)
    return True


@method("crm.activity.delete", scope="crm")
def activity_delete(call: Call) -> bool:
    """Remove an activity."""
    row = _activity(call, "Activity is not found")
    call.db.execute("DELETE FROM crm_activity_binding WHERE activity_id = ?", (row["id"],))
    call.db.execute("DELETE FROM crm_activity WHERE id = ?", (row["id"],))
    call.portal.emit("ONCRMACTIVITYDELETE", {"FIELDS": {"ID": row["id"]}}, user_id=call.user_id)
    return True


@method("crm.activity.binding.list", scope="crm")
def binding_list(call: Call) -> Any:
    """Items an activity is bound to."""
    found = row_of(call.db, integer(required(call, "activityId")))
    if found is None:
        raise RestError("NOT_FOUND", "Not found.")
    if not _readable(call, found):
        raise RestError("ACCESS_DENIED", "Access denied")
    rows = call.db.execute(
        "SELECT owner_type_id, owner_id FROM crm_activity_binding WHERE activity_id = ?", (found["id"],)
    )
    return [{"entityTypeId": row["owner_type_id"], "entityId": row["owner_id"]} for row in rows]


@method("crm.activity.binding.add", scope="crm")
def binding_add(call: Call) -> bool:
    """Bind an activity to one more item."""
    found = row_of(call.db, integer(required(call, "activityId")))
    if found is None:
        raise RestError("NOT_FOUND", "Not found.")
    owner = owners.demand(
        call, as_entity_type_id(required(call, "entityTypeId")), required(call, "entityId"), "update"
    )
    bind(call.db, found["id"], owner.kind.entity_type_id, owner.id)
    return True
