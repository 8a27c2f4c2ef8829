"""Working images: every image at the one size and depth that training and inference use."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import array_image, read_image, stored_bands
from excision.data.pixels import to_channels, upright
from excision.errors import ImageError
from excision.ops.bands import band_rows
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
    height, width = size
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for channel in range(image.shape[2])
    ]
    clipped: NDArray[np.float32] = np.clip(np.stack(resized, axis=2), 0, 1, dtype=np.float32)
    return clipped


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
    return working_image(read_image(path, channels), size)


def any_working_image(
    image: NDArray[Any] | str | Path, size: tuple[int, int], channels: int
) -> NDArray[np.uint16]:
    """Give the working image (*size, channels) of a path, or of an array as `array_image` takes it.

    Raises:
        ImageError: the image cannot be read or has no defined meaning.
    """
    if isinstance(image, np.ndarray):
        return working_image(array_image(image, channels), size)
    if isinstance(image, str | Path):
        return load_working_image(Path(image), size, channels)
    raise ImageError(f"{type(image).__name__} is not an image: give a path or a numpy array")


def any_full_image(image: NDArray[Any] | str | Path, channels: int) -> NDArray[np.uint16]:
    """Give a path, or an array as `array_image` takes it, as a working image of its own size.

    The values are those of `any_working_image` at that size, but the whole image is never held in floating
    point.

    Returns:
        (H, W, channels) uint16; 65535 stands for 1.

    Raises:
        ImageError: the image cannot be read or has no defined meaning.
    """
    if not isinstance(image, str | Path | np.ndarray):
        raise ImageError(f"{type(image).__name__} is not an image: give a path or a numpy array")
    with stored_bands(image) as picture:
        full = np.empty((*picture.size, channels), dtype=np.uint16)
        for (top, bottom), band in zip(band_rows(*picture.size), picture.bands, strict=True):
            full[top:bottom] = from_unit(to_channels(band, channels))
        return upright(full, picture.orientation)


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
