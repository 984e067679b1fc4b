"""The engine against a model of what people remember: facts, edits, lost and doubled events, lost answers, crashes
between a call and its note, cards moved, deleted, restored and merged by people, drains, sweeps and waits in any order
end with everything in its place, once.

The portal is the sandbox over HTTP; only its queue server is played by hand, so that every event has its own fate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from b24.errors import Ambiguous
from b24.transport import Reply
from smart_process.facts import Kind
from smart_process.schema import APP, COMPANY, CONTACT, DEAL, flag_field
from smart_process.store import journal
from smart_process.store import tables as t
from smart_process.sync import sweep
from smart_process.sync.named import PULL
from tests.smart_process.sync.story import Company, Row, Story, writes
from tests.smart_process.sync.test_cut_anywhere import Killed

GUESTS = 3
BY_PHONE = ("quote_requested", "closed_session")
BY_HAND = ("materials_requested", "question_asked")
"""Flags phones set and flags people set on cards: different ones, so that the model knows what must stand."""
AWAY, AHEAD = "not_relevant", "engaged"
"""Stages people choose: one the app never writes, so that each move is known as theirs, and one it writes too."""
MOVES, BIN, SECOND, UNITED = "moves", "bin", "a second card", "contacts united"
BY_COLLEAGUES = (*BY_HAND, MOVES, BIN, SECOND, UNITED)
ONE = st.integers(0, GUESTS - 1)
CARD = -1
STRUCK = st.sampled_from([CARD, CARD, CARD, CONTACT, COMPANY, DEAL])
FATES = (
    "not executed",
    "executed, no answer",
    "the process ends, not executed",
    "executed, the process ends",
    "phones are busy before it",
    "phones are busy after it",
    "a colleague is busy before it",
    "a colleague is busy after it",
    "a colleague is busy after it, no answer",
    "phones are busy after it, the process ends",
)
QUEUED_S = 3600
Send = Callable[[], Reply]
Fate = Callable[[Send], Reply]


class Engine(RuleBasedStateMachine):
    """One event, a few guests of one company, one colleague at their cards."""

    place: Company

    @initialize(already=st.integers(1, GUESTS))
    def opens(self, already: int) -> None:
        """Registration is open, some have registered, nothing of another run waits."""
        self._queue(0)
        self.story = Story(self.place).begin()
        self._queue(QUEUED_S)
        n = self.story.number
        self.guests = [
            self.story.guest(name, "Модель", company=f"ТОО Модель {n}")
            for name in ("Первый", "Второй", "Третий")
        ]
        self.seats: dict[int, int] = {}
        self.arrived: set[int] = set()
        self.flags: dict[tuple[int, str], bool] = {}
        self.notes: dict[int, str] = {}
        self.moves: Counter[tuple[int, str]] = Counter()
        self.away: set[int] = set()
        self.deleted: dict[int, int] = {}
        self.was_deleted: set[int] = set()
        self.looks = 0
        self.struck: int | None = None
        self.fate: Fate = lambda send: send()
        for who in range(already):
            self.registers(who)
        transport = self.place.service.portals.transport
        self._post = transport.post
        transport.post = self._fated  # type: ignore[method-assign]

    def _fated(self, url: str, payload: Mapping[str, Any], **more: Any) -> Reply:
        """What happens at the first call that changes something of the type the rule named."""
        kind = self.story.eti if self.struck == CARD else self.struck
        writing = [
            one for one in map(str, (payload.get("cmd") or {}).values()) if writes([(one.partition("?")[0],)])
        ]
        if not any(f"entityTypeId={kind}&" in one or f"entityTypeId%5D={kind}&" in one for one in writing):
            return self._post(url, payload, **more)
        self.struck = None
        return self.fate(lambda: self._post(url, payload, **more))

    # ------------------------------------------------------------------ guests, phones and a colleague

    def at_the_door(self, who: int, what: str) -> None:
        """A guest registers, maybe again, is scanned, or gets a flag from a phone."""
        if who not in self.seats:
            self.registers(who)
        elif what == "registers":
            # A guest who was told not to come, or whose ticket is gone, is a story of its own.
            if who not in self.was_deleted and not self.moves[who, AWAY]:
                self.registers(who)
        elif what == "arrives":
            self.story.arrives(self.seats[who])
            self.arrived.add(who)
            self.away.discard(who)
        else:
            self.story.flags(self.seats[who], what)
            self.flags[who, what] = True

    def registers(self, who: int) -> None:
        """The registration page."""
        self.story.registers(self.guests[who])
        for seat in self.story.seats():
            if self.story.person(seat)["email"] == self.guests[who].email:
                # Of a second card of theirs there may be another for a while.
                self.seats.setdefault(who, seat["id"])

    def in_the_crm(self, who: int, what: str, on: bool) -> None:
        """What colleagues do with the guest's card, if there is one; ``on``: a flag set, a stage of failure."""
        item_id = self._item(who)
        if what == BIN and who in self.deleted:
            self.story.restore(self.story.eti, self.deleted.pop(who))
        elif not item_id:
            return
        elif what == MOVES:
            self._moves(who, item_id, AWAY if on else AHEAD)
        elif what == BIN:
            self._deletes(who, item_id)
        elif what == SECOND:
            self._adds_a_second_card(item_id)
        elif what == UNITED:
            self._unites_contacts(who, item_id)
        else:
            self.looks += 1
            self.notes[who] = f"заметка {self.looks}"
            self.flags[who, what] = on
            self.story.edit_card(item_id, note=self.notes[who], **{flag_field(what): "Y" if on else "N"})

    def _moves(self, who: int, item_id: int, stage: str) -> None:
        (card,) = self.story.items(self.story.eti, id=item_id)
        if self.story.named(card)["stage"] != stage:
            self.story.edit_card(item_id, stage=stage)
            self.moves[who, stage] += 1
            self.away.discard(who)
            if stage == AWAY:
                self.away.add(who)

    def _deletes(self, who: int, item_id: int) -> None:
        """Of a card the app does not know of yet it cannot know either that somebody deleted it; of two cards of a
        guest the other would be left."""
        (seat,) = self.story.rows(t.participation, t.participation.c.id == self.seats[who])
        second = [card for card in self.story.cards() if card["contactId"] and not card["xmlId"]]
        if seat["item_id"] == item_id and not second:
            self.story.delete(self.story.eti, item_id)
            self.deleted[who] = item_id
            self.was_deleted.add(who)

    def _adds_a_second_card(self, item_id: int) -> None:
        (card,) = self.story.items(self.story.eti, id=item_id)
        if card["contactId"]:
            fields = {"contactId": card["contactId"], self.story.binding.parent_event: self.story.item_id}
            self.story.rest("crm.item.add", {"entityTypeId": self.story.eti, "fields": fields})

    def _unites_contacts(self, who: int, item_id: int) -> None:
        """A colleague makes a card of their own of the guest and keeps that one."""
        (card,) = self.story.items(self.story.eti, id=item_id)
        if card["contactId"]:
            one = self.guests[who]
            own = self.story.add_contact(one.last_name, one.first_name, email=one.email)
            self.story.merge(CONTACT, own, card["contactId"])

    def _item(self, who: int) -> int:
        """The guest's card, also one we do not know of yet because its answer was lost."""
        if who not in self.seats:
            return 0
        (seat,) = self.story.rows(t.participation, t.participation.c.id == self.seats[who])
        found = self.story.items(self.story.eti, xmlId=seat["uid"])
        return int(found[0]["id"]) if found else 0

    # ------------------------------------------------------------------ the portal's queue server

    def posts(self, fates: list[int], backwards: bool) -> None:
        """Some events are posted, doubled or lost, in order or not."""
        for row, times in zip(self._queued()[:: -1 if backwards else 1], fates, strict=False):
            self._send(row, times)

    def _queued(self) -> list[Any]:
        with self.place.sandbox.portal.transaction() as db:
            return list(db.execute("SELECT * FROM event_queue ORDER BY id").fetchall())

    def _send(self, row: Any, times: int) -> None:
        with self.place.sandbox.portal.transaction() as db:
            db.execute("DELETE FROM event_queue WHERE id = ?", (row["id"],))
        for _ in range(times):
            self.place.sandbox._delivery._send(row)

    def _queue(self, delay_s: int) -> None:
        self.place.rest.control("clock", {"event_delay_s": delay_s})

    # ------------------------------------------------------------------ the engine

    @rule(
        door=st.lists(st.tuples(ONE, st.sampled_from(["registers", "arrives", *BY_PHONE])), max_size=3),
        crm=st.lists(st.tuples(ONE, st.sampled_from(BY_COLLEAGUES), st.booleans()), max_size=2),
        posted=st.lists(st.sampled_from([0, 1, 1, 2]), max_size=6),
        backwards=st.booleans(),
        seconds=st.sampled_from([0, 1, 6, 30, 400]),
        swept=st.booleans(),
        fate=st.tuples(STRUCK, st.sampled_from(FATES), st.sampled_from(BY_COLLEAGUES), st.booleans()),
    )
    def a_while_passes(
        self,
        door: list[tuple[int, str]],
        crm: list[tuple[int, str, bool]],
        posted: list[int],
        backwards: bool,
        seconds: int,
        swept: bool,
        fate: tuple[int, str, str, bool],
    ) -> None:
        """People do something, events arrive or not, time passes, the timer strikes or not, a worker looks and meets
        its fate."""
        for who, what in door:
            self.at_the_door(who, what)
        for who, done, on in crm:
            self.in_the_crm(who, done, on)
        self.posts(posted, backwards)
        self.place.clock.move_to(self.place.clock() + timedelta(seconds=seconds))
        if swept:
            sweep.sweep(self.place.service, self.place.portal_id)
        self.works(*fate)

    def works(self, struck: int, what: str, done: str, on: bool) -> None:
        """A worker drains, and at some call the answer is lost, the process ends, or everybody is busy meanwhile."""

        def everybody_is_busy() -> None:
            for who in list(self.seats):
                if "phones" in what:
                    self.at_the_door(who, BY_PHONE[on])
                if "colleague" in what:
                    self.in_the_crm(who, done, on)

        def fate(send: Send) -> Reply:
            if "before" in what:
                everybody_is_busy()
            reply = None if "not executed" in what else send()
            if "after" in what:
                everybody_is_busy()
            if "ends" in what:
                raise Killed
            if reply is None or "no answer" in what:
                raise Ambiguous("NO_ANSWER", "the connection broke")
            return reply

        self.struck, self.fate = struck, fate
        with suppress(Killed):
            self.story.drain()
        self.struck = None

    # ------------------------------------------------------------------ what must be true

    @invariant()
    def what_is_not_on_its_card_yet_is_marked(self) -> None:
        """The one thing that brings it there, whatever happens to this process now. A card that was not found is looked
        for: it may be deleted."""
        if not hasattr(self, "seats"):
            return
        marked = {row["key"] for kind in (journal.PUSH, PULL) for row in self.story.marks(kind)}
        for seat in self.story.seats():
            shown = {flag for flag in BY_PHONE if seat["shadow"].get(flag_field(flag))}
            told = {flag for flag in BY_PHONE if seat["flags"].get(flag)}
            looked_at = f"{self.story.eti}:{seat['item_id']}"
            assert shown == told or str(seat["id"]) in marked or looked_at in marked

    def teardown(self) -> None:
        """What phones told is on the cards though every event still queued is lost; what people typed, one sweep
        later."""
        if not hasattr(self, "_post"):
            return
        try:
            self._settle(times=0)
            self._judge_what_was_pushed()
            self._a_day_later()
            sweep.sweep(self.place.service, self.place.portal_id)
            self._settle(times=1)
            self._judge()
        finally:
            self.place.service.portals.transport.post = self._post  # type: ignore[method-assign]
            self._queue(0)

    def _settle(self, times: int) -> None:
        """Drain and wait until nothing is left to do, while every event is posted so many times."""
        for _ in range(200):
            for row in self._queued():
                self._send(row, times)
            self.story.drain()
            due = self.story._next_due()
            if due is None and not self._queued():
                return
            if due is not None:
                self.place.clock.move_to(due)
        raise AssertionError(f"never settles: {self.story.waiting()}")

    def _a_day_later(self) -> None:
        """The sweep looks for what is missing, too."""
        with self.place.service.store.transaction() as tx:
            tx.execute(sa.update(t.setup).values(compared_at=None))

    def _judge_what_was_pushed(self) -> None:
        cards = {card["xmlId"]: self.story.named(card) for card in self.story.cards()}
        for who in self.seats.keys() - self.was_deleted:
            (seat,) = self.story.rows(t.participation, t.participation.c.id == self.seats[who])
            card = cards[seat["uid"]]
            told = {flag for flag in BY_PHONE if (who, flag) in self.flags}
            assert {flag for flag in BY_PHONE if card[flag_field(flag)] == "Y"} == told
            assert bool(card["arrived_at"]) == (who in self.arrived)

    def _judge(self) -> None:
        story = self.story
        assert story.waiting() == []
        seats = {seat["id"]: seat for seat in story.seats()}
        staying = {who: pid for who, pid in self.seats.items() if who not in self.deleted}
        assert sorted(seats) == sorted(staying.values())
        cards = {card["id"]: story.named(card) for card in story.cards()}
        assert sorted(cards) == sorted(seat["item_id"] for seat in seats.values()), (
            "a card is lost or doubled"
        )
        for who, pid in staying.items():
            self._judge_guest(who, seats[pid], cards[seats[pid]["item_id"]])
        for entity_type_id in (CONTACT, COMPANY, DEAL):
            keys = Counter(item["originId"] for item in story.items(entity_type_id, originatorId=APP))
            assert [key for key, times in keys.items() if times > 1] == []
        companies = story.items(COMPANY, title=self.guests[0].company)
        assert len(companies) == bool(self.seats)
        hot = {who for who, flag in self.flags if flag == "quote_requested"}
        undisputed = hot - self.was_deleted - {who for who, stage in self.moves if stage == AWAY}
        assert bool(undisputed) <= len(story.deals()) <= bool(hot)
        for deal in story.deals():
            assert len(story.todos(deal["id"])) == 1
            texts = story.comments(DEAL, deal["id"])
            assert len(texts) == len(set(texts))

    def _judge_guest(self, who: int, seat: Row, card: Mapping[str, Any]) -> None:
        story, person = self.story, self.story.person(seat)
        kinds = Counter(story.kinds(seat["id"]))
        assert kinds[Kind.REGISTERED] == 1
        assert bool(kinds[Kind.ARRIVED]) == (who in self.arrived)
        assert bool(seat["arrived_at"]) == (who in self.arrived)
        self._judge_stage(who, seat)
        assert (card["stage"], card["gate"] or "") == (seat["stage"], seat["gate"])
        assert card["contactId"] == person["contact_id"]
        asked = {"type": "EMAIL", "values": [self.guests[who].email], "entity_type": "CONTACT"}
        assert story.rest("crm.duplicate.findbycomm", asked)["CONTACT"] == [person["contact_id"]]
        for flag in (*BY_PHONE, *BY_HAND):
            wanted = self.flags.get((who, flag), False)
            assert (card[flag_field(flag)] == "Y") == wanted, (flag, "on the card")
            assert bool(seat["flags"].get(flag)) == wanted, (flag, "in the journal")
        assert (card["note"] or "") == self.notes.get(who, "")
        assert seat["note"] == self.notes.get(who, "")
        assert story.mails(self.guests[who].email) == ["ticket"]

    def _judge_stage(self, who: int, seat: Row) -> None:
        facts = self.story.facts(seat["id"])
        moved = Counter(fact["data"]["to"] for fact in facts if fact["kind"] == Kind.STAGE_MOVED)
        assert moved.keys() <= {AWAY, AHEAD}, "an echo of our own write became a person's move"
        assert moved[AHEAD] <= self.moves[who, AHEAD]
        assert moved[AWAY] <= self.moves[who, AWAY]
        if who not in self.was_deleted:
            assert moved[AWAY] == self.moves[who, AWAY], "a person's move is lost"
            assert who not in self.away or seat["stage"] == AWAY


def test_any_order_of_facts_faults_and_crashes_ends_with_everything_in_its_place_once(
    place: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "place", place, raising=False)
    # Not shrunk: every try is a day of its own at one portal. In CI the same days every time (tests/conftest.py).
    phases = (Phase.explicit, Phase.generate)
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=10, stateful_step_count=8, phases=phases, suppress_health_check=list(HealthCheck)
        ),
    )
