"""Movement of items between stages: one row a move, and ``crm.stagehistory.list``.

Source: crm/crm-stage-history-list.md; numbers come as strings, as captured from real portals.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm import filters
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import LEAD
from b24.sandbox.crm.params import PAGE, listing, start_of, text
from b24.sandbox.crm.schema import FAILURE, SUCCESS, Stage, as_entity_type_id, read_schema
from b24.sandbox.crm.values import iso_of, parse_timestamp, reader
from b24.sandbox.kernel import Answer, Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_stage_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_type_id INTEGER NOT NULL, type_id INTEGER NOT NULL,
        owner_id INTEGER NOT NULL, created_time INTEGER NOT NULL, category_id INTEGER NOT NULL,
        semantic_id TEXT NOT NULL, stage_id TEXT NOT NULL, user_id INTEGER);
    CREATE INDEX IF NOT EXISTS crm_stage_history_owner ON crm_stage_history (entity_type_id, owner_id, id);
    """
)

CREATED, MOVED, FINISHED, FUNNEL_CHANGED = 1, 2, 3, 5


def record(
    db: sqlite3.Connection,
    entity_type_id: int,
    item_id: int,
    stage: Stage,
    category_id: int,
    moment: int,
    *,
    kind: int | None = None,
    user_id: int | None = None,
) -> None:
    """Write one row; without ``kind`` the stage decides between 2 (on the way) and 3 (final)."""
    if kind is None:
        kind = FINISHED if stage.semantics in (SUCCESS, FAILURE) else MOVED
    db.execute(
        "INSERT INTO crm_stage_history (entity_type_id, type_id, owner_id, created_time, category_id,"
        " semantic_id, stage_id, user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (entity_type_id, kind, item_id, moment, category_id, stage.semantics, stage.status_id, user_id),
    )


def forget(db: sqlite3.Connection, entity_type_id: int, item_id: int) -> None:
    """The history goes with the item."""
    db.execute(
        "DELETE FROM crm_stage_history WHERE entity_type_id = ? AND owner_id = ?", (entity_type_id, item_id)
    )


def _columns(entity_type_id: int) -> dict[str, Column]:
    number = reader("integer")
    columns = {
        "ID": Column("id", number, "number"),
        "TYPE_ID": Column("type_id", number, "number"),
        "OWNER_ID": Column("owner_id", number, "number"),
        "CREATED_TIME": Column("created_time", parse_timestamp, "number"),
    }
    if entity_type_id == LEAD:
        return columns | {"STATUS_SEMANTIC_ID": Column("semantic_id"), "STATUS_ID": Column("stage_id")}
    return columns | {
        "CATEGORY_ID": Column("category_id", number, "number"),
        "STAGE_SEMANTIC_ID": Column("semantic_id"),
        "STAGE_ID": Column("stage_id"),
    }


def _shown(row: sqlite3.Row, names: list[str], columns: dict[str, Column]) -> dict[str, Any]:
    shown = {}
    for name in names:
        value = row[columns[name].sql]
        shown[name] = iso_of(value) if name == "CREATED_TIME" else str(value)
    return shown


@method("crm.stagehistory.list", scope="crm")
def stage_history(call: Call) -> Answer:
    """Moves of items of one type, 50 a page."""
    entity_type_id = as_entity_type_id(call.params.get("entityTypeId"))
    kind = read_schema(call.db).types.get(entity_type_id)
    if kind is None or not kind.has_stages:
        name = read_schema(call.db).symbol(entity_type_id)
        raise RestError("ENTITY_TYPE_NOT_SUPPORTED", f"Entity type {name} is not supported")
    columns = _columns(entity_type_id)
    resolve = filters.resolver(columns)
    where, values = filters.where(call.params.get("filter"), resolve)
    order = filters.order_by(call.params.get("order"), resolve, default=["id ASC"])
    source = f"FROM crm_stage_history WHERE entity_type_id = ? AND {where}"
    values = [entity_type_id, *values]
    start = start_of(call)
    rows = call.db.execute(
        f"SELECT * {source} ORDER BY {order}, id LIMIT ? OFFSET ?",
        (*values, PAGE, max(start, 0)),
    ).fetchall()
    wanted = [text(each) for each in listing(call.params.get("select")) if text(each) in columns]
    shown = [_shown(row, wanted or list(columns), columns) for row in rows]
    if start < 0:
        return Answer({"items": shown}, 0)
    total = call.db.execute(f"SELECT count(*) {source}", values).fetchone()[0]
    return Answer({"items": shown}, total, start + PAGE if total > start + PAGE else None)
