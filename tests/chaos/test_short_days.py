"""A small day on which every process is killed a few times; the long ones are ``make chaos``."""

from __future__ import annotations

import pytest

from tests.chaos.playing import Day, play


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_nothing_is_lost_doubled_or_overwritten(database: str, request: pytest.FixtureRequest) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgres_server")
    played = play(Day(database, seed=2, kills=4, guests=14, pause_s=(0.2, 1.2)))
    assert played.verdict.sentences == []
    assert played.kills == 4
    assert played.faults > 0
