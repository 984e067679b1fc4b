"""The log of REST calls: a JSON line each with ``--log``, the latest in memory for the portal's REST page."""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any

KEPT = 300


class CallLog:
    """Where calls are written down.

    An entry is ``{"ts", "auth", "method", "params", "status", "response"}``: ISO time of the portal, who
    called
    (``webhook:<user>``, ``app:<client_id>:<user>`` or ``none``), parameters without the token, the answer's
    body.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        self.recent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, entry: dict[str, Any]) -> None:
        """Write one call down."""
        self.recent.append(entry)
        if self._file is None:
            return
        line = json.dumps(entry, ensure_ascii=False, default=str)
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")

    def close(self) -> None:
        """Finish the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
