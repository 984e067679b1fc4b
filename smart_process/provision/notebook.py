"""The notebook of provisioning: what is known of the portal's objects, which run is on, who runs a step.

Knowledge outlives runs and is written down at once; a step is run by one request at a time, also when a
second window starts a new run meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from b24.store import marks
from b24.store.engine import Store
from smart_process.provision.workplace import Report
from smart_process.schema import Binding
from smart_process.store import setups, shadows

STEP_TIME = timedelta(seconds=150)
"""Longer than any step can take: after it a step that never came back is taken for dead."""
_KNOWLEDGE = ("types", "reserved", "stages_done", "closed")


class StaleRun(Exception):
    """Another run was started after this one (a second window): this one stops."""


@dataclass(frozen=True)
class Claim:
    """What a request found when it wanted to run a step; ``busy``: another one is at it."""

    reports: dict[str, Report]
    busy: bool


class RunBook:
    """One portal's notebook in the table ``setup``.

    Attributes:
        notes: the knowledge, changed by steps; ``keep`` writes it down. ``closed``: guests are for administrators
            only until they give rights in the CRM.
        binding: set by the last step, written together with its end.
    """

    def __init__(self, store: Store, portal_id: int, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._portal_id = portal_id
        self._clock = clock
        self._mine = secrets.token_hex(8)
        self.notes: dict[str, Any] = {}
        self.binding: Binding | None = None

    def begin(self) -> str:
        """Start a run, which makes any other one stale; its id. A step that is running stays claimed."""
        run = secrets.token_hex(8)
        self._change({"run": run, "reports": {}})
        return run

    def known(self) -> bool:
        """Whether any object of ours in the portal is known."""
        with self._store.reading() as tx:
            return bool(setups.read(tx, self._portal_id).progress.get("types"))

    def answer(self, run: str, **answers: Any) -> None:
        """Keep what the administrator answered before the run.

        Raises:
            StaleRun: another run was started meanwhile.
        """
        with self._store.transaction() as tx:
            kept = setups.read(tx, self._portal_id, lock=True).progress
            if kept.get("run") != run:
                raise StaleRun(run)
            setups.write_progress(tx, self._portal_id, kept | answers)

    def claim(self, run: str) -> Claim:
        """Take the next step of a run, unless somebody is running one.

        Raises:
            StaleRun: another run was started meanwhile.
        """
        now = self._clock()
        with self._store.transaction() as tx:
            kept = setups.read(tx, self._portal_id, lock=True).progress
            if kept.get("run") != run:
                raise StaleRun(run)
            reports = {key: Report(**one) for key, one in kept.get("reports", {}).items()}
            until = kept.get("busy_until")
            if until and now < datetime.fromisoformat(until):
                return Claim(reports, busy=True)
            taken = {"busy_until": (now + STEP_TIME).isoformat(), "busy_by": self._mine}
            setups.write_progress(tx, self._portal_id, kept | taken)
        self.notes = {name: kept[name] for name in _KNOWLEDGE if name in kept}
        return Claim(reports, busy=False)

    def release(self, run: str, reports: Mapping[str, Report]) -> None:
        """The claimed step has ended: write down what is done now.

        Raises:
            StaleRun: another run was started meanwhile; it may go on from here.
        """
        with self._store.transaction() as tx:
            kept = setups.read(tx, self._portal_id, lock=True).progress
            stale = kept.get("run") != run
            if kept.get("busy_by") == self._mine:
                kept |= {"busy_until": None, "busy_by": None}
            if not stale:
                kept["reports"] = {key: vars(one) for key, one in reports.items()}
            setups.write_progress(tx, self._portal_id, kept | self.notes)
            if self.binding is not None:
                setups.write_binding(tx, self._portal_id, self.binding)
                marks.mark(tx, self._portal_id, "colleagues", ["0"], now=self._clock())
        self.binding = None
        if stale:
            raise StaleRun(run)

    def keep(self) -> None:
        """Write the knowledge down at once; the state of runs is not touched."""
        self._change(self.notes)

    def forget_values(self, names: Collection[str]) -> None:
        """These fields of participations are about to be made: what stood in former ones is gone."""
        with self._store.transaction() as tx:
            shadows.forget(tx, self._portal_id, names, now=self._clock())

    def _change(self, changes: Mapping[str, Any]) -> None:
        with self._store.transaction() as tx:
            kept = setups.read(tx, self._portal_id, lock=True).progress
            setups.write_progress(tx, self._portal_id, kept | dict(changes))
