"""Who calls: the device token of a request, refusals in words, misses counted."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta

from flask import request

from b24.store.engine import Tx
from handlers.envelopes import Envelope, envelope
from handlers.problems import Problem
from smart_process import devices
from smart_process.service import Service
from smart_process.store.devices import Device

_REFUSALS = {
    "token_missing": (401, "Нужен заголовок Authorization: Bearer с ключом устройства."),
    "token_unknown": (401, "Ключ устройства не найден: откройте ссылку организатора ещё раз."),
    "device_expired": (401, "Срок устройства истёк: попросите у организатора новую ссылку."),
    "device_revoked": (403, "Устройство отключено организатором."),
    "portal_gone": (403, "Приложение удалено из портала организатора."),
    "role": (403, "Для этого нужна роль старшего смены."),
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
        return devices.authenticate(tx, bearer(), now=now)
    except devices.DeviceRefused as refused:
        raise refusal(refused) from refused


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
    """Write the device's last contact when it is due, in a transaction of its own."""
    if devices.contact_is_due(device, now=now):
        with service.store.transaction() as tx:
            devices.touch(tx, device, now=now)


class Misses:
    """Counts wrong secrets per address, so that nobody guesses at leisure; kept in memory of this process."""

    def __init__(
        self, limit: int = 30, within: timedelta = timedelta(minutes=1), addresses: int = 10_000
    ) -> None:
        self._limit, self._within, self._addresses = limit, within, addresses
        self._seen: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def check(self, address: str, *, now: datetime) -> None:
        """``Problem`` 429 for an address that missed too often."""
        with self._lock:
            if len(self._recent(address, now)) >= self._limit:
                raise Problem(429, "too-many-misses", "Слишком много неверных ссылок. Подождите минуту.")

    def count(self, address: str, *, now: datetime) -> None:
        """Note one miss."""
        with self._lock:
            if address not in self._seen and len(self._seen) >= self._addresses:
                self._seen.pop(next(iter(self._seen)))
            self._seen.setdefault(address, deque(maxlen=self._limit)).append(now)

    def _recent(self, address: str, now: datetime) -> deque[datetime]:
        seen = self._seen.get(address, deque())
        while seen and now - seen[0] > self._within:
            seen.popleft()
        return seen
