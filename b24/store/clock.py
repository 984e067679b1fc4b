"""One clock for all machines: the database's, carried on by this machine between looks.

Marks, leases and look-up delays are compared by other processes than wrote them; with clocks of their own, machines
that disagree would look too early for what is still under way. A clock set back or forth here changes nothing.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import sqlalchemy as sa

from b24.store.engine import DatabaseAway, Store

LOOK_S = 30.0
"""How often the database is asked: a machine's clock drifts less than a millisecond meanwhile."""
PRECISE_S = 0.5
"""A look that took longer (a stopped process, a slow network) tells nothing."""


class SharedClock:
    """The database's time: call it for the present moment, aware. Only for PostgreSQL.

    Raises:
        DatabaseAway: by the first look.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ending = threading.Event()
        # The database's time, and our stopwatch at that moment; replaced as one.
        self._seen = self._look()[0]
        threading.Thread(target=self._follow, daemon=True, name="clock").start()

    def __call__(self) -> datetime:
        """The present moment."""
        then, at = self._seen
        return then + timedelta(seconds=time.monotonic() - at)

    def close(self) -> None:
        """Look no more."""
        self._ending.set()

    def _follow(self) -> None:
        while not self._ending.wait(LOOK_S):
            try:
                seen, took_s = self._look()
            except DatabaseAway:
                continue
            if took_s <= PRECISE_S:
                self._seen = seen

    def _look(self) -> tuple[tuple[datetime, float], float]:
        with self._store.reading() as tx:
            # A new connection takes its time; the question itself does not.
            tx.execute(sa.select(1))
            before = time.monotonic()
            now: datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            after = time.monotonic()
        return (now, (before + after) / 2), after - before
