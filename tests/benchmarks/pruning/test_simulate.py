"""The tables of simulated searches."""

import json
from pathlib import Path

import pytest

from benchmarks.pruning import simulate
from benchmarks.pruning.simulator import Workers
from benchmarks.tools.lines import append_line
from tests.benchmarks.pruning.synthetic import recording_of_s11


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    path = tmp_path / "curves.jsonl"
    header, lines = recording_of_s11(30)
    for line in [header, *lines]:
        append_line(path, line)
    return path


def test_the_tables(curves: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {
        "SEARCHES": 2,
        "SAMPLES": 12,
        "WORKERS": (4, 12),
        "STRAGGLERS": (Workers(12, 2, 16),),
        "SHUFFLES": 2,
        "LARGEST": (20, 20),
    }.items():
        monkeypatch.setattr(simulate, name, value)
    simulate.main(curves)
    told = capsys.readouterr().out
    for line in (
        "12 workers",
        "2 take 16 times as long",
        "64 workers, worst first",
        "8 workers, shuffled",
        "20 trials",
    ):
        assert f"\n{line}" in told
    last = json.loads(told.splitlines()[-1])
    assert last["n"] == 30
    assert set(last["goals"]) == {"seconds_of_the_largest"}
