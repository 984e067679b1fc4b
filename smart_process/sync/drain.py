"""``drain(portal)``: pull what changed there, decide, push what changed here.

Woken at once and swept by a timer; waking is a hint, the marks are the truth. One drain per portal at a time
(lease with a fencing number), portals in parallel. Killed anywhere, the next drain goes on from the marks.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable
from datetime import timedelta

from b24 import errors, leases, logs, portals
from b24.store import marks
from b24.store.engine import DatabaseAway, Tx
from b24.transport import through_s
from smart_process.service import Service
from smart_process.store import setups
from smart_process.sync import (
    colleagues,
    companies,
    deals,
    deciding,
    effects,
    handing_on,
    leads,
    mailing,
    merging,
    people,
    pull,
    push_events,
    push_participations,
    renewing,
    tasks,
    to_dos,
    unplaced,
)
from smart_process.sync.work import Work, later

log = logging.getLogger(__name__)

Step = Callable[[Work], int]
"""Works off some due marks of its kinds and says how many it touched."""

STEPS: tuple[Step, ...] = (
    renewing.schema,
    colleagues.refresh,
    unplaced.look_again,
    pull.items,
    pull.tasks,
    deciding.closing,
    deciding.subjects,
    companies.make,
    people.resolve,
    leads.push,
    merging.cards,
    push_events.push,
    push_participations.push,
    deals.push,
    tasks.push,
    to_dos.push,
    handing_on.push,
    effects.comments_and_notices,
    mailing.send,
)
"""In this order, so that each wave uses ids the earlier ones recorded (design 3.1)."""

PULLING: tuple[Step, ...] = (pull.items, pull.tasks)
TRIES_OF_A_BROKEN_STEP = 3


def lease_s(cut_s: float) -> float:
    """How long a lease lasts without being renewed: longer than the longest wait for one answer."""
    return 1.5 * through_s(cut_s)


def _owner() -> str:
    """Who holds the lease: another name for every drain, also in processes forked from one that imported this."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(8)}"


def drain(
    service: Service,
    portal_id: int,
    *,
    rounds: int = 1000,
    budget_s: float = 20.0,
    going_on: Callable[[], bool] = lambda: True,
) -> int:
    """Work off a portal's due marks until none is left or the time is spent.

    Args:
        going_on: asked between steps; ``False`` ends the drain (the process is stopping).
    Returns:
        How many marks were touched; 0 also when another worker holds the portal.
    Raises nothing that belongs to the portal: such errors end in the marks, the portal's state and the log.
    """
    ttl_s = lease_s(service.portals.cut_s)
    owner = _owner()
    with service.store.transaction() as tx:
        fence = leases.acquire(tx, portal_id, owner, ttl_s=ttl_s, now=service.clock())
    if fence is None:
        return 0
    try:
        with logs.of_portal(portal_id):
            return _rounds(service, portal_id, owner, fence, ttl_s, rounds, budget_s, going_on)
    finally:
        with service.store.transaction() as tx:
            leases.release(tx, portal_id, owner, service.clock())


def _rounds(
    service: Service,
    portal_id: int,
    owner: str,
    fence: int,
    ttl_s: float,
    rounds: int,
    budget_s: float,
    going_on: Callable[[], bool],
) -> int:
    def hold(tx: Tx) -> bool:
        return leases.renew(tx, portal_id, owner, fence, ttl_s, service.clock())

    going = _watch(service, hold, ttl_s, budget_s, going_on)
    alone: set[str] = set()
    touched = 0
    # A mass of cards is being written: each write comes back as an event, and reading a few of them at a time would
    # cost more than writing. The next drain looks into the portal first, as every one does.
    mass = False
    for _ in range(rounds):
        # Anew for every round: an administrator may change the settings meanwhile.
        work = _work(service, portal_id, fence, going, hold, alone)
        if work is None:
            return touched
        work.look()
        step_sum = 0
        for step in STEPS:
            if mass and step in PULLING:
                continue
            if not work.going():
                return touched
            count = _safely(work, step)
            if work.claimed:
                work.look()
            if step is push_participations.push:
                mass = count >= push_participations.AT_ONCE
            step_sum += count
        touched += step_sum
        if not step_sum:
            break
    return touched


def _work(
    service: Service,
    portal_id: int,
    fence: int,
    going: Callable[[], bool],
    hold: Callable[[Tx], bool],
    alone: set[str],
) -> Work | None:
    with service.store.reading() as tx:
        portal = portals.by_id(tx, service.secrets, portal_id)
        setup = setups.read(tx, portal_id)
    if portal is None or portal.state != portals.ACTIVE or setup.binding is None:
        return None
    client = service.portals.client(portal_id)
    return Work(service, portal_id, setup.binding, setup.settings, client, fence, going, hold, alone=alone)


def _watch(
    service: Service,
    hold: Callable[[Tx], bool],
    ttl_s: float,
    budget_s: float,
    going_on: Callable[[], bool],
) -> Callable[[], bool]:
    started = renewed = service.clock()

    def going() -> bool:
        nonlocal renewed
        now = service.clock()
        if not going_on() or now >= started + timedelta(seconds=budget_s):
            return False
        if now < renewed + timedelta(seconds=ttl_s / 10):
            return True
        renewed = now
        with service.store.transaction() as tx:
            return hold(tx)

    return going


def _safely(work: Work, step: Step) -> int:
    work.claimed.clear()
    try:
        return step(work)
    except errors.B24Error as error:
        log.info("step=%s waits: %s", step.__module__, error)
        return 0
    except DatabaseAway:
        raise
    except Exception as error:
        # Our bug, met by one object: the others must not wait for its repair.
        log.exception("step=%s.%s broke", step.__module__, step.__name__)
        return _set_aside(work, error)


def _set_aside(work: Work, error: Exception) -> int:
    """Find the object a step breaks over by claiming its kind one by one, and in the end hold it for a person."""
    work.alone.update(one.kind for one in work.claimed)
    if len(work.claimed) == 1:
        (one,) = work.claimed
        text = f"{type(error).__name__}: {error}"[:500]
        with work.service.store.transaction() as tx:
            if one.attempts < TRIES_OF_A_BROKEN_STEP:
                marks.retry(tx, one, at=later(one, work.now()), error=text)
            else:
                marks.hold(tx, one, reason="internal", error=text, now=work.now())
    return len(work.claimed)


def due(service: Service) -> list[int]:
    """Portals that have something to do now, the longest waiting first."""
    with service.store.reading() as tx:
        return marks.due_portals(tx, now=service.clock())
