"""A day played without a person: twice is once, and a difference is found and told."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.demo_process import GUESTS, played, run

COUNTS = ("stages", "funnel", "deals", "tasks", "mails")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole file: each test goes on where the one before stopped."""
    return tmp_path_factory.mktemp("demo") / "state"


def test_a_day_played_twice_is_one_day(state: Path) -> None:
    once, twice = played(state), played(state)
    assert once["differences"] == twice["differences"] == 0
    assert {name: once[name] for name in COUNTS} == {name: twice[name] for name in COUNTS}
    assert once["scans"]["admitted"] > 0
    assert once["mails"]["ticket"] > 0
    assert sum(once["deals"].values()) + sum(once["tasks"].values()) > 0
    assert once["rest"]["refused"] == 0


def test_a_difference_ends_the_play_with_1_and_is_told_in_words(state: Path) -> None:
    """Somebody's card loses our key on the portal's disk: no event, no later change time, nothing to heal it by."""
    with closing(sqlite3.connect(state / "portal.sqlite")) as portal, portal:
        eti = portal.execute("SELECT entity_type_id FROM crm_type WHERE title LIKE 'Участие%'").fetchone()[0]
        portal.execute(
            "UPDATE crm_item SET xml_id = 'lost' WHERE entity_type_id = :type"
            " AND id = (SELECT MIN(id) FROM crm_item WHERE entity_type_id = :type)",
            {"type": eti},
        )
    done = run(state, "--play", "--json", *GUESTS)
    assert done.returncode == 1, done.stdout
    assert json.loads(done.stdout)["differences"] == 1
    assert re.search(r"^! .+: xml_id is 'lost' in the portal", done.stderr, re.MULTILINE)
