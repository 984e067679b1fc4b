"""Where the portal's own pages are opened: the one place that writes their addresses. Pure.

Source of a task's address: tasks/tasks-task-get-rest-v3.md (``link``); the others are the portal's own.
"""

from __future__ import annotations

from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD

TASK = 0
"""Stands for the entity type of a task, which is no CRM item."""
NEW = 0
"""The id a card has until it is saved."""
_CLASSIC = {CONTACT: "contact", COMPANY: "company", DEAL: "deal", LEAD: "lead"}


def list_path(entity_type_id: int) -> str:
    """Where the cards of a kind are listed."""
    classic = _CLASSIC.get(entity_type_id)
    return f"/crm/{classic}/" if classic else f"/crm/type/{entity_type_id}/"


def card_path(entity_type_id: int, item_id: int | None, *, owner_id: int | None = None) -> str:
    """Where a card is opened; "" while there is none. A task opens among those of ``owner_id``."""
    if item_id is None:
        return ""
    if entity_type_id == TASK:
        return f"/company/personal/user/{owner_id or 0}/tasks/task/view/{item_id}/"
    return f"{list_path(entity_type_id)}details/{item_id}/"


def merge_path(entity_type_id: int, item_ids: str) -> str:
    """Where a person unites cards; ``item_ids`` with commas between them."""
    return f"{list_path(entity_type_id)}merge/?id={item_ids}"


def robots_path(entity_type_id: int, category_id: int) -> str:
    """Where the robots of a funnel are set up."""
    return f"{list_path(entity_type_id)}automation/{category_id}/"
