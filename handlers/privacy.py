"""Pages with a secret in their address: not stored, not indexed, not passed on, not written into logs."""

from __future__ import annotations

import re

from flask import Blueprint, Response

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_SECRET_SEGMENT = re.compile(r"(/(?:t|scan)/)(?!manifest\.webmanifest)[^/?\s\"]+")
_SECRET_PARAMETER = re.compile(r"([?&]i=)[^&\s\"]*")


def keep_private(blueprint: Blueprint) -> None:
    """Give every answer of a blueprint the headers of a page with a secret address."""

    @blueprint.after_request
    def _private(reply: Response) -> Response:
        reply.headers["Cache-Control"] = "no-store"
        reply.headers["X-Robots-Tag"] = "noindex, nofollow"
        reply.headers["Referrer-Policy"] = "no-referrer"
        reply.headers["X-Content-Type-Options"] = "nosniff"
        reply.headers["Content-Security-Policy"] = POLICY
        return reply


def mask_path(text: str) -> str:
    """An address, or a log line with one, without the secrets of tickets, personal links and enrolment."""
    return _SECRET_PARAMETER.sub(r"\1***", _SECRET_SEGMENT.sub(r"\1***", text))
