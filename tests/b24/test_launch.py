"""Pages opened in the portal's frame: read from recorded posts, verified against a real (sandbox) portal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from b24 import portals as stored
from b24.errors import AccessLost, Malformed, Untrusted
from b24.events import PortalEvent
from b24.launch import (
    Launch,
    Viewer,
    accept_installation,
    accept_token,
    heal,
    parse_launch,
    verify_page,
    verify_viewer,
)
from b24.store import tables
from tests.b24.conftest import Local
from tests.recordings import names, post

PAGES = [name for name in names("events") if name.startswith(("install", "open", "placement"))]


def launch(query: str = "", **fields: str) -> Launch:
    known = {"member_id": "m" * 32, "AUTH_ID": "a", "PLACEMENT": "CRM_DYNAMIC_1036_DETAIL_TAB"}
    return parse_launch(urlencode({**known, **fields}).encode(), query.encode())


@pytest.mark.parametrize("name", PAGES)
def test_every_recorded_page_is_read(name: str) -> None:
    recorded = post(name)
    found = parse_launch(recorded.body, recorded.query)
    assert found.domain.startswith("fake-portal-")
    assert found.language == "en"
    assert found.auth_id.startswith("fa")
    assert found.refresh_id.startswith("fa")


@pytest.mark.parametrize(
    ("name", "placement", "item"),
    [
        ("install_default_2024_wire", "DEFAULT", None),
        ("open_default_docs_no_options", "DEFAULT", None),
        ("placement_crm_deal_detail_tab_docs", "CRM_DEAL_DETAIL_TAB", (2, 8061)),
        (
            "placement_crm_dynamic_128_detail_tab_reconstructed",
            "CRM_DYNAMIC_128_DETAIL_TAB",
            (128, 5),
        ),
        ("placement_left_menu_docs", "LEFT_MENU", None),
    ],
)
def test_recorded_page_names_its_card(name: str, placement: str, item: tuple[int, int] | None) -> None:
    recorded = post(name)
    found = parse_launch(recorded.body, recorded.query)
    assert (found.placement, found.item()) == (placement, item)


@pytest.mark.parametrize(
    ("options", "item"),
    [
        ('{"ID":"5"}', (1036, 5)),
        ('{"ENTITY_ID":"5"}', (1036, 5)),
        ('{"ID":5}', (1036, 5)),
        ('{"ID":"0"}', None),
        ('{"any":"28\\/"}', None),
        ("{}", None),
        ("[]", None),
        ("", None),
        ("undefined", None),
        ("null", None),
        ('{"ID":["5"]}', None),
        ('{"ID":"5 or 1"}', None),
    ],
)
def test_options_are_read_in_every_spelling(options: str, item: tuple[int, int] | None) -> None:
    assert launch(PLACEMENT_OPTIONS=options).item() == item


@pytest.mark.parametrize("options", ["{", '"x"', "5", "[1]", "[" * 5000])
def test_garbage_options_are_malformed(options: str) -> None:
    with pytest.raises(Malformed):
        launch(PLACEMENT_OPTIONS=options)


def test_query_and_body_are_merged_unless_they_contradict() -> None:
    assert launch("DOMAIN=p.example&LANG=kk&AUTH_ID=a").language == "kk"
    for query in ("AUTH_ID=other", "member_id=other", "PLACEMENT=DEFAULT"):
        with pytest.raises(Malformed):
            launch(query)


@pytest.mark.parametrize(
    ("lang", "language"),
    [("ru", "ru"), ("EN", "en"), ("kz_KZ", "kz"), ("", "ru"), ("<script>", "ru"), ("пр", "ru")],
)
def test_language_is_two_letters(lang: str, language: str) -> None:
    assert launch(LANG=lang).language == language


@pytest.mark.parametrize(
    "fields",
    [
        {"member_id": ""},
        {"AUTH_ID": ""},
        {"PLACEMENT": "../../x"},
        {"member_id": "m" * 500},
        {"AUTH_ID": "a" * 2000},
    ],
)
def test_page_nobody_opened_is_malformed(fields: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        launch(**fields)


def test_secrets_are_not_in_the_text_of_a_launch() -> None:
    shown = repr(launch(AUTH_ID="SECRET-A", REFRESH_ID="SECRET-R", APPLICATION_TOKEN="SECRET-T"))
    assert "SECRET" not in shown


@given(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(
            ["member_id", "AUTH_ID", "PLACEMENT", "PLACEMENT_OPTIONS", "PLACEMENT_OPTIONS[ID]", "LANG"]
        ),
        st.text(max_size=20) | st.sampled_from(["CRM_DYNAMIC_5_DETAIL_TAB", '{"ID":"5"}', "{", "DEFAULT"]),
    ),
)
def test_no_bytes_raise_anything_unexpected(query: bytes, fields: dict[str, str]) -> None:
    try:
        found = parse_launch(urlencode(fields).encode(), query)
    except Malformed:
        return
    found.item()


# Against the sandbox portal, over HTTP.


def user(local: Local, *, admin: bool = False) -> dict[str, Any]:
    """A colleague with tokens of the portal."""
    made = local.control("users", {"name": "Анна", "last_name": "Ким", "admin": "1" if admin else "0"})
    return dict(made)


def installed(local: Local) -> Viewer:
    viewer = accept_installation(local.world.portals, local.open())
    local.world.portal_id = viewer.portal_id
    return viewer


def portals_in(local: Local) -> int:
    with local.world.portals.store.reading() as tx:
        return len(stored.active_ids(tx))


def test_administrator_installs(local: Local) -> None:
    viewer = installed(local)
    assert viewer.is_admin
    row = local.world.row()
    assert row.member_id == local.app["member_id"]
    assert row.endpoint == f"{local.sandbox.url}/rest/"
    assert row.application_token == local.app["application_token"]
    assert row.user_id == viewer.user_id
    assert "crm" in row.scope
    assert local.world.client.call("profile")["ADMIN"] is True


def test_installer_page_posted_again_is_accepted_from_an_administrator(local: Local) -> None:
    opened = local.open()
    first = accept_installation(local.world.portals, opened)
    again = accept_installation(local.world.portals, opened)
    assert again.portal_id == first.portal_id
    assert again.is_admin
    local.world.portal_id = first.portal_id
    assert local.world.client.call("profile")["ADMIN"] is True


def test_second_installation_keeps_the_portal(local: Local) -> None:
    first = installed(local)
    with local.world.portals.store.transaction() as tx:
        stored.pause(tx, first.portal_id, "x", now=local.world.now)
    assert installed(local).portal_id == first.portal_id
    assert local.world.row().state == "active"


def test_colleague_without_administrator_s_rights_cannot_install(local: Local) -> None:
    colleague = user(local)
    with pytest.raises(Untrusted) as caught:
        accept_installation(local.world.portals, local.open(user_id=colleague["id"]))
    assert caught.value.code == "NOT_ADMIN"
    assert portals_in(local) == 0


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"refresh_id": "forged"}, (Untrusted, AccessLost)),
        ({"refresh_id": ""}, Untrusted),
        ({"member_id": "f" * 32}, Untrusted),
    ],
)
def test_forged_installation_changes_nothing(
    local: Local, change: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        accept_installation(local.world.portals, replace(local.open(), **change))
    assert portals_in(local) == 0


def test_addresses_in_the_request_are_never_called(local: Local) -> None:
    lie = replace(local.open(), domain="evil.example", server_endpoint="https://evil.example/rest/")
    viewer = accept_installation(local.world.portals, lie)
    local.world.portal_id = viewer.portal_id
    assert local.world.row().endpoint == f"{local.sandbox.url}/rest/"


def test_page_says_who_looks(local: Local) -> None:
    viewer = installed(local)
    colleague = user(local)
    seen = verify_page(local.world.portals, local.open(user_id=colleague["id"]))
    assert (seen.portal_id, seen.user_id, seen.is_admin) == (viewer.portal_id, int(colleague["id"]), False)
    assert seen.name
    assert verify_page(local.world.portals, local.open()).is_admin


def test_forged_page_is_refused(local: Local) -> None:
    installed(local)
    opened = local.open()
    for forged in (replace(opened, auth_id="forged"), replace(opened, member_id="f" * 32)):
        with pytest.raises(Untrusted):
            verify_page(local.world.portals, forged)


def test_expired_page_token_is_refused_and_the_installer_s_is_kept(local: Local) -> None:
    installed(local)
    opened = local.open()
    local.control("expire", {"access_token": opened.auth_id})
    before = local.world.row().access_token
    with pytest.raises(Untrusted):
        verify_page(local.world.portals, opened)
    assert local.world.row().access_token == before


def test_page_of_an_unknown_portal_is_refused(local: Local) -> None:
    with pytest.raises(Untrusted):
        verify_page(local.world.portals, local.open())


def test_tab_reads_its_card_with_the_viewer_s_rights(local: Local) -> None:
    installed(local)
    client = local.world.client
    deal = client.call("crm.item.add", {"entityTypeId": 2, "fields": {"title": "Сделка"}}, write=True)["item"]
    tab = {"placement": "CRM_DEAL_DETAIL_TAB", "options": {"ID": str(deal["id"])}}
    seen = verify_page(local.world.portals, local.open(**tab))
    assert seen.item is not None
    assert seen.item["title"] == "Сделка"
    missing = {"placement": "CRM_DEAL_DETAIL_TAB", "options": {"ID": "999999"}}
    with pytest.raises(Untrusted):
        verify_page(local.world.portals, local.open(**missing))


def test_action_of_an_open_page_is_checked_with_the_token_it_sends(local: Local) -> None:
    viewer = installed(local)
    token = local.open().auth_id
    assert verify_viewer(local.world.portals, viewer.portal_id, token).user_id == viewer.user_id
    with pytest.raises(Untrusted):
        verify_viewer(local.world.portals, viewer.portal_id, "forged")


def test_a_token_of_another_application_of_the_portal_opens_nothing(local: Local) -> None:
    viewer = installed(local)
    # The same administrator, who opened another application: it could act here in their name.
    foreign = requests.get(f"{local.sandbox.url}/sandbox/access", timeout=20).json()["access_token"]
    with pytest.raises(Untrusted) as caught:
        verify_viewer(local.world.portals, viewer.portal_id, foreign)
    assert caught.value.code == "OTHER_APPLICATION"
    with pytest.raises(Untrusted):
        verify_page(local.world.portals, replace(local.open(), auth_id=foreign))


def test_a_portal_installed_before_its_application_was_kept_is_asked_once(local: Local) -> None:
    viewer = installed(local)
    known = local.world.row().application
    with local.world.portals.store.transaction() as tx:
        tx.execute(sa.update(tables.portal).values(application=None))
    assert verify_page(local.world.portals, local.open()).user_id == viewer.user_id
    assert local.world.row().application == known != ""


def test_another_administrator_takes_over_a_portal_whose_installer_left(local: Local) -> None:
    installer = user(local, admin=True)
    accept_installation(local.world.portals, local.open(user_id=installer["id"]))
    local.world.portal_id = 1
    local.control(f"users/{installer['id']}/dismiss")
    with pytest.raises(AccessLost):
        local.world.client.call("profile")
    assert local.world.row().state == "paused"
    colleague = user(local)
    theirs = local.open(user_id=colleague["id"])
    assert not heal(local.world.portals, theirs, verify_page(local.world.portals, theirs))
    assert local.world.row().user_id == int(installer["id"])
    ours = local.open()
    viewer = verify_page(local.world.portals, ours)
    assert heal(local.world.portals, ours, viewer)
    assert (local.world.row().state, local.world.row().user_id) == ("active", viewer.user_id)
    assert local.world.client.call("profile")["ADMIN"] is True


def test_a_portal_that_works_takes_nobody_s_tokens(local: Local) -> None:
    installed(local)
    before = local.world.row()
    other = user(local, admin=True)
    theirs = local.open(user_id=other["id"])
    assert not heal(local.world.portals, theirs, verify_page(local.world.portals, theirs))
    assert local.world.row() == before


def token_event(local: Local, application_token: str, **tokens: Any) -> PortalEvent:
    return PortalEvent("ONAPPUPDATE", local.app["member_id"], application_token, {}, **tokens)


def test_new_application_token_is_taken_when_the_event_s_own_tokens_prove_it(local: Local) -> None:
    viewer = installed(local)
    opened = local.open()
    for number, tokens in enumerate(({"access_token": opened.auth_id}, {"refresh_token": opened.refresh_id})):
        new = f"{number}" * 32
        accepted = accept_token(local.world.portals, token_event(local, new, **tokens))
        assert accepted == viewer.portal_id
        assert local.world.row().application_token == new


def test_known_application_token_costs_no_request(local: Local) -> None:
    viewer = installed(local)
    before = _calls(local)
    same = token_event(local, local.app["application_token"], refresh_token="anything")
    assert accept_token(local.world.portals, same) == viewer.portal_id
    assert _calls(local) == before


def test_new_application_token_is_refused_without_proof(local: Local) -> None:
    installed(local)
    colleague = user(local)
    theirs = local.open(user_id=colleague["id"])
    foreign = requests.get(f"{local.sandbox.url}/sandbox/access", timeout=20).json()
    known = local.world.row().application_token
    for tokens in (
        {},
        {"access_token": "forged"},
        {"refresh_token": "forged"},
        {"access_token": theirs.auth_id},
        {"refresh_token": theirs.refresh_id},
        {"access_token": foreign["access_token"]},
        {"refresh_token": foreign["refresh_token"]},
    ):
        with pytest.raises(Untrusted):
            accept_token(local.world.portals, token_event(local, "x" * 32, **tokens))
    assert local.world.row().application_token == known


def test_event_of_an_unknown_portal_calls_nothing(local: Local) -> None:
    event = token_event(local, "x" * 32, refresh_token=local.open().refresh_id)
    before = _calls(local)
    with pytest.raises(Untrusted):
        accept_token(local.world.portals, event)
    assert _calls(local) == before


def _calls(local: Local) -> int:
    """REST calls and token exchanges the sandbox has seen, by what they leave behind."""
    with local.sandbox.portal.transaction() as db:
        issued = db.execute("SELECT COUNT(*) FROM tokens").fetchone()[0]
    return int(issued) + len(local.sandbox.log.recent)
