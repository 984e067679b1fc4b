"""Control calls of the sandbox and the faults they switch on."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest
from tests.eventually import eventually

Start = Callable[..., Sandbox]
Connect = Callable[[Sandbox], Rest]


@pytest.fixture(autouse=True)
def calm(rest: Rest) -> Iterator[None]:
    yield
    rest.control("faults", method="DELETE")
    rest.control("clock", {"offset_s": 0, "event_delay_s": 0.2})


def test_access_gives_fresh_credentials_each_time(rest: Rest) -> None:
    first, second = (rest.control("access", method="GET") for _ in range(2))
    assert set(first) == {
        "webhook_url", "rest_url", "token_url", "client_id", "client_secret", "access_token", "refresh_token",
        "expire_url",
    }  # fmt: skip
    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]
    assert first["client_id"] == second["client_id"]
    for one in (first, second):
        assert rest.http.post(one["webhook_url"] + "profile").json()["result"]["ADMIN"] is True
        assert rest("app.info", token=one["access_token"])["INSTALLED"] is True


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "access"), ("GET", "apps"), ("POST", "faults"), ("POST", "clock")]
)
def test_foreign_pages_cannot_control_anything(
    rest: Rest, headers: dict[str, str], method: str, path: str
) -> None:
    answer = rest.http.request(method, f"{rest.url}/sandbox/{path}", headers=headers, json={"5xx": 1})
    assert answer.status_code == 403
    assert rest.control("faults", method="GET")["shares"] == {}


def test_the_portals_own_pages_may_control(rest: Rest) -> None:
    headers = {"Origin": rest.url, "Sec-Fetch-Site": "same-origin"}
    assert rest.http.get(f"{rest.url}/sandbox/access", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_verbs_are_405(rest: Rest, method: str) -> None:
    assert rest.http.request(method, f"{rest.url}/sandbox/access").status_code == 405


def test_the_clock_moves_portal_time_and_comes_back(rest: Rest) -> None:
    before = datetime.fromisoformat(rest("server.time"))
    rest.control("clock", {"advance_s": 86_400})
    token = rest.control("access", method="GET")["access_token"]
    moved = datetime.fromisoformat(rest("server.time", token=token))
    assert timedelta(hours=23) < moved - before < timedelta(hours=25)
    rest.control("clock", {"now": "2027-03-01T10:00:00+05:00"})
    token = rest.control("access", method="GET")["access_token"]
    assert rest("server.time", token=token).startswith("2027-03-01T08:00:0")
    assert abs(rest.control("clock", {"offset_s": 0})["offset_s"]) < 1


@pytest.mark.parametrize(
    "body",
    [
        {"advance_s": "soon"},
        {"now": "tomorrow"},
        {"now": "2027-03-01T10:00:00"},
        {"offset_s": 1e30},
        {"offset_s": 1e11},
        {"advance_s": "nan"},
        {"offset_s": [1]},
        {"offset_s": 60, "event_delay_s": "x"},
    ],
)
def test_a_bad_clock_is_400_and_changes_nothing(rest: Rest, body: dict[str, Any]) -> None:
    answer = rest.http.post(f"{rest.url}/sandbox/clock", json=body)
    assert answer.status_code == 400
    assert abs(rest.control("clock", method="GET")["offset_s"]) < 1


@pytest.mark.parametrize(
    "body",
    [
        {"nonsense": 1},
        {"5xx": 2},
        {"5xx": -0.1},
        {"5xx": "often"},
        {"seed": "x"},
        {"slow_s": -1},
        {"times": {"5xx": "x"}},
    ],
)
def test_a_bad_plan_of_faults_is_400_and_changes_nothing(rest: Rest, body: dict[str, Any]) -> None:
    rest.control("faults", {"oauth_5xx": 0.5})
    answer = rest.http.post(f"{rest.url}/sandbox/faults", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert rest.control("faults", method="GET")["shares"] == {"oauth_5xx": 0.5}


def statuses(rest: Rest, count: int) -> list[int]:
    return [rest.hook("server.time").status_code for _ in range(count)]


def test_faults_are_repeatable_by_their_seed(rest: Rest) -> None:
    rest.control("faults", {"5xx": 0.3, "seed": 7})
    first = statuses(rest, 60)
    rest.control("faults", {"5xx": 0.3, "seed": 7})
    assert statuses(rest, 60) == first
    rest.control("faults", {"5xx": 0.3, "seed": 8})
    assert statuses(rest, 60) != first
    assert 5 < first.count(500) < 35


def test_5xx_comes_as_json_and_does_nothing(rest: Rest) -> None:
    rest.control("faults", {"5xx": 1})
    answer = rest.send("im.notify.system.add", {"USER_ID": 1, "MESSAGE": "x"})
    assert answer.status_code == 500
    assert answer.json()["error"] in {"INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"}
    rest.control("faults", method="DELETE")
    assert rest("im.notify.get")["notifications"] == []


def test_html_comes_instead_of_json(rest: Rest) -> None:
    rest.control("faults", {"html": 1})
    answer = rest.hook("profile")
    assert answer.status_code in {500, 502, 503}
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize("kind", ["html_after", "truncated", "reset_after"])
def test_a_lost_answer_leaves_the_work_done(rest: Rest, kind: str) -> None:
    rest.control("faults", {kind: 1, "methods": ["im.notify.system.add"]})
    message = {"USER_ID": 1, "MESSAGE": kind, "TAG": kind}
    try:
        answer = rest.send("im.notify.system.add", message)
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
    except requests.exceptions.ConnectionError:
        assert kind == "reset_after"
    assert kind in [one["text"] for one in rest("im.notify.get")["notifications"]]
    rest("im.notify.delete", {"TAG": kind})


def test_a_reset_before_the_work_leaves_it_undone(rest: Rest) -> None:
    rest.control("faults", {"reset_before": 1, "methods": ["im.notify.system.add"]})
    with pytest.raises(requests.exceptions.ConnectionError):
        rest.send("im.notify.system.add", {"USER_ID": 1, "MESSAGE": "reset", "TAG": "reset"})
    assert rest("im.notify.get")["notifications"] == []


@pytest.mark.parametrize(
    ("plan", "done"),
    [({"timeout_before": 1}, False), ({"timeout_after": 1}, True), ({"slow": 1, "slow_s": 5}, True)],
)
def test_a_call_beyond_the_cut_off_is_answered_504_with_html(
    start: Start, connect: Connect, plan: dict[str, Any], done: bool
) -> None:
    rest = connect(start(cut_s=0.5))
    rest.control("faults", {**plan, "methods": ["im.notify.system.add"]})
    begun = time.monotonic()
    answer = rest.send("im.notify.system.add", {"USER_ID": 1, "MESSAGE": "x"})
    assert 0.4 < time.monotonic() - begun < 4
    assert answer.status_code == 504
    assert "504 Gateway Time-out" in answer.text
    assert bool(rest("im.notify.get")["notifications"]) is done


def test_a_storm_refuses_everybody_and_passes(rest: Rest) -> None:
    rest.control("faults", {"storm_503": 1, "storm_s": 0.4, "times": {"storm_503": 1}})
    assert rest.hook("server.time").json()["error"] == "QUERY_LIMIT_EXCEEDED"
    assert rest.send("server.time").status_code == 503
    eventually(lambda: rest.hook("server.time").status_code == 200)


def test_one_command_of_a_batch_can_be_refused(rest: Rest) -> None:
    rest.control("faults", {"command_503": 1, "times": {"command_503": 1}})
    done = rest.batch({"a": "profile", "b": "server.time"})
    assert done["result_error"]["a"]["error"] == "QUERY_LIMIT_EXCEEDED"
    assert "b" in done["result"]


def test_a_token_can_expire_under_the_callers_feet(rest: Rest) -> None:
    fresh = rest.control("access", method="GET")
    rest.control("faults", {"expired_token": 1, "times": {"expired_token": 1}})
    assert rest.send("profile", token=fresh["access_token"]).json()["error"] == "expired_token"
    assert rest.send("profile", token=fresh["access_token"]).json()["error"] == "expired_token"
    assert rest.hook("profile").status_code == 200


def test_the_token_address_can_fail(rest: Rest) -> None:
    rest.control("faults", {"oauth_5xx": 1})
    assert rest.http.get(rest.access["token_url"]).status_code == 500


def test_faults_can_be_kept_to_certain_methods_even_inside_a_batch(rest: Rest) -> None:
    rest.control("faults", {"5xx": 1, "methods": ["user.get"]})
    assert rest.send("profile").status_code == 200
    assert rest.send("user.get").status_code == 500
    assert rest.send("batch", {"cmd": {"a": "user.get?ID=1"}}).status_code == 500
    assert rest.send("batch", {"cmd": {"a": "profile"}}).status_code == 200


def test_a_fresh_object_can_stay_invisible_for_a_moment(rest: Rest) -> None:
    made = rest("crm.item.add", {"entityTypeId": 3, "fields": {"name": "Новый"}})["item"]["id"]
    rest.control("faults", {"not_visible": 1, "visible_after_s": 0.5})
    hidden = rest.send("crm.item.get", {"entityTypeId": 3, "id": made})
    assert (hidden.status_code, hidden.json()["error"]) == (400, "NOT_FOUND")
    assert rest("crm.item.list", {"entityTypeId": 3, "filter": {"id": made}})["items"] == []
    seen = eventually(lambda: rest.send("crm.item.get", {"entityTypeId": 3, "id": made}).status_code == 200)
    assert seen


def test_colleagues_come_leave_and_rule(rest: Rest) -> None:
    made = rest.control("users", {"name": "Раиса", "last_name": "Разная", "email": "r@example.test"})
    assert rest.http.post(made["webhook_url"] + "profile").json()["result"]["NAME"] == "Раиса"
    assert rest.control(f"users/{made['id']}/admin", {"admin": 1}) == {"admin": True}
    assert rest("user.admin", token=made["access_token"]) is True
    rest.control(f"users/{made['id']}/dismiss")
    assert rest.send("profile", token=made["access_token"]).status_code == 401
    rest.control(f"users/{made['id']}/restore")
    again = rest.control(f"users/{made['id']}/access")
    assert rest("profile", token=again["access_token"])["ID"] == str(made["id"])
    listed = {one["ID"]: one for one in rest.control("users", method="GET")}
    assert listed[str(made["id"])]["ADMIN"] is True
    assert rest.http.post(f"{rest.url}/sandbox/users/99999/dismiss").status_code == 404


def test_a_form_is_made_filled_and_refused(rest: Rest) -> None:
    fields = [
        {"name": "last_name", "caption": "Фамилия", "kind": "string", "entity": "contact",
         "target": "LAST_NAME", "required": True},
        {"name": "email", "caption": "Почта", "kind": "email", "entity": "contact", "target": "EMAIL",
         "required": True},
    ]  # fmt: skip
    made = rest.control("forms", {"name": "Заявка", "target_type": 2, "fields": fields})["id"]
    assert made in [one["id"] for one in rest.control("forms", method="GET")]
    done = rest.control(f"forms/{made}/submit", {"last_name": "Гость", "email": "guest@example.test"})
    deal = rest("crm.item.get", {"entityTypeId": 2, "id": done["item_id"]})["item"]
    assert deal["webformId"] == made
    assert deal["contactId"] == done["contact_id"]
    refused = rest.http.post(f"{rest.url}/sandbox/forms/{made}/submit", json={"email": "nonsense"})
    assert refused.status_code == 400
    assert set(refused.json()["fields"]) == {"last_name", "email"}
    assert rest.http.post(f"{rest.url}/sandbox/forms/999/submit", json={}).status_code == 404
    assert rest.http.post(f"{rest.url}/sandbox/forms", json={"name": "x"}).status_code in {400, 404}


def test_rights_of_a_colleague_hold_in_rest(rest: Rest) -> None:
    person = rest.control("users", {"name": "Зоя", "last_name": "Зоркая"})
    made = rest("crm.item.add", {"entityTypeId": 3, "fields": {"name": "Чужой"}})["item"]["id"]
    seen = {"entityTypeId": 3, "id": made}
    assert rest.send("crm.item.get", seen, token=person["access_token"]).status_code == 200
    rest.control(f"users/{person['id']}/rights", {"entity_type_id": 3, "read": "own"})
    assert rest.send("crm.item.get", seen, token=person["access_token"]).json()["error"] == "ACCESS_DENIED"
    bad = rest.http.post(f"{rest.url}/sandbox/users/{person['id']}/rights", json={"read": "everything"})
    assert bad.status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("apps", {"handler_url": "nonsense"}), ("apps", {}), ("users", {"department": "x"}), ("expire", {}),
        ("uninstall", {}), ("apps/999/open", {}), ("apps/999/install-finish", {}),
        ("limits/operating", {"method": "a", "seconds": "x"}),
    ],
)  # fmt: skip
def test_nonsense_is_a_clear_4xx(rest: Rest, path: str, body: dict[str, Any]) -> None:
    answer = rest.http.post(f"{rest.url}/sandbox/{path}", json=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


def test_a_broken_body_is_400(rest: Rest) -> None:
    headers = {"Content-Type": "application/json"}
    assert rest.http.post(f"{rest.url}/sandbox/faults", data=b"{", headers=headers).status_code == 400


def test_a_renamed_portal_answers_302_under_its_old_address(start: Start, connect: Connect) -> None:
    rest = connect(start())
    old = rest.access["rest_url"]
    new = rest.control("rename", {"host": "localhost"})["portal"]
    moved = rest.http.post(f"{old}profile?a=1", json={"auth": rest.token}, allow_redirects=False)
    assert moved.status_code == 302
    assert moved.headers["Location"] == f"{new}/rest/profile?a=1"
    assert rest.http.post(f"{new}/rest/profile", json={"auth": rest.token}).json()["result"]["ID"] == "1"
    fresh = rest.http.get(f"{new}/sandbox/access").json()
    assert fresh["rest_url"] == f"{new}/rest/"
    assert rest.http.post(f"{new}/sandbox/rename", json={"host": "evil.example"}).status_code == 400


def test_calls_that_a_fault_kept_from_running_are_logged_too(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    rest = connect(start(log=tmp_path / "calls.jsonl", cut_s=0.2))
    for kind, status in {"5xx": 500, "html": 500, "timeout_before": 504, "storm_503": 503}.items():
        rest.control("faults", {kind: 1})
        rest.hook("profile", {"kind": kind})
        rest.control("faults", method="DELETE")
        line = json.loads((tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        assert line["params"] == {"kind": kind}
        assert line["auth"].startswith("webhook:")
        assert line["status"] == status or (kind == "html" and line["status"] in {502, 503})


def test_the_state_is_kept_between_runs(start: Start, connect: Connect, tmp_path: Path) -> None:
    first = start(state=tmp_path / "portal.db")
    before = connect(first).access
    member = first.portal.member_id
    first.stop()
    second = start(state=tmp_path / "portal.db")
    assert second.portal.member_id == member
    assert connect(second).access["client_id"] == before["client_id"]


def test_a_state_of_an_earlier_version_gets_its_missing_columns(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "portal.db"
    first = start(state=path)
    member = first.portal.member_id
    first.stop()
    with contextlib.closing(sqlite3.connect(path)) as older:
        older.executescript(
            "ALTER TABLE event_queue DROP COLUMN held; PRAGMA user_version = 1; DROP TABLE mail;"
        )
    rest = connect(start(state=path))
    assert rest("event.test") == 1
    assert rest.control("apps", method="GET")[0]["member_id"] == member
    assert rest.control("mail.json", method="GET") == []


def test_a_file_that_is_no_state_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "portal.db"
    path.write_bytes(b"something else entirely, long enough to be looked at" * 20)
    process = command("--port", "0", "--state", str(path))
    process.communicate(timeout=20)
    assert process.returncode == 1


def command(*arguments: str) -> subprocess.Popen[str]:
    code = "import sys; from b24.sandbox.server import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_when_ready_and_stops_on_a_signal(
    tmp_path: Path, stop: signal.Signals
) -> None:
    log = tmp_path / "calls.jsonl"
    process = command("--port", "0", "--seed", "empty", "--state", str(tmp_path / "p.db"), "--log", str(log),
                      "--no-limits", "--plan", "enterprise", "--cut-s", "5")  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"portal", "access", "control", "member_id"}
        assert ready["access"] == f"{ready['portal']}/sandbox/access"
        assert ready["control"] == f"{ready['portal']}/sandbox/"
        access = requests.get(ready["access"], timeout=5).json()
        assert requests.post(access["webhook_url"] + "profile", timeout=5).status_code == 200
        process.send_signal(stop)
        assert process.wait(3) == 0
        assert process.stdout.read() == ""
        assert json.loads(log.read_text(encoding="utf-8"))["method"] == "profile"
    finally:
        process.kill()
        process.communicate()


def test_a_taken_port_is_said_and_ends_nothing_else(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            start(port=port)
        process = command("--port", str(port), "--seed", "empty")
        process.communicate(timeout=20)
    assert process.returncode == 1
