"""What the portal shows compared with the journal, person by person.

The portal is read over REST like anybody would; the journal is ours. Whatever differs is told in words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_process.deciding import ORIGIN
from smart_process.demo.doors import Crm
from smart_process.demo.portal import Rest
from smart_process.schema import APP, CONTACT, DEAL, FLAGS, Binding, flag_field
from smart_process.store.sync import Row
from smart_process.sync import picture, tasks

Item = Mapping[str, Any]
DEAL_CALLS = ("id", "stageSemanticId", "contactIds", "companyId")


@dataclass(frozen=True)
class Journal:
    """The app's side of one event: rows as ``smart_process.store.demo`` gives them."""

    participations: Sequence[Row]
    outcomes: Sequence[Row]
    held: Sequence[str]


def differences(rest: Rest, binding: Binding, event_item_id: int, journal: Journal) -> list[str]:
    """Everything in which portal and journal do not agree; empty when they do."""
    crm = Crm(rest)
    kind = binding.participation
    items = crm.items(
        kind.entity_type_id, {binding.parent_event: event_item_id}, picture.select(kind, (DEAL,))
    )
    found = [*_held(journal), *_participations(binding, items, journal)]
    found += _contacts(crm, journal)
    found += _deals(rest, crm, binding, event_item_id, journal)
    found += _tasks(rest, binding, journal)
    return found


def called_twice(rest: Rest, binding: Binding, event_item_id: int, journal: Journal) -> list[str]:
    """Contacts and companies with more than one open deal or task of ours at the event, in words."""
    crm, eti = Crm(rest), binding.participation.entity_type_id
    at_event = {binding.parent_event: event_item_id}
    clients = {
        f"T{eti:x}_{item['id']}": [("contact", item["contactId"]), ("company", item["companyId"])]
        for item in crm.items(eti, at_event, ["id", "contactId", "companyId"])
    }
    calls: dict[tuple[str, int], set[str]] = defaultdict(set)
    others = [int(row["item_id"]) for row in _others_deals(journal)]
    deals = crm.items(DEAL, at_event | {"originatorId": APP}, DEAL_CALLS) + _by_ids(
        crm, DEAL, others, DEAL_CALLS
    )
    for deal in deals:
        if deal["stageSemanticId"] == "P":
            calls["company", deal["companyId"]].add(f"deal {deal['id']}")
            for contact in deal["contactIds"] or []:
                calls["contact", contact].add(f"deal {deal['id']}")
    ours = {row["uid"] for row in journal.outcomes}
    for task in _all_tasks(rest):
        if tasks.key_of(task) in ours and str(task["status"]) != tasks.DONE:
            for client in {one for bound in task.get("ufCrmTask") or [] for one in clients.get(bound, ())}:
                calls[client].add(f"task {task['id']}")
    return [
        f"{kind} {number} is called by {', '.join(sorted(some))}"
        for (kind, number), some in calls.items()
        if len(some) > 1 and number
    ]


def _held(journal: Journal) -> list[str]:
    return [f"work that waits for a person: {text}" for text in journal.held]


def _participations(binding: Binding, items: Sequence[Item], journal: Journal) -> list[str]:
    kind = binding.participation
    seen = {
        int(item["id"]): picture.read(kind, picture.PARTICIPATION_FIELDS, item)
        | {"deal": item.get("parentId2")}
        for item in items
    }
    ours = {row["item_id"]: row for row in journal.participations}
    found = [f"card {item_id} belongs to nobody in the journal" for item_id in sorted(set(seen) - set(ours))]
    for item_id, row in ours.items():
        if item_id is None or item_id not in seen:
            found.append(f"{_name(row)} has no card in the portal")
        else:
            found += [f"{_name(row)}: {text}" for text in _card(row, seen[item_id])]
    doubled = Counter(shown["xml_id"] for shown in seen.values() if shown["xml_id"])
    return found + [f"two cards carry the key {uid}" for uid, times in doubled.items() if times > 1]


def _card(row: Row, shown: Mapping[str, Any]) -> list[str]:
    expected: dict[str, Any] = {
        "stage": row["stage"],
        "registered_at": picture.moment(row["registered_at"]),
        "arrived_at": picture.moment(row["arrived_at"]),
        "gate": row["gate"],
        "device": row["device"],
        "product_lines": sorted(row["product_lines"]),
        "note": row["note"],
        "priority": row["priority"] or "",
        "xml_id": row["uid"],
        **{flag_field(flag): bool(row["flags"].get(flag)) for flag in FLAGS},
    }
    if row["contact_id"]:
        # The portal puts a restored contact back onto the card beside the one that took its place: that is known too.
        beside = set(row["shadow"].get("contact_ids", [])) - set(row["shadow"].get(picture.GONE_CONTACTS, []))
        expected["contact_ids"] = sorted({row["contact_id"], *beside})
    if row["outcome_kind"] == "deal":
        expected["deal"] = row["outcome_item_id"]
    return [
        f"{name} is {shown.get(name)!r} in the portal, {value!r} in the journal"
        for name, value in expected.items()
        if (shown.get(name) or type(value)()) != value
    ]


def _name(row: Row) -> str:
    return f"{row['last_name']} {row['first_name']} ({row['id']})"


def _contacts(crm: Crm, journal: Journal) -> list[str]:
    """No contact made twice by us, and nobody left without one who is not a person's case or decision."""
    made = crm.items(CONTACT, {"originatorId": APP}, ["id", "originId"])
    doubled = Counter(str(item["originId"]) for item in made)
    settled = ("undecided", "none")
    lost = [row for row in journal.participations if not row["contact_id"] and row["match"] not in settled]
    return [
        *(f"two contacts carry our key {uid}" for uid, times in doubled.items() if times > 1),
        *(f"{_name(row)} has no contact" for row in lost),
    ]


def _deals(rest: Rest, crm: Crm, binding: Binding, event_item_id: int, journal: Journal) -> list[str]:
    select = ["id", "originId", "companyId", "contactIds", "assignedById", *binding.deal.fields.values()]
    items = crm.items(DEAL, {"originatorId": APP, binding.parent_event: event_item_id}, select)
    live = [row for row in journal.outcomes if row["kind"] == "deal" and row["state"] == "live"]
    ours = {row["uid"]: row for row in live if not row["content"].get(ORIGIN)}
    found = _unmatched("deal", (str(item["originId"]) for item in items), ours)
    others = {int(row["item_id"]): row for row in _others_deals(journal)}
    standing = {int(item["id"]) for item in _by_ids(crm, DEAL, others, ("id",))}
    found += [f"deal «{row['title']}» is gone" for number, row in others.items() if number not in standing]
    todos = _todos(rest, [int(item["id"]) for item in items])
    for item in items:
        row = ours.get(str(item["originId"]))
        if row is not None:
            found += [f"deal «{row['title']}»: {text}" for text in _deal(binding, item, row, todos)]
    return found


def _others_deals(journal: Journal) -> list[Row]:
    """Live outcomes whose deal a form or a person made."""
    live = [row for row in journal.outcomes if row["kind"] == "deal" and row["state"] == "live"]
    return [row for row in live if row["content"].get(ORIGIN)]


def _by_ids(crm: Crm, entity_type_id: int, ids: Iterable[int], select: Sequence[str]) -> list[dict[str, Any]]:
    wanted = sorted(ids)
    return [
        item
        for at in range(0, len(wanted), 50)
        for item in crm.items(entity_type_id, {"@id": wanted[at : at + 50]}, select)
    ]


def _unmatched(what: str, keys: Iterable[str], ours: Mapping[str, Row]) -> list[str]:
    seen = Counter(keys)
    return [
        *(f"{what} {key} of the portal is not in the journal" for key in seen if key not in ours),
        *(f"two {what}s carry the key {key}" for key, times in seen.items() if times > 1),
        *(f"{what} «{row['title']}» is not in the portal" for key, row in ours.items() if key not in seen),
    ]


def _deal(binding: Binding, item: Item, row: Row, todos: Mapping[int, int]) -> list[str]:
    deal = binding.deal
    shown_priority = deal.option_key("priority", item.get(deal.fields["priority"]))
    # Whom a colleague gave it to is as good as whom we chose.
    owner = row["shadow"].get("responsible_id", row["owner_id"])
    missing = set(row["contacts"]) - {int(one) for one in item.get("contactIds") or []}
    texts = {
        f"priority is {shown_priority}, not {row['priority']}": shown_priority != row["priority"],
        f"contacts {sorted(missing)} are missing": bool(missing),
        "its explanation differs": item.get(deal.fields["explanation"]) != row["explanation"],
        f"it has {todos.get(int(item['id']), 0)} to-dos, not one": todos.get(int(item["id"])) != 1,
        f"its owner is {item['assignedById']}, not {owner}": item["assignedById"] != owner,
    }
    return [text for text, wrong in texts.items() if wrong]


def _todos(rest: Rest, deal_ids: Sequence[int]) -> dict[int, int]:
    counted: dict[int, int] = {}
    for at in range(0, len(deal_ids), 50):
        answers = rest.batch(
            {
                f"d{deal_id}": (
                    "crm.activity.list",
                    {
                        "filter": {"OWNER_TYPE_ID": DEAL, "OWNER_ID": deal_id, "PROVIDER_ID": "CRM_TODO"},
                        "select": ["ID"],
                    },
                )
                for deal_id in deal_ids[at : at + 50]
            }
        )
        counted |= {int(key[1:]): len(found) for key, found in answers.items()}
    return counted


def _tasks(rest: Rest, binding: Binding, journal: Journal) -> list[str]:
    """Every open task of ours stands in the portal with its bindings; a withdrawn untouched one is closed."""
    rows = [row for row in journal.outcomes if row["kind"] == "task" and row["item_id"]]
    found = [
        f"task «{row['title']}» is not in the portal"
        for row in journal.outcomes
        if row["kind"] == "task" and row["state"] == "live" and not row["item_id"]
    ]
    shown = {int(task["id"]): task for task in _all_tasks(rest)}
    for row in rows:
        task = shown.pop(int(row["item_id"]), None)
        if task is None and row["state"] == "removed":
            continue
        if task is None:
            found.append(f"task «{row['title']}» is gone")
        elif row["state"] == "live" and set(row["bindings"]) - set(task.get("ufCrmTask") or []):
            found.append(f"task «{row['title']}» is not bound to everybody concerned")
        elif (
            row["state"] in ("superseded", "withdrawn")
            and str(task["status"]) != tasks.DONE
            and not row["touched"]
        ):
            found.append(f"task «{row['title']}» was withdrawn and is still open")
    keys = Counter(tasks.key_of(task) for task in shown.values())
    ours = {row["uid"] for row in journal.outcomes}
    return found + [f"a second task carries the key {key}" for key in keys if key in ours]


def _all_tasks(rest: Rest) -> list[dict[str, Any]]:
    select = ["ID", "STATUS", "PRIORITY", "DESCRIPTION", "UF_CRM_TASK"]
    found: list[dict[str, Any]] = []
    last = 0
    while True:
        page = rest.call(
            "tasks.task.list",
            {"filter": {">ID": last}, "order": {"ID": "asc"}, "select": select, "start": -1},
        )["tasks"]
        found += page
        if len(page) < 50:
            return found
        last = int(page[-1]["id"])
