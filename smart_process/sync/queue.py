"""When and where ``drain`` runs at scale: jobs of Procrastinate on PostgreSQL, any number of workers.

The engine only decides who looks when; the marks are the truth and the lease keeps two workers apart. A lost job
costs until the next tick. No job waits for another (``lock``) and none is retried: both would be a second truth.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status

from b24 import leases, portals
from b24.store import queue as tables
from b24.store.engine import DatabaseAway
from smart_process.service import Service
from smart_process.sync import sweep
from smart_process.sync.drain import drain, due

log = logging.getLogger(__name__)
# Of every second it would say that it looked around.
logging.getLogger("procrastinate").setLevel(logging.WARNING)

THREADS = 8
"""Portals one worker works for at a time."""
AFTER_TROUBLE_S = 2.0
DEAD_AFTER_S = 60
"""A worker without a sign of life for so long is dead; its jobs are forgotten, their marks are not."""
EVERY_SECOND, EVERY_MINUTE, EVERY_TEN_MINUTES = "* * * * * *", "* * * * *", "*/10 * * * *"
FIRST, NORMAL, LAST = 10, 0, -10
"""Looking around is quick and comes first; sweeps wait behind what people wait for."""


class Nudges:
    """Tells the workers which portal has work, after the commit.

    A request never waits for the queue: :meth:`wake` only notes the portal, a thread of its own does the rest.
    """

    def __init__(self, connection: dict[str, Any]) -> None:
        self._app = App(connector=SyncPsycopgConnector(**connection, min_size=1, max_size=1, timeout=5))
        self._noted: set[int] = set()
        self._changed = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def wake(self, portal_id: int) -> None:
        """Have a worker look at this portal soon."""
        with self._changed:
            self._noted.add(portal_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="nudges")
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End after what was noted."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        while noted := self._next():
            self._tell(noted)
        # Here and not by whoever waits for the end: the queue may answer so slowly that they wait no longer.
        self._app.close()

    def _next(self) -> set[int]:
        with self._changed:
            self._changed.wait_for(lambda: self._noted or self._ending)
            noted, self._noted = self._noted, set()
            return noted

    def _tell(self, noted: Iterable[int]) -> None:
        try:
            self._app.open()
            for portal_id in noted:
                put(self._app, "drain", portal_id)
        except (ConnectorException, DatabaseAway, OSError) as error:
            log.warning("workers could not be woken: %s", type(error).__name__)
        except Exception:
            # Only a hint is lost: the next tick finds the marks.
            log.exception("workers could not be woken")


def put(app: App, task: str, portal_id: int, priority: int = NORMAL) -> None:
    """Put a task about a portal into the queue, unless it waits there already."""
    job = app.configure_task(task, queueing_lock=f"{task}-{portal_id}", priority=priority)
    with suppress(AlreadyEnqueued):
        job.defer(portal_id=portal_id)


def work(service: Service) -> None:
    """Work for all portals of the database until SIGTERM or SIGINT; the requests under way are finished.

    A database that goes away and comes back is waited for.
    """
    stopping = Stopping()
    # Not the loop's own handlers: those are gone while the queue is taken up again, and the process would be cut off.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            asyncio.run(_work(service, stopping))
        except Exception:
            # Most likely the database is away, in one of the ways the engine has to say so. A worker that ended here
            # would leave the portals to whoever starts it again.
            log.exception("the queue is taken up again")
        stopping.wait(AFTER_TROUBLE_S)


class Stopping(threading.Event):
    """Whether the process was asked to end; ``heard`` tells the loop that is under way."""

    heard: Callable[[], object] | None = None

    def set(self) -> None:
        super().set()
        if self.heard:
            self.heard()


async def _work(service: Service, stopping: Stopping) -> None:
    app = App(connector=PsycopgConnector(**tables.connection(service.store), min_size=2, max_size=4))
    _Tasks(app, service, going_on=lambda: not stopping.is_set())
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    async with app.open_async():
        running = asyncio.ensure_future(
            app.run_worker_async(concurrency=THREADS, delete_jobs="always", install_signal_handlers=False)
        )

        # Its way to be asked: it finishes the jobs under way first.
        stopping.heard = partial(loop.call_soon_threadsafe, running.cancel)
        log.info("working")
        try:
            if stopping.is_set():
                running.cancel()
            await running
        except asyncio.CancelledError:
            if not stopping.is_set():
                raise
        finally:
            stopping.heard = None
            # When the queue fails under them, threads are at work still, and may put something into it.
            await loop.shutdown_default_executor()


class _Tasks:
    """What workers do: for one portal when it is told or its turn, and in rounds that only one of them makes."""

    def __init__(self, app: App, service: Service, going_on: Callable[[], bool]) -> None:
        self._app, self._service, self._going_on = app, service, going_on
        for name, one in {"drain": self._drain, "sweep": self._sweep, "probe": self._probe}.items():
            app.task(name=name)(one)
        self._each(EVERY_SECOND, "look around", self._look_around)
        self._each(EVERY_MINUTE, "probe all", self._probe_all)
        self._each(EVERY_MINUTE, "forget the dead", self._forget_the_dead)
        self._each(EVERY_TEN_MINUTES, "sweep all", self._sweep_all)

    def _each(self, cron: str, name: str, do: Callable[[int], object]) -> None:
        task = self._app.task(name=name, queueing_lock=name, priority=FIRST)(do)
        self._app.periodic(cron=cron)(task)

    def _drain(self, portal_id: int) -> None:
        try:
            drain(self._service, portal_id, going_on=self._going_on)
        except DatabaseAway as error:
            # A restart of the database, or this process slept in a transaction: nothing was committed.
            log.warning("portal %d waits for the database: %s", portal_id, type(error.orig).__name__)

    def _sweep(self, portal_id: int) -> None:
        if self._going_on():
            sweep.quietly(self._service, portal_id)

    def _probe(self, portal_id: int) -> None:
        self._service.portals.probe(portal_id)

    def _look_around(self, timestamp: int) -> None:
        with self._service.store.reading() as tx:
            busy = leases.held(tx, self._service.clock())
        for portal_id in due(self._service):
            if portal_id not in busy:
                put(self._app, "drain", portal_id)

    def _probe_all(self, timestamp: int) -> None:
        with self._service.store.reading() as tx:
            ids = portals.paused_ids(tx, due=self._service.clock())
        for portal_id in ids:
            put(self._app, "probe", portal_id)

    def _sweep_all(self, timestamp: int) -> None:
        sweep.forget_old(self._service)
        with self._service.store.reading() as tx:
            ids = portals.active_ids(tx)
        for portal_id in ids:
            put(self._app, "sweep", portal_id, LAST)

    async def _forget_the_dead(self, timestamp: int) -> None:
        for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_S):
            await self._app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
