"""The section «Обмен с CRM» of the settings page: what was asked of the portal lately, for administrators only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.call_log import Line
from b24.store import calls
from b24.store.calls import Wanted
from placements.session import PageSession, administering, page_api, problem
from smart_process.language import Translator, moment, translator
from smart_process.service import Service

PAGE_NAME = "app"
UTC_ZONE = ZoneInfo("UTC")
LONGEST = 100


def blueprint(service: Service) -> Blueprint:
    """What the section's script asks for: ``/b24/api/settings/health/…``."""
    bp = Blueprint("health_section", __name__, url_prefix="/b24/api/settings/health")
    guard = page_api(service, PAGE_NAME)

    @bp.get("/calls")
    @guard
    def found(session: PageSession) -> ResponseReturnValue:
        """A page of the log of calls; ``before`` of the answer is that of the next page, null at the end."""
        administering(service, session)
        try:
            wanted = _wanted(request.args)
        except ValueError:
            return problem(400, "bad_request", "Запрос не читается.", session.language)
        _ = translator(session.language)
        with service.store.reading() as tx:
            lines = calls.search(tx, session.portal_id, wanted)
        html = render_template(
            "settings/_calls.html",
            _=_,
            lines=[_shown(one, _) for _id, one in lines],
            further=wanted.before is not None,
        )
        before = lines[-1][0] if len(lines) == calls.PAGE else None
        return jsonify(html=html, before=before)

    return bp


def _wanted(asked: Any) -> Wanted:
    """What the form asks for.

    Raises:
        ValueError: it cannot be read.
    """
    texts = {name: str(asked.get(name, "")).strip() for name in ("text", "method", "error")}
    if any(len(one) > LONGEST or "\0" in one for one in texts.values()):
        raise ValueError("too long")
    before = str(asked.get("before", ""))
    if before and not (before.isascii() and before.isdigit() and len(before) < 16):
        raise ValueError("no number")
    return Wanted(
        **texts,
        failed=asked.get("failed") == "1",
        since=_moment(asked.get("since", "")),
        until=_moment(asked.get("until", "")),
        before=int(before) if before else None,
    )


def _moment(text: str) -> datetime | None:
    """What a date and time field holds: UTC, as the page says beside it."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _shown(line: Line, _: Translator) -> dict[str, Any]:
    return {
        "when": moment(line.at, UTC_ZONE, _),
        "second": f"{line.at:%H:%M:%S}",
        "method": line.method,
        "params": line.params,
        "status": line.status or "–",
        "error": line.error,
        "ms": line.ms,
    }
