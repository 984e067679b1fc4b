"""What the sweep does besides: it forgets what may not be kept any longer."""

from __future__ import annotations

from datetime import timedelta

from b24.call_log import KEPT, Line
from b24.store import calls
from b24.store.calls import Wanted
from smart_process.sync import sweep
from tests.smart_process.sync.story import Company


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
