"""Searches and single runs side by side."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError, Recipe
from tune_s11.report.compare import Compared, common_level, comparison, comparison_cells, epochs_to, read_compared
from tune_s11.training.metrics import EpochMetrics

CYCLE = [0.2, 0.5, 0.6, 0.7, 0.75, 0.8]
PLATEAU = [0.3, 0.35, 0.4, 0.5, 0.55, 0.6]


def rows(scores: list[float]) -> list[EpochMetrics]:
    return [
        EpochMetrics(epoch, 0.1, 0.5, 0.5, 0.5, 0.9 * score, 0.5, score, 1.5, 1000.0, score == 0)
        for epoch, score in enumerate(scores, start=1)
    ]


def run(name: str, scores: list[float], split_seed: int = 0, **recipe: Any) -> Compared:
    return Compared(name, "run", Recipe(epochs=6, **recipe), split_seed, rows(scores), None)


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
    assert common_level(runs[2:]) is None
    assert epochs_to(None, runs[0].rows) is None


def test_a_run_without_an_ema_is_compared_by_its_raw_weights() -> None:
    raw = run("raw", [0.5, 0.6], ema_horizon=0)
    raw = replace(raw, rows=[replace(row, ema_val_loss=None, ema_val_accuracy=None) for row in raw.rows])
    found = comparison([raw, run("cycle", CYCLE)])
    assert found["level"] == pytest.approx(0.54)
    assert (found["runs"][0]["validation_averaged"], found["runs"][0]["best_epoch"]) == (None, 2)
    assert comparison_cells(found["runs"][0])[5:9] == ["0.5400", "", "0.5400 @2", "2"]


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
    assert (plateau["validation_raw"], plateau["validation_averaged"]) == (pytest.approx(0.36), 0.4)
    assert (plateau["best_averaged"], plateau["best_epoch"]) == (0.7, 2)
    assert comparison_cells(plateau) == [
        "plateau",
        "run",
        "plateau",
        "3/6",
        "0.1",
        "0.3600",
        "0.4000",
        "0.7000 @2",
        "2",
        "",
    ]
    diverged = comparison([run("a", [0.1, 0.0]), run("b", CYCLE)])["runs"][0]
    assert comparison_cells(diverged)[3] == "2/6, diverged"
    tested = cycle | {"test": {"mean": 0.9, "sd": 0.01, "n": 3}}
    assert comparison_cells(tested)[-1] == "0.9000 ± 0.0100 (n = 3)"
    assert comparison_cells(cycle | {"test": {"mean": 0.9, "sd": None, "n": 1}})[-1] == "0.9000 (n = 1)"


def test_other_validation_images_are_named() -> None:
    found = comparison([run("a", CYCLE), run("b", CYCLE, split_seed=1, train_images=4000)])
    assert found["differ"] == ["train_images", "seed of the split"]


def test_a_search_is_its_winner(search_path: Path) -> None:
    storage = search_path.parent
    write_run(storage / "plateau", PLATEAU, schedule="plateau")
    winner, single = read_compared(["own", str(storage / "plateau")], storage)
    assert (winner.name, winner.kind, winner.recipe.max_lr) == ("own", "winner", pytest.approx(0.4))
    assert [row.ema_val_accuracy for row in winner.rows] == [0.3, 0.6, 0.7, 0.8, 0.82, 0.84]
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
        (["a"], "1 given: allowed are 2 to 8"),
        ([*"abcdefghi"], "9 given: allowed are 2 to 8"),
        (["a", "a"], "a: is given twice"),
        (["a", "nosuch"], "nosuch: no such search"),
        (["a", "empty"], "empty: the run has no epoch behind it yet"),
        (["a", "damaged"], r"damaged: .*run.json is missing or damaged"),
        (["a", "odd"], "odd: recipe.nosuch: unknown key"),
    ]:
        with pytest.raises(InputError, match=says):
            read_compared(names, storage)
    for name in ("t0000", "t0002"):
        shutil.rmtree(search_path / "trials" / name)
    with pytest.raises(InputError, match="own: no trial of this search has come to its end yet"):
        read_compared(["a", "own"], storage)
