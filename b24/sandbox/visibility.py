"""Objects a read does not show yet, as if an index lagged a moment behind (fault ``not_visible``)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from b24.sandbox.faults import Faults
from b24.sandbox.kernel import Answer, RestError

if TYPE_CHECKING:
    from b24.sandbox.portal import LocalPortal

KINDS = {"1": "ONCRMLEADADD", "2": "ONCRMDEALADD", "3": "ONCRMCONTACTADD", "4": "ONCRMCOMPANYADD"}


def _kind(name: str, params: dict[str, Any]) -> str:
    if name.startswith("crm.item."):
        number = str(params.get("entityTypeId") or "")
        return KINDS.get(number, number)
    parts = name.split(".")
    return f"ONCRM{parts[1].upper()}ADD" if len(parts) == 3 and parts[0] == "crm" else ""


def _is_fresh(portal: LocalPortal, faults: Faults, kind: str, object_id: str) -> bool:
    made = portal.created.get((kind, object_id))
    return made is not None and time.monotonic() - made < faults.seconds["visible_after_s"]


def hide_fresh(portal: LocalPortal, faults: Faults, name: str, params: dict[str, Any]) -> None:
    """Answer "not found" to a ``*.get`` of an object made a moment ago, if the fault strikes."""
    if "not_visible" not in faults.shares or not name.endswith(".get"):
        return
    object_id = str(params.get("id") or params.get("ID") or "")
    if _is_fresh(portal, faults, _kind(name, params), object_id) and faults.strikes("not_visible", name):
        raise RestError("NOT_FOUND" if name == "crm.item.get" else "", "Not found", 400)


def without_fresh(
    portal: LocalPortal, faults: Faults, name: str, params: dict[str, Any], answer: Answer
) -> Answer:
    """Leave objects made a moment ago out of a ``*.list``, if the fault strikes."""
    if "not_visible" not in faults.shares or not name.endswith(".list"):
        return answer
    inside = isinstance(answer.result, dict) and "items" in answer.result
    rows = answer.result["items"] if inside else answer.result
    if not isinstance(rows, list) or not faults.strikes("not_visible", name):
        return answer
    kind = _kind(name, params)
    kept = [row for row in rows if not _is_fresh(portal, faults, kind, str(row.get("id") or row.get("ID")))]
    return replace(answer, result={**answer.result, "items": kept} if inside else kept)
