"""A deletion leaves no ``updatedTime``: once a day the objects we know by id are looked for in the portal.

What is missing is marked, and the pull finds out what became of it. In the same look two objects with one key of ours
are found – made by a call that was executed twice, or copied by a person – and kept for the administrator.

Asked by our own ids only, 50 a command and 50 commands a request: 100 000 objects cost 40 requests, their keys 80.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from b24.answers import MAX_BATCH, Answer
from b24.client import PAGE, Client
from b24.errors import B24Error
from b24.store import marks
from smart_process.schema import APP, Binding
from smart_process.service import Service
from smart_process.store import findings
from smart_process.store import id_sets as store
from smart_process.sync.named import PULL, PULL_TASK

EVERY = timedelta(days=1)
KEYS_AT_ONCE = 25
"""Of one command: were every one of them there twice, its page would just hold them."""
ITEMS, TASKS, KEYS = "items", "tasks", "keys"
Topic = tuple[str, int]
"""What is asked about: items or keys of an entity type, or tasks (0)."""
Command = tuple[str, Mapping[str, Any]]


def compare(service: Service, portal_id: int, binding: Binding) -> int:
    """Mark what is missing in the portal and keep what is there twice, if a day has passed; how many were marked.

    Raises:
        B24Error: something could not be read; the next sweep begins anew.
    """
    with service.store.reading() as tx:
        if not store.due(tx, portal_id, every=EVERY, now=service.clock()):
            return 0
        items = store.items(tx, portal_id, binding)
        tasks = store.tasks(tx, portal_id)
        keys = store.keys(tx, portal_id, binding)
    found = _ask(service.portals.client(portal_id), _questions(binding, items, tasks, keys))
    missing = [
        (PULL, f"{entity_type_id}:{one}")
        for entity_type_id, ids in items.items()
        for one in _not_there(ids, found[ITEMS, entity_type_id])
    ]
    missing += [(PULL_TASK, str(one)) for one in _not_there(tasks, found[TASKS, 0])]
    twins: dict[tuple[int, str], list[int]] = defaultdict(list)
    for entity_type_id in keys:
        for row in found[KEYS, entity_type_id]:
            twins[entity_type_id, str(row[_key_name(binding, entity_type_id)])].append(int(row["id"]))
    now = service.clock()
    with service.store.transaction() as tx:
        marks.mark_objects(tx, portal_id, missing, now=now, priority=marks.BULK)
        doubled = {key: sorted(ids) for key, ids in twins.items() if len(ids) > 1}
        findings.keep_twins(tx, portal_id, doubled, now=now)
        store.compared(tx, portal_id, now=now)
    return len(missing)


def _not_there(ids: Iterable[int], rows: Iterable[Mapping[str, Any]]) -> list[int]:
    there = {int(row["id"]) for row in rows}
    return [one for one in ids if one not in there]


def _key_name(binding: Binding, entity_type_id: int) -> str:
    return "xmlId" if entity_type_id == binding.participation.entity_type_id else "originId"


def _questions(
    binding: Binding,
    items: Mapping[int, Sequence[int]],
    tasks: Sequence[int],
    keys: Mapping[int, Sequence[str]],
) -> Iterator[tuple[Topic, Command]]:
    for entity_type_id, ids in items.items():
        for some in _parts(ids, PAGE):
            yield (ITEMS, entity_type_id), _list(entity_type_id, {"@id": some}, ["id"])
    for some in _parts(tasks, PAGE):
        yield (TASKS, 0), ("tasks.task.list", {"filter": {"ID": some}, "select": ["ID"]})
    for entity_type_id, uids in keys.items():
        name = _key_name(binding, entity_type_id)
        own = {} if name == "xmlId" else {"originatorId": APP}
        for some in _parts(uids, KEYS_AT_ONCE):
            yield (KEYS, entity_type_id), _list(entity_type_id, {**own, f"@{name}": some}, ["id", name])


def _list(entity_type_id: int, wanted: Mapping[str, Any], select: Sequence[str]) -> Command:
    asked = {"entityTypeId": entity_type_id, "filter": dict(wanted), "select": list(select)}
    return "crm.item.list", {**asked, "order": {"id": "ASC"}, "start": -1}


def _parts(some: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(some), size):
        yield list(some[at : at + size])


def _ask(client: Client, questions: Iterable[tuple[Topic, Command]]) -> Mapping[Topic, list[Any]]:
    """The rows found, by what was asked about."""
    asked = list(questions)
    found: dict[Topic, list[Any]] = defaultdict(list)
    for at in range(0, len(asked), MAX_BATCH):
        part = asked[at : at + MAX_BATCH]
        answers = client.batch({str(n): command for n, (_topic, command) in enumerate(part)})
        for (topic, _command), answer in zip(part, answers.values(), strict=True):
            found[topic] += _result(answer)["tasks" if topic[0] == TASKS else "items"]
    return found


def _result(answer: Answer | B24Error) -> Any:
    if isinstance(answer, B24Error):
        raise answer
    return answer.result
