"""The event as a calendar file for a guest."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

import icalendar

from smart_process.store.events import Event

_COUNTED_FROM = datetime(2020, 1, 1, tzinfo=UTC)


def calendar_file(
    event: Event, *, uid: str, link: str, organiser: tuple[str, str], cancelled: bool, now: datetime
) -> bytes | None:
    """An iCalendar file with one entry in the event's own zone; ``None`` while the event has no start.

    Args:
        uid: of the participation: the same entry in the guest's calendar whenever the file is made anew.
        link: to the guest's ticket.
        organiser: name and address of the sender; an empty address leaves the organiser out.
    """
    if event.starts_at is None:
        return None
    entry = icalendar.Event()
    entry.add("uid", f"{uid}@tickets")
    entry.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
    # A newer file replaces an older one, whatever changed: minutes only ever go up.
    entry.add("sequence", int((now - _COUNTED_FROM).total_seconds() // 60))
    entry.add("dtstart", event.starts_at.astimezone(event.zone))
    if event.ends_at and event.ends_at > event.starts_at:
        entry.add("dtend", event.ends_at.astimezone(event.zone))
    entry.add("summary", event.title)
    entry.add("description", link)
    entry.add("url", link)
    if event.place:
        entry.add("location", event.place)
    entry.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    _add_organiser(entry, *organiser)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Event app for Bitrix24//")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for zone in _zones(event.zone, event.starts_at.date(), (event.ends_at or event.starts_at).date()):
        calendar.add_component(zone)
    calendar.add_component(entry)
    return bytes(calendar.to_ical())


@lru_cache(maxsize=64)
def _zones(zone: ZoneInfo, first: date, last: date) -> tuple[icalendar.Timezone, ...]:
    """The time zone's description for these days: the same for every guest, and slow to make."""
    entry, calendar = icalendar.Event(), icalendar.Calendar()
    entry.add("dtstart", datetime.combine(first, time(12), zone))
    entry.add("dtend", datetime.combine(last, time(13), zone))
    calendar.add_component(entry)
    calendar.add_missing_timezones()
    return tuple(calendar.timezones)


def _add_organiser(entry: icalendar.Event, name: str, address: str) -> None:
    if address:
        organiser = icalendar.vCalAddress(f"mailto:{address}")
        organiser.params["cn"] = icalendar.vText(name)
        entry.add("organizer", organiser)
