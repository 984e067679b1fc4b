"""Bringing an installed portal up to date without a person: after an update of the app or of its schema."""

from __future__ import annotations

from smart_process.provision import Progress, Provision
from smart_process.service import Service
from smart_process.store import setups

MARK = "provision"
"""Mark, key ``0``: somebody noticed that the portal's schema or bindings may be out of date."""


def renew(service: Service, portal_id: int) -> Progress:
    """All steps at once with the installer's rights; on a portal that is up to date nothing is written.

    Returns:
        How far it came; ``problem`` says what stopped it (nothing is raised for a refusal of the portal).
    """
    with service.store.reading() as tx:
        language = setups.read(tx, portal_id).settings.language
    provision = Provision(
        service.store,
        service.portals.client(portal_id),
        portal_id,
        public_url=service.public_url,
        clock=service.clock,
        language=language,
    )
    return provision.run_all()
