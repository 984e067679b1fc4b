"""Whether cards still exist: asked when the key of one was found on another."""

from __future__ import annotations

from collections.abc import Iterable

from smart_process.sync.work import Work


def existing(work: Work, entity_type_id: int, item_ids: Iterable[int]) -> frozenset[int]:
    """Which of these items the portal still has; nothing is asked for none.

    Raises:
        B24Error: the portal could not be asked.
    """
    return frozenset(int(item["id"]) for item in work.items(entity_type_id, sorted(set(item_ids)), "id"))
