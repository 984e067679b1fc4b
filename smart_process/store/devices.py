"""Rows of enrolments and devices. Codes and tokens are kept as hashes only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx
from b24.store.tables import portal
from smart_process.admission import Gate, Place, gates_of
from smart_process.store import tables as t


@dataclass(frozen=True)
class Device:
    """An enrolled phone: one event, some gates (none named: every gate), a role ``scan`` or ``supervise``."""

    id: int
    portal_id: int
    event_id: int
    name: str
    gates: tuple[str, ...]
    role: str
    expires_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None
    portal_state: str
    time_zone: str
    starts_at: datetime | None
    event_stage: str
    event_removed: bool
    defined: Mapping[str, Gate] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """What a decision needs to know of where it stands."""
        called_off = self.event_removed or self.event_stage == "cancelled"
        revoked = self.revoked_at is not None
        return Place(self.event_id, self.gates, self.defined, called_off=called_off, revoked=revoked)

    @property
    def actor(self) -> str:
        """Who acted, as facts name it."""
        return f"device:{self.id}"

    def may_stand_at(self, gate: str) -> bool:
        """Whether this device may scan at a gate."""
        return not self.gates or gate in self.gates

    @property
    def only_gate(self) -> str:
        """Its gate when it has one or several (the first), "" when it may stand anywhere."""
        return self.gates[0] if self.gates else ""


@dataclass(frozen=True)
class Enrolment:
    """An invitation for phones: whoever has the code may enrol, ``uses_left`` times until ``expires_at``."""

    id: int
    portal_id: int
    event_id: int
    gates: tuple[str, ...]
    role: str
    uses_left: int
    expires_at: datetime


@dataclass(frozen=True)
class DoorEvent:
    """What a device may know of its event."""

    id: int
    code: str
    title: str
    starts_at: datetime | None
    ends_at: datetime | None
    time_zone: str
    place: str
    stage: str
    product_lines: tuple[str, ...]


DEVICE_COLUMNS = (
    t.device.c.id.label("device_id"),
    t.device.c.portal_id.label("device_portal_id"),
    t.device.c.event_id.label("device_event_id"),
    t.device.c.name.label("device_name"),
    t.device.c.gates.label("device_gates"),
    t.device.c.role.label("device_role"),
    t.device.c.expires_at.label("device_expires_at"),
    t.device.c.revoked_at.label("device_revoked_at"),
    t.device.c.last_seen_at.label("device_last_seen_at"),
    portal.c.state.label("portal_state"),
    t.event.c.time_zone,
    t.event.c.starts_at,
    t.event.c.stage.label("event_stage"),
    t.event.c.removed_at.label("event_removed_at"),
    t.event.c.gates.label("event_gates"),
)
DEVICE_FROM = t.device.join(portal, portal.c.id == t.device.c.portal_id).join(
    t.event, t.event.c.id == t.device.c.event_id
)
_BY_HASH = (
    sa.select(*DEVICE_COLUMNS)
    .select_from(DEVICE_FROM)
    .where(t.device.c.token_hash == sa.bindparam("token_hash"))
)


def device_of_row(row: Any) -> Device:
    """The device in a row that carries ``DEVICE_COLUMNS``."""
    return Device(
        id=row.device_id,
        portal_id=row.device_portal_id,
        event_id=row.device_event_id,
        name=row.device_name,
        gates=tuple(row.device_gates),
        role=row.device_role,
        expires_at=row.device_expires_at,
        revoked_at=row.device_revoked_at,
        last_seen_at=row.device_last_seen_at,
        portal_state=row.portal_state,
        time_zone=row.time_zone,
        starts_at=row.starts_at,
        event_stage=row.event_stage,
        event_removed=row.event_removed_at is not None,
        defined=gates_of(row.event_gates),
    )


def by_token_hash(tx: Tx, token_hash: str) -> Device | None:
    """The device with this token, whatever became of it."""
    row = tx.execute(_BY_HASH, {"token_hash": token_hash}).first()
    return device_of_row(row) if row else None


def of_event(tx: Tx, event_id: int) -> list[Device]:
    """All devices ever enrolled for an event, the newest first."""
    rows = tx.execute(
        sa.select(*DEVICE_COLUMNS)
        .select_from(DEVICE_FROM)
        .where(t.device.c.event_id == event_id)
        .order_by(t.device.c.id.desc())
    )
    return [device_of_row(row) for row in rows]


def add_device(tx: Tx, values: Mapping[str, Any]) -> None:
    """Store a new device."""
    tx.execute(sa.insert(t.device).values(**values))


def revoke(tx: Tx, portal_id: int, device_id: int, *, now: datetime) -> bool:
    """Revoke a device of a portal; false when there is none or it was revoked before."""
    done = tx.execute(
        sa.update(t.device)
        .where(
            t.device.c.id == device_id,
            t.device.c.portal_id == portal_id,
            t.device.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return bool(done.rowcount)


def touch(tx: Tx, device_id: int, told: Mapping[str, Any], *, now: datetime, unless_since: datetime) -> None:
    """Note the last contact with what the device told, unless another request noted one after ``unless_since``."""
    seen = t.device.c.last_seen_at
    tx.execute(
        sa.update(t.device)
        .where(t.device.c.id == device_id, sa.or_(seen.is_(None), seen <= unless_since))
        .values(last_seen_at=now, **told)
    )


def add_enrolment(tx: Tx, values: Mapping[str, Any]) -> None:
    """Store a new enrolment; its portal is the event's. ``LookupError`` for an event we do not know."""
    owner = tx.scalar(sa.select(t.event.c.portal_id).where(t.event.c.id == values["event_id"]))
    if owner is None:
        raise LookupError(f"no event {values['event_id']}")
    tx.execute(sa.insert(t.enrolment).values(portal_id=owner, **values))


def enrolment(tx: Tx, code_hash: str) -> Enrolment | None:
    """The enrolment behind a code."""
    e = t.enrolment.c
    row = tx.execute(
        sa.select(e.id, e.portal_id, e.event_id, e.gates, e.role, e.uses_left, e.expires_at).where(
            e.code_hash == code_hash
        )
    ).first()
    if row is None:
        return None
    return Enrolment(
        row.id, row.portal_id, row.event_id, tuple(row.gates), row.role, row.uses_left, row.expires_at
    )


def take_use(tx: Tx, enrolment_id: int) -> bool:
    """Use an enrolment once; false when somebody else took the last use."""
    done = tx.execute(
        sa.update(t.enrolment)
        .where(t.enrolment.c.id == enrolment_id, t.enrolment.c.uses_left > 0)
        .values(uses_left=t.enrolment.c.uses_left - 1)
    )
    return bool(done.rowcount)


def event(tx: Tx, event_id: int) -> DoorEvent:
    """The event of a device or an enrolment."""
    e = t.event.c
    row = tx.execute(
        sa.select(
            e.id, e.code, e.title, e.starts_at, e.ends_at, e.time_zone, e.place, e.stage, e.product_lines
        ).where(e.id == event_id)
    ).one()
    return DoorEvent(*row[:-1], product_lines=tuple(row.product_lines))
