"""What the pages say about missing and wrong parameters, method by method."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add

NOT_ARRAY = "Invalid value {x} to match with parameter {fields}. Should be value of type array."


@pytest.mark.parametrize("method", ["crm.item.add", "crm.item.update", "crm.item.import", "crm.category.add"])
def test_fields_that_are_no_map_are_refused(rest: Rest, refused: Any, built: Built, method: str) -> None:
    item = add(rest, built.participation, title="Иванов")["id"]
    params = {"entityTypeId": built.participation, "id": item, "fields": "x"}
    assert refused(lambda: rest(method, params)) == ("100", NOT_ARRAY)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("crm.activity.binding.list", {"activityId": 99999}, "NOT_FOUND"),
    ("crm.activity.binding.list", {}, "100"),
    ("crm.deal.contact.items.set", {"id": "{deal}"}, ""),
    ("crm.deal.contact.items.set", {"id": "{deal}", "items": "x"}, ""),
    ("crm.activity.todo.updateColor", {"id": "{todo}", "ownerTypeId": 2, "ownerId": "{deal}"}, "100"),
    ("crm.activity.todo.updateColor", {"id": "{todo}", "ownerTypeId": 2, "ownerId": "{deal}", "colorId": "red"},
     "CAN_NOT_UPDATE_WRONG_COLOR_TODO"),
    ("crm.activity.todo.updateDescription", {"id": "{todo}", "ownerTypeId": 2, "ownerId": "{deal}"}, "100"),
    ("crm.timeline.comment.update", {"fields": {"COMMENT": "x"}}, "100"),
    ("crm.timeline.comment.update", {"id": 99999, "fields": {"COMMENT": "x"}}, "NOT_FOUND"),
    ("crm.timeline.comment.delete", {"id": 99999}, "NOT_FOUND"),
    ("crm.timeline.note.save", {"ownerTypeId": 2, "ownerId": 99999, "itemType": 1, "itemId": 1, "text": "x"},
     "NOT_FOUND"),
    ("crm.item.batchImport", {"entityTypeId": 2}, "100"),
]  # fmt: skip


@pytest.fixture(scope="module")
def ids(rest: Rest) -> dict[str, Any]:
    deal = add(rest, 2, title="Сделка")["id"]
    todo = {"ownerTypeId": 2, "ownerId": deal, "deadline": "2027-01-01T10:00:00+03:00"}
    return {"{deal}": deal, "{todo}": rest("crm.activity.todo.add", todo)["id"]}


@pytest.mark.parametrize(("method", "params", "code"), WRONG)
def test_wrong_parameters_end_in_the_documented_code(
    rest: Rest, refused: Any, ids: dict[str, Any], method: str, params: dict[str, Any], code: str
) -> None:
    sent = {
        name: ids.get(value, value) if isinstance(value, str) else value for name, value in params.items()
    }
    assert refused(lambda: rest(method, sent))[0] == code


ODD: list[Any] = [
    None,
    "",
    [],
    {},
    {"a": {"b": 1}},
    [[]],
    [None],
    10**30,
    -1,
    "9" * 40,
    "\ud800",
    1.5,
    [1, {"x": []}],
]
OPEN: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("crm.activity.add", {"fields": {"OWNER_TYPE_ID": 2, "OWNER_ID": "{deal}", "TYPE_ID": 1, "SUBJECT": "x",
      "RESPONSIBLE_ID": 1, "DIRECTION": 1, "PRIORITY": 1, "COMMUNICATIONS": [], "SETTINGS": []}}, ("fields",)),
    ("crm.activity.add", {"fields": {"OWNER_TYPE_ID": 2, "OWNER_ID": "{deal}", "TYPE_ID": 4, "SUBJECT": "x",
      "RESPONSIBLE_ID": 1, "DIRECTION": 2, "COMPLETED": "Y", "COMMUNICATIONS": [{"VALUE": "a@example.test"}],
      "FILES": [{"fileData": ["a.txt", "AAAA"]}], "SETTINGS": {"MESSAGE_FROM": "<b@example.test>"}}}, ("fields",)),
    ("crm.activity.configurable.add", {"ownerTypeId": 2, "ownerId": "{deal}",
      "fields": {"deadline": "", "pingOffsets": [1], "badgeCode": ""},
      "layout": {"icon": {"code": "info"}, "header": {"title": "x"}, "body": {"logo": {"code": "call"}}}},
     ("fields", "layout")),
    ("crm.automation.trigger.execute", {"CODE": "x", "OWNER_TYPE_ID": 2, "OWNER_ID": "{deal}"}, ()),
    ("crm.automation.trigger", {"target": "DEAL_1", "code": "x"}, ()),
    ("crm.timeline.bindings.bind", {"fields": {"OWNER_ID": 1, "ENTITY_ID": "{deal}", "ENTITY_TYPE": "deal"}},
     ("fields",)),
    ("crm.timeline.note.save", {"ownerTypeId": 2, "ownerId": "{deal}", "itemType": 1, "itemId": 1, "text": "x"}, ()),
    ("crm.timeline.icon.add", {"code": "x", "fileContent": "AAAA"}, ()),
    ("crm.deal.userfield.add", {"fields": {"FIELD_NAME": "X", "USER_TYPE_ID": "enumeration", "LIST": [],
      "SETTINGS": {}, "EDIT_FORM_LABEL": "x", "SORT": 1}}, ("fields",)),
    ("task.checklistitem.add", {"TASKID": 1, "FIELDS": {"TITLE": "x", "MEMBERS": {"1": {"TYPE": "A"}}}}, ("FIELDS",)),
    ("task.commentitem.getlist", {"TASKID": 1, "ORDER": {"ID": "asc"}, "FILTER": {"ID": 1}}, ("FILTER", "ORDER")),
    ("tasks.task.history.list", {"taskId": 1, "filter": {"FIELD": "NEW"}, "order": {"id": "asc"}}, ("filter",)),
    ("crm.currency.list", {"order": {"sort": "asc"}}, ("order",)),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "inside"), OPEN)
def test_odd_values_in_any_place_never_break_a_method(
    rest: Rest, ids: dict[str, Any], method: str, params: dict[str, Any], inside: tuple[str, ...]
) -> None:
    known = json.loads(json.dumps(params).replace('"{deal}"', str(ids["{deal}"])))
    tries = [known | {name: odd} for name in known for odd in ODD]
    tries += [
        known | {part: known[part] | {name: odd}} for part in inside for name in known[part] for odd in ODD
    ]
    for sent in tries:
        answer = rest.send(method, sent)
        assert answer.status_code < 500, (sent, answer.text)
