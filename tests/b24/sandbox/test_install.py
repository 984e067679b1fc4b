"""Installing and removing an application: settings/app-installation, app-uninstallation, on-app-*.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.b24.sandbox.client import Listener, Rest
from tests.eventually import eventually


@dataclass
class Installing:
    """An application on its way in: what the portal opened and the token of the page."""

    rest: Rest
    app: dict[str, Any]
    opened: dict[str, Any]

    @property
    def token(self) -> str:
        return str(self.opened["fields"]["AUTH_ID"])

    def finish(self, token: str | None = None) -> requests.Response:
        return self.rest.http.post(
            f"{self.rest.url}/sandbox/apps/{self.app['id']}/install-finish",
            data={"access_token": token or self.token},
        )


@pytest.fixture
def installing(rest: Rest, listener: Listener) -> Installing:
    app = rest.control(
        "apps",
        {
            "title": "Мероприятия", "handler_url": f"{listener.url}main",
            "installer_url": f"{listener.url}install",
            "scopes": ["crm", "placement", "user_brief"],
        },
    )  # fmt: skip
    return Installing(rest, app, rest.control(f"apps/{app['id']}/open", {"user_id": 1}))


def test_the_installer_is_opened_with_the_documented_fields(
    installing: Installing, listener: Listener
) -> None:
    url, fields = urlsplit(installing.opened["url"]), installing.opened["fields"]
    assert url._replace(query="").geturl() == f"{listener.url}install"
    query = {key: one[0] for key, one in parse_qs(url.query).items()}
    assert set(query) == {"DOMAIN", "PROTOCOL", "LANG", "APP_SID"}
    assert query["DOMAIN"] == installing.rest.url.removeprefix("http://")
    assert query["PROTOCOL"] == "0"
    assert set(fields) == {
        "AUTH_ID", "AUTH_EXPIRES", "REFRESH_ID", "SERVER_ENDPOINT", "APPLICATION_TOKEN", "APPLICATION_SCOPE",
        "member_id", "status", "PLACEMENT",
    }  # fmt: skip
    assert fields["AUTH_EXPIRES"] == "3600"
    assert fields["APPLICATION_SCOPE"] == "crm,placement,user_brief"
    assert fields["PLACEMENT"] == "DEFAULT"
    assert fields["status"] == "L"
    assert fields["SERVER_ENDPOINT"] == installing.rest.access["rest_url"]


def test_every_opening_is_a_session_of_its_own(installing: Installing) -> None:
    again = installing.rest.control(f"apps/{installing.app['id']}/open")
    assert again["url"] != installing.opened["url"]
    assert again["fields"]["AUTH_ID"] != installing.token


def test_the_refresh_token_of_the_page_is_redeemed_for_the_same_portal(installing: Installing) -> None:
    app, fields = installing.app, installing.opened["fields"]
    answer = installing.rest.http.get(
        installing.rest.access["token_url"],
        params={
            "grant_type": "refresh_token", "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "refresh_token": fields["REFRESH_ID"],
        },
    ).json()  # fmt: skip
    assert answer["member_id"] == fields["member_id"]
    assert answer["user_id"] == 1


def test_until_install_finish_the_application_is_not_installed(installing: Installing) -> None:
    rest = installing.rest
    assert rest("app.info", token=installing.token)["INSTALLED"] is False
    assert installing.finish().json() == {"finished": True}
    assert rest("app.info", token=installing.token)["INSTALLED"] is True
    assert urlsplit(rest.control(f"apps/{installing.app['id']}/open")["url"]).path.endswith("main")


def test_events_before_the_end_of_the_installation_are_lost(
    installing: Installing, listener: Listener
) -> None:
    rest, token = installing.rest, installing.token
    rest("event.bind", {"event": "ONAPPTEST", "handler": listener.url}, token=token)
    assert rest("event.test", {"before": 1}, token=token) == 1
    installing.finish()
    rest("event.test", {"after": 1}, token=token)
    eventually(lambda: listener.bodies)
    assert [one["event"] for one in listener.events] == ["ONAPPTEST"]
    assert listener.events[0]["data[QUERY][after]"] == "1"


def test_the_end_of_the_installation_is_told_once_with_tokens(
    installing: Installing, listener: Listener
) -> None:
    installing.rest("event.bind", {"event": "OnAppInstall", "handler": listener.url}, token=installing.token)
    assert installing.finish().json() == {"finished": True}
    assert installing.finish().json() == {"finished": False}
    event = eventually(lambda: listener.events)[0]
    assert list(event) == [
        "event", "data[VERSION]", "data[ACTIVE]", "data[INSTALLED]", "data[LANGUAGE_ID]", "ts",
        "auth[domain]",
        "auth[scope]", "auth[access_token]", "auth[refresh_token]", "auth[expires_in]",
        "auth[server_endpoint]",
        "auth[status]", "auth[client_endpoint]", "auth[member_id]", "auth[application_token]",
    ]  # fmt: skip
    assert event["auth[application_token]"] == installing.app["application_token"]
    assert event["data[INSTALLED]"] == "Y"
    assert installing.rest("profile", token=event["auth[access_token]"])["ID"] == "1"
    installing.rest.control("clock", {"event_delay_s": 0.2})
    assert len(listener.bodies) == 1


def test_only_an_administrator_of_the_same_application_finishes(installing: Installing) -> None:
    rest = installing.rest
    person = rest.control("users", {"name": "Не", "last_name": "Администратор"})
    opened = rest.control(f"apps/{installing.app['id']}/open", {"user_id": person["id"]})
    assert installing.finish(opened["fields"]["AUTH_ID"]).status_code == 403
    assert installing.finish(rest.token).status_code == 403
    assert installing.finish("nonsense").status_code == 400
    assert rest("app.info", token=installing.token)["INSTALLED"] is False


def test_an_application_without_interface_is_installed_at_once(rest: Rest, listener: Listener) -> None:
    app = rest.control(
        "apps",
        {"handler_url": f"{listener.url}main", "installer_url": f"{listener.url}install", "interface": 0},
    )
    assert app["installed"] is True
    event = eventually(lambda: listener.events)[0]
    assert event["event"] == "ONAPPINSTALL"
    assert rest("app.info", token=event["auth[access_token]"])["INSTALLED"] is True


@pytest.mark.parametrize(("clean", "sent"), [("1", "1"), ("0", "0"), (None, "0")])
def test_removal_is_told_without_tokens_and_ends_everything(
    installing: Installing, listener: Listener, clean: str | None, sent: str
) -> None:
    rest, token = installing.rest, installing.token
    rest("event.bind", {"event": "ONAPPUNINSTALL", "handler": listener.url}, token=token)
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url}, token=token)
    rest("placement.bind", {"PLACEMENT": "LEFT_MENU", "HANDLER": listener.url}, token=token)
    installing.finish()
    rest.control(
        "uninstall", {"client_id": installing.app["client_id"]} | ({"clean": clean} if clean else {})
    )
    event = eventually(lambda: listener.events)[0]
    assert list(event) == [
        "event", "data[LANGUAGE_ID]", "data[CLEAN]", "ts", "auth[domain]", "auth[server_endpoint]",
        "auth[client_endpoint]", "auth[member_id]", "auth[application_token]",
    ]  # fmt: skip
    assert event["data[CLEAN]"] == sent
    assert event["auth[application_token]"] == installing.app["application_token"]
    assert rest.send("profile", token=token).json()["error"] == "NO_AUTH_FOUND"
    assert installing.app["id"] not in [one["id"] for one in rest.control("apps", method="GET")]


def test_an_unknown_application_cannot_be_removed(rest: Rest) -> None:
    assert rest.http.post(f"{rest.url}/sandbox/uninstall", json={"client_id": "local.x"}).status_code == 404


def test_installed_again_it_is_another_application(installing: Installing, listener: Listener) -> None:
    rest = installing.rest
    rest.control("uninstall", {"app_id": installing.app["id"]})
    again = rest.control("apps", {"handler_url": listener.url})
    assert again["client_id"] != installing.app["client_id"]
    assert again["application_token"] != installing.app["application_token"]
    assert again["member_id"] == installing.app["member_id"]


def test_a_widget_page_gets_its_place_and_options_as_php_writes_them(installing: Installing) -> None:
    installing.finish()
    opened = installing.rest.control(
        f"apps/{installing.app['id']}/open",
        {
            "placement": "CRM_DEAL_DETAIL_TAB", "url": "http://127.0.0.1:9/tab?x=1",
            "options": {"ID": 8061, "URI": "/crm/deal/details/8061/"},
        },
    )  # fmt: skip
    assert opened["url"].startswith("http://127.0.0.1:9/tab?x=1&DOMAIN=")
    assert opened["fields"]["PLACEMENT"] == "CRM_DEAL_DETAIL_TAB"
    text = opened["fields"]["PLACEMENT_OPTIONS"]
    assert text == '{"ID":"8061","URI":"\\/crm\\/deal\\/details\\/8061\\/"}'
    assert json.loads(text)["ID"] == "8061"


def test_apps_are_listed_with_what_a_test_needs(installing: Installing, listener: Listener) -> None:
    rest, token = installing.rest, installing.token
    rest("event.bind", {"event": "ONCRMDEALADD", "handler": listener.url}, token=token)
    shown = next(one for one in rest.control("apps", method="GET") if one["id"] == installing.app["id"])
    assert shown["member_id"] == installing.opened["fields"]["member_id"]
    assert shown["application_token"] == installing.opened["fields"]["APPLICATION_TOKEN"]
    assert [(one["event"], one["handler"]) for one in shown["handlers"]] == [("ONCRMDEALADD", listener.url)]
    assert "client_secret" not in shown


def test_settings_of_an_application_live_with_it(installing: Installing) -> None:
    rest, token = installing.rest, installing.token
    assert rest("app.option.get", token=token) == []
    assert rest("app.option.set", {"options": {"data": "value", "data2": "value2"}}, token=token) is True
    assert rest("app.option.get", token=token) == {"data": "value", "data2": "value2"}
    assert rest("app.option.get", {"option": "data"}, token=token) == "value"
    assert rest("app.option.get", {"option": "none"}, token=token) is None
    assert rest("app.option.get") == []
    refused = rest.send("app.option.set", {"options": {}}, token=token)
    assert (refused.status_code, refused.json()["error"]) == (400, "ArgumentNullException")
    assert rest.hook("app.option.get").json()["error"] == "AccessException"
