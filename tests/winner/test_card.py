"""The model card beside what is exported."""

import json
from pathlib import Path

import pytest

from tests.winner.exported import export_from
from tests.winner.finished import edit
from tune_s11.winner.card import without_folders


def test_the_card_has_accuracy_data_and_recipe(finished: Path, images: Path) -> None:
    export_from(finished, "safetensors")
    card = (finished / "best" / "export" / "README.md").read_text()
    metrics = json.loads((finished / "best" / "metrics.json").read_text())
    tested = metrics["test_accuracy"]
    assert f"| {tested['mean']:.4f} | {tested['sd']:.4f} | 2 |" in card
    assert f"| test images, this refit | {metrics['runs'][0]['ema']:.4f} |" in card
    assert "| 0.8400 |" in card
    assert '["<b>cat", "dog & co", "frog"]' in card
    assert "| momentum | 0.95 |" in card
    assert "model.pt2" not in card
    assert str(images.parent) not in card  # of this machine
    assert f"| data set | folder {images.name} |" in card
    assert "| augmentation | batched |" in card


@pytest.mark.parametrize(
    ("command", "published"),
    [
        (
            "run_search.py --gpus 4 --storage s3://bucket/of/mine",
            "run_search.py --gpus 4 --storage s3://bucket/of/mine",
        ),
        ("run_search.py --data-dir /home/me/secret/birds", "run_search.py --data-dir birds"),
        ("run_search.py --data-dir=/birds --space my/a.yaml", "run_search.py --data-dir=birds --space my/a.yaml"),
        ("tune-s11 search --data-dir '/home/me/secret birds'", "tune-s11 search --data-dir 'secret birds'"),
    ],
)
def test_folders_in_the_command_are_not_published(command: str, published: str) -> None:
    assert without_folders(command) == published


def test_a_pipelines_folder_is_not_published(finished: Path) -> None:
    for name in ("winner.json", "metrics.json"):
        file = finished / "best" / name
        edit(file, recipe=json.loads(file.read_text())["recipe"] | {"augmentation": "/home/me/secret/pipeline.json"})
    export_from(finished, "safetensors")
    card = (finished / "best" / "export" / "README.md").read_text()
    assert "| augmentation | pipeline.json |" in card
    assert "secret" not in card
