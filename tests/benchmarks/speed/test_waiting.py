"""Each count trains in a process of its own, and speed is relative to the default of the same round."""

import pytest

from benchmarks.speed import waiting
from benchmarks.speed.waiting import COUNTS, Sizes, main, measure, table


@pytest.mark.slow
def test_a_step_is_timed_beside_a_search_that_ends_with_it() -> None:
    assert 0 < measure(0, 1, Sizes(1, 8, 16), steps=1) < 60


def test_speeds_are_taken_within_a_round() -> None:
    rounds = [
        dict(zip(COUNTS, [{0: 0.1, 2: 0.8}, {0: 0.1, 2: 0.4}, {0: 0.2, 2: 0.2}, {0: 0.2, 2: 0.1}], strict=True)),
        dict(zip(COUNTS, [{0: 0.3, 2: 0.8}, {0: 0.1, 2: 0.8}, {0: 0.2, 2: 0.2}, {0: 0.4, 2: 0.1}], strict=True)),
    ]
    head, _, default, second, *_ = table(rounds)
    assert head == "| turns | alone: ms a step | alone: speed | beside 2: ms a step | beside 2: speed |"
    assert default.endswith("| 800.0 (800.0 to 800.0) | 1.00 (1.00 to 1.00) |")
    medians = ["100.0 (100.0 to 100.0)", "2.00 (1.00 to 3.00)", "600.0 (400.0 to 800.0)", "1.50 (1.00 to 2.00)"]
    assert second.strip("| ").split(" | ") == ["10,000", *medians]


def test_each_round_has_all_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(waiting, "measure", lambda turns, trainings, *_: asked.append((turns, trainings)) or 0.1)
    main(width=4, size=8, batch=64, rounds=2, steps=1)
    assert [turns for turns, trainings in asked if not trainings] == [*COUNTS, *COUNTS]
    assert "width 4, 64 images of 8 x 8" in capsys.readouterr().out
