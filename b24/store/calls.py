"""The log of calls to portals: written once per request, searched by administrators, forgotten after three days."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from b24.call_log import KEPT, Line
from b24.store.engine import DatabaseAway, Store, Tx, execute_all
from b24.store.tables import rest_call as table

log = logging.getLogger(__name__)

PAGE = 50
_WRITE = sa.insert(table)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; everything given has to be true.

    Attributes:
        text: somewhere in method, parameters or error, in any case of Latin letters.
        method, error: somewhere in these.
        failed: only requests with an error.
        since, until: when they left (aware).
        before: only lines older than this one, for the next page.
    """

    text: str = ""
    method: str = ""
    error: str = ""
    failed: bool = False
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def write(tx: Tx, portal_id: int, lines: Iterable[Line]) -> None:
    """Keep lines of one portal."""
    execute_all(tx, _WRITE, [{"portal_id": portal_id, **vars(one)} for one in lines])


def keep(store: Store, portal_id: int, lines: Iterable[Line]) -> None:
    """:func:`write` in a transaction of its own. A database that is away costs the lines, never the answer."""
    try:
        with store.transaction() as tx:
            write(tx, portal_id, lines)
    except DatabaseAway:
        log.warning("a call could not be logged")


def search(tx: Tx, portal_id: int, wanted: Wanted, *, limit: int = PAGE) -> list[tuple[int, Line]]:
    """Lines with their numbers, the latest first; a full page means there may be more."""
    c = table.c
    columns = (c.at, c.method, c.params, c.status, c.error, c.ms)
    conditions = [c.portal_id == portal_id]
    if wanted.text:
        places = (c.method, c.params, c.error)
        conditions.append(sa.or_(*(place.icontains(wanted.text, autoescape=True) for place in places)))
    if wanted.method:
        conditions.append(c.method.icontains(wanted.method, autoescape=True))
    if wanted.error:
        conditions.append(c.error.icontains(wanted.error, autoescape=True))
    if wanted.failed:
        conditions.append(c.error != "")
    if wanted.since is not None:
        conditions.append(c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(c.at <= wanted.until)
    if wanted.before is not None:
        conditions.append(c.id < wanted.before)
    found = tx.execute(sa.select(c.id, *columns).where(*conditions).order_by(c.id.desc()).limit(limit))
    return [(row.id, Line(*row[1:])) for row in found]


def forget_old(tx: Tx, now: datetime, *, limit: int = 2000) -> int:
    """Delete lines older than they may be kept, the oldest first; says how many, and a full ``limit`` that there may be
    more: a whole backlog at once would keep other writers waiting."""
    old = sa.select(table.c.id).where(table.c.at < now - KEPT).order_by(table.c.at).limit(limit)
    return tx.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount
