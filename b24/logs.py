"""Log lines as JSON, each with the portal it is about, secrets masked.

Which portal that is, is noted where it becomes known (a drain, a verified request) and holds for the thread's work.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from b24.redact import redact_text

_portal: ContextVar[int | None] = ContextVar("portal", default=None)
# PostgreSQL quotes the row that broke a constraint.
_DETAIL = re.compile(r"(DETAIL:).*")


def about(portal_id: int | None) -> None:
    """From here on, lines of this request are about this portal; ``None``: about none."""
    _portal.set(portal_id)


@contextmanager
def of_portal(portal_id: int) -> Iterator[None]:
    """Lines written inside are about this portal."""
    before = _portal.set(portal_id)
    try:
        yield
    finally:
        _portal.reset(before)


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at`` (UTC), ``level``, ``logger``, ``portal`` (our number or null), ``message`` and,
    for an exception, ``error`` with its traceback.

    Args:
        mask: takes further secrets out of a text.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "portal": _portal.get(),
            "message": self._masked(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = self._masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)

    def _masked(self, text: str) -> str:
        return _DETAIL.sub(r"\1 ***", redact_text(self._mask(text)))
