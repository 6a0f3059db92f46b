"""Where this machine keeps its copies of a storage's folders."""

from pathlib import Path

import pytest

from tune_s11.storage.local_folders import ADDRESS_FILE, address_of, home_of
from tune_s11.storage.remote import Remote

STORAGE = Remote("s3://bucket/my/searches?region=eu-north-1")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and no endpoint but Amazon's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_home_is_below_the_cache_and_has_the_address(cache: Path) -> None:
    home = home_of(STORAGE, "work")
    assert home.is_relative_to(cache)
    assert home.parts[-3:-1] == ("storage", "work")
    assert home.name.startswith("s3-bucket-my-searches-")
    assert (home / ADDRESS_FILE).name == "storage.uri"
    assert (home / ADDRESS_FILE).read_text() == STORAGE.uri


def test_copies_to_work_in_and_to_read_are_kept_apart() -> None:
    assert home_of(STORAGE, "work") == home_of(STORAGE, "work")
    assert home_of(STORAGE, "work") != home_of(STORAGE, "read")


def test_another_endpoint_or_region_is_another_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    homes = {home_of(STORAGE, "work"), home_of(Remote("s3://bucket/my/searches"), "work")}
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{9000 + len(homes)}")
        homes.add(home_of(STORAGE, "work"))
    assert len(homes) == 4


def test_a_folder_knows_the_place_that_it_is_a_copy_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of(STORAGE, "read")
    (home / "a").mkdir()
    assert address_of(home / "a") == STORAGE / "a"
    monkeypatch.chdir(home / "a")
    assert address_of(Path()) == STORAGE / "a"  # however it is named
    assert address_of(tmp_path / "elsewhere") is None
