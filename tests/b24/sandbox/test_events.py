"""event.* and what handlers receive: api-reference/events/ and captured requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Listener, Refused, Rest
from tests.eventually import eventually


@pytest.fixture(autouse=True)
def unbound(rest: Rest) -> Any:
    yield
    for one in rest("event.get"):
        kind = "offline" if one["offline"] else "online"
        rest("event.unbind", {"event": one["event"], "event_type": kind})
    rest("event.offline.get", {"limit": 1000, "error": 1})
    for one in rest("event.offline.list"):
        rest("event.offline.clear", {"process_id": one["PROCESS_ID"]})


def emit(sandbox: Sandbox, event: str, fields: dict[str, Any], user_id: int | None = 1) -> None:
    """An event as the CRM causes it."""
    with sandbox.portal.transaction():
        sandbox.portal.emit(event, {"FIELDS": fields}, user_id=user_id)


def code_of(rest: Rest, method: str, params: dict[str, Any], token: str | None = None) -> tuple[int, Any]:
    answer = rest.send(method, params, token=token)
    return answer.status_code, answer.json().get("error")


def test_a_bound_handler_is_listed_as_documented(rest: Rest) -> None:
    assert (
        rest("event.bind", {"event": "onCrmLeadAdd", "handler": "https://www.my-domain.com/handler/"}) is True
    )
    assert rest("event.bind", {"EVENT": "ONCRMLEADADD", "HANDLER": "https://www.my-domain.com/handler/",
                               "AUTH_TYPE": 1}) is True  # fmt: skip
    assert rest("event.get") == [
        {
            "event": "ONCRMLEADADD",
            "handler": "https://www.my-domain.com/handler/",
            "auth_type": "0",
            "offline": 0,
        },
        {
            "event": "ONCRMLEADADD",
            "handler": "https://www.my-domain.com/handler/",
            "auth_type": "1",
            "offline": 0,
        },
    ]


BAD_BINDINGS: list[tuple[dict[str, Any], int, str]] = [
    ({"event": "ONNOTHING", "handler": "https://a.example/"}, 400, "ERROR_EVENT_NOT_FOUND"),
    ({"event": "ONCRMDYNAMICITEMADD_999999", "handler": "https://a.example/"}, 400, "ERROR_EVENT_NOT_FOUND"),
    ({"handler": "https://a.example/"}, 400, "ERROR_ARGUMENT"),
    ({"event": "ONCRMLEADADD"}, 400, "ERROR_ARGUMENT"),
    ({"event": "ONCRMLEADADD", "handler": ""}, 400, "ERROR_ARGUMENT"),
    ({"event": ["ONCRMLEADADD"], "handler": "https://a.example/"}, 400, "ERROR_ARGUMENT"),
    ({"event": "ONCRMLEADADD", "handler": "ftp://a.example/"}, 400, "ERROR_UNSUPPORTED_PROTOCOL"),
    ({"event": "ONCRMLEADADD", "handler": "/relative"}, 400, "ERROR_WRONG_HANDLER_URL"),
    ({"event": "ONCRMLEADADD", "handler": "http://[broken"}, 400, "ERROR_WRONG_HANDLER_URL"),
]


@pytest.mark.parametrize(("params", "status", "code"), BAD_BINDINGS)
def test_a_bad_binding_is_refused_with_its_code(
    rest: Rest, params: dict[str, Any], status: int, code: str
) -> None:
    assert code_of(rest, "event.bind", params) == (status, code)
    assert rest("event.get") == []


def test_the_same_handler_cannot_be_bound_twice(rest: Rest) -> None:
    params = {"event": "ONCRMLEADADD", "handler": "https://a.example/"}
    rest("event.bind", params)
    with pytest.raises(Refused) as refused:
        rest("event.bind", params)
    assert refused.value.code == "ERROR_CORE"
    assert refused.value.body["error_description"] == "Unable to set event handler: Handler already binded"
    assert len(rest("event.get")) == 1


def test_unbinding_counts_what_it_removed(rest: Rest) -> None:
    for name in ("a", "b", "c"):
        rest("event.bind", {"event": "ONCRMLEADADD", "handler": f"https://{name}.example/"})
    assert rest("event.unbind", {"event": "OnCrmLeadAdd", "handler": "https://a.example/"}) == {"count": 1}
    assert rest("event.unbind", {"event": "ONCRMLEADADD", "handler": "https://a.example/"}) == {"count": 0}
    assert rest("event.unbind", {"event": "ONCRMLEADADD"}) == {"count": 2}


def test_other_than_administrators_bind_for_themselves_only(rest: Rest) -> None:
    person = rest.control("users", {"name": "Ольга", "last_name": "Обычная"})
    token = person["access_token"]
    handler = {"event": "ONCRMLEADADD", "handler": "https://a.example/"}
    assert code_of(rest, "event.bind", {**handler, "auth_type": 1}, token) == (403, "ACCESS_DENIED")
    offline = {"event": "ONCRMLEADADD", "event_type": "offline"}
    assert code_of(rest, "event.bind", offline, token) == (403, "ACCESS_DENIED")
    rest("event.bind", {**handler, "handler": "https://b.example/"})
    rest("event.bind", handler, token=token)
    assert [one["auth_type"] for one in rest("event.get", token=token)] == [str(person["id"])]


def test_events_of_the_applications_scopes_are_listed(rest: Rest) -> None:
    names = rest("events")
    assert {"ONAPPINSTALL", "ONCRMDEALADD", "ONCRMDYNAMICITEMUPDATE", "ONTASKADD", "ONOFFLINEEVENT"} <= set(
        names
    )
    assert all(name == name.upper() for name in names)
    assert "ONTASKADD" not in rest("events", {"SCOPE": "crm"})
    assert rest("events", {"SCOPE": "user"}) == ["ONUSERADD"]


def test_the_body_of_an_event_is_the_documented_form(
    sandbox: Sandbox, rest: Rest, listener: Listener
) -> None:
    rest("event.bind", {"event": "ONCRMDYNAMICITEMADD", "handler": listener.url})
    emit(sandbox, "ONCRMDYNAMICITEMADD", {"ID": 22, "ENTITY_TYPE_ID": 1220})
    event = eventually(lambda: listener.events)[0]
    assert list(event) == [
        "event", "event_handler_id", "data[FIELDS][ID]", "data[FIELDS][ENTITY_TYPE_ID]", "ts",
        "auth[access_token]", "auth[expires]",
        "auth[expires_in]", "auth[scope]", "auth[domain]", "auth[server_endpoint]", "auth[status]",
        "auth[client_endpoint]", "auth[member_id]", "auth[user_id]", "auth[application_token]",
    ]  # fmt: skip
    assert event["event"] == "ONCRMDYNAMICITEMADD"
    assert event["data[FIELDS][ID]"] == "22"
    assert event["auth[expires_in]"] == "3600"
    assert event["auth[client_endpoint]"] == rest.access["rest_url"]
    assert abs(int(event["ts"]) - time.time()) < 60
    assert rest("profile", token=event["auth[access_token]"])["ID"] == "1"
    assert "data%5BFIELDS%5D%5BID%5D=22" in listener.bodies[0]
    assert listener.headers[0]["content-type"] == "application/x-www-form-urlencoded"
    assert listener.headers[0]["user-agent"] == "Bitrix24 Webhook Engine"


def test_an_event_nobody_caused_carries_no_tokens(sandbox: Sandbox, rest: Rest, listener: Listener) -> None:
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    emit(sandbox, "ONCRMDEALADD", {"ID": 7405}, user_id=None)
    event = eventually(lambda: listener.events)[0]
    assert not {"auth[access_token]", "auth[refresh_token]", "auth[expires_in]"} & set(event)
    assert event["auth[application_token]"]


def test_a_handler_bound_for_a_user_gets_that_users_token(
    sandbox: Sandbox, rest: Rest, listener: Listener
) -> None:
    person = rest.control("users", {"name": "Ирина", "last_name": "Иная"})
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url, "auth_type": person["id"]})
    emit(sandbox, "ONCRMDEALADD", {"ID": 1}, user_id=None)
    event = eventually(lambda: listener.events)[0]
    assert rest("profile", token=event["auth[access_token]"])["ID"] == str(person["id"])


def test_an_empty_map_vanishes_from_the_form(sandbox: Sandbox, rest: Rest, listener: Listener) -> None:
    rest("event.bind", {"event": "ONTASKUPDATE", "handler": listener.url})
    data = {"FIELDS_BEFORE": {"ID": 123}, "FIELDS_AFTER": {}, "IS_ACCESSIBLE_BEFORE": "undefined"}
    with sandbox.portal.transaction():
        sandbox.portal.emit("ONTASKUPDATE", data, user_id=1)
    event = eventually(lambda: listener.events)[0]
    assert event["data[FIELDS_BEFORE][ID]"] == "123"
    assert not [key for key in event if key.startswith("data[FIELDS_AFTER]")]


@pytest.mark.parametrize("status", [500, 404, 301])
def test_an_event_is_never_sent_again(sandbox: Sandbox, rest: Rest, listener: Listener, status: int) -> None:
    listener.status = status
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    emit(sandbox, "ONCRMDEALADD", {"ID": 1})
    emit(sandbox, "ONCRMDEALADD", {"ID": 2})
    eventually(lambda: len(listener.bodies) >= 2)
    assert rest.control("events", method="GET") == {"pending": 0}
    assert [one["data[FIELDS][ID]"] for one in listener.events] == ["1", "2"]


def test_a_handler_that_is_not_there_does_not_hold_up_the_others(
    sandbox: Sandbox, rest: Rest, listener: Listener
) -> None:
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": "http://127.0.0.1:9/"})
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    emit(sandbox, "ONCRMDEALADD", {"ID": 1})
    eventually(lambda: listener.bodies)


def test_what_was_rolled_back_sends_nothing(sandbox: Sandbox, rest: Rest, listener: Listener) -> None:
    def emit_and_fail() -> None:
        with sandbox.portal.transaction():
            sandbox.portal.emit("ONCRMDEALADD", {"FIELDS": {"ID": 1}}, user_id=1)
            raise ZeroDivisionError

    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    with pytest.raises(ZeroDivisionError):
        emit_and_fail()
    emit(sandbox, "ONCRMDEALADD", {"ID": 2})
    eventually(lambda: listener.bodies)
    assert [one["data[FIELDS][ID]"] for one in listener.events] == ["2"]


def test_queued_events_survive_a_restart(
    start: Callable[..., Sandbox], connect: Callable[[Sandbox], Rest], listener: Listener, tmp_path: Any
) -> None:
    first = start(state=tmp_path / "portal.db")
    rest = connect(first)
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    rest.control("clock", {"event_delay_s": 3})
    emit(first, "ONCRMDEALADD", {"ID": 5})
    first.stop()
    assert listener.bodies == []
    start(state=tmp_path / "portal.db")
    assert eventually(lambda: listener.events)[0]["data[FIELDS][ID]"] == "5"


FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"event_drop": 1}, []),
    ({"event_double": 1}, ["1", "1", "2", "2"]),
    ({"event_reorder": 1, "times": {"event_reorder": 1}}, ["2", "1"]),
    ({"event_delay": 1, "delay_s": 0.6, "times": {"event_delay": 1}}, ["2", "1"]),
]


@pytest.mark.parametrize(("plan", "received"), FAULTS)
def test_delivery_misbehaves_on_demand(
    sandbox: Sandbox, rest: Rest, listener: Listener, plan: dict[str, Any], received: list[str]
) -> None:
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url})
    rest.control("faults", plan)
    emit(sandbox, "ONCRMDEALADD", {"ID": 1})
    emit(sandbox, "ONCRMDEALADD", {"ID": 2})
    eventually(lambda: rest.control("events", method="GET") == {"pending": 0})
    eventually(lambda: len(listener.bodies) >= len(received))
    rest.control("faults", method="DELETE")
    assert [one["data[FIELDS][ID]"] for one in listener.events] == received


def offline(rest: Rest, **more: Any) -> None:
    rest("event.bind", {"event": "ONCRMCOMPANYUPDATE", "event_type": "offline", **more})


def test_the_offline_queue_keeps_the_latest_record_of_an_object(sandbox: Sandbox, rest: Rest) -> None:
    offline(rest)
    for number in (1, 1, 2, 1):
        emit(sandbox, "ONCRMCOMPANYUPDATE", {"ID": number})
    listed = rest.answer("event.offline.list")
    assert listed["total"] == 2
    assert set(listed["result"][0]) == {
        "ID", "TIMESTAMP_X", "EVENT_NAME", "EVENT_DATA", "EVENT_ADDITIONAL", "MESSAGE_ID", "PROCESS_ID",
        "ERROR"
    }  # fmt: skip
    assert listed["result"][0]["PROCESS_ID"] == ""
    assert listed["result"][0]["ERROR"] == "0"
    read = rest("event.offline.get")
    assert read["process_id"] is None
    assert [one["EVENT_DATA"]["FIELDS"]["ID"] for one in read["events"]] == [2, 1]
    assert rest("event.offline.get")["events"] == []


def test_reserved_records_stay_until_they_are_cleared(sandbox: Sandbox, rest: Rest) -> None:
    offline(rest)
    for number in (1, 2, 3):
        emit(sandbox, "ONCRMCOMPANYUPDATE", {"ID": number})
    first = rest("event.offline.get", {"clear": 0, "limit": 2})
    assert len(first["events"]) == 2
    assert len(rest("event.offline.get", {"clear": 0})["events"]) == 1
    again = rest("event.offline.get", {"clear": 0, "process_id": first["process_id"]})
    assert again["events"] == first["events"]
    done = {"process_id": first["process_id"], "id": [first["events"][0]["ID"]]}
    assert rest("event.offline.clear", done) is True
    left = {"process_id": first["process_id"], "message_id": [first["events"][1]["MESSAGE_ID"]]}
    assert rest("event.offline.error", left) is True
    failed = rest("event.offline.list", {"filter": {"ERROR": 1}})
    assert [one["ID"] for one in failed] == [first["events"][1]["ID"]]
    assert rest("event.offline.get")["events"] == []
    assert len(rest("event.offline.get", {"error": 1})["events"]) == 1


def test_a_source_key_leaves_its_own_echo_out(rest: Rest) -> None:
    rest("event.bind", {"event": "ONAPPTEST", "event_type": "offline", "auth_connector": "my_connector"})
    rest("event.test", {"number": 1, "auth_connector": "my_connector"})
    rest("event.test", {"number": 2, "auth_connector": "other"})
    rest("event.test", {"number": 3})
    assert rest("event.offline.list") == []
    seen = rest("event.offline.get", {"auth_connector": "my_connector"})["events"]
    assert [one["EVENT_DATA"]["QUERY"]["number"] for one in seen] == [2, 3]


def test_the_bell_of_the_offline_queue_rings_with_a_refresh_token(
    sandbox: Sandbox, rest: Rest, listener: Listener
) -> None:
    offline(rest)
    rest("event.bind", {"event": "ONOFFLINEEVENT", "handler": listener.url})
    for number in range(5):
        emit(sandbox, "ONCRMCOMPANYUPDATE", {"ID": number})
    event = eventually(lambda: listener.events)[0]
    assert event["event"] == "ONOFFLINEEVENT"
    assert not [key for key in event if key.startswith("data")]
    assert event["auth[refresh_token]"]
    assert len(listener.bodies) == 1
    rest("event.offline.get")


def test_the_offline_queue_is_for_administrators_of_an_application(rest: Rest) -> None:
    person = rest.control("users", {"name": "Павел", "last_name": "Простой"})
    for name in ("get", "list", "clear", "error"):
        refused = code_of(rest, f"event.offline.{name}", {"process_id": "x"}, person["access_token"])
        assert refused == (403, "ACCESS_DENIED")
        assert rest.hook(f"event.offline.{name}").status_code == 403


@pytest.mark.parametrize("filter_", [{"NOTHING": 1}, {">=SQL; --": 1}])
def test_an_unknown_field_in_an_offline_filter_is_refused(rest: Rest, filter_: dict[str, Any]) -> None:
    assert code_of(rest, "event.offline.list", {"filter": filter_}) == (400, "ERROR_ARGUMENT")
