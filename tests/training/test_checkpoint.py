"""Checkpoints come back as they were, survive a failing save, and never run code."""

import errno
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tune_s11.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

STATE = {"epoch": 3, "model": {"weight": torch.arange(4096.0), "steps": torch.tensor(7)}, "schedule": {"lr": 0.1}}


class Bomb:
    """Leaves a file behind where it is unpickled by running what it says."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def assert_refused(path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    state = load_checkpoint(path)
    assert state.keys() == STATE.keys()
    assert (state["epoch"], state["schedule"]) == (3, {"lr": 0.1})
    assert torch.equal(state["model"]["weight"], torch.arange(4096.0))
    assert torch.equal(state["model"]["steps"], torch.tensor(7))
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_later_save_replaces_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    save_checkpoint(path, {"epoch": 2})
    assert load_checkpoint(path) == {"epoch": 2}


def test_a_save_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_checkpoint(path, {"weight": torch.zeros(1000), "unpicklable": lambda: None})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_full_disk_is_said_as_such_and_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode: Full(self, mode))
        with pytest.raises(OSError, match="No space left on device"):
            save_checkpoint(path, STATE)
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    whole, seen = torch.save, []

    def save_and_look(state: dict[str, Any], file: Any) -> None:
        whole(state, file)
        seen.append(load_checkpoint(path))

    monkeypatch.setattr(torch, "save", save_and_look)
    save_checkpoint(path, {"epoch": 2})
    assert seen == [{"epoch": 1}]
    assert load_checkpoint(path) == {"epoch": 2}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert_refused(path)


def test_a_flipped_bit_in_a_tensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(4096.0).numpy().tobytes()) + 1000] ^= 1
    path.write_bytes(content)
    assert_refused(path)


def test_a_stored_entry_that_says_it_is_compressed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] ^= 8  # the method in the archive's directory: one bit from 0 to deflated
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize("place", range(100))
def test_a_flipped_byte_is_refused_or_harmless(tmp_path: Path, place: int) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 3, "weight": torch.arange(10.0)})
    content = bytearray(path.read_bytes())
    content[place * len(content) // 100] ^= 0xFF
    path.write_bytes(content)
    try:
        state = load_checkpoint(path)
    except CheckpointError:
        return
    assert state["epoch"] == 3
    assert torch.equal(state["weight"], torch.arange(10.0))


@pytest.mark.parametrize("inside_an_archive", [False, True])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path: Path, inside_an_archive: bool) -> None:
    path, crater = tmp_path / "checkpoint.pt", tmp_path / "crater"
    if inside_an_archive:
        torch.save({"epoch": Bomb(crater)}, path)
    else:
        path.write_bytes(pickle.dumps({"epoch": Bomb(crater)}))
    assert_refused(path)
    assert not crater.exists()

    # It was live.
    torch.load(path, weights_only=False) if inside_an_archive else pickle.loads(path.read_bytes())
    assert crater.exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_disk_in_trouble_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A checkpoint that cannot be read may be deleted."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("zipfile.ZipFile", fail)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        load_checkpoint(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("not a checkpoint\n")
    (tmp_path / "folder.pt").mkdir()
    torch.save([1, 2, 3], tmp_path / "list.pt")
    for name in ("text.pt", "folder.pt", "list.pt", "missing.pt"):
        assert_refused(tmp_path / name)


def test_tensors_come_back_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of a GPU must not count as damage."""
    path, load, places = tmp_path / "checkpoint.pt", torch.load, []
    save_checkpoint(path, STATE)

    def spied(*arguments: Any, **options: Any) -> Any:
        places.append(options["map_location"])
        return load(*arguments, **options)

    monkeypatch.setattr(torch, "load", spied)
    assert load_checkpoint(path)["model"]["weight"].device.type == "cpu"
    assert places == ["cpu"]
