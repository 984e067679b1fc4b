"""What people see: tabs inside the portal, the installer, the scanner web app."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from placements import (
    client_tab,
    deal_tab,
    event_tab,
    health_section,
    pages,
    participation_tab,
    scanner,
    settings_page,
)
from placements.registry import Tab
from smart_process.card_paths import card_path, merge_path
from smart_process.schema import COMPANY, CONTACT
from smart_process.service import Service

TABS: Mapping[str, Tab] = {
    "event": event_tab.tab,
    "participation": participation_tab.tab,
    "contact": client_tab.tab,
    "company": client_tab.tab,
    "deal": deal_tab.tab,
}
"""Per declared placement the function that makes its page."""


def register(web: Flask, service: Service) -> None:
    """Put every page into the app, and the tabs behind the placements declared in the schema."""
    web.register_blueprint(pages.blueprint(service, TABS))
    register_apis(web, service)
    web.register_blueprint(scanner.blueprint(service))


def register_apis(web: Flask, service: Service) -> None:
    """What the scripts of the tabs ask for."""
    web.jinja_env.globals |= {
        "card_path": card_path,
        "merge_path": merge_path,
        "contact_type": CONTACT,
        "company_type": COMPANY,
    }
    for part in (event_tab, participation_tab, client_tab, deal_tab, settings_page, health_section):
        web.register_blueprint(part.blueprint(service))
