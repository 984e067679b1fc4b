"""Robots: what the portal does by itself when an item enters a stage.

They start once the change is saved, whoever made it – REST, a person, a form, a trigger – but not on import, and
work in nobody's name: their events carry no tokens. A smart process runs them only while ``isAutomationEnabled``.
Source: crm/universal/crm-item-add.md, crm-item-update.md, import/index.md (automation rules).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from b24.sandbox.crm import owners, store, timeline
from b24.sandbox.crm.params import integer, text
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import read_value
from b24.sandbox.kernel import METHODS, Call, RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_robot (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_type_id INTEGER NOT NULL, category_id INTEGER NOT NULL,
        stage_id TEXT NOT NULL, action TEXT NOT NULL, settings TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
    CREATE INDEX IF NOT EXISTS crm_robot_stage ON crm_robot (entity_type_id, stage_id);
    """
)

#: How many robots may wake each other before the portal sees a circle.
MAX_CHAIN = 10
_chain: ContextVar[int] = ContextVar("robot_chain", default=0)


@dataclass(frozen=True)
class Robot:
    """A robot on a stage; ``settings`` depend on the ``action``."""

    id: int
    entity_type_id: int
    category_id: int
    stage_id: str
    action: str
    settings: dict[str, Any]
    active: bool


class _InNobodysName:
    """The portal as a robot works with it: whatever it does, no user has caused the events."""

    def __init__(self, portal: Any) -> None:
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._portal, name)

    def emit(self, event: str, data: dict[str, Any], *, user_id: int | None) -> None:
        """Queue the event without the user the called method believes in."""
        del user_id
        self._portal.emit(event, data, user_id=None)


# What robots can do.


def _assign(portal: Any, item: Item, settings: dict[str, Any]) -> None:
    store.update(portal, None, item, {"ASSIGNED_BY_ID": integer(settings.get("user_id"))}, checked=False)


def _field(portal: Any, item: Item, settings: dict[str, Any]) -> None:
    field = item.kind.by_upper[text(settings.get("field"))]
    value = settings.get("value")
    wanted = read_value(
        portal.db, field, [value] if field.multiple and not isinstance(value, list) else value
    )
    store.update(portal, None, item, {field.upper: wanted}, checked=False)


def _move(portal: Any, item: Item, settings: dict[str, Any]) -> None:
    store.update(portal, None, item, {"STAGE_ID": text(settings.get("stage_id"))}, checked=False)


def _task(portal: Any, item: Item, settings: dict[str, Any]) -> None:
    """A task for the responsible of the item (or somebody named), bound to it."""
    responsible = integer(settings.get("user_id")) or item.value("ASSIGNED_BY_ID") or 1
    deadline = portal.now() + timedelta(days=integer(settings.get("days")) or 1)
    fields = {
        "TITLE": text(settings.get("title")),
        "RESPONSIBLE_ID": responsible,
        "DEADLINE": deadline.isoformat(),
        "UF_CRM_TASK": [owners.binding_code(item.kind.entity_type_id, item.id)],
    }
    made = METHODS["tasks.task.add"]
    made.run(Call(_InNobodysName(portal), made.name, {"fields": fields}, responsible, is_admin=True))


def _comment(portal: Any, item: Item, settings: dict[str, Any]) -> None:
    owner = (item.kind.entity_type_id, item.id)
    number = timeline.write(portal, None, "comment", owner, body=text(settings.get("text")))
    portal.emit("ONCRMTIMELINECOMMENTADD", {"FIELDS": {"ID": number}}, user_id=None)


ACTIONS: dict[str, tuple[str, Callable[[Any, Item, dict[str, Any]], None]]] = {
    "assign": ("Сменить ответственного", _assign),
    "field": ("Изменить поле", _field),
    "move": ("Сменить стадию", _move),
    "task": ("Поставить задачу", _task),
    "comment": ("Написать комментарий", _comment),
}


# Robots of a funnel.


def put(portal: Any, wanted: dict[str, Any]) -> int:
    """Put a robot on a stage; call inside a transaction. Returns its id.

    Args:
        wanted: ``entity_type_id``, ``category_id``, ``stage_id``, ``action`` and ``settings``: ``user_id``;
            ``field`` (database name) and ``value``; ``stage_id``; ``title`` and ``days``; ``text``.

    Raises:
        RestError: ``INVALID_ARG_VALUE`` – no such type, stage or action, or settings it cannot work with.
    """
    schema = read_schema(portal.db)
    kind = schema.type(wanted.get("entity_type_id"))
    category_id = integer(wanted.get("category_id")) or 0
    stage = schema.stage(kind, category_id, text(wanted.get("stage_id"))) if kind.has_stages else None
    if stage is None:
        raise RestError("INVALID_ARG_VALUE", "Такой стадии нет.")
    settings = dict(wanted.get("settings") or {})
    _check(portal, kind, category_id, text(wanted.get("action")), settings)
    row = (kind.entity_type_id, category_id, stage.status_id, wanted["action"])
    cursor = portal.db.execute(
        "INSERT INTO crm_robot (entity_type_id, category_id, stage_id, action, settings) VALUES (?, ?, ?, ?, ?)",
        (*row, json.dumps(settings, ensure_ascii=False)),
    )
    return int(cursor.lastrowid or 0)


def _check(portal: Any, kind: ObjectType, category_id: int, action: str, settings: dict[str, Any]) -> None:
    """Refuse a robot that could never do its work."""
    if action == "assign":
        user_id = integer(settings.get("user_id"))
        known = portal.db.execute("SELECT 1 FROM users WHERE id = ? AND active = 1", (user_id,)).fetchone()
        problem = "" if known else "Такого сотрудника нет, или он уволен."
    elif action == "field":
        field = kind.by_upper.get(text(settings.get("field")))
        writable = field is not None and not (field.read_only or field.disabled or field.derived)
        problem = "" if writable else "Это поле роботы не меняют."
        if field is not None and writable:
            value = settings.get("value")
            read_value(portal.db, field, [value] if field.multiple and not isinstance(value, list) else value)
    elif action == "move":
        target = read_schema(portal.db).stage(kind, category_id, text(settings.get("stage_id")))
        problem = "" if target else "Такой стадии нет."
    elif action in ("task", "comment"):
        said = text(settings.get("title" if action == "task" else "text")).strip()
        problem = "" if said else "Роботу нужен текст."
    else:
        problem = "Такого робота нет."
    if problem:
        raise RestError("INVALID_ARG_VALUE", problem)


def remove(db: sqlite3.Connection, robot_id: int) -> bool:
    """Take a robot away; whether it was there."""
    return bool(db.execute("DELETE FROM crm_robot WHERE id = ?", (robot_id,)).rowcount)


def switch(db: sqlite3.Connection, robot_id: int, *, on: bool) -> bool:
    """Switch a robot on or off; whether it is there."""
    return bool(db.execute("UPDATE crm_robot SET active = ? WHERE id = ?", (int(on), robot_id)).rowcount)


def of_funnel(db: sqlite3.Connection, entity_type_id: int, category_id: int) -> list[Robot]:
    """Robots of a funnel in the order they work."""
    rows = db.execute(
        "SELECT * FROM crm_robot WHERE entity_type_id = ? AND category_id = ? ORDER BY id",
        (entity_type_id, category_id),
    )
    return [_robot(row) for row in rows]


def _robot(row: sqlite3.Row) -> Robot:
    settings = json.loads(row["settings"])
    place = (row["entity_type_id"], row["category_id"], row["stage_id"])
    return Robot(row["id"], *place, row["action"], settings, bool(row["active"]))


def enabled(kind: ObjectType) -> bool:
    """Whether the type runs robots at all; leads and deals always do."""
    return not kind.is_smart_process or kind.settings.get("isAutomationEnabled") == "Y"


# Working.


def _wake(portal: Any, entity_type_id: int, item_id: int, stage_id: str) -> None:
    """An item has entered a stage: its robots start when that is saved."""
    waiting = portal.db.execute(
        "SELECT 1 FROM crm_robot WHERE entity_type_id = ? AND stage_id = ? AND active = 1 LIMIT 1",
        (entity_type_id, stage_id),
    ).fetchone()
    if waiting and _chain.get() < MAX_CHAIN:
        length = _chain.get() + 1
        portal.after_commit(lambda: _work(portal, entity_type_id, item_id, stage_id, length))


def _work(portal: Any, entity_type_id: int, item_id: int, stage_id: str, length: int) -> None:
    """Run the robots of a stage one after another; each is saved by itself, one that fails stops no other."""
    token = _chain.set(length)
    try:
        with portal.transaction() as db:
            kind = read_schema(db).types.get(entity_type_id)
            rows = db.execute(
                "SELECT * FROM crm_robot WHERE entity_type_id = ? AND stage_id = ? AND active = 1 ORDER BY id",
                (entity_type_id, stage_id),
            ).fetchall()
        if kind is None or not enabled(kind):
            return
        for row in rows:
            with contextlib.suppress(RestError, KeyError):
                _act(portal, kind, item_id, _robot(row))
    finally:
        _chain.reset(token)


def _act(portal: Any, kind: ObjectType, item_id: int, robot: Robot) -> None:
    """One robot at one item, unless the item is gone or no longer on the robot's stage."""
    with portal.transaction() as db:
        item = store.find(db, kind, item_id)
        if item is not None and item.value("STAGE_ID") == robot.stage_id and robot.action in ACTIONS:
            ACTIONS[robot.action][1](portal, item, robot.settings)


store.ENTERED.append(_wake)
