"""What third-party clients send and expect: seen with fast-bitrix24, the official Python and JavaScript SDKs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest


@pytest.fixture(scope="module")
def people(rest: Rest) -> list[int]:
    """120 contacts, so that lists have three pages."""
    commands = {f"c{n}": f"crm.contact.add?fields[NAME]=N{n}" for n in range(40)}
    made: list[int] = []
    for _ in range(3):
        made += rest.batch(commands)["result"].values()
    return made


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The client takes the thread's loop, and makes one that nobody closes where there is none."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.usefixtures("loop")
def test_fast_bitrix24_reads_every_page_and_every_card(
    sandbox: Sandbox, rest: Rest, people: list[int]
) -> None:
    """It asks for the first page, then for the others in one batch ordered by ID."""
    from fast_bitrix24 import Bitrix

    client = Bitrix(rest.access["webhook_url"], verbose=False)
    listed = client.get_all("crm.contact.list", {"select": ["ID", "NAME"], "filter": {">ID": 0}})
    assert {int(each["ID"]) for each in listed} >= set(people)
    cards = client.get_by_ID("crm.contact.get", people[:60])
    assert len(cards) == 60
    made = client.call("crm.deal.add", [{"fields": {"TITLE": f"D{n}"}} for n in range(55)])
    assert len(set(made)) == 55


def test_the_python_sdk_pages_by_start_in_batches(rest: Rest, people: list[int]) -> None:
    first = rest.answer("crm.contact.list", {"select": ["ID"], "start": 0})
    total = first["total"]
    assert (first["next"], len(first["result"])) == (50, 50)
    cmd = {f"{n}": f"crm.contact.list?select[0]=ID&start={n}" for n in range(50, total, 50)}
    rest_of = rest.batch(cmd, halt=1)
    rows = rest_of["result"]
    pages = list(rows.values()) if isinstance(rows, dict) else rows
    assert len(first["result"]) + sum(len(page) for page in pages) == total
    assert set(map(str, people)) <= {row["ID"] for page in [first["result"], *pages] for row in page}


def test_the_python_sdk_lists_fast_by_id_without_counting(rest: Rest, people: list[int]) -> None:
    """``as_list_fast`` chains ``$result[get_0][49][ID]`` through a batch with start=-1."""
    cmd = {"get_0": "crm.contact.list?order[ID]=ASC&filter[>ID]=0&start=-1&select[]=ID"}
    for n in range(1, 3):
        cmd[f"get_{n}"] = (
            f"crm.contact.list?order[ID]=ASC&filter[>ID]=$result[get_{n - 1}][49][ID]&start=-1&select[]=ID"
        )
    pages = rest.batch(cmd)["result"]
    found = [int(row["ID"]) for page in pages.values() for row in page]
    assert found == sorted(set(found))
    assert set(people) <= set(found)


def test_the_javascript_sdk_lists_by_id_with_items_under_a_key(rest: Rest, people: list[int]) -> None:
    """``callList`` filters ``>id``, orders by ``id`` and passes start=-1 until a page is short."""
    found: list[int] = []
    last = 0
    while True:
        params = {
            "entityTypeId": 3,
            "select": ["id"],
            "order": {"id": "ASC"},
            "filter": {">id": last},
            "start": -1,
        }
        body = rest.answer("crm.item.list", params)
        assert "next" not in body
        page = [each["id"] for each in body["result"]["items"]]
        found += page
        if len(page) < 50:
            break
        last = page[-1]
    assert set(people) <= set(found)


def test_the_javascript_sdk_sends_a_batch_as_json_with_strings(rest: Rest, people: list[int]) -> None:
    """Its object batches name commands ``profile?`` with an empty query and pass halt as a number."""
    query = urlencode({"entityTypeId": 3, "id": people[0]})
    body = {
        "halt": 0,
        "cmd": {"p": "profile?", "c": f"crm.item.get?{query}", "bad": "crm.item.get?entityTypeId=3&id=1e9"},
    }
    headers = {
        "Content-Type": "application/json",
        "X-Sdk": "b24-js-sdk",
        "Accept": "application/json, text/plain",
    }
    url = rest.access["webhook_url"] + "batch?bx24_request_id=5f&bx24_sdk_ver=1.1.3&bx24_sdk_type=b24-js-sdk"
    answer = rest.http.post(url, data=json.dumps(body), headers=headers).json()["result"]
    assert answer["result"]["c"]["item"]["id"] == people[0]
    assert set(answer["result_error"]) == {"bad"}
    assert set(answer["result_time"]) >= {"p", "c"}


def test_the_javascript_helper_finds_what_it_loads_at_start(rest: Rest) -> None:
    """``B24HelperManager`` asks for these at once and stops when one is missing."""
    cmd = {
        "appInfo": "app.info", "profile": "profile", "currencyBase": "crm.currency.base.get",
        "currencyList": "crm.currency.list", "appOptions": "app.option.get", "userOptions": "user.option.get",
    }  # fmt: skip
    answer = rest.batch(cmd)
    assert answer["result_error"] == []
    assert set(answer["result"]) == set(cmd)


def test_options_of_a_user_are_their_own(rest: Rest) -> None:
    made = rest.control("users", {"name": "Дана", "email": "d@portal.example"})
    app = rest.control("apps", method="GET")[0]
    other = rest.control(f"apps/{app['id']}/open", {"user_id": made["id"]})["fields"]["AUTH_ID"]
    assert rest("user.option.get") == []
    assert rest("user.option.set", {"options": {"gate": "A", "tabs": [1, 2]}}) is True
    assert rest("user.option.get") == {"gate": "A", "tabs": [1, 2]}
    assert rest("user.option.get", {"option": "gate"}) == "A"
    assert rest("user.option.get", token=other) == []
    refused = rest.send("user.option.set", {"options": {}})
    assert (refused.status_code, refused.json()["error"]) == (400, "ArgumentNullException")
    assert rest.hook("user.option.get").json()["error"] == "AccessException"


def test_an_expired_token_is_renewed_by_get_as_the_sdks_do(rest: Rest) -> None:
    access: dict[str, Any] = rest.control("access", method="GET")
    rest.http.post(access["expire_url"], data={"access_token": access["access_token"]})
    assert rest.send("profile", token=access["access_token"]).json()["error"] == "expired_token"
    params = {
        "grant_type": "refresh_token", "client_id": access["client_id"],
        "client_secret": access["client_secret"], "refresh_token": access["refresh_token"],
    }  # fmt: skip
    renewed = rest.http.get(access["token_url"], params=params).json()
    assert rest("profile", token=renewed["access_token"])["ADMIN"] is True
    again = rest.http.get(access["token_url"], params=params)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_the_python_sdk_asks_the_authorisation_server_whose_a_token_is(rest: Rest) -> None:
    """``get_app_info`` is a GET with the token alone; events are compared with ``install``."""
    access: dict[str, Any] = rest.control("access", method="GET")
    address = f"{rest.url}/rest/app.info/"
    answer = rest.http.get(address, params={"auth": access["access_token"]}).json()["result"]
    assert answer["client_id"] == access["client_id"]
    ends = datetime.fromisoformat(answer["expires"])
    now = datetime.fromisoformat(rest("server.time"))
    assert timedelta(minutes=58) < ends - now <= timedelta(minutes=60)
    assert (answer["user_id"], "crm" in answer["scope"].split(",")) == (1, True)
    install = answer["install"]
    assert {name: type(value) for name, value in install.items()} == {
        "installed": bool, "version": int, "status": str, "scope": str, "domain": str, "uri": str,
        "client_endpoint": str, "member_id": str, "member_type": str,
    }  # fmt: skip
    assert (install["client_endpoint"], install["domain"]) == (rest.access["rest_url"], "127.0.0.1")
