"""The bench itself, as small as it goes: everything it promises is measured, and it can tell good from bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.__main__ import Sizes, main
from tests.bench.door import flat
from tests.bench.figures import Figure, table

TINY = (
    "--database sqlite --guests 20 --requests 8 --callers 1,2 --pack 30 "
    "--changes 5 --slow-s 0.2 --events 10 --portals 3 --spread-s 0.3"
)


def test_all_is_measured_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    code = main([*TINY.split(), "--out", str(out)])
    told = json.loads(out.read_text())
    values = {one["name"]: one["value"] for one in told["figures"]}
    assert list(values) == [
        *(
            f"sqlite: door, 20 guests, {callers}{told}"
            for callers in ("1 caller", "2 callers")
            for told in (": p95 against bare", ": throughput", ", batches of 50: throughput")
        ),
        "sqlite: portal events, 20 guests: p95 against bare",
        "sqlite: portal events, 20 guests: throughput",
        "sqlite: memory of a web process, 20 guests",
        "sqlite: pack of 30 guests: size on its way",
        "sqlite: pack of 30 guests: time to build",
        "sqlite: pack of 30 guests: refresh with nothing new",
        "sqlite: camera to verdict, 30 guests, with network: median",
        "sqlite: camera to verdict, 30 guests, without network: median",
        "door beside a portal of 2 requests/s: p95 against alone",
        "10 doubled events about 40 cards: requests",
        "drain of 5 changes, answered at once: against the limit",
        "drain of 5 changes, answered at once: 503 caused by us",
        "drain of 5 changes, 0.2 s a batch: against the limit",
        "drain of 5 changes, 0.2 s a batch: 503 caused by us",
        "3 portals on 1 worker(s): worst lag of a small one",
    ]
    assert [name for name, value in values.items() if value <= 0 and "503" not in name] == []
    shown = capsys.readouterr().out
    assert all(name in shown for name in values)
    assert code == (0 if all(one["met"] for one in told["figures"]) else 1)


def test_the_door_is_compared_with_itself_at_another_size() -> None:
    measured = {
        "door, 100 guests, 4 callers: p95 against bare": 1.5,
        "door, 100 guests, 4 callers, batches of 50: throughput": 4.0,
        "door, 1000 guests, 4 callers: p95 against bare": 1.8,
        "door, 1000 guests, 4 callers, batches of 50: throughput": 3.0,
    }
    found = flat([Figure(name, value, "×") for name, value in measured.items()], 100, 1000)
    assert {one.name: one.value for one in found} == {
        "door, 4 callers: p95 with 1000 guests against 100": pytest.approx(1.2),
        "door, 4 callers, batches of 50: throughput with 1000 guests against 100": pytest.approx(0.75),
    }


def test_a_missed_target_is_said() -> None:
    good = Figure("good", 1.5, "×", at_most=2)
    slow, poor, free = (
        Figure("slow", 2.5, "×", at_most=2),
        Figure("poor", 0.4, "×", at_least=0.5),
        Figure("free", 9, "s"),
    )
    assert [one.met for one in (good, slow, poor, free)] == [True, False, False, True]
    assert ["MISSED" in line for line in table([good, slow, poor, free]).splitlines()] == [
        False,
        True,
        True,
        False,
    ]


def test_what_was_measured_before_an_interruption_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_sizes: Sizes) -> Iterator[Figure]:
        yield Figure("door", 1.5, "×")
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "measure", measure)
    out = tmp_path / "bench.json"
    with pytest.raises(KeyboardInterrupt):
        main(["--out", str(out)])
    assert [one["name"] for one in json.loads(out.read_text())["figures"]] == ["door"]
    told = capsys.readouterr()
    assert "door" in told.out
    assert "door" in told.err
