"""The only outgoing socket to portals and to the authorisation server.

JSON goes out by POST, bytes come back. Redirects are never followed here, cookies never kept, no credentials
are taken from the machine (netrc), and plain http or a loopback address is refused, except the one origin the
demo started itself.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProxyError, ReadTimeoutError, SSLError

from b24.errors import Ambiguous, B24Error, SetupMissing, Unavailable

CONNECT_S = 3.0
INTERACTIVE_S = 6.0
_JSON = {"Content-Type": "application/json"}
MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Reply:
    """An HTTP answer as it came; ``location`` is the header of a redirect, else ``""``."""

    status: int
    body: bytes
    location: str = ""


class Transport:
    """A pool of connections, shared by all threads.

    Args:
        cut_s: when the portal gives a request up; background calls wait a little longer than that.
        allow_origin: an origin of this machine (``http://127.0.0.1:8900``) that may be called although it is
            not https; only the demo and tests pass one, from code.
    """

    def __init__(self, *, cut_s: float = 60.0, allow_origin: str | None = None) -> None:
        self.cut_s = cut_s
        self.allow_origin = allow_origin
        self._outside = _session(trust_env=True)
        # A proxy of the environment has no business between two processes of one machine.
        self._own_machine = _session(trust_env=False)

    def post(self, url: str, payload: Mapping[str, Any], *, interactive: bool = False) -> Reply:
        """POST ``payload`` as JSON.

        Raises:
            Unavailable: nothing left this machine (no connection).
            Ambiguous: it left, and no complete answer came within the time.
            SetupMissing: an address that must not be called.
        """
        body = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False).encode()
        return self._send("POST", url, interactive=interactive, data=body, headers=_JSON)

    def get(self, url: str, params: Mapping[str, str], *, interactive: bool = False) -> Reply:
        """GET with a query (the authorisation server documents only that); errors as :meth:`post`."""
        return self._send("GET", url, interactive=interactive, params=dict(params))

    def read_timeout_s(self, *, interactive: bool) -> float:
        """How long an answer is waited for: longer than the portal works in the background, short for a
        person.
        """
        return INTERACTIVE_S if interactive else through_s(self.cut_s)

    def close(self) -> None:
        """Close pooled connections."""
        self._outside.close()
        self._own_machine.close()

    def _send(self, verb: str, url: str, *, interactive: bool, **content: Any) -> Reply:
        check_address(url, self.allow_origin)
        session = self._own_machine if origin_of(url) == self.allow_origin else self._outside
        wait_s = self.read_timeout_s(interactive=interactive)
        deadline = time.monotonic() + CONNECT_S + wait_s
        # Texts of these exceptions hold the address with its secrets: they are not passed on.
        try:
            with session.request(
                verb, url, timeout=(CONNECT_S, wait_s), allow_redirects=False, stream=True, **content
            ) as answer:
                body = _read(answer, deadline)
                return Reply(answer.status_code, body, answer.headers.get("Location", ""))
        except requests.exceptions.ConnectTimeout:
            raise Unavailable("NO_CONNECTION", "no connection in time") from None
        except requests.exceptions.ReadTimeout:
            raise Ambiguous("TIMEOUT", "no answer in time") from None
        except requests.exceptions.ConnectionError as error:
            raise _broken(error) from None
        except (requests.exceptions.RequestException, ValueError) as error:
            # A ValueError comes from a Location header nobody can read.
            raise Ambiguous("NO_ANSWER", type(error).__name__) from None


def through_s(cut_s: float) -> float:
    """When a portal that gives requests up after ``cut_s`` is certainly through with one: 65 s for 60."""
    return cut_s + min(5.0, cut_s)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address in lower case, the default port left out."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, {"https": 443, "http": 80}.get(parts.scheme)) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def check_address(url: str, allow_origin: str | None) -> None:
    """Refuse an address no portal of the outside world has.

    Raises:
        SetupMissing: not https, no host, credentials in it, or an address of this machine or network by
            number.
    """
    try:
        parts = urlsplit(url)
        origin = origin_of(url)
    except ValueError:
        raise SetupMissing("BAD_ADDRESS", "unreadable address") from None
    if parts.username or parts.password or not parts.hostname:
        raise SetupMissing("BAD_ADDRESS", "unreadable address")
    if origin == allow_origin:
        return
    if parts.scheme != "https" or _is_inside(parts.hostname):
        raise SetupMissing("BAD_ADDRESS", "portals are reached by https at a public address")


def _is_inside(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _session(*, trust_env: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = trust_env
    session.auth = _no_credentials
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "b24-event-app"
    session.headers["Accept"] = "application/json"
    adapter = HTTPAdapter(pool_connections=32, pool_maxsize=32, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Set as ``auth`` so that requests does not look for a netrc file."""
    return request


def _read(answer: requests.Response, deadline: float) -> bytes:
    parts, size = [], 0
    for part in answer.iter_content(64 * 1024):
        size += len(part)
        if size > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise Ambiguous("NO_ANSWER", "the answer is too long or too slow")
        parts.append(part)
    return b"".join(parts)


def _broken(error: requests.exceptions.ConnectionError) -> B24Error:
    """Unavailable when the connection could not be made at all, so that the request cannot have arrived."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    # A certificate is judged before the request is sent.
    bad_certificate = isinstance(cause, SSLError) and "CERTIFICATE" in str(cause).upper()
    if isinstance(cause, NewConnectionError | ProxyError) or bad_certificate:
        return Unavailable("NO_CONNECTION", "no connection")
    if isinstance(cause, ReadTimeoutError):
        return Ambiguous("TIMEOUT", "no answer in time")
    return Ambiguous("NO_ANSWER", "the connection broke before the answer")
