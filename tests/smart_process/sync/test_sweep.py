"""What the sweep does besides: it forgets what may not be kept any longer, and one ailing look stops no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from b24 import errors
from b24.call_log import KEPT, Line
from b24.store import calls
from b24.store.calls import Wanted
from smart_process.sync import offline, sweep
from tests.smart_process.sync.story import Company, Story


def test_the_sweep_forgets_calls_older_than_three_days(place: Company) -> None:
    now = place.service.clock()
    with place.service.store.transaction() as tx:
        calls.write(
            tx, place.portal_id, [Line(now - KEPT - timedelta(seconds=1), "old.call", "", 200, "", 5)]
        )
    sweep.forget_old(place.service)
    sweep.quietly(place.service, place.portal_id)
    with place.service.store.reading() as tx:
        left = {one.method for _id, one in calls.search(tx, place.portal_id, Wanted(), limit=1000)}
    assert "old.call" not in left
    assert "crm.item.list" in left


@pytest.mark.parametrize(
    "ails", [errors.SetupMissing("ERROR_METHOD_NOT_FOUND"), errors.Unavailable("HTTP_502")]
)
def test_an_ailing_queue_stops_no_other_look(
    story: Story, monkeypatch: pytest.MonkeyPatch, ails: errors.B24Error
) -> None:
    def read(*_: Any) -> int:
        raise ails

    monkeypatch.setattr(offline, "read", read)
    story.faults(event_drop=1)
    guest = story.guest("Один", "Взгляд")
    story.fills_form(story.form(), guest)
    sweep.quietly(story.service, story.company.portal_id)
    story.settle()
    assert len(story.seats()) == 1
