"""What a portal's event leads to: the mark of the object it names, if that object is our business."""

from __future__ import annotations

from b24.events import COMPANY, CONTACT, DEAL, LEAD, PortalEvent
from smart_process.schema import Binding

PULL, PULL_TASK = "pull", "pull_task"
_CLASSIC = frozenset({LEAD, DEAL, CONTACT, COMPANY})


def concerned(event: PortalEvent, binding: Binding | None) -> tuple[str, str] | None:
    """The mark an event leads to: kind and key; ``None`` for objects that are not our business.

    Raises:
        Malformed: an event about an object that names none.
    """
    item = event.item()
    if item is not None:
        entity_type_id, item_id = item
        ours = binding is not None and (entity_type_id in _CLASSIC or binding.of(entity_type_id) is not None)
        return (PULL, f"{entity_type_id}:{item_id}") if ours else None
    task_id = event.task_id()
    return (PULL_TASK, str(task_id)) if task_id is not None and binding is not None else None
