"""``GET /api/v1/pack``: what a phone needs to decide without network; see ``smart_process.pack``."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, json, request

from b24.store.engine import Tx
from handlers import door_auth
from handlers.devices import described
from smart_process import pack
from smart_process.admission import gate_json
from smart_process.pack import Cursor, Keys
from smart_process.service import Service
from smart_process.store import devices as device_rows
from smart_process.store import pack as rows
from smart_process.store.devices import Device

WHOLE_AGAIN = timedelta(minutes=30)
"""Names and companies change without a fact: a phone asks for everything again after this."""


def blueprint(service: Service) -> Blueprint:
    """The route of the pack."""
    bp = Blueprint("pack", __name__)

    @bp.get("/api/v1/pack")
    def the_pack() -> Response:
        """Everybody, or with ``?since=<version>`` those about whom something was learned since."""
        now = service.clock()
        with service.store.reading() as tx:
            device = door_auth.device_of(tx, now=now)
            content = _content(service, tx, device, request.args.get("since", ""), now)
            content["device"] = described(device, device_rows.event(tx, device.event_id))
        door_auth.note_contact(service, device, now=now)
        return _compressed(content)

    return bp


def _content(service: Service, tx: Tx, device: Device, since: str, now: datetime) -> dict[str, Any]:
    keys = Keys.of_event(service.secrets.key_for("pack"), device.event_id)
    # Before the guests are read: what happens meanwhile comes with the next refresh.
    here = Cursor.at(keys, rows.last_fact(tx), now)
    known = Cursor.parse(since)
    whole = known is None or known.keys != here.keys or known.fact > here.fact
    if known is None or whole:
        guests = rows.everybody(tx, device.portal_id, device.event_id)
        other = pack.others(keys, rows.tickets_of_others(tx, device.portal_id, device.event_id, now))
        more = {"others": other, **pack.public(keys)}
    else:
        guests, more = rows.changed(tx, device.portal_id, device.event_id, known), {}
    place = device.place
    return {
        "version": str(here),
        "whole": whole,
        "whole_again_s": int(WHOLE_AGAIN.total_seconds()),
        "now": now.isoformat(),
        "expires_at": device.expires_at.isoformat(),
        "place": {
            "gates": list(place.gates),
            "defined": [gate_json(gate) for gate in place.defined.values()],
            "called_off": place.called_off,
        },
        "guests": pack.sealed_all(keys, guests),
        **more,
    }


def _compressed(content: dict[str, Any]) -> Response:
    body = json.dumps(content, separators=(",", ":")).encode()
    reply = Response(body, mimetype="application/json", headers={"Cache-Control": "no-store"})
    if request.accept_encodings.quality("gzip") and len(body) > 1000:
        # Mostly random: little effort saves as much as much effort.
        reply.set_data(gzip.compress(body, 1, mtime=0))
        reply.headers["Content-Encoding"] = "gzip"
        reply.headers["Vary"] = "Accept-Encoding"
    return reply
