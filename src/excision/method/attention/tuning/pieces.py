"""Pieces of images for tuning: cut at a random scale and place, mirrored, and under another light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from excision.ops.colour import LUMA
from excision.ops.unit_range import to_unit

FloatImage = NDArray[np.float32]
Place = tuple[int, int]

_CLOSER, _WIDER = 0.6, 0.25  # shares of the pieces that are enlarged, and reduced as far as the image allows


@dataclass(frozen=True, slots=True)
class Window:
    """A window on an image that becomes a piece.

    Attributes:
        rows: of the image.
        columns: of the image.
        mirrored: whether it is turned upside down, and whether left and right are exchanged.
        size: (H, W) of the piece in pixels.
    """

    rows: slice
    columns: slice
    mirrored: tuple[bool, bool]
    size: tuple[int, int]

    def piece(self, plane: FloatImage) -> FloatImage:
        """Scale what the window shows, (h, w), to the size of the piece, and mirror it."""
        scaled = resized(plane, self.size)
        scaled = scaled[:, ::-1] if self.mirrored[1] else scaled
        return scaled[::-1] if self.mirrored[0] else scaled


def random_window(
    rng: np.random.Generator, full: tuple[int, int], size: tuple[int, int], shown: Place | None = None
) -> Window:
    """Choose a window at random.

    Args:
        rng: source of everything random.
        full: (H, W) of the image.
        size: (H, W) of the piece.
        shown: (y, x) of a pixel that the window shows; None lets it lie anywhere.
    """
    zoom, stretch = 1.0, 1.0
    if rng.random() < _CLOSER:
        zoom = np.exp(rng.uniform(np.log(0.5), 0))
    if rng.random() < _WIDER:
        zoom = min(2.0, *(whole / side for whole, side in zip(full, size, strict=True)))
    if zoom != 1:
        stretch = np.exp(rng.uniform(-0.15, 0.15))
    height = min(int(size[0] * zoom), full[0])
    width = min(int(size[1] * zoom * stretch), full[1])
    top, left = (
        _start(rng, whole, side, None if shown is None else shown[axis])
        for axis, (whole, side) in enumerate(zip(full, (height, width), strict=True))
    )
    across, upside_down = rng.random() < 0.5, rng.random() < 0.5
    return Window(slice(top, top + height), slice(left, left + width), (upside_down, across), size)


def _start(rng: np.random.Generator, whole: int, side: int, shown: int | None) -> int:
    if shown is None:
        return int(rng.integers(whole - side + 1))
    return int(np.clip(shown - rng.integers(side), 0, whole - side))


def lit(piece: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Show a piece under brighter or weaker light."""
    light = np.float32(np.exp(rng.uniform(-0.3, 0.3)))
    shown: FloatImage = np.clip(piece * light, 0, 1, dtype=np.float32)
    return np.ascontiguousarray(shown)


def resized(plane: FloatImage, size: tuple[int, int]) -> FloatImage:
    """Scale (h, w) to `size`, averaging where it is reduced."""
    if plane.shape == tuple(size):
        return plane
    scaled: FloatImage = functional.interpolate(
        torch.from_numpy(plane)[None, None], size, mode="bilinear", antialias=True
    )[0, 0].numpy()
    return scaled


def grey(pixels: NDArray[np.uint16]) -> FloatImage:
    """Return the brightness (H, W) in [0, 1] of a working image (H, W, C)."""
    unit = to_unit(pixels)
    if unit.shape[2] == 1:
        plane: FloatImage = np.ascontiguousarray(unit[..., 0])
        return plane
    mixed: FloatImage = (unit @ np.array(LUMA, dtype=np.float32)).astype(np.float32)
    return mixed
