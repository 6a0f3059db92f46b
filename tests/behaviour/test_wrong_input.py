"""What the user gets wrong: one line on stderr, exit code 2, nothing written."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tune_s11.cli import report, train
from tune_s11.cli.main import main as tune_s11
from tune_s11.cli.main import run_search

Run = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line that must be refused, and returns its one line."""
    monkeypatch.chdir(tmp_path)

    def refused(*arguments: str, main: Callable[[], None] = run_search) -> str:
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["run_search.py", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capsys.readouterr()
        assert exit.value.code == 2, err
        assert out == ""
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return refused


def write_images(folder: Path, count: int = 20, size: int = 32) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{index}.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samples", "-3"], ["--samples", "'-3'", "from 1"]),
        (["--space", "quik"], ["--space quik", "quick", "s11", "wide"]),
        (["--wrong"], ["--wrong"]),
        (["--set", "epochs=-2"], ["epochs", "-2", "greater than or equal to 1"]),
        (["--set", "peak_epoch=40"], ["peak_epoch 40", "epochs=12"]),
        (["--set", "momentum=1"], ["momentum", "1", "less than 1"]),
        (["--set", "epoch=5"], ["epoch", "did you mean epochs"]),
        (["--set", "epochs"], ["'epochs'", "KEY=VALUE"]),
        (["--set", "search.grace=12"], ["search.grace", "12", "less than epochs=12"]),
        (["--set", "dataset=mnist"], ["dataset", "mnist", "cifar10"]),
        (["--target-line", "90"], ["--target-line", "must be between 0 and 1 (got 90)"]),
        (["--set", "search.target_line=-1"], ["search.target_line", "-1", "greater than or equal to 0"]),
        (["--set", "search.lr_range=1"], ["search.lr_range", "'1'", "LOW,HIGH"]),
        (["--set", "search.lr_range=1,0.1"], ["search.lr_range", "[1, 0.1]", "low < high"]),
        (["--set", "batch_size=5000"], ["batch_size 5000", "1150"]),
        (["--set", "train_images=9999"], ["train_images 9999", "1437"]),
        (["--set", "augmentation=albumentation"], ["augmentation", "'albumentation'", "batched"]),
        (["--warm-start", "nobody"], ["--warm-start nobody", "no such search"]),
        (["--lr-bounds", "1", "0.1"], ["--lr-bounds 1 0.1", "LOW < HIGH"]),
        (["--lr-bounds", "0", "1"], ["--lr-bounds 0 1"]),
        (["--lr-bounds", "0.1", "1", "--set", "max_lr=0.3"], ["--lr-bounds 0.1 1", "max_lr is not searched"]),
        (["--space", "seed", "--lr-bounds", "0.1", "1"], ["--lr-bounds 0.1 1", "min_lr_fraction needs", "must be set"]),
        (["--dry-run", "--budget", "2h"], ["--budget: cannot be combined with --dry-run"]),
        (["--set", "plateau_patience=3"], ["plateau_patience 3", "needs schedule plateau (got one_cycle)"]),
        (["--set", "schedule=plateau", "--set", "plateau_patience=0"], ["plateau_patience: '0'", "equal to 1"]),
        (["--set", "schedule=plateau", "--set", "plateau_factor=1"], ["plateau_factor: '1'", "less than 1"]),
        (["--resume", "nothing"], ["--resume nothing", "no such search"]),
        (["--resume", "x", "--seed", "1"], ["--resume x", "--seed", "--samples"]),
        (["--resume", "x", "--space", "s11"], ["--resume x", "--space", "--samples"]),  # even what is the default
        (["--resume", "x", "--set", "width=8"], ["--resume x", "--set", "--samples"]),
        (["--data-dir", "nowhere"], ["--data-dir nowhere: must be a folder that holds train/<class>/, or a .csv file"]),
        (["--set", "test_fraction=0.2"], ["test_fraction 0.2: dataset digits has its own test images"]),
        (["--model", "no_such_module:build"], ["no_such_module:build", "cannot be imported"]),
        (["--model", "math"], ["'math'", "package.module:function"]),
        (["--model", "builtins:dict"], ["builtins:dict", "torch.nn.Module"]),
        (["--name", "a/b"], ["a/b", "one folder name"]),
        (["--gpus", "4"], ["--gpus 4", "there is none", "--gpus 0"]),
        (["--track", "aim"], ["--track", "aim", "wandb"]),
        (["--workers", "99999"], ["--workers 99999", "CPUs there are"]),
        (["--trials-per-gpu", "2"], ["--trials-per-gpu 2", "no GPU is used"]),
        (["--address", "127.0.0.1:1"], ["--address 127.0.0.1:1"]),
        (["--address", "http://127.0.0.1:8265"], ["--address http://127.0.0.1:8265", "HOST:PORT"]),
        (["--storage", "/tmp/ray/working_dir_files/pkg/results"], ["--storage", "temporary", "absolute path"]),
    ],
    ids=" ".join,
)
@pytest.mark.filterwarnings("ignore")
def test_search_refuses(refused: Run, arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("RAY_gcs_rpc_server_connect_timeout_s", "1")
    line = refused(*(["--space", "quick"] if not {"--space", "--resume"} & set(arguments) else []), *arguments)
    for word in words:
        assert word in line


def test_a_results_folder_that_exists_stays_as_it_is(refused: Run, tmp_path: Path) -> None:
    (tmp_path / "results" / "mine").mkdir(parents=True)
    assert "--resume mine" in refused("--space", "quick", "--name", "mine")


@pytest.mark.parametrize(
    ("main", "command"), [(train.main, []), (tune_s11, ["train"]), (tune_s11, ["lr"]), (tune_s11, ["search"])]
)
def test_the_other_commands_refuse_alike(refused: Run, main: Callable[[], None], command: list[str]) -> None:
    assert "did you mean epochs" in refused(*command, "--space", "quick", "--set", "epoch=5", main=main)
    assert "--precision" in refused(*command, "--precision", "fp8", main=main)


def test_train_names_what_it_cannot_resume(refused: Run, tmp_path: Path) -> None:
    line = refused("--resume", "nothing", main=train.main)
    assert line == "error: --resume nothing: no such run; results has none\n"
    (tmp_path / "results" / "mine").mkdir(parents=True)
    (tmp_path / "results" / "mine" / "run.json").write_text("{")
    line = refused("--resume", "mine", main=train.main)
    assert line == f"error: --resume mine: {tmp_path}/results/mine/run.json is missing or damaged\n"
    assert "no such search" in refused("--trial", "nothing/t0001", main=train.main)
    assert "SEARCH/TRIAL" in refused("--trial", "t0001", main=train.main)


def test_a_search_of_nothing_names_what_trains_the_recipe_once(refused: Run) -> None:
    fixed = ["max_lr=0.3", "min_lr_fraction=0.01", "momentum=0.9", "weight_decay=0"]
    settings = [word for each in fixed for word in ("--set", each)]
    line = refused("--space", "quick", *settings, "--seed", "3")
    typed = " ".join(settings)
    assert line == (
        "error: space: nothing is left to search; it needs one or more recipe fields; "
        f"train the recipe once with: tune-s11 train --test --space quick {typed} --seed 3\n"
    )


@pytest.mark.parametrize("line", ["-0.1", "1.5", "90", "nan", "inf", "high", ""])
@pytest.mark.parametrize(
    ("main", "command"),
    [
        (train.main, ["--space", "quick"]),
        (report.main, ["best"]),
        (report.main, ["trials"]),
        (report.main, ["compare", "a"]),
    ],
)
def test_a_target_line_is_a_fraction(refused: Run, main: Callable[[], None], command: list[str], line: str) -> None:
    found = refused(*command, f"--target-line={line}", main=main)
    assert "--target-line" in found
    assert f"must be between 0 and 1 (got {line})" in found


def test_train_refuses_what_it_would_ignore(refused: Run) -> None:
    beside = "--name, --storage, --test, --target-line"
    assert f"--trial a/t0001: decides what --set would set; it can be combined with {beside}" in refused(
        "--trial", "a/t0001", "--set", "max_lr=0.1", main=train.main
    )
    assert "decides what --threads would set" in refused("--resume", "mine", "--threads", "1", main=train.main)
    assert "decides what --test would set" in refused("--resume", "mine", "--test", main=train.main)


class TestImageFolders:
    def refuse(self, refused: Run, tmp_path: Path) -> str:
        return refused("--space", "s11", "--data-dir", str(tmp_path / "images"), "--set", "batch_size=8")

    def test_empty_class(self, refused: Run, tmp_path: Path) -> None:
        for part in ("train", "test"):
            write_images(tmp_path / "images" / part / "cat")
            (tmp_path / "images" / part / "dog").mkdir()
        line = self.refuse(refused, tmp_path)
        assert "dog" in line
        assert "has no images" in line

    def test_one_class(self, refused: Run, tmp_path: Path) -> None:
        for part in ("train", "test"):
            write_images(tmp_path / "images" / part / "cat")
        assert "must have 2 or more class folders in train/ (got 1)" in self.refuse(refused, tmp_path)

    def test_an_image_that_does_not_decode(self, refused: Run, tmp_path: Path) -> None:
        for part in ("train", "test"):
            for name in ("cat", "dog"):
                write_images(tmp_path / "images" / part / name)
        (tmp_path / "images" / "train" / "dog" / "7.png").write_bytes(b"not a picture")
        assert "dog/7.png" in self.refuse(refused, tmp_path)


def test_cifar10_that_cannot_be_downloaded(refused: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", no_network)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "elsewhere"))
    line = refused("--space", "s11")
    for word in ("cifar10", "no route to host", "--data-dir", "--space quick"):
        assert word in line


def test_a_network_that_raises(refused: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raising_net.py").write_text("""
import torch

class Net(torch.nn.Linear):
    def forward(self, images):
        raise ValueError("too\\nnarrow")

def build(width, num_classes, image_size):
    return Net(width, num_classes)
""")
    line = refused("--space", "quick", "--model", "raising_net:build")
    assert "model raising_net:build: fails on two images: ValueError: too narrow" in line
