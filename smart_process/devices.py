"""Devices at the door: enrolled by a link, known by a token, expiring by themselves, revocable at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from b24.store.engine import Tx
from smart_process.store import devices as rows
from smart_process.store.devices import Device, DoorEvent, Enrolment
from smart_process.store.journal import new_token

ROLES = ("scan", "supervise")
AFTER_EVENT = timedelta(days=1)
"""A device outlives its event by this, so that queued scans still arrive."""
AT_LEAST = timedelta(hours=12)
"""A device enrolled after the event (a rehearsal, a late upload) still works this long."""
CONTACT_EVERY = timedelta(minutes=1)


class DeviceRefused(Exception):
    """A device or an enrolment code may not do this.

    ``code``: ``token_missing``, ``token_unknown``, ``device_expired``, ``device_revoked``, ``portal_gone``,
    ``role``, ``code_unknown``, ``code_expired``, ``code_used_up``, ``too_many_misses``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def secret_hash(secret: str) -> str:
    """What is stored of a code or a token: 128 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create_enrolment(
    tx: Tx,
    event_id: int,
    *,
    gates: Sequence[str],
    role: str = "scan",
    uses: int = 20,
    hours: float = 24,
    by: str,
    now: datetime,
) -> str:
    """Make an enrolment for phones and return its code, which is stored nowhere: show it now or never.

    Args:
        event_id: our event.
        gates: names of the gates the phones may stand at; none: every gate.
        uses: how many phones may enrol; ``hours``: until when.
        by: who made it, as facts name people (``user:5``).
    Raises:
        LookupError: no such event. ValueError: an unknown role or no use at all.
    """
    if role not in ROLES or uses < 1 or hours <= 0:
        raise ValueError(f"role {role!r}, {uses} uses, {hours} hours")
    code = new_token()
    rows.add_enrolment(
        tx,
        {
            "event_id": event_id,
            "code_hash": secret_hash(code),
            "gates": list(gates),
            "role": role,
            "uses_left": uses,
            "expires_at": now + timedelta(hours=hours),
            "created_at": now,
            "created_by": by,
        },
    )
    return code


def look_up(tx: Tx, code: str, *, now: datetime) -> tuple[Enrolment, DoorEvent]:
    """The enrolment behind a code and its event; changes nothing. ``DeviceRefused`` for a useless code."""
    found = rows.enrolment(tx, secret_hash(code))
    if found is None:
        raise DeviceRefused("code_unknown")
    if found.expires_at <= now:
        raise DeviceRefused("code_expired")
    if found.uses_left < 1:
        raise DeviceRefused("code_used_up")
    return found, rows.event(tx, found.event_id)


def enrol(tx: Tx, code: str, name: str, *, now: datetime) -> tuple[Device, str]:
    """Use an enrolment once; answers the device and its token, which is stored nowhere.

    Raises:
        DeviceRefused: the code is unknown, expired or used up.
    """
    found, event = look_up(tx, code, now=now)
    if not rows.take_use(tx, found.id):
        raise DeviceRefused("code_used_up")
    token = secrets.token_urlsafe(32)
    rows.add_device(
        tx,
        {
            "portal_id": found.portal_id,
            "event_id": found.event_id,
            "enrolment_id": found.id,
            "name": name,
            "token_hash": secret_hash(token),
            "gates": list(found.gates),
            "role": found.role,
            "expires_at": device_expiry(event, now),
            "created_at": now,
            "last_seen_at": now,
        },
    )
    return authenticate(tx, token, now=now), token


def device_expiry(event: DoorEvent, now: datetime) -> datetime:
    """A day after the event; at least half a day from now."""
    over = (event.ends_at or event.starts_at or now) + AFTER_EVENT
    return max(over, now + AT_LEAST)


def authenticate(tx: Tx, token: str, *, now: datetime) -> Device:
    """The device with this token. ``DeviceRefused`` unless it may act now."""
    device = rows.by_token_hash(tx, secret_hash(token))
    if device is None:
        raise DeviceRefused("token_unknown")
    check(device, now=now)
    if device.revoked_at is not None:
        raise DeviceRefused("device_revoked")
    return device


def check(device: Device, *, now: datetime) -> None:
    """``DeviceRefused`` for an expired device or one whose portal removed the app; a revoked one passes."""
    if device.portal_state == "uninstalled":
        raise DeviceRefused("portal_gone")
    if device.expires_at <= now:
        raise DeviceRefused("device_expired")


def contact_is_due(device: Device, *, now: datetime) -> bool:
    """Whether the last contact should be written: at most once a minute, so that scans share no row."""
    return device.last_seen_at is None or now - device.last_seen_at >= CONTACT_EVERY


def touch(tx: Tx, device: Device, told: Mapping[str, Any], *, now: datetime) -> None:
    """Note a device's contact; call it outside the transaction of a scan.

    Args:
        told: what it says of itself: ``queue``, ``skew_s``, ``app_version``, as far as it says it.
    """
    rows.touch(tx, device.id, told, now=now, unless_since=now - CONTACT_EVERY)
