"""The drain against the portal's limit, and what a storm of doubled events costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import requests

from smart_process.store.journal import PUSH
from smart_process.sync.drain import drain
from tests.bench.figures import Figure
from tests.bench.world import NO_LIMIT, PORTAL_ID, RATE, SIZE, World

OBJECTS = 40


def drains(made: World, changes: int, *, slow_s: float) -> list[Figure]:
    """So many participations arrive after a burst of ours: how long until the portal shows it.

    Args:
        slow_s: seconds the portal takes for every batch; 0: it answers at once.
    """
    ids = made.add_guests(changes)
    made.settle()
    made.limits(SIZE, RATE)
    made.arrive(ids)
    if slow_s:
        made.rest.control("faults", {"slow": 1, "slow_s": slow_s, "methods": ["crm.item.update"]})
    made.sandbox.log.recent.clear()
    made.fill_buckets()
    with _timed(made) as answers, ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        # A drain goes on after the last card is written: it reads what its own writing set off.
        written = pool.submit(_when_written, made)
        while not written.done():
            if not drain(made.app.service, PORTAL_ID):
                time.sleep(0.05)
        took = written.result() - began
    refused = sum(one["status"] == 503 for one in made.calls())
    made.rest.control("faults", method="DELETE")
    made.limits(*NO_LIMIT)
    _proved(made, changes)
    allowed = 1.1 * math.ceil(changes / 50) / RATE + max(answers)
    what = f"drain of {changes} changes, " + (f"{slow_s:g} s a batch" if slow_s else "answered at once")
    note = f"{took:.1f} s, allowed {allowed:.1f} s; the slowest answer {max(answers):.2f} s"
    return [
        Figure(f"{what}: against the limit", took / allowed, "×", at_most=1, note=note),
        Figure(f"{what}: 503 caused by us", refused, "", at_most=0),
    ]


def _when_written(made: World) -> float:
    while made.waiting(PUSH):
        time.sleep(0.02)
    return time.monotonic()


@contextmanager
def _timed(made: World) -> Iterator[list[float]]:
    """How long the portal took for each request."""
    transport, answers = made.app.service.portals.transport, list[float]()
    post = transport.post

    def timed(*given: Any, **more: Any) -> Any:
        began = time.monotonic()
        try:
            return post(*given, **more)
        finally:
            answers.append(time.monotonic() - began)

    transport.post = timed  # type: ignore[method-assign]
    try:
        yield answers
    finally:
        transport.post = post  # type: ignore[method-assign]


def _proved(made: World, changes: int) -> None:
    """The last of the cards shows the arrival: what was measured was done."""
    kind = made.binding.participation
    (last,) = made.rest(
        "crm.item.list",
        {
            "entityTypeId": kind.entity_type_id,
            "order": {"id": "DESC"},
            "select": ["id", "stageId"],
            "start": 0,
        },
    )["items"][:1]
    assert last["stageId"] == kind.stages["arrived"], (changes, last)


def doubled_events(made: World, events: int) -> Figure:
    """Events about forty cards, every one of them twice, arrive over the network: requests until all is read."""
    made.add_guests(OBJECTS)
    made.settle()
    eti = made.binding.participation.entity_type_id
    newest = made.rest("crm.item.list", {"entityTypeId": eti, "order": {"id": "DESC"}, "select": ["id"]})[
        "items"
    ]
    ids = [one["id"] for one in newest[:OBJECTS]]
    (mine,) = [one for one in made.rest.control("apps", method="GET") if one["id"] == made.told["id"]]
    made.sandbox.log.recent.clear()
    with requests.Session() as http:
        for number in range(events):
            told = {
                "event": f"ONCRMDYNAMICITEMUPDATE_{eti}",
                "data[FIELDS][ID]": ids[number % OBJECTS],
                "data[FIELDS][ENTITY_TYPE_ID]": eti,
                "auth[member_id]": mine["member_id"],
                "auth[application_token]": mine["application_token"],
            }
            for _ in range(2):
                reply = http.post(
                    f"{made.config['public_url']}/b24/events",
                    data=urlencode(told),
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    timeout=30,
                )
                assert reply.status_code == 200, reply.text
            if number % 25 == 0:
                # The worker is woken by the first, and looks again every second.
                drain(made.app.service, PORTAL_ID)
    made.settle()
    calls = len(made.calls())
    return Figure(f"{events} doubled events about {OBJECTS} cards: requests", calls, "", at_most=3)
