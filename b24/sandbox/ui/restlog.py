"""What applications asked of the portal lately: the REST log."""

from __future__ import annotations

import json
from typing import Any

from flask import current_app, render_template, request

from b24.sandbox.ui.site import bp

SHOWN = 200


@bp.get("/sandbox/log")
def rest_log() -> str:
    """The latest REST calls with their answers; ``?method=`` narrows."""
    wanted = request.args.get("method", "").strip().lower()
    rows = [row for row in recent() if wanted in str(row.get("method", "")).lower()][:SHOWN]
    return render_template("restlog.html", rows=[prepared(row) for row in rows])


def recent() -> list[dict[str, Any]]:
    """Calls kept by the server, newest first; none on a server that keeps none."""
    log = current_app.extensions.get("call_log")
    return list(reversed(log.recent)) if log is not None else []


def prepared(row: dict[str, Any]) -> dict[str, Any]:
    """A call ready for the template."""
    response = row.get("response")
    failed = isinstance(response, dict) and "error" in response
    return {
        "ts": row.get("ts"),
        "method": row.get("method"),
        "status": row.get("status"),
        "auth": row.get("auth"),
        "failed": failed,
        "params": pretty(row.get("params")),
        "response": pretty(response),
    }


def pretty(value: Any) -> str:
    """JSON with indents, cut where it is very long."""
    text = json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return text if len(text) < 4000 else text[:4000] + " …"
