"""``GET /api/v1/pack``: what a phone needs to decide without network; see ``smart_process.pack``."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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

COMPARE_EVERY = timedelta(minutes=30)
"""Names and companies change without a fact: a phone lets the whole be compared after this."""
_TAG = re.compile(r'(?:W/)?"([A-Za-z0-9_-]+)"')


def blueprint(service: Service) -> Blueprint:
    """The route of the pack."""
    bp = Blueprint("pack", __name__)

    @bp.get("/api/v1/pack")
    def the_pack() -> Response:
        """Everybody, or with ``?since=<version>`` those about whom something was learned since; with ``If-None-Match``
        as well those who differ from what the phone has."""
        now = service.clock()
        with service.store.reading() as tx:
            device = door_auth.device_of(tx, now=now)
            told = _Told.of(service, tx, device, now)
            event = device_rows.event(tx, device.event_id)
        door_auth.note_contact(service, device, now=now)
        if told.same:
            return _tagged(Response(status=304), told.tag)
        return _tagged(
            _compressed(_content(told, device, now) | {"device": described(device, event)}), told.tag
        )

    return bp


@dataclass(frozen=True)
class _Told:
    """What is told of the guests. ``shelves``: of these everybody; ``tag`` is "" where the whole was not read."""

    version: Cursor
    guests: list[list[Any]]
    whole: bool = False
    shelves: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
    same: bool = False

    @classmethod
    def of(cls, service: Service, tx: Tx, device: Device, now: datetime) -> _Told:
        keys = Keys.of_event(service.secrets.key_for("pack"), device.event_id)
        portal_id, event_id = device.portal_id, device.event_id
        # Before the guests are read: what happens meanwhile comes with the next refresh.
        here = Cursor.at(keys, rows.last_fact(tx), now)
        known = Cursor.parse(request.args.get("since", ""))
        if known and (known.keys != here.keys or known.fact > here.fact):
            known = None
        told = request.headers.get("If-None-Match")
        if known and told is None:
            some = pack.sheets(keys, rows.changed(tx, portal_id, event_id, known))
            return cls(here, [one.sealed(keys) for one in some])
        some = pack.sheets(keys, rows.everybody(tx, portal_id, event_id))
        others = pack.others(keys, rows.tickets_of_others(tx, portal_id, event_id, now))
        tag = pack.tag(some, others)
        has = _TAG.fullmatch((told or "").strip())
        if has and has[1] == tag:
            return cls(here, [], tag=tag, same=True)
        if not (known and has and len(has[1]) == len(tag)):
            more = {"others": others, **pack.public(keys)}
            return cls(here, [one.sealed(keys) for one in some], whole=True, more=more, tag=tag)
        shelves, others_differ = pack.differing(has[1], tag)
        guests = [one.sealed(keys) for one in some if one.number[0] in shelves]
        return cls(here, guests, shelves=shelves, more={"others": others} if others_differ else {}, tag=tag)


def _content(told: _Told, device: Device, now: datetime) -> dict[str, Any]:
    place = device.place
    return {
        "version": str(told.version),
        "whole": told.whole,
        "shelves": list(told.shelves),
        "compare_every_s": int(COMPARE_EVERY.total_seconds()),
        "now": now.isoformat(),
        "expires_at": device.expires_at.isoformat(),
        "place": {
            "gates": list(place.gates),
            "defined": [gate_json(gate) for gate in place.defined.values()],
            "called_off": place.called_off,
        },
        "guests": told.guests,
        **told.more,
    }


def _tagged(reply: Response, tag: str) -> Response:
    """Weak: each time everything is sealed anew."""
    reply.headers["Cache-Control"] = "no-store"
    if tag:
        reply.headers["ETag"] = f'W/"{tag}"'
    return reply


def _compressed(content: dict[str, Any]) -> Response:
    body = json.dumps(content, separators=(",", ":")).encode()
    reply = Response(body, mimetype="application/json")
    if request.accept_encodings.quality("gzip") and len(body) > 1000:
        # Mostly random: little effort saves as much as much effort.
        reply.set_data(gzip.compress(body, 1, mtime=0))
        reply.headers["Content-Encoding"] = "gzip"
        reply.headers["Vary"] = "Accept-Encoding"
    return reply
