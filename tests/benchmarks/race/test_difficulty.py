import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.difficulty import main, replay, within_fixed_bounds
from benchmarks.race.pool import build_pool, pool_file
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, line


def test_one_good_configuration_among_n_takes_half_of_them() -> None:
    lines = [line(number, 0.5, 0.5) for number in range(20)] + [line(20, 0.9, 0.9)]
    needed = replay(build_pool(HEADER, lines, []), orders=2000)
    assert needed.drawn.mean() == pytest.approx(11, abs=0.5)  # the position of one among 21
    np.testing.assert_array_equal(needed.trials, needed.drawn)


def test_a_diverged_trial_costs_its_epochs() -> None:
    lines = [line(number, 0.5, None, diverged_at=1) for number in range(20)] + [line(20, 0.9, 0.9)]
    needed = replay(build_pool(HEADER, lines, []))
    np.testing.assert_allclose(needed.trials, (needed.drawn - 1) / 4 + 1)


def test_what_lies_outside_is_not_drawn() -> None:
    lines = [line(0, 0.9, 0.9, max_lr=0.05), line(1, 0.5, 0.5, max_lr=0.067), line(2, 0.6, 0.6, max_lr=2.0)]
    pool = build_pool(HEADER, [*lines, line(3, 0.9, 0.9, max_lr=2.1)], [])
    assert within_fixed_bounds(pool).tolist() == [False, True, True, False]
    assert np.isinf(replay(pool).trials).all()  # the best known lies outside


def test_validation_chooses_what_is_shipped() -> None:
    """The best configuration is drawn soon, but another one looks better."""
    lines = [line(0, 0.5, 0.9), line(1, 0.6, 0.5)]
    needed = replay(build_pool(HEADER, lines, []), orders=100)
    assert set(needed.drawn) == {1.0, np.inf}


def test_within_a_point_is_close_on_the_line_too() -> None:
    lines = [line(0, 0.5, 0.70), line(1, 0.6, 0.71)]
    assert set(replay(build_pool(HEADER, lines, [])).drawn) == {1.0}


def test_the_command_prints_recorded_problems_and_counts_complete_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(21):
        if number == 0:
            append_line(pool_file("digits-s11", tmp_path), HEADER)
        append_line(pool_file("digits-s11", tmp_path), line(number, 0.5 + 0.02 * number, 0.5 + 0.02 * number))
    main(tmp_path)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["goals"]["hard_problems"]["value"] == 0
    monkeypatch.setattr("benchmarks.race.difficulty.CONFIGURATIONS", 21)
    main(tmp_path)
    _, row, verdict = capsys.readouterr().out.splitlines()
    assert row.split()[:5] == ["digits-s11", "21", "21", "1", "0.9000"]
    assert json.loads(verdict) == {
        "met": False,
        "goals": {"hard_problems": {"value": 1, "goal": 3, "met": False}},
    }
