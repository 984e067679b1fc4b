"""Who answers for an outcome. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Colleagues = Mapping[int, Mapping[str, Any]]
"""By portal user id: ``active`` and ``head_id``, as smart_process.store.colleagues gives them."""

_HIGHEST = 20


def owner(
    responsible_id: int | None,
    colleagues: Colleagues,
    *,
    fallback_id: int | None,
    event_responsible_id: int | None,
    installer_id: int,
) -> int:
    """The portal user who gets a deal or a task.

    The company's responsible while active, else the nearest active head above them, else the fallback of the
    settings, else the event's responsible, else whoever installed the app. Somebody we never read of
    counts as active only as long as nobody was read at all: a dismissed user's work must not pile up unseen.
    """
    chain = [responsible_id, *_heads(responsible_id, colleagues), fallback_id, event_responsible_id]
    return next((one for one in chain if one and _works_here(one, colleagues)), installer_id)


def _works_here(user_id: int, colleagues: Colleagues) -> bool:
    if not colleagues:
        return True
    known = colleagues.get(user_id)
    return known is not None and bool(known["active"])


def dismissed(user_id: int | None, colleagues: Colleagues) -> bool:
    """Whether the portal says of a user that they work here no more; of whom it does not show, nothing is known."""
    known = colleagues.get(user_id or 0)
    return known is not None and not known["active"]


def _heads(user_id: int | None, colleagues: Colleagues) -> list[int]:
    above: list[int] = []
    at = user_id
    while at is not None and at in colleagues and len(above) < _HIGHEST:
        at = colleagues[at]["head_id"]
        if at is None or at in above:
            break
        above.append(at)
    return above
