"""What a range test, its bounds and its first trial bring to a replayed search."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t

from benchmarks.race.candidates import Candidates, join
from benchmarks.race.measures import epochs_until_close
from benchmarks.race.pool import build_pool, range_tests_file
from benchmarks.race.problems import defaults
from benchmarks.race.starts import CHOICES, PROGRAM, Start, main, search, table
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, line
from tests.benchmarks.race.test_replay import record
from tune_s11.config import InputError

TEST: dict[str, Any] = {
    "low": 0.1,
    "high": 1.0,
    "first": defaults() | {"max_lr": 0.3},
    "epochs": 3,
    "ema": [0.2, 0.4, 0.6, 0.8],
    "quality": 0.85,
}


def config(max_lr: float, momentum: float) -> dict[str, float]:
    return {"max_lr": max_lr, "momentum": momentum}


def test_bounds_follow_the_momentum_if_asked() -> None:
    fixed, follows = Start("", "cycles"), Start("", "cycles", power=0.5)
    assert fixed.accepts(config(1.0, 0.0), TEST)
    assert not fixed.accepts(config(2.0, 0.0), TEST)
    assert follows.accepts(config(2.0, 0.0), TEST)  # up to 1.0 x sqrt(10)
    assert not follows.accepts(config(0.2, 0.0), TEST)  # from 0.1 x sqrt(10) on
    assert follows.accepts(config(1.0, 0.9), TEST)
    assert Start("").accepts(config(9.0, 0.5), None)
    assert not Start("", bounds=(0.1, 1.0)).accepts(config(9.0, 0.5), None)


def candidates() -> Candidates:
    """Of three configurations inside the test's bounds, and a bad one outside."""
    lines = [
        line(number, 0.6 + 0.05 * number, 0.6 + 0.05 * number) | {"config": config(0.5, 0.9)} for number in range(3)
    ]
    outside = line(3, 0.1, 0.1) | {"config": config(9.0, 0.9)}
    return join(build_pool(HEADER, [*lines, outside], []), build_pool(HEADER, [line(999_999, 0.5, 0.5)], []))


def test_a_test_costs_its_epochs_and_its_first_trial_is_shipped_until_a_better_one_is_complete() -> None:
    pool = candidates()
    extended, shipped = search(Start("", "cycles"), pool, {"cycles": TEST}, 0)
    first = pool.n
    assert extended.quality[first] == 0.85
    assert shipped[:3].tolist() == [-1, -1, -1]
    untrained = extended.n - 1
    assert shipped[3] == untrained  # the test's rate, at which the defaults would be shipped
    assert extended.quality[untrained] == 0.85
    assert epochs_until_close(shipped, replace(extended, best_known=0.855)) == 4  # its first trial's first epoch
    assert shipped[7] == first  # as a complete trial
    assert shipped[-1] == first  # 0.8, and the others end below


def test_a_second_trial_follows_the_first_and_is_shipped_if_it_is_better() -> None:
    pool = candidates()
    usual = TEST | {"epochs": 100, "ema": [0.2, 0.5, 0.7, 0.9], "quality": 0.95}
    extended, shipped = search(Start("", "cycles", second="usual"), pool, {"cycles": TEST, "usual": usual}, 0)
    assert extended.n == pool.n + 3  # the first is there untrained, too
    assert shipped[10] == pool.n  # the second has not ended
    assert extended.quality[shipped[11]] == 0.95  # 3 epochs of the test and 4 of each trial


def test_the_defaults_can_come_first() -> None:
    pool = candidates()
    extended, shipped = search(Start("", bounds=(0.1, 1.0), defaults_first=True), pool, {}, 0)
    assert shipped[pool.epochs] == extended.n
    assert shipped[0] == -1


def test_intervals_of_starts_with_a_test_are_over_tests() -> None:
    """Eight orders share two tests, each of which ships its own first trial in the end."""
    other = TEST | {"quality": 0.55, "ema": [0.2, 0.4, 0.6, 0.9]}
    pool = candidates()
    lines = table(pool, [dict.fromkeys(("cycles", "ramps", "usual"), test) for test in (TEST, other)], 8)
    row = next(each for each in lines if each.startswith(f"| {PROGRAM.name} |"))
    regrets = [(pool.best_known - quality) / (pool.best_known - pool.median) for quality in (0.85, 0.55)]
    half = t.ppf(0.975, 1) * (regrets[1] - regrets[0]) / 2
    assert row.split(" | ")[5] == f"{sum(regrets) / 2:.3f} ± {half:.3f}"


def test_the_command_needs_recorded_tests_and_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    with pytest.raises(InputError, match="nothing is recorded"):
        main("digits-s11", 2, tmp_path)
    path = tmp_path / "digits-s11.jsonl"
    path.write_text(path.read_text().replace('{"max_lr":0.08}', '{"max_lr":0.08,"momentum":0.9}'))
    append_line(range_tests_file("digits-s11", tmp_path), {})
    append_line(range_tests_file("digits-s11", tmp_path), {"seed": 0, "cycles": TEST, "ramps": None, "usual": TEST})
    main("digits-s11", 2, tmp_path)
    rows = [each for each in capsys.readouterr().out.splitlines() if each.startswith("| ")]
    assert [each.split(" | ")[0].removeprefix("| ") for each in rows[2:]] == [start.name for start in CHOICES]


def test_a_held_out_problem_is_shown_only_on_request() -> None:
    with pytest.raises(InputError, match=r"PROBLEM digits-recurrent: is kept until .*; --aside replays it"):
        main("digits-recurrent")
