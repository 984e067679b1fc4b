"""Finding cards by phone or e-mail and merging items.

Source: crm/duplicates/crm-duplicate-find-by-comm.md, crm-entity-merge-batch.md.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm import activities, links, multifields, recycle, rights, store, tasks, timeline
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT, LEAD, WITH_COMMUNICATIONS, Field
from b24.sandbox.crm.params import integer, listing, mapping, text
from b24.sandbox.crm.schema import ObjectType, as_entity_type_id, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import is_empty
from b24.sandbox.kernel import Call, RestError, method

MAX_VALUES = 20
ENOUGH = 20
_TYPES = {"LEAD": LEAD, "CONTACT": CONTACT, "COMPANY": COMPANY}


@method("crm.duplicate.findbycomm", scope="crm")
def find_by_communication(call: Call) -> Any:
    """Cards with one of these phones or addresses by type; an empty list when there are none."""
    kind = text(call.params.get("type")).upper()
    if not kind:
        raise _said("Communication type is not defined", "Parameter 'type' is required.")
    if kind not in ("PHONE", "EMAIL"):
        raise _said(f"Communication type '{kind}' is not supported in current context")
    values = [text(each) for each in listing(call.params.get("values")) if text(each).strip()]
    if not values:
        raise _said("Communication values is not defined")
    wanted = text(call.params.get("entity_type")).upper()
    result: dict[str, list[int]] = {}
    for name, number in _TYPES.items():
        if wanted in ("", name):
            found = _readable(call, number, multifields.find(call.db, number, kind, values[:MAX_VALUES]))
            if found:
                result[name] = found[:ENOUGH]
            if len(found) >= ENOUGH:
                break
    return result or []


def _said(code: str, description: str | None = None) -> RestError:
    return RestError(code, description or code)


def _readable(call: Call, entity_type_id: int, ids: list[int]) -> list[int]:
    scope = rights.scope_of(call.db, call.user_id, entity_type_id, "read")
    if scope == "all" or not ids:
        return ids
    if scope == "none":
        return []
    kind = read_schema(call.db).types[entity_type_id]
    items = [store.find(call.db, kind, number) for number in ids]
    return [
        each.id
        for each in items
        if each and rights.allowed(call.portal, call.user_id, entity_type_id, "read", each.row)
    ]


# Merging.

#: Values the survivor keeps whatever the others hold: how an item came to be and where it stands.
_KEPT = frozenset(
    {
        "ID", "CREATED_TIME", "UPDATED_TIME", "CREATED_BY", "UPDATED_BY", "MOVED_TIME", "MOVED_BY",
        "LAST_ACTIVITY_TIME", "LAST_ACTIVITY_BY", "ASSIGNED_BY_ID", "OPENED", "CATEGORY_ID", "STAGE_ID",
        "PREVIOUS_STAGE_ID", "SOURCE_ID", "TYPE_ID", "WEBFORM_ID", "BEGINDATE", "CLOSEDATE", "CURRENCY_ID",
        "XML_ID",
        "ORIGINATOR_ID", "ORIGIN_ID", "ORIGIN_VERSION", "INDUSTRY", "EMPLOYEES", "EXPORT", "IS_MY_COMPANY",
    }
)  # fmt: skip


class _Conflict(Exception):
    """Two filled values contradict each other."""


@method("crm.entity.mergeBatch", scope="crm")
def merge_batch(call: Call) -> Any:
    """Merge items of one type into the first; the others go to the recycle bin."""
    params = mapping(call.params.get("params"))
    if not params.get("entityTypeId"):
        raise RestError(0, "The parameter entityTypeId is required.")
    ids = links.unique(integer(each) for each in listing(params.get("entityIds")))
    if not ids:
        raise RestError(0, "The parameter entityIds does not contains valid elements.")
    if len(ids) < 2:
        raise RestError(0, "The parameter entityIds must contains at least two elements.")
    items = _items(call, as_entity_type_id(params["entityTypeId"]), ids)
    try:
        merged = _merged_values(items[0], items[1:])
    except _Conflict:
        return {"STATUS": "CONFLICT", "ENTITY_IDS": []}
    _merge(call.portal, call.user_id, items[0], items[1:], merged)
    return {"STATUS": "SUCCESS", "ENTITY_IDS": [each.id for each in items[1:]]}


def _items(call: Call, entity_type_id: int, ids: list[int]) -> list[Item]:
    schema = read_schema(call.db)
    kind = schema.types.get(entity_type_id)
    if kind is None:
        raise RestError(0, f"Entity type {schema.symbol(entity_type_id)} is not supported")
    items = []
    for position, number in enumerate(ids):
        found = store.find(call.db, kind, number)
        if found is None:
            raise RestError(0, "Owner was not found")
        for action in ("read", "delete" if position else "update"):
            if not rights.allowed(call.portal, call.user_id, entity_type_id, action, found.row):
                raise RestError("Access denied", "Access denied", 403)
        items.append(found)
    return items


def _mergeable(kind: ObjectType, field: Field) -> bool:
    if field.upper in _KEPT or field.derived or field.disabled or field.parent_type is not None:
        return False
    if field.upper == "COMPANY_ID" and kind.entity_type_id == CONTACT:
        return False  # companies of a contact are a list, and lists are united
    return field.upper not in ("CONTACT_IDS", "COMPANY_IDS", "CONTACT_ID")


def _merged_values(
    survivor: Item, others: list[Item], decided: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    """What the survivor takes over from the others, but for fields already ``decided``.

    Raises:
        _Conflict: a field is filled differently and nothing says which is right.
    """
    taken: dict[str, Any] = {}
    for field in survivor.kind.fields.values():
        if field.upper in decided or not _mergeable(survivor.kind, field):
            continue
        value = survivor.value(field.upper)
        for other in others:
            value = _united(survivor, field, value, other)
        if store.differs(survivor.value(field.upper), value):
            taken[field.upper] = value
    return taken


def _united(survivor: Item, field: Field, value: Any, other: Item) -> Any:
    incoming = other.value(field.upper)
    if field.multiple:
        return list(dict.fromkeys([*(value or []), *(incoming or [])]))
    if is_empty(incoming) or incoming in (value, 0):
        return value
    if field.type == "boolean":
        return "Y" if "Y" in (value, incoming) else value
    if field.upper == "TITLE" and _automatic(other, incoming):
        return value
    if field.upper == "TITLE" and _automatic(survivor, value):
        return incoming
    if is_empty(value) or value == 0:
        return incoming
    raise _Conflict


def open_questions(survivor: Item, others: list[Item]) -> list[Field]:
    """Fields filled differently, about which a person merging by hand has to decide."""
    questions = []
    for field in survivor.kind.fields.values():
        if not _mergeable(survivor.kind, field):
            continue
        value = survivor.value(field.upper)
        try:
            for other in others:
                value = _united(survivor, field, value, other)
        except _Conflict:
            questions.append(field)
    return questions


def merge_by_hand(
    portal: Any, user_id: int, survivor: Item, others: list[Item], chosen: dict[str, Item]
) -> None:
    """Merge as people do on the portal's merge page; call inside a transaction.

    Args:
        chosen: by database name, whose value the survivor gets; fields left out are united as in the batch.

    Raises:
        RestError: ``ACCESS_DENIED``, or ``INVALID_ARG_VALUE`` when two values contradict and none is chosen.
    """
    number = survivor.kind.entity_type_id
    rights.demand(portal, user_id, number, "update", survivor.row)
    for other in others:
        rights.demand(portal, user_id, number, "delete", other.row)
    taken: dict[str, Any] = {}
    try:
        taken = _merged_values(survivor, others, set(chosen))
    except _Conflict:
        raise RestError("INVALID_ARG_VALUE", "Выберите, какое из разных значений оставить.") from None
    for upper, source in chosen.items():
        if store.differs(survivor.value(upper), source.value(upper)):
            taken[upper] = source.value(upper)
    _merge(portal, user_id, survivor, others, taken)


def _automatic(item: Item, title: str | None) -> bool:
    return title == f"{item.kind.title} #{item.id}"


def _merge(
    portal: Any, user_id: int | None, survivor: Item, others: list[Item], taken: dict[str, Any]
) -> None:
    for other in others:
        _take_bonds(portal.db, survivor, other)
    store.update(portal, user_id, survivor, taken, _communications(portal.db, survivor, others), events=False)
    store.emit_change(portal, survivor.kind, survivor.id, "UPDATE", user_id)
    for other in others:
        recycle.delete(portal, user_id, other)


def _communications(db: sqlite3.Connection, survivor: Item, others: list[Item]) -> list[Change]:
    number = survivor.kind.entity_type_id
    if number not in WITH_COMMUNICATIONS:
        return []
    known = {
        (row["type_id"], multifields.match_key(row["type_id"], row["value"]))
        for row in multifields.rows_of(db, number, survivor.id)
    }
    changes = []
    for other in others:
        for row in multifields.rows_of(db, number, other.id):
            key = (row["type_id"], multifields.match_key(row["type_id"], row["value"]))
            if key not in known:
                known.add(key)
                changes.append(Change(None, row["type_id"], row["value_type"], row["value"]))
    return changes


def _take_bonds(db: sqlite3.Connection, survivor: Item, other: Item) -> None:
    """Contacts, companies, parents, children and the timeline of a loser become the survivor's."""
    number = survivor.kind.entity_type_id
    if number == CONTACT:
        _take_contact(db, survivor.id, other.id)
    else:
        theirs = links.contacts_of(db, number, other.id)
        links.set_contacts(db, number, survivor.id, [*links.contacts_of(db, number, survivor.id), *theirs])
    if number == COMPANY:
        db.execute("UPDATE crm_item SET company_id = ? WHERE company_id = ?", (survivor.id, other.id))
    own = links.parents_of(db, number, survivor.id)
    for parent_type, parent_id in links.parents_of(db, number, other.id).items():
        if parent_type not in own:
            links.set_parent(db, number, survivor.id, parent_type, parent_id)
    for child_type, child_id in links.children_of(db, number, other.id):
        links.set_parent(db, child_type, child_id, number, survivor.id)
    for module in (timeline, activities, tasks):
        module.repoint(db, number, other.id, survivor.id)


def _take_contact(db: sqlite3.Connection, survivor: int, other: int) -> None:
    companies = [*links.companies_of(db, survivor), *links.companies_of(db, other)]
    links.set_companies(db, survivor, companies)
    for entity_type_id, item_id in links.items_of_contact(db, other):
        contacts = [
            survivor if each == other else each for each in links.contacts_of(db, entity_type_id, item_id)
        ]
        links.set_contacts(db, entity_type_id, item_id, contacts)
