"""Events live in the CRM: whoever makes or edits a card there makes or edits the event."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from b24.store import marks
from b24.store.engine import Tx
from smart_process import closing
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import picture
from smart_process.sync.existing import existing
from smart_process.sync.picture import Picture
from smart_process.sync.work import Work

Item = Mapping[str, Any]
DEFAULT_ZONE = "Asia/Almaty"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE = re.compile(f"[{_ALPHABET}]{{12}}")


def new_code() -> str:
    """A code for public links: 12 letters and digits that nobody mixes up."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def observe(
    work: Work, found: Mapping[int, Item], gone: frozenset[int], _last: frozenset[int]
) -> frozenset[int]:
    """Take over events just read, and that some are gone."""
    binding = work.binding
    seen = {
        item_id: picture.read(binding.event, picture.EVENT_FIELDS, item) for item_id, item in found.items()
    }
    standing = _standing(work, seen, gone)
    with work.service.store.transaction() as tx:
        for item_id, now in seen.items():
            known = store.event_by_item(tx, work.portal_id, item_id)
            known = known or _came_back(tx, work, item_id, now, standing)
            if known is None:
                _appeared(tx, work, item_id, now)
            else:
                _changed(tx, work, known, found[item_id], now)
        for item_id in gone:
            _removed(tx, work, item_id)
    return frozenset()


def _standing(work: Work, seen: Mapping[int, Picture], gone: frozenset[int]) -> frozenset[int]:
    """Cards that still exist whose code was found on another card: that other one is a copy."""
    with work.service.store.reading() as tx:
        owners = {item_id: _owner(tx, work, now) for item_id, now in seen.items()}
    others = {
        int(row["item_id"])
        for item_id, row in owners.items()
        if row is not None and row["item_id"] != item_id and row["removed_at"] is None
    }
    return existing(work, work.binding.event.entity_type_id, others - gone)


def _owner(tx: Tx, work: Work, now: Picture) -> Mapping[str, Any] | None:
    return store.event_by_code(tx, work.portal_id, now["code"]) if now.get("code") else None


def _came_back(
    tx: Tx, work: Work, item_id: int, now: Picture, standing: frozenset[int]
) -> Mapping[str, Any] | None:
    """The event whose card somebody took out of the recycle bin, where it got another id."""
    row = _owner(tx, work, now)
    if row is None or row["item_id"] in standing:
        return None
    store.update(tx, t.event, row["id"], item_id=item_id)
    return row


def columns(now: Picture) -> dict[str, Any]:
    """Columns of an event from its picture; an unreadable time zone falls back to the default one."""
    return {
        "title": now.get("title", "")[:255],
        "starts_at": _time(now.get("starts_at")),
        "ends_at": _time(now.get("ends_at")),
        "time_zone": _zone(now.get("time_zone", "")),
        "place": now.get("place", "")[:255],
        "capacity": now.get("capacity") or None,
        "product_lines": now.get("product_lines", []),
        "sender": now.get("sender", "")[:255],
        "responsible_id": now.get("responsible_id") or None,
    }


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name.strip()).key if name.strip() else DEFAULT_ZONE
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return DEFAULT_ZONE


def _stage(now: Picture, before: str) -> str:
    stage = str(now.get("stage", ""))
    return before if not stage or stage.startswith("portal:") else stage


def _appeared(tx: Tx, work: Work, item_id: int, now: Picture) -> None:
    code, stage = str(now.get("code") or ""), _stage(now, "planning")
    # Ours from before the app was removed with its data: the links that guests have go on working.
    back = bool(_CODE.fullmatch(code)) and store.code_is_free(tx, code)
    event_id = store.add_event(
        tx,
        portal_id=work.portal_id,
        item_id=item_id,
        code=code if back else new_code(),
        stage=stage,
        # What its closing had to do was done then.
        closed_at=work.now() if back and stage == closing.CLOSED else None,
        shadow=now,
        **columns(now),
    )
    marks.mark(tx, work.portal_id, "event", [event_id], now=work.now())


def _changed(tx: Tx, work: Work, row: Mapping[str, Any], item: Item, now: Picture) -> None:
    stage = _stage(now, row["stage"])
    values = columns(now)
    store.update(tx, t.event, row["id"], shadow=now, stage=stage, removed_at=None, **values)
    if stage != row["stage"]:
        closing.stage_changed(
            tx,
            event_id=row["id"],
            before=row["stage"],
            after=stage,
            by=f"user:{picture.number(item.get('movedBy') or item.get('updatedBy'))}",
            settings=work.settings,
            now=work.now(),
        )
    marks.mark(tx, work.portal_id, "event", [row["id"]], now=work.now())


def _removed(tx: Tx, work: Work, item_id: int) -> None:
    row = store.event_by_item(tx, work.portal_id, item_id)
    if row is not None and row["removed_at"] is None:
        store.update(tx, t.event, row["id"], removed_at=work.now())
