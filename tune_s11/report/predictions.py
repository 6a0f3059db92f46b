"""What a network makes of the test images: its errors, what it takes for what, and whether its confidence is earned."""

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
"""Of equal width, over the confidence: as Guo et al. have them."""


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy agree: Guo et al., "On Calibration of Modern Neural Networks" (arXiv:1706.04599).

    Attributes:
        edges: Confidences between which the bins lie, rising from 0 to 1, (M + 1,); a bin holds its upper edge.
        counts: Images in each bin, (M,).
        confidence: Their mean confidence, (M,); NaN in an empty bin.
        accuracy: Share of them classified correctly, (M,); NaN in an empty bin.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, bins weighed by their images."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


@dataclass(frozen=True)
class Predictions:
    """What one network, with the weights that are shipped, makes of the test images.

    Attributes:
        labels: True classes, (N,).
        probabilities: Softmax of its logits, (N, K). The logits are those of the loss, ``logit_scale`` included.
    """

    labels: Ints
    probabilities: Floats

    @property
    def predicted(self) -> Ints:
        """The likeliest class of each image, (N,)."""
        likeliest: Ints = self.probabilities.argmax(axis=1)
        return likeliest

    @property
    def confidence(self) -> Floats:
        """The probability of that class, (N,)."""
        highest: Floats = self.probabilities.max(axis=1)
        return highest

    @property
    def confusion(self) -> Ints:
        """Images by true class (rows) and predicted class (columns), (K, K)."""
        counts = np.zeros((self.probabilities.shape[1],) * 2, dtype=np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    @property
    def in_class(self) -> Ints:
        """Images of each true class, (K,)."""
        return np.bincount(self.labels, minlength=self.probabilities.shape[1])

    @property
    def recall(self) -> Floats:
        """Share of each class's images that are classified correctly, (K,); NaN for a class without images."""
        correct = np.bincount(self.labels[self.predicted == self.labels], minlength=self.probabilities.shape[1])
        return correct / np.where(self.in_class, self.in_class, np.nan)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images: the accuracy, had all of them as many."""
        return float(np.nanmean(self.recall))

    def most_confused(self, most: int) -> list[tuple[int, int, int]]:
        """True class, predicted class and how many images, for the ``most`` commonest errors, falling."""
        counts = self.confusion
        np.fill_diagonal(counts, 0)
        places = np.argsort(-counts.ravel(), kind="stable")[:most]
        pairs = (divmod(int(place), len(counts)) for place in places)
        return [(true, predicted, int(counts[true, predicted])) for true, predicted in pairs if counts[true, predicted]]

    def mistakes(self, most: int) -> Ints:
        """Indices of misclassified images, the most confident first, at most ``most``."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")[:most]]

    def typical(self, label: int) -> int | None:
        """Index of the image of median confidence among those of a class that are classified correctly.

        Of an even number it is the less confident of the two in the middle; None where none is correct. The most
        confident one would show the network at its best, not as it is.
        """
        correct = np.flatnonzero((self.labels == label) & (self.predicted == label))
        rising = correct[np.argsort(self.confidence[correct], kind="stable")]
        return int(rising[(len(rising) - 1) // 2]) if len(rising) else None

    def calibration(self) -> Calibration:
        """Confidence against accuracy in :data:`BINS` bins."""
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
    """The test logits of the run in ``folder``.

    Args:
        folder: Of a run that is tested.
        classes: How many there are, where that is known.

    Raises:
        InputError: They are missing, damaged, not finite, or of other classes.
    """
    path = folder.test_logits
    try:
        # Opened here, for numpy leaves a damaged archive that it has opened itself to the garbage collector.
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
        raise InputError(f"{path}: holds labels outside of the {logits.shape[1]} classes of its logits")
    return Predictions(labels, torch.softmax(torch.from_numpy(logits), dim=1).numpy())
