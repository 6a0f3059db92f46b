"""What running the best trials again brings, on a pool whose best trial owes its place to luck."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.candidates import Candidates, join
from benchmarks.race.finalists import NONE, accuracy, complete_trials, has_finalists, main, read_runs
from benchmarks.race.pool import Floats, Pool, best_file, build_pool, range_tests_file
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, again, line
from tests.benchmarks.race.test_replay import record
from tests.benchmarks.race.test_starts import TEST
from tune_s11.config import InputError

LUCKY, GOOD, UNKNOWN = 0, 1, 2
TRIAL = 4
"""Epochs of a complete trial."""


def pool() -> Pool:
    """The lucky one has the better validation accuracy as a trial, the good one as a recipe; the third never runs
    again."""
    return build_pool(HEADER, [line(LUCKY, 0.95, 0.7), line(GOOD, 0.9, 0.9), line(UNKNOWN, 0.99, 0.99)], [])


def candidates() -> Candidates:
    return join(pool(), build_pool(HEADER, [line(999_999, 0.5, 0.5)], []))


def append_runs(path: Path, number: int, scores: tuple[float, ...]) -> None:
    for each in again(number, scores):
        append_line(path, each | {"score": each["score"] | {"validation_ema": each["score"]["ema"]}})


def recorded(folder: Path) -> Floats:
    path = best_file("lucky", folder)
    append_line(path, {})
    append_runs(path, LUCKY, (0.7, 0.6, 0.7, 0.6))
    append_runs(path, GOOD, (0.9, 0.8, 0.9, 0.8))
    return read_runs(pool(), "lucky", folder)


def test_the_best_trial_loses_where_luck_made_it(tmp_path: Path) -> None:
    runs = recorded(tmp_path)
    drawn = [GOOD, LUCKY]
    # Held-out accuracy of the seed that does not decide, averaged over all four.
    assert accuracy(candidates(), runs, drawn, 2 * TRIAL, NONE) == pytest.approx(0.65)
    assert accuracy(candidates(), runs, drawn, 4 * TRIAL, (2, 1)) == pytest.approx(0.85)
    assert accuracy(candidates(), runs, drawn, 8 * TRIAL, (2, 3)) == pytest.approx(0.85)


def test_the_run_that_measures_does_not_decide() -> None:
    runs = np.full((3, 4, 2), 0.5)
    runs[GOOD, :, 0] = [0.9, 0.4, 0.4, 0.4]  # by validation it wins where the first run decides
    runs[GOOD, :, 1] = [1.0, 0.0, 0.0, 0.8]
    runs[LUCKY, :, 1] = 0.25
    drawn = [GOOD, LUCKY]
    # With one seed the last run measures what the first decides, so it measures the good one, the others the lucky one.
    assert accuracy(candidates(), runs, drawn, 4 * TRIAL, (2, 1)) == pytest.approx((0.8 + 3 * 0.25) / 4)


def test_finalists_are_paid_for_by_trials(tmp_path: Path) -> None:
    runs = recorded(tmp_path)
    assert complete_trials(candidates(), [GOOD, LUCKY], 2 * TRIAL - 1).tolist() == [GOOD]
    assert np.isnan(accuracy(candidates(), runs, [GOOD, LUCKY], 2 * TRIAL, (2, 1)))  # nothing is left for trials
    assert accuracy(candidates(), runs, [LUCKY, GOOD], 3 * TRIAL, (2, 1)) == pytest.approx(0.65)  # for one


def test_finalists_that_most_orders_do_not_have_are_not_compared() -> None:
    """Within three trials' epochs, two runs of finalists leave one trial."""
    among, orders = candidates(), [[GOOD, LUCKY]] * 3
    assert not has_finalists(among, orders, 2 * TRIAL, (2, 1))
    assert not has_finalists(among, orders, 3 * TRIAL, (2, 1))
    assert has_finalists(among, orders, 4 * TRIAL, (2, 1))


def test_an_order_with_a_finalist_that_never_ran_again_does_not_count(tmp_path: Path) -> None:
    runs = recorded(tmp_path)
    assert np.isnan(runs[UNKNOWN]).all()
    assert np.isnan(accuracy(candidates(), runs, [GOOD, LUCKY, UNKNOWN], 3 * TRIAL, NONE))


def test_pruned_and_diverged_trials_are_not_complete() -> None:
    lines = [line(0, 0.9, 0.9), line(1, 0.2, 0.2), line(2, 0.9, None, diverged_at=4)]
    among = join(build_pool(HEADER, lines, []), build_pool(HEADER, [line(999_999, 0.5, 0.5)], []))
    assert complete_trials(among, range(3), 100).tolist() == [0]


def test_the_command_needs_fresh_runs_and_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    with pytest.raises(InputError, match=r"no configuration has 4 runs yet; uv run .* --runs 4 records them$"):
        main("digits-s11", 3, tmp_path)
    path = tmp_path / "digits-s11.jsonl"
    path.write_text(path.read_text().replace('{"max_lr":0.08}', '{"max_lr":0.2,"momentum":0.9}'))
    append_line(best_file("digits-s11", tmp_path), {"of": HEADER["of"] | {"best": {"numbers": [], "repeats": 2}}})
    for number in range(30):
        append_runs(best_file("digits-s11", tmp_path), number, (0.01 * number,) * 4)
    append_line(range_tests_file("digits-s11", tmp_path), {})
    append_line(range_tests_file("digits-s11", tmp_path), {"seed": 0, "cycles": TEST})
    main("digits-s11", 3, tmp_path)
    rows = [each for each in capsys.readouterr().out.splitlines() if each.startswith("| ")]
    assert rows[0].startswith("| epochs, in complete trials | n | best trial wins | 2 x 1 |")
    assert [each.split(" | ")[:2] for each in rows[2:]] == [["| 10", "3"], ["| 20", "3"], ["| 40", "3"]]


def test_a_held_out_problem_is_shown_only_on_request() -> None:
    with pytest.raises(InputError, match=r"PROBLEM digits-recurrent: is kept until .*; --aside replays it"):
        main("digits-recurrent")
