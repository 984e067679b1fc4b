"""The kanban of a funnel: columns by stage with counts and amounts, cards dragged between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, render_template, request

from b24.sandbox.ui.desk import COMPANY, CONTACT, desk
from b24.sandbox.ui.fields import show_moment, show_money
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    Kind,
    Stage,
    categories,
    fields,
    item_title,
    kind_at,
    people,
    person_name,
    remember_titles,
    stages,
    title_of,
)

SHOWN_AT_ONCE = 20
SUMMED_AT_MOST = 1000


@dataclass(frozen=True)
class Column:
    """A stage with its first cards; ``rest`` of the ``total`` come on «ещё»."""

    stage: Stage
    total: int
    amount: str
    cards: list[dict[str, Any]]
    rest: int


@bp.get("/crm/<any(lead, deal):slug>/kanban/")
@bp.get("/crm/<any(lead, deal):slug>/kanban/category/<int:category_id>/")
@bp.get("/crm/<any(deal):slug>/category/<int:category_id>/")
@bp.get("/crm/type/<int:entity_type_id>/kanban/")
@bp.get("/crm/type/<int:entity_type_id>/kanban/category/<int:category_id>/")
def kanban(slug: str | None = None, entity_type_id: int | None = None, category_id: int | None = None) -> str:
    """The kanban of one funnel, the default one where the address names none."""
    kind = kind_at(slug, entity_type_id)
    if not kind.has_stages:
        abort(404, "У этого типа нет стадий, откройте список.")
    funnels = categories(kind)
    funnel = chosen_funnel(funnels, category_id)
    columns = [column(kind, int(funnel["id"]), stage) for stage in stages(kind, int(funnel["id"]))]
    return render_template(
        "kanban.html",
        kind=kind,
        funnel=funnel,
        funnels=funnels,
        columns=columns,
        colleagues=[row for row in people().values() if row["ACTIVE"]],
    )


def chosen_funnel(funnels: list[dict[str, Any]], category_id: int | None) -> dict[str, Any]:
    """The funnel of the address; the default one without a number; 404 for an unknown number."""
    if category_id is None:
        return next((one for one in funnels if one.get("isDefault") == "Y"), funnels[0])
    found = next((one for one in funnels if int(one["id"]) == category_id), None)
    if found is None:
        abort(404, "Такой воронки нет.")
    return found


def search_filter(kind: Kind) -> dict[str, Any]:
    """What the search line and the responsible's list of the page ask for."""
    wanted: dict[str, Any] = {}
    text = request.args.get("q", "").strip()
    if text:
        names = ("lastName", "name") if kind.entity_type_id == CONTACT else ("title",)
        ways: list[dict[str, Any]] = [{f"%{name}": text} for name in names]
        if text.isascii() and text.isdigit() and len(text) < 13:
            ways.append({"=id": int(text)})
        wanted["0"] = {"logic": "OR"} | {str(place): way for place, way in enumerate(ways)}
    assigned = request.args.get("assigned", "")
    if assigned.isascii() and assigned.isdigit():
        wanted["assignedById"] = int(assigned)
    return wanted


def column(kind: Kind, category_id: int, stage: Stage, *, below: int | None = None) -> Column:
    """One column, newest cards first; ``below`` continues after the card with this id."""
    wanted = {**search_filter(kind), "=stageId": stage.id}
    if "categoryId" in fields(kind):
        wanted["=categoryId"] = category_id
    page = dict(wanted) if below is None else {**wanted, "<id": below}
    rows, left = desk().items(
        kind.entity_type_id, filter=page, order={"id": "DESC"}, select=card_fields(kind)
    )
    shown = rows[:SHOWN_AT_ONCE]
    gather_titles(shown)
    amount = amount_of(kind, wanted, rows, left) if below is None else ""
    return Column(stage, left, amount, [card(kind, row) for row in shown], max(0, left - len(shown)))


def card_fields(kind: Kind) -> list[str]:
    """Fields a kanban card needs, as far as the type has them."""
    wanted = (
        "id",
        "title",
        "createdTime",
        "assignedById",
        "companyId",
        "contactId",
        "opportunity",
        "currencyId",
        "stageId",
    )
    return [name for name in wanted if name in fields(kind)]


def gather_titles(rows: list[dict[str, Any]]) -> None:
    """Read names of the companies and contacts of all cards at once."""
    for name, number in (("companyId", COMPANY), ("contactId", CONTACT)):
        remember_titles(number, {int(row.get(name) or 0) for row in rows})


def card(kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
    """A kanban card ready for the template."""
    client = [
        title_of(number, int(row[name]))
        for name, number in (("companyId", COMPANY), ("contactId", CONTACT))
        if int(row.get(name) or 0)
    ]
    amount = row.get("opportunity") or 0
    return {
        "id": row["id"],
        "title": item_title(kind.entity_type_id, row),
        "href": kind.details(row["id"]),
        "client": client,
        "amount": show_money(amount, row.get("currencyId")) if amount else "",
        "created": show_moment(str(row.get("createdTime") or ""), with_time=False),
        "assigned": person_name(row.get("assignedById")),
    }


def amount_of(kind: Kind, wanted: dict[str, Any], first: list[dict[str, Any]], total: int) -> str:
    """Sum of the column's amounts by currency; nothing for types without money and for very long columns."""
    if "opportunity" not in fields(kind) or total > SUMMED_AT_MOST:
        return ""
    sums: dict[str, float] = {}
    rows = first
    while rows:
        for row in rows:
            code = str(row.get("currencyId") or "")
            sums[code] = sums.get(code, 0.0) + float(row.get("opportunity") or 0)
        rows = rows_below(kind, wanted, int(rows[-1]["id"])) if len(rows) == 50 else []
    return " · ".join(show_money(value, code) for code, value in sums.items() if value)


def rows_below(kind: Kind, wanted: dict[str, Any], item_id: int) -> list[dict[str, Any]]:
    """The next page of amounts below an id."""
    rows, _ = desk().items(
        kind.entity_type_id,
        filter={**wanted, "<id": item_id},
        order={"id": "DESC"},
        start=-1,
        select=["id", "opportunity", "currencyId"],
    )
    return rows


@bp.get("/sandbox/ui/column")
def more_cards() -> str:
    """Further cards of a column as a piece of HTML: ``type``, ``category``, ``stage``, ``below``."""
    kind = kind_at(None, request.args.get("type", 0, int))
    funnel = chosen_funnel(categories(kind), request.args.get("category", 0, int))
    stage = next(
        (one for one in stages(kind, int(funnel["id"])) if one.id == request.args.get("stage")), None
    )
    if stage is None:
        abort(404, "Такой стадии нет.")
    below = request.args.get("below", 0, int)
    return render_template(
        "_column.html", kind=kind, funnel=funnel, column=column(kind, int(funnel["id"]), stage, below=below)
    )
