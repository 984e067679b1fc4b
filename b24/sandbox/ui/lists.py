"""Lists of CRM objects: columns, search, responsible, pages of fifty."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from b24.sandbox.ui.desk import COMPANY, CONTACT, LEAD, desk
from b24.sandbox.ui.fields import Shown, shown, suggestion
from b24.sandbox.ui.kanban import chosen_funnel, gather_titles, search_filter
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    Kind,
    categories,
    fields,
    item_title,
    kind_at,
    people,
    stages,
)

PAGE = 50
COLUMNS: dict[int, tuple[str, ...]] = {
    LEAD: ("stageId", "companyTitle", "sourceId", "assignedById", "createdTime"),
    CONTACT: ("companyId", "post", "assignedById", "createdTime"),
    COMPANY: ("typeId", "industry", "assignedById", "createdTime"),
}
STAGED_COLUMNS = ("stageId", "companyId", "contactId", "opportunity", "assignedById", "createdTime")
WITH_PHONES = (CONTACT, COMPANY, LEAD)


@bp.get("/crm/<any(lead, deal, contact, company):slug>/list/")
@bp.get("/crm/<any(deal):slug>/list/category/<int:category_id>/")
@bp.get("/crm/type/<int:entity_type_id>/list/")
@bp.get("/crm/type/<int:entity_type_id>/list/category/<int:category_id>/")
def listing(
    slug: str | None = None, entity_type_id: int | None = None, category_id: int | None = None
) -> str:
    """A page of the list; ``?q=``, ``?assigned=``, ``?stage=``, ``?start=`` narrow and turn it."""
    kind = kind_at(slug, entity_type_id)
    wanted = list_filter(kind, category_id)
    start = max(0, request.args.get("start", 0, int)) // PAGE * PAGE
    rows, total = desk().items(
        kind.entity_type_id, filter=wanted, order={"id": "DESC"}, start=start, select=list_fields(kind)
    )
    gather_titles(rows)
    funnels = categories(kind)
    funnel = chosen_funnel(funnels, category_id)
    return render_template(
        "list.html",
        kind=kind,
        rows=[row_cells(kind, row) for row in rows],
        total=total,
        start=start,
        page=PAGE,
        columns=[(name, fields(kind)[name]["title"]) for name in columns(kind)],
        funnels=funnels,
        funnel=funnel,
        phones=kind.entity_type_id in WITH_PHONES,
        stages=stages(kind, int(funnel["id"])),
        colleagues=[row for row in people().values() if row["ACTIVE"]],
    )


def list_filter(kind: Kind, category_id: int | None) -> dict[str, Any]:
    """What the address asks for."""
    wanted = search_filter(kind)
    if category_id is not None and "categoryId" in fields(kind):
        wanted["=categoryId"] = category_id
    stage = request.args.get("stage", "")
    if stage and kind.has_stages:
        wanted["=stageId"] = stage
    return wanted


def columns(kind: Kind) -> list[str]:
    """Columns of the list besides the title, as far as the type has the fields."""
    wanted = COLUMNS.get(kind.entity_type_id, STAGED_COLUMNS)
    return [name for name in wanted if name in fields(kind)]


def list_fields(kind: Kind) -> list[str]:
    """Fields one row needs."""
    more = ["name", "lastName", "phone", "email"] if kind.entity_type_id in WITH_PHONES else []
    extra = [name for name in ("title", "categoryId", "currencyId") if name in fields(kind)]
    return ["id", *extra, *more, *columns(kind)]


def row_cells(kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
    """A row ready for the template."""
    cells: list[Shown] = [shown(kind, name, as_column(kind, name), row) for name in columns(kind)]
    return {
        "id": row["id"],
        "title": item_title(kind.entity_type_id, row),
        "href": kind.details(row["id"]),
        "cells": cells,
        "phone": row.get("phone") or "",
        "mail": row.get("email") or "",
    }


def as_column(kind: Kind, name: str) -> dict[str, Any]:
    """The field as a list shows it: moments by their day only, as there is little room."""
    about = fields(kind)[name]
    return {**about, "type": "date"} if about["type"] == "datetime" else about


def communications(row: dict[str, Any], type_id: str) -> list[str]:
    """Phones or e-mails of a contact, company or lead."""
    rows = row.get("fm")
    return (
        [str(one["value"]) for one in rows if one.get("typeId") == type_id] if isinstance(rows, list) else []
    )


@bp.get("/sandbox/ui/suggest")
def suggest() -> dict[str, list[str]]:
    """Cards for the editor of a link: ``type`` and what was typed so far in ``q``."""
    kind = kind_at(None, request.args.get("type", 0, int))
    select = ["id", "title"] if kind.entity_type_id != CONTACT else ["id", "name", "lastName"]
    rows, _ = desk().items(
        kind.entity_type_id, filter=search_filter(kind), order={"id": "DESC"}, select=select
    )
    return {"found": [suggestion(item_title(kind.entity_type_id, row), int(row["id"])) for row in rows[:20]]}
