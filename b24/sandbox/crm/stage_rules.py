"""Fields that must be filled from a stage on, as people set it in the card's settings; REST shows nothing of it.

An item may not enter such a stage, nor be saved on it, while the field is empty.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox.control import Control, Problem, number, read, route
from b24.sandbox.crm.params import listing, text
from b24.sandbox.crm.schema import ObjectType, changed, read_schema


def require(db: sqlite3.Connection, kind: ObjectType, field: str, stages: list[str]) -> None:
    """Make a field mandatory on exactly these stages; none makes it optional again.

    Raises:
        ValueError: no such field.
    """
    if field not in kind.by_upper:
        raise ValueError("no such field")
    key = (kind.entity_type_id, field)
    db.execute("DELETE FROM crm_stage_required WHERE entity_type_id = ? AND field = ?", key)
    for stage in stages:
        db.execute(
            "INSERT INTO crm_stage_required (entity_type_id, field, stage_id) VALUES (?, ?, ?)", (*key, stage)
        )
    changed(db)


@route("POST", "required")
def set_required(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Make ``field`` (database name) of ``entity_type_id`` mandatory on ``stages``."""
    params = read(request)
    stages = [text(each) for each in listing(params.get("stages"))]
    with control.portal.transaction() as db:
        kind = read_schema(db).types.get(number(params, "entity_type_id"))
        if kind is None:
            raise Problem("no such type", 404)
        try:
            require(db, kind, text(params.get("field")), stages)
        except ValueError as error:
            raise Problem(str(error)) from error
    return {"field": text(params.get("field")), "stages": stages}
