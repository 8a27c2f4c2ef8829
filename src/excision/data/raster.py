"""JPEG, BMP, GIF, WebP and JPEG 2000, decoded by Pillow."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from excision.data.pixels import (
    Decoded,
    ImageInfo,
    RefusedError,
    check_size,
    over_black,
    unit_range,
    upright,
    upright_size,
)

_PNG = b"\x89PNG\r\n\x1a\n"
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "PPM", "GIF", "WEBP", "JPEG2000")
_KNOWN = "BMP, GIF, JPEG, JPEG 2000, PBM, grey PFM, PGM, PNG, PPM, TIFF and WebP"
"""What is read here and by the other readers, for messages."""

_ORIENTATION = 0x0112

_MODES = {
    "1": ("1-bit", 1),
    "L": ("grey", 8),
    "LA": ("grey+alpha", 8),
    "P": ("palette", 8),
    "PA": ("palette", 8),
    "RGB": ("RGB", 8),
    "RGBA": ("RGB+alpha", 8),
    "CMYK": ("CMYK", 8),
    "YCbCr": ("YCbCr", 8),
    "I;16": ("grey", 16),
    "I;16B": ("grey", 16),
    "I;16L": ("grey", 16),
    "I": ("grey", 16),
    "F": ("grey", 32),
}
_GREY_MODES = frozenset({"1-bit", "grey", "grey+alpha"})

_MOST_FRAMES = 100

# Warning filters are global to the process, so only one thread at a time may change and restore them.
_filters = threading.Lock()


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of an image file; its pixels are not decoded."""
    with _opened(stream) as (image, turned):
        name, bits = _MODES[image.mode]
        if image.has_transparency_data and name in ("grey", "RGB"):
            name += "+alpha"
        colour = name not in _GREY_MODES and not (name == "palette" and _grey_palette(image))
        return ImageInfo(upright_size(image.height, image.width, turned), name, bits, colour)


def decode(stream: BinaryIO, key: int | None = None) -> Decoded:
    """Decode an image file; its values are kept as Pillow holds them.

    Args:
        stream: the file.
        key: the grey that is transparent, in the scale of the decoded values; None for what the file says.
    """
    with _opened(stream) as (image, turned):
        image.load()
        if key is not None:
            image.info["transparency"] = key
        loaded = _without_empty_alpha(image)
        # Any transparency counts, also a key that no pixel has.
        plain = loaded.mode in ("L", "RGB") and "transparency" not in loaded.info
        part = partial(_part, loaded)
        return Decoded(
            (image.height, image.width), turned, lambda *box: _values(part(*box)), part if plain else None
        )


def palette(stream: BinaryIO) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Read the numbers (H, W) and the colours (256, 3) of a file with an opaque palette; None of others."""
    with _opened(stream) as (image, turned):
        if image.mode != "P" or image.has_transparency_data:
            return None
        image.load()
        given = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(given)] = given[:256]
        numbers = np.asarray(image)
        return upright(numbers, turned), colours


def orientation(stream: BinaryIO) -> int:
    """Read the EXIF orientation of a file, 1 if there is none."""
    with _opened(stream) as (_, turned):
        return turned


def array(image: Image.Image) -> NDArray[Any]:
    """Convert a PIL image to an array, upright: integers if its values are, otherwise floats in [0, 1]."""
    _check_kind(image)
    check_size(image.height, image.width)
    turned = int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    image.load()
    image = _without_empty_alpha(image)
    name, _ = _MODES[image.mode]
    if image.has_transparency_data:
        values: NDArray[Any] = _values(image)
    elif name in ("1-bit", "grey"):
        values = np.asarray(image)[..., np.newaxis]
        if image.mode == "I":
            values = _sixteen_bit(values)
    else:
        values = np.asarray(image.convert("RGB"))
    # Pillow itself turns TIFF images upright, but no other format.
    return upright(values, 1 if image.format == "TIFF" else turned)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Open images without Pillow's warnings: size is checked here, and metadata have a defined meaning."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[tuple[Image.Image, int]]:
    """Open a file and give its image, not yet decoded, with its EXIF orientation."""
    with without_warnings():
        try:
            image = _identified(stream)
        except (UnidentifiedImageError, SyntaxError) as error:
            raise RefusedError(f"the file is damaged or not an image; known are {_KNOWN}") from error
        check_size(image.height, image.width)
        # The method of the base class reads only the header.
        turned = int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    _check_kind(image)
    if image.format in ("JPEG", "MPO"):
        _check_length(stream, image.height * image.width)
    yield image, turned


def _identified(stream: BinaryIO) -> Image.Image:
    """Open a file of any format that is known."""
    start = stream.read(len(_PNG))
    stream.seek(0)
    if start != _PNG:
        return Image.open(stream, formats=_FORMATS)
    # It loads the readers of five formats first, that of JPEG with a part of Python that starts programs.
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(stream)


def _check_length(stream: BinaryIO, pixels: int) -> None:
    """Refuse a JPEG that is too short: Pillow would fill up what is missing with grey."""
    place = stream.tell()
    length = stream.seek(0, io.SEEK_END)
    stream.seek(place)
    # Each block of 8 x 8 pixels takes one bit at least.
    if 8 * length < pixels // 64:
        raise RefusedError("it holds fewer pixels than its header says; the file is damaged")


def _check_kind(image: Image.Image) -> None:
    if image.mode not in _MODES:
        raise RefusedError(f"the colour mode {image.mode} is not supported; save it as grey or RGB")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise RefusedError(f"contains {_frames(image)} images; save each as a separate file")


def _frames(image: Image.Image) -> str:
    """Count the images of a file in words; a GIF may hold millions, and is read through to count them."""
    if image.format != "GIF":
        return str(getattr(image, "n_frames", 1))
    count = 1
    try:
        for count in range(1, _MOST_FRAMES + 1):
            image.seek(count)
    except EOFError:
        return str(count)
    return f"more than {_MOST_FRAMES}"


def _without_empty_alpha(image: Image.Image) -> Image.Image:
    """Take a BMP as opaque if its alpha is 0 everywhere: programs leave the fourth byte unused."""
    if image.format in ("BMP", "DIB") and image.mode == "RGBA" and image.getchannel("A").getbbox() is None:
        return image.convert("RGB")
    return image


def _part(image: Image.Image, top: int, bottom: int, left: int, right: int) -> Image.Image:
    box = (left, top, right, bottom)
    return image if box == (0, 0, *image.size) else image.crop(box)


def _values(image: Image.Image) -> NDArray[np.float32]:
    """Give (H, W, 1 or 3) float32 in [0, 1] of a decoded image, as it is stored."""
    name, bits = _MODES[image.mode]
    if image.has_transparency_data and bits <= 8:
        rgba = unit_range(np.asarray(image.convert("RGBA")), 8)
        layers = rgba[..., :1] if name in _GREY_MODES else rgba[..., :3]
        return over_black(layers, rgba[..., 3:])
    if name == "1-bit":
        return unit_range(np.asarray(image), 1)[..., np.newaxis]
    if name == "grey":
        values = np.asarray(image)
        if image.mode == "I":
            values = _sixteen_bit(values)
        grey = unit_range(values.astype(values.dtype.newbyteorder("="), copy=False), bits)[..., np.newaxis]
        key = image.info.get("transparency")
        return over_black(grey, (values != key)[..., np.newaxis]) if isinstance(key, int) else grey
    return unit_range(np.asarray(image.convert("RGB")), 8)


def _sixteen_bit(values: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Convert Pillow's 32-bit integers, which it uses for some 16-bit files."""
    if values.min() < 0 or values.max() > 65535:
        raise RefusedError(f"integer values must be between 0 and 65535; this image reaches {values.max()}")
    return values.astype(np.uint16)


def _grey_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())
