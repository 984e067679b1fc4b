"""Who gets a deal or a task."""

from __future__ import annotations

from typing import Any

import pytest

from smart_process.owners import owner

STAFF: dict[int, dict[str, Any]] = {
    1: {"active": True, "head_id": 2},
    2: {"active": True, "head_id": None},
    3: {"active": False, "head_id": 2},
    4: {"active": False, "head_id": 5},
    5: {"active": False, "head_id": 2},
    6: {"active": False, "head_id": 6},
    7: {"active": False, "head_id": 8},
    8: {"active": False, "head_id": 7},
    9: {"active": True, "head_id": None},
    10: {"active": True, "head_id": None},
}


@pytest.mark.parametrize(
    ("responsible", "fallback", "event_responsible", "expected"),
    [
        (1, 9, 10, 1),
        (3, 9, 10, 2),
        (4, 9, 10, 2),
        (6, 9, 10, 9),
        (7, 9, 10, 9),
        (None, 9, 10, 9),
        (404, 9, 10, 9),
        (None, None, 10, 10),
        (None, 3, 10, 10),
        (None, None, None, 77),
        (3, None, None, 2),
        (6, None, 3, 77),
    ],
    ids=[
        "active responsible",
        "dismissed: head of the department",
        "head dismissed too: the one above",
        "own head",
        "heads of each other",
        "company without responsible",
        "somebody unknown",
        "no fallback: the event's responsible",
        "fallback dismissed",
        "nobody left: the installer",
        "head before anybody else",
        "event's responsible dismissed",
    ],
)
def test_the_owner_is_the_nearest_who_works_here(
    responsible: int | None, fallback: int | None, event_responsible: int | None, expected: int
) -> None:
    assert expected == owner(
        responsible, STAFF, fallback_id=fallback, event_responsible_id=event_responsible, installer_id=77
    )


def test_while_nobody_was_read_the_responsible_counts_as_active() -> None:
    assert owner(404, {}, fallback_id=9, event_responsible_id=None, installer_id=77) == 404
