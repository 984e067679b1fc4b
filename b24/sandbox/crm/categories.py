"""Funnels: ``crm.category.*`` and the stages a new funnel brings along.

Source: crm/universal/category/*.md.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm.objects import CLASSIC, DEAL, LEAD, OWNER_TYPES, QUOTE, SMART_INVOICE, upper_name
from b24.sandbox.crm.params import fields_of, integer, is_yes, required, text
from b24.sandbox.crm.schema import (
    Category,
    ObjectType,
    as_entity_type_id,
    changed,
    next_id,
    read_schema,
    stage_entity,
)
from b24.sandbox.kernel import Answer, Call, RestError, method

#: (code, name, sort, system, colour, semantics) of a new funnel of a smart process.
SMART_STAGES = (
    ("NEW", "Начало", 10, "Y", "#22B9FF", None),
    ("PREPARATION", "Подготовка", 20, "N", "#88B9FF", None),
    ("CLIENT", "Согласование", 30, "N", "#10e5fc", None),
    ("SUCCESS", "Успех", 40, "Y", "#00ff00", "S"),
    ("FAIL", "Провал", 50, "Y", "#ff0000", "F"),
)
INVOICE_STAGES = (
    ("N", "Новый", 10, "Y", "#39A8EF", None),
    ("S", "Отправлен клиенту", 20, "N", "#2FC6F6", None),
    ("P", "Оплачен", 30, "Y", "#7BD500", "S"),
    ("D", "Не оплачен", 40, "Y", "#FF5752", "F"),
)
DEAL_STAGES = (
    ("NEW", "Новая", 10, "Y", "#39A8EF", None),
    ("PREPARATION", "Подготовка документов", 20, "N", "#2FC6F6", None),
    ("PREPAYMENT_INVOICE", "Cчёт на предоплату", 30, "N", "#55D0E0", None),
    ("EXECUTING", "В работе", 40, "N", "#47E4C2", None),
    ("FINAL_INVOICE", "Финальный счёт", 50, "N", "#FFA900", None),
    ("WON", "Сделка успешна", 60, "Y", "#7BD500", "S"),
    ("LOSE", "Сделка провалена", 70, "Y", "#FF5752", "F"),
    ("APOLOGY", "Анализ причины провала", 80, "N", "#FF5752", "F"),
)


def create(
    db: sqlite3.Connection, entity_type_id: int, name: str, *, sort: int = 500, default: bool = False
) -> int:
    """Make a funnel with its automatic stages; returns its id."""
    deal = entity_type_id == DEAL
    category_id = next_id(db, "deal_category" if deal else "category")
    if default:
        db.execute("UPDATE crm_category SET is_default = 'N' WHERE entity_type_id = ?", (entity_type_id,))
    db.execute(
        "INSERT INTO crm_category (entity_type_id, id, name, sort, is_default) VALUES (?, ?, ?, ?, ?)",
        (entity_type_id, category_id, name, max(sort, 0), "Y" if default else "N"),
    )
    prefix = f"C{category_id}:" if deal else f"DT{entity_type_id}_{category_id}:"
    stages = {DEAL: DEAL_STAGES, SMART_INVOICE: INVOICE_STAGES}.get(entity_type_id, SMART_STAGES)
    add_stages(db, stage_entity(entity_type_id, category_id), prefix, stages, category_id)
    changed(db)
    return category_id


def add_stages(
    db: sqlite3.Connection,
    entity: str,
    prefix: str,
    stages: tuple[tuple[str, str, int, str, str, str | None], ...],
    category_id: int | None,
) -> None:
    """Write the stages of a funnel as rows of its directory."""
    for code, name, sort, system, color, semantics in stages:
        db.execute(
            "INSERT INTO crm_status (entity_id, status_id, name, name_init, sort, system, category_id, color,"
            " semantics) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entity,
                prefix + code,
                name,
                name if system == "Y" else "",
                sort,
                system,
                category_id,
                color,
                semantics,
            ),
        )


def _kind(call: Call) -> ObjectType:
    number = as_entity_type_id(required(call, "entityTypeId"))
    kind = read_schema(call.db).type(number)
    if number in (LEAD, QUOTE):
        name = OWNER_TYPES[number][0]
        raise RestError("ENTITY_TYPE_NOT_SUPPORTED", f"Entity type {name} is not supported")
    return kind


def _admin(call: Call) -> None:
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied")


def _category(call: Call, kind: ObjectType) -> Category:
    number = integer(required(call, "id"))
    found = next((each for each in kind.categories if each.id == number), None)
    if found is None:
        raise RestError("NOT_FOUND", "Element not found")
    return found


def _shown(kind: ObjectType, category: Category) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": category.id,
        "name": category.name,
        "sort": category.sort,
        "entityTypeId": kind.entity_type_id,
        "isDefault": "Y" if category.is_default else "N",
    }
    if kind.entity_type_id == DEAL and category.id:
        shown |= {"originId": category.origin_id, "originatorId": category.originator_id}
    return shown


def _reread(call: Call, kind: ObjectType, category_id: int) -> dict[str, Any]:
    fresh = read_schema(call.db).type(kind.entity_type_id)
    category = next(each for each in fresh.categories if each.id == category_id)
    return {"category": _shown(fresh, category)}


@method("crm.category.list", scope="crm")
def category_list(call: Call) -> Answer:
    """All funnels of a type by their sort."""
    kind = _kind(call)
    return Answer(
        {"categories": [_shown(kind, each) for each in kind.categories]}, total=len(kind.categories)
    )


@method("crm.category.get", scope="crm")
def category_get(call: Call) -> Any:
    """One funnel."""
    kind = _kind(call)
    return {"category": _shown(kind, _category(call, kind))}


@method("crm.category.add", scope="crm")
def category_add(call: Call) -> Any:
    """A new funnel with its automatic stages."""
    kind = _kind(call)
    _admin(call)
    fields = fields_of(call)
    name = text(fields.get("name")).strip()
    if not name:
        raise RestError(0, "Field 'NAME' is required")
    default = is_yes(fields.get("isDefault")) and kind.is_smart_process
    if is_yes(fields.get("isDefault")) and kind.entity_type_id in CLASSIC and kind.entity_type_id != DEAL:
        raise RestError(0, "Default client category does not support updating default state")
    sort = integer(fields.get("sort", 500))
    number = create(
        call.db, kind.entity_type_id, name[:255], sort=500 if sort is None else sort, default=default
    )
    _write_origin(call.db, kind, number, fields)
    return _reread(call, kind, number)


def _write_origin(db: sqlite3.Connection, kind: ObjectType, number: int, fields: dict[str, Any]) -> None:
    """Marks of another system, kept for funnels of deals."""
    for name, column in (("originId", "origin_id"), ("originatorId", "originator_id")):
        if kind.entity_type_id == DEAL and name in fields:
            db.execute(
                f"UPDATE crm_category SET {column} = ? WHERE entity_type_id = ? AND id = ?",
                (text(fields[name]), kind.entity_type_id, number),
            )
    changed(db)


@method("crm.category.update", scope="crm")
def category_update(call: Call) -> Any:
    """Change name, sort or (smart processes) make the funnel the default one."""
    kind = _kind(call)
    _admin(call)
    category = _category(call, kind)
    fields = fields_of(call)
    name = text(fields["name"]).strip() if "name" in fields else category.name
    if not name:
        raise RestError(0, "Field 'NAME' is required")
    sort = integer(fields.get("sort", category.sort))
    call.db.execute(
        "UPDATE crm_category SET name = ?, sort = ? WHERE entity_type_id = ? AND id = ?",
        (name[:255], max(category.sort if sort is None else sort, 0), kind.entity_type_id, category.id),
    )
    if is_yes(fields.get("isDefault")) and kind.is_smart_process:
        call.db.execute(
            "UPDATE crm_category SET is_default = CASE id WHEN ? THEN 'Y' ELSE 'N' END"
            " WHERE entity_type_id = ?",
            (category.id, kind.entity_type_id),
        )
    _write_origin(call.db, kind, category.id, fields)
    return _reread(call, kind, category.id)


@method("crm.category.delete", scope="crm")
def category_delete(call: Call) -> None:
    """Remove an empty funnel that is not the default one, with its stages."""
    kind = _kind(call)
    _admin(call)
    category = _category(call, kind)
    smart = kind.is_smart_process
    if category.is_default:
        if smart:
            raise RestError("BX_ERROR", "This funnel is the default funnel")
        raise RestError(0, "Default deal category cannot be deleted")
    used = call.db.execute(
        "SELECT 1 FROM crm_item WHERE entity_type_id = ? AND category_id = ? LIMIT 1",
        (kind.entity_type_id, category.id),
    ).fetchone()
    if used:
        if smart:
            raise RestError("BX_ERROR", "Elements related to the funnel found")
        raise RestError(0, f"Deals related to the funnel {category.name} found")
    call.db.execute("DELETE FROM crm_status WHERE entity_id = ?", (kind.stage_entity(category.id),))
    call.db.execute(
        "DELETE FROM crm_category WHERE entity_type_id = ? AND id = ?", (kind.entity_type_id, category.id)
    )
    changed(call.db)


_FIELDS = (
    ("id", "integer", "ID", False, True),
    ("name", "string", "Название", False, False),
    ("sort", "integer", "Сортировка", False, False),
    ("entityTypeId", "integer", "Тип", True, True),
    ("isDefault", "boolean", "По умолчанию", False, False),
)
#: Funnels of deals may come from another system.
_ORIGIN = (
    ("originId", "string", "Внешний код", False, False),
    ("originatorId", "string", "Внешний источник", False, False),
)


@method("crm.category.fields", scope="crm")
def category_fields(call: Call) -> Any:
    """Description of a funnel's fields."""
    kind = _kind(call)
    fixed = kind.entity_type_id == DEAL
    return {
        "fields": {
            name: {
                "type": kind_of,
                "isRequired": need,
                "isReadOnly": read or (fixed and name == "isDefault"),
                "isImmutable": False,
                "isMultiple": False,
                "isDynamic": False,
                "title": title,
                "upperName": upper_name(name),
            }
            for name, kind_of, title, need, read in (*_FIELDS, *(_ORIGIN if fixed else ()))
        }
    }
