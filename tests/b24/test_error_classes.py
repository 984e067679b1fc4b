"""Every way a portal can fail, over HTTP, and what becomes of waiting work: it waits, is looked up, is held, or the
portal is paused. The table is ``b24.codes``; documented codes that it does not know fail here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses as mocked
import sqlalchemy as sa

from b24.codes import CODES
from b24.errors import AccessLost, B24Error
from b24.store import marks
from b24.store.marks import Mark
from b24.store.tables import mark as table
from smart_process.sync.work import LATER_S, failed, unread
from tests.b24.conftest import ENDPOINT, NOW, World

TOKEN_URL = re.compile(r"https://oauth\.bitrix\.info/oauth/token/.*")
THROUGH = timedelta(seconds=65)
FIRST_WAIT = timedelta(seconds=LATER_S[0])


@dataclass(frozen=True)
class Case:
    """An answer of the portal and what follows from it for a read and for a write: ``wait``, ``look up``, ``hold:…``,
    ``pause`` or ``done``; one word for both where they do not differ."""

    name: str
    answer: dict[str, Any]
    reading: str
    writing: str = ""
    again: dict[str, Any] | None = None
    """What the portal answers the next time (after a refresh, to ``profile``)."""

    def __str__(self) -> str:
        return self.name


def refused(code: Any, status: int, text: str = "…") -> dict[str, Any]:
    return {"status": status, "json": {"error": code, "error_description": text}}


GOOD: dict[str, Any] = {"status": 200, "json": {"result": {}}}
CASES = [
    # _includes/system-errors.md
    Case("server error", refused("INTERNAL_SERVER_ERROR", 500), "wait", "look up"),
    Case("unexpected answer", refused("ERROR_UNEXPECTED_ANSWER", 500), "wait", "look up"),
    Case("too many requests", refused("QUERY_LIMIT_EXCEEDED", 503), "throttled"),
    Case("method not for batches", refused("ERROR_BATCH_METHOD_NOT_ALLOWED", 405), "hold:permanent"),
    Case("batch too long", refused("ERROR_BATCH_LENGTH_EXCEEDED", 400), "hold:permanent"),
    Case("https required", refused("INVALID_REQUEST", 400), "hold:permanent"),
    Case("manual block", refused("OVERLOAD_LIMIT", 503), "pause"),
    Case("right of this call", refused("ACCESS_DENIED", 403), "hold:permanent", again=GOOD),
    Case("plan without REST", refused("ACCESS_DENIED", 403), "pause", again=refused("ACCESS_DENIED", 403)),
    Case("user without rights", refused("INVALID_CREDENTIALS", 403), "hold:permanent"),
    Case("no manifest", refused("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404), "hold:permanent"),
    Case("scope", refused("insufficient_scope", 403), "hold:setup"),
    Case("token ran out", refused("expired_token", 401), "done", again=GOOD),
    Case("token unknown", refused("NO_AUTH_FOUND", 401), "done", again=GOOD),
    Case("token dead", refused("expired_token", 401), "pause", again=refused("expired_token", 401)),
    Case("app closed for the user", refused("user_access_error", 403), "pause"),
    Case("portal deleted", refused("PORTAL_DELETED", 500), "pause"),
    Case("portal gone", refused("PORTAL_DELETED", 410), "pause"),
    # settings/performance/limits.md
    Case("method's time is spent", refused("OPERATION_TIME_LIMIT", 429), "method rests"),
    # crm/universal, the plan's smart processes; an element, and its type
    Case("plan's items", refused("UPDATE_DYNAMIC_ITEM_RESTRICTED", 400), "hold:setup"),
    Case("no such element", refused("NOT_FOUND", 400), "hold:permanent"),
    Case("method is gone", refused("ERROR_METHOD_NOT_FOUND", 404), "hold:setup"),
    # Codes nobody documented
    Case("unknown 4xx", refused("SOMETHING_NEW", 400), "hold:permanent"),
    Case("unknown 5xx", refused("SOMETHING_NEW", 500), "wait", "look up"),
    Case("empty code", refused("", 400), "hold:permanent"),
    Case("disk quota as 401", refused("ERROR_OAUTH", 401), "wait"),
    Case("memory", refused("ERROR_CORE", 400), "wait", "hold:permanent"),
    # What is not the portal speaking
    Case("nginx", {"status": 502, "body": "<html>502</html>"}, "wait", "look up"),
    Case("branded 503", {"status": 503, "body": "<html>…</html>"}, "wait", "look up"),
    Case("429 as a page", {"status": 429, "body": "Too Many"}, "throttled"),
    Case("another site at the address", {"status": 404, "body": "<html>Not Found</html>"}, "wait"),
    Case("another application at the address", {"status": 200, "json": {"message": "ok"}}, "wait", "look up"),
    Case("a list for an answer", {"status": 200, "json": []}, "wait", "look up"),
    Case("a login page", {"status": 302, "headers": {"Location": "https://x.example/auth"}}, "wait"),
    Case("no answer", {"body": requests.exceptions.ReadTimeout()}, "wait", "look up"),
    Case("no connection", {"body": requests.exceptions.ConnectTimeout()}, "wait"),
]


def answer(http: mocked.RequestsMock, case: Case) -> None:
    http.assert_all_requests_are_fired = False
    http.post(re.compile(re.escape(ENDPOINT) + r"crm\.item\..*"), **case.answer)
    if case.again is not None:
        http.post(re.compile(re.escape(ENDPOINT) + r"(crm\.item\..*|profile)"), **case.again)
    pair = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}
    identity = {"client_endpoint": ENDPOINT, "member_id": "m" * 32, "scope": "crm"}
    http.get(TOKEN_URL, json=pair | identity)


def waiting(world: World) -> Mark:
    with world.portals.store.transaction() as tx:
        marks.mark(tx, world.portal_id, "participation", ["1"], now=NOW)
        (one,) = marks.claim(tx, world.portal_id, ["participation"], now=NOW, limit=1)
    return one


def met(world: World, *, write: bool) -> tuple[B24Error | None, Mark]:
    """Call as a drain does and settle the mark; the error, if there was one."""
    one, store = waiting(world), world.portals.store
    method = "crm.item.update" if write else "crm.item.get"

    def leaving() -> None:
        with store.transaction() as tx:
            marks.sent(tx, [one], now=NOW, fence=1, certain_at=NOW + THROUGH)

    try:
        world.client.ask(method, {"id": 1}, write=write, before_send=leaving if write else None)
    except B24Error as error:
        with store.transaction() as tx:
            if write:
                failed(tx, one, error, now=NOW, certain_at=NOW + THROUGH)
            else:
                unread(tx, one, error, now=NOW)
        return error, one
    with store.transaction() as tx:
        marks.done(tx, [one])
    return None, one


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_waiting_work_does_what_the_class_of_the_error_says(
    world: World, http: mocked.RequestsMock, case: Case, write: bool
) -> None:
    answer(http, case)
    error, _one = met(world, write=write)
    expected = (case.writing if write else "") or case.reading
    with world.portals.store.reading() as tx:
        row = tx.execute(sa.select(table)).first()
        resting = world.portals.limits.resting(world.portal_id, ["crm.item.update", "crm.item.get"])
    assert (world.row().state == "paused") is (expected == "pause")
    assert isinstance(error, AccessLost) is (expected == "pause")
    if expected == "done":
        assert (error, row) == (None, None)
        return
    assert row is not None
    if expected.startswith("hold:"):
        assert (row.held, row.held_at, row.sent_at) == (expected.removeprefix("hold:"), NOW, None)
    elif expected == "look up":
        assert (row.held, row.sent_at, row.due_at) == (None, NOW, NOW + THROUGH)
    elif expected in ("throttled", "method rests"):
        assert (row.held, row.attempts, row.sent_at) == (None, 0, None)
        assert row.due_at > NOW
    else:
        assert (row.held, row.attempts, row.sent_at) == (None, 1, None)
        assert row.due_at == NOW + FIRST_WAIT
    assert list(resting) == (
        [("crm.item.update" if write else "crm.item.get")] if expected == "method rests" else []
    )


def test_a_read_that_meets_error_core_again_and_again_is_held_in_the_end(
    world: World, http: mocked.RequestsMock
) -> None:
    answer(http, Case("memory", refused("ERROR_CORE", 400), "wait"))
    for _ in range(4):
        _error, one = met(world, write=False)
        with world.portals.store.transaction() as tx:
            held = tx.execute(sa.select(table.c.held)).scalar_one()
            tx.execute(sa.update(table).values(due_at=NOW))
    assert one.attempts == 3
    assert held == "permanent"


def test_a_renamed_portal_is_followed_and_its_new_address_kept(
    world: World, http: mocked.RequestsMock
) -> None:
    new = "https://new.example/rest/"
    moved = {"Location": f"{new}crm.item.update"}
    http.post(f"{ENDPOINT}crm.item.update", status=302, headers=moved)
    http.post(f"{new}crm.item.update", json={"result": {}})
    assert met(world, write=True)[0] is None
    assert world.row().endpoint == new


def test_only_a_refusal_of_everything_pauses_a_portal(world: World, http: mocked.RequestsMock) -> None:
    """One more request tells a plan without REST from a right that is missing."""
    answer(http, Case("right", refused("ACCESS_DENIED", 403), "hold:permanent", again=GOOD))
    met(world, write=True)
    assert [str(call.request.url).rpartition("/")[2] for call in http.calls] == ["crm.item.update", "profile"]


def test_a_viewers_refusal_asks_nothing_more(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}crm.item.get", **refused("ACCESS_DENIED", 403))
    with pytest.raises(B24Error) as caught:
        world.portals.viewer(world.portal_id, "viewer").call("crm.item.get")
    assert caught.value.code == "ACCESS_DENIED"
    assert len(http.calls) == 1


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"error": "invalid_grant"}, "invalid_grant"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (200, {"error": "wrong_client"}, "wrong_client"),
        (400, {"error": "invalid_request"}, "invalid_request"),
        (400, {"error": "invalid_scope"}, "invalid_scope"),
        (403, {"error": "insufficient_scope"}, "insufficient_scope"),
        (402, {"error": "PAYMENT_REQUIRED"}, "PAYMENT_REQUIRED"),
        (404, {"error": "NOT_FOUND"}, "NOT_FOUND"),
    ],
)
def test_whatever_the_authorisation_server_refuses_pauses_the_portal_and_says_why(
    world: World, http: mocked.RequestsMock, status: int, body: dict[str, str], reason: str
) -> None:
    """settings/oauth/error-codes.md: without tokens nothing can be done for any object, so none is held."""
    http.get(TOKEN_URL, status=status, json=body)
    http.post(f"{ENDPOINT}crm.item.get", **refused("expired_token", 401))
    error, _one = met(world, write=False)
    assert isinstance(error, AccessLost)
    assert (world.row().state, world.row().state_reason) == ("paused", reason)
    with world.portals.store.reading() as tx:
        assert tx.execute(sa.select(table.c.held)).scalar_one() is None


@pytest.mark.parametrize("body", ["<html>down</html>", json.dumps({"access_token": "x"})])
def test_an_authorisation_server_that_stumbles_pauses_nothing(
    world: World, http: mocked.RequestsMock, body: str
) -> None:
    http.get(TOKEN_URL, status=502, body=body)
    http.post(f"{ENDPOINT}crm.item.get", **refused("expired_token", 401))
    error, _one = met(world, write=False)
    assert error is not None
    assert world.row().state == "active"


DOCUMENTED = """
INTERNAL_SERVER_ERROR ERROR_UNEXPECTED_ANSWER QUERY_LIMIT_EXCEEDED ERROR_BATCH_METHOD_NOT_ALLOWED
ERROR_BATCH_LENGTH_EXCEEDED NO_AUTH_FOUND INVALID_REQUEST OVERLOAD_LIMIT ACCESS_DENIED INVALID_CREDENTIALS
ERROR_MANIFEST_IS_NOT_AVAILABLE insufficient_scope expired_token user_access_error PORTAL_DELETED
OPERATION_TIME_LIMIT invalid_client invalid_scope invalid_grant PAYMENT_REQUIRED
""".split()


@pytest.mark.parametrize("code", DOCUMENTED)
def test_the_table_knows_every_system_code_of_the_documentation(code: str) -> None:
    """_includes/system-errors.md, settings/oauth/error-codes.md, settings/performance/limits.md."""
    assert code.upper() in CODES
