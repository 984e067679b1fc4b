"""What comes in over HTTP: installation, portal events, registrations, tickets, check-in, flags."""

from __future__ import annotations

from flask import Flask

from handlers import (
    devices,
    flags,
    health,
    install,
    openapi,
    portal_events,
    problems,
    registration,
    scans,
    tickets,
)
from smart_process.service import Service

PARTS = (install, portal_events, registration, tickets, devices, scans, flags, openapi, health)


def register(web: Flask, service: Service) -> None:
    """Put every handler into the app; each module's ``blueprint`` says what it answers."""
    problems.register(web)
    for part in PARTS:
        web.register_blueprint(part.blueprint(service))
