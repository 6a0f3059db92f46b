"""Reads a network's predictions on the test images, and computes its errors, confusions and calibration."""

import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tune_s11.config import InputError
from tune_s11.lr_range.curve import Floats
from tune_s11.results.folder import RefitFolder

Ints = npt.NDArray[np.int64]

BINS = 15
"""Number of bins of equal width over the confidence, as in Guo et al."""


@dataclass(frozen=True)
class Calibration:
    """Agreement of confidence and accuracy: Guo et al., "On Calibration of Modern Neural Networks" (arXiv:1706.04599).

    Attributes:
        edges: Confidences at the edges of the bins, rising from 0 to 1, (M + 1,); a bin includes its upper edge.
        counts: Number of images in each bin, (M,).
        confidence: Mean confidence in each bin, (M,); NaN in an empty bin.
        accuracy: Share of each bin's images that are classified correctly, (M,); NaN in an empty bin.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, bins weighted by their images."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


@dataclass(frozen=True)
class Predictions:
    """The predictions of one network, with the weights that are shipped, on the test images.

    Attributes:
        labels: True classes, (N,).
        probabilities: Softmax of the logits, (N, K). The logits are those of the loss, ``logit_scale`` included.
    """

    labels: Ints
    probabilities: Floats

    @property
    def predicted(self) -> Ints:
        """Likeliest class of each image, (N,)."""
        likeliest: Ints = self.probabilities.argmax(axis=1)
        return likeliest

    @property
    def confidence(self) -> Floats:
        """Probability of the likeliest class, (N,)."""
        highest: Floats = self.probabilities.max(axis=1)
        return highest

    @property
    def confusion(self) -> Ints:
        """Number of images by true class (rows) and predicted class (columns), (K, K)."""
        counts = np.zeros((self.probabilities.shape[1],) * 2, dtype=np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    @property
    def in_class(self) -> Ints:
        """Number of images of each true class, (K,)."""
        return np.bincount(self.labels, minlength=self.probabilities.shape[1])

    @property
    def recall(self) -> Floats:
        """Share of each class's images that are classified correctly, (K,); NaN for a class without images."""
        correct = np.bincount(self.labels[self.predicted == self.labels], minlength=self.probabilities.shape[1])
        return correct / np.where(self.in_class, self.in_class, np.nan)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images: the accuracy if all of them had the same number."""
        return float(np.nanmean(self.recall))

    def most_confused(self, most: int) -> list[tuple[int, int, int]]:
        """Return the commonest errors first, at most ``most``: true class, predicted class and number of images."""
        counts = self.confusion
        np.fill_diagonal(counts, 0)
        places = np.argsort(-counts.ravel(), kind="stable")[:most]
        pairs = (divmod(int(place), len(counts)) for place in places)
        return [(true, predicted, int(counts[true, predicted])) for true, predicted in pairs if counts[true, predicted]]

    def mistakes(self, most: int) -> Ints:
        """Return the indices of misclassified images, the most confident first, at most ``most``."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")[:most]]

    def typical(self, label: int) -> int | None:
        """Return the index of the image of median confidence among a class's correctly classified ones.

        For an even number of images, it is the less confident of the middle two; None if there are none. The most
        confident one would show the network at its best, not as it usually is.
        """
        correct = np.flatnonzero((self.labels == label) & (self.predicted == label))
        rising = correct[np.argsort(self.confidence[correct], kind="stable")]
        return int(rising[(len(rising) - 1) // 2]) if len(rising) else None

    def calibration(self) -> Calibration:
        """Return confidence and accuracy in :data:`BINS` bins."""
        edges = np.linspace(0, 1, BINS + 1)
        bins = np.digitize(self.confidence, edges[1:-1], right=True)
        counts = np.bincount(bins, minlength=BINS)
        in_bins = np.where(counts, counts, np.nan)
        confidence, accuracy = (
            np.bincount(bins, weights, minlength=BINS) / in_bins
            for weights in (self.confidence, self.predicted == self.labels)
        )
        return Calibration(edges, counts, confidence, accuracy)


def read_predictions(folder: RefitFolder, classes: int | None = None) -> Predictions:
    """Read the predictions from the test logits of the run in ``folder``.

    Args:
        folder: Folder of a run that is tested.
        classes: Number of classes; None: unknown.

    Raises:
        InputError: The logits are missing, damaged, not finite, or of other classes.
    """
    path = folder.test_logits
    try:
        # Opened here, because numpy does not close a damaged archive that it has opened itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            shipped = arrays["ema" if "ema" in arrays else "raw"]
            labels, logits = arrays["labels"].astype(np.int64), shipped.astype(np.float64)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from None
    if logits.ndim != 2 or not logits.size or labels.shape != logits.shape[:1] or not np.isfinite(logits).all():
        raise InputError(f"{path}: holds no finite logits, one row for each label")
    if classes not in (None, logits.shape[1]):
        raise InputError(f"{path}: holds logits of {logits.shape[1]} classes; the data has {classes}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise InputError(f"{path}: holds labels outside the {logits.shape[1]} classes of its logits")
    return Predictions(labels, torch.softmax(torch.from_numpy(logits), dim=1).numpy())
