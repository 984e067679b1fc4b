"""``make chaos``: every fault of the portal alone and mixed, then days on which processes are killed as well."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.chaos.judging import Verdict
from tests.chaos.matrix import Tried, whole_matrix
from tests.chaos.playing import Day, Played, play, report


def main() -> int:
    """Play on the databases asked for; the last line sums up, exit code 0 only when nothing was lost, doubled or
    overwritten."""
    options = _arguments()
    databases = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    kills = [options.kills // len(databases)] * len(databases)
    kills[0] += options.kills - sum(kills)
    played = []
    for database, number in zip(databases, kills, strict=True):
        sys.stderr.write(f"{database}, seed {options.seed}\n")
        played += [_as_played(one) for one in whole_matrix(database, options.seed, say=_say)]
        began = time.monotonic()
        played.append(play(_day(database, options, number, len(databases)), say=_say))
        sys.stderr.write(f"{database}: {time.monotonic() - began:.0f} s, struck {played[-1].struck}\n")
    again = f'make chaos ARGS="--kills {options.kills} --seed {options.seed} --database {options.database}"'
    return report(_summed(played), replay=again)


def _day(database: str, options: argparse.Namespace, kills: int, shares: int) -> Day:
    guests = min(200, 20 + 4 * kills)
    if options.minutes is None:
        return Day(database, options.seed, kills, guests)
    each = options.minutes * 60 / shares / max(1, kills)
    return Day(database, options.seed, kills, guests, (0.2 * each, 1.8 * each))


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
    parser.add_argument("--minutes", type=float, help="spread the kills over so long; 3 s a kill without it")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
