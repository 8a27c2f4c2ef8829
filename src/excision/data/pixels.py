"""What pixel values mean: every mode is converted to grey or RGB as float32 in [0, 1].

`docs/data.md` states the same rules for users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.ops.bands import band_rows
from excision.ops.colour import LUMA

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 150_000_000
"""Larger images are refused: a small file can unpack to any size, and 150 million pixels take 1.8 GB."""

MIN_SIDE = 8
"""Images with a shorter side are refused: they are icons or mistakes."""


_LUMA = np.array(LUMA, dtype=np.float32)

P = TypeVar("P", bound=np.generic)

Stored: TypeAlias = "Image.Image | NDArray[np.uint8]"
"""Bytes of grey or RGB, with 255 for white: a picture of mode L or RGB, or an array (h, w, 1 or 3)."""

_TURNED = {1: 5, 2: 8, 3: 7, 4: 6, 5: 1, 6: 4, 7: 3, 8: 2}
"""The orientation of an image whose rows are the columns of one with another orientation."""


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
class Decoded:
    """A decoded image whose values are converted to floating point only where they are asked for.

    Attributes:
        size: (H, W) in pixels, as stored, before the image is turned upright.
        orientation: EXIF orientation, 1 to 8; other numbers have no effect.
        box: converts the stored rows and columns (top, bottom, left, right) to (h, w, 1 or 3) float32 in
            [0, 1]; raises RefusedError if a value has no defined meaning.
        stored: gives the same part as it is stored, if it is stored as `Stored`; None of all other images.
    """

    size: tuple[int, int]
    orientation: int
    box: Callable[[int, int, int, int], NDArray[np.float32]]
    stored: Callable[[int, int, int, int], Stored] | None = None

    @property
    def upright(self) -> tuple[int, int]:
        """(H, W) of the upright image."""
        return upright_size(*self.size, self.orientation)

    @property
    def upright_bytes(self) -> Callable[[int, int, int, int], Stored] | None:
        """As `stored`, if the image is stored upright; None otherwise."""
        return None if self.orientation in _TURNED and self.orientation != 1 else self.stored

    @property
    def band_edges(self) -> list[tuple[int, int]]:
        """The first row, and the row after the last, of each of the bands."""
        return list(band_rows(*self.upright))

    def bands(self, channels: int | None = None) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Give the upright image from top to bottom, a few million pixels at a time.

        Args:
            channels: 1 or 3, as for `to_channels`; None for the channels of the file.

        Returns:
            Each band's rows, and its values (h, W, C) float32 in [0, 1], contiguous.
        """
        for top, bottom in self.band_edges:
            band = upright(self._stored_rows(top, bottom), self.orientation)
            yield slice(top, bottom), band if channels is None else to_channels(band, channels)

    def columns(self, channels: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Give the upright image from left to right, as `bands` does from top to bottom."""
        height, width = self.upright
        turned = replace(self, orientation=_TURNED.get(self.orientation, 5))
        for left, right in band_rows(width, height):
            band = turned._stored_rows(left, right)
            yield slice(left, right), to_channels(upright(band, self.orientation), channels)

    def whole(self, channels: int | None = None) -> NDArray[np.float32]:
        """Give the upright image at once, (H, W, C) float32 in [0, 1]."""
        whole: NDArray[np.float32] | None = None
        for rows, band in self.bands(channels):
            if band.shape[:2] == self.upright:
                return band
            if whole is None:
                whole = np.empty((*self.upright, band.shape[2]), np.float32)
            whole[rows] = band
        assert whole is not None, "no image is without rows"
        return whole

    def _stored_rows(self, top: int, bottom: int) -> NDArray[np.float32]:
        """Give what becomes the rows from `top` to `bottom` of the upright image."""
        if self.orientation in (3, 4, 7, 8):
            top, bottom = self.upright[0] - bottom, self.upright[0] - top
        if self.orientation in (5, 6, 7, 8):
            return self.box(0, self.size[0], top, bottom)
        return self.box(top, bottom, 0, self.size[1])


def array_boxes(
    values: NDArray[Any], colours: Callable[[NDArray[Any]], NDArray[np.float32]]
) -> Callable[[int, int, int, int], NDArray[np.float32]]:
    """Give `Decoded.box` of values (H, W, C) that are held as stored, and of what they mean."""
    return lambda top, bottom, left, right: colours(values[top:bottom, left:right])


def stored_boxes(values: NDArray[Any]) -> Callable[[int, int, int, int], Stored] | None:
    """Give `Decoded.stored` of values (H, W, C) of grey or RGB; None if they are no bytes, or have alpha."""
    if values.dtype != np.uint8 or values.shape[2] not in (1, 3):
        return None
    return lambda top, bottom, left, right: values[top:bottom, left:right]


def plain_array(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array, or one of a subclass, as a plain array in native byte order with the same values.

    Raises:
        RefusedError: pixels are masked, or the values are not numbers.
    """
    # Loading `numpy.ma` takes time, and a plain array has no mask.
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise RefusedError("pixels are masked; fill them, for example by `.filled(0)`")
    # A subclass, such as a matrix, has arithmetic and indexing of its own.
    plain = np.asarray(array)
    if plain.dtype.kind not in "biuf":
        raise RefusedError(
            f"values of type {plain.dtype} are not pixels; give uint8, uint16, bool or floats in [0, 1]"
        )
    return plain.astype(plain.dtype.newbyteorder("="), copy=False)


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


def alpha_colours(bits: int, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Scale stored values (H, W, 1 to 4) to (H, W, 1 or 3); a second or fourth channel is alpha."""
    values = unit_range(stored, bits)
    if values.shape[2] in (2, 4):
        return over_black(values[..., :-1], values[..., -1:])
    return values


def cmyk_to_rgb(inks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert CMYK (H, W, 4) in [0, 1] to RGB in [0, 1]: (1 - ink)(1 - black), without colour profiles."""
    return (1 - inks[..., :3]) * (1 - inks[..., 3:])


def upright(pixels: NDArray[P], orientation: int) -> NDArray[P]:
    """Turn (H, W) or (H, W, C) upright by its EXIF orientation, 1 to 8; other numbers have no effect."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
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
    # A matrix product would add in another order for some shapes, so that bands differ from the whole.
    grey: NDArray[np.float32] = pixels[..., :1] * _LUMA[0]
    for channel in (1, 2):
        grey += pixels[..., channel : channel + 1] * _LUMA[channel]
    # The sum of the rounded weights may exceed 1 by one unit in the last place.
    np.minimum(grey, np.float32(1), out=grey)
    return grey
