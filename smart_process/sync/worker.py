"""When and where ``drain`` runs in the embedded app: threads of this process, woken at once, swept by timer.

Crash safety does not depend on it: the marks are in the database, this only decides when somebody looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

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
        self._changed = threading.Condition()
        self._at_work = 0
        self._stopping = False

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
        with self._changed:
            self._stopping = True
        if self._scheduler.running:
            # Not its own way to wait: it keeps jobs from adding jobs meanwhile, and would wait for those for ever.
            self._scheduler.shutdown(wait=False)
        with self._changed:
            self._changed.wait_for(lambda: self._at_work == 0)

    def wake(self, portal_id: int) -> None:
        """Look at a portal now. Only a hint: without it the next tick does."""
        self._add(self._drain, portal_id, f"drain-{portal_id}", "default")

    def _add(self, job: Callable[[int], None], portal_id: int, name: str, executor: str) -> None:
        if self._service is not None and not self._stopping and self._scheduler.running:
            self._scheduler.add_job(job, args=[portal_id], id=name, replace_existing=True, executor=executor)

    def _tick(self) -> None:
        self._guarded(self._wake_due)

    def _wake_due(self) -> None:
        for portal_id in due(self._running()):
            self.wake(portal_id)

    def _drain(self, portal_id: int) -> None:
        self._guarded(lambda: drain(self._running(), portal_id, going_on=lambda: not self._stopping))

    def _sweep(self) -> None:
        self._guarded(self._sweep_all)

    def _sweep_all(self) -> None:
        service = self._running()
        sweep.forget_old(service)
        with service.store.reading() as tx:
            ids = portals.active_ids(tx)
        for portal_id in ids:
            self._add(self._sweep_one, portal_id, f"sweep-{portal_id}", "sweeps")

    def _sweep_one(self, portal_id: int) -> None:
        self._guarded(lambda: sweep.quietly(self._running(), portal_id))

    def _probe(self) -> None:
        self._guarded(self._probe_due)

    def _probe_due(self) -> None:
        service = self._running()
        with service.store.reading() as tx:
            paused = portals.paused_ids(tx, due=service.clock())
        for portal_id in paused:
            self._add(self._probe_one, portal_id, f"probe-{portal_id}", "sweeps")

    def _probe_one(self, portal_id: int) -> None:
        self._guarded(lambda: self._running().portals.probe(portal_id))

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("the worker was not started")
        return self._service

    def _guarded(self, work: Callable[[], object]) -> None:
        with self._changed:
            if self._stopping:
                return
            self._at_work += 1
        try:
            work()
        except Exception:
            # Our bug: logged whole, the marks stay and the next tick tries again.
            log.exception("background work failed")
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()
