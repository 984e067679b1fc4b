"""What operators and their monitors are told: true, the same from every process, and nothing about anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from flask import Flask

from b24 import portals
from b24.client import Portals
from b24.limits import Limits
from b24.secrets import Secrets
from b24.store import marks, migrate
from b24.store.engine import Store
from handlers import health, problems
from smart_process.service import Service
from tests.b24.conftest import NOW, grant

SECRETS = Secrets(["k" * 40])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database of either kind."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    store = Store(request.getfixturevalue("postgres_url") if request.param == "postgresql" else url)
    yield store
    store.close()


def site(store: Store) -> Flask:
    web = Flask("health")
    problems.register(web)
    service = Service(
        store, lambda: NOW, SECRETS, cast(Portals, None), "https://app.example", lambda _id: None
    )
    web.register_blueprint(health.blueprint(service))
    return web


def metrics(store: Store) -> dict[str, float]:
    reply = site(store).test_client().get("/metrics")
    assert reply.status_code == 200
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    samples = re.findall(r'^([a-z_]+(?:\{[a-z]+="\w+"\})?) ([0-9.]+)$', reply.text, re.MULTILINE)
    comments = re.findall(r"^# (?:HELP|TYPE) ([a-z_]+) .+$", reply.text, re.MULTILINE)
    assert len(samples) + len(comments) == len(reply.text.splitlines())
    assert {name.partition("{")[0] for name, _ in samples} <= set(comments)
    return {name.removeprefix("event_app_"): float(value) for name, value in samples}


def test_it_is_ready_when_the_database_has_its_tables(bare: Store) -> None:
    web = site(bare).test_client()
    reply = web.get("/readyz")
    assert (reply.status_code, reply.content_type) == (503, "application/problem+json")
    assert reply.get_json()["type"].endswith(":database-version")
    migrate.upgrade(bare)
    assert web.get("/readyz").get_json() == {"status": "ready"}
    migrate.downgrade(bare, "0001")
    assert web.get("/readyz").status_code == 503
    assert web.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:9/nothing", "sqlite:////nowhere/at/all/app.db"]
)
def test_a_database_that_is_away_is_said_in_a_problem_document(url: str, path: str) -> None:
    reply = site(Store(url)).test_client().get(path)
    assert (reply.status_code, reply.content_type) == (503, "application/problem+json")
    assert reply.get_json()["type"].endswith(":database-away")


def test_an_app_without_portals_has_nothing_to_tell(bare: Store) -> None:
    migrate.upgrade(bare)
    found = metrics(bare)
    assert set(found.values()) == {0}
    assert {"lag_seconds", "portal_requests_total", 'portal_limit_hits_total{status="503"}'} <= found.keys()


def test_figures_are_totals_of_all_portals(bare: Store) -> None:
    migrate.upgrade(bare)
    limits = Limits(bare, now=NOW.timestamp, sleep=lambda _s: None)
    with bare.transaction() as tx:
        ids = [
            portals.save_installation(tx, grant(member_id=member * 32), "t" * 32, secrets=SECRETS, now=NOW)
            for member in "abc"
        ]
        portals.pause(tx, ids[2], "invalid_grant", now=NOW)
        ago = NOW - timedelta(seconds=90)
        marks.mark(tx, ids[0], "push", [1, 2], now=ago)
        marks.mark(tx, ids[1], "push", [1], now=NOW - timedelta(seconds=30))
        marks.mark(tx, ids[1], "mail", [1], now=ago, due_at=NOW + timedelta(hours=1))
        # What waits for a paused portal's return or for a person is no lag.
        marks.mark(tx, ids[2], "pull", [1], now=NOW - timedelta(days=1))
        marks.mark(tx, ids[0], "subject", [7], now=NOW - timedelta(days=2))
        (held,) = marks.claim(tx, ids[0], ["subject"], now=NOW, limit=9)
        marks.hold(tx, held, reason="setup", error="no funnel for Анна Петрова", now=NOW)
    for portal_id in ids[:2]:
        limits.wait(portal_id, "batch")
        limits.full(portal_id)
    limits.wait(ids[0], "crm.item.add", interactive=True)
    limits.spent(ids[0], "crm.item.add")
    found = metrics(bare)
    assert {name: value for name, value in found.items() if value} == {
        "lag_seconds": 90,
        'marks_waiting{kind="mail"}': 1,
        'marks_waiting{kind="pull"}': 1,
        'marks_waiting{kind="push"}': 3,
        'marks_held{class="setup"}': 1,
        'portals{state="active"}': 2,
        'portals{state="paused"}': 1,
        "portal_requests_total": 3,
        'portal_limit_hits_total{status="503"}': 2,
        'portal_limit_hits_total{status="429"}': 1,
    }
