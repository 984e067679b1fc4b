"""Which card of the portal held work is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from smart_process.card_paths import TASK
from smart_process.schema import CONTACT, DEAL, LEAD, Binding
from smart_process.store import tables as t

Object = tuple[str, str]
"""Kind and key of a mark."""
Card = tuple[int, int]
"""Entity type and id of an item of the portal."""


def cards(tx: Tx, portal_id: int, binding: Binding, objects: Iterable[Object]) -> dict[Object, Card]:
    """The card each object is about; an object whose card is still to be made is missing, or stands at its event's."""
    wanted: dict[str, dict[int, list[Object]]] = defaultdict(lambda: defaultdict(list))
    found: dict[Object, Card] = {}
    for kind, key in objects:
        first, _, second = key.partition(":")
        if kind == "pull" and first.isdigit() and second.isdigit():
            found[kind, key] = (int(first), int(second))
        elif kind in ("pull_task", "lead") and key.isdigit():
            found[kind, key] = (LEAD if kind == "lead" else TASK, int(key))
        elif first.isdigit():
            wanted[kind][int(first)].append((kind, key))
    seats, events = binding.participation.entity_type_id, binding.event.entity_type_id
    for kind, (query, entity_type_id) in _queries(portal_id, wanted, seats, events).items():
        for row in tx.execute(query):
            card = _card(row, entity_type_id, events)
            if card is not None:
                found |= dict.fromkeys(wanted[kind][row.id], card)
    return found


def _queries(
    portal_id: int, wanted: Mapping[str, Mapping[int, Sequence[Object]]], seats: int, events: int
) -> dict[str, tuple[sa.Select[Any], int]]:
    """Per kind of mark how its card is found; ``id`` is the first number of the key, ``item_id`` the card."""
    p, e, o, h, m, f = t.participation.c, t.event.c, t.outcome.c, t.person.c, t.message.c, t.effect.c
    of_event = sa.select(e.id, e.item_id).where(e.portal_id == portal_id)
    of_outcome = (
        sa.select(o.id, o.item_id, o.kind, e.item_id.label("event_item_id"))
        .join(t.event, e.id == o.event_id)
        .where(o.portal_id == portal_id)
    )
    of_mail = (
        sa.select(m.id, p.item_id)
        .join(t.participation, p.id == m.participation_id)
        .where(m.portal_id == portal_id)
    )
    by_kind: dict[str, tuple[sa.Select[Any], sa.Column[int], int]] = {
        "participation": (sa.select(p.id, p.item_id).where(p.portal_id == portal_id), p.id, seats),
        "merge": (sa.select(p.id, p.item_id).where(p.portal_id == portal_id), p.id, seats),
        "mail": (of_mail, m.id, seats),
        "person": (
            sa.select(h.id, h.contact_id.label("item_id")).where(h.portal_id == portal_id),
            h.id,
            CONTACT,
        ),
        "outcome": (of_outcome, o.id, DEAL),
        "todo": (of_outcome, o.id, DEAL),
        "effect": (sa.select(f.id, f.body).where(f.portal_id == portal_id), f.id, 0),
        **dict.fromkeys(("event", "decide", "close", "close_notice"), (of_event, e.id, events)),
    }
    return {
        kind: (query.where(column.in_(list(wanted[kind]))), entity_type_id)
        for kind, (query, column, entity_type_id) in by_kind.items()
        if wanted.get(kind)
    }


def _card(row: Any, entity_type_id: int, events: int) -> Card | None:
    values = row._mapping
    if "body" in values:
        body = values["body"]
        named = body.get("entity_type_id"), body.get("item_id")
        return (int(named[0]), int(named[1])) if all(named) else None
    if values["item_id"] is not None:
        return (TASK if values.get("kind") == "task" else entity_type_id), values["item_id"]
    event = values.get("event_item_id")
    return (events, event) if event is not None else None
