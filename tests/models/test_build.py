"""A recipe's model name becomes a network, or one line that says why not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn as nn

from tune_s11.config import InputError, Recipe
from tune_s11.models import S11ResNet, build_model


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of the test's own, from which modules can be imported and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_s11_takes_width_classes_and_image_size() -> None:
    model = build_model(Recipe(width=4, image_size=16), num_classes=7)
    assert isinstance(model, S11ResNet)
    assert model.prep[0].out_channels == 4
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 7)


def test_the_global_seed_fixes_the_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(build_model(Recipe(width=2), 10).parameters())

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_a_model_from_the_working_directory(working_directory: Path) -> None:
    (working_directory / "my_nets.py").write_text(
        "import torch.nn as nn\n"
        "def linear(width, num_classes, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, width), nn.Linear(width, num_classes))\n"
    )
    model = build_model(Recipe(model="my_nets:linear", width=5, image_size=8, cutout=0), num_classes=4)
    assert [tuple(p.shape) for p in model.parameters()] == [(5, 192), (5,), (4, 5), (4,)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "expected s11 or package.module:function"),
        (":function", "expected s11 or package.module:function"),
        ("torch.nn:", "expected s11 or package.module:function"),
        ("no_such_package_anywhere:net", "cannot be imported"),
        ("torch.nn:NoSuchNet", "cannot be imported"),
        ("torch.nn:__name__", "is not callable"),
        ("builtins:dict", "returned dict, expected a torch.nn.Module"),
    ],
)
def test_a_bad_name_is_one_line(name: str, message: str, working_directory: Path) -> None:
    with pytest.raises(InputError) as caught:
        build_model(Recipe(model=name), 10)
    line = str(caught.value)
    assert "\n" not in line
    assert name in line
    assert message in line
