"""What every step of a drain shares: the context, and what becomes of a mark after an answer.

No step holds a transaction while it calls the portal: it reads, closes, calls, opens, records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from b24 import errors
from b24.answers import MAX_BATCH, Answer
from b24.client import PAGE, Client
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from b24.transport import through_s
from smart_process.schema import Binding
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import setups

log = logging.getLogger(__name__)

LATER_S = (2, 5, 15, 60, 300, 900)
"""Waits between attempts; the last one goes on until the portal answers."""


TRIES_OF_A_READ = 3
LEASE_LOST = "LEASE_LOST"
Commands = Mapping[str, tuple[str, Mapping[str, Any]]]


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
    # What the step under way has claimed, and kinds to be claimed one by one because a step over several broke.
    claimed: list[Mark] = field(default_factory=list)
    alone: set[str] = field(default_factory=set)
    # Kinds that had due marks when that was last looked up: most steps of most rounds have nothing to do.
    due: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return self.service.clock()

    def look(self) -> None:
        """Look up again what kinds of marks are due: at the start, and after a step that did something."""
        with self.service.store.reading() as tx:
            found = marks.due_kinds(tx, self.portal_id, now=self.now())
        self.due.clear()
        self.due.update(found)

    def claim(self, *kinds: str, limit: int, ahead: timedelta = timedelta()) -> list[Mark]:
        """Due marks of these kinds, the most urgent first; if there are any, those due within ``ahead`` as well."""
        if not self.due.intersection(kinds):
            return []
        limit = 1 if self.alone.intersection(kinds) else limit
        with self.service.store.reading() as tx:
            found = marks.claim(tx, self.portal_id, kinds, now=self.now(), limit=limit)
            if found and ahead:
                found = marks.claim(tx, self.portal_id, kinds, now=self.now() + ahead, limit=limit)
        self.claimed.extend(found)
        return found

    def finish(self, some: Collection[Mark]) -> None:
        """These objects are in order as they were claimed."""
        if not some:
            return
        with self.service.store.transaction() as tx:
            marks.done(tx, some)

    def still_set(self, tx: Tx) -> bool:
        """Whether the saved settings are those this drain goes by: what others spoiled is no case for a person."""
        return setups.read(tx, self.portal_id).settings == self.settings

    def read(self, commands: Commands) -> dict[str, Any]:
        """Results of any number of reads; see :meth:`answers`."""
        return {key: answer.result for key, answer in self.answers(commands).items()}

    def answers(self, commands: Commands) -> dict[str, Answer]:
        """Answers to any number of reads, 50 a request; the first error of one is raised for all.

        Raises:
            B24Error: something could not be read.
        """
        found: dict[str, Answer] = {}
        keys = list(commands)
        for at in range(0, len(keys), MAX_BATCH):
            for key, reply in self.client.batch({k: commands[k] for k in keys[at : at + MAX_BATCH]}).items():
                if isinstance(reply, errors.B24Error):
                    raise reply
                found[key] = reply
        return found

    def items(self, entity_type_id: int, ids: Iterable[int], *select: str) -> list[Mapping[str, Any]]:
        """Those of these items the portal has, 50 a command; nothing is asked for none.

        Args:
            select: fields; without any the items come whole – only then with their phones and mails.

        Raises:
            B24Error: something could not be read.
        """
        numbers = list(ids)
        asked = {"entityTypeId": entity_type_id, **({"select": list(select)} if select else {}), "start": -1}
        replies = self.read(
            {
                f"p{at}": ("crm.item.list", asked | {"filter": {"@id": numbers[at : at + PAGE]}})
                for at in range(0, len(numbers), PAGE)
            }
        )
        return [item for reply in replies.values() for item in reply["items"]]

    def leaving(
        self, some: Sequence[Mark], also: Callable[[Tx], None] = lambda _tx: None
    ) -> Callable[[], None]:
        """For ``before_send``: commit, once the rate slot is reserved, that calls for these marks may be on their
        way – or stop, when the lease went to another worker meanwhile (design 3.1: send at once or not at all).

        Args:
            also: written in the same transaction.
        """

        def commit() -> None:
            with self.service.store.transaction() as tx:
                if not self.hold(tx):
                    raise errors.Unavailable(LEASE_LOST, "another worker has this portal")
                now = self.now()
                marks.sent(tx, some, now=now, fence=self.fence, certain_at=self.certain_at(now))
                also(tx)

        return commit

    def certain_at(self, sent_at: datetime) -> datetime:
        """From when on the portal can no longer be executing what left at ``sent_at``."""
        return sent_at + timedelta(seconds=through_s(self.service.portals.cut_s))


def failed(tx: Tx, one: Mark, error: errors.B24Error, *, now: datetime, certain_at: datetime) -> None:
    """Settle a mark whose writing call brought an error.

    Throttled waits without counting; no answer to a write waits until the portal is certainly through with it
    (``sent_at`` stays, so it is looked up first); what can never pass is held for a person.
    """
    if error.code == LEASE_LOST:
        # The mark is another worker's now.
        return
    if isinstance(error, errors.Ambiguous):
        marks.retry(tx, one, at=max(certain_at, later(one, now)), error=str(error))
        return
    marks.answered(tx, one)
    _wait_or_hold(tx, one, error, now)


def unread(tx: Tx, one: Mark, error: errors.B24Error, *, now: datetime) -> None:
    """Settle a mark for which something could not be read: what is under way for it stays to be looked up.

    ``ERROR_CORE`` is often passing (the portal was short of memory), so a read that meets it is tried some more times.
    """
    if error.code.upper() == "ERROR_CORE" and one.attempts < TRIES_OF_A_READ:
        marks.retry(tx, one, at=later(one, now), error=str(error))
        return
    _wait_or_hold(tx, one, error, now)


def _wait_or_hold(tx: Tx, one: Mark, error: errors.B24Error, now: datetime) -> None:
    """The class of the error says which; see the table in :mod:`b24.codes`."""
    if isinstance(error, errors.Throttled):
        marks.retry(tx, one, at=max(error.retry_at, now), error=str(error), counts=False)
    elif error.hold:
        marks.hold(tx, one, reason=error.hold, error=str(error), now=now)
    else:
        marks.retry(tx, one, at=later(one, now), error=str(error))


def later(one: Mark, now: datetime) -> datetime:
    """When to try again after a passing failure."""
    return now + timedelta(seconds=LATER_S[min(one.attempts, len(LATER_S) - 1)])


def all_failed(work: Work, some: Iterable[Mark], error: errors.B24Error) -> None:
    """A whole writing request failed: every mark in it waits or is looked up first."""
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            failed(tx, one, error, now=now, certain_at=work.certain_at(now))


def all_unread(work: Work, some: Iterable[Mark], error: errors.B24Error) -> None:
    """What these marks need could not be read: every one waits; see :func:`unread`."""
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in some:
            unread(tx, one, error, now=now)
