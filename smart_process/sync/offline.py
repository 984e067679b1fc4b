"""Completeness: the portal keeps what changed in a queue of its own until we say that it is in our table.

Online events are sent once and may be lost; the offline queue holds the last change of every object as long as nobody
takes it. It is read with every sweep, only marks, and forgets a record only after the mark is committed:

* where the plan has the mode with confirmation, records are reserved (``clear=0``) and cleared by their ``process_id``;
  what a killed process or a lost answer left reserved is found by the list and cleared the same way;
* elsewhere the list is read, which changes nothing, and what it showed is then taken by its ``MESSAGE_ID``; what was
  taken is marked as well, because it may have changed between the two.

Source: events/offline-events.md, events/event-offline-*.md, common/system/feature-get.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from b24.answers import MAX_BATCH, Answer
from b24.client import Client
from b24.errors import B24Error, Malformed, Unavailable
from b24.events import PortalEvent
from b24.store import marks
from smart_process.schema import Binding
from smart_process.service import Service
from smart_process.sync.named import concerned

PAGE = 50
"""Rows of ``event.offline.list``; also how many are reserved at once."""
MOST_PAGES = 200
"""Of one reading; what is left is read with the next sweep."""
Row = Mapping[str, Any]


def read(service: Service, portal_id: int, binding: Binding) -> int:
    """Mark everything the portal's offline queue names and empty it; answers how many records were taken.

    Raises:
        B24Error: the portal could not be asked; nothing is lost, the next reading goes on.
    """
    client = service.portals.client(portal_id)
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {
        "feature": ("feature.get", {"CODE": "rest_offline_extended"}),
        "left": ("event.offline.list", {"filter": {"!=PROCESS_ID": ""}, "order": {"ID": "ASC"}}),
    }
    answers = client.batch(asked)
    feature, left = _result(answers["feature"]), _rows(_result(answers["left"]))
    taken = _clear_left(service, portal_id, binding, client, left)
    confirmed = isinstance(feature, Mapping) and feature.get("value") == "Y"
    turn = _reserved if confirmed else _taken
    for _ in range(MOST_PAGES):
        count = turn(service, portal_id, binding, client)
        taken += count
        if count < PAGE:
            break
    return taken


def _result(answer: Answer | B24Error) -> Any:
    if isinstance(answer, B24Error):
        raise answer
    return answer.result


def _rows(result: Any) -> list[Row]:
    if not isinstance(result, list) or not all(isinstance(row, Mapping) for row in result):
        raise Unavailable("BAD_LIST", "the offline queue has another shape than documented")
    return result


def _clear_left(service: Service, portal_id: int, binding: Binding, client: Client, left: list[Row]) -> int:
    """Records reserved by a reading that did not come to its end."""
    _mark(service, portal_id, binding, left)
    for process in sorted({str(row["PROCESS_ID"]) for row in left if row.get("PROCESS_ID")}):
        # Of this process only what was listed: the list ends after 50.
        ids = [row["ID"] for row in left if row.get("PROCESS_ID") == process]
        client.call("event.offline.clear", {"process_id": process, "id": ids}, write=True)
    return len(left)


def _reserved(service: Service, portal_id: int, binding: Binding, client: Client) -> int:
    found = client.call("event.offline.get", {"clear": 0, "limit": PAGE}, write=True)
    rows = _rows(found.get("events") if isinstance(found, Mapping) else None)
    _mark(service, portal_id, binding, rows)
    if rows:
        client.call("event.offline.clear", {"process_id": found["process_id"]}, write=True)
    return len(rows)


def _taken(service: Service, portal_id: int, binding: Binding, client: Client) -> int:
    rows = _rows(client.call("event.offline.list", {"order": {"ID": "ASC"}}))
    _mark(service, portal_id, binding, rows)
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {
        str(n): ("event.offline.get", {"filter": {"=MESSAGE_ID": row["MESSAGE_ID"]}, "clear": 1})
        for n, row in enumerate(rows[:MAX_BATCH])
    }
    if commands:
        for answer in client.batch(commands, write=True).values():
            found = _result(answer)
            _mark(
                service,
                portal_id,
                binding,
                _rows(found.get("events") if isinstance(found, Mapping) else None),
            )
    return len(rows)


def _mark(service: Service, portal_id: int, binding: Binding, rows: Iterable[Row]) -> None:
    found = sorted(set(_objects(rows, binding)))
    if not found:
        return
    with service.store.transaction() as tx:
        marks.mark_objects(tx, portal_id, found, now=service.clock(), priority=marks.BULK)


def _objects(rows: Iterable[Row], binding: Binding) -> Iterator[tuple[str, str]]:
    """Kinds and keys of marks; a record whose data cannot be read names nobody: the sweeps find its object."""
    for row in rows:
        data = row.get("EVENT_DATA")
        event = PortalEvent(
            event=str(row.get("EVENT_NAME", "")).upper(),
            member_id="",
            application_token="",
            data=_texts(data) if isinstance(data, Mapping) else {},
        )
        try:
            found = concerned(event, binding)
        except Malformed:
            continue
        if found is not None:
            yield found


def _texts(data: Mapping[str, Any]) -> dict[str, Any]:
    """As an online event brings it: every value a text."""
    return {
        str(key): _texts(value) if isinstance(value, Mapping) else str(value) for key, value in data.items()
    }
