"""One portal's REST methods: single calls, batches, pages. Refreshes the token once, never repeats a write.

What a caller meets is in :mod:`b24.errors`; an expired token is not among it. Never call with a transaction
open.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from b24 import call_log, logs
from b24 import portals as stored_portals
from b24.answers import MAX_BATCH, Answer, Context, answer_of, batch_answers, command, read
from b24.errors import (
    AccessLost,
    Ambiguous,
    B24Error,
    Rejected,
    Throttled,
    TokenExpired,
    Unavailable,
    Untrusted,
)
from b24.limits import Limits
from b24.oauth import OAuth
from b24.pace import Pace, kind_of
from b24.portals import Portal
from b24.secrets import Secrets
from b24.store import calls
from b24.store.engine import Store
from b24.tokens import Tokens
from b24.transport import Reply, Transport, check_address, origin_of

log = logging.getLogger(__name__)

T = TypeVar("T")
PAGE = 50
BeforeSend = Callable[[], None]
"""Called after the rate slot was reserved and right before a request leaves (also before a repeated one)."""
LEAVES_WITHIN = timedelta(seconds=2)
"""What was noted as leaving leaves at once or not at all: a process that was stopped in between and goes on later would
send what somebody else has looked up and repeated. With the connection's 3 s it stays within the 5 s on top of the
portal's cut-off."""


class Portals:
    """Clients of all portals of this process; one per process, shared by its threads.

    Args:
        cut_s: when a portal gives a request up (60 s); how long answers are waited for follows from it.
        bucket: requests a portal takes at once and per second; ``(250, 5.0)`` on Enterprise.
        allow_origin: the one plain-http origin of this machine the demo or a test started itself.
        now: seconds since the epoch as all processes count them, for the request limits.
    """

    def __init__(
        self,
        store: Store,
        secrets: Secrets,
        oauth: OAuth,
        *,
        clock: Callable[[], datetime],
        cut_s: float = 60,
        bucket: tuple[int, float] = (50, 2.0),
        allow_origin: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.secrets = secrets
        self.oauth = oauth
        self.clock = clock
        self.cut_s = cut_s
        self.transport = Transport(cut_s=cut_s, allow_origin=allow_origin)
        self.limits = Limits(store, size=bucket[0], rate=bucket[1], now=now)
        self.pace = Pace(cut_s)
        self.tokens = Tokens(store, secrets, oauth, clock)

    def client(self, portal_id: int) -> Client:
        """Background calls with the rights of whoever installed the app."""
        return Client(self, portal_id)

    def viewer(self, portal_id: int, access_token: str) -> Client:
        """Calls with the token of somebody who looks at a page, against the *stored* address.

        The token is never refreshed and never kept: an expired one raises Untrusted. Waits little, and may
        use the part of the request burst that background work leaves free.
        """
        return Client(self, portal_id, access_token)

    def probe(self, portal_id: int) -> bool:
        """Ask a paused portal whether it lets us in again (a plan renewed, a block lifted), and resume it
        then.

        Costs one request; a refusal puts the next one off (``portals.PROBES_S``). Returns whether the portal is
        active now.
        """
        try:
            Client(self, portal_id, also_paused=True).call("profile")
        except B24Error as error:
            # A portal that does not answer at this moment says nothing new about why it is paused.
            reason = error.code if isinstance(error, AccessLost) else ""
            with self.store.transaction() as tx:
                stored_portals.probed(tx, portal_id, reason, now=self.clock())
            return False
        with self.store.transaction() as tx:
            stored_portals.resume(tx, portal_id, now=self.clock())
        return True

    def keep_line(self, portal_id: int, line: call_log.Line) -> None:
        """Write a request into the log of calls."""
        calls.keep(self.store, portal_id, [line])

    def close(self) -> None:
        """Close pooled connections, those of the authorisation server too."""
        self.transport.close()
        self.oauth.close()


class Client:
    """REST methods of one portal; made by :class:`Portals`. Cheap, holds no connection of its own."""

    def __init__(
        self, portals: Portals, portal_id: int, viewer_token: str | None = None, *, also_paused: bool = False
    ) -> None:
        self.portal_id = portal_id
        self._portals = portals
        self._viewer_token = viewer_token
        self._also_paused = also_paused

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
        """The ``result`` of one method.

        Args:
            write: whether it changes anything: a lost answer is then Ambiguous and nothing is repeated; reads
                are repeated once when the connection breaks.

        Raises:
            B24Error: a subclass of :mod:`b24.errors`.
        """
        return self.ask(method, params, write=write).result

    def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        write: bool = False,
        before_send: BeforeSend | None = None,
    ) -> Answer:
        """One method with ``total``, ``next`` and ``time`` of its answer. Errors as :meth:`call`."""
        envelope = self._envelope(method, params or {}, write, before_send)
        answer = answer_of(envelope, self._context(method, write))
        self._portals.limits.note_reset(self.portal_id, method, answer.operating_reset_at)
        return answer

    def batch(
        self,
        commands: Mapping[str, tuple[str, Mapping[str, Any]]],
        *,
        write: bool = False,
        before_send: BeforeSend | None = None,
    ) -> dict[str, Answer | B24Error]:
        """Up to 50 commands in one request; each succeeds or fails alone (``halt=0``).

        Args:
            commands: ``{your key: (method, params)}``, executed in this order; ``$result[...]`` is not
                offered.
            write: whether any command changes something.
            before_send: called once the rate slot is reserved; what it raises stops the batch, nothing
                leaves.

        Returns:
            For every key an Answer or the error of that command. A command whose method rests
            (``OPERATION_TIME_LIMIT``) is answered Throttled without being sent.

        Raises:
            B24Error: the batch as a whole failed; Ambiguous means any of its writes may have happened.
            ValueError: more than 50 commands.
        """
        if len(commands) > MAX_BATCH:
            raise ValueError(f"a batch takes {MAX_BATCH} commands")
        found = self._resting(commands)
        sent = {f"k{index}": key for index, key in enumerate(commands) if key not in found}
        if sent:
            cmd = {key: command(*commands[ours]) for key, ours in sent.items()}
            kinds = {key: kind_of(*commands[ours]) for key, ours in sent.items()}
            try:
                envelope = self._envelope("batch", {"halt": 0, "cmd": cmd}, write, before_send)
            except Ambiguous as error:
                if error.code == "TIMEOUT" or error.status == HTTPStatus.GATEWAY_TIMEOUT:
                    self._portals.pace.unanswered(self.portal_id, kinds.values())
                raise
            methods = {key: commands[ours][0] for key, ours in sent.items()}
            answers = batch_answers(envelope, methods, self._context("batch", write))
            if write:
                self._learn(kinds, answers)
            found |= {sent[key]: self._noted(methods[key], answer) for key, answer in answers.items()}
        return {key: found[key] for key in commands}

    def room(self, method: str, entity_type_id: int | None = None) -> int:
        """How many commands of this method go into one writing request now; see :mod:`b24.pace`."""
        about = {} if entity_type_id is None else {"entityTypeId": entity_type_id}
        return self._portals.pace.room(self.portal_id, kind_of(method, about))

    def rows(
        self, method: str, params: Mapping[str, Any], *, rows_at: str | None = "items"
    ) -> Iterator[dict[str, Any]]:
        """All rows of a list, page by page in order of id, stable while rows come and go.

        Args:
            params: ``filter`` and ``select`` of the method; ``order`` and ``start`` are ours.
            rows_at: key of the rows in the result (``items``, ``tasks``), ``None`` where the result is the
                list.

        Source: settings/performance/huge-data.md.
        """
        id_name = "id" if method.lower().startswith("crm.item.") else "ID"
        last = 0
        while True:
            page = _rows(self.call(method, _page_params(params, id_name, last)), rows_at)
            yield from page
            if len(page) < PAGE:
                return
            last, before = max(map(row_id, page)), last
            if last <= before:
                raise Unavailable("PAGING", f"{method} does not page by id")

    def listed(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        rows_at: str | None = None,
        start_name: str = "start",
    ) -> list[dict[str, Any]]:
        """All rows of a short list whose method cannot filter by id (users, departments, types), by
        ``next``.

        Args:
            start_name: how the method spells its offset; ``department.get`` knows ``START`` only.
        """
        found: list[dict[str, Any]] = []
        start: int | None = 0
        while start is not None:
            answer = self.ask(method, {**(params or {}), start_name: start})
            found += _rows(answer.result, rows_at)
            start = answer.next if answer.next is not None and answer.next > start else None
        return found

    def all(self, method: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a big list, in order of id, read in parallel batches; for imports and nightly
        comparison.

        Raises:
            B24Error: as :meth:`call`; Unavailable when fewer rows came than the portal counted.
        """
        from b24 import bulk

        return self._watched(
            method, lambda portal: bulk.read_all(self._portals, portal, method, params or {})
        )

    def _context(self, method: str, write: bool) -> Context:
        return Context(method, write, self._portals.clock())

    def _access(self) -> Portal:
        tokens = self._portals.tokens
        if self._viewer_token is None and not self._also_paused:
            return tokens.current(self.portal_id)
        return tokens.stored(self.portal_id, also_paused=True)

    def _renewed(self, portal: Portal) -> Portal:
        if self._viewer_token is not None:
            raise Untrusted("EXPIRED_TOKEN", "the page was open too long")
        return self._portals.tokens.refreshed(
            self.portal_id, portal.access_token, also_paused=self._also_paused
        )

    def _envelope(
        self, method: str, params: Mapping[str, Any], write: bool, before_send: BeforeSend | None
    ) -> dict[str, Any]:
        return self._watched(
            method, lambda portal: self._patiently(portal, method, params, write, before_send)
        )

    def _watched(self, method: str, run: Callable[[Portal], T]) -> T:
        """One line in the log per call; lost access pauses the portal."""
        with logs.of_portal(self.portal_id):
            started = time.monotonic()
            outcome = "ok"
            try:
                return self._certainly(method, run)
            except B24Error as error:
                outcome = f"{type(error).__name__}/{error.code}"
                if isinstance(error, AccessLost) and self._viewer_token is None:
                    self._portals.tokens.lose(self.portal_id, error)
                raise
            finally:
                ms = round(1000 * (time.monotonic() - started))
                log.info("method=%s ms=%d outcome=%s", method, ms, outcome)

    def _certainly(self, method: str, run: Callable[[Portal], T]) -> T:
        """Run; a refusal that may mean that the plan has no REST any more is told from one of this call alone.

        Both are ``ACCESS_DENIED``. ``profile`` needs no right, so where it is refused too nothing is let in.
        """
        try:
            return self._with_token(run)
        except Rejected as error:
            if error.code.upper() != "ACCESS_DENIED" or self._viewer_token is not None:
                raise
            log.info("method=%s refused: is anything let in?", method)
            self._with_token(lambda portal: self._patiently(portal, "profile", {}, False, None))
            raise

    def _with_token(self, run: Callable[[Portal], T]) -> T:
        """Run with the current token, and once more with a fresh one: a refused token means nothing was
        done.
        """
        portal = self._access()
        try:
            return run(portal)
        except TokenExpired:
            portal = self._renewed(portal)
        try:
            return run(portal)
        except TokenExpired as error:
            raise AccessLost(error.code, "a fresh token is refused", error.status) from None

    def _patiently(
        self,
        portal: Portal,
        method: str,
        params: Mapping[str, Any],
        write: bool,
        before_send: BeforeSend | None,
    ) -> dict[str, Any]:
        """A write once; a read once more when the connection broke or the portal stumbled."""
        try:
            return self._once(portal, method, params, write, before_send)
        except (Ambiguous, Rejected) as error:
            if write:
                raise
            if error.code.upper() not in {"NO_ANSWER", "ERROR_CORE"}:
                raise _as_read(error) from None
        try:
            return self._once(portal, method, params, write, before_send)
        except Ambiguous as error:
            raise _as_read(error) from None

    def _once(
        self,
        portal: Portal,
        method: str,
        params: Mapping[str, Any],
        write: bool,
        before_send: BeforeSend | None,
    ) -> dict[str, Any]:
        answer = self._exchanged(portal, portal.endpoint, method, params, write, before_send)
        if isinstance(answer, str):
            moved, answer = answer, self._exchanged(portal, answer, method, params, write, before_send)
            if isinstance(answer, str):
                raise Unavailable("MOVED", "the portal's new address answers with another one")
            self._keep_endpoint(portal, moved)
        return answer

    def _exchanged(
        self,
        portal: Portal,
        endpoint: str,
        method: str,
        params: Mapping[str, Any],
        write: bool,
        before_send: BeforeSend | None,
    ) -> dict[str, Any] | str:
        """One request and its answer, or the new address of a portal that was renamed; a line in the log of calls."""
        interactive = self._viewer_token is not None
        self._portals.limits.wait(self.portal_id, method, interactive=interactive)
        if before_send is not None:
            self._announce(before_send)
        # An empty viewer's token must not fall back to the installer's rights.
        token = portal.access_token if self._viewer_token is None else self._viewer_token
        payload = {**params, "auth": token}
        context, started, status = self._context(method, write), time.monotonic(), 0
        failure: B24Error | None = None
        answer: dict[str, Any] | str = {}
        try:
            reply = self._portals.transport.post(f"{endpoint}{method}", payload, interactive=interactive)
            status = reply.status
            answer = _moved(reply, endpoint, method, self._portals.transport.allow_origin)
            answer = answer or read(reply.status, reply.body, context)
        except B24Error as error:
            failure = error
        ms = round(1000 * (time.monotonic() - started))
        said = answer if isinstance(answer, dict) else None
        line = call_log.line(method, params, at=context.now, ms=ms, status=status, answer=said, error=failure)
        self._portals.keep_line(self.portal_id, line)
        if failure is not None:
            raise self._throttled(failure) if isinstance(failure, Throttled) else failure
        return answer

    def _announce(self, before_send: BeforeSend) -> None:
        began = self._portals.clock()
        before_send()
        if self._portals.clock() > began + LEAVES_WITHIN:
            raise Ambiguous("LATE", "too much time passed before the request could leave")

    def _keep_endpoint(self, portal: Portal, endpoint: str) -> None:
        with self._portals.store.transaction() as tx:
            stored_portals.move_endpoint(
                tx, portal.id, old=portal.endpoint, new=endpoint, now=self._portals.clock()
            )

    def _resting(self, commands: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Answer | B24Error]:
        resting = self._portals.limits.resting(self.portal_id, {method for method, _ in commands.values()})
        return {
            key: Throttled(
                "OPERATION_TIME_LIMIT",
                "the method rests",
                retry_at=resting[method.lower()],
                method=method.lower(),
            )
            for key, (method, _) in commands.items()
            if method.lower() in resting
        }

    def _learn(self, kinds: Mapping[str, str], answers: Mapping[str, Answer | B24Error]) -> None:
        took = [
            (kinds[key], duration)
            for key, answer in answers.items()
            if isinstance(answer, Answer) and (duration := answer.duration_s) is not None
        ]
        self._portals.pace.answered(self.portal_id, took)

    def _noted(self, method: str, answer: Answer | B24Error) -> Answer | B24Error:
        if isinstance(answer, Answer):
            self._portals.limits.note_reset(self.portal_id, method, answer.operating_reset_at)
        return self._throttled(answer) if isinstance(answer, Throttled) else answer

    def _throttled(self, error: Throttled) -> Throttled:
        limits = self._portals.limits
        if error.method:
            error.retry_at = limits.spent(self.portal_id, error.method)
        else:
            error.retry_at = limits.full(self.portal_id)
        return error


def row_id(row: Mapping[str, Any]) -> int:
    """The id of a list row, a number or a text, under ``id`` or ``ID``.

    Raises:
        Unavailable: the row has none (a list answered in another shape than its method documents).
    """
    value = row.get("id", row.get("ID"))
    if isinstance(value, bool) or not str(value).isdigit():
        raise Unavailable("ROW_WITHOUT_ID", "a list row without an id")
    return int(str(value))


def _as_read(error: B24Error) -> B24Error:
    """A read whose answer was lost changed nothing."""
    if isinstance(error, Ambiguous):
        return Unavailable(error.code, error.description, error.status)
    return error


def _moved(reply: Reply, endpoint: str, method: str, allow_origin: str | None) -> str:
    """The new REST address when the portal was renamed, else ``""``.

    A renamed portal answers at its old address with a redirect to the same method at the new one; anything
    else (a login page, another path) is no such thing and ends as an unreadable answer.

    Source: settings/how-to-call-rest-api/change-domen.md.
    """
    if reply.status not in (301, 302, 303, 307, 308):
        return ""
    parts = urlsplit(reply.location)
    path, _, called = parts.path.partition("/rest/")
    if path or called.lower().strip("/").removesuffix(".json") != method.lower():
        return ""
    check_address(reply.location, allow_origin)
    new = f"{origin_of(reply.location)}/rest/"
    return new if new != endpoint else ""


def _page_params(params: Mapping[str, Any], id_name: str, last: int) -> dict[str, Any]:
    page = dict(params)
    page["filter"] = {**(params.get("filter") or {}), f">{id_name}": last}
    page["order"] = {id_name: "ASC"}
    page["start"] = -1
    select = params.get("select")
    if select and not {"*", id_name} & set(select):
        page["select"] = [*select, id_name]
    return page


def _rows(result: Any, rows_at: str | None) -> list[dict[str, Any]]:
    rows = result.get(rows_at) if rows_at is not None and isinstance(result, dict) else result
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unavailable("BAD_LIST", "the list has another shape than documented")
    return rows
