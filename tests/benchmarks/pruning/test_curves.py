from pathlib import Path

import numpy as np
import pytest

from benchmarks.pruning.curves import build_curves, read_curves, score_of_winner
from benchmarks.tools.lines import append_line, read_lines
from tests.benchmarks.pruning.synthetic import recording
from tune_s11.config import InputError

SCORES = np.linspace(0.6, 0.8, 9)


def test_half_a_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "new" / "curves.jsonl"
    assert read_lines(path) == []
    append_line(path, {"a": 1})
    path.write_text(path.read_text() + '{"b": ')
    assert read_lines(path) == [{"a": 1}]
    append_line(path, {"c": 3})
    assert read_lines(path) == [{"a": 1}, {"c": 3}]
    assert path.read_text().endswith('{"c":3}\n')


def test_a_line_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    path.write_text("accuracy,epoch\n")
    with pytest.raises(InputError, match=r"not a recording"):
        read_lines(path)


def test_lines_become_arrays_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    header, lines = recording(SCORES, lambda score, epoch: score * epoch / 24)
    for line in [header, *reversed(lines)]:
        append_line(tmp_path / "curves.jsonl", line)
    curves = read_curves(tmp_path / "curves.jsonl")
    assert curves.score == pytest.approx(SCORES)
    assert curves.signals["raw"].shape == (9, 24)
    assert curves.signals["ema"][:, 11] == pytest.approx(SCORES / 2)
    assert list(curves.signals) == [
        *("raw", "ema_1/6", "ema", "ema_1", "ema_recomputed"),
        *("probe_1/2_raw", "probe_1/2_ema"),
    ]
    probed = curves.signals["probe_1/2_ema"]
    assert (np.flatnonzero(~np.isnan(probed).any(0)) + 1).tolist() == [2, 3, 4, 6, 8, 12]
    assert probed[:, 5] == pytest.approx(SCORES / 4)


def test_a_trial_that_diverged_ranks_last_from_then_on() -> None:
    curves = build_curves(*recording(SCORES, lambda score, epoch: score, diverged={8: 6, 2: 2}))
    assert curves.ended.tolist() == [24, 24, 2, 24, 24, 24, 24, 24, 6]
    assert curves.diverged.tolist() == [number in (2, 8) for number in range(9)]
    assert (curves.score[8], curves.chosen_by[8]) == (0.0, -1.0)
    assert curves.signals["ema"][8].tolist() == [0.8] * 5 + [0.0] * 19
    probed = curves.signals["probe_1/2_raw"][8]
    assert probed[[1, 2, 3, 5, 7, 11]].tolist() == [0.8] * 3 + [0.0] * 3


def test_costs_are_what_was_measured() -> None:
    """One plain epoch takes 2 s; a probe 0.8 s and a validation 0.2 s, recomputing 0.1 s and a validation."""
    curves = build_curves(*recording(SCORES, lambda score, epoch: score))
    assert curves.costs == pytest.approx(
        dict.fromkeys(("raw", "ema_1/6", "ema", "ema_1"), 0.0)
        | {"ema_recomputed": 0.15, "probe_1/2_raw": 0.5, "probe_1/2_ema": 0.5}
    )


@pytest.mark.parametrize(
    ("count", "diverged", "message"),
    [(7, {}, "7 configurations, fewer than 8"), (8, dict.fromkeys(range(8), 2), "all 8 configurations diverged")],
)
def test_too_little_is_refused(tmp_path: Path, count: int, diverged: dict[int, int], message: str) -> None:
    header, lines = recording(SCORES[:count], lambda score, epoch: score, diverged=diverged)
    for line in [header, *lines]:
        append_line(tmp_path / "curves.jsonl", line)
    with pytest.raises(InputError, match=message):
        read_curves(tmp_path / "curves.jsonl")
    with pytest.raises(InputError, match=r"0 configurations"):
        read_curves(tmp_path / "none.jsonl")


def test_validation_names_five_finalists_and_the_images_apart_the_winner() -> None:
    ends = [(0.9 - number / 100, 0.6 + number / 100) for number in range(8)]
    assert score_of_winner(ends) == pytest.approx(0.64)  # numbers 0 to 4
    assert score_of_winner(reversed(ends)) == pytest.approx(0.64)
    assert score_of_winner(ends[5:7]) == pytest.approx(0.66)
    assert score_of_winner([(-1.0, 0.9), (0.5, 0.4)]) == 0.4  # the first one diverged
    assert score_of_winner([]) == 0
