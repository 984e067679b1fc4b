"""The portal's offline queue: what online events lost is found there; nothing leaves it before it is in our table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from b24 import errors
from b24.sandbox import basic
from b24.store import marks
from smart_process.schema import CONTACT, DEAL, OFFLINE_EVENTS
from smart_process.sync import offline
from tests.smart_process.sync.story import Guest, Story, writes

MODES = {"confirmed": "Y", "taken": "N"}


@pytest.fixture(params=list(MODES))
def deaf(request: pytest.FixtureRequest, story: Story, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A portal whose online events are all lost, with the mode of confirmation and without it; its queue is empty."""
    monkeypatch.setitem(basic.FEATURES, "rest_offline_extended", MODES[request.param])
    read(story)
    story.settle()
    story.faults(event_drop=1)
    yield story
    story.faults()


def read(story: Story) -> int:
    return offline.read(story.service, story.company.portal_id, story.binding)


def queue(story: Story) -> list[dict[str, Any]]:
    """What the portal keeps for us, reserved or not."""
    client = story.service.portals.client(story.company.portal_id)
    return list(client.call("event.offline.list"))


def pulls(story: Story) -> set[str]:
    return {row["key"] for row in story.marks("pull")}


def known(story: Story) -> tuple[Guest, int]:
    """A guest with a contact, everything settled and nothing in the portal's queue."""
    guest = story.guest("Тихая", "Очередь")
    story.registers(guest)
    story.settle()
    while read(story):
        story.settle()
    return guest, int(story.person(story.seat())["contact_id"])


def test_what_no_event_told_is_found_in_the_queue(deaf: Story) -> None:
    """A contact has no ``updatedTime`` sweep: only the queue tells that it was deleted."""
    _guest, contact_id = known(deaf)
    deaf.delete(CONTACT, contact_id)
    deaf.settle()
    assert deaf.person(deaf.seat())["contact_id"] == contact_id
    assert read(deaf) == 1
    assert queue(deaf) == []
    deaf.settle()
    assert deaf.person(deaf.seat())["contact_id"] is None


def test_a_day_without_any_online_event_is_whole_by_the_queue_alone(deaf: Story) -> None:
    """No other sweep is made: forms, cards, the event and a deal are told by the queue or not at all."""

    def told() -> None:
        read(deaf)
        deaf.settle()

    hot, cold = deaf.guest("Горячая", "Заявка"), deaf.guest("Тихая", "Заявка")
    form = deaf.form()
    cards = [deaf.fills_form(form, hot), deaf.fills_form(form, cold)]
    deaf.settle()
    assert deaf.seats() == []
    told()
    seats = {seat["item_id"]: seat for seat in deaf.seats()}
    assert sorted(seats) == sorted(cards)
    assert deaf.mails(hot.email) == deaf.mails(cold.email) == ["ticket"]
    deaf.edit_card(cards[0], stage="arrived", note="без событий")
    deaf.flags(seats[cards[0]]["id"], "quote_requested")
    told()
    (deal,) = deaf.deals()
    deaf.edit(DEAL, deal["id"], stageId="WON")
    deaf.edit(deaf.binding.event.entity_type_id, deaf.item_id, title="Новое имя")
    deaf.delete(deaf.eti, cards[1])
    told()
    rows = {seat["item_id"]: seat for seat in deaf.seats(all_of_them=True)}
    assert (rows[cards[0]]["stage"], rows[cards[0]]["note"]) == ("won", "без событий")
    assert rows[cards[1]]["removed_at"] is not None
    assert deaf.event["title"] == "Новое имя"
    # What is left are echoes of our own writes: they are read and lead to none.
    with deaf.counted() as sent:
        told()
    assert writes(sent) == []
    assert queue(deaf) == []


def test_a_record_is_forgotten_only_after_its_mark_is_kept(
    deaf: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    _guest, contact_id = known(deaf)
    deaf.edit(CONTACT, contact_id, post="директор")

    def away(*_: Any, **__: Any) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(marks, "mark_objects", away)
        with pytest.raises(OSError, match="away"):
            read(deaf)
    assert pulls(deaf) == set()
    assert len(queue(deaf)) == 1
    assert read(deaf) == 1
    assert pulls(deaf) == {f"{CONTACT}:{contact_id}"}
    assert queue(deaf) == []
    deaf.settle()


@pytest.mark.parametrize("method", ["event.offline.get", "event.offline.clear", "event.offline.list"])
@pytest.mark.parametrize("fault", ["reset_after", "5xx"])
def test_an_answer_that_is_lost_loses_no_record(deaf: Story, method: str, fault: str) -> None:
    _guest, contact_id = known(deaf)
    deaf.edit(CONTACT, contact_id, post="директор")
    deaf.faults(event_drop=1, methods=[method, "batch"], times={fault: 1}, **{fault: 1.0})
    with suppress(errors.B24Error):
        read(deaf)
    deaf.faults(event_drop=1)
    read(deaf)
    assert pulls(deaf) == {f"{CONTACT}:{contact_id}"}
    assert queue(deaf) == []
    deaf.settle()


def test_many_records_are_read_page_by_page(deaf: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "PAGE", 2)
    known(deaf)
    made = {f"{CONTACT}:{deaf.add_contact('Гость', str(n), email=f'q{n}@x.example')}" for n in range(5)}
    assert read(deaf) == 5
    assert pulls(deaf) == made
    assert queue(deaf) == []
    deaf.settle()


def test_a_record_that_names_nobody_is_passed_over(story: Story) -> None:
    """The documentation's examples show ``EVENT_DATA: false``; an object of somebody else's type is none of ours."""
    rows: list[dict[str, Any]] = [
        {"EVENT_NAME": "ONCRMCONTACTADD", "EVENT_DATA": False},
        {"EVENT_NAME": "ONCRMDYNAMICITEMADD", "EVENT_DATA": {"FIELDS": {"ID": 5, "ENTITY_TYPE_ID": 999}}},
        {"EVENT_NAME": "ONCRMCONTACTADD", "EVENT_DATA": {"FIELDS": {"ID": "x"}}},
        {"EVENT_NAME": "onCrmContactAdd", "EVENT_DATA": {"FIELDS": {"ID": 5}}},
        {
            "EVENT_NAME": "ONTASKDELETE",
            "EVENT_DATA": {"FIELDS_BEFORE": {"ID": 7}, "FIELDS_AFTER": "undefined"},
        },
    ]
    assert list(offline._objects(rows, story.binding)) == [("pull", f"{CONTACT}:5"), ("pull_task", "7")]


def test_installing_binds_the_queue_once(story: Story) -> None:
    bound = story.service.portals.client(story.company.portal_id).call("event.get")
    names = [row["event"] for row in bound if row["offline"]]
    assert sorted(names) == sorted(OFFLINE_EVENTS)
