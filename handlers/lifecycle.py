"""The app's life in a portal: installed, updated, removed.

Source: api-reference/common/events/on-app-install.md, on-app-update.md, on-app-uninstall.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from b24 import portals
from b24.errors import B24Error, Untrusted
from b24.events import PortalEvent
from b24.launch import accept_token
from b24.portals import Portal
from b24.store import marks
from smart_process.provision import renewal
from smart_process.service import Service
from smart_process.store.erasure import forget_portal

SELF_PROVING = frozenset({"ONAPPINSTALL", "ONAPPUPDATE"})
"""Events that may bring a new ``application_token`` and are proved by their own tokens."""


def renewed(service: Service, event: PortalEvent) -> None:
    """Installed or updated, by whichever administrator: take the tokens, bring the schema up to date.

    Raises:
        Untrusted: not proved; nothing was changed.
    """
    try:
        portal_id = accept_token(service.portals, event)
    except Untrusted:
        raise
    except B24Error as error:
        # The proof could not be asked for. The event will not come again; the installer page brings the same.
        raise Untrusted(error.code or "UNPROVED") from None
    if event.event == "ONAPPUPDATE":
        with service.store.transaction() as tx:
            # Bindings may be gone after an update.
            marks.mark(tx, portal_id, renewal.MARK, ["0"], now=service.clock())
    service.wake(portal_id)


def removed(service: Service, portal: Portal, event: PortalEvent) -> None:
    """The app was removed: stop, drop the tokens; delete the data only if the administrator asked for it.

    ``CLEAN`` is the text ``"0"`` or ``"1"``. What stays is found again by a later installation.
    """
    with service.store.transaction() as tx:
        portals.uninstall(tx, portal.id, now=service.clock())
        if event.clean:
            forget_portal(tx, portal.id)


REACTIONS: Mapping[str, Callable[[Service, Portal, PortalEvent], None]] = {"ONAPPUNINSTALL": removed}
