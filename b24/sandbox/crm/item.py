"""``crm.item.*``: one set of methods for leads, deals, contacts, companies and smart processes.

Source: crm/universal/crm-item-*.md, crm/universal/import/*.md.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox import restrictions
from b24.sandbox.crm import multifields, reading, recycle, rights, store
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import WITH_COMMUNICATIONS, Field
from b24.sandbox.crm.params import (
    PAGE,
    fields_of,
    integer,
    listing,
    mapping,
    original_names,
    required,
    start_of,
    text,
)
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import parse_timestamp, read_value
from b24.sandbox.kernel import Answer, Call, RestError, method

_IMPORTABLE = {
    "createdTime": "CREATED_TIME",
    "updatedTime": "UPDATED_TIME",
    "movedTime": "MOVED_TIME",
    "lastActivityTime": "LAST_ACTIVITY_TIME",
    "createdBy": "CREATED_BY",
    "updatedBy": "UPDATED_BY",
    "movedBy": "MOVED_BY",
    "lastActivityBy": "LAST_ACTIVITY_BY",
}
MAX_IMPORT = 20


def kind_of(call: Call) -> ObjectType:
    """The type a call works with; see :meth:`Schema.type` for errors."""
    return read_schema(call.db).type(required(call, "entityTypeId"))


def item_of(call: Call, kind: ObjectType, action: str) -> Item:
    """The item a call works with, if the caller may ``action`` it.

    Raises:
        RestError: ``NOT_FOUND`` or ``ACCESS_DENIED``.
    """
    found = store.find(call.db, kind, integer(required(call, "id")))
    if found is None:
        raise RestError("NOT_FOUND", "Element not found")
    rights.demand(call.portal, call.user_id, kind.entity_type_id, action, found.row)
    return found


def read_fields(call: Call, kind: ObjectType, fields: dict[str, Any]) -> dict[str, Any]:
    """Incoming fields as stored values; unknown and read-only names are left out silently."""
    original = original_names(call)
    values = {}
    for name, value in fields.items():
        field = kind.field_of(name, original=original)
        if field is None or field.read_only or field.disabled or field.derived:
            continue
        values[field.upper] = read_value(call.db, field, value)
    return values


def _communications(kind: ObjectType, fields: dict[str, Any], *, adding: bool) -> list[Change]:
    if "fm" not in fields or kind.entity_type_id not in WITH_COMMUNICATIONS:
        return []
    return multifields.read_changes(fields["fm"], adding=adding)


def _answer(call: Call, kind: ObjectType, item_id: int) -> dict[str, Any]:
    item = store.find(call.db, kind, item_id)
    if item is None:
        raise RestError("NOT_FOUND", "Element not found")
    return {"item": reading.show(call.portal, item, original=original_names(call))}


@method("crm.item.add", scope="crm")
def item_add(call: Call) -> Any:
    """A new item; answers with the whole of it."""
    kind = kind_of(call)
    fields = fields_of(call)
    rights.demand(call.portal, call.user_id, kind.entity_type_id, "add")
    if kind.is_smart_process:
        restrictions.demand(call.portal, "item_add")
    values = read_fields(call, kind, fields)
    changes = _communications(kind, fields, adding=True)
    item_id = store.create(call.portal, call.user_id, kind, values, changes)
    return _answer(call, kind, item_id)


@method("crm.item.update", scope="crm")
def item_update(call: Call) -> Any:
    """Change an item; nothing different is not saved and raises no event."""
    kind = kind_of(call)
    item = item_of(call, kind, "update")
    if kind.is_smart_process:
        restrictions.demand(call.portal, "item_update")
    fields = fields_of(call)
    values = read_fields(call, kind, fields)
    changes = _communications(kind, fields, adding=False)
    store.update(call.portal, call.user_id, item, values, changes)
    return _answer(call, kind, item.id)


@method("crm.item.get", scope="crm")
def item_get(call: Call) -> Any:
    """One item with all its fields."""
    kind = kind_of(call)
    item = item_of(call, kind, "read")
    return {"item": reading.show(call.portal, item, original=original_names(call))}


@method("crm.item.delete", scope="crm")
def item_delete(call: Call) -> list[Any]:
    """Delete an item (to the recycle bin where there is one)."""
    kind = kind_of(call)
    recycle.delete(call.portal, call.user_id, item_of(call, kind, "delete"))
    return []


def _selected(call: Call) -> set[str] | None:
    names = {text(each) for each in listing(call.params.get("select"))}
    return None if not names or "*" in names else names


@method("crm.item.list", scope="crm")
def item_list(call: Call) -> Answer:
    """Items the caller may read, 50 a page."""
    kind = kind_of(call)
    start = start_of(call)
    items, total = reading.search(
        call.portal,
        call.user_id,
        kind,
        filter_=call.params.get("filter"),
        order=call.params.get("order"),
        start=start,
        original=original_names(call),
    )
    names = _selected(call)
    # a row without any of the selected names is an empty PHP array
    shown: list[Any] = [
        reading.show(call.portal, each, names, original=original_names(call)) or [] for each in items
    ]
    following = start + PAGE if total > start + PAGE and start >= 0 else None
    return Answer({"items": shown}, total, following)


def describe(field: Field, *, original: bool) -> dict[str, Any]:
    """One field as ``crm.item.fields`` shows it."""
    shown: dict[str, Any] = {
        "type": field.type,
        "isRequired": field.required,
        "isReadOnly": field.read_only or field.disabled or field.derived,
        "isImmutable": False,
        "isMultiple": field.multiple,
        "isDynamic": field.dynamic,
    }
    if field.name == "contactId":
        shown["isDeprecated"] = True
    if field.type == "enumeration":
        shown["items"] = [{"ID": str(each["id"]), "VALUE": each["value"]} for each in field.options]
    if field.status_type:
        shown["statusType"] = field.status_type
    shown["title"] = field.title
    if field.dynamic:
        shown |= dict.fromkeys(("listLabel", "formLabel", "filterLabel"), field.title)
    if field.settings:
        shown["settings"] = field.settings
    elif field.upper in ("COMPANY_ID", "MYCOMPANY_ID"):
        shown["settings"] = {"parentEntityTypeId": 4}
    if field.upper == "MYCOMPANY_ID":
        shown["settings"] |= {"isMyCompany": True, "isEmbeddedEditorEnabled": True}
    return shown | {"upperName": field.upper}


@method("crm.item.fields", scope="crm")
def item_fields(call: Call) -> Any:
    """Description of all fields of a type."""
    kind = kind_of(call)
    rights.demand(call.portal, call.user_id, kind.entity_type_id, "read")
    original = original_names(call)
    return {
        "fields": {
            each.upper if original and each.dynamic else each.name: describe(each, original=original)
            for each in kind.fields.values()
        }
    }


# Import: the same checks, no robots, and an administrator may date what is imported.


def _import_one(call: Call, kind: ObjectType, fields: dict[str, Any]) -> int:
    values = read_fields(call, kind, fields)
    system: dict[str, Any] = {}
    for name, upper in _IMPORTABLE.items():
        if not call.is_admin or name not in fields or name not in kind.fields:
            continue
        try:
            value = parse_timestamp(fields[name]) if name.endswith("Time") else integer(fields[name])
        except ValueError:
            value = None
        if value:
            system[upper] = value
    changes = _communications(kind, fields, adding=True)
    return store.create(call.portal, call.user_id, kind, values, changes, system=system, automation=False)


def _demand_import(call: Call, kind: ObjectType) -> None:
    rights.demand(call.portal, call.user_id, kind.entity_type_id, "import")
    if kind.is_smart_process:
        restrictions.demand(call.portal, "item_add")


@method("crm.item.import", scope="crm")
def item_import(call: Call) -> Any:
    """Import one item."""
    kind = kind_of(call)
    _demand_import(call, kind)
    return {"item": {"id": _import_one(call, kind, fields_of(call))}}


@method("crm.item.batchImport", scope="crm")
def item_batch_import(call: Call) -> Any:
    """Import up to 20 items; each succeeds or fails alone."""
    kind = kind_of(call)
    _demand_import(call, kind)
    data = listing(required(call, "data"))
    if len(data) > MAX_IMPORT:
        raise RestError("MAX_IMPORT_BATCH_SIZE_EXCEEDED", f"Maximum import batch size is {MAX_IMPORT}")
    return {"items": [_import_safely(call, kind, mapping(each)) for each in data]}


def _import_safely(call: Call, kind: ObjectType, fields: dict[str, Any]) -> dict[str, Any]:
    call.db.execute("SAVEPOINT import_one")
    try:
        item_id = _import_one(call, kind, fields)
    except RestError as error:
        call.db.execute("ROLLBACK TO import_one")
        return {"error": error.code, "error_description": error.description}
    finally:
        call.db.execute("RELEASE import_one")
    return {"item": {"id": item_id}}
