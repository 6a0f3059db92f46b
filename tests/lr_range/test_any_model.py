"""The range test for models and loaders that know nothing of this program."""

import copy
import math
import re
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import tune_s11
from tune_s11.lr_range.any_model import MakeOptimizer, _chance, _Training, lr_range_test, sgd


def loaders(shuffled: bool = True) -> tuple[DataLoader[tuple[Tensor, ...]], DataLoader[tuple[Tensor, ...]]]:
    pixels, labels = load_digits(return_X_y=True)
    inputs, targets = torch.from_numpy(pixels).float() / 16, torch.from_numpy(labels)
    train = TensorDataset(inputs[:600], targets[:600])
    return DataLoader(train, 50, shuffle=shuffled), DataLoader(TensorDataset(inputs[600:900], targets[600:900]), 100)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


@pytest.mark.parametrize("optimizer", [None, torch.optim.AdamW])
def test_a_rate_and_bounds_for_any_model(optimizer: type[torch.optim.Optimizer] | None) -> None:
    model = network()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    named = {} if optimizer is None else {"optimizer": optimizer}
    found = tune_s11.lr_range_test(model, *loaders(), F.cross_entropy, epochs=12, **named)
    assert not found.unsure
    assert found.low <= found.lr <= found.high
    assert (0.02 < found.lr < 2) if optimizer is None else (5e-4 < found.lr < 0.1)
    assert sum(cycle.epochs for cycle in found.cycles) <= 24
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert torch.equal(torch.get_rng_state(), random)


def test_the_same_test_has_the_same_outcomes() -> None:
    one, other = (lr_range_test(network(), *loaders(), nn.CrossEntropyLoss(), epochs=6) for _ in range(2))
    assert one == other


def test_a_loss_that_is_no_cross_entropy() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(200, 5)
    targets = inputs @ torch.randn(5, 1)
    batches = DataLoader(TensorDataset(inputs, targets), 20)
    found = lr_range_test(nn.Linear(5, 1), batches, batches, F.mse_loss, epochs=12)
    assert not found.unsure
    assert 0.003 < found.lr < 0.5
    assert max(outcome.loss or 0.0 for outcome in found.cycles.values()) > 100
    assert {outcome.accuracy for outcome in found.cycles.values()} == {None}


@pytest.mark.parametrize(
    ("optimizer", "usual"),
    [(sgd, 0.0316), (torch.optim.SGD, 0.1), (torch.optim.AdamW, 0.003), (torch.optim.RMSprop, 0.003)],
)
def test_labels_without_meaning_cannot_be_learned(optimizer: MakeOptimizer, usual: float) -> None:
    generator = np.random.default_rng(0)
    inputs, labels = torch.zeros(100, 64), torch.from_numpy(np.resize(np.arange(10), 100))
    batches = DataLoader(TensorDataset(inputs, labels[generator.permutation(100)]), 20)
    found = lr_range_test(network(), batches, batches, F.cross_entropy, epochs=12, optimizer=optimizer)
    assert found.unsure
    assert found.lr == pytest.approx(usual, abs=1e-4)


def test_what_chance_costs_with_weights_and_smoothing_is_the_untrained_models_loss() -> None:
    """One class in twenty: with weights against that, no loss near the entropy of the shares is ever reached."""
    torch.manual_seed(0)
    labels = (torch.arange(400) % 20 == 0).long()
    inputs = torch.randn(400, 4) + 2 * labels[:, None]
    batches = DataLoader(TensorDataset(inputs, labels), 20)
    losses = [nn.CrossEntropyLoss(weight=torch.tensor([0.05, 0.95])), nn.CrossEntropyLoss(label_smoothing=0.1)]
    for loss in losses:
        assert not lr_range_test(nn.Linear(4, 2), batches, batches, loss, epochs=12).unsure


def test_numbers_may_be_numpys() -> None:
    low, high = np.array([0.001, 1.0])
    found = lr_range_test(network(), *loaders(), F.cross_entropy, epochs=np.int64(6), lr_range=(low, high))
    assert 0.001 <= found.lr <= 1


def test_a_loss_that_sums_is_compared_with_the_untrained_models_and_not_with_a_mean() -> None:
    _, validation = loaders()
    means, sums = (
        _chance(_Training(network(), validation, validation, nn.CrossEntropyLoss(reduction=reduction)))
        for reduction in ("mean", "sum")
    )
    assert sums > 5 * means


def test_labels_that_the_loss_ignores_are_no_class() -> None:
    train, _ = loaders(shuffled=False)
    inputs, labels = next(iter(train))
    marked = DataLoader(TensorDataset(inputs.repeat(2, 1), torch.cat([labels, torch.full_like(labels, -100)])), 100)
    plain = DataLoader(TensorDataset(inputs, labels), 50)
    chances = [_chance(_Training(network(), batches, batches, F.cross_entropy)) for batches in (plain, marked)]
    assert chances[0] == pytest.approx(chances[1])


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Digits one by one; nobody knows how many."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(loaders(shuffled=False)[0].dataset)


def test_a_loader_without_a_length() -> None:
    assert not lr_range_test(network(), DataLoader(Stream(), 50), loaders()[1], F.cross_entropy, epochs=12).unsure


class Empty:
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(())


def test_an_optimizer_of_the_original_is_refused_and_groups_are_made_of_what_is_given() -> None:
    model, batches = network(), loaders()
    with pytest.raises(ValueError, match=r"^optimizer: must be built from the parameters that it is given"):
        lr_range_test(
            model, *batches, F.cross_entropy, 12, optimizer=lambda _: torch.optim.SGD(model.parameters(), 0.1)
        )

    def grouped(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        named = dict(zip([name for name, _ in model.named_parameters()], parameters, strict=True))
        head = [parameter for name, parameter in named.items() if name.startswith("2.")]
        rest = [parameter for name, parameter in named.items() if not name.startswith("2.")]
        return torch.optim.SGD([{"params": head}, {"params": rest, "lr": 0.01}], lr=0.1, momentum=0.9)

    assert not lr_range_test(model, *batches, F.cross_entropy, epochs=12, optimizer=grouped).unsure


@pytest.mark.parametrize("epochs", [0, -3, 2.5, "12", True])
def test_epochs_that_are_no_whole_number_from_1_are_refused(epochs: object) -> None:
    with pytest.raises(ValueError, match=re.escape(f"epochs {epochs!r}: must be a whole number from 1")):
        lr_range_test(network(), *loaders(), F.cross_entropy, epochs)  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", [(0.1, 0.5), (1.0, 0.1), (0, 1), (-1, 1), (1e-4, math.inf), (math.nan, 1)])
def test_a_range_that_is_too_narrow_or_has_no_logarithm_is_refused(ends: tuple[float, float]) -> None:
    reason = f"lr_range {ends}: must be finite and above 0, and span at least a factor of 10"
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        lr_range_test(network(), *loaders(), F.cross_entropy, 12, lr_range=ends)


def test_loaders_that_yield_nothing_or_only_once_are_refused() -> None:
    train, validation = loaders()
    each_time = "must yield at least one batch whenever it is iterated"
    for refused in (Empty(), iter(list(train))):
        with pytest.raises(ValueError, match=f"^loader: {each_time}$"):
            lr_range_test(network(), refused, validation, F.cross_entropy, 12)
    for refused in (Empty(), iter(list(validation))):
        with pytest.raises(ValueError, match=f"^validation_loader: {each_time}$"):
            lr_range_test(network(), train, refused, F.cross_entropy, 12)


def test_several_gpus_cause_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their random states are left unchanged, too."""
    model, states = network(), {0: "one", 1: "other"}
    before = dict(states)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: states[device])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: states.update({device: state}))
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: states.update({0: str(seed), 1: str(seed)}))
    lr_range_test(model, *loaders(), F.cross_entropy, epochs=1)
    assert states == before
