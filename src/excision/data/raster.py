"""PNG, JPEG, BMP and similar formats, decoded by Pillow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.pixels import (
    ImageInfo,
    RefusedError,
    Stored,
    check_size,
    over_black,
    unit_range,
    upright,
    upright_size,
)
from excision.ops.bands import band_rows

_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "PPM", "GIF", "WEBP", "JPEG2000", "TIFF")
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

# Warning filters are global to the process, so only one thread at a time may change and restore them.
_filters = threading.Lock()


def probe(path: Path) -> ImageInfo:
    """Read the header of an image file; its pixels are not decoded."""
    with _opened(path) as (image, orientation):
        name, bits = _MODES[image.mode]
        if image.has_transparency_data and name in ("grey", "RGB"):
            name += "+alpha"
        colour = name not in _GREY_MODES and not (name == "palette" and _grey_palette(image))
        return ImageInfo(upright_size(image.height, image.width, orientation), name, bits, colour)


def pixels(path: Path) -> NDArray[np.float32]:
    """Decode an image file to (H, W, 1 or 3) float32 in [0, 1], upright."""
    with _opened(path) as (image, orientation):
        image.load()
        # Pillow itself turns TIFF images upright, but no other format.
        return upright(_values(image), 1 if image.format == "TIFF" else orientation)


@contextmanager
def stored(path: Path) -> Iterator[Stored]:
    """Decode an image file once and give it band by band."""
    with _opened(path) as (image, orientation):
        image.load()
        bands = (
            _values(image.crop((0, top, image.width, bottom)))
            for top, bottom in band_rows(image.height, image.width)
        )
        # As in `pixels`.
        yield Stored((image.height, image.width), 1 if image.format == "TIFF" else orientation, bands)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int]]:
    """Open a file and give its image, not yet decoded, with its EXIF orientation."""
    with path.open("rb") as stream:
        with _filters, warnings.catch_warnings():
            # What Pillow warns about is refused below (size) or has a defined meaning here (metadata).
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=_FORMATS)
            check_size(image.height, image.width)
            # The method of the base class reads only the header; that of PNG would decode the whole image.
            orientation = int(Image.Image.getexif(image).get(_ORIENTATION, 1))
        _check_kind(image)
        yield image, orientation


def array(image: Image.Image) -> NDArray[Any]:
    """Convert a PIL image to an array, upright: integers if its values are, otherwise floats in [0, 1]."""
    _check_kind(image)
    check_size(image.height, image.width)
    orientation = int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    image.load()
    name, bits = _MODES[image.mode]
    if image.has_transparency_data and bits <= 8:
        values: NDArray[Any] = _values(image)
    elif name in ("1-bit", "grey"):
        values = np.asarray(image)[..., np.newaxis]
        if image.mode == "I":
            values = _sixteen_bit(values)
    else:
        values = np.asarray(image.convert("RGB"))
    # As in `pixels`.
    return upright(values, 1 if image.format == "TIFF" else orientation)


def _check_kind(image: Image.Image) -> None:
    if image.mode not in _MODES:
        raise RefusedError(f"the colour mode {image.mode} is not supported; save it as grey or RGB")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise RefusedError(f"contains {getattr(image, 'n_frames', 1)} images; save each as a separate file")


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
        return unit_range(values, bits)[..., np.newaxis]
    return unit_range(np.asarray(image.convert("RGB")), 8)


def _sixteen_bit(values: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Convert Pillow's 32-bit integers, which it uses for some 16-bit files."""
    if values.min() < 0 or values.max() > 65535:
        raise RefusedError(f"integer values must be between 0 and 65535; this image reaches {values.max()}")
    return values.astype(np.uint16)


def _grey_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())
