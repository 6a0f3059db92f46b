"""Searches and single runs side by side."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError, Recipe
from tune_s11.report.compare import (
    CELLS,
    Compared,
    HeldOutEpoch,
    common_level,
    comparison,
    comparison_cells,
    epochs_to,
    read_compared,
    recorded_target,
)
from tune_s11.report.tables import HeldOut
from tune_s11.training.metrics import EpochMetrics

CYCLE = [0.2, 0.5, 0.6, 0.7, 0.75, 0.8]
PLATEAU = [0.3, 0.35, 0.4, 0.5, 0.55, 0.6]


def rows(scores: list[float]) -> list[EpochMetrics]:
    return [
        EpochMetrics(epoch, 0.1, 0.5, 0.5, 0.5, 0.9 * score, 0.5, score, 1.5, 1000.0, score == 0)
        for epoch, score in enumerate(scores, start=1)
    ]


def run(name: str, scores: list[float], split_seed: int = 0, images: HeldOut = "validation", **recipe: Any) -> Compared:
    epochs = [HeldOutEpoch(row.epoch, row.lr, 0.9 * row.score, row.score, row.diverged) for row in rows(scores)]
    return Compared(name, "run", Recipe(epochs=6, **recipe), images, split_seed, epochs)


def write_run(folder: Path, scores: list[float], **recipe: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record(Recipe(epochs=6, **recipe).model_dump(mode="json"))))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows(scores)))
    return folder


def record(recipe: dict[str, Any]) -> dict[str, Any]:
    hardware = {"device": "cpu", "precision": "fp32", "threads": 1}
    return {"recipe": recipe, "seed": 0, "split_seed": 0, "hardware": hardware, "manifest": {}}


def test_level_is_where_the_worst_ends() -> None:
    runs = [run("cycle", CYCLE), run("plateau", PLATEAU, schedule="plateau"), run("diverged", [0.1, 0.0])]
    level = common_level(runs)
    assert level == 0.6
    assert [epochs_to(level, each.rows) for each in runs] == [3, 6, None]
    assert common_level(runs[2:]) is common_level([runs[2], runs[2]]) is None
    assert common_level(runs[:1]) is None  # one alone is compared with nothing
    assert epochs_to(None, runs[0].rows) is None


def test_a_run_without_an_ema_is_compared_by_its_raw_weights() -> None:
    raw = run("raw", [0.5, 0.6], ema_horizon=0)
    raw = replace(raw, rows=[replace(row, ema=None) for row in raw.rows])
    found = comparison([raw, run("cycle", CYCLE)])
    assert found["level"] == pytest.approx(0.54)
    assert (found["runs"][0]["ema"], found["runs"][0]["best_epoch"]) == (None, 2)
    assert comparison_cells(found["runs"][0])[6:10] == ["0.5400", "", "0.5400 @2", "2"]


def test_each_run_is_told_of_as_it_ended() -> None:
    found = comparison([run("cycle", CYCLE), run("plateau", [0.3, 0.7, 0.4], schedule="plateau", max_lr=0.1)])
    assert (found["level"], found["differ"]) == (0.4, [])
    cycle, plateau = found["runs"]
    assert (cycle["schedule"], cycle["epochs"], cycle["epochs_done"], cycle["epochs_to_level"]) == (
        "one_cycle",
        6,
        6,
        2,
    )
    assert (plateau["schedule"], plateau["epochs_done"], plateau["epochs_to_level"]) == ("plateau", 3, 2)
    assert (plateau["raw"], plateau["ema"]) == (pytest.approx(0.36), 0.4)
    assert (plateau["best"], plateau["best_epoch"]) == (0.7, 2)
    assert comparison_cells(plateau) == [
        "plateau",
        "run",
        "plateau",
        "validation",
        "3/6",
        "0.1",
        "0.3600",
        "0.4000",
        "0.7000 @2",
        "2",
        "",
        "",
    ]
    assert len(comparison_cells(plateau)) == len(CELLS)
    diverged = comparison([run("a", [0.1, 0.0]), run("b", CYCLE)])["runs"][0]
    assert comparison_cells(diverged)[4] == "2/6, diverged"
    tested = cycle | {"test": {"mean": 0.9, "sd": 0.01, "n": 3}}
    assert comparison_cells(tested)[-1] == "0.9000 ± 0.0100 (n = 3)"
    assert comparison_cells(cycle | {"test": {"mean": 0.9, "sd": None, "n": 1}})[-1] == "0.9000 (n = 1)"


def test_other_validation_images_are_named() -> None:
    found = comparison([run("a", CYCLE), run("b", CYCLE, split_seed=1, train_images=4000)])
    assert found["differ"] == ["train_images", "seed of the split"]


def test_the_same_images_in_another_place_are_the_same() -> None:
    one, other = (replace(run(name, CYCLE, data_dir=f"/{name}"), fingerprint="a1") for name in ("a", "b"))
    assert comparison([one, other])["differ"] == []
    assert comparison([one, replace(other, fingerprint=None)])["differ"] == ["data_dir"]  # as far as one can tell
    assert comparison([one, replace(other, fingerprint="b2")])["differ"] == ["data_dir"]
    changed = replace(one, fingerprint="b2")
    assert comparison([one, changed])["differ"] == ["files"]


def test_a_folder_that_is_named_by_a_dot_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "one", CYCLE)
    monkeypatch.chdir(tmp_path / "one")
    (found,) = read_compared(["."], tmp_path)
    assert found.name == "one"


def test_the_first_epoch_at_the_target_is_named() -> None:
    found = comparison([run("cycle", CYCLE), run("plateau", PLATEAU)], target=0.7)
    assert found["target"] == 0.7
    assert [row["epochs_to_target"] for row in found["runs"]] == [4, None]
    assert [comparison_cells(row)[CELLS.index("to target")] for row in found["runs"]] == ["4", ""]


def test_no_epoch_is_chosen_by_test_images() -> None:
    found = comparison([run("a", [0.3, 0.9, 0.8], images="test"), run("b", CYCLE, images="test", val_fraction=0.5)])
    assert found["differ"] == []  # what is held out to validate on is no matter to the test images
    assert found["runs"][0]["images"] == "test"
    assert found["runs"][0]["best"] is found["runs"][0]["best_epoch"] is None
    assert comparison_cells(found["runs"][0])[CELLS.index("best")] == ""


def test_test_images_are_not_those_that_others_are_validated_on() -> None:
    assert comparison([run("a", CYCLE, images="test"), run("b", CYCLE)])["differ"] == [
        "whether they are tested or validated"
    ]


def test_a_run_that_is_tested_has_its_test_curve(tested_path: Path) -> None:
    (tested,) = read_compared(["tested"], tested_path.parent)
    assert (tested.kind, tested.images, tested.target) == ("run", "test", 0.9)
    assert recorded_target([run("a", CYCLE), tested]) == 0.9
    scores = json.loads((tested_path / "scores.json").read_text())
    assert tested.test is not None
    assert (tested.test.mean, tested.test.n) == (scores["ema"], 1)
    assert (tested.rows[-1].raw, tested.rows[-1].ema) == (scores["raw"], scores["ema"])
    lines = (tested_path / "test_curve.jsonl").read_text().splitlines()
    (tested_path / "test_curve.jsonl").write_text("\n".join(lines[1:]))
    assert [row.epoch for row in read_compared(["tested"], tested_path.parent)[0].rows] == [2, 3, 4, 5, 6]


def test_a_search_is_its_winner(search_path: Path) -> None:
    storage = search_path.parent
    write_run(storage / "plateau", PLATEAU, schedule="plateau")
    winner, single = read_compared(["own", str(storage / "plateau")], storage)
    assert (winner.name, winner.kind, winner.recipe.max_lr) == ("own", "winner", pytest.approx(0.4))
    assert [row.ema for row in winner.rows] == [0.3, 0.6, 0.7, 0.8, 0.82, 0.84]
    summary = json.loads((search_path / "best" / "metrics.json").read_text())["test_accuracy"]
    assert winner.test is not None
    assert winner.test.model_dump() == summary
    assert (single.name, single.kind, single.recipe.schedule, single.test) == ("plateau", "run", "plateau", None)
    shutil.rmtree(search_path / "best")
    assert read_compared(["own", "plateau"], storage)[0].test is None


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [str(write_run(tmp_path / parent / "same", CYCLE)) for parent in ("a", "b")]
    assert [each.name for each in read_compared(paths, tmp_path)] == paths


def test_what_is_refused(search_path: Path) -> None:
    storage = search_path.parent
    write_run(storage / "a", CYCLE)
    (write_run(storage / "empty", CYCLE) / "metrics.jsonl").write_text('{"epoch": 1, "lr"')
    (write_run(storage / "damaged", CYCLE) / "run.json").write_text("[]")
    (write_run(storage / "odd", CYCLE) / "run.json").write_text(json.dumps(record({"nosuch": 1})))
    for names, says in [
        ([], "0 given: expected 1 to 8"),
        ([*"abcdefghi"], "9 given: expected 1 to 8"),
        (["a", "a"], "a: is given twice"),
        (["a", "nosuch"], "nosuch: no such search or run"),
        (["a", "empty"], "empty: the run has not finished an epoch yet"),
        (["a", "damaged"], r"damaged: .*run.json is missing or damaged"),
        (["a", "odd"], "odd: recipe.nosuch: unknown key"),
    ]:
        with pytest.raises(InputError, match=says):
            read_compared(names, storage)
    for name in ("t0000", "t0002"):
        shutil.rmtree(search_path / "trials" / name)
    with pytest.raises(InputError, match="own: no trial is complete"):
        read_compared(["a", "own"], storage)
