"""Items of the CRM in SQLite: every write of REST, forms, the web UI and robots goes through here.

One table holds all kinds: what is filtered often has a column, the rest is JSON under its database name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from b24.sandbox.crm import history, links, multifields
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD, QUOTE, Field
from b24.sandbox.crm.schema import FAILURE, SUCCESS, ObjectType, Schema, Stage, next_id, read_schema
from b24.sandbox.crm.values import is_empty
from b24.sandbox.kernel import RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_item (
        entity_type_id INTEGER NOT NULL, id INTEGER NOT NULL, title TEXT, xml_id TEXT COLLATE NOCASE,
        assigned_by_id INTEGER, created_by INTEGER, updated_by INTEGER, created_time INTEGER NOT NULL,
        updated_time INTEGER NOT NULL, opened TEXT, category_id INTEGER NOT NULL DEFAULT 0,
        stage_id TEXT COLLATE NOCASE, semantics TEXT, previous_stage_id TEXT,
        moved_by INTEGER, moved_time INTEGER,
        company_id INTEGER, contact_id INTEGER, webform_id INTEGER, source_id TEXT,
        originator_id TEXT COLLATE NOCASE, origin_id TEXT COLLATE NOCASE, opportunity REAL, currency_id TEXT,
        begindate TEXT, closedate TEXT, name TEXT, last_name TEXT, last_activity_by INTEGER,
        last_activity_time INTEGER, data TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (entity_type_id, id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS crm_item_xml ON crm_item (entity_type_id, xml_id) WHERE xml_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS crm_item_updated ON crm_item (entity_type_id, updated_time);
    CREATE INDEX IF NOT EXISTS crm_item_stage ON crm_item (entity_type_id, category_id, stage_id);
    CREATE INDEX IF NOT EXISTS crm_item_company ON crm_item (company_id) WHERE company_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS crm_item_by_contact ON crm_item (contact_id) WHERE contact_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS crm_item_origin ON crm_item (origin_id) WHERE origin_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS crm_item_assigned ON crm_item (entity_type_id, assigned_by_id);
    """
)

#: Database names with a column of their own; all others live in ``data``.
COLUMNS = (
    "TITLE", "XML_ID", "ASSIGNED_BY_ID", "CREATED_BY", "UPDATED_BY", "CREATED_TIME", "UPDATED_TIME", "OPENED",
    "CATEGORY_ID", "STAGE_ID", "PREVIOUS_STAGE_ID", "MOVED_BY", "MOVED_TIME", "COMPANY_ID", "CONTACT_ID",
    "WEBFORM_ID", "SOURCE_ID", "ORIGINATOR_ID", "ORIGIN_ID", "OPPORTUNITY", "CURRENCY_ID",
    "BEGINDATE", "CLOSEDATE", "NAME", "LAST_NAME", "LAST_ACTIVITY_BY", "LAST_ACTIVITY_TIME",
)  # fmt: skip
_COLUMN_OF = {upper: upper.lower() for upper in COLUMNS}
_BONDS = frozenset({"CONTACT_IDS", "COMPANY_IDS", "CONTACT_ID"})
_EVENT_NAMES = {LEAD: "LEAD", DEAL: "DEAL", CONTACT: "CONTACT", COMPANY: "COMPANY", QUOTE: "QUOTE"}
#: Numbers of documents, the item's own id unless the caller has a better one.
_NUMBERS = frozenset({"QUOTE_NUMBER", "ACCOUNT_NUMBER"})
#: Who wants to know that an item entered a stage: called with the portal, its entityTypeId, id and the stage.
ENTERED: list[Callable[[Any, int, int, str], None]] = []


@dataclass
class Item:
    """One item as stored: ``row`` of the table and ``data``, the fields without a column."""

    kind: ObjectType
    row: sqlite3.Row
    data: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def category_id(self) -> int:
        return int(self.row["category_id"])

    def value(self, upper: str) -> Any:
        """The stored value of a field that is not a bond."""
        column = _COLUMN_OF.get(upper)
        return self.row[column] if column else self.data.get(upper)


def from_row(kind: ObjectType, row: sqlite3.Row) -> Item:
    """A table row as an item."""
    return Item(kind, row, json.loads(row["data"]))


def find(db: sqlite3.Connection, kind: ObjectType, item_id: int | None) -> Item | None:
    """One item by id, whoever may see it."""
    row = db.execute(
        "SELECT * FROM crm_item WHERE entity_type_id = ? AND id = ?", (kind.entity_type_id, item_id)
    ).fetchone()
    return None if row is None else from_row(kind, row)


def _now(portal: Any) -> int:
    return int(portal.now().timestamp())


def emit_change(portal: Any, kind: ObjectType, item_id: int, what: str, user_id: int | None) -> None:
    """Send the event of a written item; ``what`` is ADD, UPDATE or DELETE."""
    name = _EVENT_NAMES.get(kind.entity_type_id)
    if name:
        portal.emit(f"ONCRM{name}{what}", {"FIELDS": {"ID": item_id}}, user_id=user_id)
        return
    fields = {"ID": item_id, "ENTITY_TYPE_ID": kind.entity_type_id}
    portal.emit(f"ONCRMDYNAMICITEM{what}", {"FIELDS": fields}, user_id=user_id)


# Adding.


def _defaults(portal: Any, schema: Schema, kind: ObjectType, user_id: int | None) -> dict[str, Any]:
    """What a new item holds when the caller says nothing."""
    today = portal.now().date()
    first = {
        each.upper: values[0].status_id
        for each in kind.fields.values()
        if each.status_type
        and each.upper != "HONORIFIC"
        and (values := schema.statuses.get(each.status_type))
    }
    defaults: dict[str, Any] = {
        "ASSIGNED_BY_ID": user_id or 1,
        "OPENED": "Y",
        "EXPORT": "Y",
        "CURRENCY_ID": schema.currency,
        **dict.fromkeys(("OPPORTUNITY", "TAX_VALUE", "REVENUE"), 0.0),
        "BEGINDATE": today.isoformat(),
        **dict.fromkeys(("CLOSEDATE", "ACTUAL_DATE"), (today + timedelta(days=7)).isoformat()),
        **{
            upper: status for upper, status in first.items() if upper not in ("STAGE_ID", "PREVIOUS_STAGE_ID")
        },
    }
    defaults |= _userfield_defaults(portal, kind)
    return {upper: value for upper, value in defaults.items() if upper in kind.by_upper}


def _userfield_defaults(portal: Any, kind: ObjectType) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in kind.fields.values():
        if not each.dynamic:
            continue
        default = each.settings.get("DEFAULT_VALUE")
        if each.type == "enumeration":
            chosen = [option["id"] for option in each.options if option["def"] == "Y"]
            default = (chosen if each.multiple else chosen[0]) if chosen else None
        elif each.type == "boolean":
            default = "Y" if str(default) in ("1", "Y", "true") else "N"
        elif each.type in ("date", "datetime"):
            default = _moment_default(portal, each.type, default)
        if not is_empty(default) and not (each.multiple and not isinstance(default, list)):
            values[each.upper] = default
    return values


def _moment_default(portal: Any, kind: str, default: Any) -> Any:
    if not isinstance(default, dict) or default.get("TYPE") != "NOW":
        return None
    return portal.now().date().isoformat() if kind == "date" else _now(portal)


def _placed(schema: Schema, kind: ObjectType, values: dict[str, Any]) -> tuple[int, Stage | None]:
    """Funnel and stage of a new item.

    Raises:
        RestError: the funnel or the stage does not exist there.
    """
    category_id = values.get("CATEGORY_ID")
    if not kind.categories:
        category_id = 0
    elif category_id is None or not any(each.id == category_id for each in kind.categories):
        if category_id:
            raise _not_valid(kind, "CATEGORY_ID")
        default = kind.default_category
        category_id = default.id if default else 0
    if not kind.has_stages:
        return category_id, None
    wanted = values.get("STAGE_ID")
    stage = schema.stage(kind, category_id, wanted) if wanted else schema.first_stage(kind, category_id)
    if stage is None:
        raise _not_valid(kind, "STAGE_ID")
    return category_id, stage


def _not_valid(kind: ObjectType, upper: str) -> RestError:
    title = kind.by_upper[upper].title if upper in kind.by_upper else upper
    return RestError("CRM_FIELD_ERROR_VALUE_NOT_VALID", f'Invalid value for field "{title}"')


def demand_filled(kind: ObjectType, value_of: Any, stage: Stage | None = None) -> None:
    """Refuse an item whose mandatory custom fields, or fields mandatory on its stage, are empty.

    Raises:
        RestError: ``CRM_FIELD_ERROR_REQUIRED``.
    """
    for each in kind.fields.values():
        if each.dynamic and each.required and each.type != "boolean" and is_empty(value_of(each.upper)):
            raise _missing(each)
    for upper in sorted(kind.stage_required.get(stage.status_id, ()) if stage else ()):
        found = kind.by_upper.get(upper)
        if found is not None and is_empty(value_of(upper)):
            raise _missing(found)


def _missing(field: Field) -> RestError:
    return RestError("CRM_FIELD_ERROR_REQUIRED", f'The "{field.title}" field is required')


def create(
    portal: Any,
    user_id: int | None,
    kind: ObjectType,
    values: dict[str, Any],
    communications: list[Change] | None = None,
    *,
    system: dict[str, Any] | None = None,
    events: bool = True,
    automation: bool = True,
    checked: bool = True,
) -> int:
    """Make an item; ``values`` are stored values under database names. Returns its id.

    ``system`` overrides what the portal fills itself (an import by an administrator). ``user_id`` ``None``
    is a form or a robot. ``automation`` is off for imports and what comes back from the recycle bin,
    ``checked`` for the latter only: it may lack what has become mandatory since.

    Raises:
        RestError: an unknown stage, a mandatory field without a value.
    """
    db = portal.db
    schema = read_schema(db)
    filled = _defaults(portal, schema, kind, user_id) | {k: v for k, v in values.items() if v is not None}
    category_id, stage = _placed(schema, kind, values)
    if checked:
        demand_filled(kind, filled.get, stage)
    item_id = next_id(db, f"item_{kind.entity_type_id}")
    filled |= {"CATEGORY_ID": category_id}
    filled |= _system_values(portal, user_id, stage) | (system or {})
    if "TITLE" in kind.by_upper and not filled.get("TITLE"):
        filled["TITLE"] = f"{kind.title} #{item_id}"
    for number in _NUMBERS & kind.by_upper.keys():
        filled[number] = filled.get(number) or str(item_id)
    _insert(db, kind, item_id, filled, stage)
    bind(db, kind, item_id, values)
    multifields.apply(db, kind.entity_type_id, item_id, communications or [])
    if stage is not None:
        history.record(
            db,
            kind.entity_type_id,
            item_id,
            stage,
            category_id,
            filled["CREATED_TIME"],
            kind=history.CREATED,
            user_id=user_id,
        )
    if events:
        emit_change(portal, kind, item_id, "ADD", user_id)
    if stage is not None and automation:
        _entered(portal, kind, item_id, stage)
    return item_id


def _entered(portal: Any, kind: ObjectType, item_id: int, stage: Stage) -> None:
    for tell in ENTERED:
        tell(portal, kind.entity_type_id, item_id, stage.status_id)


def _system_values(portal: Any, user_id: int | None, stage: Stage | None) -> dict[str, Any]:
    now, author = _now(portal), user_id or 1
    values: dict[str, Any] = {
        "CREATED_TIME": now,
        "UPDATED_TIME": now,
        "LAST_ACTIVITY_TIME": now,
        "CREATED_BY": author,
        "UPDATED_BY": author,
        "LAST_ACTIVITY_BY": author,
    }
    if stage is not None:
        values |= {"MOVED_TIME": now, "MOVED_BY": author, "STAGE_ID": stage.status_id}
    return values


def _insert(
    db: sqlite3.Connection, kind: ObjectType, item_id: int, filled: dict[str, Any], stage: Stage | None
) -> None:
    data = {k: v for k, v in filled.items() if _is_data(kind, k) and not is_empty(v)}
    columns = [upper for upper in COLUMNS if upper in filled]
    names = ", ".join(_COLUMN_OF[upper] for upper in columns)
    marks = ", ".join("?" * len(columns))
    db.execute(
        f"INSERT INTO crm_item (entity_type_id, id, semantics, data, {names}) VALUES (?, ?, ?, ?, {marks})",
        (
            kind.entity_type_id,
            item_id,
            stage.semantics if stage else None,
            json.dumps(data, ensure_ascii=False),
            *(filled[upper] for upper in columns),
        ),
    )


def _is_data(kind: ObjectType, upper: str) -> bool:
    return upper in kind.by_upper and upper not in _COLUMN_OF and not _is_bond(kind, upper)


def _is_bond(kind: ObjectType, upper: str) -> bool:
    """Whether a field is kept as a bond between items; the company of a contact is one, of a deal is not."""
    if upper == "COMPANY_ID":
        return kind.entity_type_id == CONTACT
    return upper in _BONDS or upper.startswith("PARENT_ID_")


# Bonds.


def bind(db: sqlite3.Connection, kind: ObjectType, item_id: int, values: dict[str, Any]) -> bool:
    """Write contacts, companies and parents among the values; returns whether any of them changed."""
    changed = _bind_contacts(db, kind, item_id, values)
    if kind.entity_type_id == CONTACT and ("COMPANY_IDS" in values or "COMPANY_ID" in values):
        before = links.companies_of(db, item_id)
        wanted = _primary_and_rest(before, values, "COMPANY_ID", "COMPANY_IDS")
        if wanted != before:
            links.set_companies(db, item_id, wanted)
            changed = True
    parents = links.parents_of(db, kind.entity_type_id, item_id) if kind.parents else {}
    for number in kind.parents:
        upper = f"PARENT_ID_{number}"
        if upper in values and (values[upper] or None) != parents.get(number):
            links.set_parent(db, kind.entity_type_id, item_id, number, values[upper])
            changed = True
    return changed


def _bind_contacts(db: sqlite3.Connection, kind: ObjectType, item_id: int, values: dict[str, Any]) -> bool:
    if "CONTACT_IDS" not in kind.by_upper or not ("CONTACT_IDS" in values or "CONTACT_ID" in values):
        return False
    before = links.contacts_of(db, kind.entity_type_id, item_id)
    wanted = _primary_and_rest(before, values, "CONTACT_ID", "CONTACT_IDS")
    if wanted == before:
        return False
    links.set_contacts(db, kind.entity_type_id, item_id, wanted)
    return True


def _primary_and_rest(before: list[int], values: dict[str, Any], one: str, many: str) -> list[int]:
    """The list after a write of the list, of the primary one, or of both."""
    rest = links.unique(values[many] or []) if many in values else before
    if one not in values:
        return rest
    primary = values[one]
    if not primary:
        return rest if many in values else rest[1:]
    if many not in values and primary not in rest:
        rest = rest[1:]
    return links.unique([primary, *rest])


# Changing.


def update(
    portal: Any,
    user_id: int | None,
    item: Item,
    values: dict[str, Any],
    communications: list[Change] | None = None,
    *,
    events: bool = True,
    checked: bool = True,
) -> bool:
    """Write what differs; nothing different means nothing saved and no event. Returns whether it was saved.

    ``checked`` false leaves mandatory fields aside, as the portal's own automation does.

    Raises:
        RestError: an unknown stage or funnel, a mandatory field without a value when the stage changes.
    """
    db, kind = portal.db, item.kind
    schema = read_schema(db)
    plain = {
        upper: value
        for upper, value in values.items()
        if not _is_bond(kind, upper) and differs(item.value(upper), value)
    }
    moved = _move(schema, item, plain)
    if checked and moved and not _funnel_changed(item, plain):
        demand_filled(kind, lambda upper: plain.get(upper, item.value(upper)), moved)
    bound = bind(db, kind, item.id, values)
    communicated = multifields.apply(db, kind.entity_type_id, item.id, communications or [])
    if not (plain or bound or communicated):
        return False
    _save(portal, user_id, item, plain, moved)
    if events:
        _tell(portal, user_id, item, plain)
    if moved:
        _entered(portal, kind, item.id, moved)
    return True


def differs(before: Any, after: Any) -> bool:
    """Whether a write changes a stored value; the ways to be empty are one."""
    if is_empty(before) and is_empty(after):
        return False
    return bool(before != after)


def _funnel_changed(item: Item, plain: dict[str, Any]) -> bool:
    return bool(plain.get("CATEGORY_ID", item.category_id) != item.category_id)


def _move(schema: Schema, item: Item, plain: dict[str, Any]) -> Stage | None:
    """The stage an update leads to, or ``None`` when it stays; completes ``plain``."""
    kind = item.kind
    if "CATEGORY_ID" in plain and not any(each.id == (plain["CATEGORY_ID"] or 0) for each in kind.categories):
        raise _not_valid(kind, "CATEGORY_ID")
    if not kind.has_stages or not ("STAGE_ID" in plain or _funnel_changed(item, plain)):
        return None
    category_id = plain.get("CATEGORY_ID", item.category_id) or 0
    wanted = plain.get("STAGE_ID")
    stage = schema.stage(kind, category_id, wanted) if wanted else None
    if stage is None and not wanted and _funnel_changed(item, plain):
        stage = schema.first_stage(kind, category_id)
    if stage is None:
        raise _not_valid(kind, "STAGE_ID")
    plain["STAGE_ID"] = stage.status_id
    return stage


def _save(portal: Any, user_id: int | None, item: Item, plain: dict[str, Any], moved: Stage | None) -> None:
    now, kind = _now(portal), item.kind
    author = user_id or 1
    changes = dict(plain) | {"UPDATED_TIME": now, "UPDATED_BY": author}
    extra: dict[str, Any] = {}
    if moved is not None:
        changes |= {"PREVIOUS_STAGE_ID": item.value("STAGE_ID"), "MOVED_TIME": now, "MOVED_BY": author}
        extra["semantics"] = moved.semantics
        changes |= _closing(portal, item, plain, moved)
    _write(portal.db, item, changes, extra)
    if moved is not None:
        funnel = _funnel_changed(item, plain)
        category_id = plain.get("CATEGORY_ID", item.category_id) or 0
        history.record(
            portal.db,
            kind.entity_type_id,
            item.id,
            moved,
            category_id,
            now,
            kind=history.FUNNEL_CHANGED if funnel else None,
            user_id=user_id,
        )


def _closing(portal: Any, item: Item, plain: dict[str, Any], moved: Stage) -> dict[str, Any]:
    """A final stage dates the end of an item."""
    if moved.semantics not in (SUCCESS, FAILURE):
        return {}
    if "CLOSEDATE" in item.kind.by_upper and "CLOSEDATE" not in plain:
        return {"CLOSEDATE": portal.now().date().isoformat()}
    return {"DATE_CLOSED": _now(portal)} if "DATE_CLOSED" in item.kind.by_upper else {}


def _write(db: sqlite3.Connection, item: Item, changes: dict[str, Any], extra: dict[str, Any]) -> None:
    data = dict(item.data)
    columns = dict(extra)
    for upper, value in changes.items():
        column = _COLUMN_OF.get(upper)
        if column:
            columns[column] = value
        elif value in (None, []):
            data.pop(upper, None)
        else:
            data[upper] = value
    if data != item.data:
        columns["data"] = json.dumps(data, ensure_ascii=False)
    if columns.get("category_id", 0) is None:
        columns["category_id"] = 0
    names = ", ".join(f"{name} = ?" for name in columns)
    db.execute(
        f"UPDATE crm_item SET {names} WHERE entity_type_id = ? AND id = ?",
        (*columns.values(), item.kind.entity_type_id, item.id),
    )


def _tell(portal: Any, user_id: int | None, item: Item, plain: dict[str, Any]) -> None:
    if item.kind.entity_type_id == DEAL and _funnel_changed(item, plain):
        fields = {"ID": item.id, "CATEGORY_ID": plain["CATEGORY_ID"] or 0, "STAGE_ID": plain["STAGE_ID"]}
        portal.emit("ONCRMDEALMOVETOCATEGORY", {"FIELDS": fields}, user_id=user_id)
        return
    emit_change(portal, item.kind, item.id, "UPDATE", user_id)


def touch_activity(portal: Any, entity_type_id: int, item_id: int, user_id: int | None) -> None:
    """Something happened in the item's timeline; the item itself is not an update."""
    portal.db.execute(
        "UPDATE crm_item SET last_activity_time = ?, last_activity_by = ?"
        " WHERE entity_type_id = ? AND id = ?",
        (_now(portal), user_id or 1, entity_type_id, item_id),
    )
