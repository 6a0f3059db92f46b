"""The training loop: its learning rate, its randomness, its resume, its end."""

import copy
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch._dynamo.utils import counters

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, Images, normalise
from tune_s11.hardware import Hardware
from tune_s11.models.convolution import SmallConv2d
from tune_s11.training import trainer as trainer_module
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.trainer import Trainer, TrainingData, try_out

CPU = Hardware(device="cpu", precision="fp32", threads=1)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def images(count: int, seed: int) -> Images:
    """Noise in which each of four classes has a bright quarter of its own."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    pixels = generator.integers(0, 100, (count, 8, 8, 3), dtype=np.uint8)
    for quarter in range(4):
        y, x = 4 * (quarter // 2), 4 * (quarter % 2)
        pixels[labels == quarter, y : y + 4, x : x + 4] += 100
    return Images(pixels, labels)


def recipe(**changes: Any) -> Recipe:
    """Small enough for a hundred steps a second; augmented, so that its randomness matters."""
    small = {"image_size": 8, "width": 2, "epochs": 4, "peak_epoch": 1.5, "batch_size": 16, "pad": 1, "cutout": 2}
    return Recipe(**{**small, "flip": False, "max_lr": 0.1, **changes})


@pytest.fixture
def data() -> TrainingData:
    """Five batches of 16 and half of one more; 30 images to validate on, no multiple of 16 either."""
    return TrainingData(images(88, seed=1), images(30, seed=2), 4, MEAN, STD)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same_bits(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def figures(metrics: EpochMetrics) -> dict[str, Any]:
    """The metrics without those that a clock measures."""
    return {name: value for name, value in asdict(metrics).items() if name not in ("seconds", "images_per_second")}


@pytest.mark.parametrize("schedule", ["one_cycle", "triangular", "plateau"])
def test_each_step_moves_the_weights_at_the_schedules_rate(data: TrainingData, schedule: str) -> None:
    """Without momentum and decay a step is -lr * gradient, so the rate can be read off the weights themselves."""
    trainer = Trainer(recipe(schedule=schedule, momentum=0.0, weight_decay=0.0), data, CPU, seed=0)
    weight = trainer.model.linear.weight
    before = weight.detach().clone()
    moved, set_to = [], []

    def look() -> None:
        nonlocal before
        after = weight.detach().clone()
        assert weight.grad is not None
        largest = weight.grad.abs().argmax()
        moved.append(((before - after).flatten()[largest] / weight.grad.flatten()[largest]).item())
        set_to.append(trainer.optimizer.param_groups[0]["lr"])
        before = after

    trainer.on_step = look
    expected = []
    for epoch in range(4):
        expected += [trainer.schedule.lr(epoch + k / 5) for k in range(5)]
        assert trainer.run_epoch().lr == expected[-1]
    assert set_to == expected
    assert moved == pytest.approx(expected, rel=1e-3)


def test_the_cycle_begins_at_its_floor_and_peaks_once(data: TrainingData) -> None:
    trainer = Trainer(recipe(epochs=4, peak_epoch=1, max_lr=0.1, min_lr_fraction=0.1), data, CPU, seed=0)
    rates: list[float] = []
    trainer.on_step = lambda: rates.append(trainer.optimizer.param_groups[0]["lr"])
    list(trainer)
    assert len(rates) == 4 * 5
    assert rates[0] == pytest.approx(0.01)
    assert rates[5] == max(rates) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.01 + 0.09 / 15)


def test_the_same_seed_gives_the_same_bits(data: TrainingData) -> None:
    one, same, other = (Trainer(recipe(), data, CPU, seed) for seed in (3, 3, 4))
    told = [[figures(metrics) for metrics in trainer] for trainer in (one, same, other)]
    assert same_bits(one.model, same.model)
    assert same_bits(one.average.model, same.average.model)
    assert told[0] == told[1]
    assert not same_bits(one.model, other.model)
    assert told[0] != told[2]


def test_batches_follow_from_the_seed_and_the_epoch(data: TrainingData) -> None:
    trainer = Trainer(recipe(), data, CPU, seed=3)
    first, again, later = ([batch.clone() for batch, _ in trainer.batches(epoch)] for epoch in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, later, strict=True))


@pytest.mark.parametrize("fields", [{}, {"schedule": "plateau"}, {"optimizer": "adamw", "max_lr": 0.01}])
@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_training_is_the_uninterrupted_tail(data: TrainingData, fields: dict[str, Any], stop: int) -> None:
    resumable = recipe(epochs=5, **fields)
    whole = Trainer(resumable, data, CPU, seed=3)
    told: list[dict[str, Any]] = []
    for metrics in whole:
        told.append(figures(metrics))
        if whole.epoch == stop:
            state = copy.deepcopy(whole.state_dict())

    resumed = Trainer(resumable, data, CPU, seed=3)
    resumed.load_state_dict(state)
    assert [figures(metrics) for metrics in resumed] == told[stop:]
    assert same_bits(resumed.model, whole.model)
    assert same_bits(resumed.average.model, whole.average.model)
    for group, expected in zip(*(t.optimizer.state_dict()["state"].values() for t in (resumed, whole)), strict=True):
        assert group.keys() == expected.keys()
        assert all(torch.equal(kept, expected[name]) for name, kept in group.items())


def test_without_an_ema_the_raw_weights_rank_and_are_kept(data: TrainingData) -> None:
    off, on = (Trainer(recipe(ema_horizon=horizon), data, CPU, seed=3) for horizon in (0.0, 1 / 3))
    for without, beside in zip(off, on, strict=True):
        assert (without.ema_val_loss, without.ema_val_accuracy) == (None, None)
        assert without.score == without.val_accuracy == beside.val_accuracy
        assert without.train_loss == beside.train_loss
    assert same_bits(off.model, on.model)
    state = off.state_dict()
    assert all(torch.equal(state["average"][name], tensor) for name, tensor in state["model"].items())
    resumed = Trainer(off.recipe, data, CPU, seed=3)
    resumed.load_state_dict(copy.deepcopy(state))
    assert same_bits(resumed.average.model, off.model)


@pytest.mark.parametrize("validates", [True, False])
def test_a_plateau_follows_validation_or_else_the_training_loss(data: TrainingData, validates: bool) -> None:
    if not validates:
        data = TrainingData(data.train, None, 4, MEAN, STD)
    trainer = Trainer(recipe(schedule="plateau", plateau_patience=1, epochs=4), data, CPU, seed=0)
    seen: list[float] = []
    trainer.schedule.end_epoch = seen.append  # type: ignore[method-assign]
    rows = list(trainer)
    assert seen == [row.val_loss if validates else row.train_loss for row in rows]
    assert len(set(seen)) == 4


@pytest.mark.parametrize("validates", [True, False])
def test_divergence_ends_within_its_epoch_with_the_worst_finite_score(data: TrainingData, validates: bool) -> None:
    if not validates:
        data = TrainingData(data.train, None, 4, MEAN, STD)
    trainer = Trainer(recipe(max_lr=1e30, min_lr_fraction=1.0, epochs=50), data, CPU, seed=0)
    told = list(trainer)
    last = told[-1]
    assert len(told) <= 2
    assert last.diverged
    assert [metrics.diverged for metrics in told[:-1]] == [False] * (len(told) - 1)
    assert last.train_accuracy == 0.0
    assert (last.train_loss, last.val_loss, last.ema_val_loss) == (None, None, None)
    assert (last.val_accuracy, last.ema_val_accuracy) == ((0.0, 0.0) if validates else (None, None))
    assert list(trainer) == []
    resumed = Trainer(trainer.recipe, data, CPU, seed=0)
    resumed.load_state_dict(trainer.state_dict())
    assert list(resumed) == []


def test_what_only_the_validation_sees_is_divergence_too(data: TrainingData) -> None:
    """The loss of an epoch's only step is computed before that step ruins the weights."""
    (last,) = Trainer(recipe(max_lr=1e30, min_lr_fraction=1.0, batch_size=88), data, CPU, seed=0)
    assert (last.epoch, last.diverged, last.train_loss, last.score) == (1, True, None, 0.0)


def test_speed_is_that_of_the_steps_and_seconds_include_the_validation(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 12.0, 13.0])
    monkeypatch.setattr(trainer_module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    metrics = Trainer(recipe(), data, CPU, seed=0).run_epoch()
    assert (metrics.seconds, metrics.images_per_second) == (3.0, 5 * 16 / 2.0)


def test_a_sound_run_does_not_diverge(data: TrainingData) -> None:
    told = list(Trainer(recipe(), data, CPU, seed=0))
    assert [metrics.epoch for metrics in told] == [1, 2, 3, 4]
    assert not any(metrics.diverged for metrics in told)
    losses = [loss for m in told for loss in (m.train_loss, m.val_loss, m.ema_val_loss)]
    assert all(loss is not None and math.isfinite(loss) for loss in losses)


def test_fewer_images_than_a_batch_are_refused(data: TrainingData) -> None:
    assert Trainer(recipe(batch_size=88), data, CPU, seed=0).steps_per_epoch == 1
    with pytest.raises(InputError, match=r"^batch_size 89: must be at most the 88 training images$"):
        Trainer(recipe(batch_size=89), data, CPU, seed=0)


def test_the_last_partial_batch_is_dropped(data: TrainingData) -> None:
    trainer = Trainer(recipe(), data, CPU, seed=0)
    batches = list(trainer.batches(0))
    assert trainer.steps_per_epoch == len(batches) == 88 // 16
    assert {len(labels) for _, labels in batches} == {16}


def test_an_epoch_takes_no_image_twice_and_keeps_its_label(data: TrainingData) -> None:
    trainer = Trainer(recipe(batch_size=44, pad=0, cutout=0), data, CPU, seed=0)
    pixels, labels = (torch.cat(parts) for parts in zip(*trainer.batches(0), strict=True))
    all_pixels = normalise(torch.from_numpy(data.train.pixels), MEAN, STD)
    distance = torch.cdist(pixels.flatten(1), all_pixels.flatten(1))
    index = distance.argmin(1)
    assert sorted(index.tolist()) == list(range(88))
    assert index.tolist() != list(range(88))
    assert labels.tolist() == data.train.labels[index.numpy()].tolist()


def test_validation_sees_every_image_once_as_it_is(data: TrainingData) -> None:
    trainer = Trainer(recipe(), data, CPU, seed=0)
    seen: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
        if not module.training:
            seen.append(arguments[0].clone())

    trainer.model.register_forward_pre_hook(keep)
    metrics = trainer.run_epoch()
    assert data.validation is not None
    assert torch.equal(torch.cat(seen), normalise(torch.from_numpy(data.validation.pixels), MEAN, STD))

    with torch.no_grad():
        logits = trainer.recipe.logit_scale * trainer.model.eval()(torch.cat(seen[:2]))
    labels = torch.from_numpy(data.validation.labels)
    assert metrics.val_loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert metrics.val_accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


@pytest.mark.parametrize(("label_smoothing", "logit_scale"), [(0.0, 1.0), (0.2, 1.0), (0.0, 0.125), (0.2, 0.5)])
def test_the_loss_smooths_labels_and_scales_logits(
    data: TrainingData, label_smoothing: float, logit_scale: float
) -> None:
    trainer = Trainer(recipe(label_smoothing=label_smoothing, logit_scale=logit_scale), data, CPU, seed=0)
    batch, labels = next(trainer.batches(0))
    with torch.no_grad():
        logits = copy.deepcopy(trainer.model).train()(batch) * logit_scale
    target = F.one_hot(labels, 4) * (1 - label_smoothing) + label_smoothing / 4
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    loss, accuracy = trainer.step(batch, labels, lr=0.1).tolist()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_validation_scales_logits_and_smooths_nothing(data: TrainingData) -> None:
    trainer = Trainer(recipe(label_smoothing=0.5, logit_scale=0.5), data, CPU, seed=0)
    assert trainer.validation is not None
    pixels, labels = trainer.validation
    with torch.no_grad():
        logits = trainer.model.eval()(normalise(pixels, MEAN, STD)) * 0.5
    loss, _ = trainer.evaluate(trainer.model, trainer.validation)
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)


def test_a_small_task_is_learned(data: TrainingData) -> None:
    trainer = Trainer(recipe(width=4, epochs=10, peak_epoch=3), data, CPU, seed=0)
    *_, last = trainer
    assert last.train_accuracy > 0.9
    assert last.val_accuracy is not None
    assert last.val_accuracy > 0.9
    assert last.ema_val_accuracy is not None
    assert last.ema_val_accuracy > 0.9


def test_without_validation_images_only_training_is_told(data: TrainingData) -> None:
    trainer = Trainer(recipe(), TrainingData(data.train, None, 4, MEAN, STD), CPU, seed=0)
    *_, last = trainer
    assert last.epoch == 4
    assert last.train_loss is not None
    assert (last.val_loss, last.val_accuracy, last.ema_val_loss, last.ema_val_accuracy) == (None,) * 4


def test_validation_does_not_change_training(data: TrainingData) -> None:
    validated = Trainer(recipe(), data, CPU, seed=0)
    alone = Trainer(recipe(), TrainingData(data.train, None, 4, MEAN, STD), CPU, seed=0)
    list(validated)
    list(alone)
    assert same_bits(validated.model, alone.model)
    assert same_bits(validated.average.model, alone.average.model)


@pytest.mark.parametrize("horizon", [0.25, 2.0])
def test_the_average_has_its_horizon_in_epochs(data: TrainingData, horizon: float) -> None:
    trainer = Trainer(recipe(ema_horizon=horizon), data, CPU, seed=0)
    share = math.exp(-1 / (horizon * 5))
    expected = weights(trainer.model)

    def average() -> None:
        for name, tensor in trainer.model.state_dict().items():
            expected[name] = expected[name] * share + tensor * (1 - share)

    trainer.on_step = average
    trainer.run_epoch()
    for name, tensor in trainer.average.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name])


def test_bf16_computes_under_autocast_with_full_weights(data: TrainingData) -> None:
    trainer = Trainer(recipe(), data, Hardware(device="cpu", precision="bf16", threads=1), seed=0)
    outputs: list[torch.dtype] = []
    trainer.model.linear.register_forward_hook(lambda module, arguments, output: outputs.append(output.dtype))
    trainer.run_epoch()
    assert set(outputs) == {torch.bfloat16}
    assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}
    assert trainer.predict(trainer.model, trainer.train[0]).dtype == torch.float32


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(("a", "b", "c", "d"), images(100, seed=5), images(20, seed=6))


def test_data_to_choose_by_leaves_the_test_images_out(dataset: Dataset) -> None:
    data = TrainingData.with_validation(dataset, recipe(val_fraction=0.2), seed=0)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), data.num_classes) == (80, 20, 4)
    assert (data.mean, data.std) == (dataset.mean, dataset.std)
    used = {image.tobytes() for part in (data.train, data.validation) for image in part.pixels}
    assert used == {image.tobytes() for image in dataset.train.pixels}


@pytest.mark.parametrize("train_images", [None, 60])
def test_data_to_refit_with_is_what_was_chosen_by(dataset: Dataset, train_images: int | None) -> None:
    chosen_by = TrainingData.with_validation(dataset, recipe(train_images=train_images), seed=0)
    refit = TrainingData.without_validation(dataset, recipe(train_images=train_images), seed=0)
    assert refit.validation is None
    assert chosen_by.validation is not None

    def labelled(*parts: Images) -> list[tuple[bytes, int]]:
        return sorted((p.tobytes(), int(n)) for part in parts for p, n in zip(part.pixels, part.labels, strict=True))

    assert labelled(refit.train) == labelled(chosen_by.train, chosen_by.validation)
    assert len(refit.train) == (train_images or 100)


def test_matrix_products_train_alike_and_repeat_to_the_last_bit(data: TrainingData) -> None:
    products = CPU.model_copy(update={"matrix_products": True})
    plain, multiplied, again = (
        Trainer(recipe(max_lr=0.02), data, hardware, seed=0) for hardware in (CPU, products, products)
    )
    runs = [[figures(metrics) for metrics in trainer] for trainer in (plain, multiplied, again)]
    for one, other in zip(*runs[:2], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
        assert one["ema_val_loss"] == pytest.approx(other["ema_val_loss"], rel=1e-3)
    assert not same_bits(plain.model, multiplied.model)
    assert runs[1] == runs[2]
    assert same_bits(multiplied.model, again.model)
    assert isinstance(multiplied.average.model.prep[0], SmallConv2d)


COMPILED = CPU.model_copy(update={"compiled": True})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_a_compiled_network_trains_alike_and_is_compiled_once(data: TrainingData) -> None:
    """Losses of 20 steps and more; another learning rate, momentum, weight decay and seed compile nothing."""
    plain, compiled = (Trainer(recipe(max_lr=0.02), data, hardware, seed=0) for hardware in (CPU, COMPILED))
    for one, other in zip(plain, compiled, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-3)
    assert plain.epoch * plain.steps_per_epoch >= 20
    before = counters["stats"]["unique_graphs"]
    assert before >= 1
    changes = {"max_lr": 0.05, "min_lr_fraction": 0.1, "momentum": 0.8, "weight_decay": 1e-4}
    next(iter(Trainer(recipe(**changes), data, COMPILED, seed=1)))
    assert counters["stats"]["unique_graphs"] == before


class LateBuffer(nn.Module):
    """Has a part of its state only once it has trained."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, classes)
        self.register_buffer("late", None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(images.mean((2, 3)))
        if self.training:
            self.late = logits.detach().mean()
        return logits


class TwoHeads(nn.Linear):
    """A network with a second classifier in training mode, as torchvision's Inception has."""

    def forward(self, images: torch.Tensor) -> Any:
        logits = super().forward(images.mean((2, 3)))
        return (logits, logits) if self.training else logits


class Caching(nn.Linear):
    """A network that keeps a tensor of its first call, as those with rotary embeddings do."""

    scale: torch.Tensor | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.scale is None:
            self.scale = torch.ones(3)
        return super().forward(images.mean((2, 3)) * self.scale * self.weight.mean())


def test_a_network_that_keeps_a_tensor_can_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "build_model", lambda recipe, classes: Caching(3, classes))
    try_out(recipe(), TrainingData(images(64, 0), None, 4, MEAN, STD))


def test_batches_of_one_image_are_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TrainingData(images(8, 0), None, 4, MEAN, STD)
    with pytest.raises(InputError, match="fails on one image in training mode: ValueError: Expected more than 1 value"):
        try_out(recipe(batch_size=1), data)  # a batch norm of one value
    flat = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 4))
    monkeypatch.setattr(trainer_module, "build_model", lambda recipe, classes: flat)
    try_out(recipe(batch_size=1), data)


def test_a_module_that_is_a_script_and_exits_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exiting_script.py").write_text("import sys; sys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"^model exiting_script:net: fails before training: SystemExit: 0$"):
        try_out(recipe(model="exiting_script:net"), TrainingData(images(64, 0), None, 4, MEAN, STD))


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (lambda classes: TwoHeads(3, classes), "fails on two images in training mode: AttributeError: "),
        (
            lambda _: nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 3)),
            "logits of shape (2, 3), expected (N, 4)",
        ),
        (lambda classes: nn.Linear(5, classes), "fails on two images: RuntimeError: "),
        (nn.LazyLinear, "fails before training: ValueError: "),
        (LateBuffer, "training changes names or shapes in its state_dict: late"),
    ],
)
def test_a_network_that_cannot_be_trained_is_found_out_on_two_images(
    monkeypatch: pytest.MonkeyPatch, network: Callable[[int], nn.Module], says: str
) -> None:
    monkeypatch.setattr(trainer_module, "build_model", lambda recipe, classes: network(classes))
    with pytest.raises(InputError) as refused:
        try_out(recipe(), TrainingData(images(64, 0), None, 4, MEAN, STD))
    assert str(refused.value).startswith(f"model s11: {says}")
