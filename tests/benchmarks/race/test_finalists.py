"""What running the best trials again brings, on a pool whose best trial owes its place to luck."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.finalists import accuracy, main, read_runs
from benchmarks.race.pool import Pool, best_file, build_pool
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, again, line
from tests.benchmarks.race.test_replay import record
from tune_s11.config import InputError


def lucky() -> Pool:
    """Number 0 has the best validation accuracy as a trial, number 1 as a recipe; number 2 is never run again."""
    return build_pool(HEADER, [line(0, 0.95, 0.7), line(1, 0.9, 0.9), line(2, 0.99, 0.99)], [])


def recorded(folder: Path) -> None:
    append_line(best_file("lucky", folder), {})
    for each in [*again(0, (0.7, 0.6)), *again(1, (0.9, 0.8))]:
        scores = each["score"] | {"validation_ema": each["score"]["ema"]}
        append_line(best_file("lucky", folder), each | {"score": scores})


def test_the_best_trial_loses_where_luck_made_it(tmp_path: Path) -> None:
    recorded(tmp_path)
    runs = read_runs(lucky(), "lucky", tmp_path)
    assert np.isnan(runs[2]).all()
    assert accuracy(lucky(), runs, 3, 1, 0) == pytest.approx(0.65)  # held-out accuracy of the seed that does not decide
    assert accuracy(lucky(), runs, 3, 2, 0) == pytest.approx(0.85)


def test_the_command_needs_fresh_runs_and_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    with pytest.raises(InputError, match=r"nothing is recorded; uv run .* digits-s11 --again 40 does it$"):
        main("digits-s11", 3, tmp_path)
    of = HEADER["of"] | {"best": {"numbers": [*range(20, 30)], "repeats": 2}}
    append_line(best_file("digits-s11", tmp_path), {"of": of})
    for number in range(20, 30):
        for each in again(number, (0.01 * number, 0.01 * number)):
            scores = each["score"] | {"validation_ema": each["score"]["ema"]}
            append_line(best_file("digits-s11", tmp_path), each | {"score": scores})
    main("digits-s11", 3, tmp_path)
    rows = [each for each in capsys.readouterr().out.splitlines() if each.startswith("| ")]
    assert rows[0].startswith("| complete trials | best trial wins | 2 finalists |")
    assert [each.split(" | ")[0] for each in rows[2:]] == ["| 64", "| 128"]
