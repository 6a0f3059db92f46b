"""Decodes image files into RGB pixels of one size."""

import re
from collections import Counter

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tune_s11.config import InputError
from tune_s11.data.dataset import Pixels
from tune_s11.text import format_bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes of the files that are read as images, in lower case."""

# The first bytes of a file decide its format, whatever its suffix. Pillow's other
# formats stay disabled: some of them call other programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")

GREY = "{count:,} grey {images} converted to RGB"
PALETTE = "{count:,} palette {images} converted to RGB"
OTHER = "{count:,} {images} in other colour spaces converted to RGB"
TRANSPARENT = "{count:,} {images} with transparency made opaque"
SIXTEEN_BIT = "{count:,} 16-bit {images} reduced to 8 bits"
TURNED = "{count:,} {images} turned upright by the orientation in the file"
RESIZED = "{count:,} {images} resized to {size}x{size}"

GREY_MODES = ("1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N", "I")


def decode(path: str, size: int) -> tuple[Pixels, list[str]]:
    """Read one image file.

    Args:
        path: Path of the file.
        size: Height and width in pixels to resize to, antialiased; proportions are not kept.

    Returns:
        Pixels (size, size, 3), and the changes made, as templates for :func:`describe_changes`.

    Raises:
        InputError: The file cannot be decoded.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            return to_pixels(image, size)
    except UnidentifiedImageError:
        reason = f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file"
    except Exception as error:  # on damaged bytes decoders raise OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
    raise InputError(f"{path!r}: cannot be decoded as an image: {reason}")


def to_pixels(image: Image.Image, size: int) -> tuple[Pixels, list[str]]:
    """Convert an image that has been opened; see :func:`decode`.

    Raises:
        ValueError: The pixels have no fixed range.
    """
    # Pillow reads colours of 16 bits as 8; only the decoder that a file still has to pass through shows it.
    deep = any(re.search(";16[BLN]", str(tile.args)) for tile in getattr(image, "tile", ()))
    turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)  # others than 1 to 8 mean nothing
    rgb, changes = _to_rgb(ImageOps.exif_transpose(image) if turned else image)
    if deep and SIXTEEN_BIT not in changes:
        changes.append(SIXTEEN_BIT)
    if turned:
        changes.append(TURNED)
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
        changes.append(RESIZED)
    return np.asarray(rgb), changes


def resize(pixels: Pixels, size: int) -> Pixels:
    """Resize images (N, H, W, 3) to (N, size, size, 3), antialiased."""
    resized = empty_pixels(len(pixels), size)
    for index, image in enumerate(pixels):
        resized[index] = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    return resized


def empty_pixels(count: int, size: int) -> Pixels:
    """Allocate pixels (count, size, size, 3), not initialised.

    Raises:
        InputError: There is too little memory.
    """
    try:
        return np.empty((count, size, size, 3), np.uint8)
    except MemoryError:
        need = format_bytes(3 * count * size**2)
        raise InputError(
            f"image_size {size}: {count:,} images need {need} of memory; expected a smaller size"
        ) from None


def describe_changes(changes: Counter[str], size: int) -> tuple[str, ...]:
    """Return one line for each kind of change that :func:`decode` made, with its count."""
    return tuple(
        template.format(count=count, images="image" if count == 1 else "images", size=size)
        for template, count in sorted(changes.items())
    )


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    changes = []
    if image.mode in GREY_MODES:
        changes.append(GREY)
    elif image.mode in ("P", "PA"):
        changes.append(PALETTE)
    elif image.mode not in ("RGB", "RGBA"):
        changes.append(OTHER)

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        changes.append(SIXTEEN_BIT)  # Pillow's own conversion would clip values above 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB"), changes
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of type {image.mode} have no fixed range; expected 8 or 16 bits a channel")
    if image.has_transparency_data:
        changes.append(TRANSPARENT)
        image = image.convert("RGBA")  # Pillow warns if a palette with transparency is converted straight to RGB
    return image.convert("RGB"), changes
