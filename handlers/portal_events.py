"""What the portal's queue server posts: decide trust, mark, answer. Nothing is read from the portal here.

Events are never sent again, so an answer of 2xx is given only after the commit (design 4.1, 4.3).
"""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from b24 import logs, portals
from b24.errors import Malformed, Untrusted
from b24.events import PortalEvent, parse_event, verify_event
from b24.store import marks
from handlers import lifecycle
from handlers.gathering import Gathering
from smart_process.service import Service
from smart_process.store import setups
from smart_process.sync.named import concerned


def blueprint(service: Service) -> Blueprint:
    """``/b24/events``."""
    bp = Blueprint("portal_events", __name__)
    gathering = Gathering()

    @bp.get("/b24/events")
    def neutral() -> ResponseReturnValue:
        return "", 200

    @bp.post("/b24/events")
    def receive() -> ResponseReturnValue:
        try:
            event = parse_event(request.get_data())
            _take(service, gathering, event)
        except Malformed:
            return "unreadable", 400
        except Untrusted:
            return "forbidden", 403
        return "", 200

    return bp


def _take(service: Service, gathering: Gathering, event: PortalEvent) -> None:
    reaction = lifecycle.REACTIONS.get(event.event)
    if event.event in lifecycle.SELF_PROVING:
        # These bring a token that is not known yet: they prove themselves.
        lifecycle.renewed(service, event)
        return
    with service.store.reading() as tx:
        portal = verify_event(event, portals.by_member(tx, service.secrets, event.member_id))
        binding = setups.read(tx, portal.id).binding
    logs.about(portal.id)
    if reaction is not None:
        reaction(service, portal, event)
        return
    found = concerned(event, binding)
    if found is None:
        return
    now = service.clock()
    due_at = gathering.due(portal.id, ":".join(found), now)
    with service.store.transaction() as tx:
        marks.mark(tx, portal.id, found[0], [found[1]], now=now, due_at=due_at)
