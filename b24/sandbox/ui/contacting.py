"""Phones and addresses of a card: rows of their editor, and what it sends back."""

from __future__ import annotations

from typing import Any

from flask import request

from b24.sandbox.ui.site import bp

KINDS = {"PHONE": "Телефон", "EMAIL": "E-mail"}
PLACES = {"WORK": "рабочий", "MOBILE": "мобильный", "HOME": "личный", "OTHER": "другой"}
NEW = ("n0", "n1")


@bp.app_template_global("communication_rows")
def communication_rows(item: dict[str, Any]) -> list[dict[str, str]]:
    """Rows of the editor: what the card has, then an empty phone and an empty address."""
    known = item.get("fm") if isinstance(item.get("fm"), list) else []
    rows = [
        {
            "key": str(one["id"]),
            "kind": str(one["typeId"]),
            "place": str(one.get("valueType") or "WORK"),
            "value": str(one["value"]),
        }
        for one in known or []
        if one.get("typeId") in KINDS
    ]
    return rows + [
        {"key": key, "kind": kind, "place": "WORK", "value": ""} for key, kind in zip(NEW, KINDS, strict=True)
    ]


@bp.app_template_global("communication_words")
def communication_words() -> dict[str, dict[str, str]]:
    """Names of kinds and places."""
    return {"kinds": KINDS, "places": PLACES}


def typed_communications() -> dict[str, dict[str, str]]:
    """What the editor sent, as ``fm`` of ``crm.item.update``: record id or ``n0`` → row; an empty value removes."""
    keys = [key.removeprefix("fm:") for key in request.form if key.startswith("fm:")]
    rows = {
        key: {
            "typeId": request.form.get(f"kind:{key}", ""),
            "valueType": request.form.get(f"place:{key}", "WORK"),
            "value": request.form.get(f"fm:{key}", "").strip(),
        }
        for key in keys
    }
    return {
        key: row
        for key, row in rows.items()
        if row["typeId"] in KINDS and row["valueType"] in PLACES and (row["value"] or key not in NEW)
    }
