"""What staff should know when somebody stands before them. Pure; the words are the phone's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

VIP = "high"
"""The potential of a company whose people are greeted as important guests."""
LONGEST = 80


def notes(potential: str, told: str, promises: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    """Notes about a guest, the most important first.

    Args:
        potential: of the company's segment.
        told: what the organiser wrote on the card for the door: speaker, press.
        promises: titles of what was promised at earlier events and is still open.
    """
    found = [{"kind": "vip", "text": ""}] if potential == VIP else []
    found += [{"kind": "told", "text": told[:LONGEST]}] if told else []
    return (*found, *({"kind": "promise", "text": title[:LONGEST]} for title in promises))
