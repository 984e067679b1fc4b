"""Whether cards still exist: asked when the key of one was found on another."""

from __future__ import annotations

from collections.abc import Iterable

from smart_process.sync.work import Work


def existing(work: Work, entity_type_id: int, item_ids: Iterable[int]) -> frozenset[int]:
    """Which of these items the portal still has; nothing is asked for none.

    Raises:
        B24Error: the portal could not be asked.
    """
    ids = sorted(set(item_ids))
    pages = [ids[at : at + 50] for at in range(0, len(ids), 50)]
    asked = {"entityTypeId": entity_type_id, "select": ["id"], "start": -1}
    replies = work.read(
        {f"p{n}": ("crm.item.list", asked | {"filter": {"@id": page}}) for n, page in enumerate(pages)}
    )
    return frozenset(int(item["id"]) for reply in replies.values() for item in reply["items"])
