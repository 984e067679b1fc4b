"""What provisioning found or made in a portal, and what its administrators chose."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24 import portals
from b24.secrets import Secrets
from b24.store import marks
from b24.store.engine import Store, Tx, insert
from smart_process.schema import Binding
from smart_process.settings import Settings
from smart_process.store import tables as t

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """``binding`` is ``None`` until provisioning finished; ``progress`` is its notebook until then."""

    binding: Binding | None = None
    settings: Settings = field(default_factory=Settings)
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> Binding:
        """The binding of a portal that is known to be set up.

        Raises:
            LookupError: it is not.
        """
        if self.binding is None:
            raise LookupError("the portal is not set up yet")
        return self.binding


# Built once: every round of a drain reads it.
_READ = sa.select(t.setup).where(t.setup.c.portal_id == sa.bindparam("portal_id"))
_READ_AND_LOCK = _READ.with_for_update()


def read(tx: Tx, portal_id: int, *, lock: bool = False) -> Setup:
    """The setup of a portal; an empty one for a portal never provisioned.

    ``lock`` keeps others from changing it until the transaction ends.
    """
    row = tx.execute(_READ_AND_LOCK if lock else _READ, {"portal_id": portal_id}).first()
    if row is None:
        return Setup()
    kept = dict(row.binding)
    bound = kept.get("bound")
    return Setup(
        Binding.from_json(bound) if bound else None,
        Settings.from_json(row.settings),
        dict(kept.get("progress") or {}),
    )


def known(tx: Tx, portal_id: int) -> bool:
    """Whether anything was kept for this portal before: its settings are then somebody's choice."""
    return tx.scalar(sa.select(t.setup.c.portal_id).where(t.setup.c.portal_id == portal_id)) is not None


def forget(tx: Tx, portal_id: int) -> None:
    """Forget what was kept of a portal; its objects are found again by their markers."""
    tx.execute(sa.delete(t.setup).where(t.setup.c.portal_id == portal_id))


def write_binding(tx: Tx, portal_id: int, binding: Binding) -> None:
    """Keep a finished binding; the notebook of provisioning stays."""
    _write(tx, portal_id, binding={"bound": binding.to_json(), "progress": read(tx, portal_id).progress})


def write_progress(tx: Tx, portal_id: int, progress: Mapping[str, Any]) -> None:
    """Keep provisioning's notebook: what it is about to make and what it has found so far."""
    known = read(tx, portal_id).binding
    _write(
        tx,
        portal_id,
        binding={"bound": known.to_json() if known else None, "progress": dict(progress)},
    )


def write_settings(tx: Tx, portal_id: int, settings: Settings, *, now: datetime) -> None:
    """Keep what administrators chose; work that waited for another setting is tried again."""
    _write(tx, portal_id, settings=settings.to_json())
    marks.release(tx, portal_id, reason="setup", now=now)


def renew_all_secrets(store: Store, secrets: Secrets) -> None:
    """Encrypt everything kept secret in the database with the newest key, so that older ones can be taken away."""
    with store.transaction() as tx:
        renewed = portals.renew_secrets(tx, secrets) + _renew_passwords(tx, secrets)
    if renewed:
        log.info("%d secrets are encrypted with the newest key now", renewed)


def _renew_passwords(tx: Tx, secrets: Secrets) -> int:
    changed = 0
    for portal_id in tx.scalars(sa.select(t.setup.c.portal_id)).all():
        settings = read(tx, portal_id, lock=True).settings
        password = secrets.renewed(settings.smtp.password) if settings.smtp.password else None
        if password:
            renewed = replace(settings, smtp=replace(settings.smtp, password=password))
            _write(tx, portal_id, settings=renewed.to_json())
            changed += 1
    return changed


def _write(tx: Tx, portal_id: int, **columns: Any) -> None:
    empty = {"binding": {}, "settings": Settings().to_json()}
    statement = insert(tx, t.setup).values(portal_id=portal_id, **(empty | columns))
    tx.execute(statement.on_conflict_do_update(index_elements=[t.setup.c.portal_id], set_=columns))
