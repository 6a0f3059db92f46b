"""The work around the trials, as Ray tasks with a trial's resources: range test ramps and refits."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import torch
import torch.nn.functional as F
from ray import ObjectRef

from tune_s11.checkpoint import write_whole
from tune_s11.config import Recipe, SearchSettings
from tune_s11.copies import SECONDS, Shared, patiently
from tune_s11.data import Images
from tune_s11.hardware import Precision
from tune_s11.lr_finder import Floats, LRCurve, ramp, range_test
from tune_s11.mirror import Mirror
from tune_s11.results import read_rows
from tune_s11.search.cluster import Workers
from tune_s11.train import fit
from tune_s11.trainable import worker_hardware
from tune_s11.trainer import EpochMetrics, Trainer, TrainingData

POLL_SECONDS = 2.0


def _measure_ramp(
    recipe: Recipe, data: TrainingData, precision: Precision, threads: int, lrs: Floats, seed: int
) -> Floats:
    hardware = worker_hardware(precision, threads)
    hardware.activate()
    return range_test(recipe, data, hardware, lrs, seed)


def measure_curve(
    recipe: Recipe, data: ObjectRef, settings: SearchSettings, workers: Workers, precision: Precision
) -> LRCurve:
    """Runs the range test's ramps, one a seed, side by side, on training data in the object store."""
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    ramps = [(recipe, data, precision, workers.cpus, lrs, seed) for seed in seeds]
    return LRCurve(lrs, np.stack(run_tasks(_measure_ramp, ramps, workers)))


class _TestImages:
    """The test images as one refit meets them.

    Args:
        trainer: Of the refit.
        images: The test images.
    """

    def __init__(self, trainer: Trainer, images: Images) -> None:
        self._trainer, self._labels = trainer, images.labels
        self._pixels = trainer.on_device(images)[0]

    def logits(self) -> dict[str, npt.NDArray[np.float32]]:
        """Scaled logits (N, num_classes) of the ``raw`` and the averaged (``ema``) weights as they are now."""
        models = {"raw": self._trainer.model, "ema": self._trainer.average.model}
        return {name: self._trainer.predict(model, self._pixels).cpu().numpy() for name, model in models.items()}

    def accuracy(self, logits: npt.NDArray[np.float32]) -> float:
        """Share of the images whose likeliest class is the true one."""
        return float(np.mean(logits.argmax(1) == self._labels))

    def row(self) -> dict[str, Any]:
        """What ``test_curve.jsonl`` holds on the epoch that the trainer has done last."""
        row: dict[str, Any] = {"epoch": self._trainer.epoch}
        for name, logits in self.logits().items():
            prefix = "ema_" if name == "ema" else ""
            loss = float(F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(self._labels)))
            row |= {
                f"{prefix}test_loss": loss if np.isfinite(loss) else None,
                f"{prefix}test_accuracy": self.accuracy(logits),
            }
        return row


def _fit_with_test_curve(trainer: Trainer, test: _TestImages, folder: Path, grown: Callable[[], None]) -> None:
    """As :func:`tune_s11.train.fit`, and after each epoch the test images are evaluated into ``test_curve.jsonl``.

    This leaks nothing. The winner is chosen before, by validation images; here its recipe is frozen, nothing is
    selected by these figures, no schedule or checkpoint sees them, and the accuracy that is reported is the last
    epoch's, whatever the curve did before.
    """
    curve = folder / "test_curve.jsonl"
    rows: list[dict[str, Any]] = []

    def write(row: dict[str, Any]) -> None:
        rows.append(row)
        write_whole(curve, "".join(json.dumps(row) + "\n" for row in rows))

    def on_start() -> None:
        rows.extend(row for row in read_rows(curve) if row["epoch"] < trainer.epoch)
        if trainer.epoch:  # a kill between the checkpoint and its row has left this epoch out
            write(test.row())

    def on_epoch(metrics: EpochMetrics) -> None:
        write(test.row())
        grown()

    fit(trainer, folder, on_start, on_epoch)


def _refit(
    recipe: Recipe,
    data: TrainingData,
    images: Images,
    precision: Precision,
    threads: int,
    seed: int,
    shared: Shared,
    test_curve: bool,
) -> dict[str, Any]:
    hardware = worker_hardware(precision, threads)
    hardware.activate()
    trainer = Trainer(recipe, data, hardware, seed)
    test = _TestImages(trainer, images)
    with shared.opened() as (folder, grown):
        if test_curve:
            _fit_with_test_curve(trainer, test, folder, grown)
        else:
            fit(trainer, folder, on_epoch=lambda metrics: grown())
        logits: dict[str, Any] = test.logits()
        scores: dict[str, Any] = {"seed": seed, "hardware": hardware.model_dump(), "diverged": trainer.diverged}
        scores |= {name: test.accuracy(of_weights) for name, of_weights in logits.items()}
        np.savez_compressed(folder / "test_logits.npz", labels=images.labels, **logits)
        write_whole(folder / "scores.json", json.dumps(scores, indent=2))
    return scores


def refit(
    recipe: Recipe,
    data: TrainingData,
    test: Images,
    settings: SearchSettings,
    workers: Workers,
    precision: Precision,
    folder: Path,
    on_progress: Callable[[int, int], None],
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """Trains the winner anew from several seeds and tests each at its end.

    The first one is tested after each epoch too, for a curve that nothing is chosen by; one refit alone, for that
    costs two passes over the test images an epoch.

    Args:
        recipe: The winner.
        data: Training and validation images together.
        test: The test images.
        settings: ``refit_seeds`` and the seed to count from.
        workers: A refit's resources are a trial's.
        precision: As asked for.
        folder: Gets a folder for each seed: metrics.jsonl, checkpoint.pt, test_logits.npz, scores.json,
            and the first test_curve.jsonl. A refit whose checkpoint is there already goes on from it.
        on_progress: Called now and then with epochs done and epochs in all.
        mirror: Of the search folder, where results go to a storage.

    Returns:
        What ``best/metrics.json`` holds: accuracies as fractions, over seeds.
    """
    images = ray.put(data), ray.put(test)
    seeds = range(settings.seed, settings.seed + settings.refit_seeds)
    folders = [shared_folder(folder / f"seed-{seed}", mirror) for seed in seeds]
    refits = [
        (recipe, *images, precision, workers.cpus, seed, shared, seed == settings.seed)
        for seed, shared in zip(seeds, folders, strict=True)
    ]
    runs = run_in_folders(_refit, refits, folders, recipe.epochs, workers, mirror, on_progress)
    return {
        "test_accuracy": summary([run["ema"] for run in runs]),
        "test_accuracy_raw": summary([run["raw"] for run in runs]),
        "runs": runs,
    }


def shared_folder(path: Path, mirror: Mirror | None) -> Shared:
    """A folder for a task, which may run on any node."""
    return Shared(path, None if mirror is None else mirror.remote_of(path))


def run_in_folders(
    task: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    folders: list[Shared],
    epochs: int,
    workers: Workers,
    mirror: Mirror | None,
    on_progress: Callable[[int, int], None],
) -> list[Any]:
    """As :func:`run_tasks`, for tasks that each train for ``epochs`` in a folder of their own.

    Reports epochs done and in all; where results go to a storage, the folders are pulled from there.
    """
    pulled = time.monotonic()

    def on_wait() -> None:
        nonlocal pulled
        if mirror is not None and time.monotonic() - pulled >= SECONDS:
            with suppress(OSError):  # a matter of the progress alone
                for folder in folders:
                    mirror.pull(folder.path, lambda name: name.endswith(".jsonl"))
            pulled = time.monotonic()
        on_progress(sum(_epochs(folder.path) for folder in folders), epochs * len(folders))

    results = run_tasks(task, calls, workers, on_wait)
    if mirror is not None:
        for folder in folders:
            patiently(partial(mirror.pull, folder.path))
    return results


def run_tasks(
    task: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    workers: Workers,
    on_wait: Callable[[], None] = lambda: None,
) -> list[Any]:
    """Runs a task with each tuple of arguments, with a trial's resources and no more at a time than trials may run.

    One whose node or worker is lost Ray runs again, three times, elsewhere; those that train in a folder go on from
    their checkpoint there.

    Args:
        task: The function.
        calls: Its arguments, a tuple a call; object references in them are resolved.
        workers: What runs at once.
        on_wait: Called every other second, and as calls end.

    Returns:
        The results, in the order of the calls.
    """
    remote = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus)(task)
    left, begun = deque(calls), []
    running: list[ObjectRef] = []
    while left or running:
        while left and (workers.cap is None or len(running) < workers.cap):
            running.append(remote.remote(*left.popleft()))
            begun.append(running[-1])
        _, running = ray.wait(running, timeout=POLL_SECONDS)
        on_wait()
    results: list[Any] = ray.get(begun)
    return results


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation (None of a single value) and n."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": sd, "n": len(values)}


def _epochs(folder: Path) -> int:
    rows = read_rows(folder / "metrics.jsonl")
    return int(rows[-1]["epoch"]) if rows else 0
