"""What the viewer's own token may read, and how outcomes are shown: shared by the tabs on the CRM's own cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from b24.answers import Answer
from b24.client import Client
from b24.errors import AccessLost, B24Error, Rejected, SetupMissing, Untrusted
from smart_process.card_paths import TASK, card_path
from smart_process.language import Translator
from smart_process.schema import DEAL

PAGE = 50
"""Rows of one list, and commands of one batch."""
Command = tuple[str, Mapping[str, Any]]
Commands = dict[str, Command]
CLOSED = (Rejected, SetupMissing, Untrusted, AccessLost)
"""Answers that mean: not for this viewer."""


def lists(entity_type_id: int, item_ids: Iterable[int], select: Sequence[str] = ("id",)) -> Commands:
    """Commands that read these items, as many as the batch they go into needs.

    Source: crm/universal/crm-item-list.md (items a person may not read are left out).
    """
    ids = sorted(set(item_ids))
    pages = [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]
    asked = {"entityTypeId": entity_type_id, "select": list(select), "order": {"id": "ASC"}, "start": -1}
    return {
        f"i{entity_type_id}_{n}": ("crm.item.list", asked | {"filter": {"@id": page}})
        for n, page in enumerate(pages)
    }


def read(viewer: Client, commands: Commands) -> dict[str, list[dict[str, Any]]]:
    """Rows of lists by the key of their command, fifty in a request; what the viewer may not read at all is empty.

    Raises:
        B24Error: the portal could not be asked.
    """
    named = list(commands.items())
    return {
        key: _items(reply)
        for at in range(0, len(named), PAGE)
        for key, reply in viewer.batch(dict(named[at : at + PAGE])).items()
    }


def _items(reply: Answer | B24Error) -> list[dict[str, Any]]:
    if isinstance(reply, CLOSED):
        return []
    if isinstance(reply, B24Error):
        raise reply
    return list(reply.result["items"])


def readable(viewer: Client, entity_type_id: int, item_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Those of the items the viewer may read, by id, asked for in one request."""
    found = read(viewer, lists(entity_type_id, item_ids))
    return {int(one["id"]): one for rows in found.values() for one in rows}


RESULTS = {"won": "выиграна", "lost": "проиграна", "done": "завершена"}


def outcome_link(kind: str, item_id: int | None, owner_id: int | None, _: Translator) -> dict[str, str]:
    """A deal or task as a link; without an address while it is being made."""
    title = _("Сделка") if kind == "deal" else _("Задача")
    if item_id is None:
        return {"title": title, "path": ""}
    path = card_path(DEAL if kind == "deal" else TASK, item_id, owner_id=owner_id)
    return {"title": f"{title} № {item_id}", "path": path}


def outcome_state(result: str | None, _: Translator) -> str:
    """What became of it so far."""
    return _(RESULTS[result]) if result in RESULTS else _("в работе")
