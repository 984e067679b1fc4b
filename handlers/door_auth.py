"""Who calls: the device token of a request, refusals in words, misses counted."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import current_app, request

from b24 import logs
from b24.store.engine import Tx
from handlers.envelopes import Envelope, Unreadable, envelope, moment
from handlers.problems import Problem
from smart_process import devices
from smart_process.checkin import seconds
from smart_process.misses import Misses
from smart_process.service import Service
from smart_process.store.devices import Device

_REFUSALS = {
    "token_missing": (401, "Нужен заголовок Authorization: Bearer с ключом устройства."),
    "token_unknown": (401, "Ключ устройства не найден: откройте ссылку организатора ещё раз."),
    "device_expired": (401, "Срок устройства истёк: попросите у организатора новую ссылку."),
    "device_revoked": (403, "Устройство отключено организатором."),
    "portal_gone": (403, "Приложение удалено из портала организатора."),
    "role": (403, "Для этого нужна роль старшего смены."),
    "too_many_misses": (429, "Слишком много неверных ссылок. Подождите минуту."),
    "code_unknown": (404, "Такой ссылки нет: проверьте адрес или попросите новую."),
    "code_expired": (410, "Срок ссылки истёк: попросите у организатора новую."),
    "code_used_up": (410, "По этой ссылке подключено уже достаточно телефонов: попросите новую."),
}


def refusal(refused: devices.DeviceRefused) -> Problem:
    """The HTTP answer to a refused device or code."""
    status, text = _REFUSALS[refused.code]
    headers = {"WWW-Authenticate": 'Bearer realm="door"'} if status == 401 else None
    return Problem(status, refused.code.replace("_", "-"), text, headers)


def bearer() -> str:
    """The token of the request. ``Problem`` 401 without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refusal(devices.DeviceRefused("token_missing"))
    return token.strip()


def device_of(tx: Tx, *, now: datetime) -> Device:
    """The device that calls. ``Problem`` unless it may act."""
    try:
        device = devices.authenticate(tx, bearer(), now=now)
    except devices.DeviceRefused as refused:
        raise refusal(refused) from refused
    logs.about(device.portal_id)
    return device


def entries(service: Service, name: str, *, now: datetime) -> Envelope:
    """The entries of the request; a stranger learns that they are one, not what their envelope lacks."""
    bearer()
    try:
        return envelope(name)
    except Problem:
        with service.store.reading() as tx:
            device_of(tx, now=now)
        raise


def note_contact(service: Service, device: Device, *, now: datetime) -> None:
    """Write the device's last contact and what it tells of itself when it is due, in a transaction of its own."""
    if devices.contact_is_due(device, now=now):
        with service.store.transaction() as tx:
            devices.touch(tx, device, _told(now), now=now)


def _told(now: datetime) -> dict[str, Any]:
    """How many entries the phone still keeps, how far its clock is ahead, which version of the scanner it runs."""
    queue, version = request.headers.get("X-Door-Queue", ""), request.headers.get("X-Door-Version", "")
    told: dict[str, Any] = {"queue": int(queue)} if re.fullmatch(r"[0-9]{1,6}", queue) else {}
    if re.fullmatch(r"[\w.-]{1,32}", version, re.ASCII):
        told["app_version"] = version
    try:
        clock = moment(request.headers.get("X-Door-Clock"))
    except Unreadable:
        return told
    return told | ({"skew_s": seconds(clock - now)} if clock else {})


def misses() -> Misses:
    """Wrong enrolment codes seen by this app; the enrol page counts in the same place."""
    counted: Misses = current_app.extensions.setdefault("enrol_misses", Misses())
    return counted
