"""Installed portals in both databases: upsert by member_id, tokens encrypted, states."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from b24 import portals as stored
from b24.store.engine import Store
from b24.store.tables import portal as table
from tests.b24.conftest import ENDPOINT, MEMBER, NOW, World, grant


@pytest.fixture
def installed(either_store: Store, make_world: Callable[[Store], World]) -> World:
    """A portal in either database."""
    world = make_world(either_store)
    world.install(grant())
    return world


def test_installation_is_read_back(installed: World) -> None:
    row = installed.row()
    assert (row.member_id, row.endpoint, row.state) == (MEMBER, ENDPOINT, "active")
    assert (row.access_token, row.refresh_token, row.application_token) == ("access-1", "refresh-1", "t" * 32)
    assert (row.user_id, row.scope, row.token_expires_at) == (5, ("crm", "task"), NOW + timedelta(hours=1))
    assert (row.host, row.origin) == ("portal.example", "https://portal.example")
    assert "access-1" not in repr(row)


def test_no_token_stands_readable_in_the_database(installed: World) -> None:
    with installed.portals.store.reading() as tx:
        row = tx.execute(sa.select(table)).one()
    for secret in ("access-1", "refresh-1", "t" * 32):
        assert secret not in str(row)


def test_second_installation_heals_the_same_row_and_keeps_the_known_token(installed: World) -> None:
    first = installed.portal_id
    with installed.portals.store.transaction() as tx:
        stored.pause(tx, first, "invalid_grant", now=NOW)
    again = installed.install(
        grant(access_token="access-9", client_endpoint="https://new.example/rest/", user_id=7), None
    )
    row = installed.row()
    assert again == first
    assert (row.state, row.state_reason, row.user_id) == ("active", "", 7)
    assert (row.endpoint, row.access_token) == ("https://new.example/rest/", "access-9")
    assert row.application_token == "t" * 32


def test_portal_is_found_by_member_id_only(installed: World) -> None:
    with installed.portals.store.reading() as tx:
        secrets = installed.portals.secrets
        found = stored.by_member(tx, secrets, MEMBER)
        assert found is not None
        assert found.id == installed.portal_id
        assert stored.by_member(tx, secrets, "portal.example") is None
        assert stored.by_id(tx, secrets, 999) is None


def test_states_decide_who_is_worked_for(installed: World) -> None:
    first = installed.portal_id
    second = installed.install(grant(member_id="n" * 32))
    with installed.portals.store.transaction() as tx:
        assert stored.active_ids(tx) == [first, second]
        assert stored.pause(tx, first, "why", now=NOW)
        assert not stored.pause(tx, first, "again", now=NOW)
        assert (stored.active_ids(tx), stored.paused_ids(tx)) == ([second], [first])
        assert stored.resume(tx, first, now=NOW)
        assert not stored.resume(tx, first, now=NOW)
        stored.uninstall(tx, second, now=NOW)
        assert (stored.active_ids(tx), stored.paused_ids(tx)) == ([first], [])
        assert not stored.resume(tx, second, now=NOW)


def test_removal_drops_tokens_and_keeps_the_row(installed: World) -> None:
    with installed.portals.store.transaction() as tx:
        stored.uninstall(tx, installed.portal_id, now=NOW)
    row = installed.row()
    assert (row.state, row.access_token, row.refresh_token) == ("uninstalled", "", "")
    assert row.application_token == "t" * 32


def test_address_moves_only_from_where_it_was(installed: World) -> None:
    new = "https://renamed.example/rest/"
    with installed.portals.store.transaction() as tx:
        stored.move_endpoint(tx, installed.portal_id, old="https://x.example/rest/", new=new, now=NOW)
    assert installed.row().endpoint == ENDPOINT
    with installed.portals.store.transaction() as tx:
        stored.move_endpoint(tx, installed.portal_id, old=ENDPOINT, new=new, now=NOW)
    assert installed.row().endpoint == new
