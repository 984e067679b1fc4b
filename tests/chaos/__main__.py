"""``make chaos``: every fault of the portal alone and mixed, then days on which processes are killed as well."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.chaos.judging import Verdict
from tests.chaos.matrix import KINDS, MIXED, Tried, whole_matrix
from tests.chaos.playing import Day, Played, play, report


def main() -> int:
    """Play on the databases asked for; the last line sums up, exit code 0 only when nothing was lost, doubled or
    overwritten."""
    options = _arguments()
    databases = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    kills = [options.kills // len(databases)] * len(databases)
    kills[0] += options.kills - sum(kills)
    played = []
    for n, (database, number) in enumerate(zip(databases, kills, strict=True)):
        sys.stderr.write(f"{database}, seed {options.seed}\n")
        began, until = time.monotonic(), None
        if options.minutes is not None:
            until = began + (_BEGAN + options.minutes * 60 - began) / (len(databases) - n)
        played += [_as_played(one) for one in _matrix(database, options.seed, until)]
        day_began = time.monotonic()
        played.append(play(_day(database, options.seed, number, until), say=_say))
        sys.stderr.write(f"{database}: {time.monotonic() - day_began:.0f} s, struck {played[-1].struck}\n")
    again = f'make chaos ARGS="--kills {options.kills} --seed {options.seed} --database {options.database}"'
    return report(_summed(played), replay=again)


def _matrix(database: str, seed: int, until: float | None) -> list[Tried]:
    """All of it; with little time everything mixed first and then as many kinds as half of the time allows."""
    if until is None:
        return whole_matrix(database, seed, say=_say)
    half = (time.monotonic() + until) / 2
    alone = random.Random(seed).sample(KINDS, len(KINDS))
    kinds = sorted(alone, key=lambda kind: kind != MIXED)
    return whole_matrix(database, seed, kinds, say=_say, going_on=lambda: time.monotonic() < half)


def _day(database: str, seed: int, kills: int, until: float | None) -> Day:
    """Its kills are spread over what is left of the time, less what it takes to come to rest."""
    guests = min(200, 20 + 4 * kills)
    if until is None:
        return Day(database, seed, kills, guests)
    each = max(0.5, (until - time.monotonic()) * 0.6 / max(1, kills))
    return Day(database, seed, kills, guests, (0.2 * each, 1.8 * each))


def _as_played(tried: Tried) -> Played:
    return Played(0, {tried.kind: tried.struck}, tried.verdict, [])


def _summed(played: list[Played]) -> Played:
    verdict, struck, errors = Verdict(), dict[str, int](), list[str]()
    for one in played:
        verdict.lost += one.verdict.lost
        verdict.doubled += one.verdict.doubled
        verdict.overwritten += one.verdict.overwritten
        errors += one.errors
        for kind, times in one.struck.items():
            struck[kind] = struck.get(kind, 0) + times
    return Played(sum(one.kills for one in played), struck, verdict, errors)


_BEGAN = time.monotonic()


def _say(text: str) -> None:
    sys.stderr.write(f"  {time.monotonic() - _BEGAN:4.0f} s  {text}\n")
    sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--minutes",
        type=float,
        help="about how long all of it may take: kinds of faults that do not fit in are left out and named; "
        "without it everything is tried, and the kills are 3 s apart",
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
