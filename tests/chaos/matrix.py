"""Every fault of the portal alone and all of them mixed, through a small day, with what must be true in the end.

Part of ``make chaos``; by itself, and to see one of them again:
``python -m tests.chaos.matrix --seed S --database sqlite [KIND …]``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import sqlalchemy as sa

from b24.errors import B24Error
from smart_process import mailer
from smart_process.store import messages
from smart_process.store import tables as t
from smart_process.sync import sweep
from tests.chaos.judging import Verdict
from tests.chaos.playing import postgres_database
from tests.smart_process.sync.conftest import opened
from tests.smart_process.sync.story import Clock, Company, Story
from tests.smart_process.sync.test_cut_anywhere import Day, Killed, end, played

CALLS = (
    "5xx html html_after truncated timeout_before timeout_after slow reset_before reset_after command_503 "
    "expired_token"
).split()
EVENTS = "event_drop event_double event_delay event_reorder".split()
ALONE = (*CALLS, "storm_503", *EVENTS, "not_visible")
TOKENS, MAILS, MIXED = "expired_token+oauth_5xx", "mail_cut", "mixed"
"""Token refreshes that fail; the process dies while a mail is on its way; everything at once."""
KINDS = (*ALONE, TOKENS, MAILS, MIXED)
SHARE = 0.3
"""Of all calls, events and reads go wrong."""
SECONDS = {"slow_s": 0.3, "storm_s": 0.3, "delay_s": 0.2, "visible_after_s": 2.0}
PATIENCE = timedelta(hours=12)
"""On the app's clock: a step of five requests of which a third fails is tried every quarter of an hour for long."""
TYPED_BY_HAND = "обещали образцы"
TRIES = 5
DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Tried:
    """What became of one kind of fault."""

    kind: str
    struck: int
    verdict: Verdict


def plan(kind: str, seed: int) -> dict[str, Any]:
    """The sandbox's plan for a kind of :data:`KINDS`."""
    shares: dict[str, float] = {}
    if kind == MIXED:
        shares = {one: SHARE / len(CALLS) for one in CALLS} | {one: SHARE / len(EVENTS) for one in EVENTS}
        shares |= {"storm_503": SHARE / 100, "oauth_5xx": SHARE, "not_visible": SHARE}
    elif kind != MAILS:
        shares = dict.fromkeys(kind.split("+"), SHARE)
    if kind == "storm_503":
        shares[kind] = SHARE / 10
    return {**shares, **SECONDS, "seed": seed}


def attempt(place: Company, kind: str, seed: int, whole: Mapping[str, Any]) -> Tried:
    """Play a small day while one kind of fault strikes, let the portal recover, and compare with an undisturbed day.

    Args:
        whole: the end of an undisturbed day, see ``played``.
    """
    with _time_passes_in_the_portal_too(place):
        day = _day(place)
        place.rest.control("faults", plan(kind, seed))
        try:
            with _mails_cut(SHARE if kind == MAILS else 0, seed) as cuts:
                for part in day.parts:
                    part()
                    _swept(day.story)
        finally:
            struck = sum(place.rest.control("faults", method="GET")["struck"].values()) + len(cuts)
            day.story.faults()
        _swept(day.story)
    found = end(day)
    verdict = _compared(whole, found, mails_too=not cuts)
    _agreeing(day.story, verdict)
    _mails(day.story, len(cuts), verdict)
    return Tried(kind, struck, verdict)


def _day(place: Company) -> Day:
    """A day some time ahead of the app's clock, which many waits may have moved on."""
    starts = place.clock().replace(microsecond=0) + timedelta(days=3)
    own = {"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(hours=8)).isoformat()}
    return Day(Story(place).begin(**own))


def _swept(story: Story) -> None:
    """What the timer does now and then, until everything has come to rest."""
    for _ in range(100):
        with suppress(Killed, B24Error):
            story.settle(patience=PATIENCE)
            sweep.sweep(story.service, story.company.portal_id)
            story.settle(patience=PATIENCE)
            return
    raise AssertionError("it never comes to rest")


@contextmanager
def _time_passes_in_the_portal_too(place: Company) -> Iterator[None]:
    """The app's clock jumps over waits; objects the portal does not show yet get older by as much."""
    clock, portal = place.clock, place.sandbox.portal
    original = clock.move_to

    def move_to(moment: datetime) -> None:
        before = clock.ahead
        original(moment)
        passed = (clock.ahead - before).total_seconds()
        for one, made in list(portal.created.items()):
            portal.created[one] = made - passed

    clock.move_to = move_to  # type: ignore[method-assign]
    try:
        yield
    finally:
        clock.move_to = Clock.move_to.__get__(clock)  # type: ignore[method-assign]


@contextmanager
def _mails_cut(share: float, seed: int) -> Iterator[list[str]]:
    """The process dies while mails leave: before one is handed over, or before the answer is noted."""
    original, dice, cuts = mailer.Mailer.send, random.Random(seed), list[str]()

    def send(self: mailer.Mailer, message: EmailMessage, to: str) -> mailer.Result:
        if dice.random() >= share:
            return original(self, message, to)
        if dice.random() < 0.5:
            original(self, message, to)
        cuts.append(to)
        raise Killed

    mailer.Mailer.send = send  # type: ignore[method-assign]
    try:
        yield cuts
    finally:
        mailer.Mailer.send = original  # type: ignore[method-assign]


# ------------------------------------------------------------------ what must be true


def _compared(whole: Mapping[str, Any], found: Mapping[str, Any], *, mails_too: bool) -> Verdict:
    verdict = Verdict()
    for name, wanted in whole.items():
        got = found[name]
        # Messages are those of all days, and counted below.
        if got == wanted or name == "messages" or (name == "mails" and not mails_too):
            continue
        text = f"{name}: {got!r} instead of {wanted!r}"
        if name == "cards" and TYPED_BY_HAND not in str(got):
            verdict.overwritten.append(text)
        elif _much(got) > _much(wanted):
            verdict.doubled.append(text)
        else:
            verdict.lost.append(text)
    return verdict


def _much(value: Any) -> int:
    """How many things a figure or a list (of lists) speaks of."""
    if isinstance(value, int):
        return value
    return sum(map(_much, value)) + len(value) if isinstance(value, list | tuple) else 0


def _agreeing(story: Story, verdict: Verdict) -> None:
    """Portal and journal agree person by person."""
    cards = {card["id"]: story.named(card) for card in story.cards()}
    for seat in story.seats():
        card = cards.get(seat["item_id"])
        shown = card and (card["stage"], card["gate"] or "", card["note"] or "", card["contactId"])
        known = (seat["stage"], seat["gate"], seat["note"], story.person(seat)["contact_id"])
        if shown != known:
            verdict.lost.append(f"participation {seat['id']}: the portal shows {shown}, the journal {known}")


def _mails(story: Story, cuts: int, verdict: Verdict) -> None:
    """Sent arrived once; what was cut is listed as possibly delivered and arrived once or never."""
    rows = _messages(story)
    listed = story.rest.http.get(f"{story.rest.url}/sandbox/mail.json", timeout=10).json()
    arrived = Counter(one["message_id"].strip("<>").partition("@")[0] for one in listed)
    for row in rows:
        times = arrived[row["message_id"]]
        known = {messages.SENT: (1,), messages.POSSIBLY: (0, 1)}.get(row["state"], ())
        text = f"mail {row['message_id']} is {row['state']} and arrived {times} times"
        if times > 1:
            verdict.doubled.append(text)
        elif times not in known:
            verdict.lost.append(text)
    unsure = sum(row["state"] == messages.POSSIBLY for row in rows)
    if unsure != cuts:
        verdict.lost.append(f"{unsure} mails are listed as possibly delivered, {cuts} were cut")


def _messages(story: Story) -> list[Mapping[str, Any]]:
    ids = [seat["id"] for seat in story.seats(all_of_them=True)]
    return story.rows(t.message, t.message.c.participation_id.in_(ids))


# ------------------------------------------------------------------ all of it


def whole_matrix(
    database: str,
    seed: int,
    kinds: Sequence[str] = KINDS,
    say: Callable[[str], None] = lambda _text: None,
    going_on: Callable[[], bool] = lambda: True,
) -> list[Tried]:
    """All kinds on one database, each in a day of its own; when it is not to go on, those left are named."""
    found: list[Tried] = []
    with _database(database) as url, opened(url) as place:
        whole = played(_day(place))
        for kind in kinds:
            if not going_on():
                say(f"{database}, left out: {', '.join(kinds[len(found) :])}")
                break
            # A fault that never struck has tried nothing: another seed.
            for again in range(seed, seed + TRIES):
                tried = attempt(place, kind, again, whole)
                say(f"{database}, {kind}: struck {tried.struck}")
                for text in tried.verdict.sentences:
                    say(f"! {text}")
                if tried.verdict.sentences:
                    say(f"again: python -m tests.chaos.matrix --seed {again} --database {database} {kind}")
                if tried.struck:
                    break
            found.append(tried)
    return found


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with postgres_database() as url:
            yield str(sa.make_url(url).set(drivername="postgresql+psycopg").render_as_string(False))
        return
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        yield f"sqlite:///{folder}/app.sqlite"


def main(argv: Sequence[str]) -> int:
    """Exit code 0 only when nothing was lost, doubled or overwritten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    given = parser.parse_args(argv)
    if unknown := set(given.kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    tried = whole_matrix(
        given.database, given.seed, given.kinds or KINDS, lambda text: print(text, flush=True)
    )
    return 1 if any(one.verdict.sentences for one in tried) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
