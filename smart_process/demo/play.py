"""``demo --play``: the whole day without a person, through the doors people use, then portal and journal compared."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smart_process.demo import conference
from smart_process.demo.cast import Cast
from smart_process.demo.day import Day
from smart_process.demo.edits import Edits
from smart_process.demo.portal import PortalFailed
from smart_process.demo.reading_back import Journal, called_twice, differences
from smart_process.facts import Stage
from smart_process.store import demo as store
from smart_process.store import funnel
from smart_process.store.sync import Row

if TYPE_CHECKING:
    from smart_process.demo.command import Demo

QUIET_S = 300.0


def play(
    demo: Demo,
    *,
    guests: int,
    seed: int,
    with_edits: bool,
    as_json: bool,
    log: Path,
    stopping: threading.Event,
) -> int:
    """Play the day, read everything back, print the result.

    Args:
        with_edits: colleagues work in the CRM meanwhile.

    Returns:
        0 when portal and journal agree person by person, nothing a colleague typed was overwritten and nobody is
        called twice; 1 when not, with everything that is wrong on standard error.
    """
    began = time.monotonic()
    calls_before = count_calls(log, demo.kept.client_id)
    cast = Cast(seed, guests, conference.LINES)
    edits = Edits(demo, cast) if with_edits else None
    day = Day(demo, cast, stopping, edits)
    try:
        day.play()
        settle(demo, stopping)
        journal = read_journal(demo)
        demo.say("Сверка портала с журналом…")
        where = conference.rest_of(demo), conference.binding(demo), demo.kept.event_item_id, journal
        found, twice = differences(*where), called_twice(*where)
        overwritten = edits.overwritten() if edits else []
    finally:
        day.close()
        if edits:
            edits.close()
    calls = count_calls(log, demo.kept.client_id)
    result = {
        "guests": guests,
        "seed": seed,
        "funnel": funnel_of(demo),
        "stages": by_stage(journal.participations),
        "deals": by_priority(journal.outcomes, "deal"),
        "tasks": by_priority(journal.outcomes, "task"),
        "mails": day.mailbox.count(),
        "refused": dict(sorted(day.refused.items())),
        "scans": dict(sorted(day.verdicts.items())),
        "undecided": sum(row["match"] == "undecided" for row in journal.participations),
        "rest": {name: calls[name] - calls_before[name] for name in calls},
        "differences": len(found),
        "called_twice": len(twice),
        **(edited(edits, overwritten) if edits else {}),
        "duration_s": round(time.monotonic() - began, 1),
    }
    for text in (*found, *twice, *overwritten):
        sys.stderr.write(f"! {text}\n")
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=None if as_json else 1) + "\n")
    sys.stdout.flush()
    return 1 if found or twice or overwritten else 0


def edited(edits: Edits, overwritten: list[str]) -> dict[str, Any]:
    """What colleagues did, how much of it they typed, and how much of that does not stand any more."""
    made = dict(sorted(edits.made.items()))
    return {"edits": made, "typed": len(edits.typed), "overwritten": len(overwritten)}


def settle(demo: Demo, stopping: threading.Event) -> None:
    """Wait until nothing waits: no event in the portal's queue, no mark of ours.

    Raises:
        PortalFailed: something does not come to rest.
    """
    service = conference.service_of(demo)
    until = time.monotonic() + QUIET_S
    calm = 0
    shown = ""
    while time.monotonic() < until and not stopping.is_set():
        with service.store.reading() as tx:
            waiting = store.waiting_kinds(tx, conference.PORTAL_ID)
        pending = int(demo.portal.control("events")["pending"])
        calm = calm + 1 if not waiting and not pending else 0
        if calm >= 3:
            return
        text = ", ".join(f"{kind} {number}" for kind, number in sorted(waiting.items()))
        if text and text != shown and not calm:
            shown = text
            demo.say(f"  ждут: {text}" + (f", событий портала {pending}" if pending else ""))
        stopping.wait(0.3 if calm else 1.0)
    if stopping.is_set():
        raise PortalFailed("stopped before the end; start it again to go on")
    raise PortalFailed(f"still waiting after {QUIET_S:.0f} s: {waiting}")


def read_journal(demo: Demo) -> Journal:
    """The app's side of the event."""
    service = conference.service_of(demo)
    eti = conference.binding(demo).participation.entity_type_id
    event_id = conference.event(demo)["id"]
    with service.store.reading() as tx:
        return Journal(
            store.living_participations(tx, event_id),
            store.outcomes(tx, event_id, eti),
            store.held(tx, conference.PORTAL_ID),
        )


def by_stage(rows: Any) -> dict[str, int]:
    """People per stage now, in the order of the funnel."""
    counted = Counter(row["stage"] for row in rows)
    return {stage.value: counted[stage.value] for stage in Stage if counted[stage.value]}


def funnel_of(demo: Demo) -> dict[str, dict[str, int]]:
    """People per step of the funnel: who ever reached it, who stands there now, who came beside it."""
    event_id = conference.event(demo)["id"]
    with conference.service_of(demo).store.reading() as tx:
        steps = funnel.of_event(tx, event_id).steps
    return {
        step.stage.value: {"reached": step.reached, "now": step.now, "beside": step.beside} for step in steps
    }


def by_priority(rows: Any, kind: str) -> dict[str, int]:
    """Live outcomes of a kind by priority."""
    live: list[Row] = [row for row in rows if row["kind"] == kind and row["state"] == "live"]
    return {name: sum(row["priority"] == name for row in live) for name in ("high", "medium", "low")}


def count_calls(log: Path, client_id: str) -> dict[str, int]:
    """The app's REST calls in the portal's log: requests, batches among them, commands in those."""
    counted = {"requests": 0, "batches": 0, "commands": 0, "refused": 0}
    if not log.exists():
        return counted
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            if str(call["auth"]).find(client_id) < 0:
                continue
            counted["requests"] += 1
            counted["refused"] += call["status"] >= 400
            if call["method"].lower() == "batch":
                counted["batches"] += 1
                counted["commands"] += len((call["params"] or {}).get("cmd") or ())
    return counted
