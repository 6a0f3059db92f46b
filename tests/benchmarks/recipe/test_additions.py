"""What each addition brings: the arms, the table, and the measuring itself, tiny."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recipe import additions
from benchmarks.recipe.additions import ALL, ARMS, AVERAGE, SEED, WITHOUT, build_recipes, changes_of, main, table
from benchmarks.tools.lines import read_lines
from tune_s11.cli.arguments import resolve_config
from tune_s11.config import InputError, Recipe
from tune_s11.search_space import load_space

TINY = [
    *("dataset=digits", "flip=false", "image_size=8", "pad=1", "cutout=2", "width=4", "batch_size=32"),
    *("train_images=300", "epochs=2", "peak_epoch=0.5", "search.lr_range_steps=80", "search.lr_range_seeds=2"),
]


def recipes(*settings: str) -> dict[str, Recipe]:
    return build_recipes(resolve_config("s11", [*additions.DEFAULTS, *settings]), list(settings))


def test_an_arm_differs_in_what_it_is_named_after_and_the_seed_in_all_of_it() -> None:
    arms = recipes()
    assert tuple(arms) == ARMS
    assert {arm: changes_of(arms[arm], arms[ALL]) for arm in WITHOUT} == WITHOUT
    seed = load_space("seed").recipe
    taken_back = {name for changes in WITHOUT.values() for name in changes} | {"ema_horizon", "augmentation"}
    assert changes_of(arms[SEED], arms[ALL]) == {name: getattr(seed, name) for name in taken_back}
    sizes = {"width", "train_images", "val_fraction", "batch_size"}
    assert changes_of(arms[SEED], seed).keys() == sizes
    assert (arms[SEED].width, arms[SEED].train_images) == (16, 22000)


def test_a_field_that_is_given_holds_for_the_seed_too() -> None:
    assert recipes("augmentation=batched")[SEED].augmentation == "batched"


def line(arm: str, seed: int, raw: float, ema: float | None) -> dict[str, Any]:
    scores = {"raw": raw} if ema is None else {"raw": raw, "ema": ema}
    return {"arm": arm, "what": "run", "seed": seed, "max_lr": 0.4, "min_lr": 0.004, **scores}


def test_the_table_pairs_seeds_and_reads_the_average_off_the_raw_weights() -> None:
    other = "without Nesterov"
    lines = [line(ALL, 0, 0.79, 0.80), line(ALL, 1, 0.78, 0.82), line(ALL, 2, 0.80, 0.84)]
    lines += [line(SEED, 1, 0.70, None), line(other, 0, 0.5, 0.78), line(other, 1, 0.5, 0.80)]
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in table([{"what": "ramp"}, *lines])[2:]}
    assert list(rows) == [ALL, SEED, other, AVERAGE]
    assert rows[ALL] == "| s11.yaml | 0.4, 0.004 | 0.8200 | 0.0200 | 3 |  |"
    assert rows[SEED].endswith("| 0.7000 | - | 1 | +12.00 |")
    assert rows[other].endswith("| 0.7900 | 0.0141 | 2 | +2.00 (+2.00 to +2.00) |")
    assert "| 0.7900 | 0.0100 | 3 | +3.00 (" in rows[AVERAGE]  # 1, 4 and 4 points
    low, high = (float(end) for end in rows[AVERAGE].partition("(")[2].partition(")")[0].split(" to "))
    assert (low, high) == (pytest.approx(3 - 4.30, abs=0.01), pytest.approx(3 + 4.30, abs=0.01))  # t 4.303, SD 1.732


@pytest.mark.usefixtures("in_this_process")
def test_an_interrupted_measurement_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(additions, "SEEDS", range(2))
    arms = (ALL, SEED, "without reflection")
    monkeypatch.setattr(additions, "ARMS", arms)
    out = tmp_path / "additions.jsonl"

    def measured(*more: str) -> str:
        main([*TINY, *more], None, "fp32", 1, False, out)
        return capsys.readouterr().out

    told = measured()
    assert "width 4, 164 images, batch 32, 2 epochs; accuracy on 136 held-out training images" in told
    assert "not complete" not in told
    whole = read_lines(out)
    runs = [each for each in whole[1:] if each["what"] == "run"]
    assert len(runs) == 2 * len(arms)
    assert len(whole) == 1 + 4 * len(arms)
    assert ["ema" in each for each in runs] == [each["arm"] != SEED for each in runs]
    assert len({json.dumps([each["max_lr"], each["min_lr"]]) for each in runs}) <= len(arms)

    text = out.read_text().splitlines(keepends=True)
    out.write_text("".join(text[:-3]) + text[-3][:20])
    main(None, None, "fp32", 1, True, out)
    assert f"not complete: 3 of {2 * len(arms)} runs are missing" in capsys.readouterr().out
    measured()

    def by_task(lines: list[dict[str, Any]]) -> dict[tuple[str, str, int], dict[str, Any]]:
        assert len({(each["what"], each["arm"], each["seed"]) for each in lines}) == len(lines)
        return {(each["what"], each["arm"], each["seed"]): each | {"seconds": None} for each in lines}

    assert by_task(read_lines(out)[1:]) == by_task(whole[1:])
    with pytest.raises(InputError, match="was recorded with another recipe"):
        measured("weight_decay=0.1")


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run is recorded"):
        main(tell_only=True, out=tmp_path / "none.jsonl")
