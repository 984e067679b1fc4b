"""A played day while colleagues work in the CRM: what they do is kept, whatever it is."""

from __future__ import annotations

from pathlib import Path

from tests.demo_process import played


def test_colleagues_work_in_the_crm_while_the_day_runs(tmp_path: Path) -> None:
    """What they typed stands, nobody is called twice, and portal and journal agree although cards were deleted."""
    result = played(tmp_path / "state", "--edits")
    assert (result["differences"], result["called_twice"], result["overwritten"]) == (0, 0, 0)
    assert result["typed"] > 0
    # Which edits there are follows from the seed; deletions and merges are among them.
    assert {"note", "delete_card", "company_merge", "dismissed", "lead"} <= {
        what for what, times in result["edits"].items() if times
    }
