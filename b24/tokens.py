"""The installer's pair of tokens: one refresh per portal at a time, over threads and processes.

A pair is stored before it is used; who comes second takes what the first one stored.
"""

from __future__ import annotations

import secrets as random_source
import threading
import time
from collections.abc import Callable
from datetime import datetime

from b24 import leases, portals
from b24.errors import AccessLost, SetupMissing, Unavailable
from b24.oauth import Grant, OAuth
from b24.portals import Portal
from b24.secrets import Secrets
from b24.store import calls
from b24.store.engine import Store

LEASE_S = 45.0
"""Longer than one exchange with the authorisation server can take."""
PATIENCE_S = 30.0


class Tokens:
    """Access to portals with the rights of whoever installed the app."""

    def __init__(self, store: Store, secrets: Secrets, oauth: OAuth, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._secrets = secrets
        self._oauth = oauth
        self._clock = clock
        self._owner = f"tokens-{random_source.token_hex(8)}"
        self._locks: dict[int, threading.Lock] = {}
        self._guard = threading.Lock()

    def current(self, portal_id: int) -> Portal:
        """The portal with a token that has not run out as far as we know; refreshes one that has.

        Raises:
            AccessLost: unknown, paused or removed portal; our client id or secret is refused.
            Unavailable: the refresh failed for a passing reason.
        """
        portal = self.stored(portal_id)
        if portal.token_expires_at <= self._clock():
            return self.refreshed(portal_id, portal.access_token)
        return portal

    def stored(self, portal_id: int, *, also_paused: bool = False) -> Portal:
        """The portal as it is stored.

        Raises:
            AccessLost: unknown or removed; paused, unless ``also_paused``.
        """
        with self._store.reading() as tx:
            portal = portals.by_id(tx, self._secrets, portal_id)
        if portal is None or portal.state == portals.UNINSTALLED:
            raise AccessLost("NOT_INSTALLED", "the app is not installed in this portal")
        if portal.state == portals.PAUSED and not also_paused:
            raise AccessLost("PAUSED", portal.state_reason)
        return portal

    def refreshed(self, portal_id: int, stale: str, *, also_paused: bool = False) -> Portal:
        """The portal with another access token than ``stale``, which was refused or ran out.

        Raises: as :meth:`current`; ``invalid_grant`` and ``wrong_client`` pause the portal.
        """
        deadline = time.monotonic() + PATIENCE_S
        with self._lock(portal_id):
            while time.monotonic() < deadline:
                portal = self.stored(portal_id, also_paused=also_paused)
                if portal.access_token != stale:
                    return portal
                if self._lease(portal_id):
                    return self._refresh(portal_id, stale, also_paused)
                # Another process is at it: its result is in the row in a moment.
                time.sleep(0.1)
        raise Unavailable("REFRESH_BUSY", "another process is refreshing the tokens")

    def _lock(self, portal_id: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(portal_id, threading.Lock())

    def _lease(self, portal_id: int) -> bool:
        with self._store.transaction() as tx:
            held = leases.acquire(tx, portal_id, self._owner, LEASE_S, self._clock(), name=leases.REFRESH)
        return held is not None

    def _refresh(self, portal_id: int, stale: str, also_paused: bool) -> Portal:
        try:
            portal = self.stored(portal_id, also_paused=also_paused)
            # Between our look and our lease another process may have finished.
            return portal if portal.access_token != stale else self._exchange(portal, also_paused)
        finally:
            with self._store.transaction() as tx:
                leases.release(tx, portal_id, self._owner, self._clock(), name=leases.REFRESH)

    def _exchange(self, portal: Portal, also_paused: bool) -> Portal:
        try:
            grant = self._oauth.redeem(
                portal.refresh_token, keep_line=lambda line: calls.keep(self._store, portal.id, [line])
            )
        except SetupMissing as error:
            # Our client id or secret is refused: no object of any portal can be repaired for it, nothing is held.
            lost = AccessLost(error.code, error.description, error.status)
            self.lose(portal.id, lost)
            raise lost from None
        except AccessLost as error:
            again = self.stored(portal.id, also_paused=also_paused)
            if again.refresh_token != portal.refresh_token:
                return again
            self.lose(portal.id, error)
            raise
        self._keep(portal, grant)
        return self.stored(portal.id, also_paused=also_paused)

    def _keep(self, portal: Portal, grant: Grant) -> None:
        if grant.member_id != portal.member_id:
            raise AccessLost("MEMBER_CHANGED", "the tokens belong to another portal")
        with self._store.transaction() as tx:
            now = portals.by_id(tx, self._secrets, portal.id)
            # A new installation or a removal during the exchange has the last word.
            if now is not None and now.refresh_token == portal.refresh_token:
                portals.save_tokens(tx, portal.id, grant, secrets=self._secrets, now=self._clock())

    def lose(self, portal_id: int, error: AccessLost) -> None:
        """Pause a portal whose access is lost, with the reason for the settings page."""
        with self._store.transaction() as tx:
            portals.pause(tx, portal_id, error.code or error.description, now=self._clock())
