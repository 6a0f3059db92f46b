"""The LR range test alone: ``tune-s11 lr``."""

import json
from pathlib import Path

import pytest

from tune_s11.cli.main import main
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.lr_range import read_range_test


@pytest.mark.parametrize("more", [(), ("--linear",)], ids=" ".join)
def test_command_writes_the_test_and_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    out = tmp_path / "lr.json"
    tiny = ("image_size=8", "width=4", "pad=1", "cutout=2", "train_images=300", "epochs=12", "peak_epoch=3")
    tiny += ("search.lr_range_steps=60", "search.lr_range_trials=1")
    settings = [f"--set={setting}" for setting in tiny]
    arguments = ["lr", "--space", "quick", "--out", str(out), "--threads", "1", *settings, *more]
    monkeypatch.setattr("sys.argv", ["tune-s11", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 0
    plain, measured = json.loads(out.read_text()), read_range_test(out)
    assert plain["suggestions"].keys() == SUGGESTIONS.keys()
    assert sum(cycle.epochs for cycle in measured.cycles) >= 6
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    steps = measured.curve.lrs[1:] - measured.curve.lrs[:-1]
    assert (steps.max() < 1.001 * steps.min()) == bool(more)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        *(f"{name:12s} {rate:.4g}  (read off the ramps)" for name, rate in measured.suggestions.items()),
        *(f"{name:12s} {plain['bounds'][name]:.4g}  ({reason})" for name, reason in plain["bounds"]["reasons"].items()),
        f"range test: {out}, {out.with_suffix('.png')}",
    ]


@pytest.mark.parametrize(
    ("out", "there"), [("lr.json", "lr.json"), ("lr.json", "lr.png"), ("not/there.json", None), ("lr.png", None)]
)
def test_a_file_that_exists_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str, there: str | None
) -> None:
    if there:
        (tmp_path / there).touch()
    path = tmp_path / out
    monkeypatch.setattr("sys.argv", ["tune-s11", "lr", "--out", str(path)])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 2
    beside = f"must name a new file in a writable folder, with no {path.with_suffix('.png').name} beside it"
    assert capsys.readouterr().err == f"error: --out {path}: {beside}\n"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b""] if there else [])
