"""Pictures of all kinds, and files that are none."""

import io
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from tune_s11.config import InputError
from tune_s11.data.decoding import (
    GREY,
    OTHER,
    PALETTE,
    RESIZED,
    SIXTEEN_BIT,
    TRANSPARENT,
    TURNED,
    decode,
    describe_changes,
    empty_pixels,
)

SIZE = 8


def picture(mode: str = "RGB", size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return Image.new("RGB", size, (255, 255, 255)).convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix", "changes"),
    [
        ("RGB", "png", []),
        ("RGB", "jpg", []),
        ("RGB", "webp", []),
        ("RGB", "bmp", []),
        ("RGB", "tiff", []),
        ("RGB", "ppm", []),
        ("L", "png", [GREY]),
        ("1", "png", [GREY]),
        ("P", "png", [PALETTE]),
        ("CMYK", "jpg", [OTHER]),
        ("RGBA", "png", [TRANSPARENT]),
        ("LA", "png", [GREY, TRANSPARENT]),
    ],
)
def test_colour_modes_and_formats(tmp_path: Path, mode: str, suffix: str, changes: list[str]) -> None:
    picture(mode).save(tmp_path / f"a.{suffix}")
    pixels, found = decode(str(tmp_path / f"a.{suffix}"), SIZE)
    assert found == changes
    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert (pixels >= 253).all()


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_turns_nothing_is_not_told(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture("RGB").save(tmp_path / "a.jpg", exif=exif)
    assert decode(str(tmp_path / "a.jpg"), SIZE)[1] == []


def test_more_images_than_there_is_memory_for_are_one_line() -> None:
    line = r"^image_size 4096: 1,000,000,000 images need 50,331,648.00 GB of memory; expected a smaller size"
    with pytest.raises(InputError, match=line):
        empty_pixels(10**9, 4096)


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    """Orientation 6: the file's first row is the photo's right side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    values = np.zeros((SIZE, SIZE, 3), np.uint8)
    values[0] = 255
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    pixels, changes = decode(str(tmp_path / "a.png"), SIZE)
    assert changes == [TURNED]
    np.testing.assert_array_equal(pixels, np.asarray(values.swapaxes(0, 1)[:, ::-1]))


def test_colours_of_sixteen_bits_are_told(tmp_path: Path) -> None:
    rows = SIZE * (b"\0" + SIZE * b"\x12\x34\xff\xff\x00\x00")
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    pixels, changes = decode(str(tmp_path / "a.png"), SIZE)
    assert changes == [SIXTEEN_BIT]
    assert pixels[0, 0].tolist() == [0x12, 0xFF, 0]


def test_palettes_with_transparency(tmp_path: Path) -> None:
    picture("P").save(tmp_path / "a.png", transparency=bytes(range(200)))
    assert decode(str(tmp_path / "a.png"), SIZE)[1] == [PALETTE, TRANSPARENT]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_range(tmp_path: Path, suffix: str) -> None:
    values = np.repeat(np.arange(SIZE, dtype=np.uint16) * 8192, SIZE).reshape(SIZE, SIZE)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    pixels, changes = decode(str(tmp_path / f"a.{suffix}"), SIZE)
    np.testing.assert_array_equal(pixels[:, 0, 0], np.arange(SIZE) * 32)
    assert changes == [GREY, SIXTEEN_BIT]


def test_other_sizes_are_resized_with_antialiasing(tmp_path: Path) -> None:
    board = np.indices((64, 48)).sum(axis=0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).convert("RGB").save(tmp_path / "a.png")
    pixels, changes = decode(str(tmp_path / "a.png"), SIZE)
    assert changes == [RESIZED]
    np.testing.assert_allclose(pixels, 127.5, atol=4)


def test_changes_in_words() -> None:
    assert describe_changes(Counter({RESIZED: 1234, GREY: 1}), 32) == (
        "1 grey image converted to RGB",
        "1,234 images resized to 32x32",
    )


def damaged(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    png = buffer.getvalue()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return {
        "empty": b"",
        "text": b"hello",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "truncated": png[: len(png) // 2],
        "header only": png[:20],
        "altered": png[:200] + bytes(100) + png[300:],
        "huge": png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "not a PNG, JPEG, BMP, WEBP, TIFF or PPM file"),
        ("text", "not a PNG"),
        ("postscript", "not a PNG"),
        ("truncated", "truncated"),
        ("header only", ""),
        ("altered", ""),
        ("huge", "could be decompression bomb"),
    ],
)
def test_files_that_do_not_decode_are_named(tmp_path: Path, kind: str, reason: str) -> None:
    file = tmp_path / "two\nlines.png"
    file.write_bytes(damaged(kind))
    refuse(file, reason)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_floats_and_wide_integers_have_no_known_range(tmp_path: Path, mode: str) -> None:
    picture(mode).save(tmp_path / "a.tiff")
    refuse(tmp_path / "a.tiff", f"pixels of type {mode} have no fixed range; expected 8 or 16 bits a channel")


def refuse(file: Path, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        decode(str(file), SIZE)
    message = str(raised.value)
    assert message.startswith(f"{str(file)!r}: cannot be decoded as an image: ")
    assert problem in message
    assert "\n" not in message
