"""Refreshing: once per portal at a time, whoever asks; a new installation has the last word."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from b24 import leases
from b24 import portals as stored
from b24.errors import AccessLost, Unavailable
from b24.oauth import Grant, KeepLine, OAuth
from b24.secrets import Secrets
from b24.store.engine import Store
from b24.tokens import Tokens
from tests.b24.conftest import NOW, World, grant


class Server(OAuth):
    """An authorisation server whose refresh tokens work once, and that counts and delays."""

    def __init__(self) -> None:
        super().__init__("app.id", "app-secret")
        self.valid = "refresh-1"
        self.redeemed: list[str] = []
        self.release = threading.Event()
        self.release.set()
        self.meanwhile: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def redeem(self, refresh_token: str, *, server: str = "", keep_line: KeepLine | None = None) -> Grant:
        self.release.wait(10)
        with self._lock:
            self.redeemed.append(refresh_token)
            number = len(self.redeemed) + 1
            good, self.valid = refresh_token == self.valid, f"refresh-{number}"
        self.meanwhile()
        if not good:
            raise AccessLost("invalid_grant")
        return grant(access_token=f"access-{number}", refresh_token=self.valid)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def installed(either_store: Store, make_world: Callable[[Store], World]) -> World:
    """A portal in either database."""
    world = make_world(either_store)
    world.install(grant())
    return world


def tokens(world: World, server: Server) -> Tokens:
    """Tokens of another process over the same database."""
    return Tokens(world.portals.store, Secrets(["k" * 40]), server, lambda: world.now)


def test_many_callers_with_one_stale_token_cost_one_refresh(installed: World, server: Server) -> None:
    processes = [tokens(installed, server) for _ in range(3)]
    with ThreadPoolExecutor(9) as pool:
        found = list(
            pool.map(lambda n: processes[n % 3].refreshed(installed.portal_id, "access-1"), range(9))
        )
    assert server.redeemed == ["refresh-1"]
    assert {portal.access_token for portal in found} == {"access-2"}


def test_who_comes_late_takes_what_was_stored(installed: World, server: Server) -> None:
    one, other = tokens(installed, server), tokens(installed, server)
    one.refreshed(installed.portal_id, "access-1")
    assert other.refreshed(installed.portal_id, "access-1").access_token == "access-2"
    assert len(server.redeemed) == 1


def test_pair_is_stored_before_it_is_handed_out(installed: World, server: Server) -> None:
    got = tokens(installed, server).refreshed(installed.portal_id, "access-1")
    row = installed.row()
    assert (row.access_token, row.refresh_token) == (got.access_token, "refresh-2")


def test_token_is_refreshed_when_it_is_known_to_have_run_out_and_not_before(
    installed: World, server: Server
) -> None:
    made = tokens(installed, server)
    installed.now = NOW + timedelta(minutes=59)
    assert made.current(installed.portal_id).access_token == "access-1"
    installed.now = NOW + timedelta(minutes=60)
    assert made.current(installed.portal_id).access_token == "access-2"


def test_refused_refresh_pauses_the_portal(installed: World, server: Server) -> None:
    server.valid = "something else"
    with pytest.raises(AccessLost):
        tokens(installed, server).refreshed(installed.portal_id, "access-1")
    assert (installed.row().state, installed.row().state_reason) == ("paused", "invalid_grant")


def test_refusal_is_forgotten_when_a_new_installation_came_meanwhile(
    installed: World, server: Server
) -> None:
    server.valid = "something else"
    server.meanwhile = lambda: _reinstall(installed)
    got = tokens(installed, server).refreshed(installed.portal_id, "access-1")
    assert got.access_token == "access-new"
    assert installed.row().state == "active"


def test_new_installation_is_not_overwritten_by_an_exchange_that_was_under_way(
    installed: World, server: Server
) -> None:
    server.meanwhile = lambda: _reinstall(installed)
    got = tokens(installed, server).refreshed(installed.portal_id, "access-1")
    assert got.access_token == "access-new"
    assert installed.row().refresh_token == "refresh-new"


def test_removal_during_an_exchange_leaves_no_token(installed: World, server: Server) -> None:
    def remove() -> None:
        with installed.portals.store.transaction() as tx:
            stored.uninstall(tx, installed.portal_id, now=NOW)

    server.meanwhile = remove
    with pytest.raises(AccessLost):
        tokens(installed, server).refreshed(installed.portal_id, "access-1")
    assert installed.row().access_token == ""


def test_tokens_of_another_portal_are_never_kept(
    installed: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        server, "redeem", lambda _token, **_: grant(member_id="n" * 32, access_token="foreign")
    )
    with pytest.raises(AccessLost):
        tokens(installed, server).refreshed(installed.portal_id, "access-1")
    assert installed.row().access_token == "access-1"


def test_passing_failure_gives_the_lease_back_and_keeps_the_pair(
    installed: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_token: str, **_more: object) -> Grant:
        raise Unavailable("NO_CONNECTION")

    made = tokens(installed, server)
    with monkeypatch.context() as patch:
        patch.setattr(server, "redeem", unreachable)
        with pytest.raises(Unavailable):
            made.refreshed(installed.portal_id, "access-1")
    assert installed.row().state == "active"
    assert tokens(installed, server).refreshed(installed.portal_id, "access-1").access_token == "access-2"


def test_process_that_died_while_refreshing_blocks_the_portal_only_for_its_lease(
    installed: World, server: Server
) -> None:
    with installed.portals.store.transaction() as tx:
        leases.acquire(tx, installed.portal_id, "dead", 45, NOW, name=leases.REFRESH)
    installed.now = NOW + timedelta(seconds=46)
    assert tokens(installed, server).refreshed(installed.portal_id, "access-1").access_token == "access-2"


@pytest.mark.parametrize("portal_id", [0, 999])
def test_unknown_portal_has_no_tokens(installed: World, server: Server, portal_id: int) -> None:
    with pytest.raises(AccessLost):
        tokens(installed, server).current(portal_id)
    assert not server.redeemed


def _reinstall(world: World) -> None:
    world.install(grant(access_token="access-new", refresh_token="refresh-new"))
