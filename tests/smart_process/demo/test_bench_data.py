"""A database made for load: it holds what a real one would, and the door answers from it without any portal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

import app
from b24.store.engine import Store
from smart_process.demo.bench_data import GATE, Taken, fill
from smart_process.facts import project
from smart_process.store import funnel, journal
from smart_process.store import tables as t

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


def test_every_guest_is_what_their_facts_say(either_store: Store) -> None:
    tickets, _ = fill(either_store, 30, NOW)
    with either_store.reading() as tx:
        rows = {row.id: row for row in tx.execute(sa.select(t.participation))}
        known = journal.history(tx, rows)
        counted = funnel.of_event(tx, 1)
    assert sorted(row.ticket for row in rows.values()) == sorted(tickets)
    for pid, row in rows.items():
        state = project(known[pid])
        assert (row.stage, row.registered_at, row.source) == (state.stage, state.registered_at, state.source)
    assert counted.total == 30
    assert len({row.person_id for row in rows.values()}) == 30


def test_a_database_in_use_is_left_alone(store: Store) -> None:
    fill(store, 1, NOW)
    with pytest.raises(Taken):
        fill(store, 1, NOW)


def test_the_door_answers_from_it_with_nothing_but_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PUBLIC_URL", "B24_CLIENT_ID", "B24_CLIENT_SECRET", "APP_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'bench.sqlite'}")
    out = tmp_path / "out"
    assert app.main(["bench-data", "--participations", "3", "--out", str(out)]) == 0
    tickets = (out / "tickets.txt").read_text().split()
    token = (out / "device-token.txt").read_text().strip()
    built = app.build(app._config({"DATABASE_URL": f"sqlite:///{tmp_path / 'bench.sqlite'}"}))
    web = built.web.test_client()
    scan = {
        "ticket": tickets[1],
        "gate": GATE,
        "direction": "entry",
        "scanned_at": "2020-01-01T00:00:00+05:00",
    }
    reply = web.post(
        "/api/v1/scans",
        json={"scans": [{"scan_id": "0" * 32, **scan}]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert [one["verdict"] for one in reply.get_json()["verdicts"]] == ["admitted"]
    assert web.post("/b24/install").status_code == web.post("/b24/events").status_code == 404
    built.close()


def test_serving_portals_still_needs_everything_that_is_said_for_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="B24_CLIENT_SECRET"):
        app._config({"DATABASE_URL": f"sqlite:///{tmp_path / 'x'}", "PUBLIC_URL": "https://app.example"})
    with pytest.raises(ValueError, match="PUBLIC_URL"):
        app._config({})
