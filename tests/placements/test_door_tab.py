"""The door on the Event tab: gates, phones, the live view, the rehearsal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from b24.sandbox.server import Options, Sandbox
from smart_process import devices
from smart_process.store import event_gates
from smart_process.store import tables as t
from tests.tab_world import Tabs, open_tabs, text_of


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    with Sandbox(Options(port=0, seed="demo", limits=False, pages=False)) as sandbox:
        world = open_tabs(sandbox, tmp_path_factory.mktemp("tabs"))
        yield world
        world.place.rest.close()
        world.place.service.portals.close()
        world.place.service.store.close()


@pytest.fixture
def tabs(opened: Tabs) -> Tabs:
    soon = opened.place.service.clock() + timedelta(hours=1)
    opened.add_event(
        stage="live", starts_at=soon.isoformat(), ends_at=(soon + timedelta(hours=8)).isoformat()
    )
    return opened


def part(tabs: Tabs, name: str) -> str:
    reply = tabs.get(f"event/door/{name}", acting=True)
    assert reply.status_code == 200, reply.text
    return text_of(reply.get_json()["html"])


def enrolled(tabs: Tabs, link: str, name: str = "Вход 1") -> Any:
    with tabs.place.service.store.transaction() as tx:
        now = tabs.place.service.clock()
        return devices.enrol(tx, link.rpartition("/scan/")[2], name, now=now)[0]


def test_gates_are_kept_as_they_were_given(tabs: Tabs) -> None:
    gates = [
        {"name": "Главный", "kind": "entrance", "flag": "", "reentry": True},
        {"name": "Зал А", "kind": "session", "flag": "closed_session", "reentry": False},
    ]
    assert tabs.call("event/gates", {"gates": gates}).status_code == 200
    with tabs.place.service.store.reading() as tx:
        kept = event_gates.read(tx, tabs.event_id)
    assert [(gate.kind, gate.flag, gate.reentry) for gate in kept.values()] == [
        ("entrance", "", True),
        ("session", "closed_session", False),
    ]
    assert "Главный" in part(tabs, "gates")


@pytest.mark.parametrize(
    "gates",
    [
        [{"name": "", "kind": "stand"}],
        [{"name": "x"}],
        [{"name": "x", "kind": "roof"}],
        [{"name": "x", "kind": "stand", "flag": "vip"}],
        [{"name": "x", "kind": "stand"}, {"name": " x", "kind": "session"}],
        [{"name": "x" * 65, "kind": "stand"}],
        [["x"]],
    ],
)
def test_gates_that_make_no_sense_are_refused(tabs: Tabs, gates: Any) -> None:
    assert tabs.call("event/gates", {"gates": gates}).status_code == 400
    with tabs.place.service.store.reading() as tx:
        assert event_gates.read(tx, tabs.event_id) == {}


def test_a_phone_is_listed_and_switched_off_at_once(tabs: Tabs) -> None:
    device = enrolled(tabs, tabs.call("event/enrolment", {"gates": ["Главный"]}).get_json()["link"])
    assert "Вход 1" in part(tabs, "phones")
    assert "на связи" in part(tabs, "phones")
    assert tabs.call("event/phone/revoke", {"phone": device.id}).status_code == 200
    (row,) = tabs.rows(t.device, t.device.c.id == device.id)
    assert row.revoked_at is not None
    assert "отключён" in part(tabs, "phones")
    assert tabs.call("event/phone/revoke", {"phone": device.id + 1000}).status_code == 404


def test_the_live_view_counts_and_plans(tabs: Tabs) -> None:
    enrolled(tabs, tabs.call("event/enrolment", {}).get_json()["link"])
    text = part(tabs, "live")
    assert "из 0 ожидаемых" in text
    gates = [{"name": "Главный", "kind": "entrance", "flag": "", "reentry": False}]
    tabs.call("event/gates", {"gates": gates})
    text = part(tabs, "live")
    assert "Главный Вход 0 из 0 0 1" in text
    assert "1 на связи у входа, нужно 0" in text


def test_a_rehearsal_is_begun_enrolled_for_and_wiped(tabs: Tabs) -> None:
    assert tabs.call("event/enrolment", {"rehearsal": True}).status_code == 409
    assert tabs.call("event/rehearsal/start").status_code == 200
    assert "Учебный Первый должно быть: Проходите" in part(tabs, "rehearsal")
    device = enrolled(tabs, tabs.call("event/enrolment", {"rehearsal": True}).get_json()["link"])
    assert device.event_id != tabs.event_id
    assert "Телефонов: 1" in part(tabs, "rehearsal")
    assert tabs.call("event/rehearsal/wipe").status_code == 200
    assert "Начать репетицию" in part(tabs, "rehearsal")


def test_nothing_is_disputed_and_no_case_can_be_invented(tabs: Tabs) -> None:
    assert part(tabs, "cases") == ""
    assert tabs.call("event/case", {"case": "scan:1:x", "answer": "same"}).status_code == 409
    assert tabs.call("event/case", {"case": 5, "answer": "same"}).status_code == 400
    assert tabs.call("event/case/reopen", {"case": "scan:1:x"}).status_code == 409
    assert tabs.call("event/case/reopen", {"case": 5}).status_code == 400
    assert tabs.get("event/door/secrets").status_code == 404
