"""crm.timeline.bindings.*, note.*, item.pin, icon.*, logo.*, layout.blocks.*: crm/timeline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import add


@pytest.fixture(scope="module")
def deal(rest: Rest) -> int:
    return int(add(rest, 2, title="Сделка")["id"])


def comment(rest: Rest, deal: int, words: str = "Слова") -> int:
    fields = {"ENTITY_ID": deal, "ENTITY_TYPE": "deal", "COMMENT": words}
    return int(rest("crm.timeline.comment.add", {"fields": fields}))


def test_an_update_of_a_comment_answers_with_its_id(rest: Rest, refused: Any, deal: int) -> None:
    number = comment(rest, deal)
    assert rest("crm.timeline.comment.update", {"id": number, "fields": {"COMMENT": "Иначе"}}) == number
    empty = {"id": number, "fields": {"COMMENT": " "}}
    assert refused(lambda: rest("crm.timeline.comment.update", empty)) == (
        "INVALID_ARG_VALUE",
        "Empty comment",
    )
    assert rest("crm.timeline.comment.fields")["FILES"]["type"] == "attached_diskfile"


def test_an_entry_may_stand_in_several_timelines(rest: Rest, refused: Any, deal: int) -> None:
    company = add(rest, 4, title="ТОО")["id"]
    number = comment(rest, deal, "Общее")
    bond = {"fields": {"OWNER_ID": number, "ENTITY_ID": company, "ENTITY_TYPE": "company"}}
    assert rest("crm.timeline.bindings.bind", bond) is True
    listed = rest.answer("crm.timeline.bindings.list", {"filter": {"OWNER_ID": number}})
    assert listed["total"] == 2
    assert {"OWNER_ID": str(number), "ENTITY_ID": str(company), "ENTITY_TYPE": "company"} in listed["result"]
    there = {"filter": {"ENTITY_ID": company, "ENTITY_TYPE": "company"}}
    assert [each["COMMENT"] for each in rest("crm.timeline.comment.list", there)] == ["Общее"]
    assert rest("crm.timeline.bindings.unbind", bond) is True
    assert refused(lambda: rest("crm.timeline.bindings.unbind", bond)) == ("", "Not found.")
    assert rest("crm.timeline.comment.list", there) == []
    assert set(rest("crm.timeline.bindings.fields")) == {"OWNER_ID", "ENTITY_ID", "ENTITY_TYPE"}


def test_a_shared_comment_leaves_one_timeline_at_a_time(rest: Rest, refused: Any, deal: int) -> None:
    company = add(rest, 4, title="ТОО")["id"]
    number = comment(rest, deal, "Общее")
    rest("crm.timeline.bindings.bind", {
        "fields": {"OWNER_ID": number, "ENTITY_ID": company, "ENTITY_TYPE": "company"}})  # fmt: skip
    assert refused(lambda: rest("crm.timeline.comment.delete", {"id": number}))[0] == "MULTIPLE_BINDINGS"
    foreign = {"id": number, "ownerTypeId": 4, "ownerId": 99999}
    assert refused(lambda: rest("crm.timeline.comment.delete", foreign))[0] == "OWNER_NOT_FOUND"
    assert rest("crm.timeline.comment.delete", {"id": number, "ownerTypeId": 2, "ownerId": deal}) is True
    assert rest("crm.timeline.comment.get", {"id": number})["ENTITY_TYPE"] == "company"
    assert rest("crm.timeline.comment.delete", {"id": number}) is True
    assert refused(lambda: rest("crm.timeline.comment.delete", {"id": number})) == ("NOT_FOUND", "Not found.")


def test_an_entry_has_one_note(rest: Rest, refused: Any, deal: int) -> None:
    place = {"ownerTypeId": 2, "ownerId": deal, "itemType": 1, "itemId": comment(rest, deal)}
    assert refused(lambda: rest("crm.timeline.note.get", place))[0] == "NOT_FOUND"
    assert rest("crm.timeline.note.save", place | {"text": "Перезвонить"}) is True
    assert rest("crm.timeline.note.save", place | {"text": "Уже звонили"}) is True
    note = rest("crm.timeline.note.get", place)
    assert (note["text"], note["createdById"]) == ("Уже звонили", 1)
    assert set(note) == {"text", "createdById", "createdTime", "updatedById", "updatedTime"}
    assert rest("crm.timeline.note.delete", place) is True
    assert refused(lambda: rest("crm.timeline.note.delete", place))[0] == "NOT_FOUND"


def test_three_entries_can_be_pinned(rest: Rest, refused: Any, deal: int) -> None:
    places = [{"id": comment(rest, deal), "ownerTypeId": 2, "ownerId": deal} for _ in range(4)]
    for place in places[:3]:
        assert rest("crm.timeline.item.pin", place) is None
    assert refused(lambda: rest("crm.timeline.item.pin", places[3]))[0] == "0"
    assert rest("crm.timeline.item.unpin", places[0]) is None
    assert rest("crm.timeline.item.pin", places[3]) is None


@pytest.mark.parametrize("kind", ["icon", "logo"])
def test_pictures_may_be_added_and_removed(rest: Rest, refused: Any, kind: str) -> None:
    before = rest(f"crm.timeline.{kind}.list")[f"{kind}s"]
    assert {"code": "call", "isSystem": True, "fileUri": ""} in before
    made = rest(f"crm.timeline.{kind}.add", {"code": "badge", "fileContent": "iVBORw0KGgo="})[kind]
    assert (made["code"], made["isSystem"]) == ("badge", False)
    assert made["fileUri"].startswith("/upload/crm/")
    assert rest(f"crm.timeline.{kind}.get", {"code": "badge"}) == {kind: made}
    assert rest(f"crm.timeline.{kind}.delete", {"code": "badge"}) is True
    assert refused(lambda: rest(f"crm.timeline.{kind}.get", {"code": "badge"}))[0] == "NOT_FOUND"
    wrong = {"code": "x", "fileContent": "!"}
    assert refused(lambda: rest(f"crm.timeline.{kind}.add", wrong))[0] == "INVALID_ARG_VALUE"


def test_an_application_adds_blocks_to_an_entry(rest: Rest, refused: Any, deal: int) -> None:
    place = {"entityTypeId": 2, "entityId": deal, "timelineId": comment(rest, deal)}
    layout = {"blocks": {"block_1": {"type": "text", "properties": {"value": "Здравствуйте!"}}}}
    assert rest("crm.timeline.layout.blocks.set", place | {"layout": layout}) == {"success": True}
    assert rest("crm.timeline.layout.blocks.get", place) == {"layout": layout}
    assert rest("crm.timeline.layout.blocks.delete", place) == {"success": True}
    assert rest("crm.timeline.layout.blocks.get", place) == {"layout": None}
    wrong = place | {"layout": {"x": 1}}
    assert refused(lambda: rest("crm.timeline.layout.blocks.set", wrong))[0] == "FIELD_IS_REQUIRED"
    hooked = rest.hook("crm.timeline.layout.blocks.get", place).json()
    assert hooked["error"] == "ERROR_WRONG_CONTEXT"
