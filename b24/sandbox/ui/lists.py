"""Lists of CRM objects: columns, search, responsible, pages of fifty."""

from __future__ import annotations

import json
from typing import Any

from flask import render_template, request

from b24.sandbox.ui.desk import COMPANY, CONTACT, LEAD, desk
from b24.sandbox.ui.fields import Shown, shown, suggestion
from b24.sandbox.ui.kanban import chosen_funnel, gather_titles, search_filter
from b24.sandbox.ui.narrowing import narrowed, questions
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    SLUGS,
    Kind,
    categories,
    classic_kind,
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
    asked = questions(kind, columns(kind))
    wanted = list_filter(kind, category_id) | narrowed(kind, asked)
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
        asked=asked,
        narrowed_by=[one for one in asked if any(one.given)],
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


@bp.get("/sandbox/ui/crm-search")
def crm_search() -> dict[str, list[dict[str, str]]]:
    """Cards for the dialog of ``BX24.selectCRM``: ``types`` (lead, deal …), what was typed in ``q``, or ``value``.

    ``value`` is JSON ``{"deal": [1, 2]}``, the cards chosen beforehand.
    Source: sdk/bx24-js-sdk/system-dialogues/bx24-select-crm.md.
    """
    types = [one for one in request.args.get("types", "").split(",") if one in SLUGS] or list(SLUGS)
    value = chosen_before(request.args.get("value", ""))
    found: list[dict[str, str]] = []
    for slug in types:
        kind = classic_kind(SLUGS[slug])
        wanted = search_filter(kind)
        if value is not None:
            wanted = {"@id": value.get(slug) or [0]}
        rows, _ = desk().items(kind.entity_type_id, filter=wanted, order={"id": "DESC"})
        found += [selected_card(kind, slug, row) for row in rows[:20]]
    return {"found": found}


def chosen_before(text: str) -> dict[str, list[int]] | None:
    """Ids by type out of JSON; ``None`` for anything else."""
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    listed = {str(name): ids for name, ids in found.items() if isinstance(ids, list)}
    return {name: [int(one) for one in ids if str(one).isdigit()] for name, ids in listed.items()}


def selected_card(kind: Kind, slug: str, row: dict[str, Any]) -> dict[str, str]:
    """A card as ``BX24.selectCRM`` gives it to the application."""
    return {
        "id": f"{kind.task_prefix}_{row['id']}",
        "type": slug,
        "place": slug,
        "title": item_title(kind.entity_type_id, row),
        "desc": str(row.get("post") or ""),
        "url": f"/crm/{slug}/show/{row['id']}/",
    }
