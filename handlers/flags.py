"""Flags, annulments, walk-ins and the name search of a device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, jsonify, request

from b24 import logs
from b24.store.engine import Tx
from handlers import door_auth
from handlers.envelopes import Unreadable, fields_of, hex_id, moment, number, text
from handlers.problems import Problem
from handlers.scans import language_of_request, seat_json, ticket_of
from smart_process import door_words, floor
from smart_process.checkin import skew_of
from smart_process.floor import Annulment, Done, FlagAction, Result, WalkIn
from smart_process.people import Identity, email_of, phone_of
from smart_process.service import Service
from smart_process.store import devices, door, setups
from smart_process.store.devices import Device

A = TypeVar("A")
Work = Callable[[Tx, Device, list[A], timedelta, datetime], list[Done]]


def blueprint(service: Service) -> Blueprint:
    """The routes of everything a device does besides scanning."""
    bp = Blueprint("flags", __name__)

    @bp.post("/api/v1/flags")
    def flags() -> Response:
        """Set or withdraw 1–200 flags, add notes."""
        return _worked(service, "flags", _flag, _set_flags)

    @bp.post("/api/v1/annulments")
    def annulments() -> Response:
        """Take back 1–200 arrivals."""
        return _worked(service, "annulments", _annulment, _annul)

    @bp.post("/api/v1/walk-ins")
    def walk_ins() -> Response:
        """Add 1–200 guests who came without registering."""
        return _worked(service, "walk_ins", _walk_in, _add)

    @bp.get("/api/v1/people")
    def people() -> Response:
        """Guests of the device's event by any part of a name or company; ``?q=`` of 2 letters or more."""
        now, query = service.clock(), request.args.get("q", "").strip()
        with service.store.reading() as tx:
            device = door_auth.device_of(tx, now=now)
            if len(query.replace(" ", "")) < 2 or len(query) > 100:
                raise Problem(400, "query", "Нужны хотя бы две буквы имени, фамилии или компании.")
            zone = door_words.zone_of(device.time_zone)
            found = [_found(row, zone) for row in floor.find_people(tx, device.event_id, query)]
        door_auth.note_contact(service, device, now=now)
        return jsonify(people=found)

    return bp


def _worked(service: Service, name: str, read: Callable[[Mapping[str, Any]], A], work: Work[A]) -> Response:
    """Read the entries, do the readable ones in one transaction, answer all in their order."""
    now = service.clock()
    batch = door_auth.entries(service, name, now=now)
    entries = [_read(entry, read) for entry in batch.entries]
    readable = [one for one in entries if one is not None]
    skew = skew_of(batch.sent_at, now)

    def transaction(tx: Tx, _careful: bool) -> tuple[Device, list[Done]]:
        device = door_auth.device_of(tx, now=now)
        return device, work(tx, device, readable, skew, now)

    device, done = door.settled(service.store, transaction)
    logs.about(device.portal_id)
    if any(one.result is Result.DONE for one in done):
        service.wake(device.portal_id)
    door_auth.note_contact(service, device, now=now)
    left = iter(done)
    unreadable = Done(Result.INVALID, "invalid")
    answers = [next(left) if one is not None else unreadable for one in entries]
    pairs = zip(batch.entries, answers, strict=True)
    return jsonify(results=[_answer(name, entry, answer) for entry, answer in pairs])


def _read(entry: Any, read: Callable[[Mapping[str, Any]], A]) -> A | None:
    try:
        return read(fields_of(entry))
    except Unreadable:
        return None


def _action_id(fields: Mapping[str, Any]) -> str:
    told = text(fields, "action_id", 64, required=True)
    try:
        return hex_id(told)
    except Unreadable:
        return told


def _flag(fields: Mapping[str, Any]) -> FlagAction:
    on = fields.get("on", True)
    action = FlagAction(
        action_id=_action_id(fields),
        ticket=ticket_of(text(fields, "ticket", 4000))[:64],
        participation=number(fields, "participation"),
        flag=text(fields, "flag", 64),
        product_line=text(fields, "product_line", 100),
        on=on,
        note=text(fields, "note", floor.LONGEST_NOTE),
        set_at=moment(fields.get("set_at")),
        gate=text(fields, "gate", 64),
    )
    if not isinstance(on, bool) or not (action.flag or action.note):
        raise Unreadable
    if not action.ticket and action.participation is None:
        raise Unreadable
    return action


def _annulment(fields: Mapping[str, Any]) -> Annulment:
    participation = number(fields, "participation")
    return Annulment(
        action_id=_action_id(fields),
        scan_id="" if participation else hex_id(fields.get("scan_id")),
        participation=participation,
        reason=text(fields, "reason", 500),
        set_at=moment(fields.get("set_at")),
    )


def _walk_in(fields: Mapping[str, Any]) -> WalkIn:
    who = Identity(
        last_name=text(fields, "last_name", 120, required=True),
        first_name=text(fields, "first_name", 120, required=True),
        email=text(fields, "email", 254),
        phone=text(fields, "phone", 60),
        company_name=text(fields, "company", 255),
        position=text(fields, "position", 160),
    )
    # Walk-ins share the table of scans, so their ids must not meet the scans' own.
    own = hashlib.sha256(f"walk-in:{_action_id(fields)}".encode()).hexdigest()[:32]
    return WalkIn(
        action_id=own,
        who=who,
        gate=text(fields, "gate", 64),
        came_at=moment(fields["set_at"]) if "set_at" in fields else None,
        host=text(fields, "host", 160),
    )


def _set_flags(
    tx: Tx, device: Device, actions: list[FlagAction], skew: timedelta, now: datetime
) -> list[Done]:
    lines = devices.event(tx, device.event_id).product_lines
    return floor.set_flags(tx, device, actions, lines=lines, skew=skew, now=now)


def _annul(tx: Tx, device: Device, some: list[Annulment], skew: timedelta, now: datetime) -> list[Done]:
    return [floor.annul(tx, device, one, skew=skew, now=now) for one in some]


def _add(tx: Tx, device: Device, some: list[WalkIn], skew: timedelta, now: datetime) -> list[Done]:
    region = setups.read(tx, device.portal_id).settings.region
    return [_added(tx, device, one, region, skew, now) for one in some]


def _added(tx: Tx, device: Device, one: WalkIn, region: str, skew: timedelta, now: datetime) -> Done:
    email, phone = email_of(one.who.email), phone_of(one.who.phone, region)
    if (one.who.email and not email) or (one.who.phone and not phone):
        return Done(Result.INVALID, "bad_contact")
    who = replace(one.who, email=email, phone=phone)
    return floor.walk_in(tx, device, replace(one, who=who), skew=skew, now=now)


def _answer(name: str, entry: Any, done: Done) -> dict[str, Any]:
    seat = done.seat
    # Who walked in gets a ticket like everybody; other answers keep tickets to themselves.
    walked_in = {"ticket": seat.ticket} if seat and name == "walk_ins" else {}
    return {
        "action_id": entry.get("action_id") if isinstance(entry, dict) else None,
        "result": done.result.value,
        "message": door_words.result_text(done.why, language=language_of_request()),
        "person": seat_json(seat) if seat else None,
        **walked_in,
    }


def _found(row: Any, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "participation": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "company": row.company_name,
        "position": row.position,
        "arrived_at": row.arrived_at.astimezone(zone).isoformat() if row.arrived_at else None,
        "cancelled": row.cancelled,
    }
