"""Addresses, bodies, envelopes and system errors of REST: settings/how-to-call-rest-api, system-errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests

from b24.sandbox.kernel import METHODS, Call, Method
from tests.b24.sandbox.client import Rest


@pytest.fixture(scope="module", autouse=True)
def echo() -> Any:
    """A method that answers with its own parameters, so that decoding can be seen over HTTP."""

    def run(call: Call) -> Any:
        return call.params or None

    METHODS["test.echo"] = Method("test.echo", run)
    yield
    del METHODS["test.echo"]


def test_an_answer_has_a_result_and_the_documented_time(rest: Rest) -> None:
    body = rest.answer("server.time")
    assert set(body) == {"result", "time"}
    time = body["time"]
    assert set(time) == {
        "start", "finish", "duration", "processing", "date_start", "date_finish", "operating_reset_at",
        "operating"
    }  # fmt: skip
    assert isinstance(time["start"], float)
    assert isinstance(time["finish"], float)
    assert isinstance(time["operating_reset_at"], int)
    assert 0 <= time["processing"] <= time["duration"]
    assert datetime.fromisoformat(time["date_start"]).utcoffset() is not None
    assert time["operating_reset_at"] > time["finish"]


def test_dates_carry_the_offset_of_the_portal(rest: Rest) -> None:
    moment = datetime.fromisoformat(rest("server.time"))
    assert moment.utcoffset() is not None
    assert moment.microsecond == 0


@pytest.mark.parametrize(
    "address",
    [
        "server.time", "server.time.json", "server.time/", "/server.time", "SERVER.TIME", "Server.Time.JSON/",
        "server.time?bx24_request_id=4f&bx24_sdk_ver=1.1&unknown=1",
    ],
)  # fmt: skip
def test_a_method_is_found_under_every_spelling_of_its_address(rest: Rest, address: str) -> None:
    for root in (rest.access["rest_url"], rest.access["webhook_url"]):
        answer = rest.http.post(f"{root}{address}", json={"auth": rest.token})
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"].startswith("20")


def test_a_doubled_slash_before_rest_is_a_single_one(rest: Rest) -> None:
    answer = rest.http.post(
        f"{rest.url}//rest//server.time", json={"auth": rest.token}, allow_redirects=False
    )
    assert answer.status_code == 200


def call_in_query(rest: Rest) -> requests.Response:
    return rest.http.get(rest.access["rest_url"] + "profile", params={"auth": rest.token})


def call_in_form(rest: Rest) -> requests.Response:
    return rest.http.post(rest.access["rest_url"] + "profile", data={"auth": rest.token})


def call_in_json(rest: Rest) -> requests.Response:
    return rest.http.post(rest.access["rest_url"] + "profile", json={"auth": rest.token})


def call_in_multipart(rest: Rest) -> requests.Response:
    return rest.http.post(rest.access["rest_url"] + "profile", files={"auth": (None, rest.token)})


def call_with_bearer(rest: Rest) -> requests.Response:
    return rest.http.post(
        rest.access["rest_url"] + "profile", headers={"Authorization": f"Bearer {rest.token}"}
    )


def call_by_webhook(rest: Rest) -> requests.Response:
    return rest.http.get(rest.access["webhook_url"] + "profile")


@pytest.mark.parametrize(
    "call",
    [call_in_query, call_in_form, call_in_json, call_in_multipart, call_with_bearer, call_by_webhook],
)
def test_credentials_are_read_wherever_clients_put_them(
    rest: Rest, call: Callable[[Rest], requests.Response]
) -> None:
    assert call(rest).json()["result"]["ADMIN"] is True


PHP_BODIES: list[tuple[str, Any]] = [
    ("a=1&b=2", {"a": "1", "b": "2"}),
    ("select[]=ID&select[]=TITLE", {"select": ["ID", "TITLE"]}),
    ("select[0]=ID&select[1]=TITLE", {"select": ["ID", "TITLE"]}),
    ("filter[>id]=10", {"filter": {">id": "10"}}),
    ("filter[!%25title]=a%26b", {"filter": {"!%title": "a&b"}}),
    (
        "fields[PHONE][0][VALUE]=112233&fields[PHONE][0][VALUE_TYPE]=WORK&fields[PHONE][1][VALUE]=555",
        {"fields": {"PHONE": [{"VALUE": "112233", "VALUE_TYPE": "WORK"}, {"VALUE": "555"}]}},
    ),
    ("filter[0][logic]=OR&filter[0][0][id]=1&filter[0][1][id]=2",
     {"filter": [{"logic": "OR", "0": {"id": "1"}, "1": {"id": "2"}}]}),
    ("filter[logic]=OR&filter[0][id]=1", {"filter": {"logic": "OR", "0": {"id": "1"}}}),
    ("0=123&1[POST_MESSAGE]=test", {"0": "123", "1": {"POST_MESSAGE": "test"}}),
    ("cmd[a]=x%3Fy%3D1", {"cmd": {"a": "x?y=1"}}),
    ("a=1&a=2", {"a": "2"}),
    ("a[b]=1&a=2", {"a": "2"}),
    ("a=1&a[b]=2", {"a": {"b": "2"}}),
    ("a[5]=x&a[]=y", {"a": {"5": "x", "6": "y"}}),
    ("name=%D0%9E%D0%BB%D1%8F+%D0%91", {"name": "Оля Б"}),
    ("a.b=1", {"a_b": "1"}),
    ("empty=", {"empty": ""}),
    ("a[b=1", {"a_b": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PHP_BODIES)
def test_keys_in_a_form_mean_what_php_makes_of_them(rest: Rest, text: str, expected: Any) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = rest.access["webhook_url"] + "test.echo"
    assert rest.http.post(url, data=text, headers=headers).json()["result"] == expected


@pytest.mark.parametrize(("text", "expected"), PHP_BODIES)
def test_keys_in_a_query_mean_the_same(rest: Rest, text: str, expected: Any) -> None:
    url = f"{rest.access['webhook_url']}test.echo?{text}"
    assert rest.http.get(url).json()["result"] == expected


def test_a_multipart_body_may_carry_nested_keys(rest: Rest) -> None:
    parts = {"fields[PHONE][0][VALUE]": (None, "112233"), "fields[PHONE][0][VALUE_TYPE]": (None, "WORK")}
    answer = rest.http.post(rest.access["webhook_url"] + "test.echo", files=parts).json()
    assert answer["result"] == {"fields": {"PHONE": [{"VALUE": "112233", "VALUE_TYPE": "WORK"}]}}


def test_json_keeps_its_types_and_a_counted_map_is_a_list(rest: Rest) -> None:
    sent = {"n": 1, "f": 1.5, "yes": True, "none": None, "list": [1, "2"], "map": {"0": "a", "1": "b"}}
    got = rest.hook("test.echo", sent).json()["result"]
    assert got == {**sent, "map": ["a", "b"]}


def test_the_body_wins_over_the_query(rest: Rest) -> None:
    url = rest.access["webhook_url"] + "test.echo?a=query&b=query"
    assert rest.http.post(url, json={"a": "body"}).json()["result"] == {"a": "body", "b": "query"}


def test_a_json_body_of_a_get_is_not_read(rest: Rest) -> None:
    answer = rest.http.get(rest.access["webhook_url"] + "test.echo", json={"a": 1}).json()
    assert answer["result"] is None


def test_the_answer_escapes_slashes_and_letters_like_the_portal(rest: Rest) -> None:
    raw = rest.hook("test.echo", {"url": "https://a/b", "name": "Ё"}).text
    assert "https:\\/\\/a\\/b" in raw
    assert "\\u0401" in raw


def test_the_answer_is_xml_when_the_address_asks_for_it(rest: Rest) -> None:
    answer = rest.http.post(rest.access["webhook_url"] + "profile.xml")
    assert answer.headers["Content-Type"].startswith("text/xml")
    assert "<response><result><ID>1</ID>" in answer.text


def test_browsers_of_any_page_may_call_with_a_token(rest: Rest) -> None:
    preflight = rest.http.options(
        rest.access["rest_url"] + "profile", headers={"Origin": "https://app.example"}
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    answer = rest.http.post(
        rest.access["rest_url"] + "profile",
        json={"auth": rest.token},
        headers={"Origin": "https://app.example"},
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def error_of(response: requests.Response) -> tuple[int, Any]:
    body = response.json()
    assert "result" not in body
    assert "time" not in body
    return response.status_code, body["error"]


def test_an_unknown_method_is_404(rest: Rest) -> None:
    assert error_of(rest.send("crm.nothing.here")) == (404, "ERROR_METHOD_NOT_FOUND")
    assert error_of(rest.hook("crm.nothing.here")) == (404, "ERROR_METHOD_NOT_FOUND")


@pytest.mark.parametrize("token", ["", "nonsense", "0" * 70])
def test_a_wrong_token_is_401(rest: Rest, token: str) -> None:
    answer = rest.http.post(rest.access["rest_url"] + "profile", json={"auth": token})
    assert error_of(answer) == (401, "NO_AUTH_FOUND")
    assert answer.json()["error_description"] == "Wrong authorization data"


@pytest.mark.parametrize(
    "path", ["rest/1/wrong/profile", "rest/2/{code}/profile", "rest/profile", "rest/x/profile"]
)
def test_a_wrong_webhook_is_401(rest: Rest, path: str) -> None:
    code = rest.access["webhook_url"].rstrip("/").rsplit("/", 1)[1]
    assert error_of(rest.http.get(f"{rest.url}/{path.format(code=code)}")) == (401, "NO_AUTH_FOUND")


def test_methods_of_the_application_context_refuse_a_webhook(rest: Rest) -> None:
    assert error_of(rest.hook("event.get")) == (403, "WRONG_AUTH_TYPE")
    refused = rest.hook("app.info")
    assert error_of(refused) == (400, "ACCESS_DENIED")
    assert refused.json()["error_description"] == "Access denied! Application context required"


def test_a_missing_scope_is_403(rest: Rest) -> None:
    app = rest.control("apps", {"handler_url": "http://127.0.0.1:9/", "scopes": "crm"})
    opened = rest.control(f"apps/{app['id']}/open", {"user_id": 1})
    token = opened["fields"]["AUTH_ID"]
    assert error_of(rest.send("department.get", token=token)) == (403, "insufficient_scope")
    assert error_of(rest.send("user.get", token=token)) == (403, "insufficient_scope")
    assert rest("scope", token=token) == ["crm"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[1, 2", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"a":' * 3000, "application/json"),
        (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "application/json"),
        (b'{"a": NaN}', "application/json"),
        (b'{"a": 1e999}', "application/json"),
        (b'{"a": 1' + b"0" * 400 + b"}", "application/json"),
        ("&".join(f"a{n}=1" for n in range(20_001)).encode(), "application/x-www-form-urlencoded"),
    ],
)
def test_an_unreadable_body_is_a_clear_4xx(rest: Rest, body: bytes, kind: str) -> None:
    answer = rest.http.post(
        rest.access["webhook_url"] + "test.echo", data=body, headers={"Content-Type": kind}
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize("body", ["[]", "7", '"text"', "null", "", '{"auth": {"a": 1}}', '{"auth": ["x"]}'])
def test_a_json_body_that_is_no_map_is_no_failure(rest: Rest, body: str) -> None:
    answer = rest.http.post(
        rest.access["rest_url"] + "profile", data=body, headers={"Content-Type": "application/json"}
    )
    assert error_of(answer) == (401, "NO_AUTH_FOUND")


STRANGE: list[tuple[str, dict[str, Any]]] = [
    ("event.bind", {"event": "ONCRMDEALADD", "handler": "https://a.example/\ud800"}),
    ("event.bind", {"event": "\ud800", "handler": 10**30}),
    ("placement.bind", {"PLACEMENT": "LEFT_MENU\x00", "HANDLER": {"a": []}}),
    ("user.get", {"FILTER": {">ID": [], "<=ID": {}, "@NAME": {"a": {"b": 1}}}, "start": 10**30}),
    ("user.get", {"FILTER": "x", "select": {"a": 1}, "sort": [], "order": {}, "start": "x"}),
    ("user.search", {"FILTER": {"FIND": ["x"], "NAME": {}}}),
    ("department.get", {"ID": {"a": 1}, "sort": ["x"], "START": []}),
    ("im.notify.system.add", {"USER_ID": 10**30, "MESSAGE": {"a": 1}}),
    ("im.notify.read", {"ID": "9" * 40}),
    ("im.notify.delete", {"TAG": {"a": 1}}),
    ("im.notify.delete", {"ID": [1]}),
    ("im.notify.get", {"LAST_ID": "9" * 40, "LAST_TYPE": 1, "LIMIT": "9" * 40}),
    ("event.unbind", {"event": "ONCRMDEALADD", "handler": {"a": 1}, "auth_type": "9" * 40}),
    ("event.offline.get", {"filter": {"ID": {"a": []}}, "order": {"ID": []}, "limit": "9" * 40}),
    ("event.offline.list", {"filter": {">ID": {"a": []}}, "start": "9" * 40}),
    ("event.offline.clear", {"process_id": {"a": 1}, "id": {"a": {"b": 1}}}),
    ("placement.unbind", {"PLACEMENT": "LEFT_MENU", "HANDLER": ["x"], "USER_ID": {"a": 1}}),
    ("app.option.set", {"options": {"\ud800": {"a": [None, 1.5]}}}),
    ("method.get", {"name": {"a": 1}}),
    ("user.access", {"ACCESS": {"a": 1}}),
    ("batch", {"cmd": {"\ud800": "profile", "a": {"method": {"x": 1}, "params": "x"}}, "halt": []}),
]


@pytest.mark.parametrize(("method", "params"), STRANGE)
def test_strange_parameters_never_break_a_method(rest: Rest, method: str, params: dict[str, Any]) -> None:
    answer = rest.send(method, params)
    assert answer.status_code < 500, answer.text
    body = answer.json()
    assert "error" in body or "result" in body


def test_a_broken_multipart_body_carries_nothing(rest: Rest) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = rest.http.post(rest.access["webhook_url"] + "test.echo", data=b"--x\r\nbroken", headers=kind)
    assert answer.json()["result"] is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("portal.example", 421),
        ("evil.example:80", 421),
        ("169.254.169.254", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost:443", 200),
        ("127.0.0.1", 200),
    ],
)
def test_what_needs_no_token_is_for_this_machines_names_only(rest: Rest, host: str, status: int) -> None:
    """A foreign name may have been pointed here (DNS rebinding); a client behind a proxy with https names that."""
    assert rest.http.get(f"{rest.url}/sandbox/access", headers={"Host": host}).status_code == status


def test_rest_is_behind_a_token_and_answers_under_any_name(rest: Rest) -> None:
    calls = [
        rest.http.post(url + "profile", json=body, headers={"Host": "company.bitrix24.ru"})
        for url, body in ((rest.access["webhook_url"], {}), (rest.access["rest_url"], {"auth": rest.token}))
    ]
    assert [one.status_code for one in calls] == [200, 200]


def test_a_call_is_logged_with_its_parameters_but_without_its_token(
    start: Any, connect: Any, tmp_path: Any
) -> None:
    path = tmp_path / "calls.jsonl"
    rest = connect(start(log=path))
    rest("user.get", {"FILTER": {"ACTIVE": True}})
    rest.batch({"me": "profile", "bad": "nothing"})
    rest.hook("nothing")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["method"] for line in lines] == ["user.get", "batch", "nothing"]
    assert set(lines[0]) == {"ts", "auth", "method", "params", "status", "response"}
    assert lines[0]["params"] == {"FILTER": {"ACTIVE": True}}
    assert lines[1]["params"]["cmd"] == {"me": "profile", "bad": "nothing"}
    assert [line["status"] for line in lines] == [200, 200, 404]
    assert rest.token not in path.read_text(encoding="utf-8")
