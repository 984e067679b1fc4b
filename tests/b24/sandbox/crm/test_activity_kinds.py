"""crm.activity.configurable.*, badges, kinds and bindings: crm/timeline/activities."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import add

#: The example of crm-activity-configurable-add.md, shortened.
LAYOUT: dict[str, Any] = {
    "icon": {"code": "call-completed"},
    "header": {
        "title": "Входящий звонок",
        "tags": {"status1": {"type": "success", "title": "расшифрован"}},
    },
    "body": {
        "logo": {"code": "call-incoming", "action": {"type": "redirect", "uri": "/crm/deal/details/123/"}},
        "blocks": {"client": {"type": "text", "properties": {"value": "ООО «Рога и копыта»"}}},
    },
    "footer": {
        "buttons": {
            "start": {
                "title": "О клиенте", "type": "primary",
                "action": {"type": "openRestApp", "actionParams": {"clientId": 456}},
            }
        },
        "menu": {
            "showPostponeItem": "false",
            "items": {"ok": {"title": "Да", "action": {"type": "restEvent", "id": "ok", "animationType": "loader"}}},
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def deal(rest: Rest) -> int:
    return int(add(rest, 2, title="Сделка")["id"])


def configurable(rest: Rest, deal: int, layout: Any = None, **fields: Any) -> int:
    params = {"ownerTypeId": 2, "ownerId": deal, "fields": {"typeId": "CONFIGURABLE", **fields}}
    made = rest("crm.activity.configurable.add", params | {"layout": LAYOUT if layout is None else layout})
    return int(made["activity"]["id"])


def test_a_configurable_activity_reads_as_it_was_written(rest: Rest, deal: int) -> None:
    number = configurable(
        rest, deal, deadline="2027-02-01T01:00:00+03:00", pingOffsets=[60, 300], originId="k1"
    )
    shown = rest("crm.activity.configurable.get", {"id": number})["activity"]
    assert (shown["id"], shown["ownerTypeId"], shown["ownerId"]) == (number, 2, deal)
    assert shown["layout"] == LAYOUT
    assert shown["fields"] == {
        "typeId": "CONFIGURABLE", "completed": False, "deadline": "2027-02-01T01:00:00+03:00",
        "pingOffsets": [60, 300], "isIncomingChannel": False, "responsibleId": 1, "badgeCode": "",
        "originatorId": None, "originId": "k1",
    }  # fmt: skip
    listed = rest("crm.activity.list", {"filter": {"ID": number}})[0]
    assert (listed["PROVIDER_ID"], listed["SUBJECT"]) == ("CONFIGURABLE_REST_APP", "Входящий звонок")


def test_its_maker_changes_and_completes_it(rest: Rest, refused: Any, deal: int) -> None:
    number = configurable(rest, deal)
    change = {"id": number, "fields": {"completed": "Y"}, "layout": LAYOUT}
    assert rest("crm.activity.configurable.update", change)["activity"] == {"id": number}
    assert rest("crm.activity.configurable.get", {"id": number})["activity"]["fields"]["completed"] is True
    other = rest.control("apps", {"handler_url": "http://127.0.0.1:9/", "interface": "0"})
    token = rest.control(f"apps/{other['id']}/open", {"user_id": 1})["fields"]["AUTH_ID"]
    found = refused(lambda: rest("crm.activity.configurable.update", change, token=token))
    assert found[0] == "ERROR_WRONG_APPLICATION"
    assert rest.hook("crm.activity.configurable.get", {"id": number}).json()["error"] == "ERROR_WRONG_CONTEXT"


def without(*path: str) -> dict[str, Any]:
    head, *rest = path
    if not rest:
        return {key: value for key, value in LAYOUT.items() if key != head}
    return LAYOUT | {head: {key: value for key, value in LAYOUT[head].items() if key not in rest}}


TAG = {"title": "x", "type": "success"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "ERROR_EMPTY_LAYOUT"),
    (without("icon"), "FIELD_IS_REQUIRED"),
    (without("body", "logo"), "FIELD_IS_REQUIRED"),
    (without("header", "title"), "FIELD_IS_REQUIRED"),
    (LAYOUT | {"colour": "red"}, "FIELD_IS_REDUNDANT"),
    (LAYOUT | {"header": {"title": "x", "tags": {"a": TAG | {"type": "lavender"}}}}, "ENUM_FIELD"),
    (LAYOUT | {"header": {"title": "x", "tags": {"a": TAG, "b": TAG, "c": TAG}}}, "TOO_MANY_ITEMS"),
    (LAYOUT | {"header": {"title": "x", "tags": {"а б": TAG}}}, "KEY_CONTAIN_WRONG_SYMBOLS"),
]


@pytest.mark.parametrize(("layout", "code"), WRONG)
def test_a_wrong_layout_is_refused(
    rest: Rest, refused: Any, deal: int, layout: dict[str, Any], code: str
) -> None:
    assert refused(lambda: configurable(rest, deal, layout))[0] == code


def test_what_came_in_has_no_deadline(rest: Rest, refused: Any, deal: int) -> None:
    fields = {"isIncomingChannel": "Y", "deadline": "2027-02-01T01:00:00+03:00"}
    found = refused(lambda: configurable(rest, deal, **fields))
    assert found[0] == "INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE"
    assert refused(lambda: configurable(rest, 99999)) == ("NOT_FOUND", "Not found.")
    assert refused(lambda: configurable(rest, deal, typeId="NOBODYS"))[0] == "WRONG_FIELD_VALUE"


def test_an_application_brings_its_own_kinds(rest: Rest, refused: Any, deal: int) -> None:
    kind = {"fields": {"TYPE_ID": "EVENT", "NAME": "Мероприятие", "IS_CONFIGURABLE_TYPE": "Y"}}
    assert rest("crm.activity.type.add", kind) is True
    assert refused(lambda: rest("crm.activity.type.add", kind))[0] == "INVALID_ARG_VALUE"
    assert rest("crm.activity.type.list") == [
        {"TYPE_ID": "EVENT", "NAME": "Мероприятие", "IS_CONFIGURABLE_TYPE": "Y", "ICON_ID": "0"}
    ]
    assert configurable(rest, deal, typeId="EVENT")
    assert rest("crm.activity.type.delete", {"TYPE_ID": "EVENT"}) is True
    assert rest("crm.activity.type.list") == []


def test_badges_are_kept_by_code(rest: Rest, refused: Any) -> None:
    badge = {"code": "missedCall", "title": "Звонок", "value": "Пропущен", "type": "failure"}
    assert rest("crm.activity.badge.add", badge) == {"badge": badge}
    assert rest("crm.activity.badge.get", {"code": "missedCall"}) == {"badge": badge}
    assert rest("crm.activity.badge.list") == {"badges": [badge]}
    assert rest("crm.activity.badge.delete", {"code": "missedCall"}) is True
    assert refused(lambda: rest("crm.activity.badge.get", {"code": "missedCall"}))[0] == "NOT_FOUND"
    assert refused(lambda: rest("crm.activity.badge.add", {"code": "x"}))[0] == "REQUIRED_ARG_MISSING"


def test_bindings_are_added_moved_and_removed_but_for_the_last(rest: Rest, refused: Any, deal: int) -> None:
    second = add(rest, 2, title="Вторая")["id"]
    contact = add(rest, 3, name="Анна")["id"]
    number = configurable(rest, deal)
    place = {"activityId": number, "entityTypeId": 3, "entityId": contact}
    assert rest("crm.activity.binding.add", place) is True
    move = {
        "activityId": number, "sourceEntityTypeId": 2, "sourceEntityId": deal, "targetEntityTypeId": 2,
        "targetEntityId": second,
    }  # fmt: skip
    assert rest("crm.activity.binding.move", move) is True
    assert refused(lambda: rest("crm.activity.binding.move", move))[0] == "BINDING_NOT_FOUND"
    bound = rest("crm.activity.binding.list", {"activityId": number})
    assert {(each["entityTypeId"], each["entityId"]) for each in bound} == {(2, second), (3, contact)}
    assert rest("crm.activity.binding.delete", place) is True
    last = {"activityId": number, "entityTypeId": 2, "entityId": second}
    assert refused(lambda: rest("crm.activity.binding.delete", last))[0] == "LAST_BINDING_CANNOT_BE_DELETED"


def test_channels_are_strings_and_only_shown_when_selected(rest: Rest, deal: int) -> None:
    fields = {
        "OWNER_TYPE_ID": 2, "OWNER_ID": deal, "TYPE_ID": 2, "SUBJECT": "Звонок", "RESPONSIBLE_ID": 1,
        "COMMUNICATIONS": [{"VALUE": "+77011234567", "TYPE": "PHONE", "ENTITY_ID": 1, "ENTITY_TYPE_ID": 3}],
    }  # fmt: skip
    number = rest("crm.activity.add", {"fields": fields})
    assert "COMMUNICATIONS" not in rest("crm.activity.list", {"filter": {"ID": number}})[0]
    selected = {"filter": {"ID": number}, "select": ["*", "COMMUNICATIONS"]}
    channel = rest("crm.activity.list", selected)[0]["COMMUNICATIONS"][0]
    assert (channel["VALUE"], channel["ENTITY_ID"], channel["ENTITY_TYPE_ID"]) == ("+77011234567", "1", "3")
    assert set(channel) == {"ID", "TYPE", "VALUE", "ENTITY_ID", "ENTITY_TYPE_ID", "ENTITY_SETTINGS"}


def test_fields_of_activities_are_described(rest: Rest) -> None:
    fields = rest("crm.activity.fields")
    assert fields["TYPE_ID"]["isRequired"] is True
    assert fields["COMMUNICATIONS"]["type"] == "crm_activity_communication"
    assert set(rest("crm.activity.communication.fields")) == {
        "ID", "ACTIVITY_ID", "ENTITY_ID", "ENTITY_TYPE_ID", "TYPE", "VALUE",
    }  # fmt: skip
