"""Explains a network's predictions for test images with heat maps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tune_s11.config import InputError
from tune_s11.data import load_dataset, normalise
from tune_s11.report.builder import Tested
from tune_s11.report.gradcam import choose_layer, heat_maps
from tune_s11.report.predictions import Ints, Predictions
from tune_s11.winner.loading import read_network


@dataclass(frozen=True)
class Explained:
    """Images with heat maps for two classes each.

    Attributes:
        pixels: Images, (N, H, W, 3) uint8.
        of_predicted: Heat maps for the predicted class, (N, H, W) in [0, 1].
        of_true: Heat maps for the true class, (N, H, W) in [0, 1].
        layer: Module from whose output the heat maps were computed.
    """

    pixels: npt.NDArray[np.uint8]
    of_predicted: npt.NDArray[np.float32]
    of_true: npt.NDArray[np.float32]
    layer: str

    def part(self, which: slice) -> "Explained":
        """Return some of the images."""
        return Explained(self.pixels[which], self.of_predicted[which], self.of_true[which], self.layer)


def explain(tested: Tested, predictions: Predictions, chosen: Ints, layer: str | None) -> Explained:
    """Return heat maps for some test images, from the weights that are shipped.

    Args:
        tested: Run that was tested.
        predictions: Predictions of the run.
        chosen: Indices of test images, (N,).
        layer: Dotted name of the layer to explain; None: the result of :func:`tune_s11.report.gradcam.choose_layer`.

    Raises:
        InputError: The test images are missing or not those that were predicted, or the network lacks the layer.
        CheckpointError: The checkpoint is missing, damaged, or of another network.
    """
    dataset = load_dataset(tested.recipe)
    if not np.array_equal(dataset.test.labels, predictions.labels):
        raise InputError("the test images are not those that the network was tested on")
    model = read_network(tested.folder, tested.recipe, predictions.probabilities.shape[1])
    pixels = dataset.test.pixels[chosen]
    images = normalise(torch.from_numpy(pixels), dataset.mean, dataset.std)
    classes = [torch.from_numpy(labels[chosen]) for labels in (predictions.predicted, predictions.labels)]
    if layer is None:
        layer = choose_layer(model.eval(), images[:1])
    of_predicted, of_true = (heat_maps(model, images, each, layer) for each in classes)
    return Explained(pixels, of_predicted, of_true, layer)
