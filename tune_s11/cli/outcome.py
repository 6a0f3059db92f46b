"""Sums up the outcome of a search or a single run in a few lines."""

from typing import Any

from tune_s11.config import InputError
from tune_s11.report.compare import compared_run, epochs_to
from tune_s11.results import RunResult
from tune_s11.results.records import Summary


def search_lines(numbers: dict[str, Any]) -> list[str]:
    """Return lines on the winner of a search, its test accuracy, and when it reached the target.

    Args:
        numbers: Contents of ``report.json``.
    """
    search, winner, test = (numbers[key] for key in ("search", "winner", "test"))
    if winner is None:
        return [f"{search['name']}: no winner yet, {search['started']} of {search['samples']} trials started"]
    weights = search["weights"]
    lines = [f"{search['name']}: {winner['trial']}, validation accuracy {winner['score']:.4f} ({weights})"]
    if test is not None:
        accuracy = test["accuracy"]
        lines.append(f"test accuracy: {Summary.model_validate(accuracy)} (n = {accuracy['n']}, {weights})")
    return lines + target_lines(numbers)


def target_lines(numbers: dict[str, Any]) -> list[str]:
    """Return lines on when a search's winner reached the target, in its trial and first refit; none without a target.

    Args:
        numbers: Contents of ``report.json``.
    """
    target, weights = numbers["target"] or {}, numbers["search"]["weights"]
    return [
        _target_line(target["line"], images, weights, target[images])
        for images in ("validation", "test")
        if images in target
    ]


def run_lines(result: RunResult, target: float | None = None) -> list[str]:
    """Return lines on a single run: its progress, its accuracy, and when it reached the target.

    Args:
        result: Run to describe.
        target: Target accuracy; None: the target that the run records.
    """
    name, epochs = result.path.resolve().name, result.run.recipe.epochs
    if not result.rows:
        return [f"{name}: no epoch is complete yet"]
    last, weights = result.rows[-1], result.run.recipe.weights
    lines = [f"{name}: {last.epoch} of {epochs} epochs{', diverged' if last.diverged else ''}"]
    try:
        judged = compared_run(result, name, name)
    except InputError:  # its test curve is lost; the report says so
        return lines
    end, target = judged.rows[-1], judged.target if target is None else target
    raw = "" if end.ema is None else f", raw weights {end.raw:.4f}"
    chosen = "; nothing was chosen by it" if judged.images == "test" else ""
    lines.append(f"{judged.images} accuracy: {end.score:.4f} after epoch {end.epoch} ({weights}){raw}{chosen}")
    if target is not None:
        lines.append(_target_line(target, judged.images, weights, epochs_to(target, judged.rows)))
    return lines


def _target_line(target: float, images: str, weights: str, epoch: int | None) -> str:
    reached = "not reached" if epoch is None else f"first reached in epoch {epoch}"
    return f"target {target:g}, {images} accuracy of the {weights}: {reached}"
