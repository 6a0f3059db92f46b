"""``python -m tune_s11.report``: what it prints, writes and refuses."""

import csv
import json
import os
import shutil
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from tune_s11.cli.app import run
from tune_s11.cli.report import app

Report = Callable[..., str]


@pytest.fixture
def report(search_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Report:
    """Runs a command in the folder that holds ``results/own``, and returns what it prints."""
    monkeypatch.chdir(search_path.parent.parent)

    def report(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["report", *arguments])
        with pytest.raises(SystemExit) as exit:
            run(app, "python -m tune_s11.report")
        out, err = capsys.readouterr()
        assert exit.value.code == code, err
        assert (err.count("\n"), out) == (1, "") if code else err == ""
        return err if code else out

    return report


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are files without a picture, for tests of what is printed and counted: drawing them takes seconds."""
    monkeypatch.setattr("tune_s11.report.figures.png", lambda _: b"")
    monkeypatch.setattr("tune_s11.report.figures.svg", lambda *_: "<svg/>")


def test_best_writes_the_report_of_the_latest_search(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    out = report("best", "--open", "--layer", "layer9")
    index = Path("results/own/report/index.html")
    assert index.is_file()
    assert opened == [index.resolve().as_uri()]
    lines = out.splitlines()
    assert lines[0] == "own: t0002, validation accuracy 0.8400 (EMA weights)"
    assert lines[1].startswith("test accuracy: 0.")
    assert "(n = 2, EMA weights)" in lines[1]
    assert lines[2].startswith("not shown: the parameters' importance: needs at least 10 complete trials")
    assert any("--layer 'layer9': the network has no such layer" in line for line in lines)
    assert lines[-1] == f"report: {index}"


@pytest.mark.usefixtures("undrawn")
def test_best_of_a_search_without_refits_says_how_to_resume_it(report: Report) -> None:
    shutil.rmtree("results/own/best")
    lines = report("best").splitlines()
    assert "not shown: the test accuracy: the winner, t0002, is not refit yet" in lines
    assert "resume it with: tune-s11 search --resume own" in lines
    assert "<pre>tune-s11 search --resume own</pre>" in Path("results/own/report/index.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_best_takes_a_run_too(report: Report, tested_path: Path) -> None:
    os.utime("results/own/search.yaml", (1, 1))
    scores = json.loads((tested_path / "scores.json").read_text())
    (tested_path / "test_logits.npz").unlink()  # heat maps take seconds
    for name in ([], ["tested"], ["results/tested"]):
        lines = report("best", *name, "--target-line", str(scores["ema"])).splitlines()
        assert lines[0] == "tested: 6 of 6 epochs"
        assert lines[1].startswith(f"test accuracy: {scores['ema']:.4f} after epoch 6 (EMA weights), raw weights ")
        assert lines[2] == f"target {scores['ema']:g}, test accuracy of the EMA weights: first reached in epoch 6"
        assert lines[3].startswith("not shown: the errors on the test images: ")
        assert lines[4:] == ["report: results/tested/report/index.html"]


@pytest.mark.usefixtures("undrawn")
def test_best_of_a_run_whose_test_curve_is_lost_has_the_rest(report: Report, tested_path: Path) -> None:
    (tested_path / "checkpoint.pt").unlink()  # heat maps take seconds
    curve = tested_path / "test_curve.jsonl"
    for lost in (lambda: curve.write_text('{"epoch": 1}\n'), curve.unlink):
        lost()
        lines = report("best", "tested").splitlines()
        assert lines[0] == "tested: 6 of 6 epochs"
        assert any(line.startswith("not shown: the test curve: ") for line in lines[1:])
        assert Path("results/tested/report/confusion.png").is_file()
        assert "test_curve.jsonl" in report("compare", "tested", code=2)


@pytest.mark.usefixtures("undrawn")
def test_best_of_a_run_that_is_interrupted_says_how_to_resume_it(report: Report, validated_path: Path) -> None:
    metrics = validated_path / "metrics.jsonl"
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:4]))
    lines = report("best", "validated", "--target-line", "0.9").splitlines()
    assert lines[:3] == [
        "validated: 4 of 6 epochs",
        "validation accuracy: 0.7000 after epoch 4 (EMA weights), raw weights 0.6650",
        "target 0.9, validation accuracy of the EMA weights: not reached",
    ]
    assert "resume it with: tune-s11 train --resume validated" in lines
    metrics.unlink()
    assert report("best", "validated").splitlines()[0] == "validated: no epoch is complete yet"


@pytest.mark.usefixtures("undrawn")
def test_the_target_of_a_search_is_in_its_lines_its_numbers_and_its_table(report: Report) -> None:
    Path("results/own/best/seed-0/test_logits.npz").unlink()  # heat maps take seconds
    lines = report("best", "--target-line", "0.8").splitlines()
    assert "target 0.8, validation accuracy of the EMA weights: first reached in epoch 4" in lines
    assert "target 0.8, test accuracy of the EMA weights: not reached" in lines
    numbers = json.loads(Path("results/own/report/report.json").read_text())
    assert numbers["target"] == {"line": 0.8, "validation": 4, "test": None}
    assert [row["target_epoch"] for row in numbers["trials"]] == [4, 6, None, None, None, None]
    assert "epoch at 80 %" in Path("results/own/report/index.html").read_text()
    rows = list(csv.DictReader(report("trials", "--csv", "--target-line", "0.8").splitlines()))
    assert [row["target_epoch"] for row in rows] == ["4", "6", "", "", "", ""]
    table = report("trials", "--target-line", "0.8").splitlines()
    assert table[0].split()[:5] == ["trial", "state", "epoch", "score", "target_epoch"]
    assert table[1].split()[:5] == ["t0002", "complete", "6", "0.8400", "4"]


def test_trials_as_a_table(report: Report) -> None:
    lines = report("trials", "own").splitlines()
    assert len(lines) == 7
    assert lines[0].split() == ["trial", "state", "epoch", "score", "max_lr", "momentum"]
    assert lines[1].split() == ["t0002", "complete", "6", "0.8400", "0.4", "0.95"]
    assert [line.split()[0] for line in lines[1:]] == ["t0002", "t0000", "t0004", "t0001", "t0003", "t0005"]


def test_trials_as_csv_and_json_agree(report: Report) -> None:
    rows = list(csv.DictReader(report("trials", "--csv").splitlines()))
    plain = json.loads(report("trials", "--json"))
    assert len(rows) == len(plain) == 6
    for row, trial in zip(rows, plain, strict=True):
        assert (row["trial"], row["state"]) == (trial["trial"], trial["state"])
        assert float(row["max_lr"]) == trial["params"]["max_lr"]
        assert row["score"] == ("" if trial["score"] is None else str(trial["score"]))


def test_compare_sets_runs_side_by_side(report: Report) -> None:
    shutil.copytree("results/own", "results/other", ignore=shutil.ignore_patterns("t0002", "best"))
    lines = report("compare", "own", "results/other", "--out", "compare.png").splitlines()
    assert lines[0].split("  ")[0] == "name"
    assert lines[1].split()[:9] == [
        "own",
        "winner",
        "one_cycle",
        "validation",
        "6",
        "0.4",
        "0.7980",
        "0.8400",
        "0.8400",
    ]
    assert lines[2].split()[:3] == ["other", "winner", "one_cycle"]
    assert "to level: first epoch that reaches 0.8100, the lowest final accuracy (EMA, else raw)" in lines
    assert lines[-1] == "picture: compare.png"
    assert Path("compare.png").read_bytes().startswith(b"\x89PNG")
    plain = json.loads(report("compare", "own", "other", "--json"))
    assert [row["epochs_to_level"] for row in plain["runs"]] == [5, 6]


def test_compare_takes_one_alone(report: Report, tested_path: Path) -> None:
    lines = report("compare", "tested", "--out", "compare.png").splitlines()
    assert lines[1].split()[:5] == ["tested", "run", "one_cycle", "test", "6"]
    assert "to target: first epoch that reaches 0.9 (EMA, else raw)" in lines
    assert not any(line.startswith("to level") for line in lines)
    assert Path("compare.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(report("compare", "own", "--json"))["target"] is None
    both = report("compare", "own", "tested").splitlines()
    assert both[-1].startswith("not judged on the same images; they differ in: whether they are tested or validated")


@pytest.mark.parametrize("source", [[], ["own"], ["results/own/lr_range.json"]])
def test_lr_draws_a_search_or_a_file(report: Report, source: list[str]) -> None:
    Path("lr_range.png").write_text("an older picture")
    assert "picture: lr_range.png" in report("lr", *source)
    assert Path("lr_range.png").read_bytes().startswith(b"\x89PNG")


def test_zigzag_draws(report: Report) -> None:
    assert report("zigzag", "--cycles", "2", "--period", "4", "--out", "z.png") == "picture: z.png\n"
    assert Path("z.png").read_bytes().startswith(b"\x89PNG")
    report("zigzag", "--out", "z.SVG")
    assert Path("z.SVG").read_text().startswith("<svg ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["best", "nosuch"], "nosuch: no such search or run; results has own"),
        (["compare", *"abcdefghi"], "9 given: expected 1 to 8 searches or runs"),
        (["compare", "own", "nosuch"], "nosuch: no such search or run; results has own"),
        (["compare", "own", "own", "--out", "no/such.png"], "--out no/such.png: there is no folder no"),
        (["trials", "--csv", "--json"], "--csv --json: expected one of them"),
        (["lr", "--out", "no/such.png"], "--out no/such.png: there is no folder no"),
        (["lr", "--out", "results"], "--out results: is a folder"),
        (["lr", "results/own/search.yaml"], "results/own/search.yaml: holds no range test"),
        (["zigzag", "--cycles", "0"], "'0': expected a whole number from 1 to 1000"),
        (["zigzag", "--min-lr", "1", "--max-lr", "0.5"], "--min-lr 1 --max-lr 0.5: expected 0 <= min_lr < max_lr"),
        (["zigzag", "--max-lr", "nan"], "expected 0 <= min_lr < max_lr"),
        (["zigzag", "--period", "0"], "--period 0: must be more than 0 epochs"),
        (["zigzag", "--out", "no/such.png"], "--out no/such.png: there is no folder no"),
    ],
)
def test_what_is_refused(report: Report, arguments: list[str], says: str) -> None:
    assert says in report(*arguments, code=2)
    assert not list(Path().glob("*.png"))
