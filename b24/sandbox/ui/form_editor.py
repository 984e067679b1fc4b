"""The editor of CRM forms: what a form asks, what it makes, and what happens to clients who are known already."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm import forms
from b24.sandbox.ui.desk import COMPANY, CONTACT, LEAD, desk
from b24.sandbox.ui.fields import choices, number_at_the_end
from b24.sandbox.ui.funnels import demand_administrator
from b24.sandbox.ui.kanban import chosen_funnel
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import (
    Kind,
    categories,
    classic_kind,
    fields,
    kind_at,
    kind_of,
    people,
    smart_kinds,
)

MODES = {
    "merge": "дополнить найденного клиента",
    "replace": "заменить данные найденного клиента",
    "allow": "всегда создавать нового клиента",
}
KEYS = ("name", "caption", "kind", "entity", "target")
GUEST_FIELDS = (
    ("LAST_NAME", "Фамилия", "string", "contact", "LAST_NAME"),
    ("NAME", "Имя", "string", "contact", "NAME"),
    ("COMPANY", "Компания", "string", "company", "TITLE"),
    ("POST", "Должность", "string", "contact", "POST"),
    ("EMAIL", "E-mail", "email", "contact", "EMAIL"),
    ("PHONE", "Телефон", "phone", "contact", "PHONE"),
)
LEAD_FIELDS = tuple(
    (name, caption, kind, "item", "COMPANY_TITLE" if name == "COMPANY" else target)
    for name, caption, kind, _, target in GUEST_FIELDS
)
KIND_OF_TYPE = {
    "text": "text",
    "integer": "integer",
    "date": "date",
    "boolean": "checkbox",
    "char": "checkbox",
    "enumeration": "list",
    "crm_status": "list",
}
SKIPPED = ("file", "user", "employee", "crm_category", "crm_currency", "location", "crm_lead", "crm_quote")


@bp.post("/sandbox/ui/webform")
def make_form() -> Response:
    """Make a registration form: ``name``, ``type``, ``duplicates``, ``agreement``; its editor opens."""
    demand_administrator()
    here = desk()
    kind = kind_at(None, request.form.get("type", 0, int))
    rows = LEAD_FIELDS if kind.entity_type_id == LEAD else GUEST_FIELDS
    wanted = [dict(zip(KEYS, row, strict=True), required=True) for row in rows]
    definition = {
        "name": request.form.get("name", ""),
        "target_type": kind.entity_type_id,
        "duplicates": asked_mode(),
        "fields": [*wanted, *parent_field()],
        "agreement": request.form.get("agreement", "").strip(),
        "assigned_by_id": here.user_id,
    }
    with here.portal.transaction():
        form_id = forms.create(here.portal, definition)
    return redirect(f"/crm/webform/edit/{form_id}/", 303)


def asked_mode() -> str:
    """The chosen way with known clients; filling their cards up where nothing is chosen."""
    mode = request.form.get("duplicates", "merge")
    if mode not in MODES:
        abort(400, "Такого способа нет.")
    return mode


def parent_field() -> list[dict[str, Any]]:
    """A hidden field that ties every new item to a card: ``parent_type`` and ``parent``."""
    parent_type = request.form.get("parent_type", 0, int)
    parent_id = number_at_the_end(request.form.get("parent", ""))
    if parent_type and kind_of(parent_type) is None:
        abort(400, "Такого типа родителя нет.")
    if not (parent_type and parent_id):
        return []
    target = f"PARENT_ID_{parent_type}"
    return [
        {"caption": "Родитель", "kind": "hidden", "entity": "item", "target": target, "value": int(parent_id)}
    ]


def edited(form_id: int) -> forms.Form:
    """The form an administrator edits; 404 for an unknown one."""
    demand_administrator()
    with desk().portal.transaction() as db:
        found = forms.find(db, form_id)
    if found is None:
        abort(404, "Такой формы нет, или она выключена.")
    return found


def form_kind(form: forms.Form) -> Kind:
    """What the form makes; 404 when that type has been deleted."""
    return kind_at(None, form.target_type)


@bp.get("/crm/webform/edit/<int:form_id>/")
def edit_form(form_id: int) -> str:
    """The editor."""
    form = edited(form_id)
    kind = form_kind(form)
    parents = [one for one in smart_kinds() if f"parentId{one.entity_type_id}" in fields(kind)]
    return render_template(
        "form_editor.html",
        form=form,
        kind=kind,
        funnels=categories(kind),
        modes=MODES,
        parents=parents,
        colleagues=[row for row in people().values() if row["ACTIVE"]],
        offered=offered(kind),
        entities={"item": kind.title, "contact": "Контакт", "company": "Компания"},
    )


def offered(kind: Kind) -> list[tuple[str, str, str]]:
    """Fields that can be put into the form: ``entity:target``, group, title."""
    places = [("item", kind), ("contact", classic_kind(CONTACT)), ("company", classic_kind(COMPANY))]
    found = []
    for entity, place in places:
        if place.entity_type_id in (LEAD, CONTACT, COMPANY):
            found += [
                (f"{entity}:{code}", place.title, text)
                for code, text in (("PHONE", "Телефон"), ("EMAIL", "E-mail"))
            ]
        found += [
            (f"{entity}:{one['upperName']}", place.title, str(one["title"]))
            for name, one in fields(place).items()
            if usable(name, one)
        ]
    return found


def usable(name: str, about: dict[str, Any]) -> bool:
    """Whether guests can be asked for a field."""
    if about.get("isReadOnly") or about["type"] in SKIPPED or name in ("stageId", "webformId", "contactId"):
        return False
    return not name.startswith(("parentId", "utm")) and about["type"] not in ("crm_contact", "crm_company")


@bp.post("/crm/webform/edit/<int:form_id>/")
def save_form(form_id: int) -> Response:
    """Save the editor's form; ``add`` puts one more field to the end, ``remove:N`` leaves one out."""
    form = edited(form_id)
    kind, here = form_kind(form), desk()
    rows = [row for place, one in enumerate(form.fields) if (row := edited_field(place, one)) is not None]
    added = request.form.get("add", "")
    if added:
        rows.append(new_field(kind, added, request.form.get("add_value", "").strip()))
    funnel = chosen_funnel(categories(kind), request.form.get("category_id", type=int))
    definition = {
        "name": request.form.get("name", ""),
        "target_type": form.target_type,
        "duplicates": asked_mode(),
        "category_id": int(funnel["id"]) if "categoryId" in fields(kind) else None,
        "assigned_by_id": request.form.get("assigned_by_id", form.assigned_by_id, int),
        "agreement": request.form.get("agreement", "").strip(),
        "fields": [*rows, *parent_field()],
    }
    with here.portal.transaction():
        forms.change(here.portal, form_id, definition)
    return redirect(f"/crm/webform/edit/{form_id}/", 303)


def edited_field(place: int, before: forms.FormField) -> dict[str, Any] | None:
    """One field as the editor sent it back; ``None`` when it was taken out."""
    if request.form.get(f"remove:{place}") == "1":
        return None
    row = asdict(before)
    row["caption"] = request.form.get(f"caption:{place}", "").strip() or before.caption
    row["required"] = request.form.get(f"required:{place}") == "1"
    row["options"] = [{"value": value, "title": title} for value, title in before.options]
    if before.kind == "hidden":
        row["value"] = request.form.get(f"value:{place}", before.value)
    return row


def new_field(kind: Kind, added: str, value: str) -> dict[str, Any]:
    """A field put into the form; one with a ``value`` is hidden from guests."""
    entity, _, target = added.partition(":")
    place = {"item": kind, "contact": classic_kind(CONTACT), "company": classic_kind(COMPANY)}.get(entity)
    if place is None:
        abort(400, "Такого поля нет.")
    row: dict[str, Any] = {"entity": entity, "target": target, "name": f"{entity.upper()}_{target}"}
    if target in ("PHONE", "EMAIL") and place.entity_type_id in (LEAD, CONTACT, COMPANY):
        caption = "Телефон" if target == "PHONE" else "E-mail"
        return row | {"caption": caption, "kind": target.lower()}
    found = next(((name, one) for name, one in fields(place).items() if one["upperName"] == target), None)
    if found is None or not usable(*found):
        abort(400, "Такого поля нет.")
    name, about = found
    options = choices(place, name, about, {})
    row |= {"caption": str(about["title"]), "kind": KIND_OF_TYPE.get(str(about["type"]), "string")}
    row["options"] = [{"value": code, "title": title} for code, title in options]
    return row | ({"kind": "hidden", "value": value} if value else {})


@bp.post("/sandbox/ui/webform/remove")
def remove_form() -> Response:
    """Switch a form off: ``form_id``; its results stay."""
    demand_administrator()
    with desk().portal.transaction() as db:
        if not forms.remove(db, request.form.get("form_id", 0, int)):
            abort(404, "Такой формы нет.")
    return redirect("/crm/webform/", 303)
