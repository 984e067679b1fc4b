"""The app's main page: events with their numbers and links, how the exchange goes, how to begin."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import render_template
from flask.typing import ResponseReturnValue

from b24 import portals
from b24.errors import B24Error
from b24.store import marks
from placements.registry import Opened
from smart_process.language import Translator, period
from smart_process.provision import renewal
from smart_process.schema import TYPES, version
from smart_process.service import Service
from smart_process.store import overview

SHOWN = 50
REASONS = {
    "permanent": "Портал отказал, повтор не поможет без исправления",
    "setup": "Не хватает поля, стадии или права в портале",
    "internal": "Ошибка приложения",
}


def home(service: Service, opened: Opened) -> ResponseReturnValue:
    """The main page for one viewer; only events their own token may read are listed."""
    readable = _readable(service, opened)
    with service.store.reading() as tx:
        lines = overview.recent_events(tx, opened.session.portal_id, readable)
    _ = opened.translate
    entity_type_id = opened.binding.event.entity_type_id
    return render_template(
        "app/home.html",
        _=_,
        language=opened.session.language,
        token=opened.token,
        origin=opened.origin,
        events=[_shown(service, opened, line) for line in lines],
        events_path=f"/crm/type/{entity_type_id}/",
        new_event_path=f"/crm/type/{entity_type_id}/details/0/",
        paused=opened.portal.state == portals.PAUSED,
        reason=opened.portal.state_reason,
        health=_health(service, opened, _) if opened.session.is_admin else None,
    )


def _readable(service: Service, opened: Opened) -> list[int]:
    """Item ids of the latest events the viewer may read; none when the page came without their token."""
    if not opened.viewer_token:
        return []
    params = {
        "entityTypeId": opened.binding.event.entity_type_id,
        "select": ["id"],
        "order": {"id": "DESC"},
        "start": -1,
    }
    try:
        found = service.portals.viewer(opened.session.portal_id, opened.viewer_token).call(
            "crm.item.list", params
        )
    except B24Error:
        return []
    return [int(row["id"]) for row in found["items"]][:SHOWN]


def _shown(service: Service, opened: Opened, line: overview.EventLine) -> dict[str, Any]:
    _ = opened.translate
    stage = next((one for one in TYPES["event"].stages if one.key == line.stage), None)
    return {
        "title": line.title,
        "place": line.place,
        "when": period(line.starts_at, line.ends_at, _zone(line.time_zone), _),
        "stage": line.stage,
        "stage_title": stage.title.get(_.lang) if stage else line.stage,
        "registered": line.registered,
        "arrived": line.arrived,
        "card": f"/crm/type/{opened.binding.event.entity_type_id}/details/{line.item_id}/",
        "registration": f"{service.public_url}/r/{line.code}",
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _health(service: Service, opened: Opened, _: Translator) -> dict[str, Any]:
    portal_id = opened.session.portal_id
    now = service.clock()
    with service.store.transaction() as tx:
        if opened.binding.version != version():
            # The app was updated since: its schema is brought up to date by the next drain.
            marks.mark(tx, portal_id, renewal.MARK, ["0"], now=now)
        problems = overview.held(tx, portal_id)
        waiting = marks.waiting(tx, portal_id)
    if opened.binding.version != version():
        service.wake(portal_id)
    return {
        "waiting": waiting,
        "held": sum(one.count for one in problems),
        "problems": [
            {"text": _(REASONS.get(one.reason, "Ошибка приложения")), "count": one.count, "error": one.error}
            for one in problems
        ],
    }
