"""Reading images and masks: the one place where files become pixels, with one defined meaning per mode.

`docs/data.md` states the meaning of every mode for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data import raster
from excision.data.pixels import (
    ImageInfo,
    RefusedError,
    Stored,
    check_size,
    over_black,
    to_channels,
    unit_range,
)
from excision.errors import ImageError
from excision.ops.bands import band_rows

__all__ = [
    "ImageInfo",
    "array_image",
    "marks_defect",
    "picture_array",
    "probe_image",
    "read_image",
    "read_mask",
    "read_pixels",
    "stored_bands",
]


def read_image(path: str | Path, channels: int) -> NDArray[np.float32]:
    """Decode an image.

    Args:
        path: image file.
        channels: 1 for grey (BT.601 luma of a colour image), 3 for colour (a grey image repeated).

    Returns:
        (H, W, channels) float32 in [0, 1], upright.

    Raises:
        ImageError: the file is missing, damaged or not an image, or its values have no defined meaning.
    """
    return to_channels(read_pixels(path), channels)


def read_pixels(path: str | Path) -> NDArray[np.float32]:
    """Decode an image to (H, W, 1 or 3) float32 in [0, 1], upright; one channel if the file is grey.

    Raises:
        ImageError: as `read_image`.
    """
    path = Path(path)
    with _naming(path):
        pixels: NDArray[np.float32] = _reader(path).pixels(path)
        return pixels


@contextmanager
def stored_bands(image: str | Path | NDArray[Any]) -> Iterator[Stored]:
    """Decode an image once and give it band by band, for images too large to hold in floating point.

    Args:
        image: a file, or an array as `array_image` takes it.

    Raises:
        ImageError: as for `read_image` and `array_image`; also while the bands are read.
    """
    if isinstance(image, np.ndarray):
        with _describing(image):
            pixels = _as_image(image)
            size, bits = (pixels.shape[0], pixels.shape[1]), 8 * pixels.dtype.itemsize
            bands = (_colours(pixels[top:bottom], bits) for top, bottom in band_rows(*size))
            yield Stored(size, 1, bands)
        return
    path = Path(image)
    with _naming(path), _reader(path).stored(path) as picture:
        yield picture


def array_image(array: NDArray[Any], channels: int) -> NDArray[np.float32]:
    """Convert an image in memory to the form that `read_image` gives.

    Args:
        array: (H, W) or (H, W, C) of uint8, uint16 or bool, or of floats in [0, 1]; C is 1 (grey), 3 (RGB) or
            4 (RGB and alpha, composed over black).
        channels: 1 or 3, as for `read_image`.

    Returns:
        (H, W, channels) float32 in [0, 1].

    Raises:
        ImageError: the shape, the type or the values have no defined meaning.
    """
    with _describing(array):
        pixels = _as_image(array)
        return to_channels(_colours(pixels, 8 * pixels.dtype.itemsize), channels)


def _as_image(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array as (H, W, 1, 3 or 4), or refuse its shape."""
    pixels = array[..., np.newaxis] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"An array of shape {array.shape} is not an image; (H, W), (H, W, 1), (H, W, 3) and (H, W, 4) are"
        )
    check_size(*pixels.shape[:2])
    return pixels


def _colours(pixels: NDArray[Any], bits: int) -> NDArray[np.float32]:
    """Scale (h, W, 1, 3 or 4) to [0, 1], and compose it over black if it has alpha."""
    values = unit_range(pixels, bits)
    return over_black(values[..., :3], values[..., 3:]) if values.shape[2] == 4 else values


def picture_array(picture: Image.Image) -> NDArray[Any]:
    """Convert a PIL image to an array for `array_image`, with the same values as when its file is read.

    Returns:
        (H, W) or (H, W, 1 or 3), upright; integers if it is stored as integers and has no alpha.

    Raises:
        ImageError: it cannot be decoded, contains several images, or its mode has no defined meaning.
    """
    try:
        return raster.array(picture)
    except RefusedError as error:
        raise ImageError(f"A PIL image of mode {picture.mode} cannot be used: {error}") from error
    except Exception as error:
        # As in `_naming`: the image may only have been opened, and is decoded here.
        raise ImageError(f"A PIL image of mode {picture.mode} cannot be decoded ({error})") from error


@contextmanager
def _describing(array: NDArray[Any]) -> Iterator[None]:
    """Turn a refusal into an ImageError that describes the array."""
    try:
        yield
    except RefusedError as error:
        raise ImageError(f"An array of shape {array.shape} cannot be used: {error}") from error


def read_mask(path: str | Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a defect mask.

    A pixel is defective if its largest colour value is above half of the file's range (127 of 255). If no
    pixel of a mask reaches this, as in a mask of 0 and 1, every pixel that is not zero is defective.

    Args:
        path: mask file.
        size: (H, W) of the image that the mask belongs to.

    Returns:
        (H, W) bool, True on the defect.

    Raises:
        ImageError: the mask cannot be read, or its size differs from the image's.
    """
    values = read_pixels(path).max(axis=2)
    if values.shape != size:
        raise ImageError(f"{path}: the mask is {_by(values.shape)} pixels, its image {_by(size)}")
    bright: NDArray[np.bool_] = values > 0.5
    return bright if bright.any() else np.greater(values, 0)


def marks_defect(path: str | Path) -> bool:
    """Tell whether a mask has any pixel that is not zero, so that `read_mask` gives any True.

    Raises:
        ImageError: the mask cannot be read.
    """
    return bool(read_pixels(path).any())


def probe_image(path: str | Path) -> ImageInfo:
    """Read an image's size, mode and depth from its header; damage after the header is not noticed.

    Raises:
        ImageError: the file is missing, not an image, or of a kind that `read_image` refuses.
    """
    path = Path(path)
    with _naming(path):
        info: ImageInfo = _reader(path).probe(path)
        return info


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"


def _reader(path: Path) -> ModuleType:
    """Choose the reader by content, not by file name ending."""
    from excision.data import tiff

    if path.exists() and not path.is_file():
        # Opening a pipe would wait forever for a writer.
        raise RefusedError("cannot be opened: it is not a regular file")
    with path.open("rb") as stream:
        start = stream.read(4)
    if not start:
        raise RefusedError("the file is empty (0 bytes)")
    return tiff if start in tiff.MAGIC else raster


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn any error of a decoder into an ImageError that names the file."""
    try:
        yield
    except RefusedError as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror})") from error
    except Exception as error:
        # On damaged data decoders raise almost any error, from struct.error to KeyError.
        raise ImageError(
            f"{path}: cannot be decoded; the file is damaged or not an image ({error})"
        ) from error
