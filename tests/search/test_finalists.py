"""Who wins among the finalists, and when that is said to be noise. Their runs are part of test_session.py."""

import numpy as np
import pytest

from tune_s11.search.finalists import judge


def test_the_best_mean_wins_and_leads_by_the_paired_differences() -> None:
    verdict = judge({"t0001": [0.90, 0.92, 0.91], "t0005": [0.94, 0.95, 0.96], "t0002": [0.80, 0.99, 0.70]})
    assert list(verdict["trials"]) == ["t0005", "t0001", "t0002"]
    assert (verdict["winner"], verdict["runner_up"], verdict["tied"]) == ("t0005", "t0001", False)
    # Student's interval by hand: differences 0.04, 0.03, 0.05; t(0.975, 2) = 4.3027.
    half = 4.3027 * 0.01 / np.sqrt(3)
    assert verdict["margin"] == {
        "mean": pytest.approx(0.04),
        "low": pytest.approx(0.04 - half, abs=1e-5),
        "high": pytest.approx(0.04 + half, abs=1e-5),
        "confidence": 0.95,
    }
    assert verdict["trials"]["t0005"] == {
        "scores": [0.94, 0.95, 0.96],
        "mean": pytest.approx(0.95),
        "sd": pytest.approx(0.01),
        "n": 3,
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.93, 0.91], [0.92, 0.91]),  # the interval holds 0
        ([0.93], [0.92]),  # one seed tells no spread
        ([0.9, 0.9, 0.9], [0.9, 0.9, 0.9]),
    ],
)
def test_what_noise_explains_is_a_tie(first: list[float], second: list[float]) -> None:
    verdict = judge({"t0000": first, "t0001": second})
    assert verdict["winner"] == "t0000"
    assert verdict["tied"]
    assert (verdict["margin"]["low"] is None) == (len(first) == 1)
