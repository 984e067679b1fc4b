"""A portal executes what it was sent until it gives a request up, 60 s later: why a create is not looked up earlier.

The portal of these stories keeps a create back without an answer and executes it in its 59th second, by the app's
clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from b24.errors import Ambiguous
from tests.smart_process.sync.story import Story

CUT_S, EXECUTED_S, CERTAIN_S = 60, 59, 65
A_LITTLE_S = 10
"""The wait begins anew when the answer fails to come: that is later than the sending by what this machine took."""


@dataclass
class LatePortal:
    """Between the app and the portal: the first create of a participation is kept back."""

    story: Story
    post: Callable[..., Any]
    kept: tuple[str, Mapping[str, Any]] | None = None
    about_cards: list[str] = field(default_factory=list)
    """Methods the app called about participations since the create left."""

    def __call__(self, url: str, payload: Mapping[str, Any], **more: Any) -> Any:
        methods = self._about_cards(url, payload)
        if self.kept is None and "crm.item.add" in methods:
            self.kept = (url, payload)
            raise Ambiguous("TIMEOUT", "no answer in time")
        self.about_cards += methods
        return self.post(url, payload, **more)

    def _about_cards(self, url: str, payload: Mapping[str, Any]) -> list[str]:
        if payload.get("entityTypeId") == self.story.eti:
            return [url.rpartition("/")[2]]
        commands = [str(one) for one in (payload.get("cmd") or {}).values()]
        mine = f"entityTypeId={self.story.eti}&"
        return [one.partition("?")[0] for one in commands if mine in one]

    def execute(self) -> None:
        """The portal comes to the create it had."""
        assert self.kept is not None
        self.post(*self.kept)


@pytest.fixture
def late(story: Story, monkeypatch: pytest.MonkeyPatch) -> LatePortal:
    """Nobody tells the app of the card either: events are lost."""
    transport = story.service.portals.transport
    made = LatePortal(story, transport.post)
    monkeypatch.setattr(transport, "post", made)
    story.faults(event_drop=1)
    return made


def left(late: LatePortal) -> datetime:
    """A guest registers and the create of their card leaves; when that was."""
    story = late.story
    story.registers(story.guest("Последняя", "Секунда", company=""))
    story.drain()
    assert late.kept is not None
    assert story.cards() == []
    (sent_at,) = (row["sent_at"] for row in story.marks("participation") if row["sent_at"])
    assert isinstance(sent_at, datetime)
    return sent_at


def drained(late: LatePortal, moment: datetime) -> list[str]:
    """What the app asks about participations at a moment, whatever changed meanwhile."""
    story = late.story
    story.company.clock.move_to(moment)
    story.mark("participation", story.seat()["id"])
    late.about_cards.clear()
    story.drain()
    return list(late.about_cards)


def test_sixty_seconds_are_waited_out_and_the_card_is_found(
    late: LatePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = late.story
    monkeypatch.setattr(story.service.portals, "cut_s", CUT_S)
    sent_at = left(late)
    assert drained(late, sent_at + timedelta(seconds=30)) == []
    story.company.clock.move_to(sent_at + timedelta(seconds=EXECUTED_S))
    late.execute()
    assert drained(late, sent_at + timedelta(seconds=CERTAIN_S - 1)) == []
    asked = drained(late, sent_at + timedelta(seconds=CERTAIN_S + A_LITTLE_S))
    assert asked[0] == "crm.item.list"
    assert "crm.item.add" not in asked
    (card,) = story.cards()
    assert story.seat()["item_id"] == card["id"]


def test_a_look_up_before_the_cut_off_would_make_the_card_twice(
    late: LatePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the wait is what it is: an app that takes a portal of 60 s for one of 20 s."""
    story = late.story
    monkeypatch.setattr(story.service.portals, "cut_s", 20)
    sent_at = left(late)
    asked = drained(late, sent_at + timedelta(seconds=25 + A_LITTLE_S))
    assert asked[:2] == ["crm.item.list", "crm.item.add"]
    assert len(story.cards()) == 1
    story.company.clock.move_to(sent_at + timedelta(seconds=EXECUTED_S))
    late.execute()
    uid = story.seat()["uid"]
    assert [card["xmlId"] for card in story.cards()] == [uid, uid]
