"""Train one configuration to completion, and record every signal that a pruner might have used on the way.

The training itself is that of :class:`tune_s11.training.trainer.Trainer`. Signals are read off copies between its
epochs, so recording does not change a trial by a single bit.
"""

import copy
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from optuna.distributions import CategoricalDistribution, FloatDistribution
from torch.optim.swa_utils import update_bn

from tune_s11.config import Recipe
from tune_s11.data import Dataset, Images, split
from tune_s11.hardware import Hardware
from tune_s11.search_space import Space
from tune_s11.training.optimizer import WeightAverage
from tune_s11.training.trainer import Trainer, TrainingData

OTHER_HORIZONS = {"ema_1/6": 1 / 6, "ema_1": 1.0}
"""Horizons, in epochs, of the EMA weights recorded in addition to the recipe's own, by name."""

PROBES = {2: ("1/2",), 3: ("1/4", "1/2", "1"), 4: ("1/2",), 6: ("1/4", "1/2", "1"), 8: ("1/2",), 12: ("1/2",)}
"""Names of the lengths of the annealing probes, by the epoch after which they start."""

LENGTHS = {"1/4": 0.25, "1/2": 0.5, "1": 1.0}
"""Lengths of probes in epochs, by the name under which they are recorded."""

RECOMPUTE_IMAGES = 1000
"""Training images over which batch norm statistics are recomputed, rounded up to whole batches."""


def hold_out(dataset: Dataset, recipe: Recipe, apart: int, seed: int) -> tuple[Images, Images]:
    """Return the recipe's ``train_images`` training images, and ``apart`` others that are held out for a final score.

    Raises:
        InputError: There are too few images.
    """
    assert recipe.train_images is not None
    total = recipe.train_images + apart
    both = recipe.model_copy(update={"train_images": total, "val_fraction": apart / total})
    return split(dataset.train, both, seed)


def divide(dataset: Dataset, recipe: Recipe, apart: int, seed: int) -> tuple[TrainingData, Images]:
    """Return images to train on, others to validate on, and ``apart`` held-out images that no signal ever sees.

    Args:
        dataset: Dataset whose training images are divided; its test images are not used.
        recipe: Recipe whose ``train_images``, which exclude the held-out ones, are divided by ``val_fraction``.
        apart: Number of held-out images for the final score.
        seed: Seed of the division.

    Raises:
        InputError: There are too few images.
    """
    rest, held_apart = hold_out(dataset, recipe, apart, seed)
    train, validation = split(rest, recipe, seed)
    return TrainingData(train, validation, len(dataset.classes), dataset.mean, dataset.std), held_apart


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Return configuration ``number``, which depends only on the space, ``seed`` and ``number``.

    Values have four significant digits, so that what is recorded is exactly what is trained.
    """
    generator = np.random.default_rng((seed, number))
    config: dict[str, Any] = {}
    for name, domain in space.items():
        if isinstance(domain, CategoricalDistribution):
            config[name] = domain.choices[generator.integers(len(domain.choices))]
            continue
        assert isinstance(domain, FloatDistribution)
        low, high = (np.log(end) if domain.log else end for end in (domain.low, domain.high))
        value = generator.uniform(low, high)
        config[name] = float(f"{np.exp(value) if domain.log else value:.4g}")
    return config


class Recording:
    """A complete training of one recipe from one seed, with its signals.

    A signal is an accuracy on the validation images, as a fraction, rounded to what the images resolve.

    Args:
        recipe: Recipe to train.
        data: Data with validation images.
        apart: Held-out images for the final score.
        hardware: Hardware to compute with.
        seed: Seed of the initial weights and the batches.

    Attributes:
        trainer: Trainer of the trial, which the recording does not influence.
    """

    def __init__(self, recipe: Recipe, data: TrainingData, apart: Images, hardware: Hardware, seed: int) -> None:
        self.trainer = Trainer(recipe, data, hardware, seed)
        self._prober = Trainer(recipe, data, hardware, seed)
        self._apart = self.trainer.on_device(apart)
        self._others = {
            name: WeightAverage(self.trainer.model, horizon * self.trainer.steps_per_epoch)
            for name, horizon in OTHER_HORIZONS.items()
        }
        self.trainer.on_step = self._update_averages
        # Processor time of one thread is what a trial would take alone; wall time depends on the machine's other work.
        self._clock = time.process_time if hardware.device == "cpu" else time.perf_counter
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def run(self) -> dict[str, Any]:
        """Train and record.

        Returns:
            ``curve``: lists with one value per epoch, by signal, and ``train_loss`` in nats (None once diverged;
            every signal is then 0). ``probes``: ``raw`` and ``ema`` accuracy, by length and then by epoch. ``score``:
            accuracies after the last epoch; None for a trial that diverged, in epoch ``diverged_at``. ``seconds``:
            mean time of a single execution of each part, and the ``total``; processor time, or wall time on a GPU.
        """
        start = self._clock()
        curve: dict[str, list[float | None]] = defaultdict(list)
        probes: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        while self.trainer.epoch < self.trainer.recipe.epochs and not self.trainer.diverged:
            with self._timed("epoch"):
                metrics = self.trainer.run_epoch()
            signals = {
                "train_loss": metrics.train_loss,
                "raw": metrics.val_accuracy,
                "ema": metrics.ema_val_accuracy,
            }
            if metrics.diverged:
                signals |= dict.fromkeys([*self._others, "ema_recomputed"], 0.0)
            else:
                signals |= {name: self._validate(average.model) for name, average in self._others.items()}
                signals["ema_recomputed"] = self._validate(self._with_recomputed_statistics())
                if metrics.epoch < self.trainer.recipe.epochs:
                    for length in PROBES.get(metrics.epoch, ()):
                        probes[length][str(metrics.epoch)] = self.probe(length)
            for name, value in signals.items():
                curve[name].append(None if value is None else round(value, 4))
        diverged = self.trainer.diverged
        score = None if diverged else self._final_score(curve)
        return {
            "curve": dict(curve),
            "probes": dict(probes),
            "score": score,
            "diverged_at": self.trainer.epoch if diverged else None,
            "seconds": {
                **{part: round(float(np.mean(times)), 4) for part, times in self._seconds.items()},
                "total": round(self._clock() - start, 2),
            },
        }

    def probe(self, length: str) -> dict[str, float]:
        """Anneal a copy of the trial and validate it; the trial itself continues as if nothing had happened.

        The copy has the trial's weights, batch norm statistics, momentum and EMA weights. It trains on the trial's next
        batches, while the learning rate falls linearly from its present value to zero, which it reaches after the last
        step.

        Args:
            length: Name of one of :data:`LENGTHS`.

        Returns:
            Accuracies of the annealed weights (``raw``) and of the EMA weights, updated through the probe (``ema``).
        """
        trainer, prober = self.trainer, self._prober
        with self._timed(f"probe_{length}"):
            prober.load_state_dict(copy.deepcopy(trainer.state_dict()))  # else the optimizers would share the momentum
            steps = max(1, round(LENGTHS[length] * trainer.steps_per_epoch))
            lr = trainer.schedule.lr(trainer.epoch)
            for k, batch in enumerate(itertools.islice(prober.batches(trainer.epoch), steps)):
                prober.step(*batch, lr=lr * (1 - k / steps))
                prober.average.update()
        figures = {"raw": self._validate(prober.model), "ema": self._validate(prober.average.model)}
        return {name: round(value, 4) for name, value in figures.items()}

    def _update_averages(self) -> None:
        for average in self._others.values():
            average.update()

    def _with_recomputed_statistics(self) -> nn.Module:
        """Return a copy of the EMA weights with batch norm statistics recomputed for them, as in SWA."""
        trainer = self.trainer
        with (
            self._timed("recompute"),
            torch.autocast(trainer.hardware.device, torch.bfloat16, enabled=trainer.hardware.precision == "bf16"),
        ):
            model = copy.deepcopy(trainer.average.model)
            count = -(-RECOMPUTE_IMAGES // trainer.recipe.batch_size)
            update_bn(itertools.islice(trainer.batches(trainer.epoch), count), model)
        return model

    def _validate(self, model: nn.Module) -> float:
        assert self.trainer.validation is not None
        with self._timed("validation"):
            return self.trainer.evaluate(model, self.trainer.validation)[1]

    def _final_score(self, curve: dict[str, list[float | None]]) -> dict[str, float | None]:
        trainer = self.trainer
        return {
            "raw": round(trainer.evaluate(trainer.model, self._apart)[1], 4),
            "ema": round(trainer.evaluate(trainer.average.model, self._apart)[1], 4),
            "validation_raw": curve["raw"][-1],
            "validation_ema": curve["ema"][-1],
        }

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = self._clock()
        yield
        self._seconds[part].append(self._clock() - start)
