"""Frozen, validated configuration: the recipe of a run, the settings of a search, and the changes for its refits."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tune_s11.text import did_you_mean, number_hint, printable


class InputError(Exception):
    """Invalid user input; the message is one line that names the input, its value, and what it must be."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class Frozen(BaseModel):
    """Base of all configuration: immutable, without unknown keys, NaN or infinity; docstrings describe the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Value = TypeVar("Value")
Searchable = Annotated[Value, "searchable"]
"""A recipe field that a space may search."""

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]
CountFrom0 = Annotated[int, Field(ge=0, le=10**9)]
PadMode = Literal["reflect", "zero"]


class Recipe(Frozen):
    """One training run, complete except for its seed.

    A search fixes most fields for all its trials. It searches the fields that its space names, which must be
    :data:`Searchable`. A trial is a recipe and a seed.
    """

    dataset: Literal["cifar10", "digits", "folder"] = "cifar10"
    """Source of the images; ``folder`` reads ``data_dir``."""
    data_dir: str | None = None
    """``DIR/{train,test}/<class>/*.png``, or a CSV of file and label, for ``folder``; the download folder for
    ``cifar10``."""
    image_size: Annotated[int, Field(ge=8, le=4096, multiple_of=8)] = 32
    """Height and width of the network's input, in pixels."""
    train_images: Count | None = None
    """Use a stratified subset of this many training images, validation included; None: all."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training images held out for validation."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of a ``folder``'s images held out as test images, always the same ones, if it has none; None: 0.2."""

    model: str = "s11"
    """``s11``, or ``package.module:function`` called with width, num_classes and image_size."""
    width: Searchable[Count] = 64
    """Channels of the first convolution; the stages have 2, 4 and 8 times as many."""

    schedule: Literal["one_cycle", "triangular", "plateau"] = "one_cycle"
    """Learning rate schedule; ``plateau`` is the reduce-on-plateau baseline, torch's ReduceLROnPlateau."""
    plateau_patience: Count = 2
    """With schedule ``plateau``: epochs without improvement that are tolerated; the next one triggers the cut."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """With schedule ``plateau``: factor by which the rate is multiplied when it is cut."""
    epochs: Count = 24
    """Length of a complete trial, in epochs."""
    peak_epoch: Searchable[Positive] = 5.0
    """Epoch at which the learning rate is highest."""
    max_lr: Searchable[Positive] = 0.4
    """Peak learning rate (LRMAX)."""
    min_lr_fraction: Searchable[Share] = 0.01
    """``min_lr`` over ``max_lr``: lowest over peak learning rate (LRMIN over LRMAX)."""

    batch_size: Searchable[Count] = 512
    """Images per step; a last, partial batch is dropped."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum, or AdamW, whose weight decay is decoupled from the gradient."""
    momentum: Searchable[Fraction] = 0.9
    """Momentum of SGD; AdamW's first beta (its second is 0.999)."""
    nesterov: bool = True
    """Nesterov's variant of SGD's momentum; false: plain momentum."""
    weight_decay: Searchable[NonNegative] = 5e-4
    """Weight decay, on all parameters."""
    label_smoothing: Searchable[Fraction] = 0.0
    """Share of the target spread over all classes."""
    logit_scale: Searchable[Positive] = 0.125
    """Factor on the logits in the loss. The network ends in a max pool with no batch norm after it, so at 1 the initial
    logits are far too large (cifar10-fast also uses 0.125)."""
    ema_horizon: NonNegative = 1 / 3
    """Horizon, in epochs, of the moving average of the weights (EMA), which ranks trials and is shipped; 0: no average,
    the raw weights are used instead."""

    augmentation: str = "batched"
    """``batched``, ``albumentations``, or the path of a pipeline saved by ``albumentations.save``."""
    pad: Searchable[CountFrom0] = 4
    """Pixels added on each side before the random crop."""
    pad_mode: PadMode = "reflect"
    """Content of the padding: the image's reflection, or black (intensity 0 before normalisation)."""
    flip: bool = True
    """Mirror half of the images left to right."""
    cutout: Searchable[CountFrom0] = 8
    """Side in pixels of the square that is filled with the mean; 0: none."""

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if self.peak_epoch >= self.epochs:
            raise ValueError(f"peak_epoch {self.peak_epoch:g}: must be between 0 and epochs={self.epochs}")
        if self.dataset == "folder" and self.data_dir is None:
            raise ValueError("dataset folder: needs data_dir, a folder that holds train/<class>/, or a CSV")
        if self.dataset != "folder" and self.test_fraction is not None:
            raise ValueError(f"test_fraction {self.test_fraction:g}: dataset {self.dataset} has its own test images")
        for name in ("plateau_patience", "plateau_factor"):
            value = getattr(self, name)
            if self.schedule != "plateau" and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} {value:g}: needs schedule plateau (got {self.schedule})")
        if self.optimizer != "sgd" and not self.nesterov:
            raise ValueError(f"nesterov False: needs optimizer sgd (got {self.optimizer})")
        for name in ("pad", "cutout"):
            if getattr(self, name) >= self.image_size:
                raise ValueError(f"{name} {getattr(self, name)}: must be less than image_size={self.image_size}")
        return self

    def resized(self, epochs: int) -> "Recipe":
        """Return the recipe for another number of epochs; the peak epoch is scaled, the EMA horizon is kept."""
        return self.model_copy(update={"epochs": epochs, "peak_epoch": self.peak_epoch * epochs / self.epochs})

    @property
    def min_lr(self) -> float:
        """Lowest learning rate of the schedule."""
        return self.max_lr * self.min_lr_fraction

    @property
    def weights(self) -> str:
        """Display name of the weights that rank trials and are shipped."""
        return "EMA weights" if self.ema_horizon else "raw weights"


SEARCHABLE = tuple(name for name, field in Recipe.model_fields.items() if "searchable" in field.metadata)
"""The recipe fields that a space may search. The others would change what the trials are
compared on: the data, the number of epochs, or the average that ranks them."""


def _split_pair(value: Any) -> Any:
    if isinstance(value, list):  # from a file: after this validator, strict mode no longer accepts a list for a tuple
        return tuple(value)
    if not isinstance(value, str):
        return value
    ends = value.split(",")
    if len(ends) != 2:
        raise ValueError("expected LOW,HIGH")
    return tuple(ends)


class SearchSettings(Frozen):
    """Settings of a search: its size, sampler, pruning, range test, and repetitions over seeds."""

    samples: Count = 64
    """Number of trials."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Optuna's sampler."""
    scheduler: Literal["asha", "none"] = "asha"
    """Pruning policy."""
    grace: Count = 4
    """Epoch of the first rung; no trial is pruned before it."""
    factor: Annotated[float, Field(ge=1.01, le=1e6)] = 3.0
    """Ratio of the epochs of successive rungs; each rung keeps one in this many trials."""
    audit: Fraction = 0.0
    """Share of the trials to be pruned that continue, to estimate what pruning loses, raised to one in a whole number
    and, up to one in eight, until three are expected; 0: none. At 0.05, 64 trials take a tenth more epochs."""
    lr_range: Annotated[tuple[Positive, Positive], BeforeValidator(_split_pair)] = (1e-4, 10.0)
    """Lowest and highest learning rate of the range test; on the command line ``LOW,HIGH``."""
    lr_range_trials: Annotated[int, Field(ge=1, le=3)] = 3
    """Limit on the cost of the range test's short cycles, in complete trials."""
    lr_range_steps: Annotated[int, Field(ge=20)] = 100
    """Steps of a ramp."""
    lr_range_seeds: Count = 3
    """Number of ramps, trained in ``tune-s11 lr`` and if ``range_test`` finds ``min_lr``; their median is used."""
    finalists: Annotated[int, Field(ge=0)] | None = None
    """Trials run again to name the winner: the best and, among three or more, the first trial; below 2: none; by
    default as many as take no more epochs than the trials did, five at most."""
    finalist_seeds: Count = 3
    """Runs of each finalist, from the same seeds."""
    refit_seeds: Count = 3
    """Refits of the winner on training and validation images."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the split and the sampler; each trial or refit trains with this seed plus its number."""
    max_failures: CountFrom0 = 2
    """Number of times that a trial is resumed from its checkpoint after its worker has died."""
    target: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Validation accuracy to reach in as few epochs as possible; the refits train for that many; None: no target."""
    target_line: Share | None = None
    """Accuracy at which the report draws a line across its curves, for display only; None: no line."""

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        low, high = self.lr_range
        if low >= high:
            raise ValueError(f"lr_range [{low:g}, {high:g}]: expected low < high")
        if self.target is not None and self.finalist_seeds < 2:
            raise ValueError(f"finalist_seeds {self.finalist_seeds}: must be at least 2 with a target")
        return self


class RefitChanges(Frozen):
    """Fields in which the winner's refit differs from cheaper trials; None: as in the trials."""

    width: Count | None = None
    """Channels of the first convolution."""
    train_images: Count | None = None
    """Training images, validation included."""
    epochs: Count | None = None
    """Length of a refit, in epochs; the peak is scaled with it."""
    batch_size: Count | None = None
    """Images per step: a quarter in trials on a quarter of the images takes as many steps as the refit. Learning rates
    are not scaled: the best one hardly depends on the batch size (benchmarks/ramps/README.md)."""

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe of a trial's refit."""
        resized = recipe if self.epochs is None else recipe.resized(self.epochs)
        return resized.model_copy(update=self.model_dump(exclude_none=True))


Configuration = TypeVar("Configuration", bound=Frozen)


def validated(kind: type[Configuration], values: Mapping[str, Any], where: str, *, strict: bool) -> Configuration:
    """Build a configuration object from plain values.

    Args:
        kind: The class to build.
        values: Field names and values, from a file or the command line.
        where: Start of the error line, before the key: ``s11.yaml: recipe.`` or ``--set ``.
        strict: Whether to refuse text in place of a number: True for files, False for the command line, all text.

    Raises:
        InputError: One line names the key, the value and what it must be.
    """
    try:
        if strict:  # via JSON, where a list is accepted for a tuple
            return kind.model_validate_json(_to_json(values, where), strict=True)
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputError(_one_line(kind, error, where)) from None


def completed(kind: type[Frozen], values: Mapping[str, Any]) -> dict[str, Any]:
    """Complete plain values that an earlier version wrote with the defaults of newer fields.

    These defaults keep the earlier behaviour, so the values mean the same in both versions.
    """
    return {**kind().model_dump(mode="json"), **values}


def _to_json(values: Mapping[str, Any], where: str) -> str:
    try:
        return json.dumps(values, default=str)
    except (TypeError, ValueError, RecursionError) as error:  # a date as a key, a list inside itself, or too deep
        raise InputError(f"{where.rstrip('. :')}: cannot be read: {error}") from None


def _one_line(kind: type[Frozen], error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    key = key if key.isprintable() else repr(key)
    if first["type"] == "extra_forbidden":
        return f"{where}{key}: unknown key{did_you_mean(key, list(kind.model_fields))}"
    if not key:  # a check of several fields: its message names them
        return f"{where}{first['msg'].removeprefix('Value error, ')}"
    value = first["input"]
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(value, str) and "valid number" in message:
        message += number_hint(value)
    return f"{where}{key}: {value!r}: {message}"
