"""The portal's web server: addresses, hosts and origins, decoding of requests, encoding of answers.

REST, the authorisation server and the control calls are answered here; everything else is a page of the web
UI.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from b24.sandbox import oauth, php
from b24.sandbox.control import Control
from b24.sandbox.dispatch import CutOff, Dispatcher, Incoming, Reply, clock, error_body
from b24.sandbox.incoming import called_methods, read_body, read_call
from b24.sandbox.kernel import RestError

#: The authorisation server's ``app.info``. On the one origin both share, the final slash tells it from the portal's,
#: as the official Python SDK writes the two.
AUTHORISED = "/rest/app.info/"
MAX_BODY = 64 * 1024 * 1024
JSON = "application/json; charset=utf-8"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "origin, content-type, accept, authorization",
    "X-Content-Type-Options": "nosniff",
}
PREFLIGHT = CORS | {"Access-Control-Allow-Methods": "POST, GET, OPTIONS", "Access-Control-Max-Age": "604800"}
PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
REASONS = {
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")

Start = Callable[..., Any]


class PortalWeb:
    """The WSGI application of the sandbox."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        control: Control,
        pages: Callable[[dict[str, Any], Start], Iterable[bytes]] | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._control = control
        self._pages = pages

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """WSGI entry."""
        path = re.sub(r"/{2,}", "/", environ.get("PATH_INFO") or "/")
        environ["PATH_INFO"] = path
        request = Request(environ)
        request.max_content_length = MAX_BODY
        head = path.lower()
        if head == AUTHORISED and request.method == "GET":
            return self._token_info(request)(environ, start_response)
        if head.startswith("/rest/") or head == "/rest":
            return (self._moved(request) or self._rest(request))(environ, start_response)
        if head.rstrip("/") in {"/oauth/token", "/oauth/authorize"}:
            return self._oauth(request, head.rstrip("/"))(environ, start_response)
        # What needs no token is for this machine only: a foreign name that was pointed here is refused.
        if not self._own_host(request):
            return _text(421, "This portal answers to its own address only.")(environ, start_response)
        answer = self._control.answer(request) if head.startswith("/sandbox/") else None
        if answer is not None:
            return answer(environ, start_response)
        if self._pages is None:
            return _text(404, "Not found")(environ, start_response)
        return self._pages(environ, start_response)

    def _own_host(self, request: Request) -> bool:
        """True for the portal's address and for this machine's names on any port: a proxy with https stands there."""
        host = request.host.lower()
        return host == self._dispatcher.portal.host.lower() or LOOPBACK.fullmatch(host) is not None

    def _moved(self, request: Request) -> Response | None:
        """Under a name the portal no longer has REST answers 302 to the new one (change-domen.md)."""
        portal = self._dispatcher.portal
        if not portal.renamed or request.host.lower() == portal.host:
            return None
        place = request.path + (f"?{request.query_string.decode('latin-1')}" if request.query_string else "")
        return Response(status=302, headers={"Location": portal.origin + place}, content_type="text/html")

    def _rest(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status=200, headers=PREFLIGHT)
        incoming, xml = None, request.path.lower().rstrip("/").endswith(".xml")
        try:
            incoming = read_call(request)
            return self._through_faults(request, incoming, xml)
        except RestError as error:
            return _reply(Reply(error.status, error_body(error)), xml)
        except RequestEntityTooLarge:
            return _page(413, "413 Request Entity Too Large")
        except CutOff:
            self._wait_for_cut(incoming)
            return _page(504)

    def _wait_for_cut(self, incoming: Incoming | None) -> None:
        if incoming is not None:
            time.sleep(max(0.0, incoming.started + self._dispatcher.portal.cut_s - time.monotonic()))

    def _through_faults(self, request: Request, incoming: Incoming, xml: bool) -> Response:
        """Answer the call, or misbehave as the plan of faults says."""
        faults, names = self._dispatcher.faults, called_methods(incoming)
        if faults.strikes("5xx", *names):
            odd = faults.fraction("5xx") < 0.5
            error = ("ERROR_UNEXPECTED_ANSWER", "Server returned an unexpected response")
            usual = ("INTERNAL_SERVER_ERROR", "Internal server error")
            reply = Reply(500, error_body(RestError(*(error if odd else usual), 500)))
            self._dispatcher.never_ran(incoming, reply.status)
            return _reply(reply, xml)
        if faults.strikes("html", *names):
            status = (502, 503, 500)[int(faults.fraction("html") * 3)]
            self._dispatcher.never_ran(incoming, status)
            return _page(status)
        if faults.strikes("timeout_before", *names):
            self._dispatcher.never_ran(incoming, 504)
            raise CutOff
        if faults.strikes("reset_before", *names):
            self._dispatcher.never_ran(incoming, 0)
            return _hang_up(request)
        self._be_slow(incoming, names)
        reply = self._dispatcher.answer(incoming)
        return self._after(request, incoming, reply, names, xml)

    def _be_slow(self, incoming: Incoming, names: list[str]) -> None:
        faults, cut = self._dispatcher.faults, self._dispatcher.portal.cut_s
        if faults.strikes("timeout_after", *names):
            time.sleep(cut * 0.9 * faults.fraction("timeout_after"))
            self._dispatcher.answer(incoming)
            raise CutOff
        if faults.strikes("slow", *names):
            wait = faults.seconds["slow_s"]
            time.sleep(min(wait, cut * 0.9))
            if wait > cut:
                self._dispatcher.answer(incoming)
                raise CutOff

    def _after(
        self, request: Request, incoming: Incoming, reply: Reply, names: list[str], xml: bool
    ) -> Response:
        faults = self._dispatcher.faults
        if faults.strikes("html_after", *names):
            return _page(502)
        if faults.strikes("reset_after", *names):
            return _hang_up(request)
        response = _reply(reply, xml)
        if faults.strikes("truncated", *names):
            response.data = response.data[: len(response.data) // 2]
        return response

    def _oauth(self, request: Request, path: str) -> Response:
        if path == "/oauth/authorize":
            return self._authorize(request)
        if request.method not in {"GET", "POST"}:
            return _text(405, "Method not allowed")
        if self._dispatcher.faults.strikes("oauth_5xx"):
            return _page(500)
        try:
            params = php.decode_form(request.query_string.decode("latin-1")) | read_body(request)
            body, status = oauth.token_answer(self._dispatcher.portal, params), 200
        except RestError as error:
            body, status = error_body(error), error.status
        return _reply(Reply(status, body), False)

    def _token_info(self, request: Request) -> Response:
        portal = self._dispatcher.portal
        begun = portal.timestamp()
        try:
            with portal.transaction():
                result = oauth.token_info(portal, php.decode_form(request.query_string.decode("latin-1")))
        except RestError as error:
            return _reply(Reply(error.status, error_body(error)), False)
        return _reply(Reply(200, {"result": result, "time": clock(begun, portal.timestamp(), 0.0)}), False)

    def _authorize(self, request: Request) -> Response:
        """A signed-in user comes back to the application with a code; an error stays on the portal's page."""
        portal = self._dispatcher.portal
        user = request.cookies.get("b24sandbox_user", "1")
        with portal.transaction():
            target = oauth.authorize_redirect(
                portal,
                request.args.get("client_id", ""),
                request.args.get("state", ""),
                int(user) if user.isascii() and user.isdigit() and len(user) < 10 else 1,
            )
        if target is None:
            return _text(400, "Приложение не найдено или не установлено.")
        return Response(status=302, headers={"Location": target})


def _reply(reply: Reply, xml: bool) -> Response:
    if xml:
        text = '<?xml version="1.0" encoding="utf-8"?>\n' + _as_xml("response", reply.body)
        return Response(text, reply.status, CORS, content_type="text/xml; charset=utf-8")
    return Response(php.encode_json(reply.body), reply.status, CORS, content_type=JSON)


def _as_xml(name: str, value: Any) -> str:
    tag = name if re.fullmatch(r"[A-Za-z_][\w.-]*", name) else "item"
    if isinstance(value, dict):
        inner = "".join(_as_xml(str(key), one) for key, one in value.items())
    elif isinstance(value, list):
        inner = "".join(_as_xml("item", one) for one in value)
    elif isinstance(value, bool):
        inner = "1" if value else ""
    else:
        inner = "" if value is None else escape(str(value))
    return f"<{tag}>{inner}</{tag}>"


def _page(status: int, title: str | None = None) -> Response:
    return Response(PAGE.format(title or REASONS[status]), status, content_type="text/html")


def _text(status: int, text: str) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")


def _hang_up(request: Request) -> Response:
    """Close the connection under the client's feet, as a dying web server does."""
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    return Response(status=502)
