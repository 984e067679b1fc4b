"""Moving items between stages, and what the portal asks first: fields to fill, what a lead becomes."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm import conversion
from b24.sandbox.crm.values import is_empty
from b24.sandbox.kernel import RestError
from b24.sandbox.ui.cards import read_item
from b24.sandbox.ui.desk import COMPANY, CONTACT, DEAL, LEAD, desk
from b24.sandbox.ui.editing import addressed, typed
from b24.sandbox.ui.fields import Shown, shown
from b24.sandbox.ui.kanban import chosen_funnel
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    Kind,
    categories,
    classic_kind,
    fields,
    item_title,
    kind_at,
    required_names,
    stages,
)

CLOSED = "/sandbox/ui/closed?IFRAME=Y"


@bp.post("/sandbox/ui/move")
def move() -> Any:
    """Move an item to a stage as the signed-in person: JSON ``entityTypeId``, ``id``, ``stageId``.

    Where the stage asks for something first, nothing is moved and the answer is 422 with ``ask``, the page on
    which it is given.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not str(body.get("id", "")).isdigit():
        abort(400, "Нужны entityTypeId, id и stageId.")
    kind = kind_at(None, int(body["entityTypeId"]) if str(body.get("entityTypeId", "")).isdigit() else 0)
    item_id, stage_id = int(body["id"]), str(body.get("stageId"))
    if kind.entity_type_id == LEAD and is_success(kind, stage_id):
        return {"message": "Выберите, что создать из лида.", "ask": f"/crm/lead/convert/{item_id}/"}, 422
    try:
        item = move_to(kind, item_id, {"stageId": stage_id})
    except RestError as error:
        if error.code != "CRM_FIELD_ERROR_REQUIRED":
            raise
        ask = f"/sandbox/ui/fill?type={kind.entity_type_id}&id={item_id}&stage={stage_id}"
        return {"message": "На этой стадии нужно заполнить поля.", "ask": ask}, 422
    return {"id": item["id"], "stageId": item["stageId"]}


def move_to(kind: Kind, item_id: int, values: dict[str, Any]) -> dict[str, Any]:
    """Write stage and fields at once; the item as it is then."""
    found = desk().call("crm.item.update", entityTypeId=kind.entity_type_id, id=item_id, fields=values)
    return dict(found["item"])


def is_success(kind: Kind, stage_id: str) -> bool:
    """Whether the stage is the successful one of a lead."""
    return any(one.id == stage_id and one.semantics == "success" for one in stages(kind, 0))


def missing(kind: Kind, item: dict[str, Any], stage_id: str) -> list[Shown]:
    """Empty fields the stage asks for, ready to be typed in."""
    about = fields(kind)
    empty = [name for name in required_names(kind, stage_id) if is_empty(item.get(name)) or item[name] == 0]
    return [shown(kind, name, about[name], item) for name in empty if name in about]


@bp.get("/sandbox/ui/fill")
def ask_to_fill() -> str:
    """The fields a stage asks for: ``type``, ``id``, ``stage``."""
    kind = kind_at(None, request.args.get("type", 0, int))
    item = read_item(kind, request.args.get("id", 0, int))
    return fill_page(kind, item, request.args.get("stage", ""))


def fill_page(kind: Kind, item: dict[str, Any], stage_id: str, problem: str = "") -> str:
    """The page on which the missing fields are typed in."""
    stage = next((one for one in stages(kind, int(item.get("categoryId") or 0)) if one.id == stage_id), None)
    if stage is None:
        abort(404, "Такой стадии нет.")
    title = item_title(kind.entity_type_id, item)
    asked = [one for one in missing(kind, item, stage_id) if one.input]
    return render_template(
        "fill.html", kind=kind, item=item, stage=stage, title=title, fields=asked, problem=problem
    )


@bp.post("/sandbox/ui/fill")
def fill() -> Any:
    """Save the asked fields and the move together; the page again with what is wrong."""
    kind, item_id = addressed()
    item, stage_id = read_item(kind, item_id), request.form.get("stage", "")
    sent = [*request.form, *request.files]
    names = [key.removeprefix("value:") for key in sent if key.startswith("value:")]
    values = {name: typed(kind, name, item) for name in dict.fromkeys(names)}
    try:
        move_to(kind, item_id, {**values, "stageId": stage_id})
    except RestError as error:
        return fill_page(kind, {**item, **values}, stage_id, error.description), 400
    return (
        redirect(CLOSED, 303) if request.form.get("slider") == "Y" else redirect(kind.details(item_id), 303)
    )


# Lead conversion.


@bp.get("/crm/lead/convert/<int:lead_id>/")
def ask_what_to_make(lead_id: int) -> str:
    """What a lead is to become."""
    kind = classic_kind(LEAD)
    lead = read_item(kind, lead_id)
    return render_template(
        "convert.html",
        kind=kind,
        item=lead,
        title=item_title(LEAD, lead),
        done=is_success(kind, str(lead.get("stageId"))),
        funnels=categories(classic_kind(DEAL)),
        has_company=bool(lead.get("companyTitle") or lead.get("companyId")),
    )


@bp.post("/crm/lead/convert/<int:lead_id>/")
def convert_lead(lead_id: int) -> Response:
    """Convert the lead into the ticked objects and show the deal, else the contact or company."""
    here = desk()
    wanted = {number for number in (CONTACT, COMPANY, DEAL) if request.form.get(f"make:{number}") == "1"}
    funnel = chosen_funnel(categories(classic_kind(DEAL)), request.form.get("category_id", type=int))
    with here.portal.transaction():
        made = conversion.convert(here.portal, here.user_id, lead_id, wanted, category_id=int(funnel["id"]))
    found = {DEAL: made.deal_id, CONTACT: made.contact_id, COMPANY: made.company_id, LEAD: lead_id}
    number = next(one for one in found if found[one])
    slider = "?IFRAME=Y&IFRAME_TYPE=SIDE_SLIDER" if request.form.get("slider") == "Y" else ""
    return redirect(classic_kind(number).details(found[number]) + slider, 303)
