"""What comes in over HTTP: installation, portal events, registrations, tickets, check-in, flags."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from flask import Flask

from handlers import (
    devices,
    flags,
    health,
    install,
    live,
    openapi,
    pack,
    portal_events,
    problems,
    registration,
    scans,
    tickets,
)
from smart_process.service import Service

OF_DEVICES: tuple[ModuleType, ...] = (devices, scans, flags, pack, live, openapi, health)
"""What phones need of us, without any portal."""
PARTS: tuple[ModuleType, ...] = (install, portal_events, registration, tickets, *OF_DEVICES)


def register(web: Flask, service: Service, parts: Sequence[ModuleType] = PARTS) -> None:
    """Put handlers into the app; each module's ``blueprint`` says what it answers."""
    problems.register(web)
    for part in parts:
        web.register_blueprint(part.blueprint(service))
