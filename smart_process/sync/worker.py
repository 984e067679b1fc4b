"""When and where ``drain`` runs in the embedded app: threads of this process, woken at once, swept by timer.

Crash safety does not depend on it: the marks are in the database, this only decides when somebody looks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from b24 import portals
from smart_process.service import Service
from smart_process.sync import sweep
from smart_process.sync.drain import drain, due

log = logging.getLogger(__name__)

TICK_S = 1.0
SWEEP_S = 600.0
PROBE_S = 30.0
"""How often it is looked which portals that let us in no more are to be asked again (``portals.PROBES_S``)."""
THREADS, SWEEPS = 8, 4


class Worker:
    """Drains portals in the background of this process.

    ``start()`` and ``stop()`` frame its life; :meth:`wake` may be called from any thread.
    """

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            executors={
                "default": ThreadPoolExecutor(THREADS),
                # A portal that does not answer must hold up neither drains nor everybody else's sweep.
                "sweeps": ThreadPoolExecutor(SWEEPS),
            },
            # Late is fine, lost is not; several missed ticks are one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )
        self._service: Service | None = None

    def start(self, service: Service) -> None:
        """Begin to work for all portals of the database."""
        self._service = service
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler.add_job(self._tick, "interval", seconds=TICK_S, id="tick")
        self._scheduler.add_job(self._sweep, "interval", seconds=SWEEP_S, id="sweep")
        self._scheduler.add_job(self._probe, "interval", seconds=PROBE_S, id="probe")
        self._scheduler.start()

    def stop(self) -> None:
        """End after the requests under way; what is left waits in the marks."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def wake(self, portal_id: int) -> None:
        """Look at a portal now. Only a hint: without it the next tick does."""
        if self._service is not None and self._scheduler.running:
            self._scheduler.add_job(
                self._drain, args=[portal_id], id=f"drain-{portal_id}", replace_existing=True
            )

    def _tick(self) -> None:
        for portal_id in due(self._running()):
            self.wake(portal_id)

    def _drain(self, portal_id: int) -> None:
        self._guarded(lambda: drain(self._running(), portal_id, going_on=lambda: self._scheduler.running))

    def _sweep(self) -> None:
        service = self._running()
        self._guarded(lambda: sweep.forget_old(service))
        with service.store.reading() as tx:
            ids = portals.active_ids(tx)
        for portal_id in ids:
            self._scheduler.add_job(
                self._sweep_one,
                args=[portal_id],
                id=f"sweep-{portal_id}",
                replace_existing=True,
                executor="sweeps",
            )

    def _sweep_one(self, portal_id: int) -> None:
        if self._scheduler.running:
            self._guarded(lambda: sweep.quietly(self._running(), portal_id))

    def _probe(self) -> None:
        service = self._running()
        with service.store.reading() as tx:
            paused = portals.paused_ids(tx, due=service.clock())
        for portal_id in paused:
            self._guarded(partial(service.portals.probe, portal_id))

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("the worker was not started")
        return self._service

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            # Our bug: logged whole, the marks stay and the next tick tries again.
            log.exception("background work failed")
