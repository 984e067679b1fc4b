"""crm.item.list: filters with every prefix, nested logic, order, select, pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import Built, add, email, ids, phone

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"title": "Альфа"}, ["a"]),
    ({"=title": "Альфа"}, ["a"]),
    ({"title": ["Альфа", "Бета"]}, ["a", "b"]),
    ({"@title": ["Альфа", "Бета"]}, ["a", "b"]),
    ({"@title": []}, []),
    ({"!@title": ["Альфа", "Бета"]}, ["c", "d"]),
    ({"!title": "Альфа"}, ["b", "c", "d"]),
    ({"!=title": "Альфа"}, ["b", "c", "d"]),
    ({"%title": "ЕТ"}, ["b"]),
    ({"!%title": "а"}, ["d"]),
    ({"=%title": "Б%"}, ["b"]),
    ({"%=title": "%а"}, ["a", "b", "c"]),
    ({"!=%title": "%а"}, ["d"]),
    ({"!%=title": "%а"}, ["d"]),
    ({"%title": "50%"}, ["d"]),
    ({">COUNT": 2}, ["c", "d"]),
    ({">=COUNT": "2"}, ["b", "c", "d"]),
    ({"<COUNT": 2, ">COUNT": 0}, ["a"]),
    ({"CLOSED": 1}, ["a", "c"]),
    ({"CLOSED": 0}, ["b", "d"]),
    ({"CLOSED": "Y"}, []),
    ({"LINES": "Сети"}, ["a", "b"]),
    ({"@LINES": ["Сети", "Хранение"]}, ["a", "b", "c"]),
    ({"!LINES": "Сети"}, ["c", "d"]),
    ({"LINES": ""}, ["d"]),
    ({"!LINES": ""}, ["a", "b", "c"]),
    ({"NOTE": ""}, ["b", "c", "d"]),
    ({"!=NOTE": ""}, ["a"]),
    ({">=DAY": "2026-02-01", "<DAY": "2026-03-01"}, ["b"]),
    ({">ARRIVED": "2026-01-01T09:59:59+03:00", "<=ARRIVED": "2026-01-01T12:00:00+05:00"}, ["a"]),
    ({"0": {"logic": "OR", "0": {"title": "Альфа"}, "1": {">COUNT": 3}}}, ["a", "d"]),
    ({"logic": "OR", "title": "Альфа", "COUNT": 2}, ["a", "b"]),
    ({"0": {"logic": "OR", "0": {"0": {"COUNT": 1}, "CLOSED": 1}, "1": {"COUNT": 2}}, "!title": "x"}, ["a",
    "b"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(rest: Rest, built: Built) -> dict[int, str]:
    """Four items: id -> letter."""
    sets, store = built.options["Сети"], built.options["Хранение"]
    made = {
        "a": {"title": "Альфа", "COUNT": 1, "CLOSED": "Y", "LINES": [sets, store], "NOTE": "есть",
              "ARRIVED": "2026-01-01T10:00:00+03:00"},
        "b": {"title": "Бета", "COUNT": 2, "LINES": [sets], "DAY": "2026-02-10"},
        "c": {"title": "Гамма", "COUNT": 3, "CLOSED": "Y", "LINES": [store]},
        "d": {"title": "Скидки 50% и омоним", "COUNT": 4},
    }  # fmt: skip
    letters = {}
    for letter, fields in made.items():
        named = {built.uf(key) if key.isupper() else key: value for key, value in fields.items()}
        letters[add(rest, built.participation, **named)["id"]] = letter
    return letters


def named(built: Built, condition: Any) -> Any:
    """Short codes of a case as real names and option ids."""
    if isinstance(condition, dict):
        result = {}
        for key, value in condition.items():
            bare = key.lstrip("@=!<>%")
            code = built.uf(bare) if bare.isupper() else bare
            result[key.removesuffix(bare) + code if bare else key] = named(built, value)
        return result
    if isinstance(condition, list):
        return [named(built, each) for each in condition]
    return built.options.get(condition, condition)


@pytest.mark.parametrize(("condition", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_filter_finds(
    rest: Rest, built: Built, rows: dict[int, str], condition: dict[str, Any], expected: list[str]
) -> None:
    found = ids(rest, built.participation, named(built, condition))
    assert [rows[number] for number in found] == expected


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"filter": {"FIELD": 1}}, "Invalid filter: field 'FIELD' is not allowed in filter"),
        ({"filter": {"createdTime": "вчера"}}, "Invalid filter: field 'createdTime' has invalid value"),
        ({"filter": {"id": {"a": "x"}}}, "Invalid filter: field 'id' has invalid value"),
        ({"order": {"nope": "ASC"}}, "Invalid order: field 'nope' is not allowed in order"),
        ({"order": {"id": "UP"}},
         "Invalid order: allowed sort directions are ASC, DESC. But got 'UP' for field 'id'"),
    ],
)  # fmt: skip
def test_what_cannot_be_filtered_is_refused(
    rest: Rest, built: Built, refused: Any, params: dict[str, Any], text: str
) -> None:
    call = {"entityTypeId": built.participation, **params}
    assert refused(lambda: rest("crm.item.list", call)) == ("INVALID_ARG_VALUE", text)


def test_an_order_sorts(rest: Rest, built: Built, rows: dict[int, str]) -> None:
    found = ids(rest, built.participation, {}, order={built.uf("CLOSED"): "DESC", "id": "DESC"})
    assert [rows[number] for number in found] == ["c", "a", "d", "b"]


def test_a_select_shows_what_was_asked(rest: Rest, built: Built, rows: dict[int, str]) -> None:
    params = {"entityTypeId": built.participation, "select": ["id", built.uf("NOTE"), "nonsense"]}
    items = rest("crm.item.list", params)["items"]
    assert set(items[0]) == {"id", built.uf("NOTE")}
    full = rest("crm.item.list", {"entityTypeId": built.participation})["items"][0]
    assert {"title", "stageId", "contactIds", built.uf("NOTE")} <= set(full)


def test_communications_come_only_with_everything(rest: Rest) -> None:
    add(rest, 3, name="Ольга", fm=[phone("+77010001122"), email("o@x.example")])
    assert rest("crm.item.list", {"entityTypeId": 3, "select": ["*"]})["items"][-1]["fm"]
    assert "fm" not in rest("crm.item.list", {"entityTypeId": 3, "select": ["id", "fm"]})["items"][-1]
    assert set(rest("crm.item.list", {"entityTypeId": 3, "select": ["id", "phone"]})["items"][-1]) == {
        "id",
        "phone",
    }


def test_pages_are_of_fifty(rest: Rest, built: Built) -> None:
    commands = {f"c{n}": f"crm.item.add?entityTypeId=1&fields[title]=L{n}" for n in range(50)}
    rest.batch(commands)
    rest.batch({"more": "crm.item.add?entityTypeId=1&fields[title]=L50"})
    first = rest.answer("crm.item.list", {"entityTypeId": 1, "select": ["id"]})
    assert (len(first["result"]["items"]), first["total"], first["next"]) == (50, 51, 50)
    last = rest.answer("crm.item.list", {"entityTypeId": 1, "select": ["id"], "start": 50})
    assert (len(last["result"]["items"]), last["total"]) == (1, 51)
    assert "next" not in last
    uncounted = rest.answer("crm.item.list", {"entityTypeId": 1, "start": -1, "order": {"id": "ASC"}})
    assert (len(uncounted["result"]["items"]), uncounted["total"]) == (50, 0)
    assert "next" not in uncounted


def test_hostile_filters_end_in_an_answer(rest: Rest, built: Built) -> None:
    deep: dict[str, Any] = {"id": 1}
    for _ in range(40):
        deep = {"0": deep}
    for filter_ in (deep, {"%title": ["a", {"b": 1}]}, {"id": 10**30}, {"title": "\ud800"}, {"id": {"0":
    [1]}},
                    {"!@LINES": 5}, "text", [1, 2], {"": 1}, {"logic": "OR"}):  # fmt: skip
        response = rest.send("crm.item.list", {"entityTypeId": built.participation, "filter": filter_})
        assert response.status_code in (200, 400), filter_


def test_a_row_without_any_selected_name_is_an_empty_list(rest: Rest, built: Built) -> None:
    """Camel-case names while original ones are asked for select nothing (recorded on a real portal)."""
    add(rest, built.event)
    params = {"entityTypeId": built.event, "select": ["ufCrm7Note"], "useOriginalUfNames": "Y"}
    assert rest("crm.item.list", params)["items"][0] == []
