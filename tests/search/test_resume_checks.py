"""A resumed search is the one that began."""

from pathlib import Path
from typing import Any

import pytest
import ray

from tune_s11.config import InputError
from tune_s11.hardware import Precision
from tune_s11.results import SearchFolder
from tune_s11.search.resume_checks import (
    check_same_search,
    earlier_manifest,
    kept_precision,
    may_use_matrix_products,
    recorded,
)
from tune_s11.search_space import SearchConfig, load_space


def test_samples_target_and_target_line_of_a_search_may_change(tmp_path: Path) -> None:
    folder, config = SearchFolder(tmp_path), load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    del before["search"]["search"]["target_line"]  # earlier versions had none
    for changes in ({}, {"search.samples": "9"}, {"search.target": "0.9"}, {"search.target_line": "0.9"}):
        check_same_search(folder, config.with_overrides(changes), before)
    with pytest.raises(InputError, match=r"search\.grace: 5: the search started with 4"):
        check_same_search(folder, config.with_overrides({"search.grace": "5"}), before)


@pytest.mark.parametrize(("manifest", "allowed"), [(None, True), ("{}", False), ('{"matrix_products": true}', True)])
def test_a_search_that_began_without_matrix_products_continues_without(
    tmp_path: Path, manifest: str | None, allowed: bool
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    assert may_use_matrix_products(earlier_manifest(SearchFolder(tmp_path))) is allowed


@pytest.mark.parametrize(
    ("asked", "before", "kept"),
    [
        ("auto", None, "auto"),
        ("auto", {"precision": "fp32"}, "fp32"),
        ("bf16", {"precision": "fp32"}, "bf16"),
        ("auto", {"precision": "auto"}, "auto"),
        ("auto", {}, "auto"),
        ("auto", {"precision": "fp8"}, "auto"),
    ],
)
def test_a_search_keeps_the_precision_that_was_asked_for(
    asked: Precision, before: dict[str, Any] | None, kept: Precision
) -> None:
    assert kept_precision(asked, before) == kept


def test_what_was_changed_is_named_the_call_or_the_file(tmp_path: Path) -> None:
    folder, config = SearchFolder(tmp_path), load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    wider = config.with_overrides({"width": "99"})
    folder.space.write_text(config.to_yaml())
    with pytest.raises(InputError, match=f"^{tmp_path.name}: recipe.width: 99: .*; expected .* search: another name$"):
        check_same_search(folder, wider, before)
    folder.space.write_text(wider.to_yaml())
    with pytest.raises(InputError, match=f"^{folder.space}: recipe.width: 99: .*: --space {folder.space}$"):
        check_same_search(folder, wider, before)


def test_the_refits_do_not_change_either(tmp_path: Path) -> None:
    config = load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    with pytest.raises(InputError, match=r"refit.width: 64: the search started with None and keeps it"):
        check_same_search(SearchFolder(tmp_path), config.with_overrides({"refit.width": "64"}), before)
    check_same_search(SearchFolder(tmp_path), config, before)


def test_a_pipeline_file_keeps_its_content(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text("{}")
    config = load_space("quick").with_overrides({"augmentation": str(file)})
    folder, before = SearchFolder(tmp_path), {"packages": {"ray": ray.__version__}} | recorded(config, "auto")
    check_same_search(folder, config, before)
    file.write_text("[]")
    changed = f"^{tmp_path.name}: augmentation '{file}': the file has changed since the search started"
    with pytest.raises(InputError, match=rf"{changed} .* the one it started with \({before['pipeline_sha256']}\)"):
        check_same_search(folder, config, before)
    file.unlink()  # its absence is met where it is loaded
    check_same_search(folder, config, before)
    file.touch()
    del before["pipeline_sha256"]  # earlier versions had none
    check_same_search(folder, config, before)


def test_an_augmentation_that_is_no_file_has_no_content() -> None:
    assert recorded(load_space("quick"), "fp32") == {
        "search": load_space("quick").plain(),
        "matrix_products": True,
        "precision": "fp32",
        "pipeline_sha256": None,
    }


def test_the_images_may_be_elsewhere_but_not_gone(tmp_path: Path) -> None:
    """Whether they are the same is not seen by their path."""

    def images_in(place: Path) -> SearchConfig:
        return load_space("quick").with_overrides({"dataset": "folder", "data_dir": str(place)})

    for name in ("old", "new"):
        (tmp_path / name / "train").mkdir(parents=True)
    (tmp_path / "labels.csv").touch()
    folder = SearchFolder(tmp_path / "mine")
    before = {"packages": {"ray": ray.__version__}} | recorded(images_in(tmp_path / "old"), "auto")
    for name in ("old", "new", "labels.csv"):
        check_same_search(folder, images_in(tmp_path / name), before)
    (tmp_path / "old" / "train").rmdir()  # a mount point without its mount
    for name in ("old", "nowhere"):
        with pytest.raises(InputError, match=rf"^mine: data_dir '{tmp_path / name}': .* are now: --data-dir DIR\|CSV$"):
            check_same_search(folder, images_in(tmp_path / name), before)
