"""Days on which the world is in order for nobody: the portal is away, clocks are wrong, a worker sleeps too long,
access is lost in the middle. Clocks are passed in; nothing sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from b24 import portals
from b24.client import Portals
from b24.errors import Ambiguous
from b24.launch import accept_installation, parse_launch
from b24.store.engine import Store
from b24.transport import Reply, Transport
from smart_process.schema import APP, CONTACT
from smart_process.store import tables as t
from smart_process.sync import drain, sweep
from smart_process.sync.work import Work
from tests.smart_process.sync.story import Company, Guest, Story
from tests.smart_process.sync.test_cut_anywhere import Day, end, whole

__all__ = ["whole"]
Post = Callable[..., Reply]


@contextmanager
def between(story: Story, wire: Callable[[Post], Post]) -> Iterator[None]:
    """Put something between our client and the portal."""
    transport = story.service.portals.transport
    original = transport.post
    transport.post = wire(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        transport.post = original  # type: ignore[method-assign]


def made_of(story: Story, guest: Guest) -> int:
    """How many contacts we made of a guest."""
    (person,) = story.rows(t.person, t.person.c.email == guest.email)
    return len(story.items(CONTACT, originatorId=APP, originId=person["uid"]))


# ------------------------------------------------------------------ the portal is away


def test_a_portal_away_for_a_day_delays_nobodys_ticket_and_loses_nothing(story: Story) -> None:
    guests = [story.guest(name, "Гость") for name in ("Утренний", "Дневной", "Вечерний")]
    story.faults(html=1)
    for guest in guests:
        story.registers(guest)
        story.drain()
        assert story.mails(guest.email) == ["ticket"]
    story.arrives(story.seats()[0]["id"])
    for _ in range(24):
        story.company.clock.move_to(story.service.clock() + timedelta(hours=1))
        with story.counted() as sent:
            story.drain()
        # Asked again and again, but not hammered: a request or two for each kind of object that waits.
        assert 0 < len(sent) <= 12
    story.faults()
    assert story.cards() == []
    story.settle()
    cards = [story.named(card) for card in story.cards()]
    assert sorted(card["stage"] for card in cards) == ["arrived", "registered", "registered"]
    assert [made_of(story, guest) for guest in guests] == [1, 1, 1]
    assert [story.mails(guest.email) for guest in guests] == [["ticket"]] * 3
    assert story.waiting() == []


# ------------------------------------------------------------------ events


def test_with_every_event_doubled_and_out_of_order_the_day_ends_the_same(
    story: Story, whole: dict[str, Any]
) -> None:
    day = Day(story)
    story.faults(event_double=1, event_reorder=1)
    for part in day.parts:
        part()
        story.settle()
    assert end(day) == whole


# ------------------------------------------------------------------ clocks


@pytest.mark.parametrize("seconds", [-100, 100, -30 * 3600, 30 * 3600])
def test_a_portal_whose_clock_jumps_loses_nothing(story: Story, seconds: int) -> None:
    guests = [story.guest(name, "Гость") for name in ("Прежнее", "Другое")]
    form = story.form()
    story.fills_form(form, guests[0])
    story.settle()
    sweep.sweep(story.service, story.company.portal_id)
    story.settle()
    now = story.rest.control("clock", method="GET")["offset_s"]
    story.rest.control("clock", {"offset_s": now + seconds})
    try:
        if abs(seconds) < 3600:
            # The sweep finds it although it seems to be older than what was swept before.
            story.faults(event_drop=1)
        story.fills_form(form, guests[1])
        sweep.sweep(story.service, story.company.portal_id)
        story.settle()
        for seat in story.seats():
            story.arrives(seat["id"])
            story.insists(partial(story.edit_card, seat["item_id"], note="по их часам"))
        sweep.sweep(story.service, story.company.portal_id)
        story.settle()
        assert [(seat["note"], seat["stage"]) for seat in story.seats()] == [("по их часам", "arrived")] * 2
        story.insists(story.cards)
        assert {story.named(card)["stage"] for card in story.cards()} == {"arrived"}
        assert [story.mails(guest.email) for guest in guests] == [["ticket"], ["ticket"]]
    finally:
        story.faults()
        story.rest.control("clock", {"offset_s": now})


# ------------------------------------------------------------------ workers


def test_two_workers_at_one_portal_make_nothing_twice(story: Story) -> None:
    guests = [story.guest(f"Гость{n}", "Общий", company="") for n in range(12)]
    ours = story.service
    store = Store(ours.store.engine.url.render_as_string(hide_password=False))
    other = replace(
        ours,
        store=store,
        portals=Portals(
            store,
            ours.secrets,
            ours.portals.oauth,
            clock=ours.clock,
            cut_s=ours.portals.cut_s,
            bucket=(10_000, 1000.0),
            allow_origin=ours.portals.transport.allow_origin,
        ),
    )
    coming = iter(guests)

    def comes() -> None:
        story.registers(next(coming))

    together = threading.Barrier(2, action=comes)

    def works(service: Any) -> list[int]:
        touched = []
        for _ in guests:
            together.wait()
            touched.append(drain.drain(service, story.company.portal_id))
        return touched

    try:
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(works, (ours, other))
    finally:
        other.portals.transport.close()
        store.close()
    # Whoever came second was refused.
    assert 0 in first + second
    story.settle()
    assert [made_of(story, guest) for guest in guests] == [1] * 12
    assert len(story.cards()) == 12
    assert [story.mails(guest.email) for guest in guests] == [["ticket"]] * 12


def test_a_worker_stopped_past_its_lease_sends_nothing_when_it_goes_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = story.guest("Спящий", "Работник", company="")
    story.registers(guest)
    announced = Work.leaving

    def leaving(self: Work, some: Any, **also: Any) -> Callable[[], None]:
        commit = announced(self, some, **also)

        def stopped_after_it() -> None:
            commit()
            # SIGSTOP; another worker takes the portal over, looks up what we had announced and makes it.
            monkeypatch.setattr(Work, "leaving", announced)
            story.company.clock.move_to(story.service.clock() + timedelta(minutes=5))
            story.settle()
            assert made_of(story, guest) == 1

        return stopped_after_it

    monkeypatch.setattr(Work, "leaving", leaving)
    story.drain()
    story.settle()
    assert made_of(story, guest) == 1
    assert len(story.cards()) == 1
    assert story.mails(guest.email) == ["ticket"]


# ------------------------------------------------------------------ the portal's cut-off


class Executed:
    """A portal that begins with a create at once, answers nobody, and executes it when it is told to."""

    def __init__(self) -> None:
        self.late: list[Callable[[], Reply]] = []

    def wire(self, original: Post) -> Post:
        """Between our client and the portal."""

        def post(url: str, payload: Mapping[str, Any], **more: Any) -> Reply:
            creates = any("crm.item.add" in one for one in map(str, (payload.get("cmd") or {}).values()))
            if not creates or self.late:
                return original(url, payload, **more)
            self.late.append(lambda: original(url, payload, **more))
            raise Ambiguous("TIMEOUT", "no answer in time")

        return post


def test_with_the_portals_sixty_seconds_nothing_is_looked_up_before_sixty_five(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story.service.portals, "cut_s", 60)
    guest, portal = story.guest("Шестьдесят", "Секунд", company=""), Executed()
    story.registers(guest)
    left_at = story.service.clock()
    with between(story, portal.wire):
        story.drain()
        for seconds in (20, 50, 64):
            story.company.clock.move_to(left_at + timedelta(seconds=seconds))
            story.drain()
            assert made_of(story, guest) == 0
        # The last moment at which the portal can do it.
        portal.late[0]()
        story.settle()
    assert story.service.clock() >= left_at + timedelta(seconds=65)
    assert made_of(story, guest) == 1
    assert story.person(story.seat())["match"] == "created"


def test_a_look_up_before_the_cut_off_would_make_it_twice(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "certain_at", lambda _self, sent_at: sent_at)
    guest, portal = story.guest("Слишком", "Рано", company=""), Executed()
    story.registers(guest)
    with between(story, portal.wire):
        story.settle()
        portal.late[0]()
    assert made_of(story, guest) == 2


# ------------------------------------------------------------------ access


def state(company: Company) -> str:
    """Whether the portal lets us in, as far as we know."""
    with company.service.store.reading() as tx:
        found = portals.by_id(tx, company.service.secrets, company.portal_id)
    return found.state if found else ""


def opened(company: Company, user_id: int) -> None:
    """An administrator opens the app's installer again."""
    apps = company.rest.control("apps", method="GET")
    ours = next(one for one in apps if one["installer_url"])
    page = company.rest.control(f"apps/{ours['id']}/open", {"user_id": user_id})
    query = page["url"].partition("?")[2]
    body = "&".join(f"{name}={value}" for name, value in page["fields"].items())
    accept_installation(company.service.portals, parse_launch(body.encode(), query.encode()))


def test_an_installer_dismissed_in_the_middle_stops_the_portal_until_a_colleague_opens_the_app(
    story: Story,
) -> None:
    company = story.company
    leaver = company.rest.control("users", {"name": "Ушедший", "last_name": "Б", "admin": "1"})
    opened(company, leaver["id"])
    first, second = story.guest("До", "Ухода"), story.guest("После", "Ухода")
    story.registers(first)
    story.settle()
    story.arrives(story.seat()["id"])
    company.rest.control(f"users/{leaver['id']}/dismiss")
    story.drain()
    assert state(company) == portals.PAUSED
    # The door and the registration page go on meanwhile.
    story.registers(second)
    with story.counted() as sent:
        story.drain()
    assert sent == []
    opened(company, 1)
    story.settle()
    assert state(company) == portals.ACTIVE
    assert sorted(story.named(card)["stage"] for card in story.cards()) == ["arrived", "registered"]
    assert [made_of(story, guest) for guest in (first, second)] == [1, 1]
    assert [story.mails(guest.email) for guest in (first, second)] == [["ticket"], ["ticket"]]


def test_tokens_revoked_in_the_middle_of_a_drain_cost_nothing_but_time(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = story.guest("Без", "Доступа")
    story.registers(guest)
    calls = 0

    def wire(original: Post) -> Post:
        def post(url: str, payload: Mapping[str, Any], **more: Any) -> Reply:
            nonlocal calls
            calls += 1
            if calls < 3:
                return original(url, payload, **more)
            return Reply(401, b'{"error":"expired_token","error_description":"x"}')

        return post

    def refused(_self: Transport, _url: str, _params: Mapping[str, str], **_more: Any) -> Reply:
        return Reply(400, b'{"error":"invalid_grant"}')

    with monkeypatch.context() as patch, between(story, wire):
        patch.setattr(Transport, "get", refused)
        story.drain()
    assert state(story.company) == portals.PAUSED
    opened(story.company, 1)
    story.settle()
    assert made_of(story, guest) == 1
    assert len(story.cards()) == 1
    assert story.mails(guest.email) == ["ticket"]


def test_a_portal_renamed_in_the_middle_of_a_drain_is_followed(story: Story) -> None:
    guests = [story.guest(name, "Гость") for name in ("Старый", "Новый")]
    story.registers(guests[0])
    with story.service.store.reading() as tx:
        before = portals.by_id(tx, story.service.secrets, story.company.portal_id)
    assert before is not None
    new, calls = "https://renamed.example/rest/", 0

    def wire(original: Post) -> Post:
        def post(url: str, payload: Mapping[str, Any], **more: Any) -> Reply:
            nonlocal calls
            calls += 1
            if url.startswith(new):
                return original(url.replace(new, before.endpoint), payload, **more)
            if calls < 3:
                return original(url, payload, **more)
            return Reply(302, b"", url.replace(before.endpoint, new))

        return post

    try:
        with between(story, wire):
            story.drain()
            story.registers(guests[1])
            story.settle()
            with story.service.store.reading() as tx:
                after = portals.by_id(tx, story.service.secrets, story.company.portal_id)
            assert after is not None
            assert after.endpoint == new
            assert [made_of(story, guest) for guest in guests] == [1, 1]
            assert len(story.cards()) == 2
    finally:
        with story.service.store.transaction() as tx:
            portals.move_endpoint(
                tx, story.company.portal_id, old=new, new=before.endpoint, now=story.service.clock()
            )
