"""The measuring itself, tiny."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ramps import record as lr_bounds
from benchmarks.ramps import tables as bounds_tables
from benchmarks.ramps.analysis import Condition
from benchmarks.ramps.record import best_rate, build_material, lines_of, main
from benchmarks.tools.lines import read_lines
from tune_s11.cli.arguments import resolve_config
from tune_s11.config import InputError
from tune_s11.hardware import Hardware

CPU = Hardware(device="cpu", precision="fp32", threads=1)
SETTINGS = ["train_images=300", "epochs=2", "peak_epoch=0.5", "search.lr_range_steps=40"]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GROUPS": (("digits", 2, 32),),
        "MOMENTA": (0.8, 0.9),
        "SEEDS": 2,
        "RATES": (0.01, 0.1, 1.0),
        "FRACTIONS": (0.01, 0.1, 0.5),
    }.items():
        monkeypatch.setattr(lr_bounds, name, value)


def without_times(lines: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({key: value for key, value in line.items() if key != "seconds"}) for line in lines)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_an_interrupted_measurement_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(out: Path, settings: list[str] = SETTINGS) -> str:
        main(settings, None, None, "fp32", 1, 1, False, out)
        return capsys.readouterr().out

    folder, other = tmp_path / "whole", tmp_path / "cut"
    whole, cut = (each / "digits.jsonl" for each in (folder, other))
    other.mkdir()
    told = run(folder)
    header, *lines = read_lines(whole)
    assert "2 conditions take about" in told
    assert set(json.loads(told.splitlines()[-1])["goals"]) >= {"conditions", "bounds_hold_the_best"}
    assert header["of"]["images"] | {"fingerprint": ""} == {"train": 300, "apart": 300, "fingerprint": ""}
    kinds = [line["what"] for line in lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"ramp": 4, "max_lr": 6, "min_lr_fraction": 6}
    for momentum in (0.8, 0.9):  # the second sweep is at the rate that was best in the first
        condition = Condition("digits", 2, 32, momentum)
        best = best_rate(condition, 300, whole)
        swept = [line for (what, _), line in lines_of(condition, whole).items() if what == "min_lr_fraction"]
        assert [line["max_lr"] for line in swept] == [best] * 3

    text = whole.read_text().splitlines(keepends=True)
    cut.write_text("".join(text[:5]) + text[5][:40])
    run(other)
    assert without_times(read_lines(cut)[1:]) == without_times(lines)
    before = whole.read_bytes()
    run(folder)
    assert whole.read_bytes() == before
    with pytest.raises(InputError, match=r"was recorded with another recipe"):
        run(folder, [*SETTINGS, "label_smoothing=0.1"])


@pytest.mark.usefixtures("tiny")
def test_a_training_that_diverges_is_recorded_as_such() -> None:
    config = resolve_config("s11", [*lr_bounds.DEFAULTS, *SETTINGS])
    material, _, _ = build_material(config, "digits", CPU)
    condition = Condition("digits", 2, 32, 0.9)
    line = material.train(condition, "max_lr", 1e30, 1.0)
    assert (line["accuracy"], line["diverged_at"]) == (0.0, 1)
    line = material.train(condition, "max_lr", 0.1, 0.01)
    assert line["accuracy"] > 0
    assert line["diverged_at"] is None
    recipe = material.recipe(condition, max_lr=0.2)
    assert (recipe.dataset, recipe.width, recipe.batch_size, recipe.momentum) == ("digits", 2, 32, 0.9)
    assert (recipe.max_lr, recipe.epochs, recipe.flip) == (0.2, 2, False)


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no condition is complete"):
        main(tell_only=True, out=tmp_path)


def test_twelve_conditions_and_more_are_planned() -> None:
    assert len(lr_bounds.GROUPS) * len(lr_bounds.MOMENTA) >= bounds_tables.LEAST
    assert {width for _, width, _ in lr_bounds.GROUPS} == {8, 16, 32}
    assert {batch for _, _, batch in lr_bounds.GROUPS} == {128, 512}
