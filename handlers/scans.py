"""``POST /api/v1/scans``: what the door scanned, one verdict each. Calls nobody outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from b24 import logs
from handlers import door_auth
from handlers.envelopes import Unreadable, fields_of, hex_id, moment, number, text
from smart_process import checkin, door_words
from smart_process.admission import Direction, Verdict
from smart_process.checkin import Ruling, Rulings, Scan
from smart_process.devices import DeviceRefused
from smart_process.service import Service
from smart_process.store import door
from smart_process.store.door import Seat

_TICKET_LINK = re.compile(r"https?://[^\s?#]+/t/([A-Za-z0-9_-]+)/?(?:[?#].*)?")
_LONGEST_CODE = 4000


def blueprint(service: Service) -> Blueprint:
    """The route of the scans."""
    bp = Blueprint("scans", __name__)

    @bp.post("/api/v1/scans")
    def scans() -> Response:
        """Judge and record 1–200 scans; each gets its verdict, in the order sent."""
        token, now = door_auth.bearer(), service.clock()
        batch = door_auth.entries(service, "scans", now=now)
        read = [_read(entry) for entry in batch.entries]
        readable = [one for one in read if one]
        try:
            rulings = door.settled(
                service.store,
                lambda tx, careful: checkin.check_in(
                    tx, token, readable, sent_at=batch.sent_at, now=now, careful=careful
                ),
            )
        except DeviceRefused as refused:
            raise door_auth.refusal(refused) from refused
        logs.about(rulings.device.portal_id)
        if rulings.recorded:
            service.wake(rulings.device.portal_id)
        door_auth.note_contact(service, rulings.device, now=now)
        return jsonify(verdicts=_answers(batch.entries, read, rulings, now))

    return bp


def ticket_of(code: str) -> str:
    """The ticket's token in what a camera read or a person typed: the token itself or its whole link."""
    link = _TICKET_LINK.fullmatch(code)
    return link.group(1) if link else code


def seat_json(seat: Seat) -> dict[str, Any]:
    """A person as the device may see them."""
    return {
        "participation": seat.id,
        "first_name": seat.first_name,
        "last_name": seat.last_name,
        "company": seat.company,
        "position": seat.position,
        "flags": sorted(seat.flags),
        "product_lines": list(seat.product_lines),
    }


def language_of_request() -> str:
    """The language the phone asks for; Russian by default."""
    return _language(request.headers.get("Accept-Language", ""))


@lru_cache(256)
def _language(asked: str) -> str:
    """A phone asks for the same with every scan."""
    wanted = parse_accept_header(asked, LanguageAccept)
    return wanted.best_match(door_words.LANGUAGES) or door_words.LANGUAGES[0]


def _read(entry: Any) -> Scan | None:
    """One scan, ``None`` when it is unreadable."""
    try:
        fields = fields_of(entry)
        code = text(fields, "ticket", _LONGEST_CODE)
        participation = number(fields, "participation")
        told = fields.get("direction")
        direction = Direction.ENTRY if told is None else told
        if (not code and participation is None) or direction not in list(Direction):
            return None
        return Scan(
            scan_id=hex_id(fields.get("scan_id")),
            gate=text(fields, "gate", 64),
            scanned_at=moment(fields.get("scanned_at")),
            # Longer than any ticket means no ticket: cut, it still finds nobody.
            ticket=ticket_of(code)[:64],
            participation=None if code else participation,
            shown=_shown(fields),
            direction=Direction(direction),
        )
    except Unreadable:
        return None


def _shown(fields: Mapping[str, Any]) -> str:
    told = fields.get("shown")
    return told if isinstance(told, str) and told in set(Verdict) else ""


def _answers(
    entries: list[Any], read: list[Scan | None], rulings: Rulings, now: datetime
) -> list[dict[str, Any]]:
    zone, language = door_words.zone_of(rulings.device.time_zone), language_of_request()
    answers = []
    for entry, scan in zip(entries, read, strict=True):
        ruling = rulings.by_scan[scan.scan_id] if scan else Ruling(Verdict.INVALID)
        message = door_words.verdict_text(
            ruling,
            language=language,
            gate=scan.gate if scan else "",
            zone=zone,
            now=now,
            direction=scan.direction if scan else Direction.ENTRY,
        )
        answers.append(_answer(entry, ruling, message, zone))
    return answers


def _answer(entry: Any, ruling: Ruling, message: str, zone: ZoneInfo) -> dict[str, Any]:
    first = ruling.first_admitted_at
    return {
        "scan_id": entry.get("scan_id") if isinstance(entry, dict) else None,
        "verdict": ruling.verdict.value,
        "person": seat_json(ruling.seat) if ruling.seat else None,
        "first_admitted_at": first.astimezone(zone).isoformat() if first else None,
        "message": message,
    }
