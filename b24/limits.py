"""The request limits of a portal, kept by us so that the portal never has to refuse.

Intensity is a leaky bucket per portal and calling address: one row per portal, shared by all threads and
processes, holding the theoretical arrival time of the next request (GCRA). Part of the burst is kept for
people who look at a page. A method whose time budget (``operating``) is spent rests alone.

Source: settings/performance/limits.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.answers import METHOD_PAUSE_S
from b24.errors import Throttled
from b24.store.engine import Store, Tx, insert, insert_of
from b24.store.tables import bucket, method_budget

MARGIN = 5
"""Requests of the burst never used: ours arrive a little closer together than they leave."""
LONGEST_WAIT_S = 60.0
LONGEST_INTERACTIVE_WAIT_S = 3.0


class Limits:
    """Slots for requests.

    Args:
        size: requests the portal accepts at once (``X``): 50, Enterprise 250.
        rate: requests per second it accepts for ever (``Y``): 2, Enterprise 5.
        reserved: share of the burst only viewers use.
        now, sleep: wall clock in seconds since the epoch (shared by all processes) and its sleep.
    """

    def __init__(
        self,
        store: Store,
        *,
        size: int = 50,
        rate: float = 2.0,
        reserved: float = 0.2,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._slot_s = 1 / rate
        self._burst = max(1, size - MARGIN)
        self._background_burst = max(1, self._burst - int(size * reserved))
        self._now = now
        self._sleep = sleep
        # When the budget of a method renews, from the last good answers of this process.
        self._reset_at: dict[tuple[int, str], datetime] = {}

    def wait(self, portal_id: int, method: str, *, interactive: bool = False) -> None:
        """Reserve a slot for one request and wait for it; send at once afterwards.

        Raises:
            Throttled: the method rests, or the wait would be too long (60 s; 3 s for a viewer). No slot was
                taken.
        """
        wait_s = self.reserve(portal_id, method, interactive=interactive)
        if wait_s > 0:
            self._sleep(wait_s)

    def reserve(self, portal_id: int, method: str, *, interactive: bool = False) -> float:
        """Reserve a slot; the answer is how many seconds to wait before sending. Raises as :meth:`wait`."""
        burst = self._burst if interactive else self._background_burst
        longest_s = LONGEST_INTERACTIVE_WAIT_S if interactive else LONGEST_WAIT_S
        with self._store.transaction() as tx:
            now = self._now()
            self._refuse_resting(tx, portal_id, method, now)
            slot: dict[str, Any] = {"portal_id": portal_id, "tat": now + self._slot_s, "calls": 1}
            slot |= {"now": now, "slot_s": self._slot_s}
            slot["latest"] = now + longest_s + (burst - 1) * self._slot_s
            tat: float | None = tx.scalar(_reserve(tx.dialect.name), slot)
        if tat is None:
            raise Throttled("OWN_LIMIT", "too many requests are waiting", retry_at=_moment(now + longest_s))
        return max(0.0, tat - burst * self._slot_s - now)

    def resting(self, portal_id: int, methods: Iterable[str]) -> dict[str, datetime]:
        """Which of these methods rest, and until when."""
        now = _moment(self._now())
        with self._store.reading() as tx:
            return _resting(tx, portal_id, {method.lower() for method in methods}, now)

    def full(self, portal_id: int) -> datetime:
        """The portal said its bucket is full (others at our address share it): believe it.

        Returns:
            When a background call may go out again.
        """
        now = self._now()
        tat = now + (self._burst + MARGIN) * self._slot_s
        with self._store.transaction() as tx:
            tx.execute(
                insert(tx, bucket)
                .values(portal_id=portal_id, tat=tat, refused_full=1)
                .on_conflict_do_update(
                    index_elements=[bucket.c.portal_id],
                    set_={
                        "tat": sa.case((bucket.c.tat < tat, tat), else_=bucket.c.tat),
                        "refused_full": bucket.c.refused_full + 1,
                    },
                )
            )
        return _moment(tat - (self._background_burst - 1) * self._slot_s)

    def spent(self, portal_id: int, method: str) -> datetime:
        """The portal said that the time budget of a method is spent: only that method rests.

        Returns:
            Until when: the reset time of the last good answer, a minute where none is known.
        """
        now = _moment(self._now())
        until = self._reset_at.get((portal_id, method.lower()), now)
        if until <= now:
            until = now + timedelta(seconds=METHOD_PAUSE_S)
        with self._store.transaction() as tx:
            tx.execute(
                insert(tx, method_budget)
                .values(portal_id=portal_id, method=method.lower()[:64], blocked_until=until)
                .on_conflict_do_update(
                    index_elements=[method_budget.c.portal_id, method_budget.c.method],
                    set_={"blocked_until": until},
                )
            )
            tx.execute(
                sa.update(bucket)
                .where(bucket.c.portal_id == portal_id)
                .values(refused_spent=bucket.c.refused_spent + 1)
            )
        return until

    def note_reset(self, portal_id: int, method: str, reset_at: datetime | None) -> None:
        """Remember ``operating_reset_at`` of a good answer: the answer that blocks carries none."""
        if reset_at is not None:
            self._reset_at[portal_id, method.lower()] = reset_at

    def _refuse_resting(self, tx: Tx, portal_id: int, method: str, now: float) -> None:
        for name, until in _resting(tx, portal_id, {method.lower()}, _moment(now)).items():
            raise Throttled("OPERATION_TIME_LIMIT", "the method rests", retry_at=until, method=name)


def _resting(tx: Tx, portal_id: int, methods: set[str], now: datetime) -> dict[str, datetime]:
    asked = {"portal_id": portal_id, "methods": list(methods), "now": now}
    return {row.method: row.blocked_until for row in tx.execute(_RESTING, asked)}


# Built once: these run with every request to a portal.
_RESTING = sa.select(method_budget.c.method, method_budget.c.blocked_until).where(
    method_budget.c.portal_id == sa.bindparam("portal_id"),
    method_budget.c.method.in_(sa.bindparam("methods", expanding=True)),
    method_budget.c.blocked_until > sa.bindparam("now"),
)


@cache
def _reserve(dialect: str) -> sa.Executable:
    now = sa.bindparam("now", type_=bucket.c.tat.type)
    statement: sa.Executable = (
        insert_of(dialect, bucket)
        .on_conflict_do_update(
            index_elements=[bucket.c.portal_id],
            set_={
                "tat": sa.case((bucket.c.tat > now, bucket.c.tat), else_=now)
                + sa.bindparam("slot_s", type_=bucket.c.tat.type),
                "calls": bucket.c.calls + 1,
            },
            where=bucket.c.tat <= sa.bindparam("latest"),
        )
        .returning(bucket.c.tat)
    )
    return statement


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
