"""The training loop: steps, epochs and evaluation of one recipe, independently of any search."""

import functools
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, Images, build_augmentation, normalise, split
from tune_s11.hardware import Hardware, usable_cores
from tune_s11.models import build_model, use_matrix_products
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.optimizer import WeightAverage, build_optimizer
from tune_s11.training.schedule import build_schedule


@dataclass(frozen=True)
class TrainingData:
    """The data of a trainer: training images, validation images, and the statistics that normalise them."""

    train: Images
    validation: Images | None
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @staticmethod
    def with_validation(dataset: Dataset, recipe: Recipe, seed: int) -> "TrainingData":
        """Return the training/validation split, by which recipes are chosen. The test images are not used."""
        train, validation = split(dataset.train, recipe, seed, dataset.classes)
        return TrainingData(train, validation, len(dataset.classes), dataset.mean, dataset.std)

    @staticmethod
    def without_validation(dataset: Dataset, recipe: Recipe, seed: int) -> "TrainingData":
        """Return the full training set for the chosen recipe: both parts of the training/validation split."""
        train, validation = split(dataset.train, recipe, seed, dataset.classes)
        pixels = np.concatenate([train.pixels, validation.pixels])
        labels = np.concatenate([train.labels, validation.labels])
        return TrainingData(Images(pixels, labels), None, len(dataset.classes), dataset.mean, dataset.std)


class Trainer:
    """The training of one recipe from one seed. Iterating runs the remaining epochs and yields their metrics.

    Everything random in an epoch follows from the seed and the epoch's number, so a run that is resumed from
    :meth:`state_dict` continues as if it had never stopped.

    Attributes:
        model: Network on the hardware's device.
        average: EMA of the network's weights; its ``model`` is the one that is ranked and shipped.
        epoch: Epochs completed.
        steps_per_epoch: Number of full batches in the training images.
        on_step: Called after each training step; None: nothing is called.

    Raises:
        InputError: There are fewer training images than a batch holds.
    """

    def __init__(self, recipe: Recipe, data: TrainingData, hardware: Hardware, seed: int) -> None:
        self.recipe = recipe
        self.hardware = hardware
        self.seed = seed
        self.device = torch.device(hardware.device)
        self.steps_per_epoch = len(data.train) // recipe.batch_size
        if self.steps_per_epoch == 0:
            raise InputError(f"batch_size {recipe.batch_size}: must be at most the {len(data.train)} training images")

        self.mean, self.std = data.mean, data.std
        self.train = self.on_device(data.train)
        self.validation = None if data.validation is None else self.on_device(data.validation)
        self.augment = build_augmentation(recipe, data.mean, data.std)

        torch.manual_seed(seed)
        model = build_model(recipe, data.num_classes)
        if hardware.matrix_products:
            use_matrix_products(model)
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._forward = functools.partial(compiled_call(), self.model) if hardware.compiled else self.model
        self.average = WeightAverage(self.model, recipe.ema_horizon * self.steps_per_epoch)
        self.optimizer = build_optimizer(self.model, recipe)
        self.schedule = build_schedule(recipe)
        self.epoch = 0
        self.diverged = False
        self.on_step: Callable[[], None] | None = None

    def __iter__(self) -> Iterator[EpochMetrics]:
        while self.epoch < self.recipe.epochs and not self.diverged:
            yield self.run_epoch()

    def run_epoch(self) -> EpochMetrics:
        """Train for one epoch and validate. With the batched augmentation, the host waits for the device only once."""
        start = time.perf_counter()
        totals = torch.zeros(2, device=self.device)
        for k, (images, labels) in enumerate(self.batches(self.epoch)):
            lr = self.schedule.lr(self.epoch + k / self.steps_per_epoch)
            totals += self.step(images, labels, lr)
            self.average.update()
            if self.on_step:
                self.on_step()
        train_loss, train_accuracy = (totals / self.steps_per_epoch).tolist()
        steps_done = time.perf_counter()

        raw = ema = None
        if self.validation is not None:
            raw = self.evaluate(self.model, self.validation)
            ema = self.evaluate(self.average.model, self.validation) if self.average.on else None
        self.schedule.end_epoch(train_loss if raw is None else raw[0])
        self.epoch += 1
        losses = [train_loss, *(figures[0] for figures in (raw, ema) if figures)]
        self.diverged = not all(math.isfinite(loss) for loss in losses)
        val_loss, val_accuracy = self._recorded(raw)
        ema_val_loss, ema_val_accuracy = self._recorded(ema)
        return EpochMetrics(
            epoch=self.epoch,
            lr=lr,
            train_loss=None if self.diverged else train_loss,
            train_accuracy=0.0 if self.diverged else train_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            ema_val_loss=ema_val_loss,
            ema_val_accuracy=ema_val_accuracy,
            seconds=time.perf_counter() - start,
            images_per_second=self.steps_per_epoch * self.recipe.batch_size / (steps_done - start),
            diverged=self.diverged,
        )

    def _recorded(self, figures: tuple[float, float] | None) -> tuple[float | None, float | None]:
        """Return loss and accuracy of a validation as recorded: after divergence, no loss and the worst accuracy."""
        if figures is None:
            return None, None
        return (None, 0.0) if self.diverged else figures

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the epoch's shuffled, augmented batches: images (B, 3, H, W), labels (B,)."""
        seed = int(np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(seed)  # for the random layers of the model, such as dropout
        generator = torch.Generator(self.device).manual_seed(seed)
        pixels, labels = self.train
        order = torch.randperm(len(labels), generator=generator, device=self.device)
        for batch in order.split(self.recipe.batch_size)[: self.steps_per_epoch]:
            yield self.augment(pixels[batch], generator), labels[batch]

    def step(self, images: Tensor, labels: Tensor, lr: float) -> Tensor:
        """Train one step at learning rate ``lr``; return loss and accuracy, (2,), still on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.model.train()
        logits = self.logits(self._forward, images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return torch.stack([loss.detach(), (logits.argmax(1) == labels).float().mean()])

    def logits(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return scaled logits (B, num_classes) in fp32, computed in the hardware's precision."""
        with torch.autocast(self.hardware.device, torch.bfloat16, enabled=self.hardware.precision == "bf16"):
            logits = model(images)
        return logits.float() * self.recipe.logit_scale

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, images: tuple[Tensor, Tensor]) -> tuple[float, float]:
        """Return mean cross-entropy without label smoothing, and accuracy, over pixels (N, H, W, 3) and labels (N,)."""
        pixels, labels = images
        logits = self.predict(model, pixels)
        loss = F.cross_entropy(logits, labels)
        accuracy = (logits.argmax(1) == labels).float().mean()
        loss_value, accuracy_value = torch.stack([loss, accuracy]).tolist()
        return loss_value, accuracy_value

    @torch.inference_mode()
    def predict(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Return scaled logits (N, num_classes) for unaugmented uint8 pixels (N, H, W, 3)."""
        model.eval()
        batches = pixels.split(self.recipe.batch_size)
        return torch.cat([self.logits(model, normalise(batch, self.mean, self.std)) for batch in batches])

    def on_device(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return pixels (N, H, W, 3) and labels (N,) as tensors; on a CPU they share the arrays' memory."""
        with warnings.catch_warnings():  # arrays from shared memory are read-only, and nothing here writes to them
            warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
            return torch.from_numpy(images.pixels).to(self.device), torch.from_numpy(images.labels).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a trainer with the same arguments can resume from, as tensors and plain values."""
        return {
            "epoch": self.epoch,
            "diverged": self.diverged,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.epoch = state["epoch"]
        self.diverged = state.get("diverged", False)  # earlier versions did not save it
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


@functools.cache
def compiled_call() -> Callable[[nn.Module, Tensor], Tensor]:
    """Return a compiled ``model(images)``, which all networks of one shape in a process share.

    The weights are its inputs and the optimizer stays outside, so a new trial compiles nothing, whatever its learning
    rate, momentum and weight decay. Only training steps use it: evaluation takes little of the time, and would compile
    again for the EMA weights and for the smaller last batch.
    """

    def call(model: nn.Module, images: Tensor) -> Tensor:
        logits: Tensor = model(images)
        return logits

    return torch.compile(call, dynamic=False)  # imports its compiler, which takes seconds


def _shapes(model: nn.Module) -> set[tuple[str, torch.Size]]:
    return {(name, getattr(value, "shape", torch.Size())) for name, value in model.state_dict().items()}


def try_out(recipe: Recipe, data: TrainingData) -> Trainer:
    """Build a trainer on the CPU, classify up to two images and train on them, to find mistakes before anything starts.

    Returns:
        The trainer, which is of no further use for training.

    Raises:
        InputError: The network fails, or returns no logits for the images' classes.
    """
    model, when = f"model {recipe.model}", " before training"
    try:
        trainer = Trainer(recipe, data, Hardware(device="cpu", precision="fp32", threads=usable_cores()), seed=0)
        before = _shapes(trainer.model)
        images, labels = (part[:2] for part in next(trainer.batches(0)))
        expected = (len(images), data.num_classes)
        when = " on two images" if len(images) == 2 else " on one image"
        trainer.model.eval()
        # Not in inference mode: a network may keep a tensor of its first call, which must then suit training too.
        shape = tuple(trainer.logits(trainer.model, images).shape)
        if shape == expected:
            when += " in training mode"
            trainer.step(images, labels, lr=0.0)
            if changed := before ^ _shapes(trainer.model):
                names = ", ".join(sorted({name for name, _ in changed}))
                raise InputError(f"{model}: training changes names or shapes in its state_dict: {names}")
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a user's network may raise anything, and its module may exit
        raise InputError(f"{model}: fails{when}: {type(error).__name__}: {error}") from error
    if shape != expected:
        raise InputError(f"{model}: logits of shape {shape}, expected (N, {data.num_classes})")
    return trainer
