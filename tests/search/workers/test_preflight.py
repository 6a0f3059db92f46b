"""The fingerprint by which nodes prove that they have the images; the check itself needs nodes: tests/cluster."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.search.workers import preflight
from tune_s11.search.workers.preflight import check_nodes, fingerprint
from tune_s11.training.trainer import TrainingData

STATISTICS = (0.5, 0.5, 0.5)


def data(train: int, validation: int | None) -> TrainingData:
    def images(value: int) -> Images:
        return Images(np.full((2, 8, 8, 3), value, np.uint8), np.array([0, 1]))

    return TrainingData(images(train), None if validation is None else images(validation), 2, STATISTICS, STATISTICS)


def test_a_fingerprint_is_that_of_all_images() -> None:
    assert fingerprint(data(1, 2)) == fingerprint(data(1, 2))
    assert len({fingerprint(data(*values)) for values in ((1, 2), (1, 3), (2, 2), (1, None))}) == 4
    assert len(fingerprint(data(1, 2))) == 16


def test_one_machine_has_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "fingerprint", lambda images: pytest.fail("hashes all images for nothing"))
    nothing: Any = None
    check_nodes((), tmp_path, Recipe(), data(1, 2), nothing)
