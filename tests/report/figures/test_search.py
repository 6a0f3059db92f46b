"""How a search went, drawn from unusual data. That it looks right is for eyes."""

from collections.abc import Callable

from tests.report.figures.helpers import drawn
from tune_s11.report import figures
from tune_s11.report.timeline import best_so_far, build_timeline
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]


def test_timeline_names_states_and_the_winner(mixed: list[TrialResult]) -> None:
    timeline = build_timeline(mixed)
    assert timeline is not None
    texts = drawn(figures.draw_timeline(timeline, "t0000"))
    assert texts == ["complete", "pruned", "running", "diverged", "winner t0000", "0", "3", "1", "2"]
    assert "winner t0000" not in drawn(figures.draw_timeline(timeline, None))


def test_one_lane_has_one_tick(make_trial: Make) -> None:
    timeline = build_timeline([make_trial(0, [0.5, 0.9], spans=[("vm:1", 0, 20, 2)])])
    assert timeline is not None
    axes = figures.draw_timeline(timeline, None).axes[0]
    ends = axes.get_ylim()
    assert [tick for tick in axes.get_yticks() if min(ends) <= tick <= max(ends)] == [0]


def test_best_so_far_with_and_without_a_complete_trial(mixed: list[TrialResult]) -> None:
    assert drawn(figures.draw_best_so_far(best_so_far(mixed, 6), mixed[0])) == [
        "best of any epoch",
        "best complete trial",
        "winner t0000",
    ]
    assert drawn(figures.draw_best_so_far(best_so_far(mixed[1:], 6), None)) == ["best of any epoch"]


def test_the_star_is_the_winners_who_need_not_have_the_best_score(make_trial: Make) -> None:
    """The better score came first and lost to it as a finalist."""
    lost = make_trial(0, [0.5, 0.9], spans=[("vm:1", 0, 20, 2)])
    won = make_trial(1, [0.5, 0.8], spans=[("vm:1", 20, 40, 2)])
    figure = figures.draw_best_so_far(best_so_far([lost, won], 2), won)
    (star,) = (line for line in figure.axes[0].lines if line.get_label() == "winner t0001")
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([4], [0.8])
