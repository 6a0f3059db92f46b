"""What is missing or damaged is named with its reason, and takes nothing else with it."""

import html
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tune_s11.cli.hints import repeat_commands
from tune_s11.report.builder import ReportBuilder
from tune_s11.report.page import render
from tune_s11.report.sections import gather
from tune_s11.results import load_search
from tune_s11.training.checkpoint import load_checkpoint, save_checkpoint

SEARCH = {"trials", "best_so_far", "timeline", "parallel", "slices"}
HEAT_MAPS = {"heat_maps", "heat_maps_correct"}
OF_TEST_IMAGES = {"confusion", "reliability"} | HEAT_MAPS
TEST_CURVE = {"test_curve", "test_changes"}
OF_REFIT = TEST_CURVE | OF_TEST_IMAGES
ALL = SEARCH | {"range_test", "schedule", "curves", "changes"} | OF_REFIT


def compose(path: Path, layer: str | None = None) -> ReportBuilder:
    """The report; the page must render from whatever they are."""
    search = load_search(str(path), path.parent)
    report = gather(search, layer, repeat_commands(search))
    page = html.unescape(render(json.loads(json.dumps(report.numbers)), {}))
    for gap in report.numbers["not_shown"]:
        assert gap["what"] in page
    few = "the parameters' importance"  # six trials are too few for it
    report.numbers["not_shown"] = [gap for gap in report.numbers["not_shown"] if gap["what"] != few]
    return report


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, change: Callable[[dict], object]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def wider_network(path: Path) -> None:
    state = load_checkpoint(path)
    state["average"]["linear.weight"] = torch.zeros(3, 99)
    save_checkpoint(path, state)


def infinite_logits(path: Path) -> None:
    np.savez(path, labels=np.zeros(2, np.int64), ema=np.full((2, 3), np.inf), raw=np.zeros((2, 3)))


def other_labels(path: Path) -> None:
    np.savez(path, labels=np.arange(36) % 3, ema=np.eye(3)[np.arange(36) // 12], raw=np.zeros((36, 3)))


def no_correct_frog(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[np.minimum(labels, 1)], raw=np.zeros((36, 3)))


def all_wrong(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[(labels + 1) % 3], raw=np.zeros((36, 3)))


def four_classes(path: Path) -> None:
    np.savez(path, labels=np.zeros(36, np.int64), ema=np.zeros((36, 4)), raw=np.zeros((36, 4)))


def labels_of_more_classes(path: Path) -> None:
    np.savez(path, labels=np.arange(36), ema=np.zeros((36, 3)), raw=np.zeros((36, 3)))


def no_images(path: Path) -> None:
    np.savez(path, labels=np.zeros(0, np.int64), ema=np.zeros((0, 3)), raw=np.zeros((0, 3)))


def code_in_it(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(print))
        archive.writestr("archive/version", "3")


def lines_without(path: Path, *epochs: int) -> None:
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["epoch"] not in epochs]
    path.write_text("\n".join(lines) + "\n")


def no_mistakes(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[labels], raw=np.zeros((36, 3)))


SEED_0 = "best/seed-0"


@pytest.mark.parametrize(
    ("file", "damage", "what", "why", "lost"),
    [
        ("lr_range.json", Path.unlink, "the range test", "no such file", {"range_test"}),
        ("lr_range.json", cut_in_half, "the range test", "holds no range test", {"range_test"}),
        ("lr_range.json", lambda path: path.write_text("[]"), "the range test", "holds no range test", {"range_test"}),
        ("manifest.json", cut_in_half, "the provenance", "missing or damaged", set()),
        ("best", shutil.rmtree, "the test accuracy", "the winner is not refit yet", OF_REFIT),
        ("best/metrics.json", cut_in_half, "the test accuracy", "metrics.json is damaged", OF_REFIT),
        (
            "best/metrics.json",
            lambda path: edit(path, lambda plain: plain["test_accuracy_raw"].pop("sd")),
            "the test accuracy",
            "is damaged",
            OF_REFIT,
        ),
        (
            "best/metrics.json",
            lambda path: edit(path, lambda plain: plain.update(trial="t0000")),
            "the test accuracy",
            "best/ holds t0000, which t0002 has outdone since",
            OF_REFIT,
        ),
        (f"{SEED_0}/test_logits.npz", Path.unlink, "the errors on", "no such file", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", cut_in_half, "the errors on", "cannot be read", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", infinite_logits, "the errors on", "no finite logits", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", other_labels, "what the network looks at", "are not those", HEAT_MAPS),
        (f"{SEED_0}/test_logits.npz", no_mistakes, "what the network looks at", "every test image", {"heat_maps"}),
        (f"{SEED_0}/test_logits.npz", four_classes, "the errors on", "of 4 classes; the data has 3", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", labels_of_more_classes, "the errors on", "outside of the 3", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", no_images, "the errors on", "no finite logits", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", no_correct_frog, "what the network looks at in frog", "no test image", set()),
        (
            f"{SEED_0}/test_logits.npz",
            all_wrong,
            "what the network looks at in <b>cat, dog & co, frog",
            "no test image",
            {"heat_maps_correct"},
        ),
        (f"{SEED_0}/checkpoint.pt", code_in_it, "what the network looks at", "cannot be read", HEAT_MAPS),
        (f"{SEED_0}/test_curve.jsonl", Path.unlink, "the test curve", "earlier versions", TEST_CURVE),
        (f"{SEED_0}/metrics.jsonl", Path.unlink, "the test curve", "no such file", TEST_CURVE),
        (
            f"{SEED_0}/test_curve.jsonl",
            lambda path: path.write_text('{"epoch": 1, "test_loss": "low"}'),
            "the test curve",
            "is damaged",
            TEST_CURVE,
        ),
        (
            f"{SEED_0}/test_curve.jsonl",
            lambda path: lines_without(path, 1, 4),
            "a part of the test curve",
            "lacks epoch 1, 4",
            set(),
        ),
        (f"{SEED_0}/checkpoint.pt", Path.unlink, "what the network looks at", "no such checkpoint", HEAT_MAPS),
        (f"{SEED_0}/checkpoint.pt", cut_in_half, "what the network looks at", "cannot be read", HEAT_MAPS),
        (f"{SEED_0}/checkpoint.pt", wider_network, "what the network looks at", "holds no EMA weights", HEAT_MAPS),
    ],
)
def test_damage(
    search_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    damage: Callable[[Path], object],
    what: str,
    why: str,
    lost: set[str],
) -> None:
    # Computed they are; their sheets of a hundred axes are the same in most cases, and take a second each.
    monkeypatch.setattr("tune_s11.report.figures.draw_heat_maps", lambda *_: Figure())
    damage(search_path / file)
    report = compose(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["what"].startswith(what)
    assert why in gap["why"]
    assert set(report.figures) == ALL - lost
    assert ("resume" in report.numbers["commands"]) == (lost == OF_REFIT)


def test_search_without_refits_shows_how_to_resume_it(search_path: Path) -> None:
    shutil.rmtree(search_path / "best")
    search = load_search(str(search_path), search_path.parent)
    numbers = compose(search_path).numbers
    assert numbers["commands"]["resume"] == f"python run_search.py --resume own --storage {search_path.parent}"
    assert f"<pre>{numbers['commands']['resume']}</pre>" in html.unescape(render(numbers, {}))
    assert "--resume" not in render(gather(search).numbers, {})


def test_without_commands_there_are_none_to_show(search_path: Path) -> None:
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("max_lr: range_test", "max_lr: {loguniform: [0.01, 0.41]}"))
    report = gather(load_search(str(search_path), search_path.parent))
    assert report.numbers["commands"] == {}
    assert report.numbers["edge"]["command"] is None
    page = render(report.numbers, {})
    assert "a better one may lie beyond.</div>" in page
    assert "<pre>" not in page


def test_layer_that_the_network_lacks(pristine: Path) -> None:
    report = compose(pristine, layer="layer7")
    (gap,) = report.numbers["not_shown"]
    assert gap["why"].startswith("--layer 'layer7': the network has none of that name")
    assert set(report.figures) == ALL - HEAT_MAPS


def test_test_images_that_are_gone(search_path: Path) -> None:
    space = search_path / "search.yaml"
    lines = [
        "  data_dir: /nowhere" if line.startswith("  data_dir:") else line for line in space.read_text().splitlines()
    ]
    space.write_text("\n".join(lines))
    report = compose(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["what"] == "what the network looks at"
    assert "/nowhere" in gap["why"]
    assert set(report.figures) == ALL - HEAT_MAPS


def test_no_trial_at_its_end_yet(search_path: Path) -> None:
    for name in ("t0000", "t0002"):
        shutil.rmtree(search_path / "trials" / name)
    report = compose(search_path)
    assert [gap["what"] for gap in report.numbers["not_shown"]] == ["the winner and its test accuracy"]
    assert set(report.figures) == SEARCH | {"range_test"}


def test_search_that_has_only_begun(search_path: Path) -> None:
    for name in ("trials", "best"):
        shutil.rmtree(search_path / name)
    for name in ("lr_range.json", "manifest.json"):
        (search_path / name).unlink()
    report = compose(search_path)
    assert len(report.numbers["not_shown"]) == 4
    assert report.figures == {}


def test_given_bounds_and_a_winner_at_their_edge(search_path: Path) -> None:
    (search_path / "lr_range.json").unlink()
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("max_lr: range_test", "max_lr: {loguniform: [0.01, 0.41]}"))
    report = compose(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["why"] == "there was none: the search was given LRMAX or bounds for it"
    edge = report.numbers["edge"]
    assert (edge["max_lr"], edge["low"], edge["high"]) == (pytest.approx(0.4), 0.01, 0.41)
    assert edge["command"].endswith("search.yaml --lr-bounds 0.01 4.1")


def test_failure_of_ones_own_network_is_a_line(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("of the user's own")

    monkeypatch.setattr("tune_s11.winner.loading.build_model", broken)
    (gap,) = compose(search_path).numbers["not_shown"]
    assert gap["why"] == "ZeroDivisionError: of the user's own"


OWN_NETWORK = """
import torch.nn as nn

def build(width, num_classes, image_size):
    features = nn.Sequential(nn.Conv2d(3, width, 3, stride=4), nn.ReLU(inplace=True))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
"""


def test_ones_own_network_has_layers_of_its_own(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (search_path / "own_network.py").write_text(OWN_NETWORK)
    monkeypatch.syspath_prepend(search_path)
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("model: s11", "model: own_network:build"))
    from own_network import build

    average = build(3, 3, 32).state_dict()
    save_checkpoint(search_path / SEED_0 / "checkpoint.pt", {"average": average})
    (gap,) = compose(search_path, layer="layer3").numbers["not_shown"]
    assert "--layer 'layer3': the network has none of that name; expected one of 0, 1, 2, 3" in gap["why"]
    for layer in (None, "0.0"):  # without one: its last maps
        report = compose(search_path, layer)
        assert report.numbers["not_shown"] == []
        assert set(report.figures) == ALL
        assert report.numbers["mistakes"]["layer"] == (layer or "0")


def test_more_classes_than_the_sheet_has_room_for(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_s11.report.sections.predictions.CLASSES", 2)
    report = compose(search_path)
    assert [it["true"] for it in report.numbers["typical"]["shown"]] == ["<b>cat", "dog & co"]
    page = render(report.numbers, dict.fromkeys(report.figures, ""))
    assert "The first 2 of 3 classes are shown." in page


def test_of_many_classes_the_table_has_those_of_lowest_recall(
    search_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune_s11.report.sections.predictions.WORST", 2)
    report = compose(search_path)
    page = render(report.numbers, dict.fromkeys(report.figures, ""))
    assert "The 2 of lowest recall, of 3 classes." in page
    assert len(report.numbers["recall"]["by_class"]) == 3


def test_without_the_other_refits_logits_there_is_no_balanced_accuracy(search_path: Path) -> None:
    (search_path / "best" / "seed-1" / "test_logits.npz").unlink()
    report = compose(search_path)
    assert report.numbers["balanced_accuracy"] is None
    assert [gap["what"] for gap in report.numbers["not_shown"]] == ["the balanced accuracy"]
    assert "Balanced accuracy" not in render(report.numbers, dict.fromkeys(report.figures, ""))
    assert report.numbers["recall"] is not None


def test_names_too_long_for_the_sheet_are_cut_there_alone(search_path: Path) -> None:
    name = "a class with a name of many words"
    edit(search_path / "manifest.json", lambda plain: plain["data"].update(classes=[name, "dog & co", "frog"]))
    report = compose(search_path)
    drawn = [text.get_text() for text in report.figures["heat_maps_correct"].texts]
    assert drawn[0].startswith("a class with a…\n")
    assert report.numbers["typical"]["shown"][0]["true"] == name


@pytest.mark.parametrize("damaged", [None, [], {"classes": None}, {"classes": 3}])
def test_classes_without_names_are_numbers(search_path: Path, damaged: object) -> None:
    edit(search_path / "manifest.json", lambda plain: plain.update(data=damaged))
    assert compose(search_path).numbers["confusion"]["classes"] == ["0", "1", "2"]
