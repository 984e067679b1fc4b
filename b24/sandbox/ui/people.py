"""Colleagues: who works here, and a colleague's page."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template

from b24.sandbox.crm import rights
from b24.sandbox.kernel import Answer
from b24.sandbox.ui.desk import desk, every
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import people, person_name

#: How far a colleague's rights in the CRM may reach, as the portal's roles say it.
SCOPES = {
    "all": "все карточки",
    "opened": "свои, отдела и открытые",
    "department": "свои и отдела",
    "own": "только свои",
    "none": "нет доступа",
}


def departments() -> dict[int, dict[str, Any]]:
    """Departments by id."""

    def page(start: int) -> Answer:
        here = desk()
        return here.portal.run("department.get", {"START": start}, user_id=here.keeper_id)

    return {int(row["ID"]): row for row in every(page)}


@bp.get("/company/")
def company() -> str:
    """All colleagues by department, dismissed ones marked."""
    units = departments()
    rows = []
    for row in people().values():
        own = [units[one] for one in row["UF_DEPARTMENT"] if one in units]
        head = any(str(unit.get("UF_HEAD")) == str(row["ID"]) for unit in own)
        rows.append({"user": row, "departments": ", ".join(str(unit["NAME"]) for unit in own), "head": head})
    return render_template("company.html", rows=rows)


@bp.get("/sandbox/ui/colleagues")
def colleagues() -> dict[str, list[dict[str, Any]]]:
    """Working colleagues for the selection dialog of ``BX24.selectUser``.

    Source: sdk/bx24-js-sdk/system-dialogues/bx24-select-user.md.
    """
    active = [row for row in people().values() if row["ACTIVE"]]
    found = [
        {
            "id": int(row["ID"]),
            "name": person_name(row["ID"]),
            "photo": "",
            "position": row["WORK_POSITION"],
            "url": f"/company/personal/user/{row['ID']}/",
            "sub": False,
            "sup": False,
        }
        for row in active
    ]
    return {"colleagues": found}


@bp.get("/company/personal/user/<int:user_id>/")
def profile(user_id: int) -> str:
    """A colleague's page."""
    row = people().get(user_id)
    if row is None:
        abort(404, "Такого сотрудника нет.")
    units = departments()
    own = [str(units[one]["NAME"]) for one in row["UF_DEPARTMENT"] if one in units]
    here = desk()
    with here.portal.transaction() as db:
        keeper = here.portal.is_admin(here.user_id)
        admin = here.portal.is_admin(user_id)
        scope = rights.scope_of(db, user_id, 0, "read")
    return render_template(
        "profile.html",
        user=row,
        name=person_name(user_id),
        departments=", ".join(own),
        keeper=keeper,
        admin=admin,
        scope=scope,
        scopes=SCOPES,
    )
