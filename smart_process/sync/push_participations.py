"""Push of participations whose picture is ahead: only fields that differ, up to 50 commands a request.

Each command's own answer counts. The shadow is taken from the answer. What became of a write whose answer was lost is
looked up before anything is written again – a create by ``xmlId``, an update by its card; its values count as ours
meanwhile.

Fields that belong to people as much as to us are read in the request that writes them, before they are written: what
a person typed since we last looked is a fact, and comes back with the next push (design 4.4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from b24 import errors
from b24.answers import MAX_BATCH, Answer
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.door_words import zone_of
from smart_process.facts import NewFact
from smart_process.language import translator
from smart_process.schema import DEAL
from smart_process.store import journal
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.sync import effects, observation, observe_participations, picture, stage_moves
from smart_process.sync.flight import Flight, Leaving
from smart_process.sync.observation import TYPED, Item
from smart_process.sync.picture import Picture
from smart_process.sync.work import LEASE_LOST, Commands, Work, all_unread, failed, later

AT_ONCE = MAX_BATCH
PATIENCE = 3
"""So many waits (seconds, see ``LATER_S``) of a card for its person."""
LOOK = "before"
"""Key of the reading command; marks' keys are numbers."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Write:
    """One participation on its way to the portal: the fields that change and the card, if there is one."""

    row: Row
    changed: Picture
    item_id: int | None

    @property
    def typed(self) -> bool:
        """Whether it writes fields that people type as well."""
        return not TYPED.isdisjoint(self.changed)


def push(work: Work) -> int:
    """Write marked participations to the portal: while the answer to the first request is out, the next ones leave."""
    touched = 0
    with Flight() as flight:
        while count := _some(work, flight):
            touched += count
            if not flight.room or journal.PUSH in work.alone or not work.going():
                break
    return touched


def _some(work: Work, flight: Flight) -> int:
    """Send what goes into one round of requests; those that left are claimed no more until they are settled."""
    claimed = work.claim(journal.PUSH, limit=AT_ONCE)
    if not claimed:
        return 0
    rows = _rows(work, claimed)
    todo = {one: row for one in claimed if (row := rows.get(int(one.key))) and _lives(row)}
    work.finish([one for one in claimed if one not in todo])
    waiting = [one for one, row in todo.items() if _waits(one, row)]
    _wait(work, waiting)
    todo = {one: row for one, row in todo.items() if one not in waiting}
    lost = [row for one, row in todo.items() if one.sent_at]
    try:
        found = bool(lost) and _look_at_lost(work, lost)
    except errors.B24Error as error:
        all_unread(work, todo, error)
        return len(claimed)
    if found:
        rows = _rows(work, todo)
        todo = {one: rows[int(one.key)] for one in todo}
    _write(work, flight, todo)
    return len(claimed) - len(waiting)


def _rows(work: Work, claimed: Iterable[Mark]) -> dict[int, Row]:
    with work.service.store.reading() as tx:
        return {row["id"]: row for row in store.participations(tx, [int(one.key) for one in claimed])}


def _lives(row: Row) -> bool:
    return row["removed_at"] is None and row["merged_into"] is None


def _waits(one: Mark, row: Row) -> bool:
    """A card waits a little for its person's contact; then it is made without and gets the link later."""
    return row["match"] == "new" and row["item_id"] is None and one.attempts < PATIENCE


def _wait(work: Work, some: Sequence[Mark]) -> None:
    if not some:
        return
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            marks.retry(tx, one, at=later(one, now), error="its contact is being looked up")


def _look_at_lost(work: Work, rows: Sequence[Row]) -> bool:
    """Read the cards of writes that were not answered, and take them as a pull takes any card: what was written shows,
    so do the moves it left in the history, and somebody may have typed something meanwhile. Whether there was any.

    Also before an update is repeated: what is written next replaces what counts as ours while nobody knows.
    """
    kind = work.binding.participation
    asked = {
        "entityTypeId": kind.entity_type_id,
        "select": picture.select(kind, (work.binding.event.entity_type_id, DEAL)),
        "order": {"id": "DESC"},
        "start": -1,
    }
    wanted = {
        "@xmlId": [row["uid"] for row in rows if row["item_id"] is None],
        "@id": [row["item_id"] for row in rows if row["item_id"] is not None],
    }
    replies = work.read(
        {key: ("crm.item.list", asked | {"filter": {key: some}}) for key, some in wanted.items() if some}
    )
    # Of two cards with one key the older one is taken, the other is merged when a pull meets it.
    first = {str(item["xmlId"]): item for item in replies.get("@xmlId", {"items": []})["items"]}
    items = [*first.values(), *replies.get("@id", {"items": []})["items"]]
    if items:
        observe_participations.observe(work, {int(item["id"]): item for item in items}, frozenset())
    return bool(items)


def _write(work: Work, flight: Flight, todo: Mapping[Mark, Row]) -> None:
    updates: dict[Mark, Write] = {}
    creates: dict[Mark, Write] = {}
    idle = []
    for one, row in todo.items():
        ours = _ours(work, row)
        changed = _changed(row, ours)
        if row["item_id"] is None:
            creates[one] = Write(row, ours, None)
        elif changed:
            updates[one] = Write(row, changed, row["item_id"])
        else:
            idle.append(one)
    _nothing_restored(work, [todo[one] for one in idle])
    work.finish(idle)
    eti = work.binding.participation.entity_type_id
    if updates:
        _update_all(work, flight, _first_request(updates, work.client.room("crm.item.update", eti)))
    for some in _slices(creates, work.client.room("crm.item.add", eti)):
        _send(work, flight, some, {one.key: _add(work, write) for one, write in some.items()})


def _nothing_restored(work: Work, rows: Sequence[Row]) -> None:
    edited = [row for row in rows if picture.EDITED in row["shadow"]]
    if not edited:
        return
    with work.service.store.transaction() as tx:
        for row in edited:
            shadow = {name: value for name, value in row["shadow"].items() if name != picture.EDITED}
            store.update(tx, t.participation, row["id"], shadow=shadow)


def _slices(writes: Mapping[Mark, Write], size: int) -> Iterator[dict[Mark, Write]]:
    pairs = list(writes.items())
    for at in range(0, len(pairs), size):
        yield dict(pairs[at : at + size])


def _first_request(updates: Mapping[Mark, Write], room: int) -> dict[Mark, Write]:
    """As many updates as go into one request beside the command that reads them first, where one is needed; what
    is left over stays marked."""
    looks = any(write.typed for write in updates.values())
    return dict(list(updates.items())[: min(room, AT_ONCE - looks)])


def _update_all(work: Work, flight: Flight, some: Mapping[Mark, Write]) -> None:
    commands = {one.key: _update(work, write) for one, write in some.items()}
    typed = [write.item_id for write in some.values() if write.typed and write.item_id]
    _send(work, flight, some, {LOOK: _look(work, typed), **commands} if typed else commands)


def _look(work: Work, item_ids: Sequence[int]) -> tuple[str, Mapping[str, Any]]:
    kind = work.binding.participation
    fields = [kind.fields[name] for name in sorted(TYPED) if name in kind.fields]
    return "crm.item.list", {
        "entityTypeId": kind.entity_type_id,
        "filter": {"@id": list(item_ids)},
        "select": ["id", "updatedTime", "updatedBy", *fields],
        "start": -1,
    }


def _ours(work: Work, row: Row) -> Picture:
    ours = picture.participation(row, ticket_link=f"{work.service.public_url}/t/{row['ticket']}")
    ours |= _client(row)
    if row["responsible_id"] and row["item_id"] is None:
        ours["responsible_id"] = row["responsible_id"]
    if row["outcome_kind"] == "deal" and row["outcome_item_id"]:
        ours["deal_id"] = row["outcome_item_id"]
    return ours


def _client(row: Row) -> Picture:
    """Links to people are theirs to change: we only fill what is empty, and put right what a form had guessed."""
    shadow, guessed = row["shadow"], row["shadow"].get(picture.FORM_CLIENT, {})
    decided = row["match"] in ("matched", "created", "none")
    mine: Picture = {
        "contact_ids": [row["contact_id"]] if row["contact_id"] else [],
        "company_id": row["company_id"] or 0,
    }
    filled = {
        name: value
        for name, value in mine.items()
        if (value and not shadow.get(name))
        or (
            decided
            and (value or row["match"] == "none")
            and name in guessed
            and shadow.get(name) == guessed[name]
        )
    }
    shown = set(shadow.get("contact_ids", []))
    living = shown - set(shadow.get(picture.GONE_CONTACTS, []))
    return filled | ({"contact_ids": sorted({*mine["contact_ids"], *living})} if living != shown else {})


def _changed(row: Row, ours: Picture) -> Picture:
    changed = picture.difference(ours, row["shadow"])
    if row["item_id"] is not None and picture.title_is_theirs(row["shadow"]):
        changed.pop("title", None)
    if "stage" in changed and not stage_moves.may_push(row["shadow"], row["stage"]):
        changed.pop("stage")
    return changed


def _send(work: Work, flight: Flight, some: Mapping[Mark, Write], commands: Commands) -> None:
    flight.send(lambda left: _sent(work, some, commands, left))


def _sent(work: Work, some: Mapping[Mark, Write], commands: Commands, left: Leaving) -> None:
    def under_way(tx: Tx) -> None:
        for write in some.values():
            store.update(tx, t.participation, write.row["id"], inflight=write.changed)

    leaving = work.leaving(list(some), also=under_way)

    def before_send() -> None:
        leaving()
        left()

    try:
        replies = work.client.batch(commands, write=True, before_send=before_send)
    except errors.B24Error as error:
        _unanswered(work, some, error)
        return
    before = _cards(replies.get(LOOK))
    with work.service.store.transaction() as tx:
        for one, write in some.items():
            _settle(tx, work, one, write, replies[one.key], before.get(write.item_id or 0))


def _unanswered(work: Work, some: Mapping[Mark, Write], error: errors.B24Error) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one, write in some.items():
            if not isinstance(error, errors.Ambiguous) and error.code != LEASE_LOST:
                store.update(tx, t.participation, write.row["id"], inflight=None)
            failed(tx, one, error, now=now, certain_at=work.certain_at(now))


def _cards(reply: Answer | errors.B24Error | None) -> dict[int, Item]:
    """What the cards showed right before they were written."""
    if reply is None or isinstance(reply, errors.B24Error):
        return {}
    return {int(item["id"]): item for item in reply.result["items"]}


def _fields(work: Work, changed: Picture) -> dict[str, Any]:
    kind = work.binding.participation
    fields = picture.encode(kind, picture.PARTICIPATION_FIELDS, changed)
    if "deal_id" in changed:
        fields[work.binding.parent_deal] = changed["deal_id"]
    return fields


def _add(work: Work, write: Write) -> tuple[str, Mapping[str, Any]]:
    binding = work.binding
    filled = {name: value for name, value in write.changed.items() if value not in ("", [], False, 0)}
    fields = _fields(work, filled) | {binding.parent_event: write.row["event_item_id"]}
    return "crm.item.add", {"entityTypeId": binding.participation.entity_type_id, "fields": fields}


def _update(work: Work, write: Write) -> tuple[str, Mapping[str, Any]]:
    eti = work.binding.participation.entity_type_id
    fields = _fields(work, write.changed)
    return "crm.item.update", {"entityTypeId": eti, "id": write.item_id, "fields": fields}


def _settle(tx: Tx, work: Work, one: Mark, write: Write, reply: Any, before: Item | None) -> None:
    now, row = work.now(), write.row
    if not isinstance(reply, errors.B24Error):
        _confirm(tx, work, one, write, reply.result["item"], before)
        return
    if isinstance(reply, errors.Ambiguous):
        failed(tx, one, reply, now=now, certain_at=work.certain_at(now))
        return
    store.update(tx, t.participation, row["id"], inflight=None)
    if errors.is_not_found(reply) and write.item_id:
        eti = work.binding.participation.entity_type_id
        marks.mark(tx, work.portal_id, "pull", [f"{eti}:{write.item_id}"], now=now)
        marks.done(tx, [one])
    else:
        failed(tx, one, reply, now=now, certain_at=work.certain_at(now))


def _confirm(tx: Tx, work: Work, one: Mark, write: Write, item: Item, before: Item | None) -> None:
    kind, row = work.binding.participation, write.row
    answer = picture.read(kind, picture.PARTICIPATION_FIELDS, item)
    shadow = _confirmed(row["shadow"], write.changed, answer)
    _say_restored(tx, work, write, item, shadow.pop(picture.EDITED, {}))
    facts = _typed_meanwhile(work, write, before) if before is not None else []
    if facts:
        observation.looked(shadow)
    store.update(tx, t.participation, row["id"], item_id=int(item["id"]), shadow=shadow, inflight=None)
    marks.done(tx, [one])
    journal.record(tx, {row["id"]: facts}, now=work.now())


def _say_restored(tx: Tx, work: Work, write: Write, item: Item, edited: Picture) -> None:
    """Whoever typed into a field that the app fills is told what became of it."""
    lost = {name: value for name, value in edited.items() if write.changed.get(name, value) != value}
    if not lost:
        return
    language, zone = work.settings.language, zone_of(write.row["time_zone"])
    words = "\n".join(
        f"{_label(name, language)}: {_shown(name, lost[name], language, zone)}" for name in sorted(lost)
    )
    _ = translator(language)
    text = _("Эти поля заполняет приложение, поэтому введённое в них заменено. Было введено:")
    eti, item_id = work.binding.participation.entity_type_id, int(item["id"])
    # The portal's time counts seconds: another edit in the same one is told by what it said.
    edit = hashlib.sha256(words.encode()).hexdigest()[:12]
    key = f"restored:{item_id}:{item.get('updatedTime')}:{edit}"
    effects.comment(tx, work, key, eti, item_id, f"{text}\n{words}")


def _label(name: str, language: str) -> str:
    return picture.PARTICIPATION_FIELDS[name].label.get(language)


def _shown(name: str, value: Any, language: str, zone: ZoneInfo) -> str:
    spec = picture.PARTICIPATION_FIELDS[name]
    if spec.kind == "datetime":
        return f"{datetime.fromisoformat(value).astimezone(zone):%d.%m.%Y %H:%M}"
    option = spec.options.get(str(value))
    return option.get(language) if option else str(value)


def _typed_meanwhile(work: Work, write: Write, before: Item) -> list[NewFact]:
    """What a person had typed into fields that we have just written over: it stands, and the next push says so."""
    row, shadow = write.row, write.row["shadow"]
    seen = picture.read(work.binding.participation, picture.PARTICIPATION_FIELDS, before)
    lost = {
        name: value
        for name, value in seen.items()
        if name in TYPED & write.changed.keys()
        and value
        not in (shadow.get(name, type(value)()), write.changed[name], (row["inflight"] or {}).get(name))
    }
    return observation.facts(before, lost, write.changed, looks=observation.looks(shadow))


def _confirmed(before: Picture, changed: Picture, answer: Picture) -> Picture:
    """What we now know the portal shows: what we wrote, as it answered it.

    Other fields of the answer stay out of the shadow: where they differ from it, a person changed them meanwhile, and
    the next pull must still see that.
    """
    shadow = {**before}
    for name, value in changed.items():
        shadow[name] = answer.get(name, value)
    if not before:
        # What people type as well is left to the next pull: a value the portal itself filled in is a change like any.
        rest = answer.keys() - shadow.keys() - TYPED
        shadow |= {name: answer[name] for name in rest}
    if "stage" in changed:
        stage_moves.pushed(shadow, changed["stage"])
        shadow.pop(stage_moves.ASIDE, None)
    return shadow
