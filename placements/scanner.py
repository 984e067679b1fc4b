"""The scanner's pages: enrolling a phone, the scanner itself, what installs it on a home screen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request, url_for

from placements.scanner_words import LANGUAGES, words
from smart_process import devices
from smart_process.door_words import zone_of
from smart_process.misses import Misses
from smart_process.schema import FLAGS
from smart_process.service import Service
from smart_process.store.devices import DoorEvent, Enrolment

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"
_STATUS = {"code_unknown": 404, "code_expired": 410, "code_used_up": 410, "too_many_misses": 429}
_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(service: Service) -> Blueprint:
    """The routes under ``/scan/``."""
    bp = Blueprint("scanner", __name__)
    kept = _kept_files()
    version = _version(kept)

    @bp.get("/scan/")
    def scanner() -> Response:
        """The scanner; who it is for is known to the phone, not to the address."""
        return _page("scanner/scan.html", version=version)

    @bp.get("/scan/<code>")
    def enrol(code: str) -> Response:
        """What the link is for and a field for the phone's name; changes nothing."""
        try:
            found, event = _looked_up(service, code)
        except devices.DeviceRefused as refused:
            return _page("scanner/refused.html", _STATUS[refused.code], reason=refused.code)
        return _page("scanner/enrol.html", code=code, gates=found.gates, event=event, day=_day(event))

    @bp.get("/scan/sw.js")
    def worker() -> Response:
        """The service worker, told what to keep; its text changes with any of the files, so phones notice."""
        head = f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps([path for path, _ in kept])};\n"
        reply = Response(head + (STATIC / "scanner" / "sw.js").read_text(), mimetype="text/javascript")
        reply.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return reply

    @bp.get("/scan/manifest.webmanifest")
    def manifest() -> Response:
        """Lets a phone put the scanner on its home screen."""
        reply = jsonify(
            name=words(_language())["app"],
            short_name=words(_language())["app"],
            start_url=url_for("scanner.scanner"),
            scope=url_for("scanner.scanner"),
            display="standalone",
            orientation="portrait",
            background_color="#101418",
            theme_color="#101418",
            icons=[
                {
                    "src": "/static/scanner/icon.svg",
                    "sizes": "any",
                    "type": "image/svg+xml",
                    "purpose": "any",
                },
                {"src": "/static/scanner/icon-180.png", "sizes": "180x180", "type": "image/png"},
                {"src": "/static/scanner/icon-512.png", "sizes": "512x512", "type": "image/png"},
            ],
        )
        reply.mimetype = "application/manifest+json"
        return reply

    return bp


def _kept_files() -> list[tuple[str, Path]]:
    """Everything the scanner needs, by the address it is loaded from."""
    vendor = [STATIC / "vendor" / name for name in ("zxing_reader.js", "zxing_reader.wasm")]
    own = sorted(path for path in (STATIC / "scanner").iterdir() if path.name not in ("sw.js", "enrol.js"))
    return [
        (f"/static/{path.relative_to(STATIC).as_posix()}", path) for path in [*own, *vendor] if path.exists()
    ]


def _version(kept: list[tuple[str, Path]]) -> str:
    """One name for what these files, the page and its words are now."""
    page = (TEMPLATES / "scanner" / "scan.html", STATIC / "scanner" / "sw.js", HERE / "scanner_words.py")
    digest = hashlib.sha256()
    for path in (*page, *(path for _, path in kept)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _looked_up(service: Service, code: str) -> tuple[Enrolment, DoorEvent]:
    now, address = service.clock(), request.remote_addr or ""
    # Counted together with the calls that enrol: both tell whether a code exists.
    misses: Misses = current_app.extensions.setdefault("enrol_misses", Misses())
    if misses.too_many(address, now=now):
        raise devices.DeviceRefused("too_many_misses")
    try:
        with service.store.reading() as tx:
            return devices.look_up(tx, code, now=now)
    except devices.DeviceRefused:
        misses.count(address, now=now)
        raise


def _page(template: str, status: int = 200, **values: Any) -> Response:
    language = _language()
    say = words(language)
    flags = {flag: title.get(language) for flag, title in FLAGS.items()}
    page = render_template(template, say=say, language=language, flags=flags, **values)
    reply = Response(page, status=status, mimetype="text/html")
    reply.headers.update(
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY,
            "Permissions-Policy": "camera=(self)",
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex",
            "X-Content-Type-Options": "nosniff",
        }
    )
    return reply


def _language() -> str:
    asked = request.args.get("lang", "")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def _day(event: DoorEvent) -> str:
    return f"{event.starts_at.astimezone(zone_of(event.time_zone)):%d.%m.%Y %H:%M}" if event.starts_at else ""
