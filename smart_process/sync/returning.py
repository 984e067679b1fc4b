"""Cards of ours that nothing is known of any more: the app was removed with its data (``CLEAN`` 1) and came back.

What the cards show is all that is left, and it is taken as it stands: the ticket in the guest's mail stays valid,
nobody is written to again, and the deal or task that was made stays the only one (design 4.4).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import rules
from smart_process.facts import Kind, NewFact, Stage, State, project
from smart_process.schema import APP, DEAL
from smart_process.store import journal, messages, participations
from smart_process.store import outcomes as outcome_store
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import newcomers, observation, picture, stage_moves, tasks, to_dos
from smart_process.sync.newcomers import Placed
from smart_process.sync.picture import Picture
from smart_process.sync.stage_moves import Move
from smart_process.sync.work import Work

Item = Mapping[str, Any]
_UID = re.compile(r"[0-9a-f]{32}")
_TICKET = re.compile(r"/t/([A-Za-z0-9_-]{22})$")
ACTOR = "portal"


@dataclass(frozen=True)
class Standing:
    """A deal or task of ours as it stands in the portal; ``key`` is the outcome's uid."""

    kind: str
    key: str
    item_id: int
    title: str
    owner_id: int | None
    made_at: datetime
    deadline: datetime
    result: str | None
    touched: bool
    shadow: Mapping[str, Any]
    todo_id: int | None = None


@dataclass(frozen=True)
class Left:
    """What our earlier life left beside the cards: deals by id, tasks by the participation they are bound to."""

    deals: Mapping[int, Standing] = field(default_factory=dict)
    tasks: Mapping[int, Standing] = field(default_factory=dict)


def is_ours(item: Item) -> bool:
    """Whether a participation's card carries a key as only we write it."""
    return bool(_UID.fullmatch(str(item.get("xmlId") or "")))


def read(work: Work, cards: Mapping[int, Item]) -> Left:
    """The deals and tasks that belong to cards which come back.

    Raises:
        B24Error: the portal could not be asked.

    Sources: crm/universal/crm-item-list.md; tasks/tasks-task-list.md (filter ``UF_CRM_TASK``).
    """
    if not cards:
        return Left()
    return Left(_deals(work, cards.values()), _tasks(work, cards))


def _deals(work: Work, cards: Iterable[Item]) -> dict[int, Standing]:
    ids = {picture.number(one.get(work.binding.parent_deal)) for one in cards} - {0}
    select = (
        "id",
        "title",
        "originId",
        "originatorId",
        "createdTime",
        "assignedById",
        "stageId",
        "contactIds",
    )
    fields = tuple(work.binding.deal.fields.values())
    ours = [
        one
        for one in work.items(DEAL, ids, *select, "companyId", *fields)
        if one.get("originatorId") == APP and _UID.fullmatch(str(one.get("originId") or ""))
    ]
    shown = work.read({str(one["id"]): to_dos.shown_at(int(one["id"])) for one in ours})
    return {int(one["id"]): _deal(one, shown[str(one["id"])], fields) for one in ours}


def _deal(item: Item, activities: Sequence[Item], fields: Sequence[str]) -> Standing:
    todo = next((one for one in activities if item["originId"] in str(one.get("DESCRIPTION") or "")), None)
    made = datetime.fromisoformat(item["createdTime"])
    contacts = sorted(picture.number(one) for one in item.get("contactIds") or [])
    owner = picture.number(item.get("assignedById"))
    return Standing(
        rules.DEAL,
        str(item["originId"]),
        int(item["id"]),
        str(item.get("title") or ""),
        owner or None,
        made,
        datetime.fromisoformat(todo["DEADLINE"]) if todo and todo.get("DEADLINE") else made,
        None,  # The deal is read again: won and lost are facts of their own.
        touched=False,
        shadow={
            **{name: item.get(name) for name in fields},
            "stage": item.get("stageId"),
            "responsible_id": owner,
            "contact_ids": contacts,
            "offered": contacts,
            "company_id": picture.number(item.get("companyId")),
        },
        todo_id=int(todo["ID"]) if todo else None,
    )


def _tasks(work: Work, cards: Iterable[int]) -> dict[int, Standing]:
    codes = {f"T{work.binding.participation.entity_type_id:x}_{one}": one for one in cards}
    asked = {
        "filter": {"UF_CRM_TASK": list(codes)},
        "select": "ID TITLE DESCRIPTION STATUS RESPONSIBLE_ID CREATED_DATE DEADLINE UF_CRM_TASK".split(),
    }
    found: dict[int, list[Standing]] = defaultdict(list)
    for task in work.client.rows("tasks.task.list", asked, rows_at="tasks"):
        key = tasks.key_of(task)
        if _UID.fullmatch(key):
            for code in task.get("ufCrmTask") or []:
                if code in codes:
                    found[codes[code]].append(_task(task, key))
    # Of several the one that is still to be done, else the latest.
    return {
        card: min(some, key=lambda one: (one.result is not None, -one.item_id))
        for card, some in found.items()
    }


def _task(task: Item, key: str) -> Standing:
    made, status = datetime.fromisoformat(task["createdDate"]), str(task.get("status"))
    owner = picture.number(task.get("responsibleId"))
    return Standing(
        rules.TASK,
        key,
        int(task["id"]),
        str(task.get("title") or ""),
        owner or None,
        made,
        datetime.fromisoformat(task["deadline"]) if task.get("deadline") else made,
        "done" if status == tasks.DONE else None,
        touched=status == tasks.DONE,
        shadow={"responsible_id": owner, "status": status},
    )


def place(
    tx: Tx,
    work: Work,
    item: Item,
    contact: Item | None,
    seen: Picture,
    moves: Sequence[Move],
    event: Mapping[str, Any],
    left: Left,
) -> Placed:
    """Take a card back as it stands.

    Args:
        seen: the card's picture; ``moves``: its stage history from the beginning.
    """
    now, item_id = work.now(), int(item["id"])
    person_id = _person(tx, work, item, contact, event["title"])
    seat = participations.find_or_add(tx, portal_id=work.portal_id, event_id=event["id"], person_id=person_id)
    if participations.give_item(tx, seat, item_id) is not None:
        return Placed(seat.id, surplus=True)
    ticket = _TICKET.search(seen.get("ticket_link", ""))
    participations.known_as(tx, seat.id, uid=seen["xml_id"], ticket=ticket[1] if ticket else seat.ticket)
    shadow = dict(seen)
    stage_moves.remember(shadow, moves)
    store.update(tx, t.participation, seat.id, shadow=shadow)
    facts = _facts(item, seen, moves)
    standing = left.deals.get(picture.number(item.get(work.binding.parent_deal))) or left.tasks.get(item_id)
    if standing is not None:
        facts += _outcome(tx, work, seat.id, item, seen, standing, event, person_id)
    stage = seen.get("stage", "")
    if stage in set(Stage) and project(facts).stage != stage:
        at = datetime.fromisoformat(item.get("movedTime") or item["updatedTime"])
        data = {"to": stage, "from": ""}
        facts.append(NewFact(Kind.STAGE_MOVED, at, ACTOR, f"item:{item_id}:stage", data=data))
    state = project(facts)
    journal.record(tx, {seat.id: facts}, now=now)
    to = messages.address_of(tx, seat.id)
    for kind in _mailed(state, event):
        messages.went_before(tx, seat.id, kind, to=to, now=now)
    marks.mark(tx, work.portal_id, "person", [person_id], now=now)
    marks.mark(tx, work.portal_id, journal.PUSH, [seat.id], now=now)
    return Placed(seat.id, surplus=False)


def _mailed(state: State, event: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of mails a guest got on the way to where the card stands."""
    if Stage.INVITED in state.reached:
        yield messages.INVITATION
    if state.registered_at is not None:
        yield messages.TICKET
    if event["closed_at"] is not None and state.arrived_at is not None:
        yield messages.MATERIALS
    if state.stage == Stage.NO_SHOW:
        yield messages.MISSED


def _person(tx: Tx, work: Work, item: Item, contact: Item | None, event_title: str) -> int:
    # Without a contact the title is all there is, as we wrote it.
    title = str(item.get("title") or "").removesuffix(f" – {event_title}")
    card = newcomers.card_of({**item, "title": title}, contact, work.settings.region)
    return newcomers.person_of(tx, work, card)


def _facts(item: Item, seen: Picture, moves: Sequence[Move]) -> list[NewFact]:
    """What the card's own fields tell, in the order of the path."""
    key, made = f"item:{item['id']}", datetime.fromisoformat(item["createdTime"])
    source = {"source": seen.get("source") or "crm"}
    found = [NewFact(Kind.SELECTED, made, ACTOR, key, data=source)]
    invited = next((one for one in moves if one.to == Stage.INVITED), None)
    if invited is not None:
        data = {"kind": "invitation"}
        found.append(NewFact(Kind.MESSAGE_SENT, invited.at, ACTOR, f"{key}:invited", data=data))
    if seen.get("registered_at"):
        at, data = datetime.fromisoformat(seen["registered_at"]), dict(source)
        if seen.get("consent_version"):
            data["consent_version"] = seen["consent_version"]
        found.append(NewFact(Kind.REGISTERED, at, ACTOR, f"{key}:registered", data=data))
    if seen.get("arrived_at"):
        at, data = datetime.fromisoformat(seen["arrived_at"]), {"device": seen.get("device", "")}
        gate = seen.get("gate", "")
        found.append(NewFact(Kind.ARRIVED, at, ACTOR, f"{key}:arrived", gate, data))
    typed = {name: value for name, value in seen.items() if name in observation.TYPED and value}
    return found + [replace(one, actor=ACTOR) for one in observation.facts(item, typed, {}, looks=0)]


def _outcome(
    tx: Tx,
    work: Work,
    seat_id: int,
    item: Item,
    seen: Picture,
    standing: Standing,
    event: Mapping[str, Any],
    person_id: int,
) -> list[NewFact]:
    """Make the deal or task that stands the outcome of its guests again; the fact that hands this one over."""
    known = store.outcomes_by_uid(tx, work.portal_id, [standing.key])
    if known:
        (row,) = known
        content = {**row["content"], "participations": [*row["content"]["participations"], seat_id]}
        store.update(tx, t.outcome, row["id"], content=content)
        outcome_id = row["id"]
    else:
        company_id = picture.number(item.get("companyId")) or None
        added = outcome_store.add(
            tx,
            {
                "portal_id": work.portal_id,
                "event_id": event["id"],
                "subject": journal.subject_of(company_id, person_id),
                "uid": standing.key,
                "kind": standing.kind,
                "rule": "",
                "rules_version": 0,
                "priority": seen.get("priority") or "low",
                "item_id": standing.item_id,
                "todo_id": standing.todo_id,
                "owner_id": standing.owner_id,
                "title": standing.title[:255],
                "explanation": seen.get("explanation", ""),
                "deadline": standing.deadline,
                "created_at": standing.made_at,
                "content": {"participations": [seat_id], "product_lines": [], "flags": []},
                "touched": standing.touched,
                "result": standing.result,
                "shadow": dict(standing.shadow),
            },
        )
        if added is None:
            return []
        outcome_id = added
        if standing.kind == rules.DEAL:
            marks.mark(tx, work.portal_id, "pull", [f"{DEAL}:{standing.item_id}"], now=work.now())
    store.update(tx, t.participation, seat_id, outcome_id=outcome_id)
    data = {
        "kind": standing.kind,
        "item_id": standing.item_id,
        "priority": seen.get("priority", ""),
        "rule": "",
    }
    return [NewFact(Kind.OUTCOME_CREATED, standing.made_at, ACTOR, f"outcome:{outcome_id}", data=data)]
