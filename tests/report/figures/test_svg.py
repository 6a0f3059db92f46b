"""Figures as SVG: what has a title, text as text, nothing that two pictures of a page would quarrel over."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from optuna.distributions import BaseDistribution, FloatDistribution

from tests.report.figures.helpers import NAMES, titles
from tune_s11.config import Recipe
from tune_s11.report import figures
from tune_s11.report.compare import Compared, HeldOutEpoch
from tune_s11.report.figures.svg import save, set_point_titles, set_title, svg
from tune_s11.report.predictions import Predictions
from tune_s11.report.timeline import best_so_far, build_timeline
from tune_s11.results import TrialResult
from tune_s11.results.lr_range import read_range_test


@pytest.fixture
def figure() -> Figure:
    return figures.draw_schedule(np.array([0.0, 1.0]), np.array([0.1, 0.2]), title="$rising & <b>")


@given(title=st.text(min_size=1))
def test_any_title_is_text(title: str) -> None:
    figure = Figure(figsize=(1, 1))
    line = figure.add_artist(Line2D([0, 1], [0, 1]))
    set_title(line, title)
    (found,) = titles(svg(figure, "a"))
    whole = title.replace("\r\n", "\n").replace("\r", "\n")
    assert all(after in (before, "\ufffd") for before, after in zip(whole, found, strict=True))
    assert found == title or not title.isprintable()


def test_text_is_text_and_the_style_stays_within(figure: Figure) -> None:
    before = dict(matplotlib.rcParams)
    text = svg(figure, "a")
    assert dict(matplotlib.rcParams) == before
    found = [it.text for it in ElementTree.fromstring(text).iter(f"{{{NAMES['svg']}}}text")]
    assert {"epoch", "learning rate", "$rising & <b>"} <= set(found)
    assert "sans-serif" in text


def test_a_line_is_within_reach_of_the_mouse(figure: Figure) -> None:
    set_title(figure.axes[0].lines[0], "it")
    root = ElementTree.fromstring(svg(figure, "a"))
    (group,) = root.findall(".//svg:g[@class='titled']", NAMES)
    title, line, reach = group
    assert (title.text, reach.get("class"), reach.get("d")) == ("it", "reach", line.get("d"))
    assert "stroke: transparent" in reach.get("style", "")
    assert "stroke: #0072b2" in line.get("style", "")


def test_points_have_titles_of_their_own_unless_one_is_missing() -> None:
    def drawn(values: list[float]) -> list[str]:
        figure = Figure(figsize=(1, 1))
        (line,) = figure.add_subplot().plot(values, "o")
        set_point_titles(line, ["one", "two", "three"])
        return titles(svg(figure, "a"))

    assert drawn([1, 2, 3]) == ["one", "two", "three"]
    assert drawn([1, np.nan, 3]) == []


def test_the_same_results_give_the_same_bytes(make_trial: Callable[..., TrialResult]) -> None:
    def drawn() -> str:
        trials = [make_trial(0, [0.5, 0.6]), make_trial(1, [0.4], "pruned", spans=[("vm:1", 0, 9, 1)])]
        timeline = build_timeline(trials[1:])
        assert timeline is not None
        return svg(figures.draw_trials(trials, "t0000", [1], 2), "a") + svg(figures.draw_timeline(timeline, None), "b")

    assert drawn() == drawn()


def test_pictures_of_one_page_share_no_id(figure: Figure) -> None:
    def ids(text: str) -> set[str]:
        return {it.get("id", "") for it in ElementTree.fromstring(text).iter()} - {""}

    assert ids(svg(figure, "a"))
    assert not ids(svg(figure, "a")) & ids(svg(figure, "b"))


def test_a_file_is_what_its_name_says(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "a.svg")
    save(figure, tmp_path / "a.png")
    save(figure, tmp_path / "a")
    ElementTree.parse(tmp_path / "a.svg")
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("a.png", "a"))


def test_marks_and_bars_say_what_they_are(make_trial: Callable[..., TrialResult], pristine: Path) -> None:
    trials = [
        make_trial(0, [0.2, 0.4, 0.5, 0.6, 0.7, 0.8], params={"max_lr": 0.1}, spans=[("vm:1", 0, 60, 6)]),
        make_trial(1, [0.1, 0.3], "pruned", {"max_lr": 0.2}, [("vm:2", 0, 20, 2)]),
    ]
    timeline = build_timeline(trials)
    assert timeline is not None
    share = {"mean": 0.6, "low": 0.5, "high": 0.7}
    sure = Predictions(np.zeros(4, np.int64), np.tile([0.97, 0.03], (4, 1)))
    seen = [HeldOutEpoch(row.epoch, row.lr, row.score, row.score, False) for row in trials[0].rows]
    run = Compared("one", "run", Recipe(epochs=6), "test", 0, seen)
    domains: dict[str, BaseDistribution] = {"max_lr": FloatDistribution(0.1, 1, log=True)}
    pruned = "t0001, pruned: 30.00 % after epoch 2\nmax_lr 0.2"
    for figure, title in (
        (figures.draw_timeline(timeline, "t0000"), f"{pruned}\n20 s on worker 1"),
        (figures.draw_slices(trials, domains, "t0000"), pruned),
        (figures.draw_parallel(trials, domains, "t0000"), pruned),
        (figures.draw_best_so_far(best_so_far(trials, 6), trials[0]), "t0000: 80.00 %, after 8 epochs of all"),
        (figures.draw_best_so_far(best_so_far(trials, 6), trials[0]), "t0000, the winner: 80.00 %"),
        (figures.draw_changes(trials[0].rows), "epoch 2\nvalidation, EMA weights: +20 percentage points"),
        (figures.draw_importances({"n": 9, "evaluators": {"fANOVA": {"pad": share}, "other": {"pad": share}}}),
         "pad, fANOVA: 60.0 % (50.0 to 70.0 %)"),
        (figures.draw_comparison([run], None), "one: one_cycle, max_lr 0.4\n80.00 % after epoch 6"),
        (figures.draw_reliability(sure.calibration()),
         "confidence up to 100 %, mean 97.0 %\naccuracy 100.0 %, 4 images"),
        (figures.draw_range_test(read_range_test(pristine / "lr_range.json"), 0.4), "the winner's max_lr 0.4"),
        (figures.draw_schedule(np.arange(2.0), np.array([0.1, 0.2]), np.array([[1, 0.2]])), "epoch 1: 0.2"),
    ):  # fmt: skip
        assert title in titles(svg(figure, "a"))
