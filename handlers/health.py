"""Is the process alive, can it work, how much waits: for operators and their monitors."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from b24.store import marks
from smart_process.service import Service


def blueprint(service: Service) -> Blueprint:
    """``/healthz`` and ``/readyz``."""
    bp = Blueprint("health", __name__)

    @bp.get("/healthz")
    def alive() -> Response:
        return jsonify(status="alive")

    @bp.get("/readyz")
    def ready() -> tuple[Response, int]:
        if not service.store.answers():
            return jsonify(status="database unreachable"), 503
        with service.store.reading() as tx:
            due = len(marks.due_portals(tx, now=service.clock()))
        return jsonify(status="ready", portals_with_work=due), 200

    return bp
