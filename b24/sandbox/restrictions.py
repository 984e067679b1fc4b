"""What the portal's plan does not allow at the moment; switched by a control call, as sales would by letter.

Source: _includes/system-errors.md, crm/universal/crm-item-add.md, user-defined-object-types/crm-type-add.md.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox.kernel import RestError

#: name -> (code, text, status) of the refusal.
REFUSALS: dict[str, tuple[str, str, int]] = {
    "rest": ("ACCESS_DENIED", "REST API is available only on commercial plans", 403),
    "item_add": (
        "CREATE_DYNAMIC_ITEM_RESTRICTED", "You cannot create a new item due to your plan restrictions", 400,
    ),
    "item_update": ("UPDATE_DYNAMIC_ITEM_RESTRICTED", "You cannot change the item due to your plan restrictions", 400),
    "type_add": ("CREATE_DYNAMIC_TYPE_RESTRICTED", "Maximum number of SPAs exceeded", 400),
    "type_update": (
        "UPDATE_DYNAMIC_TYPE_RESTRICTED", "You cannot change the SPA settings due to your plan's restrictions", 400,
    ),
}  # fmt: skip


def demand(portal: Any, name: str) -> None:
    """Refuse what the plan does not allow.

    Raises:
        RestError: the documented code of the restriction.
    """
    if name in portal.get("restrictions", ()):
        raise RestError(*REFUSALS[name])


def impose(portal: Any, names: list[str]) -> None:
    """Put exactly these restrictions into force; call inside a transaction.

    Raises:
        ValueError: an unknown name.
    """
    for name in names:
        if name not in REFUSALS:
            raise ValueError(f"unknown restriction {name}; known: {', '.join(REFUSALS)}")
    portal.put("restrictions", names)
