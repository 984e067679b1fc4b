"""A new key in front of the old one: after the next start the old one can be taken away."""

from __future__ import annotations

import pytest

from b24 import portals
from b24.errors import SetupMissing
from b24.secrets import Secrets
from b24.store.engine import Store
from smart_process.settings import Settings, Smtp
from smart_process.store import setups
from tests.b24.conftest import NOW, grant

OLD, NEW = "o" * 40, "n" * 40


def install(store: Store, secrets: Secrets) -> list[int]:
    with store.transaction() as tx:
        ids = [
            portals.save_installation(
                tx, grant(member_id=member * 32), f"token-{member}", secrets=secrets, now=NOW
            )
            for member in "ab"
        ]
        portals.uninstall(tx, ids[1], now=NOW)
        smtp = Smtp("smtp.example", 587, user="events", password=secrets.encrypt("the password"))
        setups.write_settings(tx, ids[0], Settings(smtp=smtp, fallback_owner_id=7), now=NOW)
    return ids


def kept(store: Store, secrets: Secrets, ids: list[int]) -> list[str | None]:
    with store.reading() as tx:
        found = [portals.by_id(tx, secrets, portal_id) for portal_id in ids]
        settings = setups.read(tx, ids[0]).settings
    assert all(found)
    assert settings.fallback_owner_id == 7
    texts = [(one.access_token, one.refresh_token, one.application_token) for one in found if one]
    return [*texts[0], *texts[1], secrets.decrypt(settings.smtp.password)]


def test_everything_secret_is_readable_with_the_newest_key_alone(either_store: Store) -> None:
    ids = install(either_store, Secrets([OLD]))
    before = kept(either_store, Secrets([OLD]), ids)
    with pytest.raises(SetupMissing):
        kept(either_store, Secrets([NEW]), ids)
    setups.renew_all_secrets(either_store, Secrets([NEW, OLD]))
    assert kept(either_store, Secrets([NEW]), ids) == before
    assert before[-1] == "the password"


def test_what_is_under_the_newest_key_is_left_alone(either_store: Store) -> None:
    secrets = Secrets([NEW, OLD])
    install(either_store, secrets)
    with either_store.transaction() as tx:
        assert portals.renew_secrets(tx, secrets) == 0


def test_a_lost_key_stops_nobody_else(either_store: Store) -> None:
    lost = install(either_store, Secrets(["x" * 40]))
    with either_store.transaction() as tx:
        fine = portals.save_installation(
            tx, grant(member_id="c" * 32), "token-c", secrets=Secrets([OLD]), now=NOW
        )
    setups.renew_all_secrets(either_store, Secrets([NEW, OLD]))
    with either_store.reading() as tx:
        assert portals.by_id(tx, Secrets([NEW]), fine)
        with pytest.raises(SetupMissing):
            portals.by_id(tx, Secrets([NEW]), lost[0])
