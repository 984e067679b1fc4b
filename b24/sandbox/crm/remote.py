"""Control calls about the recycle bin, which REST does not show. They exist only in the sandbox."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox.control import Control, Problem, read, route
from b24.sandbox.crm import recycle
from b24.sandbox.crm.params import integer


@route("GET", "recycle")
def list_recycle_bin(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """What lies in the recycle bin, last deleted first."""
    with control.portal.transaction() as db:
        return [
            {
                "id": row["id"],
                "entity_type_id": row["entity_type_id"],
                "item_id": row["item_id"],
                "title": row["title"],
                "fields": json.loads(row["picture"])["values"],
            }
            for row in recycle.contents(db)
        ]


@route("POST", "recycle/<n>/restore")
def restore_item(control: Control, request: Request, place: dict[str, Any]) -> dict[str, int]:
    """Take an item out of the recycle bin as ``user_id`` (1); it comes back under a new id."""
    user_id = integer(read(request).get("user_id")) or 1
    with control.portal.transaction():
        restored = recycle.restore(control.portal, user_id, int(place["id"]))
    if restored is None:
        raise Problem("there is nothing like that in the recycle bin", 404)
    return {"entity_type_id": restored[0], "item_id": restored[1]}
