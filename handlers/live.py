"""``GET /api/v1/live``: the door in numbers for a supervisor's phone: gates, silent phones, disputed passages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, jsonify

from b24.store.engine import Tx
from handlers import door_auth
from smart_process import conflicts, devices, door_words, live_view
from smart_process.conflicts import Case
from smart_process.live_view import GateNow
from smart_process.service import Service
from smart_process.store import door, live
from smart_process.store.devices import Device
from smart_process.store.door import Seat
from smart_process.store.live import Phone

MOST_CASES = 20


def blueprint(service: Service) -> Blueprint:
    """The route of the live view."""
    bp = Blueprint("live", __name__)

    @bp.get("/api/v1/live")
    def the_live_view() -> Response:
        """What happens at all gates of the device's event; supervisors only."""
        now = service.clock()
        with service.store.reading() as tx:
            device = door_auth.device_of(tx, now=now)
            if device.role != "supervise":
                raise door_auth.refusal(devices.DeviceRefused("role"))
            told = _told(tx, device, now)
        door_auth.note_contact(service, device, now=now)
        reply = jsonify(told)
        reply.headers["Cache-Control"] = "no-store"
        return reply

    return bp


def _told(tx: Tx, device: Device, now: datetime) -> dict[str, Any]:
    zone = door_words.zone_of(device.time_zone)
    seen = live_view.look(tx, device.event_id, device.starts_at, now)
    cases, important = conflicts.open_cases(tx, device.event_id), live.important(tx, device.event_id)
    ids = {case.participation_id for case in cases[:MOST_CASES]} | {one.id for one in important}
    seats = {seat.id: seat for seat in door.seats(tx, device.portal_id, ids, lock=False)}
    return {
        "now": now.astimezone(zone).isoformat(),
        "expected": seen.expected,
        "arrived": seen.arrived,
        "minutes": list(seen.minutes),
        "planned": [round(one, 1) for one in seen.planned],
        "lanes": {"needed": seen.lanes.needed, "open": seen.lanes.open},
        "queued": seen.queued,
        "gates": [_gate(one) for one in seen.gates],
        "silent": [_phone(one, zone) for one in seen.silent],
        "cases": [_case(one, seats, zone) for one in cases[:MOST_CASES]],
        "cases_in_all": len(cases),
        "important": [
            {"name": _name(seats.get(one.id)), "gate": one.gate, "at": _local(one.arrived_at, zone)}
            for one in important
        ],
    }


def _gate(one: GateNow) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "people": one.people,
        "of": one.of,
        "minutes": list(one.minutes),
        "phones": one.phones,
    }


def _phone(one: Phone, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "name": one.name,
        "gates": list(one.gates),
        "queue": one.queue or 0,
        "seen_at": _local(one.last_seen_at, zone),
    }


def _case(case: Case, seats: dict[int, Seat], zone: ZoneInfo) -> dict[str, Any]:
    return {
        "name": _name(seats.get(case.participation_id)),
        "why": case.why.value,
        "showings": [
            {"at": _local(one.at, zone), "gate": one.gate, "device": one.device} for one in case.showings
        ],
    }


def _name(seat: Seat | None) -> str:
    return f"{seat.last_name} {seat.first_name}".strip() if seat else ""


def _local(at: datetime | None, zone: ZoneInfo) -> str | None:
    return at.astimezone(zone).isoformat() if at else None
