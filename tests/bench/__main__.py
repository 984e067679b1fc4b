"""``make bench``: how fast it is, as ratios of one run; a table, and ``bench.json`` for programs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import many, sync, web
from tests.bench.figures import Figure, as_json, table
from tests.bench.world import World, world
from tests.chaos.playing import postgres_database


@dataclass(frozen=True)
class Sizes:
    """How much is measured; see ``--help``."""

    database: str
    guests: tuple[int, ...]
    requests: int
    callers: int
    changes: tuple[int, ...]
    slow_s: float
    events: int
    portals: int
    spread_s: float
    only: tuple[str, ...]


PARTS = ("web", "drain", "events", "portals")


def main(argv: Sequence[str]) -> int:
    """Measure, print, write; 1 when a target is missed."""
    sizes, out = _arguments(argv)
    began = time.monotonic()
    figures = measure(sizes)
    sys.stdout.write(f"{table(figures)}\n{time.monotonic() - began:.0f} s on {sizes.database}\n")
    out.write_text(as_json(figures, database=sizes.database) + "\n")
    return 0 if all(one.met for one in figures) else 1


def measure(sizes: Sizes) -> list[Figure]:
    """Everything asked for, one after the other, each on an empty database."""
    figures: list[Figure] = []
    if "web" in sizes.only:
        for guests in sizes.guests:
            with _database(sizes.database) as url:
                figures += web.measure(url, guests, sizes.requests, sizes.callers)
    if set(sizes.only) - {"web"}:
        with _database(sizes.database) as url, world(url) as made:
            figures += _beside_a_portal(made, sizes)
    return figures


def _beside_a_portal(made: World, sizes: Sizes) -> list[Figure]:
    figures: list[Figure] = []
    if "events" in sizes.only:
        figures.append(sync.doubled_events(made, sizes.events))
    for changes in sizes.changes if "drain" in sizes.only else ():
        for slow_s in (0, sizes.slow_s):
            figures += sync.drains(made, changes, slow_s=slow_s)
    if "portals" in sizes.only:
        figures += many.worst_lag(made, sizes.portals, min(500, max(sizes.changes)), sizes.spread_s)
    return figures


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
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument(
        "--guests", type=_numbers, default=(1_000, 100_000), help="of the door, e.g. 1000,100000"
    )
    parser.add_argument("--requests", type=int, default=1_000, help="in each of three rounds, of each kind")
    parser.add_argument("--callers", type=int, default=8, help="phones that scan at once")
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
        given.database,
        given.guests,
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
