"""What every edge of the app is given: storage, clock, secrets, portals, and where the app is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from b24.client import Portals
from b24.secrets import Secrets
from b24.store.engine import Store


@dataclass(frozen=True)
class Service:
    """The wiring of one process, made by ``app.py``.

    Attributes:
        clock: the present moment, aware UTC.
        public_url: ``https://app.example`` without a slash at the end; every link starts with it.
        wake: hint that a portal has marks, given after the commit; the table is the truth, losing it costs
            seconds.
        local_smtp: a mail server on this machine may be used (demo only).
    """

    store: Store
    clock: Callable[[], datetime]
    secrets: Secrets
    portals: Portals
    public_url: str
    wake: Callable[[int], None]
    local_smtp: bool = False
