"""What is counted of the predictions, on cases small enough to count by hand."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tune_s11.report.predictions import Predictions


def predictions(*rows: tuple[int, float, float]) -> Predictions:
    """From true class and probabilities of the classes 0 and 1; what is left is class 2's."""
    labels = np.array([label for label, *_ in rows])
    return Predictions(labels, np.array([(zero, one, 1 - zero - one) for _, zero, one in rows]))


def test_calibration_bins_hold_their_upper_edge() -> None:
    found = predictions((0, 0.6, 0.4), (1, 0.6, 0.4), (0, 0.61, 0.39), (0, 1.0, 0.0)).calibration()
    assert {k: count for k, count in enumerate(found.counts.tolist()) if count} == {8: 2, 9: 1, 14: 1}
    assert found.accuracy[[8, 9, 14]].tolist() == [0.5, 1, 1]
    assert found.confidence[[8, 9, 14]] == pytest.approx([0.6, 0.61, 1])
    assert np.isnan(found.accuracy[0])
    assert found.error == pytest.approx((2 * 0.1 + 0.39 + 0) / 4)


def test_calibration_error_where_it_is_always_sure_and_half_right() -> None:
    assert predictions((0, 1, 0), (1, 1, 0)).calibration().error == pytest.approx(0.5)


def test_most_confused_counts_each_direction_and_only_errors() -> None:
    found = predictions((0, 0, 1), (0, 0, 1), (0, 1, 0), (1, 1, 0), (2, 0, 0))
    assert found.most_confused(5) == [(0, 1, 2), (1, 0, 1)]
    assert found.most_confused(1) == [(0, 1, 2)]
    assert predictions((0, 1, 0)).most_confused(5) == []


@pytest.mark.parametrize(("confidences", "image"), [((0.9,), 0), ((0.9, 0.7), 1), ((0.9, 0.6, 0.7), 2)])
def test_typical_image_has_the_median_confidence(confidences: tuple[float, ...], image: int) -> None:
    wrong = (1, 0.8, 0.2)
    found = predictions(*((0, confidence, 0.0) for confidence in confidences), wrong)
    assert found.typical(0) == image
    assert found.typical(1) is None
    assert found.typical(2) is None


def test_recall_and_balanced_accuracy_are_scikit_learns() -> None:
    rows = [(0, 0.9, 0.1), (0, 0.9, 0.1), (0, 0.9, 0.1), (0, 0.2, 0.8), (1, 0.7, 0.3), (1, 0.2, 0.8)]
    found = predictions(*rows)
    assert found.in_class.tolist() == [4, 2, 0]
    assert found.recall[:2].tolist() == [0.75, 0.5]
    assert np.isnan(found.recall[2])  # there is no image of that class
    assert found.balanced_accuracy == balanced_accuracy_score(found.labels, found.predicted) == 0.625
