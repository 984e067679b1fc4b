"""What people see: tabs inside the portal, the installer, the scanner web app."""

from __future__ import annotations

from flask import Flask

from placements import event_tab, pages, participation_tab, scanner
from smart_process.service import Service


def register(web: Flask, service: Service) -> None:
    """Put every page into the app, and the tabs behind the placements declared in the schema."""
    tabs = {"event": event_tab.tab, "participation": participation_tab.tab}
    web.register_blueprint(pages.blueprint(service, tabs))
    for part in (scanner, event_tab, participation_tab):
        web.register_blueprint(part.blueprint(service))
