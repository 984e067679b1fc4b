"""Settings of a funnel: its name, its stages, and the fields a stage asks for. Administrators only."""

from __future__ import annotations

import secrets
from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm import stage_rules
from b24.sandbox.crm.objects import LEAD
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.kanban import chosen_funnel
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import Kind, categories, fields, kind_at, stage_entity, stages, statuses

SEMANTICS = {"process": "в работе", "success": "успех", "failure": "провал"}


def demand_administrator() -> None:
    """403 for everybody who does not administer the portal."""
    here = desk()
    if not here.portal.is_admin(here.user_id):
        abort(403, "Это настраивает администратор портала.")


def staged_kind(slug: str | None, entity_type_id: int | None) -> Kind:
    """The type of the address; 404 for one without stages."""
    kind = kind_at(slug, entity_type_id)
    if not kind.has_stages:
        abort(404, "У этого типа нет стадий.")
    return kind


def stored_type(kind: Kind) -> ObjectType:
    """The type as the portal keeps it."""
    with desk().portal.transaction() as db:
        return read_schema(db).type(kind.entity_type_id)


def addressed_funnel() -> tuple[Kind, int]:
    """Type and funnel a settings form is about."""
    kind = staged_kind(None, request.form.get("type", 0, int))
    return kind, int(chosen_funnel(categories(kind), request.form.get("category", 0, int))["id"])


def settings_path(kind: Kind, category_id: int) -> str:
    """Where the settings of a funnel are."""
    return f"/crm/{kind.slug}/settings/category/{category_id}/"


@bp.get("/crm/<any(lead, deal):slug>/settings/category/<int:category_id>/")
@bp.get("/crm/type/<int:entity_type_id>/settings/category/<int:category_id>/")
def funnel_settings(category_id: int, slug: str | None = None, entity_type_id: int | None = None) -> str:
    """Stages, funnels and required fields of a type."""
    demand_administrator()
    kind = staged_kind(slug, entity_type_id)
    funnels = categories(kind)
    funnel = chosen_funnel(funnels, category_id)
    rows = {str(row["STATUS_ID"]): row for row in statuses(stage_entity(kind, category_id))}
    shown_stages = [
        {"stage": one, "id": rows[one.id]["ID"], "sort": rows[one.id]["SORT"]}
        for one in stages(kind, category_id)
    ]
    return render_template(
        "funnel.html",
        kind=kind,
        funnel=funnel,
        funnels=funnels,
        stages=shown_stages,
        semantics=SEMANTICS,
        several=kind.entity_type_id != LEAD,
        required=required_rows(kind, category_id),
        choosable=choosable(kind),
    )


def required_rows(kind: Kind, category_id: int) -> list[dict[str, Any]]:
    """Fields asked for on stages of the funnel, with the stages' names."""
    about, names = stored_type(kind), {one.id: one.name for one in stages(kind, category_id)}
    by_field: dict[str, list[str]] = {}
    for stage_id, uppers in about.stage_required.items():
        if stage_id in names:
            for upper in uppers:
                by_field.setdefault(upper, []).append(stage_id)
    order = list(names)
    return [
        {
            "upper": upper,
            "title": about.by_upper[upper].title,
            "stages": [names[one] for one in sorted(found, key=order.index)],
        }
        for upper, found in sorted(by_field.items())
        if upper in about.by_upper
    ]


def choosable(kind: Kind) -> list[tuple[str, str]]:
    """Fields that can be asked for: database name and title."""
    return sorted(
        (
            (str(one["upperName"]), str(one["title"]))
            for name, one in fields(kind).items()
            if not one.get("isReadOnly") and one["type"] not in ("boolean", "char") and name != "stageId"
        ),
        key=lambda pair: pair[1],
    )


@bp.post("/sandbox/ui/stage")
def save_stage() -> Response:
    """Add a stage (no ``stage``) or change its ``name``, ``color``, ``sort``; ``delete=1`` removes it."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    stage = request.form.get("stage", 0, int)
    wanted = {
        "NAME": request.form.get("name", "").strip(),
        "COLOR": request.form.get("color", ""),
        "SORT": request.form.get("sort", 10, int),
    }
    if request.form.get("delete") == "1":
        desk().call("crm.status.delete", id=stage, params={"FORCED": "Y"})
    elif stage:
        desk().call("crm.status.update", id=stage, fields=wanted)
    else:
        new = {
            "ENTITY_ID": stage_entity(kind, category_id),
            "STATUS_ID": f"UC_{secrets.token_hex(3).upper()}",
        }
        ends = {"SEMANTICS": "F"} if request.form.get("semantics") == "failure" else {}
        desk().call("crm.status.add", fields={**wanted, **new, **ends})
    return redirect(settings_path(kind, category_id), 303)


@bp.post("/sandbox/ui/funnel")
def save_funnel() -> Response:
    """Add a funnel (``new=1``), rename or delete (``delete=1``) the addressed one."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    place = {"entityTypeId": kind.entity_type_id}
    name = request.form.get("name", "").strip()
    if request.form.get("delete") == "1":
        desk().call("crm.category.delete", **place, id=category_id)
        return redirect(kind.home, 303)
    if request.form.get("new") == "1":
        made = desk().call("crm.category.add", **place, fields={"name": name})["category"]
        category_id = int(made["id"])
    else:
        desk().call("crm.category.update", **place, id=category_id, fields={"name": name})
    return redirect(settings_path(kind, category_id), 303)


@bp.post("/sandbox/ui/required")
def save_required() -> Response:
    """Make a ``field`` mandatory on the ticked ``stage`` values of the funnel; none makes it optional."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    own = {one.id for one in stages(kind, category_id)}
    upper, ticked = request.form.get("field", ""), set(request.form.getlist("stage"))
    if not ticked <= own:
        abort(400, "Такой стадии в воронке нет.")
    about = stored_type(kind)
    elsewhere = [one for one, uppers in about.stage_required.items() if upper in uppers and one not in own]
    with desk().portal.transaction() as db:
        try:
            stage_rules.require(db, about, upper, [*elsewhere, *sorted(ticked)])
        except ValueError:
            abort(400, "Такого поля нет.")
    return redirect(settings_path(kind, category_id), 303)
