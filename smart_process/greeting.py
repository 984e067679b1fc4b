"""A key guest has arrived: their account manager hears of it in Bitrix24, once, within seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from b24.store.engine import Tx
from smart_process.door_words import local_time
from smart_process.language import translator
from smart_process.settings import Settings
from smart_process.store import events, live, outcomes

LATE = timedelta(minutes=5)
"""Learned this long after it happened, the news says so: a phone had no network."""
NEWS = timedelta(days=1)
"""Older arrivals are no news to anybody."""


def announce(tx: Tx, portal_id: int, event_id: int, subject: str, settings: Settings, now: datetime) -> None:
    """Tell of arrivals of an important company; the rules' look at the subject is the occasion."""
    kind, _sep, number = subject.partition(":")
    if kind != "company":
        return
    arrived = live.key_guests(tx, portal_id, event_id, int(number), now - NEWS)
    if not arrived:
        return
    event, _ = events.by_id(tx, event_id), translator(settings.language)
    for one in arrived:
        values = {
            "guest": f"{one.first_name} {one.last_name}".strip(),
            "company": one.title,
            "event": event.title,
            "at": local_time(one.arrived_at, event.zone, now),
            "gate": one.gate or "–",
        }
        late = now - one.arrived_at >= LATE
        told = local_time(now, event.zone, now)
        text = (
            _(
                "Важный гость пришёл в %(at)s, узнали в %(told)s (телефон был без связи): %(guest)s, «%(company)s». "
                "Мероприятие «%(event)s», вход: %(gate)s.",
                told=told,
                **values,
            )
            if late
            else _(
                "Важный гость на месте: %(guest)s, «%(company)s». Пришёл в %(at)s. "
                "Мероприятие «%(event)s», вход: %(gate)s.",
                **values,
            )
        )
        body = {"user_id": one.responsible_id, "text": text}
        outcomes.say(tx, portal_id, "notify", f"arrival:{one.id}", body, now=now)
