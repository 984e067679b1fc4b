"""What the pages say about missing and wrong parameters, method by method."""

from __future__ import annotations

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
