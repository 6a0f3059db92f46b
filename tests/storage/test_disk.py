"""Room on the disk, and its troubles wherever they are raised."""

import errno
import os
from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.storage.disk import check_room, describe_disk_error, size_of
from tune_s11.storage.local_folders import ADDRESS_FILE


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


class FromAWorker(Exception):
    """As Ray hands over what a worker raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


FULL = OSError(errno.ENOSPC, "anything")
NAMED = OSError(errno.EROFS, "anything", "/results/a")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FULL, "No space left on device"),
        (NAMED, "/results/a: Read-only file system"),
        (raised(RuntimeError("by torch"), FULL), "No space left on device"),
        (FromAWorker(raised(ValueError(), NAMED)), "/results/a: Read-only file system"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), None),
        (ValueError("No space left on device"), None),
        (raised(ValueError(), KeyError()), None),
    ],
)
def test_trouble_is_found_beneath_what_wraps_it(error: BaseException, words: str | None) -> None:
    assert describe_disk_error(error) == words


def test_a_circle_of_errors_ends() -> None:
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert describe_disk_error(one) is None


def test_room(tmp_path: Path) -> None:
    new = tmp_path / "a" / "b"
    check_room(new, 1)
    assert not new.parent.exists()
    with pytest.raises(InputError) as caught:
        check_room(new, 10**18)
    line = str(caught.value)
    assert line.startswith(f"--storage: {tmp_path} has ")
    assert "up to 1,000,000,000.00 GB are needed" in line


def test_a_copy_of_a_storage_needs_room_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / ADDRESS_FILE).write_text("s3://bucket/a")
    with pytest.raises(InputError, match="expected XDG_CACHE_HOME to name a folder on a disk with more"):
        check_room(tmp_path / "search", 10**18)


def test_a_file_is_no_place_for_results(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be written; expected a writable folder"):
        check_room(tmp_path / "file" / "a", 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_s(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        check_room(tmp_path / "a", 0)


def test_size_counts_files_and_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "one").write_bytes(bytes(1000))
    (tmp_path / "a" / "b" / "two").write_bytes(bytes(234))
    (tmp_path / "a" / "link").symlink_to(tmp_path / "one")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    assert size_of(tmp_path) == 1234
