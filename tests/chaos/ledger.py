"""What was acknowledged and what people typed: kept by those who did it, not by the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """Everything that got an answer, as the guests, phones and colleagues remember it.

    Attributes:
        tickets: address → ticket link, of everybody the registration page or a mail gave one.
        forms: item the portal made of a CRM form → address.
        arrived: ticket links a scan of which was answered "admitted" or "already_admitted".
        flags: (ticket link, flag, product line) answered "done" or "already".
        walk_ins: addresses of guests the door added.
        cancelled: ticket links cancelled by their guests.
        removed: participations a colleague deleted and nobody restored.
        typed: (entity type, item, field) → what a colleague typed there last.
    """

    tickets: dict[str, str] = field(default_factory=dict)
    forms: dict[int, str] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    flags: set[tuple[str, str, str]] = field(default_factory=set)
    walk_ins: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    typed: dict[tuple[int, int, str], Any] = field(default_factory=dict)
