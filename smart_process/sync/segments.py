"""A CRM company as rules see it: potential, form of cooperation, region, responsible. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_process.settings import Settings
from smart_process.sync.picture import number


def account(item: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Columns of table ``account`` from a company as ``crm.item.*`` shows it."""
    segment = settings.segment
    return {
        "company_id": int(item["id"]),
        "title": str(item.get("title") or "")[:255],
        "potential": segment.potentials.get(_text(item, segment.potential), ""),
        "cooperation": _text(item, segment.cooperation)[:64],
        "region": _text(item, segment.region)[:64],
        "responsible_id": number(item.get("assignedById")) or None,
    }


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name) if name else None
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value in (None, False, 0) else str(value)
