"""What was typed, resolved."""

from pathlib import Path

import pytest

from tune_s11.cli.arguments import refuse_unused, resolve_config
from tune_s11.config import InputError


def test_the_images_path_is_absolute_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "v2.csv").write_text("file,label\n")
    (tmp_path / "labels.csv").symlink_to("store/v2.csv")
    monkeypatch.chdir(tmp_path)
    recipe = resolve_config("quick", None, Path("labels.csv")).recipe
    assert recipe.data_dir == str(tmp_path / "labels.csv")


@pytest.mark.parametrize("setting", ["search.samples=4", "refit.width=64", "search.seeds=1"])
def test_settings_that_a_command_would_ignore_are_refused(setting: str) -> None:
    refuse_unused(["width=64", "search.seed=3"], "a single run", "search.seed")
    key = setting.partition("=")[0]
    line = f"--set {key}: is not used by a single run; expected a recipe field, or search.seed"
    with pytest.raises(InputError, match=f"^{line}$"):
        refuse_unused(["width=64", setting], "a single run", "search.seed")


def test_a_field_that_a_command_does_not_use_is_refused() -> None:
    line = "--set max_lr: is not used by the range test; expected another recipe field, or search.seed"
    with pytest.raises(InputError, match=f"^{line}$"):
        refuse_unused(["max_lr=3"], "the range test", "search.seed", unused=("max_lr",))
