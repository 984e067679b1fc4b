"""How little the sync asks of the portal: requests per change, and of whom nothing is asked."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import pytest

from b24.pace import Pace
from b24.store import marks
from smart_process.facts import Kind, NewFact
from smart_process.people import Identity
from smart_process.schema import CONTACT
from smart_process.store import journal, participations
from smart_process.store import tables as t
from smart_process.store.people import find_or_add_person
from tests.smart_process.sync.story import Company, Story, methods_of, unique, writes

GUESTS = 120


@pytest.fixture(scope="module", autouse=True)
def full_requests(place: Company) -> Iterator[None]:
    """A portal that gives up after its real 60 s: its commands never take so long that fewer go into a request."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(place.service.portals, "pace", Pace(60))
        yield


@pytest.fixture(scope="module")
def crowd(place: Company, full_requests: None) -> Story:
    """An event with many registered guests, everything at rest."""
    story = Story(place).begin()
    now, event_id = story.service.clock(), story.event["id"]
    with story.service.store.transaction() as tx:
        for n in range(GUESTS):
            person = Identity("Толпа", f"Гость{n}", f"{n}@crowd{story.number}.example")
            person_id = find_or_add_person(tx, place.portal_id, person, now)
            seat = participations.find_or_add(
                tx, portal_id=place.portal_id, event_id=event_id, person_id=person_id
            )
            fact = NewFact(Kind.REGISTERED, now, "guest", f"x:{unique()}", data={"source": "page"})
            journal.record(tx, {seat.id: [fact]}, now=now)
    story.settle()
    assert len(story.cards()) == 50, "the first page of many"
    return story


def everybody(story: Story, kind: Kind, **data: str) -> None:
    """The same fact about every guest, in one transaction."""
    now = story.service.clock()
    facts = {
        seat["id"]: [NewFact(kind, now, "device:1", f"x:{unique()}", "Вход", data)] for seat in story.seats()
    }
    with story.service.store.transaction() as tx:
        journal.record(tx, facts, now=now)


def until_written(sent: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The requests up to the last one that writes."""
    last = max(n for n, some in enumerate(sent) if writes([some]))
    return sent[: last + 1]


def test_arrivals_cost_one_request_per_fifty(crowd: Story) -> None:
    everybody(crowd, Kind.ARRIVED, device="Вход 1")
    with crowd.counted() as sent:
        crowd.drain()
    # One look into the portal at the beginning, at most; what comes back is read when everything is written.
    written = until_written(sent)
    assert sum(bool(writes([some])) for some in written) == ceil(GUESTS / 50)
    assert len(written) <= ceil(GUESTS / 50) + 2
    assert len(writes(sent)) == GUESTS
    crowd.settle()


def test_flags_cost_one_command_more_per_request_to_see_what_people_typed(crowd: Story) -> None:
    everybody(crowd, Kind.FLAG_SET, flag="question_asked")
    with crowd.counted() as sent:
        crowd.drain()
    writing = [some for some in sent if writes([some])]
    assert len(writing) == ceil(GUESTS / 49)
    assert sum(map(len, writing)) == GUESTS + len(writing)
    assert {some[0] for some in writing} == {"crm.item.list"}
    assert len(until_written(sent)) <= ceil(GUESTS / 49) + 3
    crowd.settle()


def test_requests_leave_while_the_answers_to_others_are_out(
    crowd: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(crowd, Kind.FLAG_SET, flag="materials_requested")
    crowd.events_arrived()
    transport, both_out, leaving = crowd.service.portals.transport, threading.Barrier(2), itertools.count()
    post = transport.post

    def post_together(url: str, payload: Mapping[str, Any], **more: Any) -> Any:
        if writes([methods_of(url, payload)]) and next(leaving) < both_out.parties:
            both_out.wait(60)
        return post(url, payload, **more)

    with monkeypatch.context() as patched:
        patched.setattr(transport, "post", post_together)
        with crowd.counted() as sent:
            crowd.drain()
    assert not both_out.broken
    assert len(writes(sent)) == GUESTS
    crowd.settle()


def test_what_comes_back_of_our_writes_costs_reads_only(crowd: Story) -> None:
    everybody(crowd, Kind.FLAG_SET, flag="closed_session")
    crowd.drain()
    crowd.events_arrived()
    with crowd.counted() as sent:
        crowd.settle()
    assert writes(sent) == []
    # All pages in one request, their histories in another.
    assert len(sent) <= 2


def test_a_thousand_doubled_events_about_forty_objects_cost_three_requests_at_most(crowd: Story) -> None:
    crowd.settle()
    seats = crowd.seats()[:40]
    for _ in range(25):
        crowd.mark("pull", *(f"{crowd.eti}:{seat['item_id']}" for seat in seats))
        crowd.mark("pull", f"{crowd.binding.event.entity_type_id}:{crowd.item_id}")
    with crowd.counted() as sent:
        crowd.settle()
    assert len(sent) <= 3
    assert writes(sent) == []


def test_events_about_cards_that_are_not_ours_cost_one_read_and_change_nothing(crowd: Story) -> None:
    contact_id = crowd.add_contact("Чужой", "Контакт", email=f"alien{unique()}@alien.example")
    before = len(crowd.rows(t.person))
    crowd.mark("pull", f"{CONTACT}:{contact_id}", "5:17", "мусор", "x:y")
    with crowd.counted() as sent:
        crowd.settle()
    assert [name for some in sent for name in some] == ["crm.item.list"]
    assert len(crowd.rows(t.person)) == before


def test_the_hot_are_written_before_a_mass_update(crowd: Story) -> None:
    seats = crowd.seats()
    now = crowd.service.clock()
    with crowd.service.store.transaction() as tx:
        for seat in seats:
            note = NewFact(Kind.NOTE, now, "device:1", f"x:{unique()}", data={"text": f"всем {unique()}"})
            journal.record(tx, {seat["id"]: [note]}, now=now, priority=marks.BULK)
        hot = NewFact(Kind.FLAG_SET, now, "device:1", f"x:{unique()}", data={"flag": "materials_requested"})
        journal.record(tx, {seats[-1]["id"]: [hot]}, now=now, priority=marks.HOT)
    with crowd.service.store.reading() as tx:
        first = marks.claim(tx, crowd.company.portal_id, [journal.PUSH], now=now, limit=1)
    assert [one.key for one in first] == [str(seats[-1]["id"])]
    crowd.settle()
