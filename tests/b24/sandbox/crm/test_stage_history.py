"""Moves between stages: what an item remembers and crm.stagehistory.list."""

from __future__ import annotations

from typing import Any

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, update


def moves(rest: Rest, entity_type_id: int, item_id: int) -> list[tuple[str, str, str]]:
    params = {"entityTypeId": entity_type_id, "filter": {"OWNER_ID": item_id}, "order": {"ID": "ASC"}}
    rows = rest("crm.stagehistory.list", params)["items"]
    return [(each["TYPE_ID"], each["STAGE_ID"].split(":")[-1], each["STAGE_SEMANTIC_ID"]) for each in rows]


def test_every_move_is_one_row(rest: Rest, built: Built) -> None:
    prefix = f"DT{built.event}_{built.event_funnel}:"
    item = add(rest, built.event)
    for code in ("CLIENT", "CLIENT", "SUCCESS", "NEW", "FAIL"):
        item = update(rest, built.event, item["id"], stageId=prefix + code)
    assert moves(rest, built.event, item["id"]) == [
        ("1", "NEW", "P"),
        ("2", "CLIENT", "P"),
        ("3", "SUCCESS", "S"),
        ("2", "NEW", "P"),
        ("3", "FAIL", "F"),
    ]
    assert item["previousStageId"] == f"{prefix}NEW"


def test_an_item_remembers_who_moved_it_and_when(rest: Rest, built: Built) -> None:
    item = add(rest, built.event)
    rest.control("clock", {"advance_s": 60})
    update(rest, built.event, item["id"], title="Только название")
    moved = update(rest, built.event, item["id"], stageId=f"DT{built.event}_{built.event_funnel}:CLIENT")
    assert moved["movedTime"] > item["movedTime"]
    rest.control("clock", {"advance_s": 60})
    later = update(rest, built.event, item["id"], title="Опять")
    assert (later["movedTime"], later["movedBy"]) == (moved["movedTime"], 1)
    assert later["updatedTime"] > moved["movedTime"]


def test_another_funnel_is_a_row_of_its_own_kind(rest: Rest) -> None:
    number = rest("crm.category.add", {"entityTypeId": 2, "fields": {"name": "Вторая"}})["category"]["id"]
    deal = add(rest, 2)
    moved = update(rest, 2, deal["id"], categoryId=number, stageId=f"C{number}:EXECUTING")
    assert (moved["categoryId"], moved["stageSemanticId"]) == (number, "P")
    assert moves(rest, 2, deal["id"]) == [("1", "NEW", "P"), ("5", "EXECUTING", "P")]
    back = update(rest, 2, deal["id"], categoryId=0)
    assert back["stageId"] == "NEW", "without a stage the first one of the funnel"


def test_rows_are_strings_and_pages(rest: Rest) -> None:
    deal = add(rest, 2)
    for _ in range(30):
        update(rest, 2, deal["id"], stageId="PREPARATION")
        update(rest, 2, deal["id"], stageId="NEW")
    params = {"entityTypeId": 2, "filter": {"OWNER_ID": deal["id"]}}
    answer = rest.answer("crm.stagehistory.list", params)
    row = answer["result"]["items"][0]
    assert {key: type(value) for key, value in row.items()} == dict.fromkeys(
        ("ID", "TYPE_ID", "OWNER_ID", "CREATED_TIME", "CATEGORY_ID", "STAGE_SEMANTIC_ID", "STAGE_ID"), str
    )
    assert (answer["total"], answer["next"]) == (61, 50)
    after = rest.answer(
        "crm.stagehistory.list", {**params, "filter": {">ID": row["ID"], "OWNER_ID": deal["id"]}}
    )
    assert after["total"] == 60
    few = rest("crm.stagehistory.list", {**params, "select": ["ID", "STAGE_ID"]})["items"][0]
    assert set(few) == {"ID", "STAGE_ID"}


def test_leads_call_their_stages_statuses(rest: Rest) -> None:
    lead = add(rest, 1)
    row = rest("crm.stagehistory.list", {"entityTypeId": 1, "filter": {"OWNER_ID": lead["id"]}})["items"][0]
    assert (row["STATUS_ID"], row["STATUS_SEMANTIC_ID"]) == ("NEW", "P")


def test_a_won_deal_is_closed_today(rest: Rest) -> None:
    deal = add(rest, 2)
    won = update(rest, 2, deal["id"], stageId="WON")
    assert (won["closed"], won["stageSemanticId"]) == ("Y", "S")
    assert won["closedate"] == won["begindate"] < deal["closedate"]


def test_contacts_have_no_history(rest: Rest, refused: Any) -> None:
    code = refused(lambda: rest("crm.stagehistory.list", {"entityTypeId": 3}))[0]
    assert code == "ENTITY_TYPE_NOT_SUPPORTED"
    params = {"entityTypeId": 2, "filter": {"WHO": 1}}
    assert refused(lambda: rest("crm.stagehistory.list", params))[0] == "INVALID_ARG_VALUE"
