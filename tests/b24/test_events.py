"""Events of real portals are understood; forged ones are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b24.errors import Malformed, Untrusted
from b24.events import PortalEvent, parse_event, verify_event
from b24.portals import ACTIVE, PAUSED, UNINSTALLED, Portal
from tests.recordings import names, post

NOW = datetime(2026, 11, 21, tzinfo=UTC)
EVENTS = [name for name in names("events") if name.startswith("on")]


def portal(**changes: Any) -> Portal:
    values: dict[str, Any] = {
        "id": 1,
        "member_id": "m" * 32,
        "endpoint": "https://portal.example/rest/",
        "application_token": "t" * 32,
        "access_token": "a",
        "refresh_token": "r",
        "token_expires_at": NOW,
        "user_id": 1,
        "scope": (),
        "language": "ru",
        "state": ACTIVE,
        "state_reason": "",
        "application": "5:local.1",
        "changed_at": NOW,
    }
    return Portal(**values | changes)


def event(**fields: str) -> PortalEvent:
    """An event from flat fields; ``__`` stands for a bracket: ``data__FIELDS__ID="7"``."""
    known = {"event": "ONCRMDEALUPDATE", "auth__member_id": "m" * 32, "auth__application_token": "t" * 32}
    pairs = {}
    for name, value in {**known, **fields}.items():
        head, *rest = name.split("__")
        pairs[head + "".join(f"[{key}]" for key in rest)] = value
    return parse_event(urlencode(pairs).encode())


@pytest.mark.parametrize("name", EVENTS)
def test_every_recorded_event_is_read(name: str) -> None:
    recorded = post(name)
    wire = dict(parse_qsl(recorded.body.decode(), keep_blank_values=True))
    found = parse_event(recorded.body)
    assert found.event == wire["event"].upper()
    assert found.member_id == wire["auth[member_id]"]
    assert found.application_token == wire.get("auth[application_token]", "")
    assert found.ts is not None


@pytest.mark.parametrize("name", EVENTS)
def test_recorded_event_names_its_object(name: str) -> None:
    recorded = post(name)
    wire = dict(parse_qsl(recorded.body.decode()))
    found = parse_event(recorded.body)
    if "DYNAMIC" in found.event:
        expected = int(wire["data[FIELDS][ENTITY_TYPE_ID]"]), int(wire["data[FIELDS][ID]"])
        assert found.item() == expected
        assert found.action == recorded.expect["action"] if "action" in recorded.expect else found.action
    elif found.event.startswith("ONTASK"):
        assert found.task_id() == 123
        assert found.item() is None
    elif found.event.startswith(("ONCRMDEAL", "ONCRMCONTACT", "ONCRMCOMPANY", "ONCRMLEAD")):
        item = found.item()
        assert item is not None
        assert item[1] == int(wire["data[FIELDS][ID]"])
        assert found.task_id() is None
    else:
        assert found.item() is None
        assert found.task_id() is None


@pytest.mark.parametrize("name", EVENTS)
def test_genuine_event_is_trusted_and_any_forgery_is_not(name: str) -> None:
    found = parse_event(post(name).body)
    if not found.application_token:
        # ONAPPPAYMENT as documented carries none.
        with pytest.raises(Untrusted):
            verify_event(found, portal(member_id=found.member_id))
        return
    genuine = portal(member_id=found.member_id, application_token=found.application_token)
    assert verify_event(found, genuine) is genuine
    for forged in (portal(), None, portal(application_token=None), portal(application_token="")):
        with pytest.raises(Untrusted):
            verify_event(found, forged)


def test_event_without_token_is_not_trusted_where_none_is_known() -> None:
    for known in (None, ""):
        with pytest.raises(Untrusted):
            verify_event(event(auth__application_token=""), portal(application_token=known))


def test_paused_portal_is_still_listened_to() -> None:
    assert verify_event(event(), portal(state=PAUSED)).state == PAUSED


def test_removed_portal_may_only_repeat_its_removal() -> None:
    removed = portal(state=UNINSTALLED)
    assert verify_event(event(event="ONAPPUNINSTALL"), removed) is removed
    with pytest.raises(Untrusted):
        verify_event(event(), removed)


@pytest.mark.parametrize(
    ("name", "fields", "item"),
    [
        ("ONCRMLEADADD", {}, (1, 7)),
        ("onCrmDealUpdate", {}, (2, 7)),
        ("ONCRMCONTACTDELETE", {}, (3, 7)),
        ("ONCRMCOMPANYADD", {}, (4, 7)),
        ("ONCRMDEALMOVETOCATEGORY", {}, (2, 7)),
        ("ONCRMDYNAMICITEMADD", {"ENTITY_TYPE_ID": "1036"}, (1036, 7)),
        ("ONCRMDYNAMICITEMUPDATE_1036", {}, (1036, 7)),
        ("ONCRMDYNAMICITEMDELETE_1036", {"ENTITY_TYPE_ID": "1036"}, (1036, 7)),
        ("ONCRMACTIVITYADD", {}, None),
        ("ONCRMDEALADDRESS", {}, None),
        ("ONAPPINSTALL", {}, None),
    ],
)
def test_item_is_type_and_id(name: str, fields: dict[str, str], item: tuple[int, int] | None) -> None:
    found = event(event=name, data__FIELDS__ID="7", **{f"data__FIELDS__{k}": v for k, v in fields.items()})
    assert found.item() == item


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "ONCRMDEALADD"},
        {"event": "ONCRMDEALADD", "data__FIELDS__ID": "0"},
        {"event": "ONCRMDEALADD", "data__FIELDS__ID": "7 or 1=1"},
        {"event": "ONCRMDEALADD", "data__FIELDS": "undefined"},
        {"event": "ONCRMDYNAMICITEMADD", "data__FIELDS__ID": "7"},
        {
            "event": "ONCRMDYNAMICITEMADD_1036",
            "data__FIELDS__ID": "7",
            "data__FIELDS__ENTITY_TYPE_ID": "1038",
        },
        {"event": "ONCRMDYNAMICITEMADD_0", "data__FIELDS__ID": "7"},
    ],
)
def test_contradictory_or_missing_object_is_malformed(fields: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        event(**fields).item()


@pytest.mark.parametrize(
    ("name", "fields", "task_id"),
    [
        ("ONTASKADD", {"data__FIELDS_BEFORE": "undefined", "data__FIELDS_AFTER__ID": "5"}, 5),
        ("ONTASKUPDATE", {"data__FIELDS_BEFORE__ID": "5", "data__FIELDS_AFTER__ID": "5"}, 5),
        ("ONTASKDELETE", {"data__FIELDS_BEFORE__ID": "5", "data__FIELDS_AFTER": "undefined"}, 5),
        ("ONTASKCOMMENTADD", {"data__FIELDS_AFTER__ID": "5"}, None),
    ],
)
def test_task_id_stands_before_or_after(name: str, fields: dict[str, str], task_id: int | None) -> None:
    assert event(event=name, **fields).task_id() == task_id


def test_task_event_without_id_is_malformed() -> None:
    with pytest.raises(Malformed):
        event(event="ONTASKADD", data__FIELDS_AFTER="undefined").task_id()


@pytest.mark.parametrize(("clean", "wiped"), [("1", True), ("0", False), ("", False), ("true", False)])
def test_data_is_wiped_only_when_clean_is_one(clean: str, wiped: bool) -> None:
    assert event(event="ONAPPUNINSTALL", data__CLEAN=clean).clean is wiped


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"event=ONCRMDEALADD",
        b"event=&auth[member_id]=m",
        b"auth[member_id]=m",
        b"event[]=ONCRMDEALADD&auth[member_id]=m",
        b"event=ONCRMDEALADD&auth=m",
        b"event=DROP+TABLE&auth[member_id]=m",
        b"event=ONCRMDEALADD&auth[member_id]=" + b"m" * 500,
        b"event=ONCRMDEALADD&auth[member_id]=m&auth[application_token]=" + b"t" * 500,
        b"event=ONCRMDEALADD&auth[member_id]=m&auth[member_id]=n",
    ],
)
def test_unreadable_event_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_event(body)


def test_secrets_are_not_in_the_text_of_an_event() -> None:
    shown = repr(event(auth__access_token="SECRET-A", auth__refresh_token="SECRET-R"))
    assert "SECRET" not in shown
    assert "tttt" not in shown


@given(
    st.binary(max_size=300)
    | st.dictionaries(
        st.sampled_from(
            [
                "event",
                "ts",
                "data",
                "data[FIELDS]",
                "data[FIELDS][ID]",
                "data[FIELDS_AFTER][ID]",
                "auth",
                "auth[member_id]",
                "auth[application_token]",
                "data[FIELDS][ENTITY_TYPE_ID]",
            ]
        ),
        st.sampled_from(["ONCRMDYNAMICITEMADD", "ONTASKADD", "ONCRMDEALADD_5", "1", "0", "", "undefined"])
        | st.text(max_size=20),
    ).map(lambda pairs: urlencode(pairs).encode())
)
def test_no_body_raises_anything_unexpected(body: bytes) -> None:
    try:
        found = parse_event(body)
        found.item()
        found.task_id()
        verify_event(found, portal())
    except (Malformed, Untrusted):
        return
    assert found.application_token == "t" * 32
