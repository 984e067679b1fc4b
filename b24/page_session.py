"""Page sessions: who looks at which page of which portal, signed, without cookies (design 4.5). Pure.

A page gets one when the portal's launch was verified; its script sends it back in a header. It proves who is
looking, for half an hour.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from b24.errors import Untrusted
from b24.secrets import Secrets

HEADER = "X-Page-Session"
MAX_AGE_S = 30 * 60
RENEWABLE_S = 12 * 3600
"""A page left open over the day may renew its session with the viewer's present token."""
_PURPOSE = "page"


@dataclass(frozen=True)
class PageSession:
    """Who looks at what: a user of one portal, one page, and the CRM item it was opened for, if any.

    ``page`` is ``app`` or the name of a placement; the item was readable for the user when the page opened.
    """

    portal_id: int
    user_id: int
    is_admin: bool
    page: str
    entity_type_id: int | None = None
    item_id: int | None = None
    language: str = "ru"
    # The viewer's time zone as the portal names it (IANA), "" when it follows the portal's.
    zone: str = ""

    def sign(self, secrets: Secrets) -> str:
        """The token for the page."""
        return secrets.sign(asdict(self), _PURPOSE)

    @property
    def actor(self) -> str:
        """Who is named in facts this page records."""
        return f"user:{self.user_id}"

    @property
    def item(self) -> tuple[int, int] | None:
        """``(entity_type_id, id)`` of the opened card."""
        if self.entity_type_id is None or self.item_id is None:
            return None
        return self.entity_type_id, self.item_id

    @classmethod
    def read(cls, secrets: Secrets, token: str, *, max_age_s: float = MAX_AGE_S) -> PageSession:
        """The session behind a token.

        Raises:
            Untrusted: not signed by us, or too old (``EXPIRED_TOKEN``).
        """
        payload = secrets.unsign(token, _PURPOSE, max_age_s)
        try:
            return cls(**payload)
        except TypeError:
            raise Untrusted("BAD_TOKEN") from None
