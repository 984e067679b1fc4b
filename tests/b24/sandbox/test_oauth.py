"""The authorisation server: settings/oauth/ and the answers official clients are written for."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.b24.sandbox.client import Rest


def refresh(rest: Rest, token: str, how: str = "get", **changed: str) -> requests.Response:
    params = {
        "grant_type": "refresh_token", "client_id": rest.access["client_id"],
        "client_secret": rest.access["client_secret"], "refresh_token": token,
    }  # fmt: skip
    params |= changed
    if how == "get":
        return rest.http.get(rest.access["token_url"], params=params)
    if how == "form":
        return rest.http.post(rest.access["token_url"], data=params)
    return rest.http.post(rest.access["token_url"], json=params)


@pytest.mark.parametrize("how", ["get", "form", "json"])
def test_a_refresh_token_gives_a_new_pair_with_the_documented_keys(rest: Rest, how: str) -> None:
    fresh = rest.control("access", method="GET")
    answer = refresh(rest, fresh["refresh_token"], how)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {
        "access_token", "client_endpoint", "domain", "expires", "expires_in", "member_id", "refresh_token",
        "scope",
        "server_endpoint", "status", "user_id",
    }  # fmt: skip
    assert body["expires_in"] == 3600
    assert isinstance(body["user_id"], int)
    assert body["status"] == "L"
    assert body["client_endpoint"] == rest.access["rest_url"]
    assert body["domain"] == "oauth.bitrix.info"
    assert "crm" in body["scope"].split(",")
    assert rest("profile", token=body["access_token"])["ID"] == "1"


def test_the_old_refresh_token_is_dead_after_use(rest: Rest) -> None:
    old = rest.control("access", method="GET")["refresh_token"]
    new = refresh(rest, old).json()["refresh_token"]
    assert new != old
    again = refresh(rest, old)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert refresh(rest, new).status_code == 200


def test_the_address_works_without_its_slash_and_with_two(rest: Rest) -> None:
    for address in ("/oauth/token", "//oauth//token/"):
        assert rest.http.get(rest.url + address).json()["error"] == "invalid_request"


ERRORS: list[tuple[dict[str, str], int, dict[str, Any]]] = [
    ({"grant_type": "password"}, 400, {"error": "invalid_request"}),
    ({"grant_type": ""}, 400, {"error": "invalid_request"}),
    ({"client_id": ""}, 400, {"error": "invalid_client"}),
    ({"client_id": "local.unknown"}, 200, {"error": "wrong_client"}),
    ({"client_secret": "wrong"}, 401, {"error": "invalid_client",
    "error_description": "Client authentication failed"}),
    ({"client_secret": "ключ"}, 401, {"error": "invalid_client"}),
    ({"refresh_token": ""}, 400,
     {"error": "invalid_request", "error_description": 'No "refresh_token" parameter found'}),
    ({"refresh_token": "nonsense"}, 400, {"error": "invalid_grant"}),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "status", "expected"), ERRORS)
def test_errors_have_their_code_and_their_odd_status(
    rest: Rest, changed: dict[str, str], status: int, expected: dict[str, Any]
) -> None:
    token = rest.control("access", method="GET")["refresh_token"]
    answer = refresh(rest, token, **changed)
    assert answer.status_code == status
    assert answer.json().items() >= expected.items()
    assert "access_token" not in answer.json()


def test_wrong_client_has_no_description(rest: Rest) -> None:
    assert refresh(rest, "x", client_id="local.unknown").json() == {"error": "wrong_client"}


def test_a_token_of_one_application_is_worth_nothing_to_another(rest: Rest) -> None:
    other = rest.control("apps", {"handler_url": "http://127.0.0.1:9/"})
    token = rest.control("access", method="GET")["refresh_token"]
    stolen = refresh(rest, token, client_id=other["client_id"], client_secret=other["client_secret"])
    assert stolen.json()["error"] == "invalid_grant"
    assert refresh(rest, token).status_code == 200


def test_an_access_token_expires_after_an_hour(rest: Rest) -> None:
    token = rest.control("access", method="GET")["access_token"]
    assert rest.send("profile", token=token).status_code == 200
    rest.control("clock", {"advance_s": 3590})
    assert rest.send("profile", token=token).status_code == 200
    rest.control("clock", {"advance_s": 11})
    expired = rest.send("profile", token=token)
    assert expired.status_code == 401
    assert expired.json() == {
        "error": "expired_token",
        "error_description": "The access token provided has expired.",
    }
    rest.control("clock", {"offset_s": 0})


def test_the_control_address_expires_a_token_at_once(rest: Rest) -> None:
    fresh = rest.control("access", method="GET")
    done = rest.http.post(fresh["expire_url"], data={"access_token": fresh["access_token"]})
    assert done.status_code == 200
    assert rest.send("profile", token=fresh["access_token"]).json()["error"] == "expired_token"
    assert refresh(rest, fresh["refresh_token"]).status_code == 200
    assert rest.http.post(fresh["expire_url"], data={"access_token": "unknown"}).status_code == 404


def test_a_refresh_token_lives_half_a_year(rest: Rest) -> None:
    token = rest.control("access", method="GET")["refresh_token"]
    rest.control("clock", {"advance_s": 181 * 24 * 3600})
    assert refresh(rest, token).json()["error"] == "invalid_grant"
    rest.control("clock", {"offset_s": 0})


def authorize(rest: Rest, client_id: str) -> requests.Response:
    return rest.http.get(
        f"{rest.url}/oauth/authorize/",
        params={"client_id": client_id, "state": "JJHg"},
        allow_redirects=False,
    )


def test_a_signed_in_user_comes_back_with_a_code_good_for_one_exchange(rest: Rest) -> None:
    answer = authorize(rest, rest.access["client_id"])
    assert answer.status_code == 302
    back = {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert set(back) == {"code", "state", "domain", "member_id", "scope", "server_domain"}
    assert back["state"] == "JJHg"
    exchanged = refresh(rest, "", grant_type="authorization_code", code=back["code"])
    assert exchanged.status_code == 200
    assert rest("profile", token=exchanged.json()["access_token"])["ID"] == "1"
    again = refresh(rest, "", grant_type="authorization_code", code=back["code"])
    assert again.json()["error"] == "invalid_grant"


def test_a_code_is_good_for_thirty_seconds(rest: Rest) -> None:
    location = authorize(rest, rest.access["client_id"]).headers["Location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    rest.control("clock", {"advance_s": 31})
    assert refresh(rest, "", grant_type="authorization_code", code=code).json()["error"] == "invalid_grant"
    rest.control("clock", {"offset_s": 0})


def test_an_unknown_application_stays_on_the_portals_page(rest: Rest) -> None:
    answer = authorize(rest, "local.unknown")
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_dismissed_users_tokens_stop_working(rest: Rest) -> None:
    person = rest.control("users", {"name": "Пётр", "last_name": "Уволенный"})
    assert rest("profile", token=person["access_token"])["NAME"] == "Пётр"
    rest.control(f"users/{person['id']}/dismiss")
    dead = rest.send("profile", token=person["access_token"])
    assert (dead.status_code, dead.json()["error"]) == (401, "authorization_error")
    assert refresh(rest, person["refresh_token"]).json()["error"] == "invalid_grant"
    assert rest.http.get(person["webhook_url"] + "profile").json()["error"] == "NO_AUTH_FOUND"
