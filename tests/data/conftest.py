"""An image folder, and a cache of the test's own."""

from pathlib import Path

import pytest

from tests.data.pictures import picture


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with two training images and a test image each, every one of its own grey."""
    shade = 0
    for split, count in (("train", 2), ("test", 1)):
        for name in ("cat", "dog"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for number in range(count):
                shade += 10
                picture(shade).save(tmp_path / "images" / split / name / f"{number}.png")
    return tmp_path / "images"
