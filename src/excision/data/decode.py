"""Reading images: the one place where files become pixels, with one defined meaning per mode.

`docs/data.md` states the meaning of every mode for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data import raster
from excision.data.magic import LONGEST, READERS
from excision.data.pixels import (
    Decoded,
    ImageInfo,
    RefusedError,
    alpha_colours,
    array_boxes,
    check_size,
    plain_array,
    stored_boxes,
)
from excision.errors import ImageError

__all__ = [
    "ImageInfo",
    "array_image",
    "check_decodes",
    "decoded",
    "given_array",
    "picture_array",
    "probe_image",
    "read_image",
    "read_palette",
    "read_pixels",
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
    with decoded(path) as image:
        return image.whole(channels)


def read_pixels(path: str | Path) -> NDArray[np.float32]:
    """Decode an image to (H, W, 1 or 3) float32 in [0, 1], upright; one channel if the file is grey.

    Raises:
        ImageError: as `read_image`.
    """
    with decoded(path) as image:
        return image.whole()


def check_decodes(path: str | Path) -> None:
    """Decode an image and keep nothing of it.

    Raises:
        ImageError: as `read_image`.
    """
    with decoded(path) as image:
        for _ in image.bands():
            pass


@contextmanager
def decoded(image: str | Path | NDArray[Any]) -> Iterator[Decoded]:
    """Decode an image once and give it in bands, so that large images are never held in floating point.

    Args:
        image: a file, or an array as `array_image` takes it.

    Raises:
        ImageError: as for `read_image` and `array_image`; also while the bands are read.
    """
    if isinstance(image, np.ndarray):
        with _describing(image):
            yield _of_array(image)
        return
    path = Path(image)
    with _naming(path), _opened(path) as (reader, stream):
        yield reader.decode(stream)


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
        return _of_array(array).whole(channels)


def given_array(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array that a caller passed as a plain array in native byte order, with the same values.

    Raises:
        ImageError: pixels are masked, or the values are not numbers.
    """
    with _describing(array):
        return plain_array(array)


def _of_array(array: NDArray[Any]) -> Decoded:
    """Take an array as a decoded image, or refuse its shape."""
    pixels = plain_array(array)
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"An array of shape {array.shape} is not an image; (H, W), (H, W, 1), (H, W, 3) and (H, W, 4) are"
        )
    height, width = pixels.shape[:2]
    check_size(height, width)
    return Decoded((height, width), 1, array_boxes(pixels, _colours), stored_boxes(pixels))


def _colours(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale (h, w, 1, 3 or 4) to [0, 1], and compose it over black if it has alpha."""
    return alpha_colours(8 * pixels.dtype.itemsize, pixels)


def picture_array(picture: Image.Image) -> NDArray[Any]:
    """Convert a PIL image to an array for `array_image`, with the same values as when its file is read.

    Returns:
        (H, W) or (H, W, 1 or 3), upright; integers if it is stored as integers and has no alpha.

    Raises:
        ImageError: it cannot be decoded, contains several images, or its mode has no defined meaning.
    """
    try:
        stream = _undecoded(picture)
        return raster.array(picture) if stream is None else _from_file(picture, stream)
    except RefusedError as error:
        raise ImageError(f"A PIL image of mode {picture.mode} cannot be used: {error}") from error
    except Exception as error:
        # As in `_naming`: the image may only have been opened, and is decoded here.
        raise ImageError(f"A PIL image of mode {picture.mode} cannot be decoded ({error})") from error


def _undecoded(picture: Image.Image) -> BinaryIO | None:
    """Give the file of an image that was opened but not decoded, if Pillow would decode it with a loss."""
    stream = getattr(picture, "fp", None)
    if not getattr(picture, "tile", None) or stream is None or not stream.seekable():
        return None
    # Pillow reads colours of 16 bits with 8, and TIFF files in several ways.
    deep = picture.format == "PNG" and ("16B" in str(picture.tile) or "transparency" in picture.info)  # type: ignore[attr-defined]
    return stream if deep or picture.format in ("TIFF", "PPM") else None


def _from_file(picture: Image.Image, stream: BinaryIO) -> NDArray[np.float32]:
    """Decode the file of a PIL image with the reader of its format."""
    position = stream.tell()
    image: Decoded = _reader(stream).decode(stream)
    stream.seek(position)
    values = image.whole()
    with suppress(Exception):
        # The image is left decoded, and its file closed, as for every other image.
        picture.load()
    return values


@contextmanager
def _describing(array: NDArray[Any]) -> Iterator[None]:
    """Turn a refusal into an ImageError that describes the array."""
    try:
        yield
    except RefusedError as error:
        raise ImageError(f"An array of shape {array.shape} cannot be used: {error}") from error


def read_palette(path: str | Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Read the numbers of an image that has a palette, rather than the colours they stand for.

    Returns:
        (H, W) numbers, upright, and (256, 3) the colours of the palette; None of an image without a palette,
        with more than 256 colours or with transparency.

    Raises:
        ImageError: as `read_image`.
    """
    path = Path(path)
    if probe_image(path).mode != "palette":
        return None
    with _naming(path), _opened(path) as (reader, stream):
        found: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = reader.palette(stream)
        return found


def probe_image(path: str | Path) -> ImageInfo:
    """Read an image's size, mode and depth from its header; damage after the header is not noticed.

    Raises:
        ImageError: the file is missing, not an image, or of a kind that `read_image` refuses.
    """
    path = Path(path)
    with _naming(path), _opened(path) as (reader, stream):
        info: ImageInfo = reader.probe(stream)
        return info


@contextmanager
def _opened(path: Path) -> Iterator[tuple[ModuleType, BinaryIO]]:
    """Open a file and choose its reader."""
    if path.exists() and not path.is_file():
        # Opening a pipe would wait forever for a writer.
        raise RefusedError("cannot be opened: it is not a regular file")
    with path.open("rb") as stream:
        yield _reader(stream), stream


def _reader(stream: BinaryIO) -> ModuleType:
    """Choose the reader by content, not by file name ending."""
    stream.seek(0)
    start = stream.read(LONGEST)
    stream.seek(0)
    if not start:
        raise RefusedError("the file is empty (0 bytes)")
    for magic, name in READERS.items():
        if start.startswith(magic):
            # Imported here: some load large libraries, which other formats do without.
            return import_module(f"excision.data.{name}")
    return raster


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn any error of a decoder into an ImageError that names the file."""
    try:
        yield
    except ImageError:
        # Who uses the decoded image refuses it for a reason of their own.
        raise
    except RefusedError as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror})") from error
    except MemoryError as error:
        raise ImageError(f"{path}: there is not enough memory to decode it") from error
    except Exception as error:
        # On damaged data decoders raise almost any error, from struct.error to KeyError.
        raise ImageError(
            f"{path}: cannot be decoded; the file is damaged or not an image ({error})"
        ) from error
