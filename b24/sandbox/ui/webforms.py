"""CRM forms: the list for colleagues, and the public page anybody may fill in."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template, request

from b24.sandbox.crm import forms
from b24.sandbox.ui.desk import portal
from b24.sandbox.ui.form_editor import MODES
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import kind_of, kinds

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
INPUTS = {"email": "email", "phone": "tel", "date": "date", "integer": "number"}


@bp.get("/crm/webform/")
def form_list() -> str:
    """All forms with their public addresses and numbers of submissions."""
    with portal().transaction() as db:
        found = forms.listing_of(db)
        counted = db.execute("SELECT form_id, count(*) AS n FROM crm_form_result GROUP BY form_id").fetchall()
    results = {row["form_id"]: row["n"] for row in counted}
    rows = [
        {"form": form, "results": results.get(form.id, 0), "kind": kind_of(form.target_type)}
        for form in found
    ]
    targets = [kind for kind in kinds() if kind.has_stages]
    return render_template("webforms.html", rows=rows, targets=targets, modes=MODES)


def the_form(form_id: int) -> forms.Form:
    """The form; 404 for an unknown or switched-off one."""
    with portal().transaction() as db:
        found = forms.find(db, form_id)
    if found is None:
        abort(404, "Такой формы нет, или она выключена.")
    return found


@bp.get("/pub/form/<int:form_id>/")
def public_form(form_id: int) -> str:
    """The empty form; UTM marks of the address go along with the answers."""
    marks = {name: request.args[name][:200] for name in UTM if request.args.get(name)}
    return render_template(
        "public_form.html",
        form=the_form(form_id),
        given={},
        errors={},
        marks=marks,
        inputs=INPUTS,
        done=False,
    )


@bp.post("/pub/form/<int:form_id>/")
def fill_form(form_id: int) -> Any:
    """Submit the form: thanks, or the form again with what is wrong and everything typed still there."""
    form = the_form(form_id)
    given: dict[str, Any] = {name: values[-1] for name, values in request.form.lists()}
    for field in form.shown_fields:
        if field.kind == "list" and len(request.form.getlist(field.name)) > 1:
            given[field.name] = request.form.getlist(field.name)
    marks = {name: given[name] for name in UTM if given.get(name)}
    errors: dict[str, str] = {}
    try:
        with portal().transaction():
            forms.submit(portal(), form_id, given)
    except forms.FormRefused as refused:
        errors = refused.errors
    page = render_template(
        "public_form.html", form=form, given=given, errors=errors, marks=marks, inputs=INPUTS, done=not errors
    )
    return page, 422 if errors else 200
