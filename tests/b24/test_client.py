"""Single calls, batches and pages against a mocked portal: what is sent, what is repeated, what never is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses as mocked
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from b24 import portals as stored
from b24.answers import Answer
from b24.errors import (
    AccessLost,
    Ambiguous,
    B24Error,
    Rejected,
    Throttled,
    Unavailable,
    Untrusted,
)
from tests.b24.conftest import ENDPOINT, World, grant
from tests.recordings import response

Commands = dict[str, tuple[str, dict[str, Any]]]
TOKEN_URL = "https://oauth.bitrix.info/oauth/token/"
EXPIRED = {"error": "expired_token", "error_description": "The access token provided has expired."}
TIME = {"start": 1.0, "finish": 2.0, "duration": 0.1, "processing": 0.1}


def broken() -> requests.exceptions.ConnectionError:
    """The connection was closed while the answer was awaited."""
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", OSError()))


def never_made() -> requests.exceptions.ConnectionError:
    """No connection could be opened."""
    reason = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    return requests.exceptions.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


def slow() -> requests.exceptions.ReadTimeout:
    return requests.exceptions.ReadTimeout(ReadTimeoutError(None, "/", "timeout"))  # type: ignore[arg-type]


def ok(http: mocked.RequestsMock, method: str, result: Any, **envelope: Any) -> None:
    http.post(f"{ENDPOINT}{method}", json={"result": result, "time": TIME, **envelope})


def new_tokens(http: mocked.RequestsMock, access: str = "access-2", refresh: str = "refresh-2") -> None:
    body = {
        "access_token": access,
        "refresh_token": refresh,
        "expires_in": 3600,
        "client_endpoint": ENDPOINT,
        "member_id": "m" * 32,
        "domain": "oauth.bitrix.info",
        "scope": "crm",
    }
    http.get(TOKEN_URL, json=body)


def bodies(http: mocked.RequestsMock) -> list[dict[str, Any]]:
    """Bodies of the REST requests, in order."""
    return [json.loads(call.request.body or "") for call in http.calls if call.request.method == "POST"]


def test_call_posts_json_with_the_token_in_the_body(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "crm.item.get", {"item": {"id": 7}})
    result = world.client.call("crm.item.get", {"entityTypeId": 1036, "id": 7})
    assert result == {"item": {"id": 7}}
    request = http.calls[0].request
    assert request.url == f"{ENDPOINT}crm.item.get"
    assert request.headers["Content-Type"] == "application/json"
    assert bodies(http) == [{"entityTypeId": 1036, "id": 7, "auth": "access-1"}]


def test_answer_carries_total_and_next(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "user.get", [{"ID": "1"}], total=120, next=50)
    answer = world.client.ask("user.get")
    assert (answer.total, answer.next, answer.time["duration"]) == (120, 50, 0.1)


def test_expired_token_is_refreshed_once_and_the_write_repeated(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}crm.item.add", json=EXPIRED, status=401)
    new_tokens(http)
    ok(http, "crm.item.add", {"item": {"id": 1}})
    assert world.client.call("crm.item.add", {"fields": {}}, write=True) == {"item": {"id": 1}}
    assert [body["auth"] for body in bodies(http)] == ["access-1", "access-2"]
    row = world.row()
    assert (row.access_token, row.refresh_token) == ("access-2", "refresh-2")


def test_token_known_to_have_run_out_is_refreshed_before_the_call(
    world: World, http: mocked.RequestsMock
) -> None:
    world.now += timedelta(hours=2)
    new_tokens(http)
    ok(http, "profile", {"ID": "5"})
    world.client.call("profile")
    assert [body["auth"] for body in bodies(http)] == ["access-2"]


def test_refresh_that_does_not_help_loses_access(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}profile", json=EXPIRED, status=401)
    http.post(f"{ENDPOINT}profile", json=EXPIRED, status=401)
    new_tokens(http)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    assert world.row().state == "paused"


def test_refused_refresh_pauses_the_portal_and_nothing_is_called_any_more(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}profile", json=EXPIRED, status=401)
    http.get(TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    assert (world.row().state, world.row().state_reason) == ("paused", "invalid_grant")
    before = len(http.calls)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    assert len(http.calls) == before


def test_wrong_client_secret_pauses_holds_nothing_and_keeps_the_tokens(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}profile", json=EXPIRED, status=401)
    http.get(TOKEN_URL, json={"error": "wrong_client"}, status=200)
    # Not SetupMissing: that would hold the object at hand for a person, and it is not the object's fault.
    with pytest.raises(AccessLost):
        world.client.call("profile")
    row = world.row()
    assert (row.state, row.state_reason, row.refresh_token) == ("paused", "wrong_client", "refresh-1")


def test_a_paused_portal_is_asked_again_soon_and_then_more_rarely(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": "OVERLOAD_LIMIT"}, status=503)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    waits = []
    for _ in range(5):
        began = world.now
        while not due(world):
            world.now += timedelta(seconds=30)
        waits.append((world.now - began).total_seconds())
        assert not world.portals.probe(world.portal_id)
    assert waits == [60, 300, 900, 3600, 3600]


def due(world: World) -> bool:
    with world.portals.store.reading() as tx:
        return stored.paused_ids(tx, due=world.now) == [world.portal_id]


def test_a_portal_that_does_not_answer_keeps_the_reason_of_its_pause(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": "PAYMENT_REQUIRED"}, status=403)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    http.replace(mocked.POST, f"{ENDPOINT}profile", body="<html>", status=502)
    assert not world.portals.probe(world.portal_id)
    assert world.row().state_reason == "PAYMENT_REQUIRED"


def test_portal_that_lets_us_in_again_is_resumed(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": "OVERLOAD_LIMIT"}, status=503)
    with pytest.raises(AccessLost):
        world.client.call("profile")
    http.replace(mocked.POST, f"{ENDPOINT}profile", json={"error": "OVERLOAD_LIMIT"}, status=503)
    assert not world.portals.probe(world.portal_id)
    assert world.row().state == "paused"
    http.replace(mocked.POST, f"{ENDPOINT}profile", json={"result": {"ID": "5"}})
    assert world.portals.probe(world.portal_id)
    assert world.row().state == "active"


LOST: list[tuple[Any, type[B24Error], type[B24Error]]] = [
    (broken(), Unavailable, Ambiguous),
    (slow(), Unavailable, Ambiguous),
    (never_made(), Unavailable, Unavailable),
    (requests.exceptions.ConnectTimeout(), Unavailable, Unavailable),
    (requests.exceptions.ChunkedEncodingError(), Unavailable, Ambiguous),
]


@pytest.mark.parametrize(("failure", "as_read", "as_write"), LOST)
def test_lost_answer_of_a_write_is_ambiguous_and_not_repeated(
    world: World, http: mocked.RequestsMock, failure: Any, as_read: type[B24Error], as_write: type[B24Error]
) -> None:
    http.post(f"{ENDPOINT}crm.item.add", body=failure)
    with pytest.raises(B24Error) as caught:
        world.client.call("crm.item.add", write=True)
    assert type(caught.value) is as_write
    assert len(http.calls) == 1
    assert "access-1" not in str(caught.value)
    http.post(f"{ENDPOINT}crm.item.get", body=failure)
    with pytest.raises(B24Error) as caught:
        world.client.call("crm.item.get")
    assert type(caught.value) is as_read


def test_read_is_repeated_once_when_the_connection_breaks(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}profile", body=broken())
    ok(http, "profile", {"ID": "5"})
    assert world.client.call("profile") == {"ID": "5"}


def test_read_is_repeated_no_second_time(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}profile", body=broken())
    with pytest.raises(Unavailable):
        world.client.call("profile")
    assert len(http.calls) == 2


def test_unreadable_answer_of_a_write_is_ambiguous(world: World, http: mocked.RequestsMock) -> None:
    for name in ("html_502_nginx", "html_504_nginx", "json_truncated_200", "html_500"):
        recorded = response(name)
        http.upsert(mocked.POST, f"{ENDPOINT}crm.item.add", body=recorded.body, status=recorded.status)
        with pytest.raises(Ambiguous):
            world.client.call("crm.item.add", write=True)


def test_full_bucket_makes_everybody_wait(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": "QUERY_LIMIT_EXCEEDED"}, status=503)
    with pytest.raises(Throttled) as caught:
        world.client.call("profile")
    assert not caught.value.method
    assert caught.value.retry_at > datetime.now(UTC)
    assert world.portals.limits.reserve(world.portal_id, "profile") > 1


def test_spent_method_rests_alone_and_is_not_sent_in_batches(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}crm.item.update", json={"error": "OPERATION_TIME_LIMIT"}, status=429)
    with pytest.raises(Throttled) as caught:
        world.client.call("crm.item.update", write=True)
    assert caught.value.method == "crm.item.update"
    with pytest.raises(Throttled):
        world.client.call("crm.item.update", write=True)
    assert len(http.calls) == 1
    ok(http, "batch", {"result": {"k1": {"ID": "5"}}, "result_error": []})
    commands: Commands = {"update": ("crm.item.update", {"id": 1}), "me": ("profile", {})}
    found = world.client.batch(commands, write=True)
    assert list(found) == ["update", "me"]
    assert isinstance(found["update"], Throttled)
    assert found["me"] == Answer({"ID": "5"})
    assert list(bodies(http)[-1]["cmd"].values()) == ["profile"]


def test_method_spent_inside_a_batch_rests_until_the_reset_of_its_last_good_answer(
    world: World, http: mocked.RequestsMock
) -> None:
    reset = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=7)
    ok(http, "crm.item.update", {"item": {}}, time={"operating_reset_at": int(reset.timestamp())})
    world.client.call("crm.item.update", write=True)
    ok(http, "batch", {"result": [], "result_error": {"k0": {"error": "OPERATION_TIME_LIMIT"}}})
    found = world.client.batch({"a": ("crm.item.update", {})}, write=True)["a"]
    assert isinstance(found, Throttled)
    assert found.retry_at == reset


def test_batch_maps_answers_back_to_the_caller_s_keys(world: World, http: mocked.RequestsMock) -> None:
    ok(
        http,
        "batch",
        {
            "result": {"k0": {"item": {"id": 1}}},
            "result_error": {"k1": {"error": "NOT_FOUND", "error_description": "Element not found"}},
            "result_total": [],
            "result_next": [],
            "result_time": {"k0": TIME},
        },
    )
    commands: Commands = {
        "participation 1": ("crm.item.update", {"fields": {"title": "A & B + 50%"}}),
        "participation 2": ("crm.item.update", {"id": 2}),
        "participation 3": ("crm.item.update", {"id": 3}),
    }
    found = world.client.batch(commands, write=True)
    assert list(found) == list(commands)
    assert isinstance(found["participation 1"], Answer)
    assert isinstance(found["participation 2"], Rejected)
    assert isinstance(found["participation 3"], Ambiguous)
    sent = bodies(http)[0]
    assert sent["halt"] == 0
    assert sent["cmd"]["k0"] == "crm.item.update?fields%5Btitle%5D=A+%26+B+%2B+50%25"


def test_slow_commands_go_in_smaller_requests(world: World, http: mocked.RequestsMock) -> None:
    update = ("crm.item.update", {"entityTypeId": 128, "id": 1, "fields": {}})
    times = {f"k{n}": {"duration": 2.0, "operating": 2.0} for n in range(50)}
    results = {f"k{n}": {"item": {"id": 1}} for n in range(50)}
    ok(http, "batch", {"result": results, "result_error": [], "result_time": times})
    assert world.client.room("crm.item.update", 128) == 50
    world.client.batch({str(n): update for n in range(50)}, write=True)
    assert world.client.room("crm.item.update", 128) == 10
    assert world.client.room("crm.item.update", 2) == 50


@pytest.mark.parametrize("answer", [{"body": slow()}, {"status": 504, "body": "<html>504</html>"}])
def test_a_request_that_was_cut_off_goes_by_halves_next(
    world: World, http: mocked.RequestsMock, answer: dict[str, Any]
) -> None:
    http.post(f"{ENDPOINT}batch", **answer)
    with pytest.raises(Ambiguous):
        world.client.batch({str(n): ("tasks.task.add", {"fields": {}}) for n in range(10)}, write=True)
    assert world.client.room("tasks.task.add") == 5


def test_batch_of_more_than_fifty_is_a_mistake(world: World, http: mocked.RequestsMock) -> None:
    with pytest.raises(ValueError, match="50"):
        world.client.batch({str(n): ("profile", {}) for n in range(51)})
    assert world.client.batch({}) == {}
    assert not http.calls


def test_hook_runs_before_every_sending_and_can_stop_it(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}batch", json=EXPIRED, status=401)
    new_tokens(http)
    ok(http, "batch", {"result": {"k0": 1}, "result_error": []})
    seen: list[int] = []
    command: Commands = {"a": ("crm.contact.add", {})}
    world.client.batch(command, write=True, before_send=lambda: seen.append(len(bodies(http))))
    assert seen == [0, 1]

    class LeaseLost(Exception):
        pass

    def stop() -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        world.client.batch(command, write=True, before_send=stop)
    assert len(bodies(http)) == 2


def test_what_was_announced_leaves_at_once_or_not_at_all(world: World, http: mocked.RequestsMock) -> None:
    command: Commands = {"a": ("crm.contact.add", {})}

    def stopped() -> None:
        world.now += timedelta(seconds=3)

    with pytest.raises(Ambiguous, match="LATE"):
        world.client.batch(command, write=True, before_send=stopped)
    assert not http.calls


def test_rows_are_paged_by_id(world: World, http: mocked.RequestsMock) -> None:
    def page(request: Any) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body)
        after = asked["filter"][">id"]
        assert asked["order"] == {"id": "ASC"}
        assert asked["start"] == -1
        assert asked["filter"]["stageId"] == "X"
        assert asked["select"] == ["title", "id"]
        ids = range(after + 1, min(after + 50, 120) + 1)
        return 200, {}, json.dumps({"result": {"items": [{"id": n} for n in ids]}})

    http.add_callback(mocked.POST, f"{ENDPOINT}crm.item.list", page)
    rows = world.client.rows("crm.item.list", {"filter": {"stageId": "X"}, "select": ["title"]})
    assert [row["id"] for row in rows] == list(range(1, 121))
    assert len(http.calls) == 3


def test_older_lists_are_paged_by_upper_case_id(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}crm.activity.list", json={"result": [{"ID": "3"}]})
    assert list(world.client.rows("crm.activity.list", {}, rows_at=None)) == [{"ID": "3"}]
    assert bodies(http)[0]["filter"] == {">ID": 0}


def test_portal_that_ignores_the_id_filter_ends_no_loop(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "crm.item.list", {"items": [{"id": n} for n in range(1, 51)]})
    with pytest.raises(Unavailable):
        list(world.client.rows("crm.item.list", {}))


@pytest.mark.parametrize("result", [{"items": [[]]}, {"items": "x"}, {}, "x", {"items": None}])
def test_list_of_another_shape_is_said(world: World, http: mocked.RequestsMock, result: Any) -> None:
    ok(http, "crm.item.list", result)
    with pytest.raises(Unavailable):
        list(world.client.rows("crm.item.list", {}))


def test_empty_list_may_come_as_an_empty_array(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "crm.item.list", [])
    assert list(world.client.rows("crm.item.list", {})) == []


def test_short_lists_follow_next(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "user.get", [{"ID": str(n)} for n in range(50)], total=60, next=50)
    ok(http, "user.get", [{"ID": str(n)} for n in range(50, 60)], total=60)
    assert len(world.client.listed("user.get", {"FILTER": {"ACTIVE": "Y"}})) == 60
    assert [body["start"] for body in bodies(http)] == [0, 50]


def test_renamed_portal_is_followed_once_and_remembered(world: World, http: mocked.RequestsMock) -> None:
    new = "https://renamed.example/rest/"
    http.post(f"{ENDPOINT}crm.item.list", status=302, headers={"Location": f"{new}crm.item.list.json"})
    http.post(f"{new}crm.item.list", json={"result": {"items": []}})
    world.client.call("crm.item.list", {"filter": {"a": 1}})
    assert world.row().endpoint == new
    assert bodies(http)[1]["filter"] == {"a": 1}
    world.client.call("crm.item.list")
    assert len(http.calls) == 3


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://evil.example/login",
        "https://evil.example/rest/crm.item.delete",
        "https://evil.example/x/rest/crm.item.add",
        "https://portal.example/rest/crm.item.add",
        "/rest/crm.item.add",
        "http://renamed.example/rest/crm.item.add",
        "https://127.0.0.1/rest/crm.item.add",
        "https://localhost:8443/rest/crm.item.add",
        "https://169.254.169.254/rest/crm.item.add",
        "https://[broken/rest/crm.item.add",
    ],
)
def test_other_redirects_are_not_followed(world: World, http: mocked.RequestsMock, location: str) -> None:
    http.post(f"{ENDPOINT}crm.item.add", status=302, headers={"Location": location})
    with pytest.raises(B24Error):
        world.client.call("crm.item.add", write=True)
    assert len(http.calls) == 1
    assert world.row().endpoint == ENDPOINT


def test_new_address_that_is_no_portal_is_not_remembered(world: World, http: mocked.RequestsMock) -> None:
    new = "https://parked.example/rest/"
    http.post(f"{ENDPOINT}profile", status=302, headers={"Location": f"{new}profile"})
    http.post(f"{new}profile", body="<html>buy this domain</html>")
    with pytest.raises(Unavailable):
        world.client.call("profile")
    assert world.row().endpoint == ENDPOINT


def test_cookies_and_environment_credentials_are_not_sent(
    world: World, http: mocked.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine portal.example login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    http.post(f"{ENDPOINT}profile", json={"result": {}}, headers={"Set-Cookie": "PHPSESSID=1"})
    for _ in range(2):
        world.client.call("profile")
    assert all("Authorization" not in call.request.headers for call in http.calls)
    assert all("Cookie" not in call.request.headers for call in http.calls)


def test_viewer_uses_their_own_token_at_the_stored_address(world: World, http: mocked.RequestsMock) -> None:
    ok(http, "profile", {"ID": "9"})
    world.portals.viewer(world.portal_id, "theirs").call("profile")
    assert bodies(http)[0]["auth"] == "theirs"


@pytest.mark.parametrize("code", ["expired_token", "NO_AUTH_FOUND", "invalid_token"])
def test_viewer_s_dead_token_is_never_refreshed(world: World, http: mocked.RequestsMock, code: str) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": code}, status=401)
    with pytest.raises(Untrusted):
        world.portals.viewer(world.portal_id, "theirs").call("profile")
    assert world.row().access_token == "access-1"


def test_viewer_who_may_not_use_the_app_does_not_pause_the_portal(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}profile", json={"error": "user_access_error"}, status=403)
    with pytest.raises(AccessLost):
        world.portals.viewer(world.portal_id, "theirs").call("profile")
    assert world.row().state == "active"


def test_one_tenant_s_call_never_carries_another_s_token(world: World, http: mocked.RequestsMock) -> None:
    first = world.portal_id
    second = world.install(
        grant(member_id="n" * 32, client_endpoint="https://other.example/rest/", access_token="other")
    )
    ok(http, "profile", {})
    http.post("https://other.example/rest/profile", json={"result": {}})
    world.portals.client(first).call("profile")
    world.portals.client(second).call("profile")
    sent = [(call.request.url, json.loads(call.request.body or "")["auth"]) for call in http.calls]
    assert sent == [(f"{ENDPOINT}profile", "access-1"), ("https://other.example/rest/profile", "other")]


def test_log_names_method_and_outcome_but_no_secret(
    world: World, http: mocked.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="b24")
    http.post(f"{ENDPOINT}crm.item.get", json={"error": "NOT_FOUND"}, status=400)
    with pytest.raises(Rejected):
        world.client.call("crm.item.get", {"id": 7})
    assert "method=crm.item.get" in caplog.text
    assert "outcome=Rejected/NOT_FOUND" in caplog.text
    assert "access-1" not in caplog.text


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_value_json_cannot_hold_is_our_mistake_and_nothing_leaves(
    world: World, http: mocked.RequestsMock, value: Any
) -> None:
    with pytest.raises((TypeError, ValueError)):
        world.client.call("crm.item.add", {"fields": {"x": value}}, write=True)
    assert not http.calls


def test_answer_without_end_is_cut_off(
    world: World, http: mocked.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b24.transport.MAX_ANSWER_BYTES", 1000)
    http.post(f"{ENDPOINT}profile", body="x" * 2000)
    with pytest.raises(Unavailable):
        world.client.call("profile")


def test_read_the_portal_stumbled_over_is_repeated_once_a_write_never(
    world: World, http: mocked.RequestsMock
) -> None:
    stumble = {"error": "ERROR_CORE", "error_description": "OOM command not allowed"}
    http.post(f"{ENDPOINT}profile", json=stumble, status=400)
    ok(http, "profile", {"ID": "5"})
    assert world.client.call("profile") == {"ID": "5"}
    http.post(f"{ENDPOINT}tasks.task.add", json=stumble, status=400)
    with pytest.raises(Rejected):
        world.client.call("tasks.task.add", write=True)
    assert len(http.calls) == 3


def test_plan_without_rest_pauses_the_portal_instead_of_refusing_every_command(
    world: World, http: mocked.RequestsMock
) -> None:
    http.post(f"{ENDPOINT}batch", json={"error": "ACCESS_DENIED"}, status=403)
    with pytest.raises(AccessLost):
        world.client.batch({"a": ("crm.item.update", {})}, write=True)
    assert world.row().state == "paused"
