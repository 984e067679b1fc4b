"""Portals in the database: installed, paused, moved, removed. Tokens are encrypted, in both directions here.

The key of a portal is ``member_id``; its address may change, its tokens do, its settings stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from b24.oauth import Grant
from b24.secrets import Secrets
from b24.store.engine import Tx, insert
from b24.store.tables import portal as table

ACTIVE, PAUSED, UNINSTALLED = "active", "paused", "uninstalled"
PROBES_S = (60, 300, 900, 3600)
"""Waits before a paused portal is asked again; the last one goes on. The first is short: some refusals pass by
themselves."""


@dataclass(frozen=True)
class Portal:
    """One installed portal; ``application_token`` proves that an event comes from it (``None``: not known
    yet).

    ``endpoint`` is its REST address with a slash at the end, ``state`` one of active, paused, uninstalled.
    ``application``: ``ID:CODE`` of ``app.info``, ``""`` until it was asked; ``changed_at``: when the row last
    changed; a paused portal's pause began then.
    """

    id: int
    member_id: str
    endpoint: str
    application_token: str | None = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_expires_at: datetime
    user_id: int
    scope: tuple[str, ...]
    language: str
    state: str
    state_reason: str
    application: str
    changed_at: datetime

    @property
    def host(self) -> str:
        """Host and port of the portal, for ``frame-ancestors`` and links to cards."""
        return self.endpoint.split("://", 1)[1].split("/", 1)[0]

    @property
    def origin(self) -> str:
        """``https://portal.example`` without a slash: links to cards start with it."""
        return self.endpoint.split("/rest/", 1)[0].rstrip("/")


def by_id(tx: Tx, secrets: Secrets, portal_id: int) -> Portal | None:
    """The portal with our number."""
    return _read(tx.execute(_BY_ID, {"id": portal_id}).first(), secrets)


def by_member(tx: Tx, secrets: Secrets, member_id: str) -> Portal | None:
    """The portal with this ``member_id``, in whatever state."""
    return _read(tx.execute(_BY_MEMBER, {"member_id": member_id}).first(), secrets)


def active_ids(tx: Tx) -> list[int]:
    """Numbers of the portals that are worked for."""
    return list(tx.scalars(sa.select(table.c.id).where(table.c.state == ACTIVE).order_by(table.c.id)))


def paused_ids(tx: Tx, *, due: datetime | None = None) -> list[int]:
    """Numbers of the portals that lost access; with ``due`` only those it is time to ask again."""
    condition = table.c.state == PAUSED
    if due is not None:
        condition = sa.and_(condition, sa.or_(table.c.probe_at.is_(None), table.c.probe_at <= due))
    return list(tx.scalars(sa.select(table.c.id).where(condition).order_by(table.c.id)))


def all_ids(tx: Tx) -> list[int]:
    """Numbers of all portals the app ever was installed in and has not forgotten."""
    return list(tx.scalars(sa.select(table.c.id).order_by(table.c.id)))


def save_installation(
    tx: Tx,
    grant: Grant,
    application_token: str | None,
    *,
    secrets: Secrets,
    now: datetime,
    user_id: int | None = None,
    language: str = "ru",
    application: str | None = None,
) -> int:
    """Install, reinstall or heal a portal: one row per ``member_id``, everything kept under its number stays.

    Args:
        grant: what the authorisation server answered; the only source of identity and address.
        application_token: ``None`` keeps the known one (older installation pages send none).
        user_id: the installing administrator where the grant does not name them.
        application: ``ID:CODE`` of ``app.info``: another one after a new registration of the app.

    Returns:
        Our number of the portal.
    """
    values = _tokens(grant, secrets) | {
        "client_endpoint": grant.client_endpoint,
        "user_id": grant.user_id or user_id or 0,
        "scope": ",".join(grant.scope),
        "language": language[:8],
        "state": ACTIVE,
        "state_reason": "",
        "application": application,
        "probe_at": None,
        "probes": 0,
        "updated_at": now,
    }
    if application_token:
        values["application_token"] = secrets.encrypt(application_token)
    row = tx.execute(
        insert(tx, table)
        .values(member_id=grant.member_id, installed_at=now, **values)
        .on_conflict_do_update(index_elements=[table.c.member_id], set_=values)
        .returning(table.c.id)
    ).one()
    return int(row.id)


def save_tokens(tx: Tx, portal_id: int, grant: Grant, *, secrets: Secrets, now: datetime) -> None:
    """Keep a renewed pair and the address that came with it."""
    values = _tokens(grant, secrets) | {"client_endpoint": grant.client_endpoint, "updated_at": now}
    tx.execute(sa.update(table).where(table.c.id == portal_id).values(values))


def save_application_token(
    tx: Tx, portal_id: int, application_token: str, *, secrets: Secrets, now: datetime
) -> None:
    """Keep a new ``application_token`` after it was verified (``b24.verify``)."""
    values = {"application_token": secrets.encrypt(application_token), "updated_at": now}
    tx.execute(sa.update(table).where(table.c.id == portal_id).values(values))


def save_application(tx: Tx, portal_id: int, application: str) -> None:
    """Keep which application of the portal we are."""
    tx.execute(sa.update(table).where(table.c.id == portal_id).values(application=application))


def pause(tx: Tx, portal_id: int, reason: str, *, now: datetime) -> bool:
    """Stop working for an active portal and say why; it is asked again soon, then more and more rarely.

    Returns:
        ``False`` when it was not active.
    """
    paused = tx.execute(
        sa.update(table)
        .where(table.c.id == portal_id, table.c.state == ACTIVE)
        .values(
            state=PAUSED,
            state_reason=reason[:500],
            probe_at=now + timedelta(seconds=PROBES_S[0]),
            probes=0,
            updated_at=now,
        )
    )
    return bool(paused.rowcount)


def probed(tx: Tx, portal_id: int, reason: str, *, now: datetime) -> None:
    """A paused portal was asked and still does not let us in: when it is asked again, and why (``""``: as before)."""
    probes = tx.scalar(sa.select(table.c.probes).where(table.c.id == portal_id)) or 0
    wait = PROBES_S[min(probes + 1, len(PROBES_S) - 1)]
    tx.execute(
        sa.update(table)
        .where(table.c.id == portal_id, table.c.state == PAUSED)
        .values(
            state_reason=reason[:500] or table.c.state_reason,
            probe_at=now + timedelta(seconds=wait),
            probes=probes + 1,
        )
    )


def resume(tx: Tx, portal_id: int, *, now: datetime) -> bool:
    """Work again for a paused portal; ``False`` when it was not paused."""
    resumed = tx.execute(
        sa.update(table)
        .where(table.c.id == portal_id, table.c.state == PAUSED)
        .values(state=ACTIVE, state_reason="", probe_at=None, probes=0, updated_at=now)
    )
    return bool(resumed.rowcount)


def uninstall(tx: Tx, portal_id: int, *, now: datetime) -> None:
    """The app was removed: no tokens stay, nothing is called any more. Data is another decision (``CLEAN``).

    The ``application_token`` stays, so that the portal's repeated announcement is still recognised as
    genuine.
    """
    tx.execute(
        sa.update(table)
        .where(table.c.id == portal_id)
        .values(
            state=UNINSTALLED,
            state_reason="",
            access_token="",
            refresh_token="",
            updated_at=now,
        )
    )


def move_endpoint(tx: Tx, portal_id: int, *, old: str, new: str, now: datetime) -> None:
    """The portal was renamed and answers at a new address; nothing changes if somebody moved it already."""
    tx.execute(
        sa.update(table)
        .where(table.c.id == portal_id, table.c.client_endpoint == old)
        .values(client_endpoint=new, updated_at=now)
    )


def renew_secrets(tx: Tx, secrets: Secrets) -> int:
    """Encrypt stored tokens with the newest key; says how many portals were changed."""
    names = ("access_token", "refresh_token", "application_token")
    changed = 0
    rows = tx.execute(sa.select(table.c.id, *(table.c[name] for name in names)).with_for_update()).mappings()
    for row in rows.all():
        values = {name: secrets.renewed(row[name]) for name in names if row[name]}
        values = {name: value for name, value in values.items() if value is not None}
        if values:
            tx.execute(sa.update(table).where(table.c.id == row["id"]).values(values))
            changed += 1
    return changed


def _tokens(grant: Grant, secrets: Secrets) -> dict[str, Any]:
    return {
        "access_token": secrets.encrypt(grant.access_token),
        "refresh_token": secrets.encrypt(grant.refresh_token),
        "token_expires_at": grant.expires_at,
    }


# Built once: a portal is read before every request to it and at every event of its.
_BY_ID = sa.select(table).where(table.c.id == sa.bindparam("id"))
_BY_MEMBER = sa.select(table).where(table.c.member_id == sa.bindparam("member_id"))


def _read(row: sa.Row[Any] | None, secrets: Secrets) -> Portal | None:
    if row is None:
        return None
    return Portal(
        id=row.id,
        member_id=row.member_id,
        endpoint=row.client_endpoint,
        application_token=secrets.decrypt(row.application_token) if row.application_token else None,
        access_token=secrets.decrypt(row.access_token) if row.access_token else "",
        refresh_token=secrets.decrypt(row.refresh_token) if row.refresh_token else "",
        token_expires_at=row.token_expires_at,
        user_id=row.user_id,
        scope=tuple(row.scope.replace(",", " ").split()),
        language=row.language,
        state=row.state,
        state_reason=row.state_reason,
        application=row.application or "",
        changed_at=row.updated_at,
    )
