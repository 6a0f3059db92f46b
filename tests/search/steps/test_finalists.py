"""Who wins among the finalists, and when by noise; a whole search of theirs is part of test_session.py."""

from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.search.begun import COMPLETE, Search
from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.results import SearchResult, State, TrialResult
from tune_s11.results.folder import LAYOUT
from tune_s11.results.records import Verdict, read_record_or_none
from tune_s11.search.context import Context
from tune_s11.search.steps import finalists
from tune_s11.search.steps.finalists import comparable, half_interval, judge, lead, seeds_of
from tune_s11.search.workers.parts import Worker
from tune_s11.storage.sync import Shared
from tune_s11.training.checkpoint import CheckpointError
from tune_s11.training.metrics import RunFolder
from tune_s11.training.trainer import TrainingData


def test_the_best_mean_wins_and_leads_by_the_paired_differences() -> None:
    scores = {"t0001": [0.90, 0.92, 0.91], "t0005": [0.94, 0.95, 0.96], "t0002": [0.80, 0.99, 0.70]}
    verdict = judge(scores, range(7, 10), scores.keys())
    assert list(verdict.trials) == ["t0005", "t0001", "t0002"]
    assert (verdict.winner, verdict.runner_up, verdict.tied) == ("t0005", "t0001", False)
    assert verdict.seeds == (7, 8, 9)
    # Student's interval by hand: differences 0.04, 0.03, 0.05; t(0.975, 2) = 4.3027.
    half = 4.3027 * 0.01 / np.sqrt(3)
    assert verdict.margin.model_dump() == {
        "mean": pytest.approx(0.04),
        "low": pytest.approx(0.04 - half, abs=1e-5),
        "high": pytest.approx(0.04 + half, abs=1e-5),
        "confidence": 0.95,
    }
    assert verdict.trials["t0005"].model_dump() == {
        "scores": (0.94, 0.95, 0.96),
        "mean": pytest.approx(0.95),
        "sd": pytest.approx(0.01),
        "n": 3,
    }


def gained(scores: dict[str, list[float]], may_win: Set[str] | None = None) -> tuple[Verdict, list[str]]:
    """The verdict, and what it says searching has gained."""
    verdict = judge(scores, range(len(scores["t0005"])), scores.keys() if may_win is None else may_win)
    return verdict, finalists._gained(verdict)


def test_the_lead_over_the_first_trial_is_what_searching_has_gained() -> None:
    scores = {"t0000": [0.90, 0.92, 0.91], "t0005": [0.94, 0.95, 0.96], "t0002": [0.93, 0.94, 0.95]}
    verdict, lines = gained(scores)
    assert verdict.runner_up == "t0002"
    assert verdict.gain == lead(scores["t0005"], scores["t0000"])
    assert verdict.gain.mean == pytest.approx(0.04)
    assert lines == ["  searching has gained 0.0400 (0.0152 to 0.0648) over t0000, the first trial; an upper estimate"]
    _, (weak,) = gained({"t0000": [0.90, 0.92], "t0005": [0.92, 0.91]})
    assert weak.endswith("over t0000, the first trial, within noise; an upper estimate")
    verdict, lines = gained({"t0000": [0.95, 0.96], "t0005": [0.92, 0.91]})
    assert verdict.gain is None
    assert lines == ["  t0000 is the first trial: searching has gained nothing"]
    assert gained({"t0001": [0.95, 0.96], "t0005": [0.92, 0.91]})[1] == []


def test_a_first_trial_that_was_pruned_cannot_win() -> None:
    scores = {"t0000": [0.97, 0.98, 0.98], "t0005": [0.94, 0.95, 0.95], "t0002": [0.92, 0.91, 0.90]}
    verdict, lines = gained(scores, {"t0002", "t0005"})
    assert (verdict.winner, verdict.runner_up) == ("t0005", "t0002")
    assert list(verdict.trials) == ["t0000", "t0005", "t0002"]
    assert lines == ["  t0000, the first trial, is better by 0.0300; it was pruned, so it cannot win"]
    noisy = {**scores, "t0000": [0.99, 0.93, 0.98]}
    _, (line,) = gained(noisy, {"t0002", "t0005"})
    assert line.startswith("  searching has gained -0.0200 (")
    assert line.endswith("over t0000, the first trial, within noise; an upper estimate")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.93, 0.91], [0.92, 0.91]),  # the interval holds 0
        ([0.93], [0.92]),  # one seed tells no spread
        ([0.9, 0.9, 0.9], [0.9, 0.9, 0.9]),
    ],
)
def test_what_noise_explains_is_a_tie(first: list[float], second: list[float]) -> None:
    scores = {"t0000": first, "t0001": second}
    verdict = judge(scores, range(len(first)), scores.keys())
    assert verdict.winner == "t0000"
    assert verdict.tied
    assert (verdict.margin.low is None) == (len(first) == 1)


@pytest.mark.parametrize(
    ("differences", "half"),
    [
        ([0.01, 0.02], 0.06353102368087347),
        ([-0.3, 0.2, 0.1, 0.05], 0.3460376859839143),
        ([0.0, 0.0, 0.0], 0),
        ([0.0125] * 3, 0),  # as few images make them, with one step between accuracies
    ],
)
def test_recorded_intervals_stay_what_they_are(differences: list[float], half: float) -> None:
    """As t times the standard deviation over the root of n gave them."""
    assert half_interval(differences) == pytest.approx(half, rel=1e-12, abs=1e-12)


def test_where_runs_failed_what_is_left_in_common_is_compared() -> None:
    """A trial of which nothing is left, or a seed that one of the others lacks, must not make pairs of unlike runs."""
    whole: dict[int, float | None] = {7: 0.9, 8: 0.8}
    assert comparable({"a": whole, "b": {7: 0.7, 8: 0.6}}) == {"a": whole, "b": {7: 0.7, 8: 0.6}}
    assert comparable({"a": whole, "b": {7: None, 8: 0.6}}) == {"a": {8: 0.8}, "b": {8: 0.6}}
    assert comparable({"a": whole, "b": {7: None, 8: None}, "c": whole}) == {"a": whole, "c": whole}
    assert comparable({"a": {7: 0.9, 8: None}, "b": {7: None, 8: 0.6}}) == {}


@pytest.mark.parametrize(
    ("states", "error", "line"),
    [
        (["failed", "failed"], "OSError: disk", "no trial is complete: t0000: OSError: disk"),
        (["pruned", "running"], None, "no trial is complete yet; --resume continues those that were interrupted"),
        (["diverged", "pruned", "diverged"], None, "no trial is complete: 2 diverged, 1 pruned"),
    ],
)
def test_why_there_is_no_winner(states: list[State], error: str | None, line: str) -> None:
    trials = [TrialResult(number, {}, Recipe(), 0, None, [], state, error) for number, state in enumerate(states)]
    assert finalists._why_none(SearchResult(Path("gone"), COMPLETE, {}, trials)) == line


def run_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: dict[str, list[float | None]], states: dict[str, State]
) -> tuple[Verdict | None, list[str]]:
    """The verdict on trials whose runs end with these scores, in the order of the seeds, and what is printed."""
    search = Search(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    seeds = list(seeds_of(search.context.config.search))

    def train_runs(context: Context, calls: dict[RunFolder, Any], *_: object) -> list[float | None]:
        by_folder = {context.folder.finalist(name, seed): (name, seed) for name in scores for seed in seeds}
        assert {call[2] for call in calls.values()} == set(seeds)
        ends = [(by_folder[folder], call[2]) for folder, call in calls.items()]
        assert all(seed == given for (_, seed), given in ends)
        return [scores[name][seeds.index(seed)] for (name, _), seed in ends]

    monkeypatch.setattr(finalists, "train_runs", train_runs)
    trials = [TrialResult(int(name[1:]), {}, Recipe(), 0, None, [], states.get(name, "complete")) for name in scores]
    nothing: Any = None
    finalists.run_finalists(search.context, trials, nothing, lambda done, total: None)
    return read_record_or_none(Verdict, search.context.folder.verdict), search.lines


def test_each_score_belongs_to_its_trial_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores: dict[str, list[float | None]] = {"t0002": [0.91, 0.92, 0.93], "t0001": [0.81, 0.82, 0.86]}
    verdict, _ = run_of(tmp_path, monkeypatch, scores, {})
    assert verdict is not None
    assert {name: list(row.scores) for name, row in verdict.trials.items()} == scores
    assert (verdict.winner, verdict.failed) == ("t0002", ())


def test_a_pruned_finalist_is_run_and_does_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores: dict[str, list[float | None]] = {"t0000": [0.99] * 3, "t0001": [0.8] * 3, "t0002": [0.9] * 3}
    verdict, _ = run_of(tmp_path, monkeypatch, scores, {"t0000": "pruned"})
    assert verdict is not None
    assert (verdict.winner, verdict.runner_up) == ("t0002", "t0001")


def test_a_finalist_whose_runs_all_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores: dict[str, list[float | None]] = {"t0000": [None] * 3, "t0001": [0.8] * 3, "t0002": [0.9] * 3}
    verdict, _ = run_of(tmp_path, monkeypatch, scores, {})
    assert verdict is not None
    assert (verdict.winner, verdict.failed) == ("t0002", ("t0000",))


def test_one_finalist_alone_is_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores: dict[str, list[float | None]] = {"t0001": [None] * 3, "t0002": [0.9] * 3}
    verdict, lines = run_of(tmp_path, monkeypatch, scores, {})
    assert verdict is None
    assert lines == ["finalists: too many runs failed to compare them; the best trial wins"]


def run_again(folder: Path, **changes: float) -> float:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    images = Images(pixels, np.arange(60) % 3)
    data = TrainingData(images, images, 3, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    small = {"image_size": 8, "width": 2, "epochs": 3, "peak_epoch": 1, "batch_size": 16, "pad": 1, "cutout": 2}
    worker, shared = (
        Worker(Hardware(device="cpu", precision="fp32", threads=1), lambda: None, lambda: None),
        Shared(folder, None, LAYOUT),
    )
    return finalists.run_again(worker, shared, Recipe(**{**small, **changes}), data, 0)


@pytest.mark.parametrize("changes", [{}, {"max_lr": 1e30, "min_lr_fraction": 1.0}], ids=["complete", "diverged"])
def test_a_run_that_has_ended_keeps_no_checkpoint_and_is_not_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, float]
) -> None:
    score = run_again(tmp_path, **changes)
    assert score == RunFolder(tmp_path).epochs()[-1].score
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]
    monkeypatch.setattr(finalists, "fit", lambda *_: pytest.fail("run twice"))
    assert run_again(tmp_path, **changes) == score


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut_off = tmp_path / "whole", tmp_path / "cut off"
    score = run_again(whole)
    cut_off.mkdir()
    lines = (whole / "metrics.jsonl").read_text().splitlines()
    (cut_off / "metrics.jsonl").write_text("\n".join([*lines[:2], lines[2][:30]]))
    assert run_again(cut_off) == score
    (cut_off / "metrics.jsonl").unlink()
    (cut_off / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(CheckpointError):
        run_again(cut_off)
