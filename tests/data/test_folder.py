"""Image folders: layout, notes, the cache, and each way that a folder can be wrong."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import SIZE, entries, picture, shades
from tune_s11.config import InputError
from tune_s11.data import folder as folder_module
from tune_s11.data.folder import read_folder

pytestmark = pytest.mark.usefixtures("fresh_cache")


def refuse(root: Path, *problems: str) -> None:
    with pytest.raises(InputError) as raised:
        read_folder(root, SIZE)
    for problem in problems:
        assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


# --- what is read


def test_images_labels_and_classes(root: Path) -> None:
    dataset = read_folder(root, SIZE)
    assert dataset.classes == ("cat", "dog")
    assert shades(dataset) == ([10, 20, 30, 40], [50, 60])
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataset.train.pixels.shape == (4, SIZE, SIZE, 3)
    assert (dataset.train.pixels.dtype, dataset.train.labels.dtype) == (np.uint8, np.int64)
    assert dataset.notes == ()


def test_subfolders_are_read_and_dot_names_and_other_files_are_not(root: Path) -> None:
    (root / "train" / "cat" / "more").mkdir()
    picture(90).save(root / "train" / "cat" / "more" / "0.PNG")
    (root / "train" / ".checkpoints").mkdir()
    (root / "train" / "cat" / "._0.png").write_bytes(b"not an image")
    (root / "train" / "cat" / "readme.txt").write_text("not an image")
    (root / "train" / "loose.png").write_bytes(b"not an image")
    assert shades(read_folder(root, SIZE)) == ([10, 20, 90, 30, 40], [50, 60])


def test_circular_links_end(root: Path) -> None:
    for name in ("a", "b"):
        (root / "train" / "cat" / name).symlink_to(root / "train")
        (root / "train" / "dog" / name).symlink_to("..")
    train, _ = shades(read_folder(root, SIZE))
    assert sorted(set(train)) == [10, 20, 30, 40]


def test_a_class_may_be_a_link(root: Path, tmp_path: Path) -> None:
    os.rename(root / "train" / "dog", tmp_path / "elsewhere")
    (root / "train" / "dog").symlink_to(tmp_path / "elsewhere")
    assert shades(read_folder(root, SIZE))[0] == [10, 20, 30, 40]


def test_many_threads_keep_the_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "SMALL_FILE", 0)
    monkeypatch.setattr(folder_module, "CHUNK", 3)
    for number in range(40):
        picture(100 + number).save(root / "train" / "dog" / f"x{number:02d}.png")
    assert shades(read_folder(root, SIZE))[0] == [10, 20, 30, 40, *range(100, 140)]


def test_changes_to_images_become_notes_with_counts(root: Path) -> None:
    picture(10, "L").save(root / "train" / "cat" / "0.png")
    picture(50, "L", (20, 10)).save(root / "test" / "cat" / "0.png")
    dataset = read_folder(root, SIZE)
    assert dataset.notes == ("2 grey images converted to RGB", "1 image resized to 8x8")
    assert shades(dataset) == ([10, 20, 30, 40], [50, 60])


# --- the cache


def test_changes_of_the_folder_are_noticed(root: Path) -> None:
    read_folder(root, SIZE)
    file = root / "train" / "cat" / "0.png"
    status = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    read_folder(root, SIZE)
    assert len(entries()) == 2
    file.rename(file.with_name("00.png"))
    read_folder(root, SIZE)
    assert len(entries()) == 3
    assert read_folder(root, 16).train.pixels.shape[1] == 16


def test_same_names_sizes_and_dates_elsewhere_are_other_images(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for file in sorted(root.rglob("*.png")):
        copy = other / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        for path, shade in ((file, 1), (copy, 2)):
            picture(shade).save(path.with_suffix(".bmp"))
            os.utime(path.with_suffix(".bmp"), ns=(0, 0))
        file.unlink()
    assert set(shades(read_folder(root, SIZE))[0]) == {1}
    assert set(shades(read_folder(other, SIZE))[0]) == {2}


# --- what is refused


def test_missing_folders(root: Path) -> None:
    refuse(root / "nowhere", f"data_dir {str(root / 'nowhere')!r}: no such folder")
    refuse(root / "two\nlines", "two\\nlines': no such folder")
    os.rename(root / "train", root / "away")
    refuse(root, "has no folder train/; it must hold train/<class>/")


def test_classes_that_differ(root: Path) -> None:
    os.rename(root / "test" / "dog", root / "test" / "élan\n🦌")
    refuse(root, "train/ and test/ differ in their classes; only in train: 'dog'; only in test: 'élan\\n🦌'")
    for number in range(9):
        (root / "train" / f"class{number}").mkdir()
    refuse(root, "only in train: 'class0', 'class1', 'class2', 'class3', 'class4' and 5 more; only in test: ")


def test_fewer_than_two_classes(root: Path) -> None:
    for names, count in (("dog", 1), ("cat", 0)):
        for split in ("train", "test"):
            os.rename(root / split / names, root / f"{split}-{names}")
        refuse(root, f"must have 2 or more class folders in train/ (got {count})")


def test_a_class_without_images(root: Path) -> None:
    os.rename(root / "test" / "dog" / "0.png", root / "test" / "dog" / "0.doc")
    refuse(root, f"{str(root / 'test' / 'dog')!r}: this class has no images; looked for .png .jpg")


def test_files_that_do_not_decode_are_named(root: Path) -> None:
    file = root / "train" / "dog" / "bad\n.png"
    for content, reason in ((b"", "is empty"), (b"hello", "not a PNG")):
        file.write_bytes(content)
        refuse(root, f"{str(file)!r}: cannot be decoded as an image: {reason}")


def test_a_suspiciously_large_image_is_an_error_and_not_a_warning(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns above it, and refuses twice as many
    picture(1, size=(11, 11)).save(root / "train" / "dog" / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        refuse(root, "1.png': cannot be decoded as an image: Image size (121 pixels) exceeds limit")


def test_things_that_are_no_files(root: Path) -> None:
    os.mkfifo(root / "train" / "dog" / "pipe.png")
    refuse(root, "pipe.png': cannot be decoded as an image: is not a regular file")
    os.remove(root / "train" / "dog" / "pipe.png")
    (root / "train" / "dog" / "gone.png").symlink_to("nowhere")
    refuse(root, "gone.png': cannot be read: No such file or directory")
    os.remove(root / "train" / "dog" / "gone.png")
    (root / "train" / "dog" / "self").symlink_to("self")
    refuse(root, "self': cannot be read: Too many levels of symbolic links")


def test_the_first_bad_file_is_the_one_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "SMALL_FILE", 0)
    monkeypatch.setattr(folder_module, "CHUNK", 1)
    for file in (root / "train").rglob("*.png"):
        file.write_bytes(b"hello")
    refuse(root, str(root / "train" / "cat" / "0.png"))


# --- hostile content


def test_names_of_any_kind_are_names(root: Path) -> None:
    hostile = ["<b>", "two\nlines", "élan 🦌", "\x1b[2J", "\udcff", "$(touch crater)", "a" * 200]
    for name in hostile:
        for split in ("train", "test"):
            (root / split / name).mkdir()
            picture(200).save(root / split / name / f"{name[:100]}.png")
    dataset = read_folder(root, SIZE)
    assert dataset.classes == tuple(sorted([*hostile, "cat", "dog"]))
    assert len(dataset.train) == 4 + len(hostile)
    assert len(dataset.fingerprint) == 16
    (root / "train" / "two\nlines" / "bad.png").write_bytes(b"hello")
    refuse(root, "two\\nlines/bad.png': cannot be decoded")


def test_ten_thousand_classes(tmp_path: Path) -> None:
    picture(7).save(tmp_path / "one.png")
    for split in ("train", "test"):
        for number in range(10_000):
            folder = tmp_path / split / f"{number:05d}"
            folder.mkdir(parents=True)
            os.link(tmp_path / "one.png", folder / "0.png")
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.classes) == len(dataset.train) == len(dataset.test) == 10_000
    assert dataset.train.labels.tolist() == list(range(10_000))


def test_a_loop_of_links_with_nothing_else_in_it_is_a_class_without_images(root: Path) -> None:
    for split in ("train", "test"):
        (root / split / "loop").mkdir()
        (root / split / "loop" / "again").symlink_to(root / split / "loop")
    refuse(root, "loop': this class has no images")


# --- the real thing


@pytest.mark.cifar10
def test_cifar10_folder(cifar10_dir: Path) -> None:
    dataset = read_folder(cifar10_dir, 32)
    assert dataset.classes[:3] == ("airplane", "automobile", "bird")
    assert len(dataset.classes) == 10
    assert len(set(np.bincount(dataset.train.labels))) == len(set(np.bincount(dataset.test.labels))) == 1
    if len(dataset.train) == 50_000:
        assert [round(value, 4) for value in dataset.mean] == [0.4914, 0.4822, 0.4465]
        assert [round(value, 4) for value in dataset.std] == [0.2470, 0.2435, 0.2616]
