"""The deciding part of a drain: armed closings that are due, and subjects that rules have to look at."""

from __future__ import annotations

import logging

from b24.store import marks
from b24.store.marks import Mark
from smart_process import closing as closings
from smart_process import deciding, greeting
from smart_process.store import closing as closing_store
from smart_process.store import colleagues as store
from smart_process.store import journal
from smart_process.sync import colleagues
from smart_process.sync.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 100


def closing(work: Work) -> int:
    """Announce armed closings and run those that are due."""
    announced = work.claim(closing_store.ANNOUNCE, limit=AT_ONCE)
    for one in announced:
        _announce(work, one)
    due = work.claim(closing_store.MARK, limit=AT_ONCE)
    for one in due:
        _close(work, one)
    return len(announced) + len(due)


def _announce(work: Work, one: Mark) -> None:
    event_id = int(one.key)
    # Read apart: a forecast over a large event must not hold the writers up.
    with work.service.store.reading() as tx:
        ahead = closings.forecast(tx, work.portal_id, event_id)
    with work.service.store.transaction() as tx:
        closings.announce(tx, event_id, work.settings, ahead, work.now())
        marks.done(tx, [one])


def _close(work: Work, one: Mark) -> None:
    event_id = int(one.key)
    with work.service.store.transaction() as tx:
        begun = closings.begin(tx, event_id, work.now())
    after: int | None = 0 if begun else None
    while after is not None:
        if not work.going():
            return
        with work.service.store.transaction() as tx:
            after = closings.portion(tx, event_id, after, work.now())
    with work.service.store.transaction() as tx:
        if begun:
            closings.finish(tx, event_id, work.now())
        marks.done(tx, [one])


def subjects(work: Work) -> int:
    """Let rules look at marked subjects."""
    claimed = work.claim(journal.DECIDE, limit=AT_ONCE)
    if not claimed or not _colleagues_known(work):
        return 0
    for one in claimed:
        _decide(work, one)
    return len(claimed)


def _decide(work: Work, one: Mark) -> None:
    event_id, _, subject = one.key.partition(":")
    with work.service.store.transaction() as tx:
        if event_id.isascii() and event_id.isdigit():
            deciding.decide(tx, work.portal_id, int(event_id), subject, work.settings, work.now())
            greeting.announce(tx, work.portal_id, int(event_id), subject, work.settings, work.now())
            closings.thank_latecomers(tx, work.portal_id, int(event_id), subject, work.now())
        marks.done(tx, [one])


def _colleagues_known(work: Work) -> bool:
    """Whether owners can be chosen; asks for the list of colleagues when it is missing or old.

    When it cannot be read at all (the mark is held for a person), decisions go on without it.
    """
    now = work.now()
    with work.service.store.transaction() as tx:
        asked = colleagues.ask_if_old(tx, work.portal_id, now)
        return bool(store.everybody(tx, work.portal_id)) or asked == "held"
