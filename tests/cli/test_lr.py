"""The LR range test alone: ``tune-s11 lr``."""

import json
from pathlib import Path

import pytest

from tune_s11.cli.main import main
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.range_test import RangeTest, read_range_test


@pytest.mark.parametrize("more", [(), ("--linear",)], ids=" ".join)
def test_command_writes_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    out = tmp_path / "lr.json"
    tiny = ("image_size=8", "width=4", "pad=1", "cutout=2", "search.lr_range_steps=60")
    settings = [f"--set={setting}" for setting in tiny]
    arguments = ["lr", "--space", "quick", "--out", str(out), "--threads", "1", *settings, *more]
    monkeypatch.setattr("sys.argv", ["tune-s11", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 0
    plain, measured = json.loads(out.read_text()), read_range_test(out)
    assert plain["suggestions"].keys() == SUGGESTIONS.keys()
    again = RangeTest.of(measured.curve)
    assert (again.suggestions, again.bounds) == (measured.suggestions, measured.bounds)
    steps = measured.curve.lrs[1:] - measured.curve.lrs[:-1]
    assert (steps.max() < 1.001 * steps.min()) == bool(more)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        *(f"{name:12s} {rate:.4g}" for name, rate in measured.suggestions.items()),
        *(f"{name:12s} {plain['bounds'][name]:.4g}  ({reason})" for name, reason in plain["bounds"]["reasons"].items()),
        f"curve: {out}; draw it with: tune-s11 report lr {out}",
    ]


def test_a_file_that_exists_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").touch()
    for out in (tmp_path / "there", tmp_path / "not" / "there"):
        monkeypatch.setattr("sys.argv", ["tune-s11", "lr", "--out", str(out)])
        with pytest.raises(SystemExit) as exit:
            main()
        assert exit.value.code == 2
        assert capsys.readouterr().err == f"error: --out {out}: allowed is a new file in a folder that exists\n"
