"""What the CRM of this portal consists of: types, relations, funnels, stages, custom fields, as a whole.

Every call needs it and it changes rarely, so it is kept in memory under a random token. Every change replaces
the token in its own transaction: a rolled back one leaves the old token, and the old picture, in force.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from b24.sandbox.crm.names import camel_userfields
from b24.sandbox.crm.objects import (
    DEAL,
    LEAD,
    OWNER_TYPES,
    QUOTE,
    SMART_INVOICE,
    SYSTEM,
    SYSTEM_DECLARATIONS,
    Field,
    declared,
    smart_process_fields,
)
from b24.sandbox.crm.params import integer
from b24.sandbox.kernel import RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_schema_token (token TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS crm_type (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_type_id INTEGER NOT NULL UNIQUE, title TEXT NOT NULL,
        code TEXT NOT NULL DEFAULT '', settings TEXT NOT NULL, linked TEXT NOT NULL,
        created_by INTEGER, created_time INTEGER, updated_by INTEGER, updated_time INTEGER);
    CREATE TABLE IF NOT EXISTS crm_relation (
        parent_type INTEGER NOT NULL, child_type INTEGER NOT NULL, children_list TEXT NOT NULL DEFAULT 'N',
        position INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (parent_type, child_type));
    CREATE TABLE IF NOT EXISTS crm_category (
        entity_type_id INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, sort INTEGER NOT NULL,
        is_default TEXT NOT NULL DEFAULT 'N', origin_id TEXT NOT NULL DEFAULT '',
        originator_id TEXT NOT NULL DEFAULT '', PRIMARY KEY (entity_type_id, id));
    CREATE TABLE IF NOT EXISTS crm_status (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id TEXT NOT NULL, status_id TEXT NOT NULL,
        name TEXT NOT NULL, name_init TEXT NOT NULL DEFAULT '', sort INTEGER NOT NULL,
        system TEXT NOT NULL DEFAULT 'N', category_id INTEGER, color TEXT, semantics TEXT,
        UNIQUE (entity_id, status_id));
    CREATE TABLE IF NOT EXISTS crm_userfield (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id TEXT NOT NULL, field_name TEXT NOT NULL,
        user_type_id TEXT NOT NULL, xml_id TEXT, sort INTEGER NOT NULL DEFAULT 100,
        multiple TEXT NOT NULL DEFAULT 'N', mandatory TEXT NOT NULL DEFAULT 'N',
        show_filter TEXT NOT NULL DEFAULT 'N', show_in_list TEXT NOT NULL DEFAULT 'Y',
        edit_in_list TEXT NOT NULL DEFAULT 'Y', is_searchable TEXT NOT NULL DEFAULT 'N',
        settings TEXT NOT NULL DEFAULT '{}', edit_form_label TEXT NOT NULL DEFAULT '{}',
        help_message TEXT NOT NULL DEFAULT '{}', UNIQUE (entity_id, field_name));
    CREATE TABLE IF NOT EXISTS crm_userfield_enum (
        id INTEGER PRIMARY KEY AUTOINCREMENT, userfield_id INTEGER NOT NULL, value TEXT NOT NULL,
        def TEXT NOT NULL DEFAULT 'N', sort INTEGER NOT NULL DEFAULT 500, xml_id TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS crm_userfield_enum_field ON crm_userfield_enum (userfield_id, sort, id);
    CREATE TABLE IF NOT EXISTS crm_stage_required (
        entity_type_id INTEGER NOT NULL, field TEXT NOT NULL, stage_id TEXT NOT NULL,
        PRIMARY KEY (entity_type_id, stage_id, field)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS crm_counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    """
)

#: Semantics of a stage as items and history show it.
IN_PROGRESS, SUCCESS, FAILURE = "P", "S", "F"


@dataclass(frozen=True)
class Stage:
    """One stage of a funnel (or one value of another directory); ``semantics`` is ``P``, ``S`` or ``F``."""

    id: int
    entity_id: str
    status_id: str
    name: str
    sort: int
    color: str | None
    semantics: str
    system: bool


@dataclass(frozen=True)
class Category:
    """A funnel; the default one of deals has id 0."""

    id: int
    name: str
    sort: int
    is_default: bool
    origin_id: str = ""
    originator_id: str = ""


def stage_entity(entity_type_id: int, category_id: int) -> str:
    """Directory with the stages of a funnel: ``STATUS``, ``DEAL_STAGE_3``, ``DYNAMIC_128_STAGE_7``."""
    if entity_type_id == LEAD:
        return "STATUS"
    if entity_type_id == QUOTE:
        return "QUOTE_STATUS"
    if entity_type_id == DEAL:
        return f"DEAL_STAGE_{category_id}" if category_id else "DEAL_STAGE"
    if entity_type_id == SMART_INVOICE:
        return f"SMART_INVOICE_STAGE_{category_id}"
    return f"DYNAMIC_{entity_type_id}_STAGE_{category_id}"


@dataclass
class ObjectType:
    """One kind of CRM object with everything needed to read and write its items."""

    entity_type_id: int
    symbol: str
    title: str
    type_id: int | None
    settings: dict[str, str]
    fields: dict[str, Field] = field(default_factory=dict)
    by_upper: dict[str, Field] = field(default_factory=dict)
    categories: list[Category] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    stage_required: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def is_smart_process(self) -> bool:
        return self.type_id is not None

    @property
    def userfield_entity(self) -> str:
        """Where its custom fields belong: ``CRM_DEAL``, ``CRM_13``."""
        return f"CRM_{self.type_id}" if self.is_smart_process else f"CRM_{self.symbol}"

    @property
    def has_stages(self) -> bool:
        return "stageId" in self.fields

    @property
    def default_category(self) -> Category | None:
        return next((each for each in self.categories if each.is_default), None)

    def stage_entity(self, category_id: int) -> str:
        """Directory with the stages of a funnel; see :func:`stage_entity`."""
        return stage_entity(self.entity_type_id, category_id)

    def field_of(self, name: str, *, original: bool) -> Field | None:
        """The field under a caller's name; ``original`` names custom fields ``UF_CRM_…``."""
        found = self.fields.get(name)
        if not original or (found is not None and not found.dynamic):
            return found
        custom = self.by_upper.get(name)
        return custom if custom is not None and custom.dynamic else None


@dataclass
class Schema:
    """The whole CRM of one portal at one moment."""

    types: dict[int, ObjectType]
    statuses: dict[str, list[Stage]]
    currency: str = "KZT"

    def type(self, entity_type_id: Any) -> ObjectType:
        """The type whose items a call works with.

        Raises:
            RestError: ``NOT_FOUND`` for a smart process that does not exist, ``ENTITY_TYPE_NOT_SUPPORTED``.
        """
        number = as_entity_type_id(entity_type_id)
        if number in self.types:
            return self.types[number]
        if number in OWNER_TYPES:
            name = OWNER_TYPES[number][0]
            raise RestError("ENTITY_TYPE_NOT_SUPPORTED", f"Entity type {name} is not supported")
        raise RestError("NOT_FOUND", "Smart process not found")

    def stages(self, kind: ObjectType, category_id: int) -> list[Stage]:
        """Stages of a funnel in their order."""
        return self.statuses.get(kind.stage_entity(category_id), [])

    def stage(self, kind: ObjectType, category_id: int, status_id: str | None) -> Stage | None:
        """One stage of a funnel by its code."""
        return next((each for each in self.stages(kind, category_id) if each.status_id == status_id), None)

    def first_stage(self, kind: ObjectType, category_id: int) -> Stage | None:
        """Where a new item lands."""
        stages = self.stages(kind, category_id)
        return next((each for each in stages if each.semantics == IN_PROGRESS), stages[0] if stages else None)

    def symbol(self, entity_type_id: int) -> str:
        """``LEAD``, ``DYNAMIC_156``; raises nothing, an unknown type is ``DYNAMIC_…`` too."""
        known = OWNER_TYPES.get(entity_type_id)
        return known[0] if known else f"DYNAMIC_{entity_type_id}"

    def title(self, entity_type_id: int) -> str:
        """The type's title for people."""
        if entity_type_id in self.types:
            return self.types[entity_type_id].title
        return OWNER_TYPES.get(entity_type_id, ("", "", f"#{entity_type_id}"))[2]

    def by_type_id(self, type_id: Any) -> ObjectType | None:
        """A smart process by the ``id`` of ``crm.type.*``."""
        return next((each for each in self.types.values() if each.type_id == type_id), None)


def as_entity_type_id(value: Any) -> int:
    """An ``entityTypeId`` as callers send it (number or digits); anything else is 0."""
    return 0 if isinstance(value, bool) else integer(value) or 0


def short_symbol(entity_type_id: int) -> str:
    """Prefix of bindings: ``C``, ``D``, ``Tb1`` for a smart process."""
    known = OWNER_TYPES.get(entity_type_id)
    return known[1] if known else f"T{entity_type_id:x}"


def changed(db: sqlite3.Connection) -> None:
    """Say that types, funnels, stages or custom fields were changed in this transaction."""
    db.execute("DELETE FROM crm_schema_token")
    db.execute("INSERT INTO crm_schema_token (token) VALUES (?)", (secrets.token_hex(16),))


def next_id(db: sqlite3.Connection, name: str) -> int:
    """The next number of a sequence; numbers are never given twice, deleted or not."""
    row = db.execute(
        "INSERT INTO crm_counter (name, value) VALUES (?, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


_pictures: OrderedDict[str, Schema] = OrderedDict()


def read_schema(db: sqlite3.Connection) -> Schema:
    """The schema in force inside the current transaction."""
    row = db.execute("SELECT token FROM crm_schema_token").fetchone()
    if row is None:
        changed(db)
        return read_schema(db)
    token = row[0]
    picture = _pictures.get(token)
    if picture is None:
        picture = _pictures[token] = _load(db)
        while len(_pictures) > 16:
            _pictures.popitem(last=False)
    return picture


def _load(db: sqlite3.Connection) -> Schema:
    schema = Schema(types={}, statuses=_statuses(db))
    for number in SYSTEM:
        symbol, _, title = OWNER_TYPES[number]
        schema.types[number] = ObjectType(number, symbol, title, None, {})
    for row in db.execute("SELECT * FROM crm_type ORDER BY id"):
        number = row["entity_type_id"]
        settings = json.loads(row["settings"])
        schema.types[number] = ObjectType(number, f"DYNAMIC_{number}", row["title"], row["id"], settings)
    _add_categories(db, schema)
    _add_parents(db, schema)
    for kind in schema.types.values():
        _add_fields(db, schema, kind)
    for row in db.execute("SELECT * FROM crm_stage_required"):
        kind = schema.types[row["entity_type_id"]]
        known = kind.stage_required.get(row["stage_id"], frozenset())
        kind.stage_required[row["stage_id"]] = known | {row["field"]}
    return schema


def _statuses(db: sqlite3.Connection) -> dict[str, list[Stage]]:
    found: dict[str, list[Stage]] = {}
    for row in db.execute("SELECT * FROM crm_status ORDER BY entity_id, sort, id"):
        stage = Stage(
            row["id"],
            row["entity_id"],
            row["status_id"],
            row["name"],
            row["sort"],
            row["color"],
            row["semantics"] or IN_PROGRESS,
            row["system"] == "Y",
        )
        found.setdefault(stage.entity_id, []).append(stage)
    return found


def _add_categories(db: sqlite3.Connection, schema: Schema) -> None:
    for row in db.execute("SELECT * FROM crm_category ORDER BY entity_type_id, sort, id"):
        kind = schema.types.get(row["entity_type_id"])
        if kind is not None:
            origin = (row["origin_id"], row["originator_id"])
            category = Category(row["id"], row["name"], row["sort"], row["is_default"] == "Y", *origin)
            kind.categories.append(category)


def _add_parents(db: sqlite3.Connection, schema: Schema) -> None:
    for row in db.execute("SELECT parent_type, child_type FROM crm_relation ORDER BY position, parent_type"):
        kind = schema.types.get(row["child_type"])
        if kind is not None and row["parent_type"] in schema.types:
            kind.parents.append(row["parent_type"])


def _add_fields(db: sqlite3.Connection, schema: Schema, kind: ObjectType) -> None:
    default = kind.default_category
    stages = kind.stage_entity(default.id if default else 0)
    if kind.is_smart_process:
        fields = smart_process_fields(kind.settings, stages)
    else:
        fields = declared(SYSTEM_DECLARATIONS[kind.entity_type_id], stage_entity=stages)
    fields += [_parent_field(schema, number) for number in kind.parents]
    for each in fields + _custom_fields(db, kind, fields):
        kind.fields[each.name] = each
        kind.by_upper[each.upper] = each


def _parent_field(schema: Schema, number: int) -> Field:
    return Field(
        name=f"parentId{number}",
        upper=f"PARENT_ID_{number}",
        type="crm_entity",
        title=schema.title(number),
        parent_type=number,
        settings={"parentEntityTypeId": number},
    )


def _custom_fields(db: sqlite3.Connection, kind: ObjectType, system: list[Field]) -> list[Field]:
    rows = db.execute(
        "SELECT * FROM crm_userfield WHERE entity_id = ? ORDER BY sort, id", (kind.userfield_entity,)
    ).fetchall()
    names = camel_userfields([row["field_name"] for row in rows], [each.name for each in system])
    return [_custom_field(db, row, names[row["field_name"]]) for row in rows]


def _custom_field(db: sqlite3.Connection, row: sqlite3.Row, name: str) -> Field:
    labels = json.loads(row["edit_form_label"])
    title = labels.get("ru") or labels.get("en") or next((v for v in labels.values() if v), row["field_name"])
    options: tuple[dict[str, Any], ...] = ()
    if row["user_type_id"] == "enumeration":
        options = tuple(dict(each) for each in enum_rows(db, row["id"]))
    return Field(
        name=name,
        upper=row["field_name"],
        type=row["user_type_id"],
        title=title,
        required=row["mandatory"] == "Y",
        multiple=row["multiple"] == "Y",
        dynamic=True,
        settings=json.loads(row["settings"]),
        options=options,
        userfield_id=row["id"],
    )


def enum_rows(db: sqlite3.Connection, userfield_id: int) -> list[sqlite3.Row]:
    """Options of an enumeration field in their order."""
    return db.execute(
        "SELECT * FROM crm_userfield_enum WHERE userfield_id = ? ORDER BY sort, id", (userfield_id,)
    ).fetchall()
