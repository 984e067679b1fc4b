"""The queue server: takes due events from the queue and posts each once, in its own thread."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from b24.sandbox import apps, events, php
from b24.sandbox.faults import Faults
from b24.sandbox.portal import LocalPortal

logger = logging.getLogger(__name__)

HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}
TIMEOUT = 10.0
BATCH = 100
IDLE = 5.0


class Delivery:
    """Posts queued events; never repeats one, whatever the handler answers.

    Attributes:
        sent: how many requests went out since the start.
    """

    def __init__(self, portal: LocalPortal, faults: Faults) -> None:
        self._portal = portal
        self._faults = faults
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="queue-server", daemon=True)
        self.sent = 0

    def start(self) -> None:
        """Begin with whatever an earlier run left in the queue."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the request under way; the rest stays in the queue for the next start."""
        self._stopping.set()
        self._portal.queue_grew.set()
        self._thread.join(2)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._portal.queue_grew.clear()
            wait = self._send_due()
            if wait > 0:
                self._portal.queue_grew.wait(wait)

    def _send_due(self) -> float:
        """Send what is due; seconds until the next event is."""
        rows = self._take()
        for row in rows:
            if self._stopping.is_set():
                self._put_back(row)
                continue
            self._send(row)
        if rows:
            return 0.0
        with self._portal.transaction() as db:
            first = db.execute("SELECT MIN(due) FROM event_queue").fetchone()[0]
        return IDLE if first is None else min(max(first - time.time(), 0.001), IDLE)

    def _take(self) -> list[Any]:
        """Due rows, taken out of the queue: an event is sent at most once, even if the process dies."""
        with self._portal.transaction() as db:
            rows = db.execute(
                "SELECT * FROM event_queue WHERE due <= ? ORDER BY due, id LIMIT ?", (time.time(), BATCH)
            ).fetchall()
            kept = [row for row in rows if not self._held_back(row)]
            db.executemany("DELETE FROM event_queue WHERE id = ?", [(row["id"],) for row in kept])
        return kept

    def _held_back(self, row: Any) -> bool:
        """Whether a fault keeps the event in the queue for later; it strikes an event once."""
        if row["held"] or row["event"].startswith("ONAPP"):
            return False
        if self._faults.strikes("event_delay"):
            later = self._faults.seconds["delay_s"]
        elif self._faults.strikes("event_reorder"):
            later = 2 * float(self._portal.get("event_delay", events.DEFAULT_DELAY)) + 0.3
        else:
            return False
        self._portal.db.execute(
            "UPDATE event_queue SET due = ?, held = 1 WHERE id = ?", (time.time() + later, row["id"])
        )
        return True

    def _put_back(self, row: Any) -> None:
        with self._portal.transaction() as db:
            names = ", ".join(row.keys())
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO event_queue ({names}) VALUES ({marks})", tuple(row))

    def _send(self, row: Any) -> None:
        lifecycle = row["event"].startswith("ONAPP")
        if not lifecycle and self._faults.strikes("event_drop"):
            return
        body = self._body(row)
        if body is None:
            return
        for _ in range(2 if not lifecycle and self._faults.strikes("event_double") else 1):
            self.sent += 1
            post(row["handler"], body)

    def _body(self, row: Any) -> str | None:
        """The form body; ``None`` when the application is gone."""
        if row["auth"] is not None:
            auth = json.loads(row["auth"])
        else:
            with self._portal.transaction():
                app = apps.find(self._portal, row["app_id"])
                if app is None:
                    return None
                auth = events.full_auth(self._portal, app, row["event"], row["user_id"])
        fields: dict[str, Any] = {"event": row["event"]}
        if not row["event"].startswith("ONAPP"):
            fields["event_handler_id"] = row["handler_id"]
        return php.encode_form(fields | {"data": json.loads(row["data"]), "ts": row["ts"], "auth": auth})


def post(url: str, body: str) -> int | None:
    """One POST; the status, or ``None`` when nobody answered. Nothing is repeated."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request("POST", target, body=body.encode(), headers=HEADERS)
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        logger.info("event to %s lost: %s", parts.netloc, error)
        return None
