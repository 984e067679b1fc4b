"""``python app.py bench-data``: a database of any size without a portal, to load the door with any tool.

One event that is live now, gate ``entrance``, guests who are registered and have tickets, one enrolled phone. No portal
stands behind it: nothing is synchronised, no work waits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from b24.store.engine import Store
from b24.store.migrate import upgrade
from smart_process import devices
from smart_process.demo.cast import FIRMS, FIRST, LAST, POSITIONS
from smart_process.store import bench_data as rows

GATE = "entrance"
AT_ONCE = 2_000


class Taken(Exception):
    """The database has portals in it already: it is somebody's."""


def main(argv: Sequence[str], *, database_url: str) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="app.py bench-data",
        description="Fill the empty database DATABASE_URL with one live event and its registered guests, and write "
        "DIR/tickets.txt (a ticket per line) and DIR/device-token.txt. Then 'python app.py serve' with the same "
        "DATABASE_URL and nothing else answers POST /api/v1/scans.",
    )
    parser.add_argument("--participations", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(argv)
    if not database_url or options.participations < 1:
        sys.stderr.write("set DATABASE_URL and ask for one participation at least\n")
        return 2
    store = Store(database_url)
    try:
        upgrade(store)
        tickets, token = fill(store, options.participations, datetime.now(UTC))
    except Taken:
        sys.stderr.write("this database is in use: name an empty one\n")
        return 1
    finally:
        store.close()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "tickets.txt").write_text("\n".join(tickets) + "\n")
    (options.out / "device-token.txt").write_text(token + "\n")
    return 0


def fill(store: Store, participations: int, now: datetime) -> tuple[list[str], str]:
    """Make the event, its guests and the phone; answers all tickets and the phone's token.

    Raises:
        Taken: the database is not empty.
    """
    with store.transaction() as tx:
        if not rows.is_empty(tx):
            raise Taken
        portal_id, event_id = rows.add_event(tx, now)
        code = devices.create_enrolment(tx, event_id, gates=[GATE], uses=1, by="app", now=now)
        _, token = devices.enrol(tx, code, "bench", now=now)
    tickets: list[str] = []
    for first in range(0, participations, AT_ONCE):
        guests = {number: _guest(number) for number in range(first, min(first + AT_ONCE, participations))}
        with store.transaction() as tx:
            tickets += rows.add_guests(tx, portal_id, event_id, guests, now)
    with store.transaction() as tx:
        rows.count_anew(tx)
    return tickets, token


def _guest(number: int) -> dict[str, str]:
    return {
        "last_name": LAST[number % len(LAST)],
        "first_name": FIRST[number // len(LAST) % len(FIRST)],
        "position": POSITIONS[number % len(POSITIONS)],
        "company_name": FIRMS[number % len(FIRMS)],
    }
