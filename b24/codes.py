"""What the codes of a portal and of the authorisation server mean: one table, code → class of error.

What a class does to waiting work stands with the class (:mod:`b24.errors`):

=============== ====================================================================================================
class           waiting work
=============== ====================================================================================================
Throttled       waits until the moment named, not counted as an attempt; for a method's budget only that method
Unavailable     waits, longer each time
Ambiguous       waits until the portal is certainly through, then is looked up
TokenExpired    nothing: the token is refreshed once and the call repeated
AccessLost      the portal is paused; it is asked again now and then
SetupMissing    is held: setup
Rejected        is held: permanent
=============== ====================================================================================================

Codes that are not here: 4xx and those inside a batch are Rejected, 5xx are Unavailable – for a write Ambiguous.

Source: _includes/system-errors.md, settings/oauth/error-codes.md, settings/performance/limits.md,
settings/how-to-call-rest-api/batch.md, crm/universal/*.md; those of the authorisation server also from captures.
"""

from __future__ import annotations

from collections.abc import Mapping

from b24.errors import (
    AccessLost,
    Ambiguous,
    B24Error,
    Rejected,
    SetupMissing,
    Throttled,
    TokenExpired,
    Unavailable,
)

CODES: Mapping[str, type[B24Error]] = {
    # Too much at once.
    "QUERY_LIMIT_EXCEEDED": Throttled,
    "OPERATION_TIME_LIMIT": Throttled,
    # The portal stumbled: a write may have happened.
    "INTERNAL_SERVER_ERROR": Ambiguous,
    "ERROR_UNEXPECTED_ANSWER": Ambiguous,
    # 4xx, but passing, and nothing was executed (disk quota and a broken connection inside the portal).
    "CONNECTION_ERROR": Unavailable,
    "ERROR_OAUTH": Unavailable,
    # The access token.
    "EXPIRED_TOKEN": TokenExpired,
    "INVALID_TOKEN": TokenExpired,
    "NO_AUTH_FOUND": TokenExpired,
    # The app as a whole is not let in.
    "INVALID_GRANT": AccessLost,
    "NOT_INSTALLED": AccessLost,
    "APPLICATION_NOT_FOUND": AccessLost,
    "APPLICATION_NOT_INSTALLED": AccessLost,
    "AUTHORIZATION_ERROR": AccessLost,
    "PAYMENT_REQUIRED": AccessLost,
    "USER_ACCESS_ERROR": AccessLost,
    # A box whose public part is closed for a while says so too.
    "PORTAL_DELETED": AccessLost,
    # A manual block, lifted by support.
    "OVERLOAD_LIMIT": AccessLost,
    # Somebody has to set something up.
    "INSUFFICIENT_SCOPE": SetupMissing,
    "INVALID_SCOPE": SetupMissing,
    "ERROR_METHOD_NOT_FOUND": SetupMissing,
    "ENTITY_TYPE_NOT_SUPPORTED": SetupMissing,
    "WRONG_CLIENT": SetupMissing,
    "INVALID_CLIENT": SetupMissing,
    "CREATE_DYNAMIC_ITEM_RESTRICTED": SetupMissing,
    "UPDATE_DYNAMIC_ITEM_RESTRICTED": SetupMissing,
    "CREATE_DYNAMIC_TYPE_RESTRICTED": SetupMissing,
    "UPDATE_DYNAMIC_TYPE_RESTRICTED": SetupMissing,
    # This call as it is.
    "ACCESS_DENIED": Rejected,
    "INVALID_CREDENTIALS": Rejected,
    "INVALID_REQUEST": Rejected,
    "NOT_FOUND": Rejected,
    "ERROR_NOT_FOUND": Rejected,
    "ERROR_BATCH_METHOD_NOT_ALLOWED": Rejected,
    "ERROR_BATCH_LENGTH_EXCEEDED": Rejected,
    "ERROR_MANIFEST_IS_NOT_AVAILABLE": Rejected,
    "ALLOWED_ONLY_INTRANET_USER": Rejected,
    "ERROR_CORE": Rejected,
}
"""In upper case; portals write them in either."""
NEED_THEIR_TYPE = frozenset({"crm.item.add", "crm.item.list", "crm.item.fields"})
"""What is not found where no object was asked for is its type."""
NEED_NO_RIGHTS = frozenset({"batch", "app.info", "profile", "server.time", "scope", "method.get"})
"""Refused here, REST as a whole is off (the plan, a subscription), not this one call."""
OAUTH = "oauth.token"
"""Stands for the authorisation server where a method is named."""


def class_of(code: str, status: int, *, method: str, write: bool) -> type[B24Error]:
    """The class of an error.

    Args:
        code: as it came, ``""`` for none.
        status: HTTP status, 0 inside a batch.
        method: what was called; :data:`OAUTH` for the authorisation server.
    """
    upper = code.upper()
    found = CODES.get(upper)
    # A portal answers invalid_client to a token it does not know; only the authorisation server means our client.
    if upper == "INVALID_CLIENT" and method != OAUTH:
        return TokenExpired
    if upper == "ACCESS_DENIED" and method.lower() in NEED_NO_RIGHTS:
        return AccessLost
    if upper == "NOT_FOUND" and method.lower() in NEED_THEIR_TYPE:
        return SetupMissing
    if found in (Throttled, AccessLost):
        return found
    if found is Ambiguous or status >= 500:
        return Ambiguous if write else Unavailable
    return found or Rejected
