"""batch: settings/how-to-call-rest-api/batch.md and captured answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest


def test_independent_commands_answer_under_their_keys(rest: Rest) -> None:
    done = rest.batch(
        {"get_user": "user.current", "get_departments": "department.get", "get_app": "app.info"}
    )
    assert set(done) == {"result", "result_error", "result_total", "result_next", "result_time"}
    assert set(done["result"]) == {"get_user", "get_departments", "get_app"}
    assert done["result_error"] == []
    assert done["result_total"] == {"get_departments": 1}
    assert done["result_next"] == []
    assert set(done["result_time"]["get_user"]) >= {"start", "finish", "duration", "processing", "operating"}


def test_the_batch_itself_costs_no_operating_time(rest: Rest) -> None:
    time = rest.answer("batch", {"cmd": {"a": "profile"}})["time"]
    assert time["operating"] == 0
    assert time["operating_reset_at"] > time["finish"]


def test_a_result_feeds_the_next_command(rest: Rest) -> None:
    done = rest.batch(
        {
            "get_user": "user.current",
            "get_department": "department.get?ID=$result[get_user][UF_DEPARTMENT][0]",
        }
    )
    assert done["result"]["get_department"][0]["ID"] == "1"


def test_a_row_of_a_list_feeds_the_next_command(rest: Rest) -> None:
    done = rest.batch({"found": "user.search?FIND=Админова", "one": "user.get?ID=$result[found][0][ID]"})
    assert done["result"]["one"][0]["LAST_NAME"] == "Админова"


def test_a_reference_to_nothing_is_an_empty_text(rest: Rest) -> None:
    done = rest.batch({"one": "method.get?name=$result[missing][field]"})
    assert done["result"]["one"] == {"isExisting": False, "isAvailable": False}


def test_errors_stand_under_the_key_of_their_command(rest: Rest) -> None:
    done = rest.batch({"ok": "profile", "bad": "crm.nothing", "worse": "feature.get"})
    assert set(done["result"]) == {"ok"}
    assert done["result_error"] == {
        "bad": {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"},
        "worse": {"error": "CODE_EMPTY", "error_description": "CODE can't be empty"},
    }
    assert set(done["result_time"]) == {"ok"}


def test_all_failing_leaves_every_other_map_an_empty_list(rest: Rest) -> None:
    done = rest.batch({"bad": "crm.nothing"})
    assert done["result"] == done["result_total"] == done["result_next"] == done["result_time"] == []


def test_halt_stops_at_the_first_error_and_the_rest_is_nowhere(rest: Rest) -> None:
    done = rest.batch({"a": "profile", "b": "crm.nothing", "c": "profile"}, halt=1)
    assert set(done["result"]) == {"a"}
    assert set(done["result_error"]) == {"b"}


@pytest.mark.parametrize("halt", [True, "true", "1", "Y"])
def test_halt_is_read_in_every_spelling(rest: Rest, halt: Any) -> None:
    done = rest("batch", {"halt": halt, "cmd": {"b": "crm.nothing", "c": "profile"}})
    assert done["result"] == []


def test_a_list_of_commands_is_answered_with_lists(rest: Rest) -> None:
    done = rest.batch(["profile", "server.time"])
    assert isinstance(done["result"], list)
    assert isinstance(done["result_time"], list)
    assert done["result"][0]["ID"] == "1"


def test_numbered_failures_become_a_list_nobody_can_match(rest: Rest) -> None:
    done = rest.batch({"35943": "profile", "0": "crm.nothing", "1": "crm.nothing"})
    assert set(done["result"]) == {"35943"}
    assert isinstance(done["result_error"], list)


def test_a_failure_inside_a_list_keeps_the_numbers_as_keys(rest: Rest) -> None:
    done = rest.batch(["profile", "crm.nothing", "profile"])
    assert set(done["result"]) == {"0", "2"}
    assert set(done["result_error"]) == {"1"}


def test_commands_beyond_fifty_fail_one_by_one(rest: Rest) -> None:
    done = rest.batch({f"c{n}": "server.time" for n in range(53)})
    assert len(done["result"]) == 50
    assert set(done["result_error"]) == {"c50", "c51", "c52"}
    assert {one["error"] for one in done["result_error"].values()} == {"ERROR_BATCH_LENGTH_EXCEEDED"}


def test_a_batch_inside_a_batch_is_refused(rest: Rest) -> None:
    done = rest.batch({"inner": "batch?cmd[a]=profile", "ok": "profile"})
    assert done["result_error"]["inner"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"
    assert "ok" in done["result"]


def test_commands_in_a_query_are_encoded_twice(rest: Rest) -> None:
    url = rest.access["webhook_url"] + "batch?cmd[0]=method.get%3Fname%3Duser%252Eget"
    assert rest.http.get(url).json()["result"]["result"][0]["isExisting"] is True


def test_the_form_of_the_old_clients_works(rest: Rest) -> None:
    data = {
        "cmd[me]": "profile",
        "cmd[who]": "method.get?name=profile&unused[]=1",
        "halt": "0",
        "auth": rest.token,
    }
    done = rest.http.post(rest.access["rest_url"] + "batch.json", data=data).json()["result"]
    assert set(done["result"]) == {"me", "who"}


@pytest.mark.parametrize("cmd", [None, [], {}, "", 5, "profile"])
def test_a_batch_without_commands_does_nothing(rest: Rest, cmd: Any) -> None:
    done = rest.batch(cmd)
    assert set(map(str, done.values())) == {"[]"}


def test_odd_commands_fail_alone(rest: Rest) -> None:
    done = rest.batch({"none": None, "number": 5, "empty": "", "list": [], "map": {}, "ok": "profile"})
    assert set(done["result"]) == {"ok"}
    assert len(done["result_error"]) == 5


def test_the_scope_of_the_caller_holds_inside_too(rest: Rest) -> None:
    app = rest.control("apps", {"handler_url": "http://127.0.0.1:9/", "scopes": "crm"})
    token = rest.control(f"apps/{app['id']}/open")["fields"]["AUTH_ID"]
    done = rest("batch", {"cmd": {"a": "user.current", "b": "department.get"}}, token=token)
    assert {one["error"] for one in done["result_error"].values()} == {"insufficient_scope"}


def test_a_webhook_gets_wrong_auth_type_inside(rest: Rest) -> None:
    done = rest.hook("batch", {"cmd": {"a": "event.get", "b": "profile"}}).json()["result"]
    assert done["result_error"]["a"]["error"] == "WRONG_AUTH_TYPE"
    assert done["result"]["b"]["ID"] == "1"
