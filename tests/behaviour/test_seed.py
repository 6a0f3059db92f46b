"""``--space seed``: a range test, one trial at its rates, the refits, the report; then a plateau for the cycle."""

from pathlib import Path

import pytest

from tune_s11.report import write_report
from tune_s11.results import SearchResult, load_search

SMALL = {
    "dataset": "digits",
    "image_size": 8,
    "val_fraction": 0.2,
    "width": 4,
    "epochs": 6,
    "peak_epoch": 2,
    "batch_size": 64,
    "pad": 1,
    "cutout": 2,
    "search.lr_range_steps": 40,
    "search.lr_range_seeds": 2,
    "search.lr_range_trials": 1,
    "search.refit_seeds": 2,
}


def run_seed(program, name: str, **changes: object) -> tuple[SearchResult, str]:
    settings = [f"--set={key}={value}" for key, value in {**SMALL, **changes}.items()]
    done = program.run("--space", "seed", "--name", name, *settings)
    assert done.stderr == ""
    return load_search(name, program.storage), done.stdout


@pytest.mark.landing
def test_one_trial_at_the_rates_found_its_refits_and_its_report(program) -> None:
    search, output = run_seed(program, "seed")
    assert f"search {search.path.name}: 1 trial of 6 epochs" in output
    (trial,), bounds = search.trials, search.bounds
    assert bounds is not None
    assert (trial.state, trial.recipe.max_lr) == ("complete", pytest.approx(bounds.suggestion))
    assert trial.recipe.min_lr == pytest.approx(bounds.min_lr)
    assert f"min_lr {bounds.min_lr:.3g}" in output
    assert f"validation accuracy {trial.score:.4f} (raw weights)" in output
    assert trial.rows[-1].ema_val_accuracy is None
    refits = search.refit
    assert refits is not None
    assert refits.recipe == trial.recipe
    assert refits.test_accuracy == refits.test_accuracy_raw
    assert f"(n = {refits.test_accuracy.n}, raw weights)" in output
    assert "EMA" not in output

    page = write_report(search).read_text()
    assert "test accuracy, raw weights; mean" in page
    assert "EMA weights" not in page
    pictures = {Path(picture).stem for picture in search.folder.report.glob("*.png")}
    assert {"range_test", "schedule", "curves", "changes", "test_curve", "confusion"} <= pictures


@pytest.mark.slow
def test_a_plateau_in_a_search_keeps_the_validation_images_from_its_refits(program) -> None:
    search, output = run_seed(program, "plateau", schedule="plateau", plateau_patience=1, plateau_factor=0.5, epochs=8)
    assert "refit on 1,150 training images: schedule plateau follows the 287 validation images" in output
    for seed in (0, 1):
        rows = search.folder.refit(seed).epochs()
        assert len(rows) == 8
        assert all(row.val_loss is not None for row in rows)
    page = write_report(search).read_text()
    assert "without the validation images, on which the schedule depends" in page
