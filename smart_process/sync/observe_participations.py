"""What people and forms did to participations in the CRM becomes facts.

Three values per field: *shadow* (last confirmed), *now* (just read), *ours* (the projection). Now ≠ shadow is a
person's change and becomes a fact; it is never told apart by ``updatedBy``, for the installer is a person too.
While the answer to a write of ours is missing, the values it carried count as ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process.facts import Kind, NewFact
from smart_process.people import Identity
from smart_process.store import journal, outcomes
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import (
    contacts,
    form_answers,
    merging,
    newcomers,
    observation,
    picture,
    returning,
    stage_moves,
)
from smart_process.sync.existing import existing
from smart_process.sync.observation import TYPED
from smart_process.sync.picture import Picture
from smart_process.sync.work import Commands, Work

Item = Mapping[str, Any]


def history(work: Work, item_ids: Sequence[int]) -> Commands:
    """What to ask together with participations of these ids: their stage moves."""
    with work.service.store.reading() as tx:
        known = store.participations_by_item(tx, work.portal_id, item_ids)
    since = _to_ask({item_id: known.get(item_id) for item_id in item_ids})
    return stage_moves.commands(work.binding.participation.entity_type_id, since)


def observe(
    work: Work,
    found: Mapping[int, Item],
    gone: frozenset[int],
    last: frozenset[int] = frozenset(),
    moved: stage_moves.History | None = None,
) -> frozenset[int]:
    """Compare participations just read with what was known and record what is new.

    Args:
        last: items that get no further look: a form's guest is then who its contact says.
        moved: answers to :func:`history`, when they came along with the items.
    Returns ids of items whose event is not known yet, or whose form's answers cannot be read yet: look again.
    """
    binding = work.binding
    with work.service.store.reading() as tx:
        known = store.participations_by_item(tx, work.portal_id, [*found, *gone])
        by_uid = store.participations_by_uid(tx, work.portal_id, _uids(found))
    seen = {
        item_id: picture.read(binding.participation, picture.PARTICIPATION_FIELDS, item)
        for item_id, item in found.items()
    }
    rows = {item_id: known.get(item_id) or by_uid.get(seen[item_id]["xml_id"]) for item_id in found}
    moves = stage_moves.read(work, binding.participation.entity_type_id, _to_ask(rows), moved)
    strangers = {item_id: found[item_id] for item_id, row in rows.items() if row is None}
    around = _around(work, strangers)
    standing = _standing(work, rows, found, gone)
    with work.service.store.transaction() as tx:
        for item_id, row in rows.items():
            if row is not None:
                look = Look(item_id, found[item_id], seen[item_id], moves.get(item_id, []))
                _known(tx, work, row, look, standing)
        unplaced = {
            item_id
            for item_id in strangers
            if _too_early(around, found[item_id], last)
            or not _appeared(tx, work, found[item_id], seen[item_id], around, moves.get(item_id, []))
        }
        for row in store.participations_by_item(tx, work.portal_id, gone).values():
            _removed(tx, work, row)
    return frozenset(unplaced)


@dataclass(frozen=True)
class Look:
    """One item as just read."""

    item_id: int
    item: Item
    now: Picture
    moves: Sequence[stage_moves.Move]


def _known(tx: Tx, work: Work, row: Mapping[str, Any], look: Look, standing: frozenset[int]) -> None:
    if row["item_id"] in (None, look.item_id):
        if row["merged_into"] is None:
            _changed(tx, work, row, look)
    elif row["item_id"] in standing:
        # A create that was repeated although the first had been executed: one of the two is surplus.
        marks.mark(tx, work.portal_id, "merge", [f"{row['id']}:{look.item_id}"], now=work.now())
    else:
        _came_back(tx, work, row, look)


def _came_back(tx: Tx, work: Work, row: Mapping[str, Any], look: Look) -> None:
    """Somebody took the card out of the recycle bin, where it got another id; our key in it is the same."""
    living = store.participation_of(tx, row["event_id"], row["person_id"])
    if living is None or living["id"] == row["id"]:
        _changed(tx, work, row, look)
        return
    # They registered anew meanwhile: the two are one.
    merging.join(tx, work.portal_id, living, row, work.now())
    marks.mark(tx, work.portal_id, merging.MARK, [f"{living['id']}:{look.item_id}"], now=work.now())


def _standing(
    work: Work, rows: Mapping[int, Mapping[str, Any] | None], found: Mapping[int, Item], gone: frozenset[int]
) -> frozenset[int]:
    """Which cards of ours still exist whose key was found on another card as well."""
    others = {
        int(row["item_id"])
        for item_id, row in rows.items()
        if row is not None and row["item_id"] not in (None, item_id)
    }
    eti = work.binding.participation.entity_type_id
    return existing(work, eti, others - gone - found.keys()) | found.keys()


def _uids(found: Mapping[int, Item]) -> list[str]:
    return [str(item["xmlId"]) for item in found.values() if item.get("xmlId")]


def _to_ask(rows: Mapping[int, Any]) -> dict[int, int]:
    """The last history row known of each item. All are asked for, not only those whose stage differs from the
    shadow: a person's move that our own push overtook shows in the history alone."""
    return {
        item_id: int((row["shadow"] if row else {}).get(stage_moves.SEEN, 0)) for item_id, row in rows.items()
    }


@dataclass(frozen=True)
class Around:
    """What belongs to items that appeared: contacts with their phones and mails, answers of forms by item, and what an
    earlier life of ours left."""

    contacts: Mapping[int, Item]
    answers: Mapping[int, Identity]
    left: returning.Left = field(default_factory=returning.Left)


def _around(work: Work, strangers: Mapping[int, Item]) -> Around:
    ids = sorted({picture.number(item.get("contactId")) for item in strangers.values()} - {0})
    back = {item_id: item for item_id, item in strangers.items() if returning.is_ours(item)}
    forms = [item_id for item_id, item in strangers.items() if _of_form(item)]
    eti = work.binding.participation.entity_type_id
    replies = work.read({str(one): form_answers.command(eti, one) for one in forms})
    read = {one: form_answers.read(replies[str(one)], work.settings.region) for one in forms}
    answers = {one: typed for one, typed in read.items() if typed is not None}
    return Around(contacts.cards(work, ids) if ids else {}, answers, returning.read(work, back))


def _of_form(item: Item) -> bool:
    """Whether a form's submission made it; one that we took over long ago is ours."""
    return bool(picture.number(item.get("webformId"))) and not returning.is_ours(item)


def _too_early(around: Around, item: Item, last: frozenset[int]) -> bool:
    """A form's activity follows its item (trap 6): who filled it in is worth a few seconds."""
    item_id = int(item["id"])
    return _of_form(item) and item_id not in around.answers and item_id not in last


def _changed(tx: Tx, work: Work, row: Mapping[str, Any], look: Look) -> None:
    item, now, moves = look.item, look.now, look.moves
    shadow = dict(row["shadow"])
    if not shadow:
        # First sight of an item we created (its answer was lost): everything in it that we sent is ours.
        shadow = dict(row["inflight"] or {})
    inflight = row["inflight"] or {}
    if "stage" in inflight:
        stage_moves.pushed(shadow, inflight["stage"])
    picture.note_form_title(shadow, item)
    picture.note_edited(shadow, inflight, now)
    by = f"user:{picture.number(item.get('updatedBy'))}"
    at = datetime.fromisoformat(item["updatedTime"])
    facts = _stage_facts(item, shadow, stage_moves.by_people(shadow, moves))
    typed = {
        name: value
        for name, value in now.items()
        if name in TYPED and value not in (shadow.get(name, type(value)()), inflight.get(name))
    }
    if typed:
        facts += observation.facts(item, typed, shadow, looks=observation.looks(shadow))
        observation.looked(shadow)
    if row["removed_at"] is not None:
        facts.append(NewFact(Kind.RESTORED, at, by, f"crm:{item['id']}:{item['updatedTime']}:restored"))
    stage_moves.remember(shadow, moves)
    stage_moves.stand_aside(shadow, now, row["stage"])
    store.update(tx, t.participation, row["id"], item_id=int(item["id"]), shadow=shadow | now, inflight=None)
    now_at = work.now()
    if row["outcome_id"] and row["item_id"] != int(item["id"]):
        # Restored under another number: the deal or task is bound to the card there is.
        outcomes.push(tx, work.portal_id, row["outcome_id"], now=now_at)
    journal.record(tx, {row["id"]: facts}, now=now_at)
    # Whatever of ours differs from what was read is written by the push; without a difference it costs nothing.
    marks.mark(tx, work.portal_id, journal.PUSH, [row["id"]], now=now_at)


def _stage_facts(item: Item, shadow: Picture, moves: Sequence[stage_moves.Move]) -> list[NewFact]:
    # The history does not say who; the item names who moved it last.
    by = f"user:{picture.number(item.get('movedBy') or item.get('updatedBy'))}"
    return [
        NewFact(
            Kind.STAGE_MOVED,
            move.at,
            by,
            f"crm:history:{move.history_id}",
            data={"to": move.to, "from": shadow.get("stage", "")},
        )
        for move in moves
        if not move.to.startswith("portal:")
    ]


def _appeared(
    tx: Tx,
    work: Work,
    item: Item,
    now: Picture,
    around: Around,
    moves: Sequence[stage_moves.Move],
) -> bool:
    """An item nobody of us made: a form's submission or a person's card. ``False``: its event is not known (yet)."""
    event = _event_of(tx, work, item)
    if event is None:
        parent = picture.number(item.get(work.binding.parent_event))
        if parent:
            # The word of its event's card was lost or comes later.
            eti = work.binding.event.entity_type_id
            marks.mark(tx, work.portal_id, "pull", [f"{eti}:{parent}"], now=work.now())
        return False
    contact = around.contacts.get(picture.number(item.get("contactId")))
    back = returning.is_ours(item)
    if back:
        placed = returning.place(tx, work, item, contact, now, moves, event, around.left)
    else:
        guest = around.answers.get(int(item["id"]))
        placed = newcomers.place(tx, work, item, contact, guest, event["id"])
    if placed.surplus:
        # The person takes part already: this card is merged into the one that has the ticket.
        marks.mark(tx, work.portal_id, "merge", [f"{placed.participation_id}:{item['id']}"], now=work.now())
    if placed.surplus or back:
        return True
    shadow: Picture = {}
    picture.note_form_title(shadow, item)
    shadow |= now
    if placed.guessed:
        shadow[picture.FORM_CLIENT] = {name: now[name] for name in picture.CLIENT if now.get(name)}
    stage_moves.remember(shadow, moves)
    store.update(tx, t.participation, placed.participation_id, item_id=int(item["id"]), shadow=shadow)
    facts = _stage_facts(item, {}, stage_moves.by_people({}, moves))
    typed = {name: value for name, value in now.items() if name in TYPED and value}
    facts += observation.facts(item, typed, {}, looks=0)
    journal.record(tx, {placed.participation_id: facts}, now=work.now())
    marks.mark(tx, work.portal_id, journal.PUSH, [placed.participation_id], now=work.now())
    return True


def _event_of(tx: Tx, work: Work, item: Item) -> Mapping[str, Any] | None:
    """The event by parent link, hidden field or form map, in this order."""
    binding, settings = work.binding, work.settings
    parent = picture.number(item.get(binding.parent_event))
    if parent:
        return store.event_by_item(tx, work.portal_id, parent)
    code = str(item.get(binding.participation.fields.get("event_code", "")) or "").strip()
    if code:
        return store.event_by_code(tx, work.portal_id, code)
    mapped = settings.form_events.get(str(picture.number(item.get("webformId"))))
    return store.event_by_item(tx, work.portal_id, mapped) if mapped else None


def _removed(tx: Tx, work: Work, row: Mapping[str, Any]) -> None:
    if row["removed_at"] is not None or row["merged_into"] is not None:
        return
    now = work.now()
    fact = NewFact(Kind.REMOVED, now, "portal", f"crm:{row['item_id']}:removed:{now.isoformat()}")
    journal.record(tx, {row["id"]: [fact]}, now=now, shadowed=True)
