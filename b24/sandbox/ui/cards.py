"""A card of a CRM object: stages, fields as laid out, timeline, related items, application tabs."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template, request

from b24.sandbox.crm.objects import WITH_COMMUNICATIONS
from b24.sandbox.kernel import RestError
from b24.sandbox.ui.desk import COMPANY, CONTACT, DEAL, LEAD, desk
from b24.sandbox.ui.fields import LINKED, Shown, shown
from b24.sandbox.ui.kanban import chosen_funnel
from b24.sandbox.ui.lists import communications
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    Kind,
    categories,
    fields,
    item_title,
    kind_at,
    kinds,
    stages,
)
from b24.sandbox.ui.timeline import timeline
from b24.sandbox.ui.widgets import widgets

PSEUDO = {
    "CLIENT": ("companyId", "contactId", "contactIds"),
    "OPPORTUNITY_WITH_CURRENCY": ("opportunity", "currencyId"),
    "UTM": ("utmSource", "utmMedium", "utmCampaign", "utmContent", "utmTerm"),
    "OBSERVER": ("observers",),
    "COMPANY": ("companyId", "companyIds"),
    "FULL_NAME": ("name", "lastName"),
}
DEFAULT_FIELDS: dict[int, tuple[str, ...]] = {
    LEAD: (
        "title",
        "stageId",
        "opportunity",
        "currencyId",
        "name",
        "lastName",
        "companyTitle",
        "sourceId",
        "assignedById",
    ),
    DEAL: (
        "title",
        "stageId",
        "opportunity",
        "currencyId",
        "closedate",
        "companyId",
        "contactIds",
        "typeId",
        "sourceId",
        "begindate",
        "assignedById",
        "comments",
    ),
    CONTACT: (
        "lastName",
        "name",
        "secondName",
        "post",
        "companyIds",
        "typeId",
        "sourceId",
        "assignedById",
        "comments",
    ),
    COMPANY: ("title", "typeId", "industry", "employees", "contactIds", "assignedById", "comments"),
}
SMART_FIELDS = (
    "title",
    "stageId",
    "companyId",
    "contactIds",
    "begindate",
    "closedate",
    "opportunity",
    "currencyId",
    "sourceId",
    "assignedById",
)
ALSO_SHOWN = ("createdTime", "createdBy", "updatedTime", "movedTime", "webformId", "sourceDescription")


@bp.get("/crm/<any(lead, deal, contact, company):slug>/details/<int:item_id>/")
@bp.get("/crm/<any(lead, deal, contact, company):slug>/show/<int:item_id>/")
@bp.get("/crm/type/<int:entity_type_id>/details/<int:item_id>/")
def details(item_id: int, slug: str | None = None, entity_type_id: int | None = None) -> Any:
    """The card; id 0 is the form of a new item."""
    kind = kind_at(slug, entity_type_id)
    if item_id == 0:
        return new_item(kind)
    item = read_item(kind, item_id)
    category_id = int(item.get("categoryId") or 0)
    return render_template(
        "card.html",
        kind=kind,
        item=item,
        title=item_title(kind.entity_type_id, item),
        category_id=category_id,
        stages=stages(kind, category_id),
        sections=sections(kind, item),
        related=related(kind, item),
        phones=communications(item, "PHONE"),
        mails=communications(item, "EMAIL"),
        timeline=timeline(kind, item),
        tabs=widgets(kind.place("DETAIL_TAB")),
        talks=kind.entity_type_id in WITH_COMMUNICATIONS,
        convertible=kind.entity_type_id == LEAD and in_progress(kind, item),
    )


def in_progress(kind: Kind, item: dict[str, Any]) -> bool:
    """Whether the item stands on no final stage."""
    return any(one.id == item.get("stageId") and one.semantics == "process" for one in stages(kind, 0))


def read_item(kind: Kind, item_id: int) -> dict[str, Any]:
    """The item as the signed-in person may read it; 404 when it is gone, 403 when it is not theirs to see."""
    try:
        return dict(desk().call("crm.item.get", entityTypeId=kind.entity_type_id, id=item_id)["item"])
    except RestError as error:
        if error.code == "ACCESS_DENIED":
            abort(403, "У вас нет прав на просмотр этой карточки.")
        abort(404, "Карточка удалена, или её никогда не было.")


def new_item(kind: Kind) -> str:
    """The form of a new item, in the funnel of ``?category_id=``."""
    raw = request.args.get("category_id", type=int)
    funnel = chosen_funnel(categories(kind), raw)
    category_id = int(funnel["id"])
    first = next((one.id for one in stages(kind, category_id) if one.semantics == "process"), "")
    item = {"id": 0, "categoryId": category_id, "assignedById": desk().user_id, "stageId": first}
    editable = [one for section in sections(kind, item) for one in section["fields"] if one.input]
    talks = kind.entity_type_id in WITH_COMMUNICATIONS
    return render_template("new_item.html", kind=kind, item=item, fields=editable, funnel=funnel, talks=talks)


def sections(kind: Kind, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The sections of the card with their fields; what the layout leaves out stands in a folded last one."""
    about = fields(kind)
    by_upper = {str(one.get("upperName") or name): name for name, one in about.items()}
    shown_names: set[str] = set()
    result = []
    for section in configured(kind, item) or default_layout(kind):
        names = [
            name for element in section["elements"] for name in field_names(str(element["name"]), by_upper)
        ]
        names = [name for name in dict.fromkeys(names) if name in about and name not in shown_names]
        shown_names.update(names)
        result.append(
            {"title": section["title"], "fields": [shown(kind, name, about[name], item) for name in names]}
        )
    rest = [shown(kind, name, about[name], item) for name in other_names(about, shown_names)]
    filled = [one for one in rest if one.parts]
    if filled:
        result.append({"title": "Ещё поля", "fields": filled, "folded": True})
    return result


def configured(kind: Kind, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The layout set by ``crm.item.details.configuration.set``: the person's own one, else everybody's."""
    category_id = int(item.get("categoryId") or 0)
    extras = {"dealCategoryId": category_id} if kind.entity_type_id == DEAL else {"categoryId": category_id}
    for scope in ("P", "C"):
        try:
            found = desk().call(
                "crm.item.details.configuration.get",
                entityTypeId=kind.entity_type_id,
                scope=scope,
                extras=extras,
            )
        except RestError:
            found = None
        if found:
            return [flatten(section) for section in found]
    return []


def flatten(section: dict[str, Any]) -> dict[str, Any]:
    """A section, or a column of sections, as one title with its elements."""
    elements: list[dict[str, Any]] = []
    for element in section.get("elements") or []:
        if isinstance(element.get("elements"), list):
            elements.extend(element["elements"])
        else:
            elements.append(element)
    return {"title": str(section.get("title") or ""), "elements": elements}


def default_layout(kind: Kind) -> list[dict[str, Any]]:
    """What a portal shows before anybody arranged the card: main fields, then custom ones."""
    about = fields(kind)
    main = DEFAULT_FIELDS.get(kind.entity_type_id, SMART_FIELDS)
    parents = [name for name in about if name.startswith("parentId")]
    custom = [name for name in about if name.lower().startswith(("ufcrm", "uf_crm"))]
    elements = [{"name": name} for name in (*main, *parents)]
    layout = [{"title": "Основное", "elements": elements}]
    if custom:
        layout.append({"title": "Дополнительно", "elements": [{"name": name} for name in custom]})
    return layout


def field_names(element: str, by_upper: dict[str, str]) -> tuple[str, ...]:
    """REST names of the fields behind an element of the layout."""
    if element in PSEUDO:
        return PSEUDO[element]
    return (by_upper.get(element, element),)


def other_names(about: dict[str, dict[str, Any]], taken: set[str]) -> list[str]:
    """Fields outside the layout worth showing when they are filled."""
    wanted = [
        *ALSO_SHOWN,
        *(name for name in about if name.startswith(("parentId", "ufCrm", "utm", "UF_CRM"))),
    ]
    return [name for name in dict.fromkeys(wanted) if name in about and name not in taken]


def related(kind: Kind, item: dict[str, Any]) -> list[dict[str, Any]]:
    """Items of every type that point to this one: children, deals of a company, contacts …"""
    groups = []
    for other in kinds():
        name = link_field(kind.entity_type_id, other)
        if not name:
            continue
        rows, total = desk().items(
            other.entity_type_id,
            filter={f"={name}": item["id"]},
            order={"id": "DESC"},
            select=link_select(other),
        )
        if total:
            groups.append(
                {"kind": other, "total": total, "rows": [related_row(other, row) for row in rows[:20]]}
            )
    return groups


def link_field(entity_type_id: int, other: Kind) -> str:
    """The field by which items of ``other`` point to this type; empty where they do not."""
    about = fields(other)
    if f"parentId{entity_type_id}" in about:
        return f"parentId{entity_type_id}"
    code = next((code for code, number in LINKED.items() if number == entity_type_id), "")
    single = {"crm_contact": "contactId", "crm_company": "companyId"}.get(code, "")
    return single if single in about and other.entity_type_id != entity_type_id else ""


def link_select(other: Kind) -> list[str]:
    """Fields of a related row."""
    wanted = (
        "id",
        "title",
        "name",
        "lastName",
        "stageId",
        "categoryId",
        "assignedById",
        "opportunity",
        "currencyId",
    )
    return [name for name in wanted if name in fields(other)]


def related_row(other: Kind, row: dict[str, Any]) -> dict[str, Any]:
    """A related item ready for the template."""
    about = fields(other)
    cells: list[Shown] = [
        shown(other, name, about[name], row)
        for name in ("stageId", "opportunity", "assignedById")
        if name in about
    ]
    texts = [part for cell in cells for part in cell.parts]
    return {"title": item_title(other.entity_type_id, row), "href": other.details(row["id"]), "parts": texts}
