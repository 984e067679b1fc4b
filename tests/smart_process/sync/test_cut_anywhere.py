"""A day cut off at every single call to the portal, before it leaves and after it was executed, ends the same.

The process is thought dead at that moment: nothing of the call's answer is seen, the next drain begins anew.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from smart_process.facts import Kind
from smart_process.schema import APP, COMPANY, CONTACT, DEAL, FLAGS, flag_field
from smart_process.store import tables as t
from tests.smart_process.sync.story import Company, Guest, Story

SHARE = 0.3
"""Of the calls that are the process's last."""


class Killed(BaseException):
    """The process ends here; nothing in it may catch this."""


@contextmanager
def cut(story: Story, when: Callable[[int], bool], *, executed: bool) -> Iterator[Callable[[], int]]:
    """Let the process end at every call for whose number (1 is the first) ``when`` says so; tells how many came."""
    transport = story.service.portals.transport
    original, calls = transport.post, 0

    def post(url: str, payload: Mapping[str, Any], **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if not when(calls):
            return original(url, payload, **more)
        if executed:
            original(url, payload, **more)
        raise Killed

    transport.post = post  # type: ignore[method-assign]
    try:
        yield lambda: calls
    finally:
        transport.post = original  # type: ignore[method-assign]


def begun_again_until_settled(story: Story) -> None:
    """Start the process anew as often as it is killed."""
    for _ in range(200):
        with suppress(Killed):
            story.settle()
            return
    raise AssertionError("it never gets to the end")


class Day:
    """A small day: a form, two strangers of one company, a form by one of them, arrivals, flags, a card edited."""

    def __init__(self, story: Story) -> None:
        self.story = story
        n = story.number
        company = f"ТОО День {n}"
        # Not of the strangers' company: the form makes one, and whose a second one of that name is says a person.
        self.known = Guest("Известный", "Пётр", f"known{n}@day.example", f"+7702{n:07d}", f"ТОО Форма {n}")
        self.first = Guest("Первая", "Анна", f"a{n}@day{n}.example", f"+7703{n:07d}", company)
        self.second = Guest("Второй", "Борис", f"b{n}@day{n}.example", f"+7704{n:07d}", company)
        self.form = story.form()
        story.add_contact("Известный", "Пётр", email=self.known.email)
        story.settle()

    def morning(self) -> None:
        """Everybody registers; one of them twice."""
        self.story.fills_form(self.form, self.known)
        self.story.registers(self.first)
        self.story.registers(self.second)
        self.story.events_arrived()

    def doubled(self) -> None:
        """Somebody who has a card fills the form in too."""
        self.story.fills_form(self.form, self.first)
        self.story.events_arrived()

    def noon(self) -> None:
        """Arrivals, flags, a colleague's hand."""
        seats = {self.story.person(seat)["last_name"]: seat for seat in self.story.seats()}
        for name, seat in seats.items():
            self.story.arrives(seat["id"])
            if name != "Второй":
                self.story.flags(seat["id"], "quote_requested")
        card = seats["Второй"]["item_id"]
        self.story.insists(
            lambda: self.story.edit_card(card, note="обещали образцы", flag_materials_requested="Y")
        )
        self.story.events_arrived()

    def evening(self) -> None:
        """The event is closed."""
        self.story.insists(lambda: self.story.move_event("closed"))
        self.story.events_arrived()

    @property
    def parts(self) -> list[Callable[[], None]]:
        return [self.morning, self.doubled, self.noon, self.evening]


def end(day: Day) -> dict[str, Any]:
    """What portal and journal show in the end, free of ids and times."""
    story = day.story
    guests = (day.known, day.first, day.second)
    cards = [story.named(card) for card in story.cards()]
    shown = ("stage", "gate", "device", "source", "note", *map(flag_field, FLAGS))
    deals, tasks = story.deals(), story.tasks()
    return {
        "cards": sorted(
            ([str(card[name] or "") for name in shown], bool(card["parentId2"])) for card in cards
        ),
        "contacts": [
            len(
                story.items(
                    CONTACT,
                    originatorId=APP,
                    lastName=one.last_name,
                    name=one.first_name,
                    **{"@id": [card["contactId"] for card in cards]},
                )
            )
            for one in guests
        ],
        "all contacts of ours": _ours(story, CONTACT),
        "companies of ours": _ours(story, COMPANY),
        "deals": sorted((len(deal["contactIds"]), len(story.todos(deal["id"]))) for deal in deals),
        "comments": sorted(len(story.comments(DEAL, deal["id"])) for deal in deals),
        "tasks": sorted((task["title"].replace(str(story.number), ""), task["status"]) for task in tasks),
        "mails": [story.mails(one.email) for one in guests],
        "facts": sorted(
            sorted(kind for kind in story.kinds(seat["id"]) if kind != Kind.MERGED) for seat in story.seats()
        ),
        "merged": sum(story.kinds(seat["id"]).count("merged") for seat in story.seats()),
        "waiting": [row for row in story.waiting() if row[0] != "pull"],
        "messages": Counter(row["state"] for row in story.rows(t.message)).keys(),
    }


def _ours(story: Story, entity_type_id: int) -> int:
    """How many keys of ours stand on more than one card."""
    found = story.items(entity_type_id, originatorId=APP)
    return sum(times > 1 for times in Counter(item["originId"] for item in found).values())


def played(day: Day) -> dict[str, Any]:
    """Every part to its end, and what is there then."""
    for part in day.parts:
        part()
        day.story.settle()
    return end(day)


@pytest.fixture(scope="module")
def whole(place: Company) -> dict[str, Any]:
    """The end of a day on which nothing happened."""
    return played(Day(Story(place).begin()))


@pytest.mark.parametrize("executed", [False, True], ids=["before-it-leaves", "after-it-was-executed"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_again_and_again_the_day_ends_the_same(
    story: Story, whole: dict[str, Any], seed: int, executed: bool
) -> None:
    day, dice = Day(story), random.Random(seed)
    with cut(story, lambda _call: dice.random() < SHARE, executed=executed) as calls:
        for part in day.parts:
            part()
            begun_again_until_settled(story)
    assert calls() > 20
    assert end(day) == whole


@pytest.mark.postgres
def test_on_postgresql_a_killed_day_ends_the_same(postgres_place: Company, whole: dict[str, Any]) -> None:
    story, dice = Story(postgres_place).begin(), random.Random(4)
    day = Day(story)
    with cut(story, lambda _call: dice.random() < SHARE, executed=True):
        for part in day.parts:
            part()
            begun_again_until_settled(story)
    assert end(day) == whole
