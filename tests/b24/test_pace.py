"""How many commands go into one request: b24/pace."""

from __future__ import annotations

import math

import pytest

from b24.answers import Answer
from b24.pace import Pace, kind_of

ADD, UPDATE = "crm.item.add:128", "crm.item.update:128"


@pytest.mark.parametrize(
    ("kind", "first"),
    [(ADD, 10), ("tasks.task.add", 10), ("crm.timeline.comment.add", 10), (UPDATE, 50)],
)
def test_creates_begin_with_few(kind: str, first: int) -> None:
    assert Pace(60).room(1, kind) == first


def test_quick_creates_grow_to_a_full_request_by_doubling() -> None:
    pace, rooms = Pace(60), list[int]()
    for _ in range(4):
        room = pace.room(1, ADD)
        rooms.append(room)
        pace.answered(1, [(ADD, 0.1)] * room)
    assert rooms == [10, 20, 40, 50]


@pytest.mark.parametrize(
    ("each_s", "cut_s", "room"),
    [(0.4, 60, 50), (1, 60, 20), (2, 60, 10), (30, 60, 1), (1, 6, 2), (0, 60, 50)],
)
def test_a_request_takes_a_third_of_the_cut_off_at_most(each_s: float, cut_s: float, room: int) -> None:
    pace = Pace(cut_s)
    pace.answered(1, [(UPDATE, each_s)] * 50)
    assert pace.room(1, UPDATE) == room


def test_slower_is_believed_at_once_and_faster_by_halves() -> None:
    pace = Pace(60)
    pace.answered(1, [(UPDATE, 0.1)] * 50)
    pace.answered(1, [(UPDATE, 2)] * 50)
    assert pace.room(1, UPDATE) == 10
    pace.answered(1, [(UPDATE, 0)] * 10)
    assert pace.room(1, UPDATE) == 20


def test_without_an_answer_half_as_many_go_next_down_to_one() -> None:
    pace, rooms = Pace(60), list[int]()
    for _ in range(7):
        rooms.append(pace.room(1, UPDATE))
        pace.unanswered(1, [UPDATE] * rooms[-1])
    assert rooms == [50, 25, 12, 6, 3, 1, 1]


def test_a_portal_that_answers_again_gets_full_requests_again() -> None:
    pace = Pace(60)
    pace.unanswered(1, [UPDATE] * 2)
    for _ in range(12):
        pace.answered(1, [(UPDATE, 0.05)] * pace.room(1, UPDATE))
    assert pace.room(1, UPDATE) == 50


def test_single_quick_creates_do_not_shrink_what_is_known_to_go_well() -> None:
    pace = Pace(60)
    pace.answered(1, [(ADD, 0.1)] * 10)
    pace.answered(1, [(ADD, 0.1)])
    assert pace.room(1, ADD) == 20


def test_every_portal_and_every_kind_is_measured_alone() -> None:
    pace = Pace(60)
    pace.answered(1, [(ADD, 10)] * 10)
    assert (pace.room(1, ADD), pace.room(2, ADD), pace.room(1, "crm.item.add:3")) == (2, 10, 10)


def test_commands_are_told_by_method_and_type_of_item() -> None:
    assert kind_of("crm.item.Add", {"entityTypeId": 128, "fields": {}}) == ADD
    assert kind_of("tasks.task.add", {"fields": {}}) == "tasks.task.add"


@pytest.mark.parametrize(
    ("time", "expected"),
    [({"duration": 0.25}, 0.25), ({}, None), ({"duration": "x"}, None), ({"duration": math.inf}, None)],
)
def test_seconds_come_from_the_answer_where_it_says_them(
    time: dict[str, object], expected: float | None
) -> None:
    assert Answer(None, time=time).duration_s == expected
