"""Commands that the program tells the user to type."""

from pathlib import Path

import pytest

from tune_s11.console import storage_option


@pytest.mark.parametrize(
    ("folder", "option"),
    [
        ("results/a", ""),
        ("elsewhere/a", " --storage elsewhere"),
        ("my results/a", " --storage 'my results'"),
        ("/mnt/results/a", " --storage /mnt/results"),
    ],
)
def test_storage_is_named_where_it_is_not_the_default(
    folder: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_option(Path(folder)) == option
    assert storage_option(Path(folder).resolve()) == option
