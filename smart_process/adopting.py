"""Deals the app did not make that count like ours: a mapped form's, and one that a person linked to an event.

Such a deal is the outcome of its subject: rules raise it and never add a second. Beside a deal of ours it is only
followed: won, lost, reopened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process import deciding, rules
from smart_process.deciding import FORM, LINKED, ORIGIN
from smart_process.language import translator
from smart_process.schema import DEAL
from smart_process.settings import Settings
from smart_process.store import journal
from smart_process.store import outcomes as store

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Deal:
    """A deal as read: ``owner_id`` is its responsible."""

    item_id: int
    title: str
    owner_id: int | None


def adopt(
    tx: Tx,
    event: Row,
    subject: str,
    deal: Deal,
    origin: str,
    participation_ids: Sequence[int],
    settings: Settings,
    now: datetime,
) -> Row | None:
    """Make a deal the outcome of a subject at an event; the caller has looked that it is none yet.

    Args:
        event: columns of table ``event``; ``subject``: as :func:`deciding.decide` takes it.
        origin: ``form`` or ``linked``; ``participation_ids``: for whom it stands by itself.
    Returns:
        The outcome; ``None`` when somebody was faster: look again.
    """
    _ = translator(settings.language)
    live = [row for row in store.of_subjects(tx, event["id"], [subject]) if row["state"] == store.LIVE]
    ours = next((row for row in live if row["kind"] == rules.DEAL), None)
    if ours is None:
        for task in live:
            text = _("Вместо этой задачи теперь сделка: %(title)s.", title=deal.title)
            deciding.supersede(tx, event, task, text, now)
    said = {
        FORM: _("Сделка создана CRM-формой мероприятия. Активность гостей поднимет её приоритет."),
        LINKED: _("Сделку привязали к мероприятию."),
    }
    content = {"participations": list(participation_ids), ORIGIN: origin, "product_lines": [], "flags": []}
    outcome_id = store.add(
        tx,
        {
            "portal_id": event["portal_id"],
            "event_id": event["id"],
            "subject": subject,
            "kind": rules.DEAL,
            "rule": origin,
            "rules_version": 0,
            "priority": "low",
            "state": store.LIVE if ours is None else store.BESIDE,
            "item_id": deal.item_id,
            "owner_id": deal.owner_id,
            "title": deal.title[:255],
            "explanation": said[origin],
            "deadline": now,
            "created_at": now,
            "content": content,
            # Whatever it shows now is what it was adopted with.
            "shadow": {},
        },
    )
    if outcome_id is None:
        return None
    if ours is not None and origin == FORM and ours["item_id"]:
        _say_second(tx, event["portal_id"], deal, ours, settings, now)
    marks.mark(tx, event["portal_id"], journal.DECIDE, [f"{event['id']}:{subject}"], now=now)
    (row,) = store.by_ids(tx, [outcome_id])
    return row


def _say_second(tx: Tx, portal_id: int, deal: Deal, ours: Row, settings: Settings, now: datetime) -> None:
    """Nobody is called twice: the form's deal says that there is another one."""
    _ = translator(settings.language)
    text = _(
        "По этому клиенту на мероприятии уже есть сделка: %(title)s (№ %(number)s).",
        title=ours["title"],
        number=ours["item_id"],
    )
    body = {"entity_type_id": DEAL, "item_id": deal.item_id, "text": text}
    store.say(tx, portal_id, "comment", f"second:{deal.item_id}", body, now=now)
