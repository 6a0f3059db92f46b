"""What the report reads of the refit winner: its scores, its test curve, and what it looks at in test images."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tune_s11.checkpoint import CheckpointError, load_checkpoint
from tune_s11.config import InputError, Recipe
from tune_s11.console import resume_command
from tune_s11.data import load_dataset, normalise
from tune_s11.gradcam import heat_maps
from tune_s11.models import build_model
from tune_s11.report.predictions import Ints, Predictions
from tune_s11.results import SearchResult, TrialResult, read_rows

TRAINED = ("lr", "train_loss", "train_accuracy")
TESTED = ("test_loss", "test_accuracy", "ema_test_loss", "ema_test_accuracy")


@dataclass(frozen=True)
class Explained:
    """Images with what speaks for two classes.

    Attributes:
        pixels: (N, H, W, 3) uint8.
        of_predicted: Heat maps for the predicted class, (N, H, W) in [0, 1].
        of_true: For the true class, in the same shape.
    """

    pixels: npt.NDArray[np.uint8]
    of_predicted: npt.NDArray[np.float32]
    of_true: npt.NDArray[np.float32]

    def part(self, which: slice) -> "Explained":
        """Some of the images."""
        return Explained(self.pixels[which], self.of_predicted[which], self.of_true[which])


def read_refit(search: SearchResult, winner: TrialResult) -> dict[str, Any]:
    """Reads ``best/metrics.json``.

    Returns:
        ``accuracy`` and ``accuracy_raw`` (mean, sd, n), where the recipe was ``changed`` against the trial's,
        and each of the ``runs``.

    Raises:
        InputError: There is none yet, it is damaged, or it is of a trial that has been outdone since.
    """
    again = resume_command(search.path)
    metrics = search.refit
    if metrics is None:
        raise InputError(f"the winner is not refit yet; {again} does it")
    try:
        trial = metrics["trial"]
        keys = {"accuracy": "test_accuracy", "accuracy_raw": "test_accuracy_raw"}
        refit: dict[str, Any] = {
            name: {figure: metrics[key][figure] for figure in ("mean", "sd", "n")} for name, key in keys.items()
        }
        refit["runs"] = [{key: run[key] for key in ("seed", "ema", "raw", "diverged")} for run in metrics["runs"]]
        refit["runs"][0]
    except (KeyError, IndexError, TypeError):
        raise InputError(f"{search.path / 'best' / 'metrics.json'} is damaged; without it, {again} refits") from None
    if trial != winner.name:
        raise InputError(f"best/ holds {trial}, which {winner.name} has outdone since; {again} refits")
    return refit | {"changed": search.config.refit.model_dump(exclude_none=True)}


def read_test_curve(folder: Path) -> list[dict[str, Any]]:
    """Training and test figures of the refit in ``folder``, from ``metrics.jsonl`` and ``test_curve.jsonl``.

    Returns:
        A row an epoch, rising: ``epoch``, :data:`TRAINED` and :data:`TESTED`, of raw and averaged (``ema``) weights.
        Losses are in nats, None in an epoch that diverged; test figures are None where the curve lacks the epoch.

    Raises:
        InputError: One of the files is missing or damaged.
    """
    tested = _figures(folder / "test_curve.jsonl", TESTED)
    trained = _figures(folder / "metrics.jsonl", TRAINED)
    return [{"epoch": epoch} | trained[epoch] | tested.get(epoch, dict.fromkeys(TESTED)) for epoch in sorted(trained)]


def _figures(path: Path, keys: tuple[str, ...]) -> dict[int, dict[str, float | None]]:
    """By epoch."""
    if not path.exists():
        raise InputError(f"{path}: no such file; refits of earlier versions have none")
    try:
        rows = {int(row["epoch"]): {key: row[key] for key in keys} for row in read_rows(path)}
        sound = all(value is None or math.isfinite(value) for row in rows.values() for value in row.values())
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound or not rows:
        raise InputError(f"{path}: is damaged")
    return rows


def explain(folder: Path, recipe: Recipe, predictions: Predictions, chosen: Ints, layer: str) -> Explained:
    """Heat maps for some test images, from the averaged weights of the refit in ``folder``.

    Args:
        folder: Of the refit.
        recipe: That it was trained with.
        predictions: Its predictions.
        chosen: Indices of test images, (N,).
        layer: As :func:`tune_s11.gradcam.heat_maps`.

    Raises:
        InputError: The test images are missing or not those that were predicted, or the network lacks the layer.
        CheckpointError: The checkpoint is missing, damaged, or of another network.
    """
    dataset = load_dataset(recipe)
    if not np.array_equal(dataset.test.labels, predictions.labels):
        raise InputError("the test images are not those that the refit was tested on")
    path = folder / "checkpoint.pt"
    model = build_model(recipe, predictions.probabilities.shape[1]).eval()
    try:
        model.load_state_dict(load_checkpoint(path)["average"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: holds no average of this network's weights ({type(error).__name__})") from None
    pixels = dataset.test.pixels[chosen]
    images = normalise(torch.from_numpy(pixels), dataset.mean, dataset.std)
    classes = [torch.from_numpy(labels[chosen]) for labels in (predictions.predicted, predictions.labels)]
    return Explained(pixels, *(heat_maps(model, images, each, layer) for each in classes))
