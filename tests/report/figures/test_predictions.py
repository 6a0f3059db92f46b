"""The figures of predictions on unusual data. That they look right is for eyes."""

import numpy as np
import pytest

from tests.report.figures.helpers import width_and_height
from tune_s11.report import figures
from tune_s11.report.predictions import Predictions


@pytest.mark.parametrize("classes", [1, 10, 40, 250])
def test_confusion_of_few_and_many_classes(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64)
    counts[0, 0] = 0  # a class without test images
    figure = figures.draw_confusion(counts, [f"$class^ {k}$" for k in range(classes)])
    assert len(figure.axes[0].texts) == (classes - 1 if classes <= 20 else 0)
    width_and_height(figure)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (5, 1), (6, 2), (25, 5)])
@pytest.mark.parametrize("maps", [1, 2])
def test_sheet_grows_by_rows_of_five(count: int, rows: int, maps: int) -> None:
    heat = np.zeros((count, 8, 8), np.float32)
    captions = [("$cat^", "→ dog$, 99.0 %")] * count
    figure = figures.draw_heat_maps(np.zeros((count, 8, 8, 3), np.uint8), [heat] * maps, captions, "$note^")
    assert len(figure.axes) == (1 + maps) * count
    row = 2.1 / (1 + maps) + 0.46
    assert width_and_height(figure)[1] == pytest.approx(40 * (0.2 + row * rows), abs=1)


def test_reliability_draws_what_bins_there_are() -> None:
    sure_and_right = Predictions(np.zeros(4, np.int64), np.tile([1.0, 0.0], (4, 1)))
    figure = figures.draw_reliability(sure_and_right.calibration())
    assert figure.axes[0].get_title(loc="left") == "Expected calibration error 0.00 %"
    assert [text.get_text() for text in figure.axes[1].texts] == ["4"]
    width_and_height(figure)
