"""What pixel values mean: every mode is converted to grey or RGB as float32 in [0, 1].

`docs/data.md` states the same rules for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.ops.colour import LUMA

MAX_PIXELS = 150_000_000
"""Larger images are refused: a small file can unpack to any size, and 150 million pixels take 1.8 GB."""

MIN_SIDE = 8
"""Images with a shorter side are refused: they are icons or mistakes."""


_LUMA = np.array(LUMA, dtype=np.float32)

P = TypeVar("P", bound=np.generic)


class RefusedError(Exception):
    """An image has no defined meaning; the caller adds the name of the file to the message."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The header of an image file.

    Attributes:
        size: (H, W) in pixels, upright.
        mode: "1-bit", "grey", "grey+alpha", "palette", "RGB", "RGB+alpha", "CMYK" or "YCbCr".
        bits: bits of one value: 1 to 16, or 32 and 64 for floating point.
        colour: False if the header alone shows that every pixel is grey.
    """

    size: tuple[int, int]
    mode: str
    bits: int
    colour: bool

    @property
    def description(self) -> str:
        """Mode and depth in words, for example "grey 16-bit"."""
        if self.mode == "1-bit":
            return self.mode
        return f"{self.mode} {self.bits}-bit" if self.bits <= 16 else f"{self.mode} float"


@dataclass(frozen=True, slots=True)
class Stored:
    """A decoded image, as it is stored in its file.

    Attributes:
        size: (H, W) in pixels, before the image is turned upright.
        orientation: EXIF orientation, 1 to 8.
        bands: its rows from top to bottom, each band (h, W, 1 or 3) float32 in [0, 1]; can be iterated once.
    """

    size: tuple[int, int]
    orientation: int
    bands: Iterator[NDArray[np.float32]]


def check_size(height: int, width: int) -> None:
    """Refuse an image that is too large or too small, before its pixels are decoded."""
    if height * width > MAX_PIXELS:
        raise RefusedError(
            f"{width} x {height} pixels exceed the limit of {MAX_PIXELS // 10**6} million; cut it into parts"
        )
    if min(height, width) < MIN_SIDE:
        raise RefusedError(f"{width} x {height} pixels is too small: each side needs at least {MIN_SIDE}")


def unit_range(values: NDArray[Any], bits: int) -> NDArray[np.float32]:
    """Scale stored values to [0, 1]: integers by the largest value of their depth; floats are kept.

    Raises:
        RefusedError: signed or wider integers, floats outside [0, 1], or NaN.
    """
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype in (np.uint8, np.uint16):
        return values.astype(np.float32) / np.float32(2**bits - 1)
    if not np.issubdtype(values.dtype, np.floating):
        raise RefusedError(f"values of type {values.dtype} have no defined range; save it with 8 or 16 bits")
    if not np.isfinite(values).all():
        raise RefusedError("contains values that are not finite numbers (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise RefusedError(
            f"floating-point values must be between 0 and 1, not from {low:g} to {high:g}; rescale them"
        )
    return values.astype(np.float32)


def over_black(colour: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compose a partly transparent image over black: (H, W, C) times (H, W, 1)."""
    return colour * alpha


def cmyk_to_rgb(inks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert CMYK (H, W, 4) in [0, 1] to RGB in [0, 1]: (1 - ink)(1 - black), without colour profiles."""
    return (1 - inks[..., :3]) * (1 - inks[..., 3:])


def upright(pixels: NDArray[P], orientation: int) -> NDArray[P]:
    """Turn an array (H, W, C) upright by its EXIF orientation, 1 to 8; other numbers have no effect."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Give (H, W) after `upright`."""
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def to_channels(pixels: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Convert (H, W, 1 or 3) to 1 or 3 channels: grey is the BT.601 luma, colour repeats grey."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    # The sum of the rounded weights may exceed 1 by one unit in the last place.
    grey: NDArray[np.float32] = np.minimum(pixels @ _LUMA, np.float32(1))
    return grey[..., np.newaxis]
