"""Heat maps of a network of one's own, and why there are none."""

from pathlib import Path

import pytest

from tests.report.helpers import ALL, HEAT_MAPS, SEED_0, compose_search
from tune_s11.training.checkpoint import save_checkpoint


def test_layer_that_the_network_lacks(pristine: Path) -> None:
    report = compose_search(pristine, layer="layer7")
    (gap,) = report.numbers["not_shown"]
    assert gap["why"].startswith("--layer 'layer7': the network has no such layer")
    assert set(report.figures) == ALL - HEAT_MAPS


def test_test_images_that_are_gone(search_path: Path) -> None:
    space = search_path / "search.yaml"
    lines = [
        "  data_dir: /nowhere" if line.startswith("  data_dir:") else line for line in space.read_text().splitlines()
    ]
    space.write_text("\n".join(lines))
    report = compose_search(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["what"] == "what the network looks at"
    assert "/nowhere" in gap["why"]
    assert set(report.figures) == ALL - HEAT_MAPS


def test_failure_of_ones_own_network_is_a_line(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("of the user's own")

    monkeypatch.setattr("tune_s11.winner.loading.build_model", broken)
    (gap,) = compose_search(search_path).numbers["not_shown"]
    assert gap["why"] == "ZeroDivisionError: of the user's own"


OWN_NETWORK = """
import torch.nn as nn

def build(width, num_classes, image_size):
    features = nn.Sequential(nn.Conv2d(3, width, 3, stride=4), nn.ReLU(inplace=True))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
"""


def test_ones_own_network_has_layers_of_its_own(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (search_path / "own_network.py").write_text(OWN_NETWORK)
    monkeypatch.syspath_prepend(search_path)
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("model: s11", "model: own_network:build"))
    from own_network import build

    average = build(3, 3, 32).state_dict()
    save_checkpoint(search_path / SEED_0 / "checkpoint.pt", {"average": average})
    (gap,) = compose_search(search_path, layer="layer3").numbers["not_shown"]
    assert "--layer 'layer3': the network has no such layer; expected one of 0, 1, 2, 3" in gap["why"]
    for layer in (None, "0.0"):  # without one: its last maps
        report = compose_search(search_path, layer)
        assert report.numbers["not_shown"] == []
        assert set(report.figures) == ALL
        assert report.numbers["mistakes"]["layer"] == (layer or "0")
