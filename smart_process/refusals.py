"""Deals the portal refuses because a field it demands is empty: a task stands in until the settings change.

Nothing was made when the portal refused, so the outcome itself becomes a task – same priority, owner, deadline and
reasons – that names what is missing. When the settings of deals are saved again the deal is tried anew; it supersedes
the task like any other deal does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process.language import translator
from smart_process.rules import TASK
from smart_process.settings import Change, Settings
from smart_process.store import journal
from smart_process.store import outcomes as store

Row = Mapping[str, Any]
CODES = frozenset({"CRM_FIELD_ERROR_REQUIRED", "CRM_FIELD_ERROR_VALUE_NOT_VALID"})
"""What a portal says about fields of a new item. Source: crm/universal/crm-item-add.md, "Error handling"."""
LONGEST = 300
REFUSED = "refused"


def becomes_task(tx: Tx, row: Row, said: str, settings: Settings, now: datetime) -> None:
    """Let a task stand in for a deal the portal has just refused; ``said`` is the portal's text, perhaps HTML.

    The task that stood in so far goes on, unless it is closed already: nobody is asked twice because an administrator
    saved what did not help.
    """
    refused = {"said": plain(said), "tried": tried_with(settings)}
    values: dict[str, Any] = {
        "content": {**row["content"], REFUSED: refused},
        "explanation": f"{row['explanation']}\n{words(refused, settings)}",
    }
    before = store.stood_in(tx, row)
    if before is None:
        store.change(tx, row, now=now, urgency=marks.HOT, kind=TASK, **values)
        return
    store.change(tx, row, now=now, state=store.WITHDRAWN)
    values |= {name: row[name] for name in ("rule", "rules_version", "priority")}
    store.change(tx, before, now=now, urgency=marks.HOT, state=store.LIVE, **values)


def stands(row: Row, settings: Settings) -> bool:
    """Whether an outcome is such a task, and nothing has changed since that could let the deal pass."""
    refused = row["content"].get(REFUSED)
    return bool(refused) and refused["tried"] == tried_with(settings)


def words(refused: Row, settings: Settings) -> str:
    """Why there is a task and not a deal, for its description."""
    _ = translator(settings.language)
    return _(
        "Сделку портал не принял: «%(said)s». Пока это задача. Администратор может задать значение поля в настройках "
        "приложения, раздел «Сделки», – тогда сделка появится сама, а нетронутая задача закроется.",
        said=refused["said"],
    )


def retry(tx: Tx, portal_id: int, now: datetime) -> int:
    """Try refused deals again, because settings of deals were saved; says how many."""
    names = [f"{row['event_id']}:{row['subject']}" for row in store.refused(tx, portal_id)]
    marks.mark(tx, portal_id, journal.DECIDE, names, now=now, priority=marks.HOT)
    return len(names)


def tried_with(settings: Settings) -> str:
    """What a new deal depends on in the settings, as a short text that changes with every saving of it."""
    on = [
        settings.deal_category_id,
        settings.deal_stage_id,
        settings.deal_defaults,
        settings.changes.get("deals", Change()).revision,
    ]
    return hashlib.sha256(json.dumps(on, sort_keys=True).encode()).hexdigest()[:16]


def plain(said: str) -> str:
    """A portal's error text without its HTML."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", said)).split())[:LONGEST]
