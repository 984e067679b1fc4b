"""What the sync reads and writes of participations, events, people and outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from b24.store.engine import Tx, insert
from smart_process.store import tables as t
from smart_process.store.accounts import join_on, living

Row = Mapping[str, Any]


def _rows(found: sa.CursorResult[Any]) -> list[Row]:
    return [dict(row) for row in found.mappings()]


def _first(found: sa.CursorResult[Any]) -> Row | None:
    row = found.mappings().first()
    return dict(row) if row is not None else None


def participations(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """Participations with what their picture needs of person, event and live outcome."""
    p, h, e, o = t.participation, t.person, t.event, t.outcome
    return _rows(
        tx.execute(
            sa.select(
                p,
                h.c.last_name,
                h.c.first_name,
                h.c.contact_id,
                living(h.c.company_id).label("company_id"),
                h.c.match,
                e.c.title.label("event_title"),
                e.c.item_id.label("event_item_id"),
                e.c.responsible_id,
                e.c.time_zone,
                o.c.priority,
                o.c.explanation,
                o.c.kind.label("outcome_kind"),
                o.c.item_id.label("outcome_item_id"),
            )
            .join(h, h.c.id == p.c.person_id)
            .join(e, e.c.id == p.c.event_id)
            .outerjoin(o, sa.and_(o.c.id == p.c.outcome_id, o.c.state == "live"))
            .outerjoin(t.account, join_on(p.c.portal_id, h.c.company_id))
            .where(p.c.id.in_(list(ids)))
            .order_by(p.c.id)
        )
    )


def participations_by_item(tx: Tx, portal_id: int, item_ids: Iterable[int]) -> dict[int, Row]:
    """Participations of CRM items; merged and removed ones included, so that old ids keep resolving."""
    p = t.participation
    rows = _rows(
        tx.execute(
            sa.select(p).where(p.c.portal_id == portal_id, p.c.item_id.in_(list(item_ids))).order_by(p.c.id)
        )
    )
    return {row["item_id"]: row for row in rows}


def participations_by_uid(tx: Tx, portal_id: int, uids: Iterable[str]) -> dict[str, Row]:
    """Participations whose key an item carries in ``xmlId``."""
    p = t.participation
    found = tx.execute(sa.select(p).where(p.c.portal_id == portal_id, p.c.uid.in_(list(uids))))
    return {row["uid"]: row for row in _rows(found)}


def participation_of(tx: Tx, event_id: int, person_id: int) -> Row | None:
    """The living participation of a person at an event."""
    p = t.participation
    return _first(
        tx.execute(
            sa.select(p).where(
                p.c.event_id == event_id,
                p.c.person_id == person_id,
                p.c.merged_into.is_(None),
                p.c.removed_at.is_(None),
            )
        )
    )


def update(tx: Tx, table: sa.Table, row_id: int, **values: Any) -> None:
    """Set columns of one row of ours."""
    tx.execute(_update(table), {"row_id": row_id, **values})


# Built once: building a statement takes longer than running it, and each of these runs for every card of a mass.
@cache
def _update(table: sa.Table) -> sa.Update:
    return sa.update(table).where(table.c.id == sa.bindparam("row_id"))


def event_by_item(tx: Tx, portal_id: int, item_id: int) -> Row | None:
    """An event by its CRM item."""
    e = t.event
    return _first(tx.execute(sa.select(e).where(e.c.portal_id == portal_id, e.c.item_id == item_id)))


def event_by_code(tx: Tx, portal_id: int, code: str) -> Row | None:
    """An event by the code in its registration link (hidden field of a form)."""
    e = t.event
    return _first(tx.execute(sa.select(e).where(e.c.portal_id == portal_id, e.c.code == code)))


def code_is_free(tx: Tx, code: str) -> bool:
    """Whether no event of any portal has this code in its links."""
    return tx.scalar(sa.select(t.event.c.id).where(t.event.c.code == code)) is None


def events(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """Events by our ids."""
    return _rows(tx.execute(sa.select(t.event).where(t.event.c.id.in_(list(ids))).order_by(t.event.c.id)))


def add_event(tx: Tx, **values: Any) -> int:
    """A new event row; returns its id."""
    return int(tx.execute(sa.insert(t.event).values(**values).returning(t.event.c.id)).scalar_one())


def people(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """People by our ids."""
    return _rows(tx.execute(sa.select(t.person).where(t.person.c.id.in_(list(ids))).order_by(t.person.c.id)))


def people_by_contact(tx: Tx, portal_id: int, contact_ids: Iterable[int]) -> list[Row]:
    """People behind CRM contacts; without those who turned out to be another one of them."""
    h = t.person
    theirs = h.c.portal_id == portal_id, h.c.contact_id.in_(list(contact_ids)), h.c.merged_into.is_(None)
    return _rows(tx.execute(sa.select(h).where(*theirs).order_by(h.c.id)))


def people_asking_for_company(tx: Tx, portal_id: int) -> list[Row]:
    """People who named a company of which only cards of that name are known."""
    h = t.person
    asking = sa.cast(h.c.company_candidates, sa.Text) != "[]"
    return _rows(tx.execute(sa.select(h).where(h.c.portal_id == portal_id, asking).order_by(h.c.id)))


def participations_of_people(tx: Tx, person_ids: Iterable[int]) -> list[Row]:
    """Living participations of people."""
    p = t.participation
    return _rows(
        tx.execute(
            sa.select(p)
            .where(p.c.person_id.in_(list(person_ids)), p.c.merged_into.is_(None))
            .order_by(p.c.id)
        )
    )


def responsible_of_people(tx: Tx, person_ids: Iterable[int]) -> dict[int, int]:
    """Per person the responsible of an event they take part in: who answers for a card we create."""
    p, e = t.participation, t.event
    found = tx.execute(
        sa.select(p.c.person_id, e.c.responsible_id)
        .join(e, e.c.id == p.c.event_id)
        .where(p.c.person_id.in_(list(person_ids)), e.c.responsible_id.is_not(None))
        .order_by(p.c.id.desc())
    )
    return {row.person_id: row.responsible_id for row in found}


def outcomes(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """Outcomes with their event's CRM id and responsible."""
    o, e = t.outcome, t.event
    return _rows(
        tx.execute(
            sa.select(
                o,
                e.c.item_id.label("event_item_id"),
                e.c.responsible_id,
                e.c.title.label("event_title"),
                e.c.time_zone,
            )
            .join(e, e.c.id == o.c.event_id)
            .where(o.c.id.in_(list(ids)))
            .order_by(o.c.id)
        )
    )


def outcomes_by_item(tx: Tx, portal_id: int, kind: str, item_ids: Iterable[int]) -> list[Row]:
    """Outcomes that became these deals or tasks."""
    o = t.outcome
    return _rows(
        tx.execute(
            sa.select(o).where(o.c.portal_id == portal_id, o.c.kind == kind, o.c.item_id.in_(list(item_ids)))
        )
    )


def outcomes_by_uid(tx: Tx, portal_id: int, uids: Iterable[str]) -> list[Row]:
    """Outcomes by the key their deals and tasks carry."""
    o = t.outcome
    return _rows(tx.execute(sa.select(o).where(o.c.portal_id == portal_id, o.c.uid.in_(list(uids)))))


def live_outcome(tx: Tx, event_id: int, subject: str) -> Row | None:
    """The one live outcome of a subject at an event."""
    o = t.outcome
    return _first(
        tx.execute(sa.select(o).where(o.c.event_id == event_id, o.c.subject == subject, o.c.state == "live"))
    )


def contacts_and_items(tx: Tx, participation_ids: Sequence[int]) -> list[Row]:
    """Contact, company and item ids behind participations: what an outcome is bound to."""
    p, h = t.participation, t.person
    return _rows(
        tx.execute(
            sa.select(
                p.c.id,
                p.c.item_id,
                h.c.contact_id,
                living(h.c.company_id).label("company_id"),
                h.c.last_name,
                h.c.first_name,
            )
            .join(h, h.c.id == p.c.person_id)
            .outerjoin(t.account, join_on(p.c.portal_id, h.c.company_id))
            .where(p.c.id.in_(list(participation_ids)))
            .order_by(p.c.id)
        )
    )


def effects(tx: Tx, ids: Iterable[int]) -> list[Row]:
    """Effects by id that were not done yet."""
    f = t.effect
    return _rows(
        tx.execute(sa.select(f).where(f.c.id.in_(list(ids)), f.c.done_at.is_(None)).order_by(f.c.id))
    )


def raise_watermark(tx: Tx, portal_id: int, entity_type_id: int, updated_time: str) -> None:
    """Remember the largest portal time read of a type."""

    w = t.watermark
    statement = insert(tx, w).values(
        portal_id=portal_id, entity_type_id=entity_type_id, updated_time=updated_time
    )
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[w.c.portal_id, w.c.entity_type_id], set_={"updated_time": updated_time}
        )
    )


def watermark(tx: Tx, portal_id: int, entity_type_id: int) -> str:
    """The largest portal time read of a type, ``""`` before the first reading."""
    w = t.watermark
    return (
        tx.scalar(
            sa.select(w.c.updated_time).where(
                w.c.portal_id == portal_id, w.c.entity_type_id == entity_type_id
            )
        )
        or ""
    )


def add_effect(tx: Tx, portal_id: int, kind: str, key: str, body: Mapping[str, Any]) -> int | None:
    """Something to be said once in the portal; ``None`` when it was said or queued before."""

    row = tx.execute(
        insert(tx, t.effect)
        .values(portal_id=portal_id, kind=kind, key=key, body=dict(body))
        .on_conflict_do_nothing()
        .returning(t.effect.c.id)
    ).first()
    return row.id if row else None


def accounts(tx: Tx, portal_id: int, company_ids: Iterable[int]) -> dict[int, Row]:
    """What we know of CRM companies."""
    a = t.account
    found = tx.execute(sa.select(a).where(a.c.portal_id == portal_id, a.c.company_id.in_(list(company_ids))))
    return {row["company_id"]: row for row in _rows(found)}


def save_accounts(tx: Tx, portal_id: int, rows: Sequence[Row], *, now: datetime) -> None:
    """Keep what was read of CRM companies: title, segment, responsible."""

    if not rows:
        return
    a = t.account
    statement = insert(tx, a)
    new = statement.excluded
    names = ("title", "potential", "cooperation", "region", "responsible_id", "read_at")
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[a.c.portal_id, a.c.company_id],
            set_={name: new[name] for name in names} | {"gone_at": None},
        ),
        [{"portal_id": portal_id, "read_at": now, **row} for row in rows],
    )
