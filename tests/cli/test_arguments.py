"""What was typed, resolved."""

from pathlib import Path

import pytest

from tune_s11.cli.arguments import resolve_config


def test_the_images_path_is_absolute_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "v2.csv").write_text("file,label\n")
    (tmp_path / "labels.csv").symlink_to("store/v2.csv")
    monkeypatch.chdir(tmp_path)
    recipe = resolve_config("quick", None, Path("labels.csv")).recipe
    assert recipe.data_dir == str(tmp_path / "labels.csv")
