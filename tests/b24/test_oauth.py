"""The authorisation server's answers, and which servers are asked at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
import responses as mocked

from b24.errors import AccessLost, B24Error, SetupMissing, Unavailable, Untrusted
from b24.oauth import OAuth
from tests.b24.conftest import NOW
from tests.recordings import response

FIRST = "https://oauth.bitrix.info/oauth/token/"
SECOND = "https://oauth.bitrix24.tech/oauth/token/"


def oauth() -> OAuth:
    return OAuth("app.id", "app-secret", clock=lambda: NOW)


def answer(http: mocked.RequestsMock, name: str, url: str = FIRST) -> None:
    recorded = response(name)
    http.get(url, body=recorded.body, status=recorded.status, content_type="application/json")


@pytest.mark.parametrize(
    "name",
    [
        "oauth_refresh_success_2026_domain_is_auth_server",
        "oauth_token_docs_auto_renewal",
        "oauth_token_docs_index",
    ],
)
def test_grant_names_the_portal_not_the_authorisation_server(http: mocked.RequestsMock, name: str) -> None:
    answer(http, name)
    got = oauth().redeem("old")
    assert got.client_endpoint.startswith("https://fake-portal-")
    assert got.client_endpoint.endswith("/rest/")
    assert got.member_id.startswith("fa4e3e3b")
    assert got.expires_at == NOW + timedelta(hours=1)
    assert got.user_id in (67, None)
    sent = http.calls[0].request
    assert sent.url is not None
    assert "grant_type=refresh_token" in sent.url
    assert "client_id=app.id" in sent.url


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("oauth_invalid_grant_400", AccessLost),
        ("oauth_invalid_grant_401", AccessLost),
        ("oauth_not_installed", AccessLost),
        ("oauth_payment_required_docs", AccessLost),
        ("oauth_not_found_404_portal", AccessLost),
        ("oauth_invalid_request_missing_refresh_token", AccessLost),
        ("oauth_wrong_client_http200", SetupMissing),
        ("oauth_invalid_client_400", SetupMissing),
        ("oauth_invalid_client_401", SetupMissing),
        ("html_502_nginx", Unavailable),
        ("html_500", Unavailable),
        ("json_truncated_200", Unavailable),
    ],
)
def test_refusal_tells_what_to_do(http: mocked.RequestsMock, name: str, kind: type[B24Error]) -> None:
    answer(http, name)
    with pytest.raises(B24Error) as caught:
        oauth().redeem("old")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"access_token": "a"},
        {"access_token": "a", "refresh_token": "r", "member_id": "m", "client_endpoint": ""},
        {
            "access_token": "a",
            "refresh_token": "r",
            "member_id": ["m"],
            "client_endpoint": "https://p.example/rest/",
        },
    ],
)
def test_grant_without_a_portal_is_not_trusted(http: mocked.RequestsMock, body: dict[str, Any]) -> None:
    http.get(FIRST, json=body)
    with pytest.raises(Untrusted):
        oauth().redeem("old")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://portal.example/rest/",
        "https://127.0.0.1/rest/",
        "https://localhost/rest/",
        "https://[::1]/rest/",
        "https://10.0.0.5/rest/",
        "https://user:pw@portal.example/rest/",
        "ftp://portal.example/rest/",
        "//x",
    ],
)
def test_address_inside_is_never_taken(http: mocked.RequestsMock, endpoint: str) -> None:
    body = {"access_token": "a", "refresh_token": "r", "member_id": "m", "client_endpoint": endpoint}
    http.get(FIRST, json=body)
    with pytest.raises(SetupMissing):
        oauth().redeem("old")


def test_second_server_is_asked_when_the_first_cannot_be_reached(http: mocked.RequestsMock) -> None:
    http.get(FIRST, body=requests.exceptions.ConnectTimeout())
    answer(http, "oauth_token_docs_auto_renewal", SECOND)
    assert oauth().redeem("old").access_token


def test_hint_chooses_among_our_servers_only(http: mocked.RequestsMock) -> None:
    answer(http, "oauth_token_docs_auto_renewal", SECOND)
    oauth().redeem("old", server="https://oauth.bitrix24.tech/rest/")
    answer(http, "oauth_token_docs_auto_renewal", FIRST)
    oauth().redeem("old", server="https://evil.example/rest/")
    assert [str(call.request.url).split("?")[0] for call in http.calls] == [SECOND, FIRST]


def test_lost_answer_is_not_asked_for_again(http: mocked.RequestsMock) -> None:
    http.get(FIRST, body=requests.exceptions.ReadTimeout())
    with pytest.raises(Unavailable):
        oauth().redeem("old")
    assert len(http.calls) == 1


@pytest.mark.parametrize("token", ["", "x" * 1001])
def test_missing_refresh_token_is_said_at_once(http: mocked.RequestsMock, token: str) -> None:
    with pytest.raises(Untrusted) as caught:
        oauth().redeem(token)
    assert caught.value.code == "NO_REFRESH_TOKEN"
    assert not http.calls


def test_plain_http_server_is_refused() -> None:
    with pytest.raises(SetupMissing):
        OAuth("app.id", "app-secret", ["http://127.0.0.1:8900"])


def test_tokens_are_not_in_the_text_of_a_grant(http: mocked.RequestsMock) -> None:
    answer(http, "oauth_token_docs_auto_renewal")
    got = oauth().redeem("old")
    assert got.access_token not in repr(got)
    assert got.refresh_token not in repr(got)
