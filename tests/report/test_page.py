"""The written report: every number as the folder has it, one self-contained page, text escaped."""

import html
import json
import math
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score

from tests.report.helpers import edit
from tune_s11.cli.hints import repeat_commands
from tune_s11.report import write_report
from tune_s11.report.page import render
from tune_s11.results import load_result, load_search

DRAWN = [
    *("curves", "range_test", "lengths", "schedule", "trials", "reliability"),
    *("best_so_far", "changes", "parallel", "slices", "timeline", "test_curve", "test_changes"),
]
PICTURES = [*DRAWN, "confusion", "heat_maps", "heat_maps_correct"]


def load_json(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def index(pristine: Path) -> Path:
    (pristine / "report").mkdir()
    for stale in ("of-before.png", "of-before.svg"):
        (pristine / "report" / stale).touch()
    search = load_search(str(pristine), pristine.parent)
    return write_report(search, commands=repeat_commands(search))


@pytest.fixture(scope="module")
def numbers(index: Path) -> dict[str, Any]:
    return load_json(index.with_name("report.json"))


@pytest.fixture(scope="module")
def page(index: Path) -> str:
    return index.read_text(encoding="utf-8")


def test_writes_page_numbers_and_pictures(pristine: Path, index: Path) -> None:
    assert index == pristine / "report" / "index.html"
    written = sorted(path.name for path in index.parent.iterdir())
    assert written == sorted(
        ["index.html", "report.json", *(f"{name}.png" for name in PICTURES), *(f"{name}.svg" for name in DRAWN)]
    )


def test_pictures_have_200_pixels_an_inch(index: Path) -> None:
    for name in PICTURES:
        with Image.open(index.with_name(f"{name}.png")) as picture:
            assert picture.info["dpi"] == pytest.approx((200, 200), rel=1e-3)
            assert min(picture.size) > 300


def test_nothing_is_left_out_but_what_needs_more_trials(numbers: dict[str, Any]) -> None:
    (gap,) = numbers["not_shown"]
    assert gap["what"] == "the parameters' importance"


def test_page_is_one_small_file_that_asks_for_nothing(page: str) -> None:
    assert len(page) < 5e6
    assert page.count("data:image/png;base64,") == len(PICTURES) - len(DRAWN)
    assert page.count("<svg ") == len(DRAWN)
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    text = re.sub(r' xmlns(:xlink)?="http://www.w3.org/[a-z0-9/]+"', "", text)  # names, not addresses
    assert "http" not in text
    assert "<style" not in re.sub(r"<head>.*</head>", "", text, flags=re.DOTALL)  # it would be for the whole page
    assert "<script" not in text
    assert "<link" not in text
    assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []


def test_drawings_share_no_id_and_refer_to_their_own(page: str) -> None:
    found = [svg.partition("</svg>")[0] for svg in page.split("<svg ")[1:]]
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in found]
    assert all(ids)
    assert len(set.union(*ids)) == sum(map(len, ids))
    for svg, own in zip(found, ids, strict=True):
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(it, "") for it in own} | {
            ("", it) for it in own
        }


def test_a_drawing_has_the_pictures_description(page: str) -> None:
    assert page.count('<div class="drawing" role="img" aria-label="') == len(DRAWN)
    assert 'aria-label="Validation accuracy of every trial by epoch"><svg ' in page


def test_test_accuracy_is_that_of_the_logits(pristine: Path, numbers: dict[str, Any]) -> None:
    for weights, key in (("ema", "accuracy"), ("raw", "accuracy_raw")):
        accuracies = []
        for seed in (0, 1):
            with np.load(pristine / "best" / f"seed-{seed}" / "test_logits.npz") as logits:
                accuracies.append(np.mean(logits[weights].argmax(1) == logits["labels"]))
        assert [run[weights] for run in numbers["test"]["runs"]] == pytest.approx(accuracies)
        found = numbers["test"][key]
        assert (found["mean"], found["sd"], found["n"]) == pytest.approx(
            (np.mean(accuracies), np.std(accuracies, ddof=1), 2)
        )


def test_confusion_and_mistakes_are_those_of_the_first_refit(pristine: Path, numbers: dict[str, Any]) -> None:
    with np.load(pristine / "best" / "seed-0" / "test_logits.npz") as arrays:
        labels, logits = arrays["labels"], arrays["ema"].astype(float)
    predicted = logits.argmax(1)
    counts = [[int(((labels == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
    confusion = numbers["confusion"]
    classes = confusion["classes"]
    assert confusion["counts"] == counts
    errors = int((predicted != labels).sum())
    assert numbers["predicted"] == {"seed": 0, "images": 36, "errors": errors, "classes": 3}
    assert (
        confusion["most_confused"]
        == [
            {
                "true": classes[i],
                "predicted": classes[j],
                "images": counts[i][j],
                "share": pytest.approx(counts[i][j] / 12),
            }
            for i, j in sorted(
                ((i, j) for i in range(3) for j in range(3) if i != j), key=lambda ij: -counts[ij[0]][ij[1]]
            )
        ][:5]
    )
    assert list(confusion["accuracy_by_class"].values()) == pytest.approx([counts[i][i] / 12 for i in range(3)])

    assert sorted((it["class"], it["recall"], it["images"]) for it in numbers["recall"]["by_class"]) == [
        (name, counts[i][i] / 12, 12) for i, name in enumerate(classes)
    ]
    recalls = [it["recall"] for it in numbers["recall"]["by_class"]]
    assert recalls == sorted(recalls)

    confidence = np.exp(logits).max(1) / np.exp(logits).sum(1)
    wrong = sorted(np.flatnonzero(predicted != labels), key=lambda i: -confidence[i])[:25]
    shown = numbers["mistakes"]["shown"]
    assert [it["image"] for it in shown] == wrong
    assert [it["confidence"] for it in shown] == pytest.approx(confidence[wrong].tolist())
    assert [(it["true"], it["predicted"]) for it in shown] == [
        (classes[labels[i]], classes[predicted[i]]) for i in wrong
    ]


def test_balanced_accuracy_is_over_all_refits(pristine: Path, numbers: dict[str, Any]) -> None:
    scores = []
    for seed in (0, 1):
        with np.load(pristine / "best" / f"seed-{seed}" / "test_logits.npz") as arrays:
            scores.append(balanced_accuracy_score(arrays["labels"], arrays["ema"].argmax(1)))
    found = numbers["balanced_accuracy"]
    assert (found["mean"], found["sd"], found["n"]) == pytest.approx((np.mean(scores), np.std(scores, ddof=1), 2))


def test_shown_correct_images_have_the_median_confidence_of_their_class(
    pristine: Path, numbers: dict[str, Any]
) -> None:
    with np.load(pristine / "best" / "seed-0" / "test_logits.npz") as arrays:
        labels, logits = arrays["labels"], arrays["ema"].astype(float)
    confidence = np.exp(logits).max(1) / np.exp(logits).sum(1)
    shown = numbers["typical"]["shown"]
    assert [it["true"] for it in shown] == numbers["confusion"]["classes"]
    for label, it in enumerate(shown):
        assert it["predicted"] == it["true"]
        of_class = sorted(confidence[(labels == label) & (logits.argmax(1) == label)])
        assert it["confidence"] == pytest.approx(of_class[(len(of_class) - 1) // 2])
        assert it["confidence"] == pytest.approx(confidence[it["image"]])


def test_calibration_is_that_of_the_first_refit(pristine: Path, page: str, numbers: dict[str, Any]) -> None:
    with np.load(pristine / "best" / "seed-0" / "test_logits.npz") as arrays:
        labels, logits = arrays["labels"], arrays["ema"].astype(float)
    confidence = np.exp(logits).max(1) / np.exp(logits).sum(1)
    calibration, error = numbers["calibration"], 0.0
    for k in range(15):
        members = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        assert calibration["counts"][k] == members.sum()
        if members.any():
            accuracy = np.mean(logits[members].argmax(1) == labels[members])
            assert calibration["accuracy"][k] == pytest.approx(accuracy)
            assert calibration["confidence"][k] == pytest.approx(confidence[members].mean())
            error += members.mean() * abs(accuracy - confidence[members].mean())
        else:
            assert calibration["accuracy"][k] is calibration["confidence"][k] is None
    assert calibration["error"] == pytest.approx(error)
    assert calibration["edges"] == pytest.approx([k / 15 for k in range(16)])
    assert f"Expected calibration error: {100 * error:.2f}\u202f%" in page


def test_test_curve_is_the_folders_and_ends_at_the_score(pristine: Path, numbers: dict[str, Any]) -> None:
    folder, curve = pristine / "best" / "seed-0", numbers["test_curve"]
    tested, trained = (
        [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for name in ("test_curve.jsonl", "metrics.jsonl")
    )
    assert curve["seed"] == 0
    assert [{key: row[key] for key in tested[0]} for row in curve["epochs"]] == tested
    for key in ("lr", "train_loss", "train_accuracy"):
        assert [row[key] for row in curve["epochs"]] == [row[key] for row in trained]
    scores, last = load_json(folder / "scores.json"), curve["epochs"][-1]
    assert (last["test_accuracy"], last["ema_test_accuracy"]) == (scores["raw"], scores["ema"])


def test_trials_and_winner_are_the_folders(pristine: Path, numbers: dict[str, Any]) -> None:
    search = load_search(str(pristine), pristine.parent)
    trials = {row["trial"]: row for row in numbers["trials"]}
    assert list(trials) == ["t0002", "t0000", "t0004", "t0001", "t0003", "t0005"]
    for trial in search.trials:
        row = trials[trial.name]
        assert (row["state"], row["epoch"], row["score"]) == (trial.state, trial.epoch, trial.score)
        assert (row["seed"], row["params"], row["error"]) == (trial.seed, trial.params, trial.error)
    assert numbers["search"]["states"] == {"complete": 2, "pruned": 1, "diverged": 1, "running": 1, "failed": 1}
    assert numbers["search"]["epochs"] == {"run": 6 + 2 + 6 + 2 + 3, "without_pruning": 6 + 6 + 6 + 2 + 3}
    assert numbers["search"]["seconds"] == pytest.approx(1.5 * 19)
    assert numbers["search"]["rungs"] == [2, 4]
    winner = numbers["winner"]
    assert (winner["trial"], winner["validation_accuracy"]) == ("t0002", 0.84)
    assert winner["validation_accuracy_raw"] == pytest.approx(0.95 * 0.84)
    assert (winner["seconds"], winner["images_per_second"]) == (9.0, 1003.5)
    assert winner["epochs"] == [asdict(row) for row in search.trials[2].rows]
    recipe = {row["field"]: row["value"] for row in winner["recipe"]}
    assert recipe == search.trials[2].recipe.model_dump()
    assert {row["field"] for row in winner["recipe"] if row["searched"]} == {"max_lr", "momentum"}


def read_reports(search: Path) -> dict[str, list[dict[str, Any]]]:
    """What each trial reported, from its folder."""
    files = sorted(search.glob("trials/*/result.json"))
    return {file.parent.name: [json.loads(line) for line in file.read_text().splitlines()] for file in files}


def test_cost_is_that_of_the_reports_and_the_refits(pristine: Path, numbers: dict[str, Any], page: str) -> None:
    seconds = sum(report["time_this_iter_s"] for each in read_reports(pristine).values() for report in each)
    refits = [
        json.loads(line) for log in pristine.glob("best/*/metrics.jsonl") for line in log.read_text().splitlines()
    ]
    cost = numbers["cost"]
    assert numbers["search"]["seconds"] == seconds
    assert cost["trials"] == {"core_hours": pytest.approx(seconds / 3600), "gpu_hours": 0.0}
    assert cost["refits"] == {"core_hours": pytest.approx(sum(row["seconds"] for row in refits) / 3600), "gpu_hours": 0}
    assert f"It cost {seconds / 3600:.3g} core-hours for the trials, " in page


def test_workers_and_the_best_so_far_are_the_reports(pristine: Path, numbers: dict[str, Any], page: str) -> None:
    reports = [(name, report) for name, each in read_reports(pristine).items() for report in each]
    begin = min(report["timestamp"] - report["time_this_iter_s"] for _, report in reports)
    length = max(report["timestamp"] for _, report in reports) - begin
    busy = sum(report["time_this_iter_s"] for _, report in reports)
    workers = numbers["workers"]
    assert workers["sessions"] == [{"workers": 2, "seconds": length}]
    assert (workers["break_seconds"], workers["busy_seconds"]) == ([], busy)
    assert workers["idle_share"] == pytest.approx(1 - busy / (2 * length))
    assert f"The workers were idle for {100 * workers['idle_share']:.1f}\u202f%" in html.unescape(page)

    epochs = []
    for name, report in reports:
        end = report["timestamp"]
        for back, row in enumerate(reversed(report["epochs"])):
            epochs.append((end - 1.5 * back, name, row["epoch"], row["ema_val_accuracy"]))
    epochs.sort()
    points = numbers["best_so_far"]
    assert [point["spent"] for point in points] == list(range(1, 20))
    assert [point["trial"] for point in points] == [name for _, name, _, _ in epochs]
    assert [point["any"] for point in points] == np.maximum.accumulate([score for *_, score in epochs]).tolist()
    first = next(place for place, (_, _, epoch, _) in enumerate(epochs) if epoch == 6)
    assert [point["complete"] for point in points][first - 1 : first + 1] == [None, 0.81]
    assert points[-1]["complete"] == 0.84


def test_rungs_and_parameters_are_the_folders(pristine: Path, numbers: dict[str, Any], page: str) -> None:
    second, fourth = numbers["pruning"]["rungs"]
    assert (second["epoch"], second["reached"], second["stopped"]) == (2, 4, 1)
    assert (fourth["epoch"], fourth["reached"], fourth["stopped"]) == (4, 2, 0)
    for rung in (second, fourth):
        for weights in ("averaged", "raw"):
            assert rung[weights] == {"n": 2, "rho": None, "low": None, "high": None}
    assert numbers["pruning"]["audit"] == {
        "trials": load_json(pristine / "audit.json")["trials"],
        "to_be_stopped": 2,
        "audited": 1,
        "threshold": 0.84,
        "found": 0,
        "share": 0.0,
        "low": 0.0,
        "high": pytest.approx(0.975),
        "estimate": 0.0,
        "extra_epochs": 2,
        "why": None,
    }
    assert "range restriction" in page
    assert "1 of 2 trials that a rung would have stopped were continued" in page
    assert page.count("complete, audited") == 1
    bounds = load_json(pristine / "lr_range.json")["bounds"]
    assert numbers["parameters"]["momentum"] == {"low": 0.8, "high": 0.98, "log": False}
    assert numbers["parameters"]["max_lr"]["low"] == min(bounds["low"], 0.2)
    assert numbers["parameters"]["max_lr"]["high"] == pytest.approx(max(bounds["high"], 0.6))
    assert numbers["importance"] is None


def test_finalists_are_the_file_and_the_optimism_their_difference(
    pristine: Path, numbers: dict[str, Any], page: str
) -> None:
    earlier = {"failed": [], "gain": None}  # which versions before kept neither of
    assert numbers["finalists"] == load_json(pristine / "finalists.json") | earlier
    assert numbers["optimism"] == {"over_again": pytest.approx(0.84 - 0.825), "over_test": None}
    text = html.unescape(page)
    assert "t0002 leads t0000 by 1.50\u202fpercentage points" in text
    assert "a tie, because noise alone can explain the difference" in text
    assert "The score of t0002 as a trial is 1.50\u202fpercentage points above the mean of its finalist runs" in text


def test_a_first_trial_that_was_better_but_pruned_is_no_gain(numbers: dict[str, Any]) -> None:
    margin = numbers["finalists"]["margin"]
    gain = margin | {"mean": -0.012, "low": -0.019, "high": -0.005}
    text = html.unescape(render(numbers | {"finalists": numbers["finalists"] | {"gain": gain}}, {}))
    better = "is better by 1.20\u202fpercentage points (0.50 to 1.90). It was pruned, so it cannot win."
    assert better in text
    assert "Searching has gained" not in text


@pytest.mark.parametrize(
    ("mean", "low", "high", "text"),
    [
        (0.04, 0.015, 0.065, "4.00\u202fpercentage points (1.50 to 6.50), over"),
        (-0.01, -0.03, 0.01, "-1.00\u202fpercentage points (-3.00 to 1.00), within noise, over"),
        (0.01, None, None, "1.00\u202fpercentage points, within noise, over"),
    ],
)
def test_what_searching_has_gained(
    numbers: dict[str, Any], mean: float, low: float | None, high: float | None, text: str
) -> None:
    gain = numbers["finalists"]["margin"] | {"mean": mean, "low": low, "high": high}
    numbers = numbers | {"finalists": numbers["finalists"] | {"gain": gain}}
    page = html.unescape(render(numbers, {}))
    first = "the first trial, which has the recipe's own values"
    assert f"Searching has gained {text} {first} at the range test's rate: an upper estimate, because" in page
    without = html.unescape(render(numbers | {"range_test": None}, {}))
    assert f"Searching has gained {text} {first}: an upper estimate, because" in without


def test_one_seed_shows_no_noise(numbers: dict[str, Any]) -> None:
    margin = numbers["finalists"]["margin"] | {"low": None, "high": None}
    one = numbers["finalists"] | {"seeds": [7], "margin": margin}
    text = html.unescape(render(numbers | {"finalists": one}, {}))
    assert "run again from 1 new seed. " in text
    assert "; one seed does not show whether that is more than noise." in text
    assert "a tie" not in text


def test_a_warm_start_is_not_in_the_command_that_repeats_the_search(numbers: dict[str, Any]) -> None:
    commands = {"commands": {"search": "python run_search.py --space a", "winner": "python -m tune_s11.train"}}
    warm = numbers["manifest"] | {"warm_start": [{"max_lr": 0.123}]}
    text = html.unescape(render(numbers | commands | {"manifest": warm}, {}))
    assert "The whole search, without the trials of an earlier search that it began with, and the winning trial" in text
    assert "0.123" not in text
    assert "The whole search, and the winning trial alone:" in html.unescape(render(numbers | commands, {}))


def test_a_first_trial_that_wins_has_gained_nothing(numbers: dict[str, Any]) -> None:
    verdict = numbers["finalists"] | {"winner": "t0000", "runner_up": "t0002"}
    assert "searching has gained nothing." in html.unescape(render(numbers | {"finalists": verdict}, {}))


def test_range_test_and_manifest_are_the_files(pristine: Path, numbers: dict[str, Any], page: str) -> None:
    measured = load_json(pristine / "lr_range.json")
    kept = {key: measured[key] for key in ("suggestions", "bounds")}
    decades = pytest.approx(math.log10(measured["bounds"]["high"] / measured["bounds"]["low"]))
    found = {"decades": decades, "cycles": len(measured["cycles"]), "ramps": len(measured["curve"]["losses"])}
    assert numbers["range_test"] == kept | found
    assert "The bounds for <code>max_lr</code> span 1.7 decades." in page
    assert numbers["manifest"] == load_json(pristine / "manifest.json")
    assert "packages, torch" in page
    assert "search, recipe" not in page


def test_page_shows_the_numbers(page: str, numbers: dict[str, Any]) -> None:
    test, text = numbers["test"], html.unescape(page)
    for summary in (test["accuracy"], test["accuracy_raw"]):
        assert f"{100 * summary['mean']:.2f} ± {100 * summary['sd']:.2f}\u202f%" in text
    assert "n = 2 refits" in text
    assert test["changed"] == {"width": 3}
    assert "together, with <code>width</code> 3, then tested at the end" in text
    for shown in ("84.00\u202f%", "0.95", "19 epochs run", "would have run 23", "2, 4", "2026-01-02T03:04:05+00:00"):
        assert shown in text
    for value in numbers["range_test"]["suggestions"].values():
        assert f"{value:.4g}" in text


def test_page_tells_how_to_repeat_it(pristine: Path, page: str) -> None:
    assert f"python run_search.py --space {pristine}/search.yaml" in page
    assert f"python -m tune_s11.train --trial own/t0002 --storage {pristine.parent}" in page
    assert "--resume" not in page


def test_text_from_outside_is_escaped(page: str) -> None:
    assert "&lt;b&gt;cat" in page
    assert "<b>" not in page
    assert "dog &amp; co" in page
    assert "OSError: &lt;disk&gt; full" in page


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "two\nlines $\\frac{$ \udcff \u202e🐈 {{ 7 * 7 }}",
]


def test_hostile_class_names_are_text(search_path: Path) -> None:
    manifest = load_json(search_path / "manifest.json")
    manifest["data"]["classes"] = HOSTILE
    (search_path / "manifest.json").write_text(json.dumps(manifest))
    index = write_report(load_search(str(search_path), search_path.parent))
    page = index.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{{ 7 * 7 }}" in page
    assert load_json(index.with_name("report.json"))["confusion"]["classes"] == HOSTILE


def test_of_thousands_of_classes_there_is_no_confusion_matrix(
    search_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune_s11.report.sections.predictions.MATRIX", 2)
    monkeypatch.setattr("tune_s11.report.figures.png", lambda _: b"")
    monkeypatch.setattr("tune_s11.report.figures.svg", lambda *_: "<svg/>")
    index = write_report(load_search(str(search_path), search_path.parent))
    numbers = load_json(index.with_name("report.json"))
    assert numbers["confusion"] is None
    assert {"what": "the confusion matrix", "why": "it has 3 classes, more than 2"} in numbers["not_shown"]
    page = index.read_text()
    assert "test images misclassified" in page
    assert "<h3>Recall by class</h3>" in page
    assert "<h3>Calibration</h3>" in page
    assert "Which classes it confuses" not in page


def test_a_search_without_a_complete_trial_says_why(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_s11.report.figures.png", lambda _: b"")
    monkeypatch.setattr("tune_s11.report.figures.svg", lambda *_: "<svg/>")
    search = load_search(str(search_path), search_path.parent)
    ended = [replace(trial, state="diverged", error=None) for trial in search.trials]
    for samples, resume in ((len(ended), False), (len(ended) + 1, True)):
        config = search.config.with_overrides({"search.samples": str(samples)})
        page = write_report(replace(search, trials=ended, config=config), commands={"resume": "go on"}).read_text()
        assert f"<p>No trial is complete: {len(ended)} diverged.</p>" in page
        assert ("go on" in page) == resume


def test_winner_in_the_middle_of_its_bounds_is_no_warning(numbers: dict[str, Any], page: str) -> None:
    assert numbers["edge"] is None
    assert "--lr-bounds" not in page


def test_a_picture_that_cannot_be_an_svg_is_shown_as_a_png(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> str:
        raise ValueError("not well-formed")

    monkeypatch.setattr("tune_s11.report.figures.svg", broken)
    shutil.rmtree(search_path / "best")
    index = write_report(load_search(str(search_path), search_path.parent))
    page = index.read_text(encoding="utf-8")
    assert "the picture trials.svg</strong>: ValueError: not well-formed" in page
    assert page.count("data:image/png;base64,") == len(list(index.parent.glob("*.png"))) > 5


def test_picture_that_cannot_be_saved_is_a_line(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> bytes:
        raise MemoryError("no room")

    monkeypatch.setattr("tune_s11.report.figures.png", broken)
    index = write_report(load_search(str(search_path), search_path.parent))
    assert "the picture trials.png</strong>: MemoryError: no room" in index.read_text(encoding="utf-8")
    assert len(load_json(index.with_name("report.json"))["not_shown"]) == len(PICTURES) + 1


def test_hostile_names_are_text(tested_path: Path) -> None:
    edit(tested_path / "run.json", lambda plain: plain["manifest"]["data"].update(classes=["<script>x", "b", "c"]))
    (tested_path / "checkpoint.pt").unlink()  # heat maps take seconds
    renamed = tested_path.rename(tested_path.with_name("<script>x"))
    page = write_report(load_result(renamed.name, renamed.parent)).read_text()
    assert "<script" not in page
    assert "<title>&lt;script&gt;x: run report</title>" in page
