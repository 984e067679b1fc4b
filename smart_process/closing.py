"""Closing an event: armed by moving it to Closed, announced, run after a delay or at once.

Absent registrations become no-shows, materials go to those who came and other words to those who did not, and
every subject is decided about once more. All of it may be repeated: nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import language, rule_table, rules
from smart_process.door_words import zone_of
from smart_process.facts import Kind, NewFact, Stage, reached_stages
from smart_process.language import translator
from smart_process.rules import Subject
from smart_process.settings import Settings
from smart_process.store import closing as store
from smart_process.store import events, journal, messages, outcomes, setups

Row = Mapping[str, Any]
CLOSED = "closed"
PORTION = 200
"""Guests dealt with in one transaction: the door must not wait for a long one."""


@dataclass(frozen=True)
class Forecast:
    """What a closing would do now: people, mails, and new deals and tasks."""

    no_shows: int
    materials: int
    missed: int
    deals: int
    tasks: int


class NotClosed(Exception):
    """The event is not in the stage Closed, or its closing has run already."""


def stage_changed(
    tx: Tx, *, event_id: int, before: str, after: str, by: str, settings: Settings, now: datetime
) -> None:
    """An event was moved in the CRM: to Closed arms its closing, away from it stops what has not run.

    Args:
        by: who moved it, as facts name people.
    """
    event = store.lock(tx, event_id)
    if event is None or before == after:
        return
    if after == CLOSED:
        _arm(tx, event, now + timedelta(minutes=settings.closing_delay_min), now)
    elif before == CLOSED:
        _disarm(tx, event, by, settings, now)


def _arm(tx: Tx, event: Row, at: datetime, now: datetime) -> None:
    store.set_times(tx, event["id"], closing_at=at, closed_at=None)
    store.schedule(tx, event["portal_id"], event["id"], at=at, now=now, announce=True)


def _disarm(tx: Tx, event: Row, by: str, settings: Settings, now: datetime) -> None:
    store.set_times(tx, event["id"], closing_at=None, closed_at=None)
    store.unschedule(tx, event["portal_id"], event["id"])
    if event["closing_at"] is None or event["closed_at"] is not None:
        return
    _ = translator(settings.language)
    text = _("Закрытие мероприятия «%(event)s» остановлено: ничего не сделано.", event=event["title"])
    _notify(tx, event, text, f"closing:{event['id']}:stopped:{now.isoformat()}", now)


def close_now(tx: Tx, event_id: int, now: datetime) -> None:
    """Run the closing without waiting any longer.

    Raises:
        NotClosed: nothing is to be closed.
    """
    event = store.lock(tx, event_id)
    if event is None or event["stage"] != CLOSED or event["closed_at"] is not None:
        raise NotClosed
    store.set_times(tx, event_id, closing_at=now)
    store.schedule(tx, event["portal_id"], event_id, at=now, now=now, announce=False)


def stop(tx: Tx, event_id: int, by: str, settings: Settings, now: datetime) -> None:
    """Take an armed closing back although the event stays in Closed; :func:`close_now` still runs it.

    Raises:
        NotClosed: it is not armed, or has begun.
    """
    event = store.lock(tx, event_id)
    if event is None or event["closing_at"] is None or event["closed_at"] is not None:
        raise NotClosed
    _disarm(tx, event, by, settings, now)


# ------------------------------------------------------------------------------------------------ announcing


def announce(tx: Tx, event_id: int, settings: Settings, ahead: Forecast, now: datetime) -> None:
    """Tell the event's responsible what the armed closing will do, once per arming."""
    event = store.lock(tx, event_id)
    if event is None or event["closing_at"] is None:
        return
    key = f"closing:{event_id}:armed:{event['closing_at'].isoformat()}"
    _notify(tx, event, announcement(event, settings, ahead), key, now)


def announcement(event: Row, settings: Settings, ahead: Forecast) -> str:
    """What an armed closing will do and when, in the event's zone."""
    _ = translator(settings.language)
    at = language.moment(event["closing_at"], zone_of(event["time_zone"]), _)
    return "\n".join(
        [
            _(
                "Мероприятие «%(event)s» переведено в «Закрыто». Что произойдёт %(at)s:",
                event=event["title"],
                at=at,
            ),
            _("– станут «Не пришёл»: %(n)s", n=ahead.no_shows),
            _("– уйдёт писем с материалами: %(n)s", n=ahead.materials),
            _("– уйдёт писем тем, кто не пришёл: %(n)s", n=ahead.missed),
            _("– появится сделок: %(deals)s, задач: %(tasks)s", deals=ahead.deals, tasks=ahead.tasks),
            _("Чтобы остановить, верните мероприятие на прежнюю стадию."),
        ]
    )


def forecast(tx: Tx, portal_id: int, event_id: int) -> Forecast:
    """What closing an event would do now. Reads every guest of the event once: for pages and notices."""
    table = rule_table.active(setups.read(tx, portal_id).settings)
    people = store.counts(tx, event_id)
    decided = store.decided(tx, event_id)
    new = {rules.DEAL: 0, rules.TASK: 0}
    for subject, seen in _foreseen(tx, portal_id, event_id):
        rule = rules.first_match(table, seen)
        kind, state = decided.get(subject, ("", ""))
        upgrade = (
            rule is not None and rule.kind == rules.DEAL and kind == rules.TASK and state == outcomes.LIVE
        )
        if rule is not None and (not kind or upgrade):
            new[rule.kind] += 1
    return Forecast(people.no_shows, people.materials, people.missed, new[rules.DEAL], new[rules.TASK])


def _foreseen(tx: Tx, portal_id: int, event_id: int) -> list[tuple[str, Subject]]:
    rows = store.standings(tx, portal_id, event_id)
    by_subject = groupby(rows, lambda row: journal.subject_of(row["company_id"], row["person_id"]))
    return [(subject, _after_closing(list(some))) for subject, some in by_subject]


def _after_closing(rows: Sequence[Row]) -> Subject:
    stages = [_stage_after(row) for row in rows]
    first = rows[0]
    return Subject(
        reached=frozenset(stage for row in rows for stage in reached_stages(row["reached"])),
        stages=frozenset(stages),
        flags=frozenset(flag for row in rows for flag, on in row["flags"].items() if on),
        product_lines=frozenset(line for row in rows for line in row["product_lines"]),
        guests=len(rows),
        arrived=sum(row["arrived_at"] is not None for row in rows),
        no_shows=stages.count(Stage.NO_SHOW),
        potential=first["potential"] or "",
        cooperation=first["cooperation"] or "",
        region=first["region"] or "",
        phase=rules.CLOSING,
    )


def _stage_after(row: Row) -> str:
    absent = row["stage"] == Stage.REGISTERED and row["arrived_at"] is None
    return Stage.NO_SHOW if absent else row["stage"]


# ------------------------------------------------------------------------------------------------ running


def begin(tx: Tx, event_id: int, now: datetime) -> bool:
    """Start the closing when it is due; false when it is not (any more). From here on closing rules apply."""
    event = store.lock(tx, event_id)
    if event is None or event["stage"] != CLOSED or event["removed_at"] is not None:
        return False
    if event["closing_at"] is None or event["closing_at"] > now:
        return False
    store.set_times(tx, event_id, closed_at=event["closed_at"] or now)
    return True


def portion(tx: Tx, event_id: int, after: int, now: datetime, limit: int = PORTION) -> int | None:
    """Close for the next guests; the last of their ids, ``None`` when that was all or it was stopped."""
    event = store.lock(tx, event_id)
    if event is None or event["stage"] != CLOSED or event["closing_at"] is None:
        return None
    rows = store.guests(tx, event_id, after=after, limit=limit)
    if not rows:
        return None
    absent = [row["id"] for row in rows if row["arrived_at"] is None and row["stage"] == Stage.REGISTERED]
    fact = NewFact(Kind.NO_SHOW, now, "app", f"no_show:{event_id}")
    states = journal.record(tx, {pid: [fact] for pid in absent}, now=now, priority=marks.BULK)
    for row in rows:
        missing = row["stage"] == Stage.NO_SHOW or states.get(row["id"]) is not None
        kind = messages.MATERIALS if row["arrived_at"] else messages.MISSED if missing else ""
        if kind:
            to = messages.address_of(tx, row["id"])
            messages.queue(tx, row["id"], kind, to=to, now=now, priority=marks.BULK)
    return int(rows[-1]["id"])


def finish(tx: Tx, event_id: int, now: datetime) -> None:
    """Everybody was dealt with: rules look at every subject, and the closing is over."""
    event = store.lock(tx, event_id)
    if event is None or event["closing_at"] is None:
        return
    names = list(store.subjects(tx, event_id))
    store.mark_subjects(tx, event["portal_id"], event_id, names, now=now)
    store.set_times(tx, event_id, closing_at=None)


def thank_latecomers(tx: Tx, portal_id: int, event_id: int, subject: str, now: datetime) -> None:
    """Materials for guests of a subject whose arrival was learned after the closing; once each, like everybody's."""
    event = store.lock(tx, event_id)
    if (
        event is None
        or event["stage"] != CLOSED
        or event["closed_at"] is None
        or event["closing_at"] is not None
    ):
        return
    for guest in outcomes.guests(tx, portal_id, event_id, subject):
        if guest["arrived_at"]:
            to = messages.address_of(tx, guest["id"])
            messages.queue(tx, guest["id"], messages.MATERIALS, to=to, now=now, priority=marks.BULK)


def _notify(tx: Tx, event: Row, text: str, key: str, now: datetime) -> None:
    portal_id = event["portal_id"]
    user_id = event["responsible_id"] or outcomes.installer(tx, portal_id)
    outcomes.say(tx, portal_id, "notify", key, {"user_id": user_id, "text": text}, now=now)


def is_armed(event: events.Event) -> bool:
    """Whether the closing waits for its moment (or for the sync to run it)."""
    return event.closing_at is not None and event.closed_at is None
