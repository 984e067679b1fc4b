"""The log of calls: what every request leaves, what is masked, how it is searched, when it is forgotten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses as mocked

from b24.answers import command
from b24.call_log import LONGEST_PARAMS, Line, line
from b24.errors import AccessLost, Ambiguous, B24Error, Rejected, Unavailable
from b24.oauth import ORIGINS
from b24.redact import MASK, masked_command, masked_params, redact_text, without
from b24.store import calls
from b24.store.calls import Wanted
from tests.b24.conftest import ENDPOINT, MEMBER, NOW, World

HEX = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        # Names, mails, phones, notes: by key, in any spelling.
        ({"fields": {"NAME": "Anna", "lastName": "Ivanova"}}, {"fields": {"NAME": MASK, "lastName": MASK}}),
        (
            {"fields": {"fm": [{"typeId": "EMAIL", "value": "a@b.kz"}]}},
            {"fields": {"fm": [{"typeId": MASK, "value": MASK}]}},
        ),
        (
            {"filter": {"!%LAST_NAME": "Ivanov", "=EMAIL": "a@b.kz"}},
            {"filter": {"!%LAST_NAME": MASK, "=EMAIL": MASK}},
        ),
        ({"fields": {"COMMENTS": "VIP_1"}}, {"fields": {"COMMENTS": MASK}}),
        # By shape, whatever the key.
        ({"values": ["a@b.kz", "+77011234567", 77011234567]}, {"values": [MASK, MASK, MASK]}),
        ({"fields": {"title": "Иванов Пётр", "x": "Ivanov"}}, {"fields": {"title": MASK, "x": MASK}}),
        (
            {"fields": {"ufCrm5_1700": "https://app.example/t/AbCdEfGhIjKlMnOpQrStUv"}},
            {"fields": {"ufCrm5_1700": MASK}},
        ),
        ({"MESSAGE": "Позвоните Ивану", "TAG": HEX}, {"MESSAGE": MASK, "TAG": MASK}),
        # Secrets.
        ({"auth": "abc", "application_token": HEX}, {"auth": MASK, "application_token": MASK}),
    ],
)
def test_parameters_are_kept_without_words_about_people(params: Any, kept: Any) -> None:
    assert masked_params(params) == kept


@pytest.mark.parametrize(
    "params",
    [
        {"entityTypeId": 1062, "id": "7"},
        {"fields": {"stageId": "DT1062_24:NEW", "x": "C2:WON", "begindate": "2026-11-21T09:00:00+05:00"}},
        {"select": ["*", "ufCrm5_1700", "contactId"], "order": {"id": "ASC"}, "start": -1},
        {"filter": {"@id": [1, 2], ">=updatedTime": "2026-11-21 09:00:00"}},
        {"fields": {"opened": True, "x": None, "flag": "Y", "sum": "120.50", "NAME": ""}},
        # Our own keys: they find an object again and open nothing.
        {"filter": {"@xmlId": [HEX]}},
        {"entity_type": "CONTACT", "type": "EMAIL"},
    ],
)
def test_what_explains_a_call_stays(params: Any) -> None:
    assert masked_params(params) == params


def test_a_command_of_a_batch_is_masked_like_a_call() -> None:
    fields = {"title": "Иванов Пётр", "stageId": "DT1062_24:NEW", "fm": [{"value": "a@b.kz"}], "contactId": 5}
    text = masked_command(command("crm.item.add", {"entityTypeId": 1062, "fields": fields, "select": ["id"]}))
    assert text == (
        f"crm.item.add?entityTypeId=1062&fields[title]={MASK}&fields[stageId]=DT1062_24:NEW"
        f"&fields[fm][0][value]={MASK}&fields[contactId]=5&select[0]=id"
    )
    assert masked_command("profile") == "profile"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Контакт a.b+c@firm.kz уже есть", f"Контакт {MASK} уже есть"),
        ("телефон +7 (701) 123-45-67 занят", f"телефон {MASK} занят"),
        ("телефон 8 701 123-45-67", f"телефон {MASK}"),
        ("номер 77011234567", f"номер {MASK}"),
        (f"token {HEX} rejected", f"token {MASK} rejected"),
        ("код AbCdEfGhIjKlMnOpQr5tUv", f"код {MASK}"),
    ],
)
def test_people_and_secrets_in_words_of_a_portal_are_masked_by_shape(text: str, masked: str) -> None:
    assert redact_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Required fields: ufCrm5_1700000000123, UF_CRM_18_1700000000",
        "2026-11-21 09:00:00, id 123456, DT1062_24:NEW",
        "CREATE_DYNAMIC_ITEM_RESTRICTED",
    ],
)
def test_codes_and_names_of_fields_are_no_secrets(text: str) -> None:
    assert redact_text(text) == text


def test_what_was_sent_is_masked_in_the_answer_too() -> None:
    params = {"fields": {"title": "Пётр Иванов", "stageId": "DT1062_24:NEW"}}
    said = "«Пётр Иванов»: stage DT1062_24:NEW"
    assert without(said, params) == f"«{MASK}»: stage DT1062_24:NEW"
    assert without(said, {"cmd": {"k0": command("crm.item.add", params)}}) == f"«{MASK}»: stage DT1062_24:NEW"


def made(method: str, params: dict[str, Any], **more: Any) -> Line:
    return line(method, params, at=NOW, ms=12, status=200, **more)


def test_a_batch_is_one_line_with_its_methods_and_the_errors_of_its_commands() -> None:
    cmd = {f"k{n}": command("crm.item.add", {"fields": {"title": f"Гость {n}"}}) for n in range(2)}
    params = {"halt": 0, "cmd": {**cmd, "k2": command("profile", {})}}
    errors = {"k1": {"error": "NOT_FOUND", "error_description": "нет «Гость 1»"}}
    found = made("batch", params, answer={"result": {"result": {}, "result_error": errors}})
    assert found.method == "batch: crm.item.add ×2, profile"
    assert (
        found.params
        == f"k0: crm.item.add?fields[title]={MASK}\nk1: crm.item.add?fields[title]={MASK}\nk2: profile"
    )
    assert found.error == f"k1: NOT_FOUND: нет «{MASK}»"
    assert made("batch", params, answer={"result": {"result_error": []}}).error == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Rejected("NOT_FOUND", "Элемент не найден"), "NOT_FOUND: Элемент не найден"),
        (Ambiguous("TIMEOUT", "no answer in time"), "TIMEOUT: no answer in time"),
        (Rejected(""), "Rejected"),
        (Rejected("A", "bad\0 \ud800"), "A: bad ?"),
    ],
)
def test_an_error_is_kept_with_its_code(error: B24Error, said: str) -> None:
    assert made("crm.item.get", {}, error=error).error == said


def test_a_long_call_is_cut() -> None:
    cmd = {f"k{n}": command("crm.item.list", {"filter": {"@id": list(range(50))}}) for n in range(50)}
    assert len(made("batch", {"cmd": cmd}).params) == LONGEST_PARAMS


# ------------------------------------------------------------------------ kept


def lines(world: World, wanted: Wanted | None = None, limit: int = 50) -> list[Line]:
    with world.portals.store.reading() as tx:
        return [one for _id, one in calls.search(tx, world.portal_id, wanted or Wanted(), limit=limit)]


def test_every_request_leaves_a_line_and_no_token(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}crm.item.get", json={"error": "NOT_FOUND", "error_description": "нет"}, status=400)
    http.post(f"{ENDPOINT}profile", json={"result": {"ID": "1"}})
    with pytest.raises(Rejected):
        world.client.call("crm.item.get", {"entityTypeId": 2, "id": 7})
    world.portals.viewer(world.portal_id, "viewers-token").call("profile")
    second, first = lines(world)
    assert (first.method, first.status, first.error) == ("crm.item.get", 400, "NOT_FOUND: нет")
    assert json.loads(first.params) == {"entityTypeId": 2, "id": 7}
    assert (second.method, second.status, second.error, second.params) == ("profile", 200, "", "")
    assert first.at == NOW
    assert "access-1" not in str([first, second])
    assert "viewers-token" not in str([first, second])


def test_a_request_without_an_answer_leaves_a_line(world: World, http: mocked.RequestsMock) -> None:
    http.post(f"{ENDPOINT}crm.item.add", body=requests.exceptions.ReadTimeout())
    with pytest.raises(Ambiguous):
        world.client.call("crm.item.add", {"fields": {}}, write=True)
    (only,) = lines(world)
    assert (only.status, only.method) == (0, "crm.item.add")
    assert only.error == "TIMEOUT: no answer in time"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (
            {"error": "invalid_grant", "error_description": "refresh-1 is spent"},
            400,
            "invalid_grant: *** is spent",
        ),
        (
            {
                "access_token": "access-2",
                "refresh_token": "refresh-2",
                "member_id": MEMBER,
                "client_endpoint": ENDPOINT,
                "expires_in": 3600,
            },
            200,
            "",
        ),
    ],
)
def test_a_renewal_of_the_tokens_leaves_a_line_and_no_secret(
    world: World, http: mocked.RequestsMock, answer: Mapping[str, Any], status: int, said: str
) -> None:
    http.get(f"{ORIGINS[0]}/oauth/token/", json=answer, status=status)
    with nullcontext() if status == 200 else pytest.raises(AccessLost):
        world.portals.tokens.refreshed(world.portal_id, "access-1")
    (only,) = lines(world)
    assert (only.method, only.status, only.error) == ("oauth.token", status, said)
    assert json.loads(only.params)["grant_type"] == "refresh_token"
    for secret in ("access-2", "refresh-1", "refresh-2", "app-secret"):
        assert secret not in str(only)


def test_an_authorisation_server_out_of_reach_leaves_a_line_each(
    world: World, http: mocked.RequestsMock
) -> None:
    for origin in ORIGINS:
        http.get(f"{origin}/oauth/token/", body=requests.exceptions.ConnectTimeout())
    with pytest.raises(Unavailable):
        world.portals.tokens.refreshed(world.portal_id, "access-1")
    assert [(one.method, one.status, one.error) for one in lines(world)] == [
        ("oauth.token", 0, "NO_CONNECTION: no connection in time")
    ] * len(ORIGINS)


def test_a_renamed_portal_leaves_two_lines(world: World, http: mocked.RequestsMock) -> None:
    moved = {"Location": "https://new.example/rest/profile"}
    http.post(f"{ENDPOINT}profile", status=302, headers=moved)
    http.post("https://new.example/rest/profile", json={"result": {}})
    world.client.call("profile")
    assert [one.status for one in lines(world)] == [200, 302]


def keep(world: World, *some: Line) -> None:
    with world.portals.store.transaction() as tx:
        calls.write(tx, world.portal_id, some)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["c", "b", "a"]),
        (Wanted(method="ITEM"), ["b", "a"]),
        (Wanted(error="not_found"), ["b"]),
        (Wanted(failed=True), ["c", "b"]),
        (Wanted(text="1062"), ["a"]),
        (Wanted(text="нет такого"), ["b"]),
        (Wanted(text="%"), []),
        (Wanted(since=NOW + timedelta(minutes=1)), ["c", "b"]),
        (Wanted(until=NOW + timedelta(minutes=1)), ["b", "a"]),
        (Wanted(method="item", failed=True), ["b"]),
    ],
)
def test_lines_are_found_by_method_error_text_and_time(
    world: World, wanted: Wanted, found: list[str]
) -> None:
    keep(
        world,
        Line(NOW, "crm.item.list", "a {entityTypeId: 1062}", 200, "", 5),
        Line(NOW + timedelta(minutes=1), "batch: crm.item.get", "b", 200, "k0: NOT_FOUND: нет такого", 5),
        Line(NOW + timedelta(minutes=2), "profile", "c", 503, "QUERY_LIMIT_EXCEEDED", 5),
    )
    assert [one.params[0] for one in lines(world, wanted)] == found


def test_pages_go_on_where_the_last_one_ended(world: World) -> None:
    keep(world, *(Line(NOW, "profile", str(n), 200, "", 5) for n in range(5)))
    with world.portals.store.reading() as tx:
        first = calls.search(tx, world.portal_id, Wanted(), limit=3)
        rest = calls.search(tx, world.portal_id, Wanted(before=first[-1][0]), limit=3)
    assert [one.params for _id, one in [*first, *rest]] == ["4", "3", "2", "1", "0"]


def test_another_portals_lines_are_not_found(world: World) -> None:
    keep(world, Line(NOW, "profile", "", 200, "", 5))
    with world.portals.store.reading() as tx:
        assert calls.search(tx, world.portal_id + 1, Wanted()) == []


def test_lines_older_than_three_days_are_forgotten(world: World) -> None:
    ages = (timedelta(days=3, seconds=1), timedelta(days=3), timedelta())
    keep(world, *(Line(NOW - age, "profile", "", 200, "", 5) for age in ages))
    with world.portals.store.transaction() as tx:
        assert calls.forget_old(tx, NOW) == 1
    assert len(lines(world)) == 2


def test_a_backlog_is_forgotten_in_portions_the_oldest_first(world: World) -> None:
    keep(world, *(Line(NOW - timedelta(days=10 - n), "profile", str(n), 200, "", 5) for n in range(5)))
    counts = []
    for _ in range(3):
        with world.portals.store.transaction() as tx:
            counts.append(calls.forget_old(tx, NOW, limit=2))
        if len(counts) == 1:
            assert [one.params for one in lines(world)] == ["4", "3", "2"]
    assert counts == [2, 2, 1]
