"""``make bench``: how fast it is, as ratios of one run; a table, and ``bench.json`` for programs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.bench import camera, door, many, sync, web
from tests.bench.figures import Figure, as_json, line, table
from tests.bench.world import World, world
from tests.chaos.playing import postgres_database


@dataclass(frozen=True)
class Sizes:
    """How much is measured; see ``--help``."""

    databases: tuple[str, ...]
    guests: tuple[int, ...]
    pack: int
    requests: int
    callers: tuple[int, ...]
    changes: tuple[int, ...]
    slow_s: float
    events: int
    portals: int
    spread_s: float
    only: tuple[str, ...]


PARTS = ("door", "pack", "camera", "web", "beside", "drain", "events", "portals")
BY_GUESTS = {"door", "web"}
OF_THE_PACK = {"pack", "camera"}


def main(argv: Sequence[str]) -> int:
    """Measure, tell each figure as it comes, print and write all of them; 1 when a target is missed.

    What was measured until somebody stops it, or until a part fails, is written as well.
    """
    sizes, out = _arguments(argv)
    began = time.monotonic()
    figures: list[Figure] = []
    try:
        for one in measure(sizes):
            figures.append(one)
            sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {line(one)}\n")
    finally:
        sys.stdout.write(f"{table(figures)}\n{time.monotonic() - began:.0f} s\n")
        out.write_text(as_json(figures, databases=sizes.databases) + "\n")
    return 0 if all(one.met for one in figures) else 1


def measure(sizes: Sizes) -> Iterator[Figure]:
    """Everything asked for, one after the other, each on an empty database.

    The door on every database; what has a portal beside it on the last one.
    """
    for kind in sizes.databases:
        for one in _without_a_portal(kind, sizes):
            yield replace(one, name=f"{kind}: {one.name}")
    for part in _beside_a_portal(sizes):
        # Each with a portal of its own: the working time a portal grants lasts ten minutes.
        with _database(sizes.databases[-1]) as url, world(url) as made:
            yield from part(made)


def _without_a_portal(kind: str, sizes: Sizes) -> Iterator[Figure]:
    at_the_door: list[Figure] = []
    for guests in sizes.guests if BY_GUESTS & set(sizes.only) else ():
        with _database(kind) as url, door.prepared(url, guests) as ready:
            if "door" in sizes.only:
                some = door.measure(ready, sizes.requests, sizes.callers)
                at_the_door += some
                yield from some
            if "web" in sizes.only:
                yield from web.measure(ready, sizes.requests, max(sizes.callers))
    if len(sizes.guests) > 1:
        yield from door.flat(at_the_door, min(sizes.guests), max(sizes.guests))
    if OF_THE_PACK & set(sizes.only):
        with _database(kind) as url, door.prepared(url, sizes.pack) as ready:
            if "pack" in sizes.only:
                yield from door.pack(ready)
            if "camera" in sizes.only:
                yield from camera.measure(ready)


def _beside_a_portal(sizes: Sizes) -> Iterator[Callable[[World], list[Figure]]]:
    if "beside" in sizes.only:
        yield lambda made: [door.beside_a_slow_portal(made, 2 * min(sizes.changes), sizes.slow_s)]
    if "events" in sizes.only:
        yield lambda made: [sync.doubled_events(made, sizes.events)]
    for changes in sizes.changes if "drain" in sizes.only else ():
        for slow_s in (0, sizes.slow_s):
            yield partial(sync.drains, changes=changes, slow_s=slow_s)
    if "portals" in sizes.only:
        yield lambda made: many.worst_lag(made, sizes.portals, min(500, max(sizes.changes)), sizes.spread_s)


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with postgres_database() as url:
            yield url.replace("postgresql://", "postgresql+psycopg://")
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield f"sqlite:///{folder}/app.sqlite"


def _arguments(argv: Sequence[str]) -> tuple[Sizes, Path]:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgresql"],
        nargs="+",
        default=["sqlite", "postgresql"],
        help="the door is measured on each, what needs a portal on the last",
    )
    parser.add_argument(
        "--guests",
        type=_numbers,
        default=(1_000, 10_000, 100_000),
        help="of the door, e.g. 1000,100000",
    )
    parser.add_argument("--pack", type=int, default=10_000, help="guests in the offline pack")
    parser.add_argument("--requests", type=int, default=1_000, help="in each of three rounds, of each kind")
    parser.add_argument("--callers", type=_numbers, default=(1, 4, 16), help="phones that scan at once")
    parser.add_argument(
        "--changes", type=_numbers, default=(1_000, 10_000), help="to be drained, e.g. 1000,10000"
    )
    parser.add_argument("--slow-s", type=float, default=2.0, help="what a slow portal takes for a batch")
    parser.add_argument("--events", type=int, default=1_000, help="portal events, each of them sent twice")
    parser.add_argument("--portals", type=int, default=200)
    parser.add_argument(
        "--spread-s", type=float, default=10.0, help="within which the small portals change something"
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    given = parser.parse_args(argv)
    out: Path = given.out
    sizes = Sizes(
        tuple(given.database),
        given.guests,
        given.pack,
        given.requests,
        given.callers,
        given.changes,
        given.slow_s,
        given.events,
        given.portals,
        given.spread_s,
        tuple(given.only),
    )
    return sizes, out


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
