"""How a search went, drawn from unusual data. That it looks right is for eyes."""

from tests.report.figures.helpers import drawn
from tune_s11.report import figures
from tune_s11.report.timeline import best_so_far, build_timeline
from tune_s11.results import TrialResult


def test_timeline_names_states_and_the_winner(mixed: list[TrialResult]) -> None:
    timeline = build_timeline(mixed)
    assert timeline is not None
    texts = drawn(figures.draw_timeline(timeline, "t0000"))
    assert texts == ["complete", "pruned", "running", "diverged", "winner t0000", "0", "3", "1", "2"]
    assert "winner t0000" not in drawn(figures.draw_timeline(timeline, None))


def test_best_so_far_with_and_without_a_complete_trial(mixed: list[TrialResult]) -> None:
    assert drawn(figures.draw_best_so_far(best_so_far(mixed, 6), "t0000")) == [
        "best of any epoch",
        "best complete trial",
        "winner t0000",
    ]
    assert drawn(figures.draw_best_so_far(best_so_far(mixed[1:], 6), None)) == ["best of any epoch"]
