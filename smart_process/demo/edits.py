"""``demo --play --edits``: colleagues who work in the CRM while the day runs, and do what people do.

They move, rename, merge, delete and restore cards, convert leads, work on deals and tasks, and some of them are
dismissed. Everything
goes through the portal's REST in their own names, never through the app. Who does what is chosen by the seed and by
whom a card is about, so a seed plays the same day again. What they typed is remembered and compared at the end.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smart_process.demo import conference
from smart_process.demo.cast import Cast, Stranger
from smart_process.demo.doors import Crm
from smart_process.demo.leads import Leads
from smart_process.demo.portal import ADMIN, PortalFailed, Rest
from smart_process.schema import APP, COMPANY, CONTACT, DEAL, FLAGS, flag_field

if TYPE_CHECKING:
    from smart_process.demo.command import Demo

Item = Mapping[str, Any]
EDITORS = 4
"""So many colleagues edit; none of them is dismissed."""
LEAVING = 2
"""So many others are dismissed while people are on the floor."""
CARDS = {
    "before": "decline irrelevant back note card_title rename rename merge_away merge_into second delete_card"
    " delete_contact assign gate",
    "floor": "back engaged irrelevant note note flag_off rename merge_away merge_into second delete_card delete_contact"
    " assign gate",
    "after": "note decline back rename merge_away second delete_card card_title",
}
"""What happens to cards of guests at each time of the day; twice means twice as often."""
DEALS = "deal_title deal_sum deal_assign deal_delete deal_note"
TASKS = "task_done task_delete task_assign task_title"
COMPANIES = "company_rename company_merge"
SHARE = {"cards": 0.16, "deals": 0.25, "tasks": 0.15, "companies": 0.04}
"""How much of each kind is touched at each time."""
TASK = 0
"""Stands for tasks where types of cards are named by their number."""
STAGES = {"decline": "declined", "irrelevant": "not_relevant", "engaged": "engaged"}
PATH = ("selected", "invited", "registered", "arrived", "engaged")
GONE = object()
"""The answer to a step the portal refused: what it was about is gone meanwhile, or not this colleague's to change."""
Command = tuple[str, Mapping[str, Any]]
Steps = Generator[Command, Any, bool]
"""An edit as its REST calls one after the other; ends with whether it was made."""


@dataclass(frozen=True)
class Typed:
    """A value somebody typed into a card."""

    entity_type_id: int
    item_id: int
    field: str


@dataclass(frozen=True)
class Edit:
    """One edit by one colleague."""

    what: str
    user_id: int
    steps: Steps


class Edits:
    """The colleagues of one day."""

    def __init__(self, demo: Demo, cast: Cast) -> None:
        self._demo, self._cast = demo, cast
        self._binding = conference.binding(demo)
        people = [one for one in demo.portal.control("users") if one["ACTIVE"] and not one["ADMIN"]]
        order = sorted(people, key=lambda one: cast.number("colleague", str(one["ID"])))
        if len(order) < EDITORS + LEAVING:
            raise PortalFailed("too few colleagues in the portal for a day with edits")
        self._editors = [int(one["ID"]) for one in order[:EDITORS]]
        self._leaving = [int(one["ID"]) for one in order[EDITORS : EDITORS + LEAVING]]
        self._rests = {user_id: self._rest_of(user_id) for user_id in (*self._editors, ADMIN)}
        self._leads = Leads(demo, cast)
        self.typed: dict[Typed, Any] = {}
        self.gone: set[tuple[int, int]] = set()
        self.made: Counter[str] = Counter()

    def _rest_of(self, user_id: int) -> Rest:
        return Rest(self._demo.portal.control(f"users/{user_id}/access", {})["webhook_url"])

    def leads_come(self, known: Sequence[Stranger]) -> list[Stranger]:
        """Strangers and people with a card fill in the form that makes leads; who they are."""
        people = [*self._cast.strangers("lead", self._cast.leads), *known]
        self._leads.fill(people)
        self.made["lead"] += len(people)
        return people

    def written_over(self, entity_type_id: int, changes: Mapping[int, Mapping[str, Any]]) -> None:
        """Others typed into cards: where one of ours had typed before, the later value is the one that has to stand."""
        for item_id, fields in changes.items():
            for name, value in fields.items():
                if Typed(entity_type_id, item_id, name) in self.typed:
                    self.typed[Typed(entity_type_id, item_id, name)] = value

    def close(self) -> None:
        """Close every connection."""
        for rest in self._rests.values():
            rest.close()

    # ------------------------------------------------------------------ times of the day

    def during(self, when: str, tickets: Mapping[str, str]) -> None:
        """Edit what stands in the portal now.

        Args:
            when: before, floor or after; ``tickets``: guest's address by ticket link, to know whose a card is.
        """
        chosen = [
            *self._chosen(CARDS[when], SHARE["cards"], when, self._cards(tickets)),
            *self._chosen(COMPANIES, SHARE["companies"], when, self._companies()),
        ]
        if when != "before":
            chosen += self._chosen(DEALS, SHARE["deals"], when, self._deals())
            chosen += self._chosen(TASKS, SHARE["tasks"], when, self._tasks())
        for user_id in self._rests:
            self._work([one for one in chosen if one.user_id == user_id])
        if when != "after":
            self.made["lead_converted"] += self._leads.convert(self._editors[0], when)
        if when == "floor":
            for user_id in self._leaving:
                self._demo.portal.control(f"users/{user_id}/dismiss", {})
                self.made["dismissed"] += 1
        if when == "after":
            self._restore()
        self._demo.say(f"Правок коллег в CRM: {sum(self.made.values())}")

    def _chosen(
        self, menu: str, share: float, when: str, found: Iterable[tuple[str, Item]]
    ) -> Iterator[Edit]:
        for key, item in found:
            chance = self._cast.chance(f"edit:{when}:{key}")
            if chance.random() < share:
                what = chance.choice(menu.split())
                handler: Callable[[Item, random.Random, str], Steps] = getattr(
                    self, f"_{what.partition('_')[0]}"
                )
                # A task is its owner's and its creator's: the administrator stands in for whoever that is.
                by = ADMIN if menu == TASKS else chance.choice(self._editors)
                yield Edit(what, by, handler(item, chance, what))

    def _work(self, edits: Sequence[Edit]) -> None:
        """One colleague's edits, all of them a step at a time: people are not slowed down by limits of REST."""
        open_edits: list[tuple[Edit, Any]] = [(one, None) for one in edits]
        rest: Rest | None = None
        while open_edits:
            asked: list[tuple[Edit, Command]] = []
            for one, answer in open_edits:
                try:
                    asked.append((one, one.steps.send(answer)))
                except StopIteration as end:
                    self.made[one.what] += bool(end.value)
            open_edits = []
            for at in range(0, len(asked), 50):
                rest = rest or self._rests[edits[0].user_id]
                some = asked[at : at + 50]
                answers = rest.tried({f"e{n}": command for n, (_one, command) in enumerate(some)})
                open_edits += [(one, answers.get(f"e{n}", GONE)) for n, (one, _) in enumerate(some)]

    # ------------------------------------------------------------------ what there is

    def _crm(self) -> Crm:
        return Crm(conference.rest_of(self._demo))

    def _cards(self, tickets: Mapping[str, str]) -> Iterator[tuple[str, Item]]:
        """Cards of guests with a ticket by their address; of those only invited by their contact."""
        kind = self._binding.participation
        link = kind.fields["ticket_link"]
        flags = [kind.fields[flag_field(flag)] for flag in FLAGS]
        select = ["id", "title", "stageId", "contactId", "companyId", link, *flags]
        where = {self._binding.parent_event: self._demo.kept.event_item_id}
        for item in self._crm().items(kind.entity_type_id, where, select):
            address = tickets.get(str(item.get(link) or ""))
            yield address or f"contact:{item['contactId']}", item

    def _companies(self) -> Iterator[tuple[str, Item]]:
        """Companies of the programme: the first hundred, which the portal was made with."""
        for item in self._crm().items(COMPANY, {"<=id": 100}, ["id", "title"]):
            if (COMPANY, int(item["id"])) not in self.gone:
                yield f"company:{item['id']}", item

    def _deals(self) -> Iterator[tuple[str, Item]]:
        where = {self._binding.parent_event: self._demo.kept.event_item_id, "originatorId": APP}
        for item in self._crm().items(DEAL, where, ["id", "title", "stageSemanticId", "companyId"]):
            if item["stageSemanticId"] == "P":
                yield f"deal:{item['title']}", item

    def _tasks(self) -> Iterator[tuple[str, Item]]:
        rest, last = conference.rest_of(self._demo), 0
        while True:
            asked = {
                "filter": {">ID": last},
                "order": {"ID": "asc"},
                "select": ["ID", "TITLE", "STATUS"],
                "start": -1,
            }
            page = rest.call("tasks.task.list", asked)["tasks"]
            for task in page:
                if str(task["status"]) != "5":
                    yield f"task:{task['title']}", task
            if len(page) < 50:
                return
            last = int(page[-1]["id"])

    # ------------------------------------------------------------------ single edits

    def _write(
        self, entity_type_id: int, item_id: Any, fields: Mapping[str, Any], *, keep: bool = True
    ) -> Steps:
        """Change a card; what was typed is remembered. ``False``: the card is gone meanwhile."""
        answer = yield "crm.item.update", {"entityTypeId": entity_type_id, "id": item_id, "fields": fields}
        if answer is GONE:
            return False
        if keep:
            self.typed |= {Typed(entity_type_id, int(item_id), name): value for name, value in fields.items()}
        return True

    def _erase(self, entity_type_id: int, item_id: int) -> Steps:
        answer = yield "crm.item.delete", {"entityTypeId": entity_type_id, "id": item_id}
        if answer is not GONE:
            self.gone.add((entity_type_id, item_id))
        return answer is not GONE

    def _on_card(self, item: Item, fields: Mapping[str, Any], *, keep: bool = True) -> Steps:
        return self._write(self._binding.participation.entity_type_id, item["id"], fields, keep=keep)

    def _decline(self, item: Item, _chance: random.Random, what: str) -> Steps:
        stage = self._binding.participation.stages[STAGES[what]]
        return self._on_card(item, {"stageId": stage}, keep=False)

    _irrelevant = _engaged = _decline

    def _back(self, item: Item, _chance: random.Random, _what: str) -> Steps:
        """One step back from where the card stands."""
        kind = self._binding.participation
        now = kind.stage_key(item["stageId"])
        if now not in PATH[1:]:
            return False
        before = kind.stages[PATH[PATH.index(now) - 1]]
        return (yield from self._on_card(item, {"stageId": before}, keep=False))

    def _note(self, item: Item, chance: random.Random, _what: str) -> Steps:
        note = f"Записал(а) сам(а): {chance.randint(100, 999)}"
        return self._on_card(item, {self._binding.participation.fields["note"]: note})

    def _flag(self, item: Item, chance: random.Random, _what: str) -> Steps:
        """Take a flag off again."""
        names = [self._binding.participation.fields[flag_field(flag)] for flag in FLAGS]
        on = [name for name in names if item.get(name) == "Y"]
        if not on:
            return False
        return (yield from self._on_card(item, {chance.choice(on): "N"}, keep=False))

    def _card(self, item: Item, chance: random.Random, _what: str) -> Steps:
        return self._on_card(item, {"title": f"Важный гость {chance.randint(100, 999)}"})

    def _assign(self, item: Item, chance: random.Random, _what: str) -> Steps:
        return self._on_card(item, {"assignedById": chance.choice(self._editors)})

    def _gate(self, item: Item, _chance: random.Random, _what: str) -> Steps:
        """A field the app fills: it comes back by itself, so it is not remembered."""
        return self._on_card(item, {self._binding.participation.fields["gate"]: "Чёрный ход"}, keep=False)

    def _rename(self, item: Item, chance: random.Random, _what: str) -> Steps:
        """A contact's post, and a middle name somebody found out."""
        fields = {"post": f"Главный {chance.randint(100, 999)}", "secondName": "Маратович"}
        return self._write(CONTACT, item["contactId"], fields)

    def _merge(self, item: Item, _chance: random.Random, what: str) -> Steps:
        """A second card of the same person, made by hand and merged: the guest's card goes, or stays."""
        contact_id = int(item["contactId"] or 0)
        found = yield "crm.item.get", {"entityTypeId": CONTACT, "id": contact_id}
        if found is GONE:
            return False
        names = {name: found["item"].get(name) or "" for name in ("name", "lastName")}
        return (yield from self._twin(CONTACT, names, contact_id, goes=what == "merge_away"))

    def _twin(self, entity_type_id: int, fields: Mapping[str, Any], item_id: int, *, goes: bool) -> Steps:
        made = yield "crm.item.add", {"entityTypeId": entity_type_id, "fields": fields}
        if made is GONE:
            return False
        twin = int(made["item"]["id"])
        stays, merged = (twin, item_id) if goes else (item_id, twin)
        answer = yield (
            "crm.entity.mergeBatch",
            {"params": {"entityTypeId": entity_type_id, "entityIds": [stays, merged]}},
        )
        if answer is GONE or answer["STATUS"] != "SUCCESS":
            return False
        self.gone.add((entity_type_id, merged))
        for one in [
            one for one in self.typed if (one.entity_type_id, one.item_id) == (entity_type_id, merged)
        ]:
            self.typed[Typed(entity_type_id, stays, one.field)] = self.typed.pop(one)
        return True

    def _second(self, item: Item, _chance: random.Random, _what: str) -> Steps:
        """A colleague adds a guest who is on the list already."""
        fields = {
            "title": item["title"],
            "contactId": item["contactId"],
            self._binding.parent_event: self._demo.kept.event_item_id,
        }
        eti = self._binding.participation.entity_type_id
        if not item["contactId"]:
            return False
        return (yield "crm.item.add", {"entityTypeId": eti, "fields": fields}) is not GONE

    def _delete(self, item: Item, _chance: random.Random, what: str) -> Steps:
        if what == "delete_card":
            return self._erase(self._binding.participation.entity_type_id, int(item["id"]))
        return self._erase(CONTACT, int(item["contactId"] or 0))

    def _company(self, item: Item, chance: random.Random, what: str) -> Steps:
        if what == "company_rename":
            title = f"{item['title']} ({chance.randint(100, 999)})"
            return self._write(COMPANY, item["id"], {"title": title})
        return self._twin(COMPANY, {"title": item["title"]}, int(item["id"]), goes=True)

    def _deal(self, item: Item, chance: random.Random, what: str) -> Steps:
        choices: dict[str, dict[str, Any]] = {
            "deal_title": {"title": f"Договор {chance.randint(100, 999)}"},
            "deal_sum": {"opportunity": chance.randint(100, 999) * 1000, "isManualOpportunity": "Y"},
            "deal_assign": {"assignedById": chance.choice(self._editors)},
            "deal_note": {"comments": f"Созвонились {chance.randint(1, 28)}-го"},
        }
        if what in choices:
            return self._write(DEAL, item["id"], choices[what])
        return self._erase(DEAL, int(item["id"]))

    def _task(self, item: Item, chance: random.Random, what: str) -> Steps:
        task_id = int(item["id"])
        choices: dict[str, dict[str, Any]] = {
            "task_title": {"title": f"Позвонить {chance.randint(100, 999)}"},
            "task_assign": {"responsibleId": chance.choice(self._editors)},
        }
        if what in choices:
            fields = {_upper(name): value for name, value in choices[what].items()}
            answer = yield "tasks.task.update", {"taskId": task_id, "fields": fields}
            if answer is not GONE:
                self.typed |= {Typed(TASK, task_id, name): value for name, value in choices[what].items()}
            return answer is not GONE
        method = "tasks.task.complete" if what == "task_done" else "tasks.task.delete"
        answer = yield method, {"taskId": task_id}
        if answer is not GONE and what == "task_delete":
            self.gone.add((TASK, task_id))
        return answer is not GONE

    def _restore(self) -> None:
        """Some of what lies in the recycle bin is taken back; it comes under another id."""
        ours = {self._binding.participation.entity_type_id, DEAL, CONTACT}
        for one in self._demo.portal.control("recycle"):
            number = (int(one["entity_type_id"]), int(one["item_id"]))
            wanted = number[0] in ours and number in self.gone
            if wanted and self._cast.chance(f"restore:{one['title']}:{number[0]}").random() < 0.4:
                self._demo.portal.control(f"recycle/{one['id']}/restore", {"user_id": ADMIN})
                self.made["restored"] += 1

    # ------------------------------------------------------------------ afterwards

    def overwritten(self) -> list[str]:
        """Typed values that do not stand in the portal any more, in words."""
        by_type: dict[int, dict[int, set[str]]] = {}
        for one in self.typed:
            by_type.setdefault(one.entity_type_id, {}).setdefault(one.item_id, set()).add(one.field)
        found: list[str] = []
        for entity_type_id, asked in by_type.items():
            items = self._read(entity_type_id, asked)
            for one in (one for one in self.typed if one.entity_type_id == entity_type_id):
                found += self._compared(one, items.get(one.item_id))
        return found

    def _read(self, entity_type_id: int, asked: Mapping[int, set[str]]) -> dict[int, Item]:
        ids, fields = sorted(asked), sorted(set().union(*asked.values()))
        if entity_type_id == TASK:
            return {task_id: task for task_id in ids if (task := self._task_now(task_id, fields))}
        found: dict[int, Item] = {}
        for at in range(0, len(ids), 50):
            some = self._crm().items(entity_type_id, {"@id": ids[at : at + 50]}, ["id", *fields])
            found |= {int(item["id"]): item for item in some}
        return found

    def _task_now(self, task_id: int, fields: list[str]) -> Item | None:
        select = ["ID", *map(_upper, fields)]
        asked = {"filter": {"ID": task_id}, "select": select}
        found = conference.rest_of(self._demo).call("tasks.task.list", asked)["tasks"]
        return dict(found[0]) if found else None

    def _compared(self, one: Typed, item: Item | None) -> list[str]:
        where = f"{one.field} of {one.entity_type_id}:{one.item_id}"
        if item is None:
            gone = (one.entity_type_id, one.item_id) in self.gone
            return [] if gone else [f"{where}: the card is gone, and no colleague deleted it"]
        seen, typed = item.get(one.field), self.typed[one]
        same = str(seen) == str(typed) or (isinstance(typed, int) and float(seen or 0) == typed)
        return [] if same else [f"{where}: a colleague typed {typed!r}, the portal shows {seen!r}"]


def _upper(name: str) -> str:
    """``responsibleId`` as tasks want it in requests: ``RESPONSIBLE_ID``."""
    return re.sub("([A-Z])", r"_\1", name).upper()
