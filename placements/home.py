"""The app's main page: events with their numbers and links, how the exchange goes, how to begin."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from b24 import portals
from b24.errors import B24Error
from b24.store import marks
from placements.registry import Opened
from placements.session import PageSession, administering, page_api
from smart_process import checkup
from smart_process.card_paths import NEW, card_path, list_path
from smart_process.language import period, translator, viewers_moment
from smart_process.provision import renewal
from smart_process.schema import TYPES
from smart_process.service import Service
from smart_process.store import findings, overview, setups

SHOWN = 50


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
        events_path=list_path(entity_type_id),
        new_event_path=card_path(entity_type_id, NEW),
        paused=_(checkup.pause_words(opened.portal.state_reason))
        if opened.portal.state == portals.PAUSED
        else "",
        admin=opened.session.is_admin,
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
        "card": card_path(opened.binding.event.entity_type_id, line.item_id),
        "registration": f"{service.public_url}/r/{line.code}",
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def blueprint(service: Service) -> Blueprint:
    """What the main page of an administrator asks for: ``/b24/api/app/…``."""
    bp = Blueprint("home", __name__, url_prefix="/b24/api/app")
    guard = page_api(service, "app")

    @bp.get("/health")
    @guard
    def health(session: PageSession) -> ResponseReturnValue:
        """What is wrong, looked up in the portal now."""
        administering(service, session)
        return jsonify(html=_health(service, session))

    @bp.post("/repair")
    @guard
    def repair(session: PageSession) -> ResponseReturnValue:
        """Bring the portal's objects to what we need, as an installation does, and try again what was held."""
        administering(service, session)
        problem = renewal.renew(service, session.portal_id).problem
        retried = _release(service, session.portal_id) if problem is None else 0
        service.wake(session.portal_id)
        _ = translator(session.language)
        text = problem.get(session.language) if problem else _("Исправлено.")
        return jsonify(done=problem is None, text=text, retried=retried, html=_health(service, session))

    @bp.post("/retry")
    @guard
    def retry(session: PageSession) -> ResponseReturnValue:
        """Try again what waits for a person."""
        administering(service, session)
        retried = _release(service, session.portal_id)
        service.wake(session.portal_id)
        _ = translator(session.language)
        return jsonify(done=True, text=_("Повторяем: %(n)s.", n=retried), html=_health(service, session))

    return bp


def _release(service: Service, portal_id: int) -> int:
    with service.store.transaction() as tx:
        reasons = ("setup", "permanent", "internal")
        return sum(marks.release(tx, portal_id, reason=one, now=service.clock()) for one in reasons)


def _health(service: Service, session: PageSession) -> str:
    portal_id, now = session.portal_id, service.clock()
    found = checkup.check(service, portal_id)
    with service.store.transaction() as tx:
        since = findings.keep(tx, portal_id, [one.key for one in found], now=now)
        waiting = marks.waiting(tx, portal_id)
        binding = setups.read(tx, portal_id).binding
        if binding and checkup.is_outdated(binding):
            # The app was updated since: its schema is brought up to date by the next drain.
            marks.mark(tx, portal_id, renewal.MARK, ["0"], now=now)
    if binding and checkup.is_outdated(binding):
        service.wake(portal_id)
    _ = translator(session.language)
    return render_template(
        "app/_health.html",
        _=_,
        waiting=waiting,
        findings=[
            {
                "text": one.words(_),
                "action": one.action.partition(":")[0],
                "section": one.action.partition(":")[2],
                "since": viewers_moment(since[one.key], session.zone, _),
            }
            for one in found
        ],
        actions={one.action for one in found},
    )
