"""Working images: every image at the one size and depth that training and inference use."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import decoded
from excision.data.pixels import Decoded
from excision.data.planes import float_planes, plane_bands, plane_columns, working_bands
from excision.errors import ImageError
from excision.ops.unit_range import from_unit


def resize_image(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize with a triangle filter as wide as the reduction, so that fine detail is averaged, not skipped.

    Args:
        image: (H, W, C) float32 in [0, 1].
        size: wanted (H, W).

    Returns:
        (*size, C) float32 in [0, 1]; the image itself if it has this size.
    """
    if image.shape[:2] == tuple(size):
        return image
    clipped: NDArray[np.float32] = np.clip(_scaled(float_planes(image), size), 0, 1, dtype=np.float32)
    return clipped


def _scaled(planes: Iterable[Image.Image], size: tuple[int, int]) -> NDArray[np.float32]:
    height, width = size
    return np.stack(
        [np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes], axis=2
    )


def resize_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask (H, W) to `size` by nearest-neighbour interpolation."""
    if mask.shape == tuple(size):
        return mask
    height, width = size
    picture = Image.fromarray(mask.astype(np.uint8))
    resized: NDArray[np.bool_] = np.asarray(picture.resize((width, height), Image.Resampling.NEAREST)) > 0
    return resized


def working_image(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Resize a decoded image (H, W, C) in [0, 1] to the working size, as uint16 with 65535 for 1."""
    return from_unit(resize_image(image, size))


def load_working_image(path: str | Path, size: tuple[int, int], channels: int) -> NDArray[np.uint16]:
    """Read an image file as the working image that training, calibration and inference share.

    Args:
        path: image file.
        size: working size (H, W).
        channels: 1 or 3.

    Returns:
        (*size, channels) uint16; 65535 stands for 1.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    return any_working_image(Path(path), size, channels)


def any_working_image(
    image: NDArray[Any] | str | Path, size: tuple[int, int], channels: int
) -> NDArray[np.uint16]:
    """Give the working image (*size, channels) of a path, or of an array as `array_image` takes it.

    Raises:
        ImageError: the image cannot be read or has no defined meaning.
    """
    _check_given(image)
    with decoded(image) as picture:
        return _resized(picture, size, channels)


def _check_given(image: object) -> None:
    if not isinstance(image, str | Path | np.ndarray):
        raise ImageError(f"{type(image).__name__} is not an image: give a path or a numpy array")


def _resized(picture: Decoded, size: tuple[int, int], channels: int) -> NDArray[np.uint16]:
    """Resize an image band by band, with the values of `working_image`.

    Pillow resizes one direction after the other. The rows do not depend on each other in the first, nor the
    columns in the other, so that only the image that is reduced in one direction is held in floating point.
    """
    if picture.upright == tuple(size):
        return _full(picture, channels)
    if len(picture.band_edges) == 1:
        ((_, planes),) = plane_bands(picture, channels)
    else:
        planes = float_planes(_reduced_one_way(picture, size, channels))
    working = from_unit(np.clip(_scaled(planes, size), 0, 1, dtype=np.float32))
    return working if working.shape[2] == channels else np.repeat(working, channels, axis=2)


def _reduced_one_way(picture: Decoded, size: tuple[int, int], channels: int) -> NDArray[np.float32]:
    """Resize an image in the direction that Pillow begins with; the other one would change the last bit."""
    (height, width), (wanted_height, wanted_width) = picture.upright, size
    down_first = 0 < height - wanted_height > 2 * (width - wanted_width)
    shape = (wanted_height, width) if down_first else (height, wanted_width)
    whole: NDArray[np.float32] | None = None
    for span, planes in (plane_columns if down_first else plane_bands)(picture, channels):
        length = span.stop - span.start
        part = _scaled(planes, (wanted_height, length) if down_first else (length, wanted_width))
        if whole is None:
            whole = np.empty((*shape, part.shape[2]), np.float32)
        whole[(slice(None), span) if down_first else span] = part
    assert whole is not None, "no image is without rows"
    return whole


def _full(picture: Decoded, channels: int) -> NDArray[np.uint16]:
    full = np.empty((*picture.upright, channels), dtype=np.uint16)
    for rows, band in working_bands(picture, channels):
        full[rows] = band
    return full


def any_full_image(image: NDArray[Any] | str | Path, channels: int) -> NDArray[np.uint16]:
    """Give a path, or an array as `array_image` takes it, as a working image of its own size.

    The values are those of `any_working_image` at that size, but the whole image is never held in floating
    point.

    Returns:
        (H, W, channels) uint16; 65535 stands for 1.

    Raises:
        ImageError: the image cannot be read or has no defined meaning.
    """
    _check_given(image)
    with decoded(image) as picture:
        return _full(picture, channels)


class ImageCache:
    """Working images, kept in memory up to a budget and decoded again beyond it.

    Nothing is ever dropped: images are read in a new random order each epoch, so no choice is better than
    another. Safe to use from several threads.
    """

    def __init__(self, size: tuple[int, int], channels: int, budget_bytes: int) -> None:
        self.size = size
        self.channels = channels
        self._free = budget_bytes
        self._kept: dict[Path, NDArray[np.uint16]] = {}
        self._lock = threading.Lock()

    def get(self, path: str | Path) -> NDArray[np.uint16]:
        """Give the working image of a file, (*size, channels) uint16, read-only and always the same.

        Raises:
            ImageError: the file cannot be read as an image.
        """
        path = Path(path)
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        image = load_working_image(path, self.size, self.channels)
        image.flags.writeable = False
        with self._lock:
            if path not in self._kept and image.nbytes <= self._free:
                self._kept[path] = image
                self._free -= image.nbytes
        return image
