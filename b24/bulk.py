"""Reading whole lists fast: fast-bitrix24 composes the pages into batches, this wrapper keeps it honest.

The library alone retries what it must not, loses error texts, may return a part as if it were all, and has
its own idea of the rate. Here every request takes a slot of our limiter, every bad answer becomes our typed
error before the library sees it, rows are counted and put in order. One client object per operation, in the
calling thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from fast_bitrix24 import BitrixAsync

from b24 import call_log
from b24.answers import Answer, Context, batch_answers, read
from b24.errors import B24Error, Throttled, Unavailable
from b24.portals import Portal
from b24.transport import CONNECT_S, check_address

if TYPE_CHECKING:
    from b24.client import Portals

# It writes names and phones of the rows into its own log.
logging.getLogger("fast_bitrix24").setLevel(logging.WARNING)
CONNECTIONS = 4


def read_all(
    portals: Portals, portal: Portal, method: str, params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """All rows of a list method, in order of id.

    Raises:
        TokenExpired: refresh and ask again.
        B24Error: the first error any request met.
        Unavailable: the portal counted more rows than came (a row was deleted meanwhile: ask again).
    """
    from b24.client import row_id

    check_address(portal.endpoint, portals.transport.allow_origin)
    guard = _Guard(portals, portal, method)
    rows = asyncio.run(_read(guard, portal, method, params))
    unique = {row_id(row): row for row in rows if isinstance(row, dict)}
    if len(unique) < guard.total:
        raise Unavailable("PARTIAL_LIST", f"{len(unique)} of {guard.total} rows came")
    return [unique[key] for key in sorted(unique)]


async def _read(guard: _Guard, portal: Portal, method: str, params: Mapping[str, Any]) -> list[Any]:
    async def token() -> str:
        return portal.access_token

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=guard.read_timeout_s)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    # Proxies of the environment as in b24.transport: for the outside world only.
    outside = guard.portals.transport.allow_origin is None
    async with aiohttp.ClientSession(
        middlewares=(guard,),
        timeout=timeout,
        connector=connector,
        trust_env=outside,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        bitrix = BitrixAsync(
            portal.endpoint, token_func=token, verbose=False, client=session, request_pool_size=10**6
        )
        with warnings.catch_warnings():
            # Its warnings are about counts and parameters; counts are checked above.
            warnings.simplefilter("ignore")
            rows = await bitrix.get_all(method, dict(params))
    return list(rows) if isinstance(rows, list | tuple) else []


class _Guard:
    """Stands between the library and the portal: our limiter before, our errors after every request."""

    def __init__(self, portals: Portals, portal: Portal, method: str) -> None:
        self.portals = portals
        self.read_timeout_s = portals.transport.read_timeout_s(interactive=False)
        self.total = 0
        self._portal = portal
        self._method = method

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        called = request.url.path.rpartition("/")[2]
        await asyncio.to_thread(self.portals.limits.wait, self._portal.id, called)
        at, started, status = self.portals.clock(), time.monotonic(), 0
        failure: B24Error | None = None
        try:
            response = await handler(request)
            body = await response.read()
            status = response.status
            self._judge(called, status, body, at)
        except (aiohttp.ClientError, TimeoutError) as error:
            # From our own class: the library retries these by itself, up to ten times.
            failure = Unavailable("NO_ANSWER", type(error).__name__)
        except B24Error as error:
            failure = error
        ms = round(1000 * (time.monotonic() - started))
        name = f"{called}: {self._method}" if called.lower() == "batch" else called
        line = call_log.line(name, {}, at=at, ms=ms, status=status, error=failure)
        await asyncio.to_thread(self.portals.keep_line, self._portal.id, line)
        if failure is not None:
            raise failure
        return response

    def _judge(self, called: str, status: int, body: bytes, now: datetime) -> None:
        context = Context(called, write=False, now=now)
        try:
            envelope = read(status, body, context)
            if called.lower() == "batch":
                self._judge_batch(envelope, context)
        except Throttled as error:
            limits = self.portals.limits
            error.retry_at = (
                limits.spent(self._portal.id, error.method) if error.method else limits.full(self._portal.id)
            )
            raise
        if isinstance(envelope.get("total"), int):
            self.total = max(self.total, envelope["total"])

    def _judge_batch(self, envelope: Mapping[str, Any], context: Context) -> None:
        inner = envelope.get("result")
        results = inner.get("result") if isinstance(inner, Mapping) else None
        keys = results if isinstance(results, Mapping) else range(len(results or ()))
        errors = inner.get("result_error") if isinstance(inner, Mapping) else None
        wrong = errors if isinstance(errors, Mapping) else range(len(errors or ()))
        sent = {str(key): self._method for key in [*keys, *wrong]}
        for answer in batch_answers(envelope, sent, context).values():
            if isinstance(answer, B24Error):
                raise answer
            if not isinstance(answer, Answer):
                raise Unavailable("NO_RESULT")
