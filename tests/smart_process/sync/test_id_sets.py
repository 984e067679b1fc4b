"""Once a day the objects we know are looked for: a deletion leaves no ``updatedTime``, a doubled key no event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from smart_process import checkup
from smart_process.facts import Kind
from smart_process.language import translator
from smart_process.schema import CONTACT, DEAL
from smart_process.store import findings
from smart_process.store import tables as t
from smart_process.sync import id_sets, sweep
from tests.smart_process.sync.story import Story


@pytest.fixture
def deaf(story: Story) -> Iterator[Story]:
    """A portal that tells nothing: online events are lost and the offline queue holds nothing."""
    story.faults(event_drop=1)
    unbind(story)
    yield story
    story.faults()


def unbind(story: Story) -> None:
    """The portal keeps no queue for us, as one that offers none."""
    db = story.company.sandbox.portal
    with db.transaction():
        db.db.execute("DELETE FROM event_handlers WHERE offline = 1")


def a_day_later(story: Story) -> None:
    with story.service.store.transaction() as tx:
        tx.execute(sa.update(t.setup).values(compared_at=story.service.clock() - timedelta(days=1)))


def swept(story: Story) -> None:
    a_day_later(story)
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()


def registered(story: Story) -> int:
    story.registers(story.guest("Пропавший", "Гость"))
    story.settle()
    return int(story.seat()["item_id"])


def test_a_deleted_card_is_found_although_nobody_told(deaf: Story) -> None:
    item_id = registered(deaf)
    swept(deaf)
    assert deaf.seat()["item_id"] == item_id
    deaf.delete(deaf.eti, item_id)
    deaf.settle()
    assert len(deaf.seats()) == 1
    swept(deaf)
    (gone,) = deaf.seats(all_of_them=True)
    assert gone["removed_at"] is not None
    assert Kind.REMOVED.value in deaf.kinds(gone["id"])


@pytest.mark.parametrize("what", ["contact", "deal", "event"])
def test_a_deletion_of_everything_we_know_by_id_is_found(deaf: Story, what: str) -> None:
    registered(deaf)
    seat = deaf.seat()
    if what == "deal":
        deaf.arrives(seat["id"])
        deaf.flags(seat["id"], "quote_requested")
        deaf.settle()
    ids = {
        "contact": lambda: (CONTACT, int(deaf.person(seat)["contact_id"])),
        "deal": lambda: (DEAL, int(deaf.deals()[0]["id"])),
        "event": lambda: (deaf.binding.event.entity_type_id, deaf.item_id),
    }
    entity_type_id, item_id = ids[what]()
    deaf.delete(entity_type_id, item_id)
    a_day_later(deaf)
    sweep.sweep(deaf.service, deaf.company.portal_id)
    assert f"{entity_type_id}:{item_id}" in {row["key"] for row in deaf.marks("pull")}
    deaf.settle()


def test_it_is_done_once_a_day_and_costs_one_request_for_fifty_times_fifty(
    deaf: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(deaf)
    a_day_later(deaf)
    with deaf.counted() as requests:
        id_sets.compare(deaf.service, deaf.company.portal_id, deaf.binding)
    assert len(requests) == 1
    assert set(requests[0]) <= {"crm.item.list", "tasks.task.list"}
    with deaf.counted() as requests:
        id_sets.compare(deaf.service, deaf.company.portal_id, deaf.binding)
    assert requests == []
    a_day_later(deaf)
    monkeypatch.setattr(id_sets, "PAGE", 1)
    monkeypatch.setattr(id_sets, "KEYS_AT_ONCE", 1)
    monkeypatch.setattr(id_sets, "MAX_BATCH", 2)
    with deaf.counted() as requests:
        assert id_sets.compare(deaf.service, deaf.company.portal_id, deaf.binding) == 0
    assert len(requests) > 2


def test_two_objects_with_one_key_are_shown_until_there_is_one(deaf: Story) -> None:
    item_id = registered(deaf)
    uid = deaf.seat()["uid"]
    fields = {"title": "Копия", "xmlId": uid, deaf.binding.parent_event: deaf.item_id}
    made = deaf.rest("crm.item.add", {"entityTypeId": deaf.eti, "fields": fields})["item"]
    swept(deaf)
    assert twins(deaf) == [(deaf.eti, [item_id, int(made["id"])])]
    said = [one.words(translator("ru")) for one in checkup.check(deaf.service, deaf.company.portal_id)]
    assert any(f"№ {item_id}, № {made['id']}" in one for one in said)
    # The engine unites two cards of one guest by itself; of contacts and deals a person has to.
    assert len(deaf.cards()) == 1
    swept(deaf)
    assert twins(deaf) == []


def twins(story: Story) -> list[tuple[int, list[int]]]:
    uid = story.seat()["uid"]
    with story.service.store.reading() as tx:
        found = findings.twins(tx, story.company.portal_id)
    return [(one.entity_type_id, list(one.ids)) for one in found if one.key == uid]
