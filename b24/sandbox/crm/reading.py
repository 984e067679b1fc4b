"""Items as REST shows them, and the search behind ``crm.item.list``.

Source: crm/universal/crm-item-get.md, crm-item-list.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from b24.sandbox.crm import filters, links, multifields, rights
from b24.sandbox.crm.filters import Column
from b24.sandbox.crm.objects import COMPANY, CONTACT, WITH_COMMUNICATIONS, Field
from b24.sandbox.crm.params import PAGE
from b24.sandbox.crm.schema import FAILURE, IN_PROGRESS, SUCCESS, ObjectType
from b24.sandbox.crm.store import COLUMNS, Item, from_row
from b24.sandbox.crm.values import NUMBER_TYPES, reader, show_value

_HIDDEN = frozenset({"contacts"})


def show(portal: Any, item: Item, names: set[str] | None = None, *, original: bool = False) -> dict[str, Any]:
    """One item; ``names`` are REST names to show, ``None`` shows all of them and ``fm``."""
    kind = item.kind
    extras = _Extras(portal.db, item)
    owner = (portal.origin, kind.entity_type_id, item.id)
    shown: dict[str, Any] = {}
    for field in kind.fields.values():
        name = field.upper if original and field.dynamic else field.name
        if field.name in _HIDDEN or (names is not None and name not in names):
            continue
        shown[name] = _shown(item, field, extras, owner)
    if names is None:
        if kind.entity_type_id in WITH_COMMUNICATIONS:
            shown["fm"] = multifields.shown(extras.communications)
        shown["entityTypeId"] = kind.entity_type_id
    return shown


class _Extras:
    """What an item keeps in other tables, read when first asked for."""

    def __init__(self, db: sqlite3.Connection, item: Item) -> None:
        self._db = db
        self._item = item
        self._kept: dict[str, Any] = {}

    def _once(self, name: str, read: Callable[[sqlite3.Connection, int, int], Any]) -> Any:
        if name not in self._kept:
            self._kept[name] = read(self._db, self._item.kind.entity_type_id, self._item.id)
        return self._kept[name]

    @property
    def communications(self) -> list[sqlite3.Row]:
        rows: list[sqlite3.Row] = self._once("fm", multifields.rows_of)
        return rows

    @property
    def parents(self) -> dict[int, int]:
        parents: dict[int, int] = self._once("parents", links.parents_of)
        return parents

    @property
    def contacts(self) -> list[int]:
        contacts: list[int] = self._once("contacts", links.contacts_of)
        return contacts

    @property
    def companies(self) -> list[int]:
        companies: list[int] = self._once("companies", lambda db, _, number: links.companies_of(db, number))
        return companies


def _shown(item: Item, field: Field, extras: _Extras, owner: tuple[str, int, int]) -> Any:
    if field.disabled:
        return None
    if field.parent_type is not None:
        return extras.parents.get(field.parent_type)
    if field.upper == "ID":
        return item.id
    if field.upper == "CONTACT_IDS":
        return extras.contacts
    if field.upper == "COMPANY_IDS":
        return extras.companies
    if field.derived:
        return _derived(item, field, extras)
    return show_value(field, item.value(field.upper), owner)


def _derived(item: Item, field: Field, extras: _Extras) -> Any:
    semantics = item.row["semantics"] or IN_PROGRESS
    if field.name in multifields.ALIASES:
        return multifields.aliases(extras.communications)[field.name]
    if field.name in ("hasPhone", "hasEmail"):
        return multifields.has(extras.communications, field.name.removeprefix("has").upper())
    if field.name == "stageSemanticId":
        return semantics
    if field.name == "closed":
        return "Y" if semantics in (SUCCESS, FAILURE) else "N"
    return "N"


# What a filter or an order may name.


def columns_of(kind: ObjectType, *, original: bool) -> filters.Resolver:
    """Names of a type's items as filters and orders use them."""

    def resolve(name: str) -> Column | None:
        # "ID" is understood too: clients such as fast-bitrix24 page every list with order[ID].
        field = kind.field_of("id" if name == "ID" else name, original=original)
        return None if field is None or field.name in _HIDDEN else _column(kind, field)

    return resolve


def _column(kind: ObjectType, field: Field) -> Column | None:
    bond = _bond_column(kind, field)
    if bond is not None:
        return bond
    if field.derived:
        return _derived_column(field)
    if field.disabled:
        return None
    convert, style = _comparison(field)
    if field.upper == "ID":
        return Column("crm_item.id", convert, style)
    if field.upper in COLUMNS:
        rare = field.upper in ("XML_ID", "ORIGIN_ID")
        return Column(f"crm_item.{field.upper.lower()}", convert, style, rare=rare)
    path = f"$.{field.upper}"
    if field.multiple:
        source = f"EXISTS (SELECT 1 FROM json_each(crm_item.data, '{path}') AS many WHERE {{}})"
        return Column("many.value", convert, style, exists=source)
    stored = f"json_extract(crm_item.data, '{path}')"
    # an item older than a flag has it down
    return Column(f"coalesce({stored}, 'N')" if field.type == "boolean" else stored, convert, style)


def _comparison(field: Field) -> tuple[Callable[[Any], Any], str]:
    """How values of a field are read from a filter and compared."""
    if field.type == "boolean" and field.dynamic:
        return _stored_flag, "text"
    convert = reader(field.type)
    number = field.type in NUMBER_TYPES or field.type in ("double", "datetime")
    return convert, "number" if number else "text"


def _stored_flag(value: Any) -> str:
    """Custom flags are filtered by 1 and 0 only; their Y and N find nothing."""
    known = {"1": "Y", "0": "N", "": "N", "true": "Y", "false": "N"}
    return known.get("1" if value is True else str(value or "0").lower(), "?")


def _bond_column(kind: ObjectType, field: Field) -> Column | None:
    """Bonds live in tables of their own, read from the side that has an index."""
    own = kind.entity_type_id
    if field.parent_type is not None:
        parent = f"child_type = {own} AND parent_type = {field.parent_type}"
        return _bond(
            "parent_id",
            f"SELECT child_id FROM crm_parent WHERE {parent}",
            f"(SELECT parent_id FROM crm_parent WHERE child_id = crm_item.id AND {parent})",
        )
    if field.upper == "CONTACT_IDS" and own == COMPANY:
        return _bond("contact_id", "SELECT company_id FROM crm_contact_company WHERE 1")
    if field.upper == "CONTACT_IDS":
        return _bond("contact_id", f"SELECT item_id FROM crm_item_contact WHERE entity_type_id = {own}")
    if field.upper == "COMPANY_IDS":
        return _bond("company_id", "SELECT contact_id FROM crm_contact_company WHERE 1")
    if field.upper == "COMPANY_ID" and own == CONTACT:
        # any company of a contact is found, the primary one is sorted by
        source = "SELECT contact_id FROM crm_contact_company WHERE 1"
        return _bond("company_id", source, "crm_item.company_id")
    return None


def _bond(column: str, source: str, sort_sql: str | None = None) -> Column:
    wrapped = f"crm_item.id IN ({source} AND {{}})"
    return Column(column, reader("integer"), "number", exists=wrapped, sort_sql=sort_sql)


def _derived_column(field: Field) -> Column | None:
    if field.name == "stageSemanticId":
        return Column("coalesce(crm_item.semantics, 'P')")
    if field.name == "closed":
        return Column("CASE WHEN crm_item.semantics IN ('S', 'F') THEN 'Y' ELSE 'N' END", reader("boolean"))
    if field.name in ("hasPhone", "hasEmail"):
        kind = field.name.removeprefix("has").upper()
        return Column(
            "CASE WHEN EXISTS (SELECT 1 FROM crm_multifield WHERE entity_type_id = crm_item.entity_type_id"
            f" AND item_id = crm_item.id AND type_id = '{kind}') THEN 'Y' ELSE 'N' END",
            reader("boolean"),
        )
    return None


def search(
    portal: Any,
    user_id: int | None,
    kind: ObjectType,
    *,
    filter_: Any = None,
    order: Any = None,
    start: int = 0,
    original: bool = False,
    limit: int = PAGE,
) -> tuple[list[Item], int]:
    """One page of readable items and how many there are; ``start`` -1 does not count (0).

    Raises:
        RestError: ``INVALID_ARG_VALUE`` for a filter or order that cannot be used.
    """
    resolve = columns_of(kind, original=original)
    where, values = filters.where(filter_, resolve)
    ordering = filters.order_by(order, resolve, default=["crm_item.id ASC"])
    seen, mine = rights.readable(portal, user_id, kind.entity_type_id)
    source = f"FROM crm_item WHERE crm_item.entity_type_id = ? AND {where} AND {seen}"
    arguments = [kind.entity_type_id, *values, *mine]
    rows = portal.db.execute(
        f"SELECT crm_item.* {source} ORDER BY {ordering} LIMIT ? OFFSET ?",
        (*arguments, limit, max(start, 0)),
    ).fetchall()
    items = [from_row(kind, row) for row in rows]
    if start < 0:
        return items, 0
    if start == 0 and len(rows) < limit:
        return items, len(rows)
    return items, portal.db.execute(f"SELECT count(*) {source}", arguments).fetchone()[0]
