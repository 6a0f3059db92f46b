"""Predictions on the test images: recall, confusion matrix, calibration and heat maps."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tune_s11.report import figures
from tune_s11.report.builder import ReportBuilder, Tested
from tune_s11.report.heat_maps import Explained, explain
from tune_s11.report.predictions import Calibration, Predictions, read_predictions
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import Summary

PLACE = 80
SHOWN_IN = ReportBuilder

MISTAKES = 25
"""Maximum number of misclassified test images on their heat map sheet."""

CLASSES = 20
"""Maximum number of classes on the sheet of correctly classified images."""

MATRIX = 1000
"""Maximum number of classes for which there is a confusion matrix: with ten thousand, it would fill a gigabyte."""

LETTERS = 15
"""Maximum number of letters of a class name above an image: a longer name would run into its neighbour."""

WORST = 20
"""Maximum number of classes in the table of recalls; ``report.json`` has all."""

PAIRS = 5
"""Maximum number of pairs of classes in the table of the most common confusions."""


def add(report: ReportBuilder) -> None:
    """Add ``predicted``, ``balanced_accuracy``, ``recall``, ``confusion``, ``calibration``, and what heat maps show."""
    keys = ("predicted", "balanced_accuracy", "recall", "confusion", "calibration", "mistakes", "typical")
    report.numbers |= dict.fromkeys(keys)
    tested = report.tested
    if tested is None:
        return
    names = _class_names(report.manifest)
    predictions = report.attempt(
        "the errors on the test images", lambda: read_predictions(tested.folder, None if names is None else len(names))
    )
    if predictions is None:
        return
    classes = names or [str(label) for label in range(predictions.probabilities.shape[1])]
    report.attempt("the balanced accuracy", lambda: _add_balanced_accuracy(report, predictions, tested.others))
    report.numbers["predicted"] = {
        "seed": tested.seed,
        "images": len(predictions.labels),
        "errors": int((predictions.predicted != predictions.labels).sum()),
        "classes": len(classes),
    }
    _add_recall(report, predictions, classes)
    _add_confusion(report, predictions, classes)
    _add_calibration(report, predictions.calibration())
    _add_heat_maps(report, tested, predictions, classes)


def _class_names(manifest: dict[str, Any]) -> list[str] | None:
    data = manifest.get("data")
    names = data.get("classes") if isinstance(data, dict) else None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _add_balanced_accuracy(report: ReportBuilder, first: Predictions, others: Sequence[RefitFolder]) -> None:
    again = (read_predictions(folder, first.probabilities.shape[1]) for folder in others)
    scores = [each.balanced_accuracy for each in (first, *again)]
    report.numbers["balanced_accuracy"] = Summary.of(scores).model_dump()


def _add_recall(report: ReportBuilder, predictions: Predictions, classes: list[str]) -> None:
    recall, in_class = predictions.recall, predictions.in_class
    shown = [label for label in np.argsort(recall, kind="stable").tolist() if in_class[label]]
    by_class = [
        {"class": classes[label], "images": int(in_class[label]), "recall": float(recall[label])} for label in shown
    ]
    report.numbers["recall"] = {"most": WORST, "by_class": by_class}


def _add_confusion(report: ReportBuilder, predictions: Predictions, classes: list[str]) -> None:
    if len(classes) > MATRIX:
        report.leave_out("the confusion matrix", f"it has {len(classes):,} classes, more than {MATRIX:,}")
        return
    counts = predictions.confusion
    in_class = predictions.in_class
    of_class = counts.diagonal() / np.maximum(in_class, 1)
    report.numbers["confusion"] = {
        "classes": classes,
        "counts": counts.tolist(),
        "accuracy_by_class": dict(zip(classes, of_class.tolist(), strict=True)),
        "most_confused": [
            {
                "true": classes[true],
                "predicted": classes[predicted],
                "images": images,
                "share": images / int(in_class[true]),
            }
            for true, predicted, images in predictions.most_confused(PAIRS)
        ],
    }
    report.draw("confusion", "the confusion matrix", lambda: figures.draw_confusion(counts, classes))


def _add_calibration(report: ReportBuilder, calibration: Calibration) -> None:
    arrays = {
        name: [None if math.isnan(value) else value for value in array.tolist()]
        for name, array in asdict(calibration).items()
    }
    report.numbers["calibration"] = {"error": calibration.error} | arrays
    report.draw("reliability", "the reliability diagram", lambda: figures.draw_reliability(calibration))


def _add_heat_maps(report: ReportBuilder, tested: Tested, predictions: Predictions, classes: list[str]) -> None:
    mistakes = predictions.mistakes(MISTAKES).tolist()
    if not mistakes:
        report.leave_out("what the network looks at where it errs", "it classifies every test image correctly")
    by_class = {name: predictions.typical(label) for label, name in enumerate(classes[:CLASSES])}
    if missing := [name for name, image in by_class.items() if image is None]:
        what = f"what the network looks at in {', '.join(missing)}"
        report.leave_out(what, "it classifies no test image of the class correctly")
    typical = [image for image in by_class.values() if image is not None]
    explained = report.attempt(
        "what the network looks at",
        lambda: explain(tested, predictions, np.array(mistakes + typical), report.layer),
    )
    if explained is None:
        return
    if mistakes:
        _add_mistakes(report, explained.part(slice(len(mistakes))), _describe(predictions, mistakes, classes))
    if typical:
        _add_typical(report, explained.part(slice(len(mistakes), None)), _describe(predictions, typical, classes))


def _add_mistakes(report: ReportBuilder, explained: Explained, shown: list[dict[str, Any]]) -> None:
    report.numbers["mistakes"] = {"layer": explained.layer, "shown": shown}
    captions = [(_short(it["true"]), f"→ {_short(it['predicted'])}, {100 * it['confidence']:.1f} %") for it in shown]
    maps = (explained.of_predicted, explained.of_true)
    note = (
        "Above: true class → predicted class, confidence. From left to right: the image, evidence for the predicted "
        "class, evidence for the true one (dark: none, bright: most)"
    )
    report.draw("heat_maps", "the heat maps", lambda: figures.draw_heat_maps(explained.pixels, maps, captions, note))


def _add_typical(report: ReportBuilder, explained: Explained, shown: list[dict[str, Any]]) -> None:
    report.numbers["typical"] = {"layer": explained.layer, "most": CLASSES, "shown": shown}
    captions = [(_short(it["true"]), f"{100 * it['confidence']:.1f} %") for it in shown]
    maps = (explained.of_true,)
    note = "Each: class and confidence, the image, evidence for its class (dark: none, bright: most)"
    report.draw(
        "heat_maps_correct",
        "the heat maps of correctly classified images",
        lambda: figures.draw_heat_maps(explained.pixels, maps, captions, note),
    )


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _describe(predictions: Predictions, chosen: list[int], classes: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "image": index,
            "true": classes[predictions.labels[index]],
            "predicted": classes[predictions.predicted[index]],
            "confidence": float(predictions.confidence[index]),
        }
        for index in chosen
    ]
