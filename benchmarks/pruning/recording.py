"""One configuration trained to the end, with everything a pruner might have asked about it on the way.

The training itself is :class:`tune_s11.training.trainer.Trainer`'s own: signals are read off copies between its epochs,
and a trial that is recorded has the same bits as one that is not.
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
"""Averages recorded beside the recipe's own, by name; horizons in epochs."""

PROBES = {2: ("1/2",), 3: ("1/4", "1/2", "1"), 4: ("1/2",), 6: ("1/4", "1/2", "1"), 8: ("1/2",), 12: ("1/2",)}
"""Lengths of the annealing probes by the epoch after which they start."""

LENGTHS = {"1/4": 0.25, "1/2": 0.5, "1": 1.0}
"""Of probes, in epochs, by the name they are recorded under."""

RECOMPUTE_IMAGES = 1000
"""Training images over which batch norm statistics are recomputed, rounded up to whole batches."""


def hold_apart(dataset: Dataset, recipe: Recipe, apart: int, seed: int) -> tuple[Images, Images]:
    """The recipe's ``train_images`` of the training images, and ``apart`` others for a final score.

    Raises:
        InputError: There are too few images.
    """
    assert recipe.train_images is not None
    total = recipe.train_images + apart
    both = recipe.model_copy(update={"train_images": total, "val_fraction": apart / total})
    return split(dataset.train, both, seed)


def divide(dataset: Dataset, recipe: Recipe, apart: int, seed: int) -> tuple[TrainingData, Images]:
    """Training images to learn from, others to validate on, and ``apart`` more that no signal ever sees.

    Args:
        dataset: Its training images; the test images stay out of it.
        recipe: Its ``train_images`` are divided by ``val_fraction``, beside those apart.
        apart: Images for the final score.
        seed: Of the division.

    Raises:
        InputError: There are too few images.
    """
    rest, held_apart = hold_apart(dataset, recipe, apart, seed)
    train, validation = split(rest, recipe, seed)
    return TrainingData(train, validation, len(dataset.classes), dataset.mean, dataset.std), held_apart


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Configuration ``number``: it follows from the space, ``seed`` and ``number`` alone.

    Four significant digits, so that what is written down is exactly what is trained.
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
    """Trains one recipe from one seed to the end and keeps its signals.

    A signal is an accuracy on the validation images, a fraction. Rounded to what the images resolve.

    Args:
        recipe: What to train.
        data: With validation images.
        apart: Images for the final score.
        hardware: What to compute with.
        seed: Of the initial weights and the batches.

    Attributes:
        trainer: The trial, which nothing here changes.
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
        # One thread's processor time is what it would take alone; wall time, what the machine's other work makes of it.
        self._clock = time.process_time if hardware.device == "cpu" else time.perf_counter
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def run(self) -> dict[str, Any]:
        """Trains and records.

        Returns:
            ``curve``: lists with a value an epoch, by signal, and ``train_loss`` in nats (None once diverged;
            every signal is then 0). ``probes``: by length, then epoch, ``raw`` and ``ema`` accuracy. ``score``:
            accuracies after the last epoch, None for a trial that diverged, in epoch ``diverged_at``. ``seconds``:
            mean time of each part's single execution, and the ``total``: processor time, on a GPU wall time.
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
        """Anneals a copy of the trial and validates it; the trial itself goes on as if nothing had happened.

        The copy has the trial's weights, batch norm statistics, momentum and average. It trains on the batches that
        are the trial's next, while the learning rate falls linearly from its present value to zero, which it reaches
        after the last step.

        Args:
            length: Name of one of :data:`LENGTHS`.

        Returns:
            Accuracies of the annealed weights (``raw``) and of the average carried on through the probe (``ema``).
        """
        trainer, prober = self.trainer, self._prober
        with self._timed(f"probe_{length}"):
            prober.load_state_dict(copy.deepcopy(trainer.state_dict()))  # the optimizer would share the momentum
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
        """A copy of the averaged weights with batch norm statistics of their own, as after averaging in SWA."""
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
