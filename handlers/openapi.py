"""``GET /api/openapi.json``: the stable surface of the app, as data."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from smart_process.admission import Direction, GateKind, Verdict
from smart_process.conflicts import Why
from smart_process.floor import Result
from smart_process.schema import FLAGS
from smart_process.service import Service

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339 with offset. Never a reason to refuse.",
}
SCAN_ID: Schema = {
    "type": "string",
    "pattern": "^[0-9a-fA-F-]{32,36}$",
    "description": "32 hex digits with or without hyphens, unique per device. Same id, same verdict.",
}
ACTION_ID: Schema = {
    "type": "string",
    "maxLength": 64,
    "description": "Unique per device; the same action again changes nothing.",
}


_PER_MINUTE: Schema = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "Each of the last 60 minutes, the oldest first.",
}


def an_object(required: list[str], **properties: Schema) -> Schema:
    """An object with some required properties."""
    return {"type": "object", "required": required, "properties": properties}


def ref(name: str) -> Schema:
    """A named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """The schema or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def a_list(of: Schema) -> Schema:
    """1 to 200 entries."""
    return {"type": "array", "items": of, "minItems": 1, "maxItems": 200}


SCHEMAS: dict[str, Schema] = {
    "Problem": an_object(
        ["type", "title", "status", "detail"],
        type={"type": "string", "description": "Ends in the code programs can rely on."},
        title=TEXT,
        status={"type": "integer"},
        detail=TEXT,
    ),
    "Person": an_object(
        ["participation", "first_name", "last_name", "company", "position", "flags", "product_lines"],
        participation={"type": "integer"},
        first_name=TEXT,
        last_name=TEXT,
        company=TEXT,
        position=TEXT,
        flags={"type": "array", "items": {"enum": list(FLAGS)}},
        product_lines={"type": "array", "items": TEXT},
    ),
    "Event": an_object(
        ["code", "title", "starts_at", "ends_at", "time_zone", "place", "product_lines"],
        code=TEXT,
        title=TEXT,
        starts_at=nullable(MOMENT),
        ends_at=nullable(MOMENT),
        time_zone=TEXT,
        place=TEXT,
        product_lines={"type": "array", "items": TEXT},
    ),
    "Device": an_object(
        ["name", "gates", "role", "expires_at", "event", "flags"],
        name=TEXT,
        gates={"type": "array", "items": TEXT, "description": "Empty: every gate."},
        role={"enum": ["scan", "supervise"]},
        rehearsal={"type": "boolean", "description": "Practice guests: nothing counts."},
        expires_at=MOMENT,
        event=ref("Event"),
        flags={"type": "array", "items": an_object(["flag", "title"], flag=TEXT, title=TEXT)},
    ),
    "Scan": an_object(
        ["scan_id", "gate", "scanned_at"],
        scan_id=SCAN_ID,
        ticket={"type": "string", "description": "The ticket's token or its whole link."},
        participation={"type": "integer", "description": "Instead of a ticket: somebody found by name."},
        gate=TEXT,
        scanned_at=MOMENT,
        direction={
            "enum": list(Direction),
            "default": "entry",
            "description": "Exits: where the gate counts them.",
        },
        shown={"enum": list(Verdict), "description": "The verdict the phone already acted on."},
    ),
    "Verdict": an_object(
        ["scan_id", "verdict", "person", "first_admitted_at", "message"],
        scan_id={"description": "As sent."},
        verdict={"enum": list(Verdict)},
        person=nullable(ref("Person")),
        first_admitted_at=nullable(MOMENT),
        message=TEXT,
    ),
    "Flag": an_object(
        ["action_id", "set_at"],
        action_id=ACTION_ID,
        ticket=TEXT,
        participation={"type": "integer"},
        flag={"enum": list(FLAGS), "description": "May be left out for a note alone."},
        product_line=TEXT,
        on={"type": "boolean", "default": True},
        note={"type": "string", "maxLength": 2000},
        gate=TEXT,
        set_at=MOMENT,
    ),
    "Annulment": an_object(
        ["action_id", "set_at"],
        action_id=ACTION_ID,
        scan_id=SCAN_ID,
        participation={
            "type": "integer",
            "description": "Supervisors, instead of a scan: every arrival of this guest.",
        },
        reason={"type": "string", "maxLength": 500},
        set_at=MOMENT,
    ),
    "WalkIn": an_object(
        ["action_id", "last_name", "first_name"],
        action_id=ACTION_ID,
        last_name=TEXT,
        first_name=TEXT,
        company=TEXT,
        position=TEXT,
        phone=TEXT,
        email=TEXT,
        gate=TEXT,
        host={"type": "string", "description": "Who of the hosts invited them."},
        set_at=MOMENT,
    ),
    "Result": an_object(
        ["action_id", "result", "message", "person"],
        action_id={"description": "As sent."},
        result={"enum": list(Result)},
        message=TEXT,
        person=nullable(ref("Person")),
        ticket={"type": "string", "description": "Walk-ins only."},
    ),
    "Pack": an_object(
        ["version", "whole", "shelves", "compare_every_s", "now", "expires_at", "place", "guests", "device"],
        version={"type": "string", "description": "For ``since`` of the next call."},
        whole={"type": "boolean", "description": "Everybody; forget what was known before."},
        shelves={
            "type": "array",
            "items": TEXT,
            "description": "Forget the guests whose numbers begin with one of these letters: all of them come here.",
        },
        compare_every_s={"type": "integer", "description": "After this many seconds ask with If-None-Match."},
        now=MOMENT,
        expires_at={"type": "string", "format": "date-time", "description": "Wipe the pack then."},
        place=an_object(
            ["gates", "defined", "called_off"],
            gates={"type": "array", "items": TEXT, "description": "Empty: every gate."},
            defined={"type": "array", "items": ref("Gate")},
            called_off={"type": "boolean"},
        ),
        guests={
            "type": "array",
            "description": "Each: number, sealed record, list of locators (8 letters) with wrapped keys, print.",
            "items": {"type": "array", "minItems": 4, "maxItems": 4},
        },
        others={"type": "array", "items": TEXT, "description": "Numbers of tickets of other events."},
        salt={"type": "string", "description": "base64url; with ``others`` and ``search`` in a whole pack."},
        search={"type": "string", "description": "base64url; to be kept where scripts cannot read it."},
        device=ref("Device"),
    ),
    "Gate": an_object(
        ["name", "kind", "flag", "reentry"],
        name=TEXT,
        kind={"enum": list(GateKind)},
        flag={"type": "string", "description": "Set by passing; empty: none."},
        reentry={"type": "boolean", "description": "Exits are counted, who went out may come back."},
    ),
    "Live": an_object(
        [
            "now",
            "expected",
            "arrived",
            "minutes",
            "planned",
            "lanes",
            "queued",
            "gates",
            "silent",
            "cases",
            "cases_in_all",
            "important",
        ],
        now=MOMENT,
        expected={"type": "integer"},
        arrived={"type": "integer"},
        minutes=_PER_MINUTE,
        planned={"type": "array", "items": {"type": "number"}, "description": "What the plan expected."},
        lanes=an_object(["needed", "open"], needed={"type": "integer"}, open={"type": "integer"}),
        queued={"type": "integer", "description": "Entries phones have not sent yet."},
        gates={
            "type": "array",
            "items": an_object(
                ["name", "kind", "people", "of", "minutes", "phones"],
                name=TEXT,
                kind={"enum": list(GateKind)},
                people={"type": "integer", "description": "Let in, everybody once."},
                of={"type": "integer"},
                minutes=_PER_MINUTE,
                phones={"type": "integer", "description": "In touch."},
            ),
        },
        silent={
            "type": "array",
            "items": an_object(
                ["name", "gates", "queue", "seen_at"],
                name=TEXT,
                gates={"type": "array", "items": TEXT},
                queue={"type": "integer"},
                seen_at=nullable(MOMENT),
            ),
        },
        cases={
            "type": "array",
            "items": an_object(
                ["name", "why", "showings"],
                name=TEXT,
                why={"enum": list(Why)},
                showings={
                    "type": "array",
                    "items": an_object(["at", "gate", "device"], at=MOMENT, gate=TEXT, device=TEXT),
                },
            ),
        },
        cases_in_all={"type": "integer"},
        important={
            "type": "array",
            "items": an_object(["name", "gate", "at"], name=TEXT, gate=TEXT, at=nullable(MOMENT)),
        },
    ),
    "Found": an_object(
        ["participation", "first_name", "last_name", "company", "position", "arrived_at", "cancelled"],
        participation={"type": "integer"},
        first_name=TEXT,
        last_name=TEXT,
        company=TEXT,
        position=TEXT,
        arrived_at=nullable(MOMENT),
        cancelled={"type": "boolean"},
    ),
}


def _json(schema: Schema, description: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> Schema:
    return {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}


_REFUSED = {
    "401": _problem("No valid device token, or the device has expired."),
    "403": _problem("The device was revoked, or the app was removed from the portal."),
}
_ENVELOPE = {"400": _problem("The envelope is unreadable."), "413": _problem("More than 200 entries.")}


def _post(summary: str, name: str, entry: str, answers: str, answer: str) -> Schema:
    body = an_object([name], **{name: a_list(ref(entry))}, sent_at=MOMENT)
    reply = an_object([answers], **{answers: {"type": "array", "items": ref(answer)}})
    return {
        "summary": summary,
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _json(reply, "One answer per entry, in the order sent."),
            **_ENVELOPE,
            **_REFUSED,
        },
    }


def _page(summary: str, *parameters: str, kind: str = "text/html") -> Schema:
    return {
        "summary": summary,
        "security": [],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in parameters],
        "responses": {"200": {"description": "The page.", "content": {kind: {}}}},
    }


_ENROL = {
    "summary": "Enrol a phone",
    "operationId": "enrol",
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": an_object(
                    ["enrol_code", "name"], enrol_code=TEXT, name={"type": "string", "maxLength": 64}
                )
            }
        },
    },
    "responses": {
        "201": _json(
            {"allOf": [ref("Device"), an_object(["device_token"], device_token=TEXT)]},
            "Enrolled; the token is told this one time.",
        ),
        "400": _problem("Unreadable."),
        "404": _problem("No such code."),
        "410": _problem("The code has expired or was used up."),
        "429": _problem("Too many wrong codes."),
    },
}
_DEVICE = {
    "summary": "What this device is for",
    "operationId": "device",
    "responses": {"200": _json(ref("Device"), "The device."), **_REFUSED},
}
_PACK = {
    "summary": "What a phone needs to decide without network",
    "description": "Sealed per guest under a key that follows from the ticket; found by ticket or by the first "
    "three letters of a word. Every call of a device may tell its state in X-Door-Queue (entries not sent yet), "
    "X-Door-Clock (its time, RFC 3339) and X-Door-Version.",
    "operationId": "pack",
    "parameters": [
        {
            "name": "since",
            "in": "query",
            "schema": TEXT,
            "description": "The version the phone has: only what changed since.",
        },
        {
            "name": "If-None-Match",
            "in": "header",
            "schema": TEXT,
            "description": "With ``since``: what the phone has, also where nobody learned anything new, is compared. "
            "A weak tag of 65 prints of 6 bytes as base64url: for each first letter of a number (A–Z a–z 0–9 - _) the "
            "prints of its guests, for the others the first 6 bytes of their numbers; each group joined by XOR.",
        },
    ],
    "responses": {
        "200": _json(ref("Pack"), "The pack."),
        "304": {"description": "The phone has it all."},
        **_REFUSED,
    },
}
_LIVE = {
    "summary": "The door in numbers, for supervisors",
    "operationId": "live",
    "responses": {"200": _json(ref("Live"), "What happens at all gates now."), **_REFUSED},
}
_PEOPLE = {
    "summary": "Search guests of the event by any part of a name or company",
    "operationId": "people",
    "parameters": [
        {"name": "q", "in": "query", "required": True, "schema": {"type": "string", "minLength": 2}}
    ],
    "responses": {
        "200": _json(
            an_object(["people"], people={"type": "array", "maxItems": 20, "items": ref("Found")}), "Found."
        ),
        "400": _problem("Less than two letters."),
        **_REFUSED,
    },
}

_DATABASE = {"503": _problem("The database is away, or not of this version.")}
_ALIVE = {
    "summary": "The process answers",
    "security": [],
    "responses": {"200": _json(an_object(["status"], status={"const": "alive"}), "Alive.")},
}
_READY = {
    "summary": "The database answers and has the tables of this version",
    "security": [],
    "responses": {
        "200": _json(an_object(["status"], status={"const": "ready"}), "Ready for work."),
        **_DATABASE,
    },
}
_METRICS = {
    "summary": "What a monitor watches, in the text format of Prometheus",
    "description": "Totals over all portals: lag in seconds, marks waiting per kind and held per class, "
    "portals per state, requests to portals, limits hit.",
    "security": [],
    "responses": {"200": {"description": "The figures.", "content": {"text/plain": {}}}, **_DATABASE},
}

PATHS: dict[str, Schema] = {
    "/api/v1/devices": {"post": _ENROL},
    "/api/v1/device": {"get": _DEVICE},
    "/api/v1/scans": {"post": _post("Judge and record scans", "scans", "Scan", "verdicts", "Verdict")},
    "/api/v1/flags": {
        "post": _post("Set or withdraw flags, add notes", "flags", "Flag", "results", "Result")
    },
    "/api/v1/annulments": {
        "post": _post("Take back arrivals", "annulments", "Annulment", "results", "Result")
    },
    "/api/v1/walk-ins": {
        "post": _post("Add guests who walked in", "walk_ins", "WalkIn", "results", "Result")
    },
    "/api/v1/pack": {"get": _PACK},
    "/api/v1/live": {"get": _LIVE},
    "/api/v1/people": {"get": _PEOPLE},
    "/healthz": {"get": _ALIVE},
    "/readyz": {"get": _READY},
    "/metrics": {"get": _METRICS},
    "/api/openapi.json": {"get": _page("This description", kind="application/json")},
    "/scan/": {"get": _page("The scanner")},
    "/scan/{code}": {"get": _page("Enrol a phone; changes nothing", "code")},
}


def document() -> Schema:
    """The whole description, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Event app", "version": "1"},
        "security": [{"device": []}],
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "device": {"type": "http", "scheme": "bearer", "description": "Device token."}
            },
        },
    }


def blueprint(_service: Service) -> Blueprint:
    """The route of the description."""
    bp = Blueprint("openapi", __name__)

    @bp.get("/api/openapi.json")
    def openapi() -> Response:
        """The API as OpenAPI 3.1."""
        return jsonify(document())

    return bp
