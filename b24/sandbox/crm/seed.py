"""What a new portal's CRM holds: the directories always, a partner programme when asked for."""

from __future__ import annotations

from typing import Any

from b24.sandbox.crm import base


def plant(portal: Any, seed: str) -> None:
    """Fill a new portal; ``seed`` is ``"demo"`` or ``"empty"``. Call inside a transaction."""
    base.found(portal)
