"""Events of the portal: genuine ones mark, forged ones change nothing, nothing is answered with 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from b24 import portals
from b24.sandbox.server import Options, Sandbox
from b24.store import marks
from b24.store.tables import mark, metadata
from handlers.gathering import WINDOWS
from smart_process.store import setups
from smart_process.sync.drain import drain
from tests.eventually import eventually
from tests.portal_and_app import PortalAndApp, Served, make_web, portal_and_app
from tests.source_tree import ROOT

RECORDED = ROOT / "tests/recorded/events"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalAndApp]:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        made = portal_and_app(sandbox, f"sqlite:///{tmp_path_factory.mktemp('events') / 'app.db'}")
        made.install()
        made.finish()
        yield made
        made.rest.close()
        made.service.portals.close()
        made.service.store.close()


@pytest.fixture
def place(installed: PortalAndApp) -> PortalAndApp:
    """The installed portal with no marks waiting."""
    installed.woken.clear()
    with installed.service.store.transaction() as tx:
        tx.execute(sa.delete(mark))
    return installed


def waiting(place: PortalAndApp) -> list[tuple[str, str]]:
    with place.service.store.reading() as tx:
        return [(row.kind, row.key) for row in tx.execute(sa.select(mark).order_by(mark.c.kind, mark.c.key))]


def contents(place: PortalAndApp) -> dict[str, list[Any]]:
    with place.service.store.reading() as tx:
        return {name: list(tx.execute(sa.select(table))) for name, table in metadata.tables.items()}


def auth(place: PortalAndApp) -> dict[str, str]:
    return {
        "auth[domain]": "portal.example",
        "auth[client_endpoint]": "https://portal.example/rest/",
        "auth[server_endpoint]": "https://oauth.bitrix.info/rest/",
        "auth[member_id]": place.app["member_id"],
        "auth[application_token]": place.app["application_token"],
    }


def send(place: PortalAndApp, fields: Mapping[str, Any]) -> int:
    return place.web.post("/b24/events", data=dict(fields)).status_code


def event(place: PortalAndApp, name: str, **data: Any) -> dict[str, Any]:
    inner = {f"data[FIELDS][{key}]": str(value) for key, value in data.items()}
    return {"event": name, "event_handler_id": "4", **inner, "ts": "1723534033", **auth(place)}


def test_an_item_of_ours_is_marked_and_waits_for_others(place: PortalAndApp) -> None:
    number = place.binding.participation.entity_type_id
    assert send(place, event(place, "ONCRMDYNAMICITEMUPDATE", ID=22, ENTITY_TYPE_ID=number)) == 200
    assert waiting(place) == [("pull", f"{number}:22")]
    with place.service.store.reading() as tx:
        (due_at,) = tx.execute(sa.select(mark.c.due_at)).scalars()
    assert due_at <= place.service.clock() + WINDOWS[-1]
    assert place.woken == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ONCRMDEALUPDATE", ("pull", "2:7")),
        ("ONCRMDEALMOVETOCATEGORY", ("pull", "2:7")),
        ("onCrmContactAdd", ("pull", "3:7")),
        ("ONCRMCOMPANYDELETE", ("pull", "4:7")),
        ("ONCRMLEADADD", ("pull", "1:7")),
    ],
)
def test_other_cards_are_marked_under_their_type(
    place: PortalAndApp, name: str, expected: tuple[str, str]
) -> None:
    assert send(place, event(place, name, ID=7)) == 200
    assert waiting(place) == [expected]


def test_a_task_is_marked_by_its_own_kind(place: PortalAndApp) -> None:
    task = {
        "event": "ONTASKUPDATE",
        "data[FIELDS_BEFORE][ID]": "5",
        "data[FIELDS_AFTER][ID]": "5",
        "ts": "1",
        **auth(place),
    }
    assert send(place, task) == 200
    assert send(place, _deleted(task)) == 200
    assert waiting(place) == [("pull_task", "5")]


def _deleted(task: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in task.items() if key != "data[FIELDS_AFTER][ID]"}
    return kept | {"event": "ONTASKDELETE", "data[FIELDS_AFTER]": "undefined"}


def test_a_type_may_stand_in_the_name_of_the_event(place: PortalAndApp) -> None:
    number = place.binding.event.entity_type_id
    assert send(place, event(place, f"ONCRMDYNAMICITEMADD_{number}", ID=3)) == 200
    assert waiting(place) == [("pull", f"{number}:3")]
    contradictory = event(place, f"ONCRMDYNAMICITEMADD_{number}", ID=3, ENTITY_TYPE_ID=31)
    assert send(place, contradictory) == 400


@pytest.mark.parametrize("number", [31, 128, 9998])
def test_items_of_other_types_are_dropped(place: PortalAndApp, number: int) -> None:
    assert send(place, event(place, "ONCRMDYNAMICITEMUPDATE", ID=22, ENTITY_TYPE_ID=number)) == 200
    assert waiting(place) == []
    assert place.woken == []


def test_a_thousand_events_about_one_object_are_one_mark(place: PortalAndApp) -> None:
    number = place.binding.participation.entity_type_id
    for _ in range(50):
        send(place, event(place, "ONCRMDYNAMICITEMUPDATE", ID=22, ENTITY_TYPE_ID=number))
    with place.service.store.reading() as tx:
        later = place.service.clock() + WINDOWS[-1]
        claimed = marks.claim(tx, place.portal_id, ["pull"], now=later, limit=10)
    assert [(one.key, one.seq) for one in claimed] == [(f"{number}:22", 50)]


@pytest.mark.parametrize(
    "change",
    [
        {"auth[application_token]": "0" * 32},
        {"auth[application_token]": ""},
        {"auth[member_id]": "f" * 32},
    ],
    ids=["token", "no-token", "member"],
)
@pytest.mark.parametrize(
    "name", ["ONCRMDEALUPDATE", "ONAPPUNINSTALL", "ONAPPINSTALL", "ONAPPUPDATE", "ONTASKUPDATE", "ONAPPTEST"]
)
def test_a_forged_event_is_refused_and_changes_nothing(
    place: PortalAndApp, name: str, change: dict[str, str]
) -> None:
    before = contents(place)
    forged = event(place, name, ID=7) | {"data[CLEAN]": "1"} | change
    assert send(place, forged) in (401, 403)
    assert contents(place) == before


def test_an_event_without_any_auth_is_unreadable(place: PortalAndApp) -> None:
    assert send(place, {"event": "ONCRMDEALUPDATE", "data[FIELDS][ID]": "7"}) == 400
    assert waiting(place) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"event=A&event[b]=1",
        b"event" + b"[a]" * 50 + b"=1",
        b"{}",
        b"a=1&" * 2000,
        b"%00=1",
    ],
)
def test_what_cannot_be_read_is_answered_with_400(place: PortalAndApp, body: bytes) -> None:
    reply = place.web.post("/b24/events", data=body, content_type="application/x-www-form-urlencoded")
    assert reply.status_code == 400


def recorded() -> list[Path]:
    return sorted(path for path in RECORDED.glob("*.json") if path.name.startswith("on"))


@pytest.mark.parametrize("path", recorded(), ids=lambda path: path.stem)
def test_recorded_events_are_accepted_from_their_portal_and_refused_from_others(
    place: PortalAndApp, path: Path
) -> None:
    shape = json.loads(path.read_text(encoding="utf-8"))
    raw = shape["raw_body"]
    kind = shape.get("content_type", "application/x-www-form-urlencoded")
    before = contents(place)
    assert place.web.post("/b24/events", data=raw, content_type=kind).status_code in (401, 403)
    assert contents(place) == before
    genuine = _as_ours(place, raw)
    if path.stem.startswith(("onappinstall", "onappupdate", "onappuninstall")):
        return  # Their consequences have tests of their own.
    assert place.web.post("/b24/events", data=genuine, content_type=kind).status_code == 200


def _as_ours(place: PortalAndApp, raw: str) -> str:
    pairs = dict(parse_qsl(raw, keep_blank_values=True))
    return urlencode(pairs | auth(place))


@given(body=st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_us_fail(place: PortalAndApp, body: bytes) -> None:
    reply = place.web.post("/b24/events", data=body, content_type="application/x-www-form-urlencoded")
    assert reply.status_code < 500


def test_the_portals_own_events_arrive_over_the_network(tmp_path: Path) -> None:
    served = Served()
    try:
        with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
            place = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}", public_url=served.url)
            served.web = make_web(place.service)
            place.install()
            place.finish()
            number = place.binding.event.entity_type_id
            made = place.rest("crm.item.add", {"entityTypeId": number, "fields": {"title": "Форум"}})["item"]
            eventually(lambda: ("pull", f"{number}:{made['id']}") in waiting(place))
            place.rest.control("uninstall", {"app_id": place.app["id"], "clean": "1"})
            eventually(lambda: contents(place)["portal"][0].state == portals.UNINSTALLED)
            assert contents(place)["setup"] == []
            place.rest.close()
    finally:
        served.stop()


@pytest.mark.parametrize("clean", ["0", "1"])
def test_removal_drops_the_tokens_and_data_only_when_asked(tmp_path: Path, clean: str) -> None:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        place = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
        place.install()
        bye = {
            "event": "ONAPPUNINSTALL",
            "data[LANGUAGE_ID]": "ru",
            "data[CLEAN]": clean,
            "ts": "1",
            **auth(place),
        }
        assert send(place, bye) == 200
        with place.service.store.reading() as tx:
            portal = portals.by_id(tx, place.service.secrets, place.portal_id)
            kept = setups.known(tx, place.portal_id)
        assert portal is not None
        assert (portal.state, portal.access_token, portal.refresh_token) == ("uninstalled", "", "")
        assert kept is (clean == "0")
        # Said again it is still genuine; anything else no longer is.
        assert send(place, bye) == 200
        assert send(place, event(place, "ONCRMDEALUPDATE", ID=7)) == 403
        place.rest.close()


def test_after_removal_an_installation_finds_the_same_objects(tmp_path: Path) -> None:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        place = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
        place.install()
        binding = place.binding
        bye = {"event": "ONAPPUNINSTALL", "data[CLEAN]": "1", "ts": "1", **auth(place)}
        assert send(place, bye) == 200
        assert place.install()["done"]
        assert place.binding == binding
        place.rest.close()


def bindings(place: PortalAndApp) -> set[tuple[str, str]]:
    """What the portal tells us about, and our tabs in it."""
    client = place.service.portals.client(place.portal_id)
    told = {
        ("offline" if int(one.get("offline") or 0) else "online", str(one["event"]).upper())
        for one in client.call("event.get")
    }
    return told | {("placement", str(one["placement"])) for one in client.call("placement.get")}


def test_an_update_brings_the_new_application_token_and_binds_again_what_it_took(tmp_path: Path) -> None:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        place = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
        place.install()
        token, before = place.opened()["fields"]["AUTH_ID"], bindings(place)
        client = place.service.portals.client(place.portal_id)
        for one in client.call("event.get"):
            kind = "offline" if int(one.get("offline") or 0) else "online"
            asked = {"event": one["event"], "handler": one["handler"], "event_type": kind}
            client.call("event.unbind", asked, write=True)
        for one in client.call("placement.get"):
            client.call("placement.unbind", {"PLACEMENT": one["placement"]}, write=True)
        assert bindings(place) == set()
        update = {
            "event": "ONAPPUPDATE",
            "data[VERSION]": "2",
            "data[PREVIOUS_VERSION]": "1",
            "ts": "1",
            **auth(place),
            "auth[application_token]": "a" * 32,
            "auth[access_token]": token,
        }
        assert send(place, update) == 200
        with place.service.store.reading() as tx:
            portal = portals.by_id(tx, place.service.secrets, place.portal_id)
        assert portal is not None
        assert portal.application_token == "a" * 32
        assert ("provision", "0") in waiting(place)
        drain(place.service, place.portal_id)
        assert bindings(place) == before
        assert before
        place.rest.close()
