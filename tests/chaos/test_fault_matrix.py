"""The fault matrix, short: everything mixed on both databases, and mails cut. The whole is part of ``make chaos``."""

from __future__ import annotations

from typing import Any

import pytest

from b24.sandbox import faults
from tests.chaos import matrix, storm
from tests.smart_process.sync.conftest import place, postgres_place
from tests.smart_process.sync.story import Company
from tests.smart_process.sync.test_cut_anywhere import whole

__all__ = ["place", "postgres_place", "whole"]


def tried(place: Company, kind: str, seed: int, whole: dict[str, Any]) -> None:
    """The whole day and nothing lost, doubled or overwritten."""
    found = matrix.attempt(place, kind, seed, whole)
    again = f"python -m tests.chaos.matrix --seed {seed} {kind}"
    assert found.verdict.sentences == [], again
    assert found.struck > 0, again


def test_every_fault_of_the_sandbox_is_in_the_matrix_and_in_the_storm() -> None:
    alone = {one for kind in matrix.KINDS for one in kind.split("+")} - {matrix.MAILS, matrix.MIXED}
    assert alone == set(faults.KINDS)
    assert {one for one in matrix.plan(matrix.MIXED, 1) if one in faults.KINDS} == set(faults.KINDS)
    assert set(storm.KINDS) == set(faults.KINDS)


def test_everything_at_once(place: Company, whole: dict[str, Any]) -> None:
    tried(place, matrix.MIXED, 1, whole)


@pytest.mark.postgres
def test_everything_at_once_on_postgresql(postgres_place: Company, whole: dict[str, Any]) -> None:
    tried(postgres_place, matrix.MIXED, 2, whole)


def test_mails_cut_by_the_end_of_the_process(place: Company, whole: dict[str, Any]) -> None:
    tried(place, matrix.MAILS, 3, whole)


def test_what_went_wrong_is_named(whole: dict[str, Any]) -> None:
    worse = {**whole, "deals": [*whole["deals"], *whole["deals"]], "facts": whole["facts"][1:]}
    worse["cards"] = [
        ([value.replace(matrix.TYPED_BY_HAND, "") for value in one], parent) for one, parent in whole["cards"]
    ]
    verdict = matrix._compared(whole, worse, mails_too=True)
    assert [len(some) for some in (verdict.lost, verdict.doubled, verdict.overwritten)] == [1, 1, 1]
