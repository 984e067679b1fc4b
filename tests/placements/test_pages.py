"""Pages inside the portal: who gets them, what they are bound to, what their scripts may ask for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from b24.page_session import HEADER, MAX_AGE_S, PageSession
from b24.sandbox.server import Options, Sandbox
from b24.store import marks
from placements.registry import checked
from placements.session import TOKEN_HEADER, changing, page_api
from smart_process import checkup
from smart_process.language import translator
from smart_process.schema import PLACEMENTS
from smart_process.store import tables as t
from tests.portal_and_app import PortalAndApp, make_web, portal_and_app, shows_session


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalAndApp]:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        made = portal_and_app(sandbox, f"sqlite:///{tmp_path_factory.mktemp('pages') / 'app.db'}")
        made.install()
        made.finish()
        web = make_web(made.service)

        @web.post("/test/act")
        @page_api(made.service, "event")
        def act(session: PageSession) -> dict[str, Any]:
            changing(made.service, session)
            return {"actor": session.actor}

        made.web = web.test_client()
        yield made
        made.rest.close()
        made.service.portals.close()
        made.service.store.close()


@pytest.fixture
def place(installed: PortalAndApp) -> PortalAndApp:
    return installed


@pytest.fixture
def item_id(place: PortalAndApp) -> int:
    number = place.binding.event.entity_type_id
    made = place.rest("crm.item.add", {"entityTypeId": number, "fields": {"title": "Форум «Насосы»"}})
    return int(made["item"]["id"])


def colleague(place: PortalAndApp) -> int:
    return int(place.rest.control("users", {"name": "Айгуль", "last_name": "Серик"})["id"])


def tab(place: PortalAndApp, item_id: int, *, user_id: int = 1, code: str = "", name: str = "event") -> Any:
    number = place.binding.event.entity_type_id
    opened = place.opened(
        user_id, placement=code or f"CRM_DYNAMIC_{number}_DETAIL_TAB", options={"ID": str(item_id)}
    )
    return place.post(f"/b24/placement/{name}", opened)


def session(place: PortalAndApp, item_id: int, *, user_id: int = 1, page: str = "event") -> str:
    number = place.binding.event.entity_type_id
    return PageSession(place.portal_id, user_id, user_id == 1, page, number, item_id).sign(
        place.service.secrets
    )


def act(place: PortalAndApp, token: str, viewer_token: str = "") -> Any:
    return place.web.post("/test/act", headers={HEADER: token, TOKEN_HEADER: viewer_token})


def token_of(place: PortalAndApp, user_id: int = 1) -> str:
    return str(place.opened(user_id)["fields"]["AUTH_ID"])


@pytest.mark.parametrize("path", ["/b24/app", "/b24/placement/event"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_address_checker_gets_a_neutral_page(place: PortalAndApp, method: str, path: str) -> None:
    assert place.web.open(path, method=method).status_code == 200


def test_a_tab_is_bound_to_its_viewer_and_card(place: PortalAndApp, item_id: int) -> None:
    reply = tab(place, item_id)
    assert reply.status_code == 200
    shown = json.loads(reply.text)
    assert shown == {
        "zone": "",
        "portal_id": place.portal_id,
        "user_id": 1,
        "is_admin": True,
        "page": "event",
        "entity_type_id": place.binding.event.entity_type_id,
        "item_id": item_id,
        "language": "ru",
    }
    assert f"frame-ancestors 'self' {place.sandbox.url}" in reply.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in reply.headers
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("code", ["CRM_DEAL_DETAIL_TAB", "CRM_DYNAMIC_31_DETAIL_TAB", "DEFAULT"])
def test_a_tab_opened_from_another_place_is_refused(place: PortalAndApp, item_id: int, code: str) -> None:
    assert tab(place, item_id, code=code).status_code == 403


def test_a_card_the_viewer_may_not_read_opens_nothing(place: PortalAndApp) -> None:
    assert tab(place, 987654).status_code == 403


def test_an_unknown_tab_is_not_found(place: PortalAndApp, item_id: int) -> None:
    assert tab(place, item_id, name="other").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"AUTH_ID": "f" * 70}, 403),
        ({"member_id": "0" * 32}, 403),
        ({"AUTH_ID": ""}, 400),
        ({"PLACEMENT": "'"}, 400),
    ],
    ids=["token", "member", "no-token", "placement"],
)
@pytest.mark.parametrize("path", ["/b24/app", "/b24/placement/event"])
def test_a_forged_launch_gets_no_session(
    place: PortalAndApp, path: str, change: dict[str, str], status: int
) -> None:
    opened = place.opened()
    reply = place.post(path, {**opened, "fields": opened["fields"] | change})
    assert reply.status_code == status
    assert 'data-session=""' in reply.text


def test_a_portal_that_fails_is_no_failure_of_ours(place: PortalAndApp, item_id: int) -> None:
    opened, token, viewer = place.opened(), session(place, item_id), token_of(place)
    place.rest.control("faults", {"5xx": 1.0})
    try:
        launch, renewal = (
            place.post("/b24/app", opened),
            place.web.post("/b24/page/session", headers={HEADER: token, TOKEN_HEADER: viewer}),
        )
        action = act(place, token, viewer)
    finally:
        place.rest.control("faults", {}, method="DELETE")
    assert [launch.status_code, renewal.status_code, action.status_code] == [424, 424, 424]
    assert 'data-session=""' in launch.text


def test_the_main_page_begins_with_what_to_do(place: PortalAndApp, tmp_path: Path) -> None:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        fresh = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
        unfinished = fresh.post("/b24/install", fresh.opened())
        assert unfinished.status_code == 200
        assert "Установка не закончена" in fresh.post("/b24/app", fresh.opened()).text
        fresh.install()
        assert "С чего начать" in fresh.post("/b24/app", fresh.opened()).text
        fresh.rest.close()


def test_the_main_page_lists_events_the_viewer_may_read(place: PortalAndApp, item_id: int) -> None:
    import sqlalchemy as sa

    with place.service.store.transaction() as tx:
        for number, title in ((item_id, "Форум «Насосы»"), (987654, "Чужой форум")):
            tx.execute(
                sa.insert(t.event).values(
                    portal_id=place.portal_id,
                    item_id=number,
                    code=f"code{number}",
                    title=title,
                    stage="open",
                    time_zone="Asia/Almaty",
                    product_lines=[],
                    shadow={},
                )
            )
    page = place.post("/b24/app", place.opened()).text
    assert "Форум «Насосы»" in page
    assert f"http://127.0.0.1:9/r/code{item_id}" in page
    assert "Регистрация открыта" in page
    # It stands in our database, but not in what the portal shows this person.
    assert "Чужой форум" not in page


def test_what_needs_attention_is_shown_to_administrators_only(place: PortalAndApp) -> None:
    now = place.service.clock()
    with place.service.store.transaction() as tx:
        marks.mark(tx, place.portal_id, "outcome", ["1"], now=now)
        held = next(one for one in marks.claim(tx, place.portal_id, ["outcome"], now=now, limit=1))
        marks.hold(tx, held, reason="setup", error="INSUFFICIENT_SCOPE", now=now)
    try:
        (finding,) = (one for one in checkup.check(place.service, 1) if one.key == "held:outcome:setup")
        assert "не выданы нужные права" in finding.words(translator("ru"))
        # What is found is asked for by the page of an administrator; others have neither the place nor the script.
        assert 'id="health"' in place.post("/b24/app", place.opened()).text
        theirs = place.post("/b24/app", place.opened(colleague(place))).text
        assert "health" not in theirs
        assert "Настройки" not in theirs
    finally:
        with place.service.store.transaction() as tx:
            marks.unmark(tx, place.portal_id, "outcome", "1")


def test_the_installer_hands_its_administrator_over(place: PortalAndApp) -> None:
    page = place.post("/b24/install", place.opened()).text
    token = page.partition('name="page_session" value="')[2].partition('"')[0]
    reply = place.web.post("/b24/app", data={"page_session": token})
    assert reply.status_code == 200
    assert "Мероприятия" in reply.text
    assert place.web.post("/b24/app", data={"page_session": token + "x"}).status_code == 403
    place.install()


def test_an_action_needs_a_session_the_viewers_token_and_the_right(place: PortalAndApp, item_id: int) -> None:
    assert act(place, session(place, item_id), token_of(place)).get_json() == {"actor": "user:1"}


@pytest.mark.parametrize("token", ["", "x", "x.y.z"])
def test_without_a_session_the_answer_is_401(place: PortalAndApp, token: str) -> None:
    reply = act(place, token, token_of(place))
    assert (reply.status_code, reply.content_type) == (401, "application/problem+json")


def test_a_session_ends_after_half_an_hour_and_can_be_renewed(place: PortalAndApp, item_id: int) -> None:
    with time_machine.travel(time.time() - MAX_AGE_S - 5):
        old = session(place, item_id)
    refused = act(place, old, token_of(place))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "expired_token")
    renewed = place.web.post("/b24/page/session", headers={HEADER: old, TOKEN_HEADER: token_of(place)})
    assert act(place, renewed.get_json()["session"], token_of(place)).status_code == 200


def test_a_session_is_renewed_for_its_own_viewer_only(place: PortalAndApp, item_id: int) -> None:
    other = token_of(place, colleague(place))
    for viewer_token in (other, "f" * 70, ""):
        headers = {HEADER: session(place, item_id), TOKEN_HEADER: viewer_token}
        assert place.web.post("/b24/page/session", headers=headers).status_code == 401


def test_a_session_of_another_page_or_item_is_refused(place: PortalAndApp, item_id: int) -> None:
    assert act(place, session(place, item_id, page="participation"), token_of(place)).status_code == 403
    nothing_opened = PageSession(place.portal_id, 1, True, "event").sign(place.service.secrets)
    assert act(place, nothing_opened, token_of(place)).get_json()["code"] == "no_item"
    assert act(place, session(place, 987654), token_of(place)).get_json()["code"] == "no_right"


@pytest.mark.parametrize(
    ("whose", "code"),
    [("nobody", "no_viewer_token"), ("forged", "viewer_token_expired"), ("other", "other_user")],
)
def test_an_action_with_a_wrong_token_is_refused(
    place: PortalAndApp, item_id: int, whose: str, code: str
) -> None:
    token = {"nobody": "", "forged": "f" * 70}.get(whose)
    reply = act(place, session(place, item_id), token_of(place, colleague(place)) if token is None else token)
    assert (reply.status_code, reply.get_json()["code"]) == (403, code)


def test_trying_the_right_changes_nothing_in_the_card(place: PortalAndApp, item_id: int) -> None:
    where = {"entityTypeId": place.binding.event.entity_type_id, "id": item_id}
    before = place.rest("crm.item.get", where)["item"]
    act(place, session(place, item_id), token_of(place))
    assert place.rest("crm.item.get", where)["item"] == before


def test_every_declared_placement_needs_a_page() -> None:
    with pytest.raises(ValueError, match="do not match"):
        checked({"event": shows_session})
    assert set(checked({one.name: shows_session for one in PLACEMENTS})) == {
        "event",
        "participation",
        "contact",
        "company",
        "deal",
    }
