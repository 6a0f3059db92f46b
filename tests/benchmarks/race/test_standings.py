import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from benchmarks.race import standings
from benchmarks.race.contest import contest_file
from benchmarks.race.pool import build_pool, pool_file
from benchmarks.race.problems import PROBLEMS
from benchmarks.race.standings import smallest_effect, stand, table, visible
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, line
from tune_s11.config import InputError

POOL = build_pool(HEADER, [line(0, 0.9, 0.9), line(1, 0.5, 0.5), line(2, 0.3, 0.3)], [])
"""Four epochs, best known 0.9, median 0.5."""


def searched(arm: str, repeat: int, fresh: float, at: int = 4, *, defaults_first: bool = False) -> dict[str, Any]:
    """A search whose first trial is complete after ``at`` epochs, and the only one."""
    idle = [[-1, 0]] * (at - 4)
    return {
        "arm": arm,
        "defaults_first": defaults_first,
        "repeat": repeat,
        "trials": [{"params": {"max_lr": 0.1}, "ema": [0.1, 0.2, 0.3, 0.4], "diverged": False}],
        "events": [*idle, *([0, epoch] for epoch in range(1, 5))],
        "rates": None,
        "refused": None,
        "fresh": {"0": fresh, "-1": 0.3},
        "seconds": 1.0,
        "processor": "AMX",
        "date": "2026-11-26",
    }


def test_a_standing_by_hand() -> None:
    standing = stand([searched("ours-now", 0, 0.7), searched("ours-now", 1, 0.9)], POOL)
    assert standing.values("regret_80").tolist() == pytest.approx([0.5, 0.0])
    assert standing.values("area").tolist() == pytest.approx([0.5, 0.0])
    assert standing.values("points").tolist() == pytest.approx([70, 90])
    assert standing.values("epochs").tolist() == [80, 1]  # a trial counts from its first epoch on
    assert (standing.trials, standing.refused) == (1, 0)


def test_before_anything_is_trained_the_defaults_count() -> None:
    standing = stand([searched("ours-now", 0, 0.9, at=40)], POOL)
    assert standing.values("regret_20").tolist() == pytest.approx([1.5])
    assert standing.values("regret_40").tolist() == pytest.approx([0.0])


def test_only_repeats_that_both_have_are_compared() -> None:
    one = stand([searched("a", repeat, 0.5) for repeat in (2, 0)], POOL)
    other = stand([searched("b", 0, 0.7), searched("b", 1, 0.9), searched("b", 2, 0.6)], POOL)
    assert one.less(other, "points").tolist() == pytest.approx([-20, -10])


def test_the_smallest_effect_by_hand() -> None:
    differences = np.array([0.1, -0.1, 0.1, -0.1, 0.0])
    expected = (t.ppf(0.975, 19) + t.ppf(0.8, 19)) * 0.1 / math.sqrt(20)
    assert smallest_effect(differences, 20) == pytest.approx(expected)
    assert smallest_effect(differences, 80) < smallest_effect(differences, 20)


def test_what_the_repeats_can_show() -> None:
    ours = stand([searched("ours-now", repeat, 0.7) for repeat in range(3)], POOL)
    other = stand([searched("smac", repeat, 0.6 + repeat / 50) for repeat in range(3)], POOL)
    single = stand([searched("random", 0, 0.5)], POOL)
    assert visible({"smac": other, "ours-now": ours, "random": single}) == {
        "smac": pytest.approx(smallest_effect(np.array([-10.0, -8.0, -6.0]), 3))
    }
    assert visible({"smac": other}) == {}


def test_the_table_compares_with_ours() -> None:
    ours = stand([searched("ours-now", repeat, 0.7 + repeat / 100) for repeat in range(3)], POOL)
    other = stand([searched("smac", repeat, 0.6 + repeat / 50) for repeat in range(3)], POOL)
    lines = table({"smac": other, "ours-now": ours}, 4)
    assert len({line.count("|") for line in lines}) == 1
    smac, mine = lines[2:]
    assert "| -9.0 ± 2.5 |" in smac
    assert "| 0.225 ± 0.062 |" in smac
    assert mine.endswith("| . | . | 1 |")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--contests .*: must hold the searches of a problem"):
        standings.main([], False, tmp_path, tmp_path)
    name = "digits-s11"
    pools, contests = tmp_path / "pools", tmp_path / "contests"
    for each in [HEADER, line(0, 0.9, 0.9), line(1, 0.5, 0.5), line(2, 0.3, 0.3)]:
        append_line(pool_file(name, pools), each)
    with pytest.raises(InputError, match=r"digits-s11.jsonl: nothing is recorded; uv run python -m "):
        standings.main([name], False, contests, pools)
    refused = searched("smac", 0, 0.5, defaults_first=True) | {"refused": "no", "trials": [], "events": []}
    lines = [HEADER, searched("ours-now", 0, 0.7), searched("smac", 0, 0.5), refused]
    for each in lines:
        append_line(contest_file(name, contests), each)
    standings.main([], False, contests, pools)
    printed = capsys.readouterr().out
    assert "### digits-s11, no defaults, trained" in printed
    assert "2 searches (2 on AMX), 2026-11-26 to 2026-11-26" in printed
    assert "| smac (refused 1) | 1 |" in printed
    found = json.loads(printed.splitlines()[-1])["problems"][name]
    assert found["no defaults"]["smac"]["less_ours"]["points"] == [pytest.approx(-20), None, None]
    assert found["defaults first"]["smac"]["regret_80"][0] == pytest.approx(1.5)
    aside = next(name for name, problem in PROBLEMS.items() if problem.aside)
    with pytest.raises(InputError, match="is kept until the next policy is fixed; --aside shows it"):
        standings.main([aside], False, contests, pools)
