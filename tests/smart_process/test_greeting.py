"""The news of a key guest: to whom, once, and said to be late when it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from smart_process import greeting
from smart_process.settings import Settings
from smart_process.store import tables as t
from tests.door import Door, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


def account(door: Door, potential: str = "high", responsible_id: int | None = 7) -> None:
    with door.store.transaction() as tx:
        tx.execute(
            sa.insert(t.account).values(
                portal_id=door.portal_id,
                company_id=17,
                title="Ромашка",
                potential=potential,
                responsible_id=responsible_id,
                read_at=door.now,
            )
        )


def news(door: Door, subject: str = "company:17") -> list[Any]:
    with door.store.transaction() as tx:
        greeting.announce(tx, door.portal_id, door.event_id, subject, Settings(), door.now)
        return list(tx.scalars(sa.select(t.effect.c.body).order_by(t.effect.c.id)))


def test_the_account_manager_hears_of_it_once(door: Door) -> None:
    account(door)
    guest = door.guest("Семёнова", first_name="Анна", company_id=17)
    assert news(door) == []
    door.scan(guest.ticket)
    (told,) = news(door)
    assert told["user_id"] == 7
    assert "Важный гость на месте: Анна Семёнова, «Ромашка». Пришёл в 09:05." in told["text"]
    assert len(news(door)) == 1


def test_what_was_learned_late_is_said_to_be_late(door: Door) -> None:
    account(door)
    guest, at = door.guest(company_id=17), door.now
    door.now += timedelta(minutes=30)
    door.scan(guest.ticket, scanned_at=at.isoformat(), shown="admitted")
    (told,) = news(door)
    assert "пришёл в 09:05, узнали в 09:35" in told["text"]


@pytest.mark.parametrize(("potential", "responsible_id"), [("low", 7), ("", 7), ("high", None)])
def test_others_arrive_without_news(door: Door, potential: str, responsible_id: int | None) -> None:
    account(door, potential, responsible_id)
    door.scan(door.guest(company_id=17).ticket)
    assert news(door) == []


def test_an_arrival_of_long_ago_is_no_news(door: Door) -> None:
    account(door)
    door.scan(door.guest(company_id=17).ticket)
    door.now += timedelta(days=2)
    assert (news(door), news(door, "person:1")) == ([], [])
