"""The door and the portal: phones never wait for it, and what they tell is there within a drain."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Any

import pytest

from smart_process import devices
from smart_process.admission import Gate, GateKind
from smart_process.facts import Kind, NewFact
from smart_process.people import Identity
from smart_process.schema import COMPANY
from smart_process.settings import SegmentFields
from smart_process.store import event_gates, journal, participations, setups
from smart_process.store import pack as pack_rows
from smart_process.store.people import find_or_add_person
from tests.eventually import eventually
from tests.smart_process.sync.story import Story, unique, writes

GUESTS = 250
GATES = ("Главный вход", "Закрытая сессия", "Стенд А", "Стенд Б")
"""A thousand scans: everybody at every gate."""


@dataclass
class Phone:
    """An enrolled phone that talks to the app over HTTP."""

    story: Story
    token: str

    def scans(self, some: list[dict[str, Any]]) -> list[str]:
        """Verdicts on scans sent together."""
        reply = self.story.rest.http.post(
            f"{self.story.service.public_url}/api/v1/scans",
            json={"scans": some, "sent_at": self.story.service.clock().isoformat()},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        return [one["verdict"] for one in reply.json()["verdicts"]]

    def scan(self, ticket: str, gate: str = GATES[0], ago: timedelta = timedelta()) -> dict[str, Any]:
        """One entry of ``scans``; ``ago``: the phone let somebody in without network."""
        at = self.story.service.clock() - ago
        return {
            "scan_id": secrets.token_hex(16),
            "ticket": ticket,
            "gate": gate,
            "scanned_at": at.isoformat(),
            **({"shown": "admitted"} if ago else {}),
        }


def phone(story: Story, name: str = "Вход 1") -> Phone:
    now = story.service.clock()
    with story.service.store.transaction() as tx:
        code = devices.create_enrolment(tx, story.event["id"], gates=[], by="user:1", now=now)
        return Phone(story, devices.enrol(tx, code, name, now=now)[1])


@contextmanager
def portal_that_does_not_answer(story: Story) -> Iterator[tuple[threading.Event, list[str]]]:
    """Every request to the portal waits until the event is set; beside it the threads that made one."""
    transport = story.service.portals.transport
    original, answers, asked = transport.post, threading.Event(), list[str]()

    def post(url: str, payload: Mapping[str, Any], **more: Any) -> Any:
        asked.append(threading.current_thread().name)
        assert answers.wait(60)
        return original(url, payload, **more)

    transport.post = post  # type: ignore[method-assign]
    try:
        yield answers, asked
    finally:
        answers.set()
        transport.post = original  # type: ignore[method-assign]


def test_a_thousand_scans_are_answered_while_the_portal_is_silent(story: Story) -> None:
    now, store = story.service.clock(), story.service.store
    kinds = dict(
        zip(GATES, (GateKind.ENTRANCE, GateKind.SESSION, GateKind.STAND, GateKind.STAND), strict=True)
    )
    with store.transaction() as tx:
        event_gates.write(tx, story.event["id"], [Gate(name, kind) for name, kind in kinds.items()])
        for n in range(GUESTS):
            person = Identity("Толпа", f"Гость{n}", f"{n}@door{story.number}.example")
            person_id = find_or_add_person(tx, story.company.portal_id, person, now)
            seat = participations.find_or_add(
                tx, portal_id=story.company.portal_id, event_id=story.event["id"], person_id=person_id
            )
            fact = NewFact(Kind.REGISTERED, now, "guest", f"x:{unique()}", data={"source": "page"})
            journal.record(tx, {seat.id: [fact]}, now=now)
    story.settle()
    queued, online = phone(story), phone(story, "Вход 2")
    seats = story.seats()
    entries = [queued.scan(seat["ticket"], gate, timedelta(minutes=30)) for seat in seats for gate in GATES]
    with portal_that_does_not_answer(story) as (answers, asked):
        story.record(seats[0]["id"], Kind.NOTE, text="есть что записать")
        drain = threading.Thread(target=story.drain, name="drain")
        drain.start()
        eventually(lambda: asked, waiting_for="the drain to ask the portal")
        for at in range(0, len(entries), 50):
            assert set(queued.scans(entries[at : at + 50])) == {"admitted"}
            # A guest at another door meanwhile.
            assert online.scans([online.scan(seats[at // len(GATES)]["ticket"])]) == ["already_admitted"]
        assert drain.is_alive()
        assert all(name == "drain" or name.startswith("flight") for name in asked), asked
        assert {seat["stage"] for seat in story.seats()} == {"arrived"}
        answers.set()
        drain.join(60)
    with story.counted() as sent:
        story.drain()
    changing = [some for some in sent if writes([some])]
    assert len(changing) <= ceil(GUESTS / 49) + 1
    story.settle()
    arrived = story.binding.participation.stages["arrived"]
    found = {
        item["id"]: item["stageId"]
        for start in range(0, GUESTS, 50)
        for item in story.rest(
            "crm.item.list",
            {
                "entityTypeId": story.eti,
                "filter": {story.binding.parent_event: story.item_id},
                "select": ["id", "stageId"],
                "start": start,
            },
        )["items"]
    }
    assert (len(found), set(found.values())) == (GUESTS, {arrived})


def test_what_the_organiser_writes_for_the_door_is_on_the_phone_with_the_next_refresh(story: Story) -> None:
    story.registers(story.guest("Докладчиков"))
    story.settle()
    seat, door = story.seat(), phone(story)

    def asked(path: str) -> dict[str, Any]:
        reply = story.rest.http.get(
            f"{story.service.public_url}/api/v1/{path}",
            headers={"Authorization": f"Bearer {door.token}"},
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    whole = asked("pack")
    story.edit_card(seat["item_id"], door_note="Докладчик, проводить в зал А")
    story.settle()
    fresh = asked(f"pack?since={whole['version']}")
    assert not fresh["whole"]
    with story.service.store.reading() as tx:
        (guest,) = pack_rows.everybody(tx, story.company.portal_id, story.event["id"])
    assert guest.notes == ({"kind": "told", "text": "Докладчик, проводить в зал А"},)
    assert [one[0] for one in fresh["guests"]] == [one[0] for one in whole["guests"]]
    # It stays the organiser's: an arrival written to the card leaves it alone.
    door.scans([door.scan(seat["ticket"])])
    story.settle()
    assert (story.card()["door_note"], story.card()["stage"]) == ("Докладчик, проводить в зал А", "arrived")


@pytest.fixture
def important(stories: Callable[[], Story]) -> Iterator[tuple[Story, str]]:
    """A story and the title of a company of high potential with a colleague responsible for it."""
    story = stories()
    name = f"UF_CRM_POTENTIAL_{story.number}"
    field = {
        "FIELD_NAME": name,
        "USER_TYPE_ID": "enumeration",
        "EDIT_FORM_LABEL": {"ru": "Потенциал"},
        "LIST": [{"VALUE": "Высокий"}],
    }
    story.rest("crm.company.userfield.add", {"fields": field})
    fields = story.rest("crm.item.fields", {"entityTypeId": COMPANY})["fields"]
    api_name, spec = next((key, one) for key, one in fields.items() if one.get("upperName") == name)
    high = str(spec["items"][0]["ID"])
    before = story.settings
    with story.service.store.transaction() as tx:
        segment = SegmentFields(potential=api_name, potentials={high: "high"})
        setups.write_settings(
            tx, story.company.portal_id, replace(before, segment=segment), now=story.service.clock()
        )
    title = f"Ключевая {story.number}"
    company_id = story.add_company(title, email=f"office@key{story.number}.example")
    story.edit(COMPANY, company_id, **{api_name: high, "assignedById": 1})
    yield story, title
    with story.service.store.transaction() as tx:
        setups.write_settings(tx, story.company.portal_id, before, now=story.service.clock())


def test_the_account_manager_is_told_of_a_key_guest_by_the_drain_the_scan_wakes(
    important: tuple[Story, str],
) -> None:
    story, title = important
    for first in ("Анна", "Олег"):
        story.registers(
            story.guest("Ключевой", first, email=f"{unique()}@key{story.number}.example", company=title)
        )
    story.settle()
    anna, oleg = story.seats()
    door = phone(story)

    def told() -> list[str]:
        notices = story.rest("im.notify.get")["notifications"]
        return [str(one["text"]) for one in notices if title in str(one["text"])]

    assert door.scans([door.scan(anna["ticket"])]) == ["admitted"]
    with story.counted() as sent:
        story.drain()
    (now,) = told()
    assert "Важный гость на месте: Анна Ключевой" in now
    # Seconds at two requests a second: it is said before the cards are written.
    asked = [name for some in sent for name in some]
    assert asked.index("im.notify.system.add") < 50
    # A phone that had no network for half an hour: said to be late, and the first is not said again.
    door.scans([door.scan(oleg["ticket"], ago=timedelta(minutes=30))])
    story.settle()
    late = next(one for one in told() if "Олег" in one)
    assert "телефон был без связи" in late
    assert len(told()) == 2
