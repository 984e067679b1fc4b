"""One REST call from the outside: limits, authentication, execution, envelope.

Source: settings/how-to-call-rest-api/, _includes/system-errors.md, api-reference/data-types.md (``time``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from b24.sandbox import access, batch, oauth, restrictions, visibility
from b24.sandbox.access import Caller
from b24.sandbox.faults import Faults
from b24.sandbox.kernel import Answer, Call, RestError
from b24.sandbox.limits import LeakyBucket, OperatingBudget
from b24.sandbox.log import CallLog
from b24.sandbox.portal import LocalPortal, find_method, iso_of

logger = logging.getLogger(__name__)


class CutOff(Exception):
    """The call ran into the portal's request cut-off; the web server answers 504."""


@dataclass(frozen=True)
class Incoming:
    """A REST call as decoded from HTTP.

    Attributes:
        path: what stood between ``/rest/`` and the method: nothing, or user and webhook code.
        method: as called, without ``.json`` or ``.xml``.
        params: query and body merged, PHP style.
        bearer: token of an ``Authorization`` header, else empty.
        source: address the call comes from.
        started: monotonic seconds.
    """

    path: tuple[str, ...]
    method: str
    params: dict[str, Any]
    bearer: str = ""
    source: str = "127.0.0.1"
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """What goes back: an HTTP status and the envelope."""

    status: int
    body: dict[str, Any]


class Dispatcher:
    """Answers REST calls of one portal."""

    def __init__(
        self,
        portal: LocalPortal,
        *,
        bucket: LeakyBucket | None,
        budget: OperatingBudget,
        faults: Faults,
        log: CallLog,
    ) -> None:
        self.portal = portal
        self.bucket = bucket
        self.budget = budget
        self.faults = faults
        self.log = log

    def answer(self, incoming: Incoming) -> Reply:
        """The reply to a call; errors are replies too."""
        caller: Caller | None = None
        try:
            self._let_in(incoming)
            caller = self._identify(incoming)
            reply = self._carry_out(incoming, caller)
        except RestError as error:
            reply = Reply(error.status, error_body(error))
            caller = caller or self._claimed(incoming)
        except CutOff:
            self._write_down(incoming, caller, Reply(504, {}))
            raise
        self._write_down(incoming, caller, reply)
        return reply

    def never_ran(self, incoming: Incoming, status: int) -> None:
        """Write down a call a fault kept from being executed."""
        self._write_down(incoming, self._claimed(incoming), Reply(status, {}))

    def _let_in(self, incoming: Incoming) -> None:
        crowded = self.bucket is not None and not self.bucket.take(incoming.source)
        if crowded or self.faults.storming(incoming.method):
            raise RestError("QUERY_LIMIT_EXCEEDED", "Too many requests", 503)

    def _identify(self, incoming: Incoming) -> Caller:
        caller = self._caller(incoming)
        with self.portal.transaction():
            restrictions.demand(self.portal, "rest")
        return caller

    def _caller(self, incoming: Incoming) -> Caller:
        token = _token(incoming)
        if token and self.faults.strikes("expired_token", incoming.method):
            oauth.expire(self.portal, token)
        return self._known(incoming)

    def _known(self, incoming: Incoming) -> Caller:
        token = _token(incoming)
        with self.portal.transaction():
            if len(incoming.path) == 2:
                return access.by_webhook(self.portal, *incoming.path)
            if not token:
                raise RestError("NO_AUTH_FOUND", "Wrong authorization data", 401)
            return access.by_token(self.portal, token)

    def _claimed(self, incoming: Incoming) -> Caller | None:
        """Whose call the log says that was, of one turned away before anybody asked."""
        try:
            return self._known(incoming)
        except RestError:
            return None

    def _carry_out(self, incoming: Incoming, caller: Caller) -> Reply:
        begun = self.portal.timestamp() - (time.monotonic() - incoming.started)
        params = {key: value for key, value in incoming.params.items() if key not in {"auth", "access_token"}}
        if incoming.method.lower() == "batch":
            result = batch.run(self, caller, params, deadline=incoming.started + self.portal.cut_s)
            return Reply(200, {"result": result, "time": self._batch_time(begun, result)})
        answer, spent = self.execute(caller, incoming.method, params)
        if time.monotonic() - incoming.started > self.portal.cut_s:
            raise CutOff
        body: dict[str, Any] = {"result": answer.result}
        if answer.next is not None:
            body["next"] = answer.next
        if answer.total is not None:
            body["total"] = answer.total
        return Reply(200, body | {"time": self.times(caller, incoming.method, begun, spent)})

    def execute(self, caller: Caller, name: str, params: dict[str, Any]) -> tuple[Answer, float]:
        """Run one method in its own transaction; the answer and the seconds it took.

        Raises:
            RestError: refused before or by the method.
        """
        if not name:
            raise RestError("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
        method = find_method(name)
        access.check(caller, method)
        key = name.lower()
        if self.budget.exceeded(caller.key, key, self.portal.timestamp()):
            raise RestError("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", 429)
        visibility.hide_fresh(self.portal, self.faults, key, params)
        begun = time.perf_counter()
        try:
            result = self._in_transaction(caller, method.name, params)
        finally:
            spent = time.perf_counter() - begun
            self.budget.add(caller.key, key, spent, self.portal.timestamp())
        answer = result if isinstance(result, Answer) else Answer(result)
        return visibility.without_fresh(self.portal, self.faults, key, params, answer), spent

    def _in_transaction(self, caller: Caller, name: str, params: dict[str, Any]) -> Any:
        method = find_method(name)
        call = Call(self.portal, name, params, caller.user_id, caller.is_admin, caller.app_id, caller.scope)
        try:
            with self.portal.transaction():
                self.portal.connector = str(params.get("auth_connector") or "")
                try:
                    return method.run(call)
                except RestError as error:
                    if not error.keeps:
                        raise
                    refused = error
            raise refused
        except RestError:
            raise
        except Exception as error:
            logger.exception("%s failed", name)
            raise RestError("INTERNAL_SERVER_ERROR", "Internal server error", 500) from error

    def times(self, caller: Caller, name: str, begun: float, processing: float) -> dict[str, Any]:
        """The ``time`` object of one method's answer."""
        finish, key = self.portal.timestamp(), name.lower()
        return clock(begun, finish, processing) | {
            "operating_reset_at": self.budget.reset_at(caller.key, key, finish),
            "operating": self.budget.spent(caller.key, key, finish),
        }

    def _batch_time(self, begun: float, result: dict[str, Any]) -> dict[str, Any]:
        """The batch itself is not accounted for, so its ``operating`` is always 0."""
        finish = self.portal.timestamp()
        inner = result["result_time"]
        rows = inner.values() if isinstance(inner, dict) else inner
        work = sum(one["processing"] for one in rows)
        return clock(begun, finish, work) | {"operating_reset_at": int(finish) + 600, "operating": 0}

    def _write_down(self, incoming: Incoming, caller: Caller | None, reply: Reply) -> None:
        params = {key: value for key, value in incoming.params.items() if key not in {"auth", "access_token"}}
        self.log.add(
            {
                "ts": self.portal.now().isoformat(),
                "auth": caller.label if caller else "none",
                "method": incoming.method,
                "params": params,
                "status": reply.status,
                "response": reply.body,
            }
        )


def _token(incoming: Incoming) -> str:
    """The access token of a call, "" for none and for a webhook's call."""
    token = incoming.params.get("auth") or incoming.params.get("access_token") or incoming.bearer
    return token if isinstance(token, str) and not incoming.path else ""


def clock(begun: float, finish: float, processing: float) -> dict[str, Any]:
    """The part of ``time`` every answer has; moments are unix seconds of the portal."""
    return {
        "start": round(begun, 6), "finish": round(finish, 6), "duration": finish - begun,
        "processing": processing, "date_start": iso_of(begun), "date_finish": iso_of(finish),
    }  # fmt: skip


def error_body(error: RestError) -> dict[str, Any]:
    """The envelope of an error; authorisation servers leave an empty description out."""
    body: dict[str, Any] = {"error": error.code}
    if error.description or error.code != "wrong_client":
        body["error_description"] = error.description
    return body | error.extra
