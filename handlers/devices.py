"""``POST /api/v1/devices`` enrols a phone, ``GET /api/v1/device`` tells it what it is for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from handlers import door_auth
from handlers.envelopes import Unreadable, json_object, text
from handlers.problems import Problem
from handlers.scans import language_of_request
from smart_process import devices, door_words
from smart_process.schema import FLAGS
from smart_process.service import Service
from smart_process.store import devices as rows
from smart_process.store.devices import Device, DoorEvent
from smart_process.store.rehearsal import STATE as REHEARSAL


def blueprint(service: Service) -> Blueprint:
    """The routes of enrolment and of the device's own description."""
    bp = Blueprint("devices", __name__)

    @bp.post("/api/v1/devices")
    def enrol() -> tuple[Response, int]:
        """Use an enrolment code once; 201 with the device's token, which is told this one time."""
        now, address = service.clock(), request.remote_addr or ""
        if door_auth.misses().too_many(address, now=now):
            raise door_auth.refusal(devices.DeviceRefused("too_many_misses"))
        code, name = _wish()
        try:
            with service.store.transaction() as tx:
                device, token = devices.enrol(tx, code, name, now=now)
                event = rows.event(tx, device.event_id)
        except devices.DeviceRefused as refused:
            door_auth.misses().count(address, now=now)
            raise door_auth.refusal(refused) from refused
        return jsonify(device_token=token, **described(device, event)), 201

    @bp.get("/api/v1/device")
    def device() -> Response:
        """The calling device: event, gates, role, flags it may set."""
        now = service.clock()
        with service.store.reading() as tx:
            found = door_auth.device_of(tx, now=now)
            event = rows.event(tx, found.event_id)
        door_auth.note_contact(service, found, now=now)
        return jsonify(described(found, event))

    return bp


def _wish() -> tuple[str, str]:
    body = json_object()
    try:
        return text(body, "enrol_code", 200, required=True), text(body, "name", 64, required=True)
    except Unreadable as unreadable:
        raise Problem(
            400, "unreadable", "Нужны «enrol_code» и «name» – название телефона до 64 знаков."
        ) from unreadable


def described(device: Device, event: DoorEvent) -> dict[str, Any]:
    """A device as it learns what it is for."""
    zone, language = door_words.zone_of(event.time_zone), language_of_request()

    def local(at: datetime | None) -> str | None:
        return at.astimezone(zone).isoformat() if at else None

    return {
        "name": device.name,
        "gates": list(device.gates),
        "role": device.role,
        "rehearsal": device.portal_state == REHEARSAL,
        "expires_at": local(device.expires_at),
        "event": {
            "code": event.code,
            "title": event.title,
            "starts_at": local(event.starts_at),
            "ends_at": local(event.ends_at),
            "time_zone": event.time_zone,
            "place": event.place,
            "product_lines": list(event.product_lines),
        },
        "flags": [{"flag": flag, "title": words.get(language)} for flag, words in FLAGS.items()],
    }
