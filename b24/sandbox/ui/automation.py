"""«Роботы и триггеры»: what a funnel does by itself. Administrators only."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox import apps
from b24.sandbox.crm import robots, triggers
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import choices
from b24.sandbox.ui.funnels import addressed_funnel, demand_administrator, staged_kind, stored_type
from b24.sandbox.ui.kanban import chosen_funnel
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import Kind, categories, fields, people, person_name, stages

SETTINGS = ("user_id", "field", "value", "stage_id", "title", "days", "text")


@bp.get("/crm/<any(lead, deal):slug>/automation/<int:category_id>/")
@bp.get("/crm/type/<int:entity_type_id>/automation/<int:category_id>/")
def automation_page(category_id: int, slug: str | None = None, entity_type_id: int | None = None) -> str:
    """Stages of a funnel side by side with their triggers and robots."""
    demand_administrator()
    kind = staged_kind(slug, entity_type_id)
    funnels = categories(kind)
    funnel = chosen_funnel(funnels, category_id)
    number = int(funnel["id"])
    with desk().portal.transaction() as db:
        own_robots = robots.of_funnel(db, kind.entity_type_id, number)
        rules = [rule for rule in triggers.rules_of(db) if here_is(kind, number, rule)]
    return render_template(
        "automation.html",
        kind=kind,
        funnel=funnel,
        funnels=funnels,
        columns=[
            {
                "stage": one,
                "robots": [shown_robot(kind, number, each) for each in own_robots if each.stage_id == one.id],
                "triggers": [shown_rule(each) for each in rules if each["stage_id"] == one.id],
            }
            for one in stages(kind, number)
        ],
        on=robots.enabled(stored_type(kind)),
        switchable=kind.slug.startswith("type/"),
        actions={code: name for code, (name, _) in robots.ACTIONS.items()},
        colleagues=[row for row in people().values() if row["ACTIVE"]],
        fields=writable(kind),
        offered=offered_triggers(),
    )


def here_is(kind: Kind, category_id: int, rule: dict[str, Any]) -> bool:
    """Whether a trigger stands in this funnel."""
    return (rule["entity_type_id"], rule["category_id"]) == (kind.entity_type_id, category_id)


def writable(kind: Kind) -> list[tuple[str, str]]:
    """Fields a robot can change: database name and title."""
    return [
        (str(one["upperName"]), str(one["title"]))
        for name, one in fields(kind).items()
        if not one.get("isReadOnly") and name not in ("stageId", "categoryId") and one["type"] != "file"
    ]


def shown_robot(kind: Kind, category_id: int, robot: robots.Robot) -> dict[str, Any]:
    """A robot in words."""
    settings, names = robot.settings, {one.id: one.name for one in stages(kind, category_id)}
    title = dict(writable(kind)).get(str(settings.get("field")), str(settings.get("field")))
    texts = {
        "assign": person_name(settings.get("user_id")),
        "field": f"{title} = {settings.get('value')}",
        "move": names.get(str(settings.get("stage_id")), str(settings.get("stage_id"))),
        "task": f"{settings.get('title')}, срок {settings.get('days') or 1} дн.",
        "comment": str(settings.get("text")),
    }
    name = robots.ACTIONS[robot.action][0] if robot.action in robots.ACTIONS else robot.action
    return {"id": robot.id, "name": name, "text": texts.get(robot.action, ""), "active": robot.active}


def shown_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A trigger on a stage in words."""
    name = rule["name"] if rule["app_id"] else f"Входящий вебхук, код {rule['code']}"
    return {"id": rule["id"], "name": name or rule["code"]}


def offered_triggers() -> list[tuple[str, str]]:
    """Triggers that can be put on a stage: ``app:code`` and name; an empty value is a webhook's."""
    here = desk().portal
    with here.transaction() as db:
        rows = db.execute("SELECT app_id, code, name FROM crm_trigger ORDER BY app_id, name").fetchall()
        names = {app.id: app.title for app in apps.every(here)}
    found = [
        (f"{row['app_id']}:{row['code']}", f"{row['name']} ({names.get(row['app_id'], '')})") for row in rows
    ]
    return [*found, ("", "Входящий вебхук")]


def back(kind: Kind, category_id: int) -> Response:
    """The page of the funnel again."""
    return redirect(f"/crm/{kind.slug}/automation/{category_id}/", 303)


@bp.post("/sandbox/ui/robot")
def put_robot() -> Response:
    """Put a robot on a ``stage``: ``action`` and what the action needs."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    settings = {name: request.form[name].strip() for name in SETTINGS if request.form.get(name, "").strip()}
    if request.form.get("action") == "field":
        settings["value"] = as_stored(kind, category_id, settings)
    wanted = {
        "entity_type_id": kind.entity_type_id,
        "category_id": category_id,
        "stage_id": request.form.get("stage", ""),
        "action": request.form.get("action", ""),
        "settings": settings,
    }
    with desk().portal.transaction():
        robots.put(desk().portal, wanted)
    return back(kind, category_id)


def as_stored(kind: Kind, category_id: int, settings: dict[str, Any]) -> str:
    """What a person typed as the value of a field: the name of a list's option becomes its code, да becomes Y."""
    typed = str(settings.get("value", ""))
    for name, about in fields(kind).items():
        if about["upperName"] != settings.get("field"):
            continue
        if about["type"] in ("boolean", "char"):
            yes = typed.casefold() in ("да", "1", "y")
            return ("1" if yes else "0") if about.get("isDynamic") else ("Y" if yes else "N")
        options = choices(kind, name, about, {"categoryId": category_id})
        return next((value for value, text in options if text.casefold() == typed.casefold()), typed)
    return typed


@bp.post("/sandbox/ui/robot/<any(remove, on, off):action>")
def change_robot(action: str) -> Response:
    """Take a robot away or switch it: form field ``robot``."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    robot_id = request.form.get("robot", 0, int)
    with desk().portal.transaction() as db:
        known = (
            robots.remove(db, robot_id)
            if action == "remove"
            else robots.switch(db, robot_id, on=action == "on")
        )
    if not known:
        abort(404, "Такого робота нет.")
    return back(kind, category_id)


@bp.post("/sandbox/ui/automation")
def switch_automation() -> Response:
    """Switch the robots of a smart process on (``on=1``) or off, as its settings do."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    type_id = stored_type(kind).type_id
    if type_id is None:
        abort(400, "У лидов и сделок роботы не выключаются.")
    wanted = {"isAutomationEnabled": "Y" if request.form.get("on") == "1" else "N"}
    desk().call("crm.type.update", id=type_id, fields=wanted)
    return back(kind, category_id)


@bp.post("/sandbox/ui/trigger")
def put_trigger() -> Response:
    """Put a ``trigger`` (``app:code``, empty for a webhook's) on a ``stage``; ``remove`` takes a rule away."""
    demand_administrator()
    kind, category_id = addressed_funnel()
    app_id, _, code = request.form.get("trigger", "").partition(":")
    with desk().portal.transaction() as db:
        if request.form.get("remove"):
            rule = (request.form.get("remove", 0, int), kind.entity_type_id)
            db.execute("DELETE FROM crm_trigger_rule WHERE id = ? AND entity_type_id = ?", rule)
            return back(kind, category_id)
        wanted = {
            "entity_type_id": kind.entity_type_id,
            "category_id": category_id,
            "stage_id": request.form.get("stage", ""),
            "app_id": int(app_id) if app_id.isascii() and app_id.isdigit() else None,
            "code": code,
            "backwards": request.form.get("backwards") == "1",
        }
        try:
            triggers.put_on_stage(desk().portal, wanted)
        except ValueError:
            abort(400, "Такой стадии или такого триггера нет.")
    return back(kind, category_id)
