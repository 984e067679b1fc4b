"""The blueprint: pages are registered on it by importing their modules."""

from __future__ import annotations

import importlib

from flask import Blueprint

bp = Blueprint(
    "ui", __name__, template_folder="templates", static_folder="static", static_url_path="/sandbox/static"
)

PAGES = (
    "session",
    "start",
    "kanban",
    "lists",
    "cards",
    "editing",
    "contacting",
    "moving",
    "files",
    "recycle_bin",
    "merging",
    "funnels",
    "automation",
    "form_editor",
    "tasks",
    "mailbox",
    "webforms",
    "applications",
    "frames",
    "notifications",
    "people",
    "staff",
    "restlog",
)

for _name in PAGES:
    importlib.import_module(f"b24.sandbox.ui.{_name}")
