"""The installer page: who may install, what it changes, what a refusal looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from b24 import portals
from b24.sandbox.server import Options, Sandbox
from b24.store import calls
from b24.store.tables import metadata
from smart_process.store import setups
from tests.portal_and_app import PortalAndApp, portal_and_app


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as running:
        yield running


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Iterator[PortalAndApp]:
    made = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
    yield made
    made.rest.control("faults", {})
    made.rest.close()
    made.service.portals.close()
    made.service.store.close()


def contents(place: PortalAndApp) -> dict[str, list[Any]]:
    """Every row of our database."""
    with place.service.store.reading() as tx:
        return {name: list(tx.execute(sa.select(table))) for name, table in metadata.tables.items()}


def colleague(place: PortalAndApp) -> int:
    return int(place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])


def test_an_administrator_installs_and_sees_every_step(place: PortalAndApp) -> None:
    reply = place.post("/b24/install", place.opened())
    assert reply.status_code == 200
    assert reply.text.count('class="step step-') == 9
    assert "Настраиваем портал" in reply.text
    last = place.install()
    assert last["done"]
    assert {one["state"] for one in last["steps"]} == {"done"}
    assert place.woken == [place.portal_id]


def test_the_page_is_framed_by_its_own_portal_only_and_sets_no_cookie(place: PortalAndApp) -> None:
    reply = place.post("/b24/install", place.opened())
    assert f"frame-ancestors 'self' {place.sandbox.url}" in reply.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in reply.headers
    assert "Set-Cookie" not in reply.headers
    assert reply.headers["Cache-Control"] == "no-store"


def test_tokens_are_kept_encrypted_and_the_answer_names_none(place: PortalAndApp) -> None:
    opened = place.opened()
    reply = place.post("/b24/install", opened)
    with place.service.store.reading() as tx:
        portal = portals.by_id(tx, place.service.secrets, place.portal_id)
    assert portal is not None
    assert portal.member_id == opened["fields"]["member_id"]
    assert portal.application_token == opened["fields"]["APPLICATION_TOKEN"]
    kept = json.dumps([[str(value) for value in row] for row in contents(place)["portal"]])
    with place.service.store.reading() as tx:
        logged = calls.search(tx, place.portal_id, calls.Wanted())
    assert [one.method for _id, one in logged] == ["batch: profile, app.info", "oauth.token"]
    kept += str(logged)
    for secret in (portal.access_token, portal.refresh_token, portal.application_token):
        assert secret
        assert secret not in kept
        assert secret not in reply.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_address_checker_gets_a_neutral_page(place: PortalAndApp, method: str) -> None:
    before = contents(place)
    reply = place.web.open("/b24/install", method=method)
    assert reply.status_code == 200
    assert contents(place) == before


def test_a_colleague_without_rights_is_told_who_installs(place: PortalAndApp) -> None:
    before = contents(place)
    reply = place.post("/b24/install", place.opened(colleague(place)))
    assert reply.status_code == 403
    assert "Приложение устанавливает администратор" in reply.text
    assert "frame-ancestors" not in reply.headers["Content-Security-Policy"]
    assert contents(place) == before


def test_a_colleague_cannot_replace_the_tokens_of_an_installed_portal(place: PortalAndApp) -> None:
    place.install()
    before = contents(place)
    assert place.post("/b24/install", place.opened(colleague(place))).status_code == 403
    assert contents(place) == before


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"REFRESH_ID": "f" * 70}, 403),
        ({"REFRESH_ID": ""}, 403),
        ({"member_id": "0" * 32}, 403),
        ({"member_id": ""}, 400),
        ({"AUTH_ID": ""}, 400),
        ({"PLACEMENT_OPTIONS": "{"}, 400),
    ],
    ids=["refresh", "no-refresh", "member", "no-member", "no-auth", "options"],
)
def test_a_forged_installation_is_refused_and_changes_nothing(
    place: PortalAndApp, change: dict[str, str], status: int
) -> None:
    opened = place.opened()
    before = contents(place)
    reply = place.post("/b24/install", {**opened, "fields": opened["fields"] | change})
    assert reply.status_code == status
    assert contents(place) == before


def test_addresses_named_in_the_request_are_never_called(place: PortalAndApp) -> None:
    opened = place.opened()
    # Port 1 of this machine refuses connections: calling either address would fail the installation.
    lured = opened["fields"] | {"SERVER_ENDPOINT": "http://127.0.0.1:1/rest/"}
    reply = place.web.post("/b24/install", query_string="DOMAIN=127.0.0.1:1&PROTOCOL=0&LANG=ru", data=lured)
    assert reply.status_code == 200
    with place.service.store.reading() as tx:
        portal = portals.by_id(tx, place.service.secrets, place.portal_id)
    assert portal is not None
    assert portal.origin == place.sandbox.url


def test_the_same_page_sent_again_is_accepted_from_its_administrator(place: PortalAndApp) -> None:
    opened = place.opened()
    assert place.post("/b24/install", opened).status_code == 200
    assert place.post("/b24/install", opened).status_code == 200


def test_a_server_out_of_reach_leaves_nothing_behind(place: PortalAndApp) -> None:
    before = contents(place)
    place.rest.control("faults", {"oauth_5xx": 1.0})
    reply = place.post("/b24/install", place.opened())
    assert reply.status_code == 424
    assert "не отвечает" in reply.text
    assert contents(place) == before


@pytest.mark.parametrize("session", ["", "x", "a.b.c"])
def test_steps_without_a_session_do_nothing(place: PortalAndApp, session: str) -> None:
    place.begin()
    before = contents(place)
    reply = place.web.post("/b24/install/step", headers={"X-Page-Session": session})
    assert (reply.status_code, reply.content_type) == (401, "application/problem+json")
    assert contents(place) == before


def test_a_session_of_another_page_runs_no_steps(place: PortalAndApp) -> None:
    place.install()
    page = place.post("/b24/app", place.opened())
    token = page.text.partition('data-session="')[2].partition('"')[0]
    assert place.web.post("/b24/install/step", headers={"X-Page-Session": token}).status_code == 401


def test_settings_fit_the_portal_at_first_and_are_kept_later(place: PortalAndApp) -> None:
    place.install()
    with place.service.store.transaction() as tx:
        settings = setups.read(tx, place.portal_id).settings
        assert (settings.language, settings.region) == ("ru", "KZ")
        changed = type(settings).from_json(settings.to_json() | {"closing_delay_min": 3})
        setups.write_settings(tx, place.portal_id, changed, now=place.service.clock())
    place.install()
    with place.service.store.reading() as tx:
        assert setups.read(tx, place.portal_id).settings.closing_delay_min == 3
