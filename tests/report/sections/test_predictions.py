"""What is shown of the predictions: some classes of many, with the names that there are."""

from pathlib import Path

import pytest

from tests.report.helpers import compose_search, edit
from tune_s11.report.page import render


def test_more_classes_than_the_sheet_has_room_for(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_s11.report.sections.predictions.CLASSES", 2)
    report = compose_search(search_path)
    assert [it["true"] for it in report.numbers["typical"]["shown"]] == ["<b>cat", "dog & co"]
    page = render(report.numbers, dict.fromkeys(report.figures, ""))
    assert "The first 2 of 3 classes are shown." in page


def test_of_many_classes_the_table_has_those_of_lowest_recall(
    search_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune_s11.report.sections.predictions.WORST", 2)
    report = compose_search(search_path)
    page = render(report.numbers, dict.fromkeys(report.figures, ""))
    assert "The 2 classes with the lowest recall, of 3." in page
    assert len(report.numbers["recall"]["by_class"]) == 3


def test_without_the_other_refits_logits_there_is_no_balanced_accuracy(search_path: Path) -> None:
    (search_path / "best" / "seed-1" / "test_logits.npz").unlink()
    report = compose_search(search_path)
    assert report.numbers["balanced_accuracy"] is None
    assert [gap["what"] for gap in report.numbers["not_shown"]] == ["the balanced accuracy"]
    assert "Balanced accuracy" not in render(report.numbers, dict.fromkeys(report.figures, ""))
    assert report.numbers["recall"] is not None


def test_names_too_long_for_the_sheet_are_cut_there_alone(search_path: Path) -> None:
    name = "a class with a name of many words"
    edit(search_path / "manifest.json", lambda plain: plain["data"].update(classes=[name, "dog & co", "frog"]))
    report = compose_search(search_path)
    drawn = [text.get_text() for text in report.figures["heat_maps_correct"].texts]
    assert drawn[0].startswith("a class with a…\n")
    assert report.numbers["typical"]["shown"][0]["true"] == name


@pytest.mark.parametrize("damaged", [None, [], {"classes": None}, {"classes": 3}])
def test_classes_without_names_are_numbers(search_path: Path, damaged: object) -> None:
    edit(search_path / "manifest.json", lambda plain: plain.update(data=damaged))
    assert compose_search(search_path).numbers["confusion"]["classes"] == ["0", "1", "2"]
