"""What every step of a drain shares: the context, and what becomes of a mark after an answer.

No step holds a transaction while it calls the portal: it reads, closes, calls, opens, records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from b24 import errors
from b24.answers import Answer
from b24.client import Client
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process.schema import Binding
from smart_process.service import Service
from smart_process.settings import Settings

log = logging.getLogger(__name__)

LATER_S = (2, 5, 15, 60, 300, 900)
"""Waits between attempts; the last one goes on until the portal answers."""


@dataclass(frozen=True)
class Work:
    """One drain of one portal, holding its lease."""

    service: Service
    portal_id: int
    binding: Binding
    settings: Settings
    client: Client
    fence: int
    # True while the lease is ours and there is time left.
    going: Callable[[], bool]
    # Holds the lease longer inside a transaction; False when it is no longer ours.
    hold: Callable[[Tx], bool]

    def now(self) -> datetime:
        return self.service.clock()

    def claim(self, *kinds: str, limit: int) -> list[Mark]:
        """Due marks of these kinds, the most urgent first."""
        with self.service.store.reading() as tx:
            return marks.claim(tx, self.portal_id, kinds, now=self.now(), limit=limit)

    def finish(self, some: Iterable[Mark]) -> None:
        """These objects are in order as they were claimed."""
        with self.service.store.transaction() as tx:
            marks.done(tx, some)

    def leaving(self, some: Sequence[Mark]) -> Callable[[], None]:
        """For ``before_send``: commit, once the rate slot is reserved, that creates for these marks may be on their
        way – or stop, when the lease went to another worker meanwhile (design 3.1: send at once or not at all)."""

        def commit() -> None:
            with self.service.store.transaction() as tx:
                if not self.hold(tx):
                    raise errors.Unavailable("LEASE_LOST", "another worker has this portal")
                marks.sent(tx, some, now=self.now(), fence=self.fence)

        return commit

    def certain_at(self, sent_at: datetime) -> datetime:
        """From when on the portal can no longer be executing what left at ``sent_at``."""
        return sent_at + timedelta(seconds=self.service.portals.cut_s + 5)


def failed(
    tx: Tx, one: Mark, error: errors.B24Error, *, now: datetime, certain_at: datetime | None = None
) -> None:
    """Settle a mark whose call brought an error.

    Throttled waits without counting; no answer to a write waits until the portal is certainly through with it
    (``sent_at`` stays, so it is looked up first); what can never pass is held for a person.
    """
    if isinstance(error, errors.Throttled):
        marks.retry(tx, one, at=max(error.retry_at, now), error=str(error), counts=False)
        return
    if isinstance(error, errors.Ambiguous):
        marks.retry(tx, one, at=certain_at or later(one, now), error=str(error))
        return
    marks.answered(tx, one)
    if isinstance(error, errors.SetupMissing):
        marks.hold(tx, one, reason="setup", error=str(error))
    elif isinstance(error, errors.Rejected):
        marks.hold(tx, one, reason="permanent", error=str(error))
    else:
        marks.retry(tx, one, at=later(one, now), error=str(error))


def later(one: Mark, now: datetime) -> datetime:
    """When to try again after a passing failure."""
    return now + timedelta(seconds=LATER_S[min(one.attempts, len(LATER_S) - 1)])


def all_failed(work: Work, some: Iterable[Mark], error: errors.B24Error) -> None:
    """The whole request failed: every mark in it waits or is looked up first."""
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            failed(tx, one, error, now=now, certain_at=work.certain_at(now))


def is_answer(reply: Answer | errors.B24Error) -> bool:
    """Whether a command of a batch succeeded."""
    return not isinstance(reply, errors.B24Error)
