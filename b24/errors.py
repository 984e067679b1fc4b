"""What can go wrong between the app and a portal: one class per thing a caller does about it.

``call`` and ``batch`` raise (or return, per command) exactly these; nobody above the client looks at HTTP
statuses.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class B24Error(Exception):
    """Base of everything the protocol can answer.

    Attributes:
        code: the portal's own code, upper or lower case as it came; ``""`` where the portal names none.
        description: the portal's text, localised and possibly HTML: escape it before showing, never match on
            it.
        status: HTTP status, 0 when there was no answer or the error stood inside a batch.
        hold: why waiting work stops for a person (``b24.store.marks.hold``); "" where it waits by itself.
    """

    hold: ClassVar[str] = ""

    def __init__(self, code: str = "", description: str = "", status: int = 0) -> None:
        super().__init__(f"{code or type(self).__name__}: {description}" if description else code)
        self.code = code
        self.description = description
        self.status = status


class Malformed(B24Error):
    """Unreadable event, launch or answer; at the web edge 400."""


class Untrusted(B24Error):
    """Unknown portal, wrong token, viewer without rights; at the web edge 403, body not logged."""


class Throttled(B24Error):
    """The call was not executed; try again at ``retry_at`` (aware). Not an attempt.

    ``method`` names the only method concerned (``OPERATION_TIME_LIMIT``); empty means the whole portal.
    """

    def __init__(
        self, code: str, description: str = "", status: int = 0, *, retry_at: datetime, method: str = ""
    ) -> None:
        super().__init__(code, description, status)
        self.retry_at = retry_at
        self.method = method


class Unavailable(B24Error):
    """No connection or a passing failure, and nothing was changed by us; back off."""


class Ambiguous(B24Error):
    """A write left and no usable answer came: look it up by its own key before repeating it."""


class Rejected(B24Error):
    """This call can never pass as it is."""

    hold = "permanent"


class SetupMissing(B24Error):
    """A field, type, scope, method or our own configuration is absent: somebody has to set something up."""

    hold = "setup"


class AccessLost(B24Error):
    """No access to this portal any more (tokens dead, plan without REST, blocked): pause it and say why."""


class TokenExpired(B24Error):
    """The access token is not accepted; the client refreshes once and repeats, callers never see it."""


NOT_FOUND = frozenset({"NOT_FOUND", "ERROR_NOT_FOUND", "OWNER_NOT_FOUND"})


def is_not_found(error: B24Error) -> bool:
    """Whether the error says that the object, or the card it belongs to, does not exist (any more)."""
    return isinstance(error, Rejected) and error.code.upper() in NOT_FOUND
