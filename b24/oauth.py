"""The authorisation server: refresh tokens become a pair of tokens with the portal's identity and address.

Its hosts are an allow-list in code; an address named in a request is never used (design 4.5).

Source: settings/oauth/auto-renewal.md, settings/oauth/error-codes.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from b24 import call_log
from b24.answers import Context, read
from b24.codes import OAUTH
from b24.errors import AccessLost, Ambiguous, B24Error, Rejected, TokenExpired, Unavailable, Untrusted
from b24.transport import Transport, check_address, origin_of

KeepLine = Callable[[call_log.Line], None]
ORIGINS = ("https://oauth.bitrix.info", "https://oauth.bitrix24.tech")


@dataclass(frozen=True)
class Grant:
    """What a refresh token was exchanged for.

    Attributes:
        client_endpoint: REST address of the portal with a slash at the end; ``domain`` of the answer is the
            authorisation server and is not kept.
        expires_at: aware UTC, by our clock.
        user_id: whose rights the tokens carry; ``None`` where the server does not say.
    """

    member_id: str
    client_endpoint: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime = field(compare=False)
    user_id: int | None = None
    scope: tuple[str, ...] = ()
    status: str = ""


class OAuth:
    """Our application at the authorisation server.

    Args:
        origins: allow-listed servers; the first is asked, the next only when it cannot be reached.
        allow_origin: the one plain-http origin of this machine the demo started itself.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        origins: Sequence[str] = ORIGINS,
        *,
        allow_origin: str | None = None,
        transport: Transport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.client_id = client_id
        self._client_secret = client_secret
        self.origins = tuple(origins)
        self._transport = transport or Transport(cut_s=10, allow_origin=allow_origin)
        self._clock = clock
        for origin in self.origins:
            check_address(origin, self._transport.allow_origin)

    def redeem(self, refresh_token: str, *, server: str = "", keep_line: KeepLine | None = None) -> Grant:
        """Exchange a refresh token for a new pair; the old one is spent.

        Args:
            server: ``SERVER_ENDPOINT`` of a request, only a hint which of *our* servers to ask first.
            keep_line: gets every request's line for the log of calls, also of one that failed.

        Raises:
            AccessLost: refused for good (``invalid_grant``, ``PAYMENT_REQUIRED``, not installed).
            SetupMissing: our client id or secret is wrong (``wrong_client`` comes with HTTP 200).
            Unavailable: not reached, or no usable answer; the old pair may be spent or not.
            Untrusted: there is no refresh token (an isolated on-premise portal sends an empty one), or the
                answer names no portal.
        """
        if not refresh_token or len(refresh_token) > 1000:
            raise Untrusted("NO_REFRESH_TOKEN", "the portal sent no authorisation for background work")
        now = self._clock()
        asked = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        envelope = self._ask(asked, server, keep_line or _unkept)
        return _grant(envelope, now, self._transport.allow_origin)

    def close(self) -> None:
        """Close pooled connections."""
        self._transport.close()

    def _ask(self, params: Mapping[str, str], server: str, keep_line: KeepLine) -> dict[str, Any]:
        sent = {**params, "client_id": self.client_id, "client_secret": self._client_secret}
        failure = Unavailable("NO_CONNECTION")
        for origin in self._in_order(server):
            try:
                return self._exchange(origin, sent, keep_line)
            except Ambiguous as error:
                # Not a write: whatever happened, the only thing to do about a lost answer is to try again.
                raise Unavailable(error.code, error.description) from None
            except Unavailable as error:
                if error.status:
                    raise
                failure = error
        raise failure

    def _exchange(self, origin: str, sent: Mapping[str, str], keep_line: KeepLine) -> dict[str, Any]:
        """What one server answers; its line is kept whatever that is."""
        at, started, status = self._clock(), time.monotonic(), 0

        def keep(error: B24Error | None = None) -> None:
            ms = round(1000 * (time.monotonic() - started))
            keep_line(call_log.line(OAUTH, sent, at=at, ms=ms, status=status, error=error))

        try:
            reply = self._transport.get(f"{origin}/oauth/token/", sent)
            status = reply.status
            answer = _read(status, reply.body, Context(OAUTH, write=False, now=at))
        except B24Error as error:
            keep(error)
            raise
        keep()
        return answer

    def _in_order(self, server: str) -> list[str]:
        try:
            first = origin_of(server)
        except ValueError:
            first = ""
        return sorted(self.origins, key=lambda origin: origin != first)


def _unkept(_line: call_log.Line) -> None:
    """Where nobody keeps a log."""


def _read(status: int, body: bytes, context: Context) -> dict[str, Any]:
    try:
        return read(status, body, context)
    except (Rejected, TokenExpired) as error:
        # The server knows the portal no more, or refuses this request as such: only a new installation helps.
        raise AccessLost(error.code or f"HTTP_{error.status}", error.description, error.status) from None


def _grant(envelope: Mapping[str, Any], now: datetime, allow_origin: str | None) -> Grant:
    texts = {
        name: envelope.get(name) for name in ("member_id", "client_endpoint", "access_token", "refresh_token")
    }
    if not all(isinstance(text, str) and 0 < len(text) <= 1000 for text in texts.values()):
        raise Untrusted("BAD_GRANT", "the authorisation server named no portal")
    endpoint = str(texts["client_endpoint"]).rstrip("/") + "/"
    check_address(endpoint, allow_origin)
    scope = str(envelope.get("scope") or "").replace(",", " ").split()
    return Grant(
        member_id=str(texts["member_id"]),
        client_endpoint=endpoint,
        access_token=str(texts["access_token"]),
        refresh_token=str(texts["refresh_token"]),
        expires_at=now + timedelta(seconds=_lifetime_s(envelope.get("expires_in"))),
        user_id=_user(envelope.get("user_id")),
        scope=tuple(scope),
        status=str(envelope.get("status") or ""),
    )


def _lifetime_s(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdigit() and len(text) < 8 else 3600


def _user(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isdigit() and int(text[:12]) > 0 else None
