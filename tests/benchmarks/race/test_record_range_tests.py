"""Range tests from several seeds, with a trial at each rate."""

from pathlib import Path

import pytest

from benchmarks.race import record_range_tests as command
from benchmarks.race.pool import range_tests_file
from benchmarks.race.problems import PROBLEMS, defaults
from benchmarks.race.record_range_tests import TESTS
from benchmarks.tools.lines import read_lines
from tests.benchmarks.race import tiny_lab


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    monkeypatch.setitem(PROBLEMS, "tiny", tiny_lab.TINY)


def test_a_line_holds_each_test_and_the_trial_at_its_rate(tmp_path: Path) -> None:
    command.main("tiny", 1, 1, None, aside=False, pools=tmp_path)
    command.main("tiny", 2, 1, None, aside=False, pools=tmp_path)
    lines = read_lines(range_tests_file("tiny", tmp_path))[1:]
    assert sorted(each["seed"] for each in lines) == [0, 1]
    for each in lines:
        for test in TESTS:
            if (found := each[test]) is None:
                continue
            assert found["low"] <= found["first"]["max_lr"] <= found["high"]
            assert found["first"].keys() == defaults().keys()
            assert 1 <= len(found["ema"]) <= 3
            assert 0 <= found["quality"] <= 1
        assert each["usual"]["epochs"] == 0
        assert each["cycles"]["epochs"] > 0
    assert lines[0]["usual"]["first"] == lines[1]["usual"]["first"]
