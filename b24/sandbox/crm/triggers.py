"""Automation triggers: an application offers them, a person puts them on a stage, an execution moves items there.

An execution is accepted whether or not anything moves. What moves is moved by the portal itself: no user, no
checks of mandatory fields. Source: crm/automation/*.md, crm/automation/triggers/*.md.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox.control import Control, Problem, number, read, route, truth
from b24.sandbox.crm import owners, rights, store
from b24.sandbox.crm.objects import COMPANY, CONTACT, OWNER_TYPES
from b24.sandbox.crm.params import integer, text
from b24.sandbox.crm.schema import Schema, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.kernel import Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_trigger (
        app_id INTEGER NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (app_id, code));
    CREATE TABLE IF NOT EXISTS crm_trigger_rule (
        id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER, code TEXT NOT NULL, entity_type_id INTEGER NOT NULL,
        category_id INTEGER NOT NULL, stage_id TEXT NOT NULL, backwards INTEGER NOT NULL DEFAULT 0);
    """
)

_CODE = re.compile(r"[a-z0-9.\-_]+", re.IGNORECASE)


def _administrator(call: Call) -> int:
    """The application of the call, whose user administers the portal."""
    if call.app_id is None:
        raise RestError("ACCESS_DENIED", "Access denied! Application context required")
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied! Admin permissions required")
    return call.app_id


def _code(call: Call) -> str:
    code = text(call.params.get("CODE"))
    if not code:
        raise RestError("", "Empty trigger code!")
    if not _CODE.fullmatch(code):
        raise RestError("", "Wrong trigger code!")
    return code


def _registered(db: sqlite3.Connection, app_id: int, code: str) -> bool:
    found = db.execute("SELECT 1 FROM crm_trigger WHERE app_id = ? AND code = ?", (app_id, code)).fetchone()
    return found is not None


@method("crm.automation.trigger.add", scope="crm")
def trigger_add(call: Call) -> bool:
    """Offer a trigger; the same code again changes its name."""
    app_id, code, name = _administrator(call), _code(call), text(call.params.get("NAME")).strip()
    if not name:
        raise RestError("", "Empty trigger name!")
    call.db.execute(
        "INSERT INTO crm_trigger (app_id, code, name) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name",
        (app_id, code, name),
    )
    return True


@method("crm.automation.trigger.list", scope="crm")
def trigger_list(call: Call) -> Any:
    """Triggers of the application."""
    rows = call.db.execute("SELECT name, code FROM crm_trigger WHERE app_id = ?", (_administrator(call),))
    return [{"NAME": row["name"], "CODE": row["code"]} for row in rows]


@method("crm.automation.trigger.delete", scope="crm")
def trigger_delete(call: Call) -> bool:
    """Withdraw a trigger; rules that use it stay on their stages and never fire again."""
    app_id, code = _administrator(call), _code(call)
    if not _registered(call.db, app_id, code):
        raise RestError("", "Trigger not found")
    call.db.execute("DELETE FROM crm_trigger WHERE app_id = ? AND code = ?", (app_id, code))
    return True


@method("crm.automation.trigger.execute", scope="crm")
def trigger_execute(call: Call) -> bool:
    """Fire a trigger of the application at an item."""
    app_id, code = _administrator(call), _code(call)
    if not _registered(call.db, app_id, code):
        raise RestError("", f"Trigger with code {code} is not registered.")
    number = integer(call.params.get("OWNER_TYPE_ID")) or 0
    kind = read_schema(call.db).types.get(number)
    if kind is None and number not in OWNER_TYPES:
        raise RestError("", "Incorrect parameter OWNER_TYPE_ID.")
    item_id = integer(call.params.get("OWNER_ID")) or 0
    if item_id <= 0:
        raise RestError("", "Incorrect parameter OWNER_ID.")
    item = None if kind is None else store.find(call.db, kind, item_id)
    if item is not None:
        fire(call.portal, item, app_id, code)
    return True


@method("crm.automation.trigger", scope="crm")
def webhook_trigger(call: Call) -> bool:
    """Fire a trigger «incoming webhook» a person made on a stage: ``target`` is ``DEAL_57``."""
    target = text(call.params.get("target"))
    if not target:
        raise RestError("", "Target is not set.")
    symbol, _, tail = target.rpartition("_")
    if not symbol or not tail.isascii() or not tail.isdigit():
        raise RestError("", "Incorrect target format.")
    entity_type_id = owners.type_by_symbol(symbol)
    if entity_type_id not in read_schema(call.db).types:
        raise RestError("", "Target is not found.")
    item = owners.find(call.db, entity_type_id, integer(tail))
    if item is None or not rights.allowed(call.portal, call.user_id, entity_type_id, "update", item.row):
        message = "Access denied! There are no permissions to update the entity."
        raise RestError("ACCESS_DENIED", message)
    fire(call.portal, item, None, text(call.params.get("code")))
    return True


def fire(portal: Any, item: Item, app_id: int | None, code: str) -> bool:
    """Move the item to the earliest stage a matching rule stands on; returns whether it moved.

    Rules lead forward only, unless they were allowed to lead back.
    """
    schema = read_schema(portal.db)
    if not item.kind.has_stages:
        return False
    sorts = {stage.status_id: stage.sort for stage in schema.stages(item.kind, item.category_id)}
    now = sorts.get(item.value("STAGE_ID"), 0)
    rules = [row for row in _rules(portal.db, item, app_id, code) if row["stage_id"] in sorts]
    rules = [row for row in rules if row["backwards"] or sorts[row["stage_id"]] > now]
    if not rules:
        return False
    target = min(rules, key=lambda row: sorts[row["stage_id"]])
    return store.update(portal, None, item, {"STAGE_ID": target["stage_id"]}, checked=False)


def _rules(db: sqlite3.Connection, item: Item, app_id: int | None, code: str) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM crm_trigger_rule WHERE entity_type_id = ? AND category_id = ? AND app_id IS ? AND code = ?"
        " ORDER BY id",
        (item.kind.entity_type_id, item.category_id, app_id, code),
    ).fetchall()


def put_on_stage(portal: Any, wanted: dict[str, Any]) -> int:
    """What a person does in «Роботы и триггеры»: a trigger on a stage of a funnel.

    ``wanted``: ``entity_type_id``, ``stage_id``, ``code`` and ``app_id`` of an application's trigger or neither for a
    webhook's (its code is made up), ``category_id`` (the default funnel), ``backwards``.

    Raises:
        ValueError: no such type, stage or trigger.
    """
    schema = read_schema(portal.db)
    category_id, stage_id = _place(schema, wanted)
    app_id, code = wanted.get("app_id"), wanted.get("code") or secrets.token_hex(3)[:5]
    if app_id is not None and not _registered(portal.db, app_id, code):
        raise ValueError("the application has no such trigger")
    cursor = portal.db.execute(
        "INSERT INTO crm_trigger_rule (app_id, code, entity_type_id, category_id, stage_id, backwards)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (app_id, code, wanted["entity_type_id"], category_id, stage_id, int(bool(wanted.get("backwards")))),
    )
    return int(cursor.lastrowid or 0)


def _place(schema: Schema, wanted: dict[str, Any]) -> tuple[int, str]:
    """Funnel and stage of a new rule."""
    kind = schema.types.get(wanted["entity_type_id"])
    if kind is None or not kind.has_stages or kind.entity_type_id in (CONTACT, COMPANY):
        raise ValueError("triggers stand on stages of leads, deals and smart processes")
    category_id = wanted.get("category_id")
    if category_id is None:
        category_id = kind.default_category.id if kind.default_category else 0
    if schema.stage(kind, category_id, wanted["stage_id"]) is None:
        raise ValueError("no such stage")
    return category_id, wanted["stage_id"]


def rules_of(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """All rules with the names of their triggers, in the order they were made."""
    rows = db.execute(
        "SELECT rule.*, crm_trigger.name FROM crm_trigger_rule AS rule"
        " LEFT JOIN crm_trigger ON crm_trigger.app_id = rule.app_id AND crm_trigger.code = rule.code ORDER BY rule.id"
    )
    return [dict(row) for row in rows]


# Control calls: what a person does in the funnel's settings.


@route("GET", "triggers")
def list_rules(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Triggers on stages."""
    with control.portal.transaction() as db:
        return rules_of(db)


@route("POST", "triggers")
def add_rule(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Put a trigger on a stage; answers with its id and, for a webhook's, the code to call it by."""
    params = read(request)
    wanted = {
        "entity_type_id": number(params, "entity_type_id"),
        "stage_id": text(params.get("stage_id")),
        "category_id": integer(params.get("category_id")),
        "app_id": integer(params.get("app_id")),
        "code": text(params.get("code")),
        "backwards": truth(params.get("backwards")),
    }
    with control.portal.transaction() as db:
        try:
            rule = put_on_stage(control.portal, wanted)
        except ValueError as error:
            raise Problem(str(error)) from error
        return next(each for each in rules_of(db) if each["id"] == rule)


@route("DELETE", "triggers/<n>")
def remove_rule(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """Take a trigger off its stage."""
    with control.portal.transaction() as db:
        done = db.execute("DELETE FROM crm_trigger_rule WHERE id = ?", (int(place["id"]),)).rowcount
    return {"removed": bool(done)}
