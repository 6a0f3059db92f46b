"""Cycles of several lengths are recorded once each, from the recipe that a search has found."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.headline.lengths import STEPS, recipe_of, record, tune
from benchmarks.tools.lines import read_lines
from tune_s11.config import InputError, Recipe
from tune_s11.results import load_search

DIGITS = ["dataset=digits", "image_size=8", "pad=1", "cutout=2", "flip=false", "batch_size=64", "val_fraction=0.2"]


def record_digits(kind: Any, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """The rows after cycles of one and two epochs, or other ones, from two seeds."""
    wanted = {"width": 2, "seeds": 2, "lengths": [1, 2], "all_images": False, "workers": 2, "settings": DIGITS}
    record(kind, storage=folder, recordings=folder / "recordings", **(wanted | changes))
    name = f"{kind}-s11-2" + ("-all" if changes.get("all_images") else "")
    return read_lines(folder / "recordings" / f"{name}.jsonl")


def test_each_length_is_trained_and_tested_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = record_digits("untuned", tmp_path)
    assert sorted((row["epochs"], row["seed"]) for row in rows) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert all(len(row["validation"]) == row["epochs"] for row in rows)
    assert all(row["steps"] == row["epochs"] * 17 and 0 <= row["test"] <= 1 for row in rows)
    assert header["of"]["images"] == 1150
    assert list(tmp_path.glob("runs-untuned-s11-2-*/*-epochs"))
    assert not list(tmp_path.glob("runs-*/*/seed-*"))  # checkpoints go

    assert len(record_digits("untuned", tmp_path, lengths=[1, 2, 3])) == 7
    assert "4 recorded, 2 to go" in capsys.readouterr().out
    _, *whole = record_digits("untuned", tmp_path, lengths=[1], all_images=True)
    assert {row["steps"] for row in whole} == {22}


def test_rows_of_two_recipes_do_not_mix(tmp_path: Path) -> None:
    record_digits("untuned", tmp_path, lengths=[1], seeds=1)
    with pytest.raises(InputError, match="recorded with another recipe"):
        record_digits("untuned", tmp_path, settings=[*DIGITS, "momentum=0.8"])
    (tmp_path / "recordings" / "untuned-s11-2.jsonl").unlink()
    record_digits("untuned", tmp_path, lengths=[1], seeds=1, settings=[*DIGITS, "momentum=0.8"])
    assert len(list(tmp_path.glob("runs-untuned-s11-2-*"))) == 2  # nor do their checkpoints


def test_the_tuned_recipe_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "recipes.json").write_text(json.dumps({"cycle-s11": {"fields": {"max_lr": 0.7, "momentum": 0.95}}}))
    with pytest.raises(InputError, match=r"^suggested: .* no suggested-s11 yet; expected tune cycle"):
        recipe_of("suggested", Recipe(width=4), tmp_path)
    with pytest.raises(InputError, match=r"^cycle: .* no cycle-plain yet; expected tune cycle"):
        recipe_of("cycle", Recipe(width=4, model="benchmarks.race.networks:plain"), tmp_path)
    found = recipe_of("cycle", Recipe(width=4), tmp_path)
    assert (found.max_lr, found.momentum, found.width) == (0.7, 0.95, 4)
    assert recipe_of("untuned", Recipe(), tmp_path) == Recipe()


def test_steps_need_images_that_are_held_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--all-images"):
        record_digits("steps", tmp_path, all_images=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cycle", "steps"])
def test_a_search_finds_the_recipe(tmp_path: Path, kind: Any) -> None:
    small = [*DIGITS, "search.scheduler=none", "search.finalists=2", "search.finalist_seeds=2"]
    recordings = tmp_path / "recordings"
    tune(kind, width=2, samples=2, settings=small, storage=tmp_path, recordings=recordings)
    found = json.loads((recordings / "recipes.json").read_text())[f"{kind}-s11"]
    assert found["trials"] == 2
    assert found["epochs"] >= 2 * 2 * 12
    assert found["fields"].items() >= (STEPS.items() if kind == "steps" else set())
    winner = load_search(f"lengths-{kind}-s11-2", tmp_path).winner
    assert winner is not None
    assert found["fields"].items() >= winner.params.items()
    _, *rows = record_digits(kind, tmp_path, lengths=[2], seeds=1)
    assert len(rows) == 1
    if kind == "cycle":
        header, *_ = record_digits("suggested", tmp_path, lengths=[2], seeds=1)
        bounds = load_search("lengths-cycle-s11-2", tmp_path).bounds
        assert bounds is not None
        assert header["of"]["recipe"]["max_lr"] == pytest.approx(bounds.first["max_lr"])
        assert header["of"]["recipe"]["momentum"] == Recipe().momentum
