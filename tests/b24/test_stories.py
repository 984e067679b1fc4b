"""The client against a sandbox portal over real HTTP, also when the portal misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from b24.answers import Answer
from b24.client import Client, Portals
from b24.errors import AccessLost, Ambiguous, B24Error, Rejected, Throttled, Unavailable
from b24.launch import accept_installation
from b24.sandbox.server import Options, Sandbox
from b24.store.engine import Store
from tests.b24.conftest import Local, grant

NASTY = 'ТОО «A & B» 50% + 1 = 2? #3 [x] "y" \\ / ; : @ ₸ Ә\nвторая строка'


@pytest.fixture
def client(local: Local) -> Client:
    """Background calls to the sandbox portal, the app installed."""
    local.world.portal_id = accept_installation(local.world.portals, local.open()).portal_id
    return local.world.client


def fault(local: Local, kind: str, *methods: str, times: int = 1, **more: Any) -> None:
    """Let one kind of fault strike the next calls of these methods."""
    local.control("faults", {kind: 1.0, "methods": list(methods), "times": {kind: times}, **more})


def deals(client: Client, **filters: Any) -> list[dict[str, Any]]:
    return list(client.rows("crm.item.list", {"entityTypeId": 2, "filter": filters}))


def add(title: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "crm.item.add", {"entityTypeId": 2, "fields": {"title": title, **fields}}


def test_texts_arrive_unharmed_alone_and_in_a_batch(client: Client) -> None:
    method, params = add(NASTY)
    alone = client.call(method, params, write=True)["item"]["id"]
    answer = client.batch({"one": add(NASTY)}, write=True)["one"]
    assert isinstance(answer, Answer)
    batched = answer.result["item"]["id"]
    found = {deal["id"]: deal["title"] for deal in deals(client, **{"@id": [alone, batched]})}
    assert found == {alone: NASTY, batched: NASTY}


def test_fifty_commands_succeed_and_fail_alone(client: Client) -> None:
    commands = {f"deal {n}": add(f"Пакет {n}") for n in range(48)}
    commands["missing"] = ("crm.item.update", {"entityTypeId": 2, "id": 999_999, "fields": {"title": "x"}})
    commands["unknown"] = ("crm.item.nonsense", {})
    found = client.batch(commands, write=True)
    assert list(found) == list(commands)
    assert sum(isinstance(answer, Answer) for answer in found.values()) == 48
    assert isinstance(found["missing"], Rejected)
    assert found["missing"].code == "NOT_FOUND"
    assert isinstance(found["unknown"], B24Error)


def test_empty_values_clear_fields_in_a_batch(client: Client) -> None:
    method, params = add("С комментарием", comments="текст", sourceDescription="x")
    deal = client.call(method, params, write=True)["item"]["id"]
    clear = {"entityTypeId": 2, "id": deal, "fields": {"comments": None, "sourceDescription": ""}}
    client.batch({"clear": ("crm.item.update", clear)}, write=True)
    item = client.call("crm.item.get", {"entityTypeId": 2, "id": deal})["item"]
    assert (item["comments"] or "", item["sourceDescription"] or "") == ("", "")


def test_long_lists_are_read_whole_in_both_ways(client: Client) -> None:
    mark = uuid4().hex
    for start in range(0, 130, 50):
        commands = {str(n): add(f"{n}", originId=mark) for n in range(start, min(start + 50, 130))}
        assert all(isinstance(one, Answer) for one in client.batch(commands, write=True).values())
    paged = deals(client, originId=mark)
    ids = [deal["id"] for deal in paged]
    assert len(ids) == 130
    assert ids == sorted(ids)
    bulk = client.all(
        "crm.item.list", {"entityTypeId": 2, "filter": {"originId": mark}, "select": ["id", "title"]}
    )
    assert [deal["id"] for deal in bulk] == ids
    assert [deal["title"] for deal in bulk] == [deal["title"] for deal in paged]


def test_list_without_rows_is_empty_in_both_ways(client: Client) -> None:
    assert deals(client, originId="nobody") == []
    assert client.all("crm.item.list", {"entityTypeId": 2, "filter": {"originId": "nobody"}}) == []


@pytest.mark.parametrize("kind", ["html_after", "truncated", "reset_after", "timeout_after"])
def test_write_whose_answer_is_lost_is_ambiguous_and_happened_once(
    local: Local, client: Client, kind: str
) -> None:
    mark = uuid4().hex
    fault(local, kind, "crm.item.add")
    with pytest.raises(Ambiguous):
        client.batch({"a": add("Один", originId=mark)}, write=True)
    assert len(deals(client, originId=mark)) == 1


@pytest.mark.parametrize("kind", ["5xx", "html", "reset_before"])
def test_write_that_may_have_happened_is_never_repeated_by_the_client(
    local: Local, client: Client, kind: str
) -> None:
    mark = uuid4().hex
    fault(local, kind, "crm.item.add")
    method, params = add("Ни одного", originId=mark)
    with pytest.raises(Ambiguous):
        client.call(method, params, write=True)
    assert deals(client, originId=mark) == []


def test_read_survives_a_broken_connection(local: Local, client: Client) -> None:
    fault(local, "reset_before", "profile")
    assert client.call("profile")["ADMIN"] is True


@pytest.mark.parametrize("kind", ["5xx", "html", "truncated"])
def test_read_that_fails_is_unavailable(local: Local, client: Client, kind: str) -> None:
    fault(local, kind, "profile", times=5)
    with pytest.raises(Unavailable):
        client.call("profile")


def test_token_that_expires_is_renewed_without_the_caller_noticing(local: Local, client: Client) -> None:
    before = local.world.row()
    fault(local, "expired_token", "batch")
    mark = uuid4().hex
    assert isinstance(client.batch({"a": add("x", originId=mark)}, write=True)["a"], Answer)
    assert len(deals(client, originId=mark)) == 1
    assert local.world.row().refresh_token != before.refresh_token


def test_many_threads_with_an_expired_token_all_succeed(local: Local, client: Client) -> None:
    local.control("expire", {"access_token": local.world.row().access_token})
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: client.call("profile")["ADMIN"], range(12)))
    assert found == [True] * 12
    assert local.world.row().state == "active"


def test_bulk_reading_renews_the_token_too(local: Local, client: Client) -> None:
    client.batch({str(n): add(f"{n}") for n in range(3)}, write=True)
    local.control("expire", {"access_token": local.world.row().access_token})
    assert len(client.all("crm.item.list", {"entityTypeId": 2})) >= 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [("5xx", Unavailable), ("html", Unavailable), ("reset_before", Unavailable), ("storm_503", Throttled)],
)
def test_bulk_reading_fails_with_our_errors_and_at_once(
    local: Local, client: Client, kind: str, error: type[B24Error]
) -> None:
    fault(local, kind, "crm.item.list", times=100, storm_s=0.2)
    with pytest.raises(error):
        client.all("crm.item.list", {"entityTypeId": 2})
    assert local.control("faults", method="GET")["struck"][kind] == 1


def test_one_throttled_command_of_a_batch_is_told_apart(local: Local, client: Client) -> None:
    fault(local, "command_503", "crm.item.add")
    found = client.batch({"a": add("a"), "b": add("b")}, write=True)
    kinds = sorted(type(answer).__name__ for answer in found.values())
    assert kinds == ["Answer", "Throttled"]


def test_storm_of_503_is_throttled_and_nothing_was_done(local: Local, client: Client) -> None:
    mark = uuid4().hex
    fault(local, "storm_503", storm_s=0.3)
    with pytest.raises(Throttled) as caught:
        client.batch({"a": add("x", originId=mark)}, write=True)
    assert caught.value.retry_at > datetime.now(UTC) - timedelta(seconds=1)
    local.control("faults", method="DELETE")
    assert deals(client, originId=mark) == []


def test_method_out_of_budget_rests_and_the_others_work(local: Local, client: Client) -> None:
    client_id = local.app["client_id"]
    local.control("limits/operating", {"client_id": client_id, "method": "crm.item.update", "seconds": 481})
    update = ("crm.item.update", {"entityTypeId": 2, "id": 1, "fields": {"title": "x"}})
    found = client.batch({"update": update, "me": ("profile", {})}, write=True)
    assert isinstance(found["update"], Throttled)
    assert isinstance(found["me"], Answer)
    with pytest.raises(Throttled):
        client.call(*update, write=True)
    local.control("limits/reset")


def test_dismissed_installer_pauses_the_portal_until_another_administrator_installs(
    local: Local, client: Client
) -> None:
    colleague = local.control("users", {"name": "Олжас", "last_name": "А", "admin": "1"})
    leaver = local.control("users", {"name": "Ушедший", "last_name": "Б", "admin": "1"})
    accept_installation(local.world.portals, local.open(user_id=leaver["id"]))
    local.control(f"users/{leaver['id']}/dismiss")
    with pytest.raises(AccessLost):
        client.call("profile")
    assert local.world.row().state == "paused"
    assert not local.world.portals.probe(local.world.portal_id)
    accept_installation(local.world.portals, local.open(user_id=colleague["id"]))
    assert local.world.row().state == "active"
    assert client.call("profile")["ID"] == str(colleague["id"])


def test_registration_that_was_deleted_pauses_the_portal(local: Local, client: Client) -> None:
    local.control("uninstall", {"client_id": local.app["client_id"]})
    with pytest.raises(AccessLost):
        client.call("profile")
    assert (local.world.row().state, local.world.row().state_reason) == ("paused", "wrong_client")


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Sandbox]:
    """A portal that counts requests."""
    with Sandbox(Options(port=0, seed="empty", limits=True, pages=False)) as running:
        yield running


@pytest.fixture
def make_portals(store: Store, local: Local) -> Callable[[Sandbox], Portals]:
    """Our side of that portal, with the ordinary bucket."""

    def make(sandbox: Sandbox) -> Portals:
        ours = local.world.portals
        return Portals(
            store, ours.secrets, ours.oauth, clock=ours.clock, allow_origin=sandbox.url, bucket=(50, 2.0)
        )

    return make


def test_portal_never_refuses_for_too_many_requests(
    limited: Sandbox, make_portals: Callable[[Sandbox], Portals], local: Local
) -> None:
    given = requests.get(f"{limited.url}/sandbox/access", timeout=20).json()
    portals = make_portals(limited)
    portal_id = local.world.install(
        grant(
            member_id="l" * 32,
            client_endpoint=given["rest_url"],
            access_token=given["access_token"],
            expires_at=local.world.now + timedelta(hours=1),
        )
    )
    viewer = portals.viewer(portal_id, given["access_token"])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: viewer.call("profile")["ADMIN"], range(49)))
    assert found == [True] * 49
    portals.close()
