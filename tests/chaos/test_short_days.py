"""A small day on which every process is killed a few times; the long ones are ``make chaos``."""

from __future__ import annotations

import pytest

from tests.chaos.playing import ENTERPRISE, Day, play


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_nothing_is_lost_doubled_or_overwritten(database: str, request: pytest.FixtureRequest) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgres_server")
    day = Day(database, seed=2, kills=3, guests=10, pause_s=(0.2, 0.8), cut_s=1.2, bucket=ENTERPRISE)
    played = play(day)
    assert played.verdict.sentences == []
    assert played.kills == 3
    assert played.faults > 0
