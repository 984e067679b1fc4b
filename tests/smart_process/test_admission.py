"""The one decision at the door, from the cases the phone's twin is held to as well (tests/e2e/test_offline.py)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from smart_process import door_words
from smart_process.admission import (
    Direction,
    Effect,
    Gate,
    GateKind,
    Passing,
    Place,
    Ticket,
    Verdict,
    after,
    decide,
    gate_json,
    gates_of,
)
from smart_process.facts import Passage

FILE = Path(__file__).parents[1] / "admission_cases.json"
GIVEN = json.loads(FILE.read_text())
DEFAULTS = GIVEN["defaults"]


def place_of(told: dict[str, Any]) -> Place:
    told = DEFAULTS["place"] | told
    return Place(
        told["event"],
        tuple(told["gates"]),
        gates_of(told["defined"]),
        called_off=told["called_off"],
        revoked=told["revoked"],
    )


def ticket_of(told: dict[str, Any] | None) -> Ticket | None:
    if told is None:
        return None
    told = DEFAULTS["ticket"] | told
    return Ticket(
        told["event"],
        told["cancelled"],
        datetime.fromisoformat(told["arrived_at"]) if told["arrived_at"] else None,
        {area: Passage.from_json(one) for area, one in told["passages"].items()},
        frozenset(told["flags"]),
    )


@pytest.mark.parametrize("case", GIVEN["cases"], ids=[case["name"] for case in GIVEN["cases"]])
def test_the_decision_follows_from_device_ticket_gate_direction_and_time(case: dict[str, Any]) -> None:
    place, ticket = place_of(case.get("place", {})), ticket_of(case.get("ticket", {}))
    zone = door_words.zone_of(case.get("zone", DEFAULTS["zone"]))
    for told in case["scans"]:
        told = DEFAULTS["scan"] | told
        at = datetime.fromisoformat(told["at"])
        passing = Passing(told["gate"], at, Direction(told["direction"]), told["shown"], told["late"])
        decision = decide(place, ticket, passing)
        first = datetime.fromisoformat(told["first"]) if told["first"] else None
        assert (decision.verdict, decision.first_admitted_at) == (told["verdict"], first)
        assert [one.value for one in decision.effects] == told["effects"]
        assert (decision.overruled or "") == told.get("overruled", "")
        if "told" in told:
            assert door_words.local_time(decision.first_admitted_at, zone, at) == told["told"]
        if ticket:
            ticket = after(place, ticket, passing, decision)


def test_every_verdict_effect_kind_and_direction_has_its_case() -> None:
    scans = [DEFAULTS["scan"] | scan for case in GIVEN["cases"] for scan in case["scans"]]
    assert {scan["verdict"] for scan in scans} == set(Verdict)
    assert {effect for scan in scans for effect in scan["effects"]} == set(Effect)
    assert {scan["direction"] for scan in scans} == set(Direction)
    defined = gates_of(DEFAULTS["place"]["defined"])
    assert {defined[scan["gate"]].kind for scan in scans if scan["gate"] in defined} == set(GateKind)


def test_a_gate_is_stored_as_phones_get_it() -> None:
    hall = Gate("Зал А", GateKind.SESSION, "closed_session", reentry=True)
    assert gates_of([gate_json(hall)]) == {"Зал А": hall}
