"""Is the process alive, can it work, how much waits: for operators and their monitors."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify

from b24.store import figures
from b24.store.engine import DatabaseAway
from b24.store.migrate import current, head
from handlers.problems import problem
from smart_process.service import Service

HELD = ("permanent", "setup", "internal")
STATES = ("active", "paused", "uninstalled")


def blueprint(service: Service) -> Blueprint:
    """``/healthz``, ``/readyz`` and ``/metrics``: open to everybody, they name no portal and no person."""
    bp = Blueprint("health", __name__)

    @bp.get("/healthz")
    def alive() -> Response:
        return jsonify(status="alive")

    @bp.get("/readyz")
    def ready() -> Response:
        try:
            with service.store.reading() as tx:
                found = current(tx)
        except DatabaseAway:
            return _database_away()
        if found != head():
            return problem(503, "database-version", "База данных другой версии, чем приложение.")
        return jsonify(status="ready")

    @bp.get("/metrics")
    def metrics() -> Response:
        try:
            with service.store.reading() as tx:
                found = figures.read(tx, service.clock())
        except DatabaseAway:
            return _database_away()
        return Response(exposition(found), content_type="text/plain; version=0.0.4; charset=utf-8")

    return bp


def _database_away() -> Response:
    return problem(503, "database-away", "База данных не отвечает.")


def exposition(found: figures.Figures) -> str:
    """The figures as Prometheus reads them. Every known state is there also while it is nought."""
    held = dict.fromkeys(HELD, 0) | dict(found.held)
    states = dict.fromkeys(STATES, 0) | dict(found.portals)
    return "".join(
        (
            _metric("lag_seconds", "gauge", "How long the oldest due work waits.", {"": found.lag_s}),
            _metric("marks_waiting", "gauge", "Objects to be synchronised.", _by("kind", found.waiting)),
            _metric("marks_held", "gauge", "Objects that wait for a person.", _by("class", held)),
            _metric("portals", "gauge", "Portals the app is installed in.", _by("state", states)),
            _metric("portal_requests_total", "counter", "Requests sent to portals.", {"": found.calls}),
            _metric(
                "portal_limit_hits_total",
                "counter",
                "Answers of portals that a limit is reached.",
                _by("status", found.refused),
            ),
        )
    )


def _by(label: str, numbers: Mapping[str, int]) -> dict[str, int]:
    # Labels are our own words: letters, digits and underscores, nothing to be escaped.
    return {f'{{{label}="{name}"}}': number for name, number in numbers.items()}


def _metric(name: str, kind: str, words: str, values: Mapping[str, float]) -> str:
    lines = [f"# HELP event_app_{name} {words}", f"# TYPE event_app_{name} {kind}"]
    lines += [f"event_app_{name}{labels} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"
