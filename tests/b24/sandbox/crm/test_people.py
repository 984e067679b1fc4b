"""Finding and merging cards: crm.duplicate.findbycomm, crm.entity.mergeBatch, the recycle bin."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, email, get, ids, phone, update


def find(rest: Rest, kind: str, *values: str, **more: Any) -> Any:
    return rest("crm.duplicate.findbycomm", {"type": kind, "values": list(values), **more})


def merge(rest: Rest, entity_type_id: int, *numbers: int) -> Any:
    return rest(
        "crm.entity.mergeBatch", {"params": {"entityTypeId": entity_type_id, "entityIds": list(numbers)}}
    )


def test_cards_are_found_by_type_and_nothing_is_an_empty_list(rest: Rest) -> None:
    contact = add(rest, 3, name="Иван", fm=[phone("+7 (701) 111-22-33"), email("Ivan@X.example")])
    company = add(rest, 4, title="ТОО", fm=[phone("87011112233")])
    assert find(rest, "PHONE", "+77011112233") == {"CONTACT": [contact["id"]], "COMPANY": [company["id"]]}
    assert find(rest, "EMAIL", "ivan@x.example", entity_type="CONTACT") == {"CONTACT": [contact["id"]]}
    assert find(rest, "PHONE", "+77011112234") == []
    assert find(rest, "PHONE", "1112233") == [], "whole numbers only"
    assert find(rest, "PHONE", "+7 701 111 22 33 доб. 12", entity_type="COMPANY") == {
        "COMPANY": [company["id"]]
    }


def test_twenty_hits_hide_the_types_after_them(rest: Rest) -> None:
    row = "fields[fm][0][typeId]=PHONE&fields[fm][0][value]=%2B77770000001"
    commands = {f"c{n}": f"crm.item.add?entityTypeId=3&fields[name]=N&{row}" for n in range(20)}
    rest.batch(commands)
    add(rest, 4, title="Скрытая", fm=[phone("+77770000001")])
    found = find(rest, "PHONE", "+77770000001")
    assert set(found) == {"CONTACT"}
    assert len(found["CONTACT"]) == 20
    assert set(find(rest, "PHONE", "+77770000001", entity_type="COMPANY")) == {"COMPANY"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "Communication type is not defined"),
        ({"type": "FAX", "values": ["1"]}, "Communication type 'FAX' is not supported in current context"),
        ({"type": "PHONE"}, "Communication values is not defined"),
    ],
)
def test_a_search_without_its_terms_is_refused(
    rest: Rest, refused: Any, params: dict[str, Any], code: str
) -> None:
    assert refused(lambda: rest("crm.duplicate.findbycomm", params))[0] == code


def test_the_first_card_survives_and_takes_what_it_lacks(rest: Rest, built: Built) -> None:
    company = add(rest, 4, title="ТОО «Слияние»")["id"]
    first = add(rest, 3, name="Иван", lastName="Петров", fm=[phone("+77012220001")])
    second = add(rest, 3, name="Иван", post="Директор", companyId=company,
                 fm=[phone("8 701 222 00 01"), email("p@x.example")])  # fmt: skip
    item = add(rest, built.participation, contactId=second["id"])
    task = rest("tasks.task.add", {
        "fields": {"TITLE": "Т", "RESPONSIBLE_ID": 1, "UF_CRM_TASK": [f"C_{second['id']}"]}
    })["task"]  # fmt: skip
    assert merge(rest, 3, first["id"], second["id"]) == {"STATUS": "SUCCESS", "ENTITY_IDS": [second["id"]]}
    merged = get(rest, 3, first["id"])
    assert (merged["lastName"], merged["post"], merged["companyIds"]) == ("Петров", "Директор", [company])
    assert [each["value"] for each in merged["fm"]] == ["+77012220001", "p@x.example"]
    assert get(rest, built.participation, item["id"])["contactIds"] == [first["id"]]
    params = {"taskId": task["id"], "select": ["UF_CRM_TASK"]}
    assert rest("tasks.task.get", params)["task"]["ufCrmTask"] == [f"C_{first['id']}"]
    assert ids(rest, 3, {"id": second["id"]}) == []


def test_contradicting_values_are_a_conflict_and_change_nothing(rest: Rest) -> None:
    first, second = (add(rest, 3, name="Иван", post=post)["id"] for post in ("Директор", "Инженер"))
    assert merge(rest, 3, first, second) == {"STATUS": "CONFLICT", "ENTITY_IDS": []}
    assert get(rest, 3, second)["post"] == "Инженер"


def test_items_of_a_smart_process_merge_with_their_children(rest: Rest, built: Built) -> None:
    events = [add(rest, built.event)["id"] for _ in range(2)]
    child = add(rest, built.participation, **{f"parentId{built.event}": events[1]})
    flag, lines = built.uf("CLOSED"), built.uf("LINES")
    sets, storage = built.options.values()
    one = add(rest, built.participation, xmlId="a", **{flag: "N", lines: [sets]})["id"]
    two = add(rest, built.participation, xmlId="b", **{flag: "Y", lines: [storage]})["id"]
    assert merge(rest, built.participation, one, two)["STATUS"] == "SUCCESS"
    merged = get(rest, built.participation, one)
    assert (merged[flag], merged[lines], merged["xmlId"]) == ("Y", [sets, storage], "a")
    assert merge(rest, built.event, *events)["STATUS"] == "SUCCESS"
    assert get(rest, built.participation, child["id"])[f"parentId{built.event}"] == events[0]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "The parameter entityTypeId is required."),
        ({"entityTypeId": 3}, "The parameter entityIds does not contains valid elements."),
        (
            {"entityTypeId": 3, "entityIds": [1]},
            "The parameter entityIds must contains at least two elements.",
        ),
        ({"entityTypeId": 3, "entityIds": [99998, 99999]}, "Owner was not found"),
        ({"entityTypeId": 14, "entityIds": [1, 2]}, "Entity type ORDER is not supported"),
    ],
)
def test_a_merge_without_its_terms_is_refused(
    rest: Rest, refused: Any, params: dict[str, Any], text: str
) -> None:
    assert refused(lambda: rest("crm.entity.mergeBatch", {"params": params})) == (0, text)


def test_a_restored_item_has_a_new_id_and_its_old_bonds(rest: Rest, built: Built) -> None:
    event = add(rest, built.event)
    contact = add(rest, 3, name="Нина")
    item = add(
        rest, built.participation, xmlId="restored", contactId=contact["id"],
        **{f"parentId{built.event}": event["id"], built.uf("NOTE"): "помню"},
    )  # fmt: skip
    stage = f"DT{built.participation}_{built.participation_funnel}:CLIENT"
    update(rest, built.participation, item["id"], stageId=stage)
    rest("crm.item.delete", {"entityTypeId": built.participation, "id": item["id"]})
    kept = rest.control("recycle", method="GET")[0]
    assert (kept["item_id"], kept["fields"]["XML_ID"]) == (item["id"], "restored")
    back = rest.control(f"recycle/{kept['id']}/restore")
    assert back["item_id"] != item["id"]
    fresh = get(rest, built.participation, back["item_id"])
    assert (fresh["xmlId"], fresh["contactIds"], fresh[built.uf("NOTE")]) == (
        "restored",
        [contact["id"]],
        "помню",
    )
    assert fresh[f"parentId{built.event}"] == event["id"]
    assert fresh["stageId"] == stage


def test_a_type_without_a_recycle_bin_keeps_nothing(rest: Rest, built: Built) -> None:
    event = add(rest, built.event)
    rest("crm.item.delete", {"entityTypeId": built.event, "id": event["id"]})
    kept = {(each["entity_type_id"], each["item_id"]) for each in rest.control("recycle", method="GET")}
    assert (built.event, event["id"]) not in kept
