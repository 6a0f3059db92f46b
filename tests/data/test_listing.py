"""Data of one's own without test images, and as a CSV: what is read, what is passed over, what is refused."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, load_dataset
from tune_s11.data.folder import read_folder

SIZE = 8


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Training images of two classes, ten each and every one of its own grey, and no test images."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(10):
            save(tmp_path / "own" / "train" / name / f"{number}.png", 100 * label + number)
    return tmp_path / "own"


def save(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (SIZE, SIZE), shade).save(path)


def shades(dataset: Dataset) -> tuple[list[int], list[int]]:
    return dataset.train.pixels[:, 0, 0, 0].tolist(), dataset.test.pixels[:, 0, 0, 0].tolist()


def refuse(source: Path, problem: str, test_fraction: float | None = None) -> None:
    with pytest.raises(InputError) as raised:
        read_folder(source, SIZE, test_fraction)
    assert problem in str(raised.value)
    assert str(raised.value).isprintable()


# --- no test images


def test_test_images_are_held_out_where_there_are_none(root: Path) -> None:
    dataset = read_folder(root, SIZE)
    train, test = shades(dataset)
    assert sorted(train + test) == [*range(10), *range(100, 110)]
    assert len(test) == 4
    for images in (dataset.train, dataset.test):
        assert ((images.pixels[:, 0, 0, 0] >= 100) == images.labels).all()
    assert dataset.notes == (
        "20 grey images converted to RGB",
        "no test images by class: 4 of 20 images are held out as such (test_fraction 0.2)",
    )
    again = read_folder(root, SIZE)  # out of the cache
    assert (again.fingerprint, again.notes) == (dataset.fingerprint, dataset.notes)


def test_neither_mean_nor_deviation_knows_the_held_out_images(root: Path) -> None:
    dataset = read_folder(root, SIZE)
    train, _ = shades(dataset)
    assert dataset.mean[0] == pytest.approx(np.mean(train) / 255)
    assert dataset.std[0] == pytest.approx(np.std(train) / 255)


@settings(max_examples=30)
@given(st.lists(st.integers(5, 30), min_size=2, max_size=4), st.sampled_from([0.2, 0.3, 0.5, 0.7]))
def test_held_out_images_are_disjoint_complete_stratified_and_the_same_each_time(
    counts: list[int], fraction: float
) -> None:
    from tune_s11.data import Images
    from tune_s11.data.split import hold_out_test

    labels = np.random.default_rng(sum(counts)).permutation(np.repeat(np.arange(len(counts)), counts))
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    images = Images(pixels, labels.astype(np.int64))
    train, test, _ = hold_out_test(images, fraction)
    own = [part.pixels.ravel()[::3] for part in (train, test)]
    assert sorted(np.concatenate(own)) == list(range(len(labels)))
    assert len(test) == round(fraction * len(labels))
    for part, index in zip((train, test), own, strict=True):
        assert (part.labels == labels[index]).all()
        shares = np.array(counts) * len(part) / len(labels)
        assert (abs(np.bincount(part.labels, minlength=len(counts)) - shares) <= 1).all()
    again = hold_out_test(images, fraction)[1]
    assert (again.pixels == test.pixels).all()


def test_searches_of_every_seed_are_tested_on_the_same_images(root: Path) -> None:
    recipe = Recipe(dataset="folder", data_dir=str(root), image_size=SIZE, pad=1, cutout=2, test_fraction=0.3)
    assert len(load_dataset(recipe).test) == 6
    # The recipe has no seed, and nothing else that may change them but the share.
    changed = recipe.model_copy(update={"val_fraction": 0.4, "train_images": 10})
    assert load_dataset(changed).fingerprint == load_dataset(recipe).fingerprint


def test_a_flat_test_folder_is_passed_over_with_a_line_that_says_so(root: Path) -> None:
    for number in range(3):
        save(root / "test" / f"{number}.png", 250)
    (root / "test" / "sample_submission.csv").write_text("id,label\n")
    dataset = read_folder(root, SIZE)
    assert 250 not in itertools.chain(*shades(dataset))
    assert len(dataset.test) == 4
    assert dataset.notes[0] == "test/ has no class folders: ignored, with its 3 images"


def test_a_folder_of_validation_images_is_named_as_ignored(root: Path) -> None:
    save(root / "val" / "cat" / "0.png", 250)
    dataset = read_folder(root, SIZE)
    assert 250 not in itertools.chain(*shades(dataset))
    assert dataset.notes[0] == (
        "val/ is ignored: validation images are taken from train/; as test/ it would be tested on"
    )


def test_a_share_beside_test_images_is_refused(root: Path) -> None:
    for name in ("cat", "dog"):
        save(root / "test" / name / "0.png", 200)
    assert shades(read_folder(root, SIZE))[1] == [200, 200]
    refuse(root, f"test_fraction 0.3: must be omitted, because {str(root)!r} has its own test images", 0.3)


def test_too_few_images_to_hold_any_out(root: Path) -> None:
    refuse(root, "test_fraction 0.01: 20 images would be divided into 20 and 0", 0.01)
    for number in range(1, 10):
        os.remove(root / "train" / "dog" / f"{number}.png")
    refuse(root, "test_fraction 0.2: class 'dog' has 1 of 11 images; expected at least 2 of each class")


# --- a CSV


@pytest.fixture
def table(root: Path) -> Path:
    """A CSV of the twenty images, shuffled, with labels that are not the folders' names."""
    files = sorted(file.relative_to(root).as_posix() for file in root.rglob("*.png"))
    lines = [f"{file},{'10' if 'dog' in file else '9'}" for file in np.random.default_rng(0).permutation(files)]
    (root / "labels.csv").write_text("\n".join(["Image, Class", *lines, ""]))
    return root / "labels.csv"


def test_a_csv_names_the_same_images(table: Path) -> None:
    dataset = read_folder(table, SIZE)
    assert dataset.classes == ("10", "9")
    train, test = shades(dataset)
    assert sorted(train + test) == [*range(10), *range(100, 110)]
    assert ((dataset.train.pixels[:, 0, 0, 0] < 100) == dataset.train.labels).all()
    shuffled = table.with_name("again.csv")
    header, *lines = table.read_text().splitlines()
    shuffled.write_text("\ufeff" + "\r\n".join([header, *reversed(lines)]), encoding="utf-8")
    assert read_folder(shuffled, SIZE).fingerprint == dataset.fingerprint


def test_a_csv_may_say_which_are_test_images(root: Path) -> None:
    rows = [
        (f"train/{name}/{number}.png", name, "TEST" if number < 3 else "train", "ignored")
        for name in ("cat", "dog")
        for number in range(10)
    ]
    table = root / "split.csv"
    table.write_text("\n".join(",".join(row) for row in [("file", "label", "split", "more"), *rows]))
    dataset = read_folder(table, SIZE)
    assert shades(dataset)[1] == [0, 1, 2, 100, 101, 102]
    # One image changes sides, and nothing of the cache is mistaken for it.
    table.write_text(table.read_text().replace("cat/3.png,cat,train", "cat/3.png,cat,test"))
    assert shades(read_folder(table, SIZE))[1] == [0, 1, 2, 3, 100, 101, 102]
    table.write_text(table.read_text().replace(",dog,TEST", ",dog,train"))
    refuse(table, "train and test differ in their classes; only in train: 'dog'")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: must name the columns file and label (got nothing)"),
        ("a,b,c\n", "line 1: must name the columns file and label (got a, b, c)"),
        (
            "train/cat/0.png,cat\n",
            "line 1: must name the columns, such as file,label (got an image, 'train/cat/0.png')",
        ),
        ("file,label\n", "must have 2 or more labels (got 0)"),
        ("file,label\ntrain/cat/0.png,cat\n", "must have 2 or more labels (got 1)"),
        ("file,label\ntrain/cat/0.png\n", "line 2: must have 2 cells or more (got 1)"),
        ("file,label\n\ntrain/cat/0.png, \n", "line 3: label: must not be empty"),
        ("file,label\n,cat\n", "line 2: file: must not be empty"),
        ("file,label\nnowhere.png,cat\n", "nowhere.png': no such file; paths are relative to the CSV's folder"),
        ("file,label\ntrain/cat/0.png,a\ntrain/./cat/0.png,b\n", "must be listed only once; line 2 has it too"),
        ("file,label,split\ntrain/cat/0.png,cat,dev\n", "line 2: split: must be train or test (got 'dev')"),
        ('file,label\n"train/cat/0.png,cat\n', "cannot be read as CSV: unexpected end of data"),
        ("file,label\ntrain/cat,a\ntrain/dog,b\n", "train/cat': cannot be decoded as an image: is not a regular file"),
        ("file,label\nlabels.csv,a\ntrain/dog/0.png,b\n", "labels.csv': cannot be decoded as an image: not a PNG"),
    ],
)
def test_a_csv_that_is_wrong_is_one_line(root: Path, text: str, problem: str) -> None:
    (root / "labels.csv").write_text(text)
    refuse(root / "labels.csv", problem)


def test_a_csv_that_cannot_be_read(root: Path) -> None:
    refuse(root / "none.csv", "none.csv': no such file")
    (root / "latin.csv").write_bytes("file,label\nmäuse.png,1\n".encode("latin-1"))
    refuse(root / "latin.csv", "cannot be read as CSV: 'utf-8' codec can't decode")
    refuse(root / "labels.txt", "labels.txt': no such folder")
