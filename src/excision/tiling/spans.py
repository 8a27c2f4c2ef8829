"""The positions of the tiles of a large image, and their weights at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from excision.tiling.geometry import RAMP, Tiling


@dataclass(frozen=True, slots=True)
class Span:
    """The contribution of one row or column of tiles along one axis of the image.

    Attributes:
        origin: first pixel of the tile in the image, on the grid.
        start: first pixel of the image that it contributes to.
        weights: (n,) float32 in [0, 1], for the pixels from `start` on; over all spans they sum to one.
    """

    origin: int
    start: int
    weights: NDArray[np.float32]

    @property
    def stop(self) -> int:
        """One past the last pixel of the image that it contributes to."""
        return self.start + len(self.weights)

    @property
    def inside(self) -> slice:
        """The same pixels, relative to the first pixel of the tile."""
        return slice(self.start - self.origin, self.stop - self.origin)


def spans(length: int, side: int, tiling: Tiling) -> list[Span]:
    """Cover one axis of an image with tiles.

    There are as few tiles as the halo allows, evenly spread. The last may extend beyond the image by less
    than the grid.

    Args:
        length: size of the image along the axis in pixels.
        side: size of a tile along the axis in pixels, at most `length`.
        tiling: grid and halo.
    """
    places = -(-(length - side) // tiling.grid)
    step = (side - 2 * tiling.halo - RAMP) // tiling.grid
    gaps = -(-places // step)
    origins = [tiling.grid * ((2 * i * places + gaps) // (2 * gaps)) for i in range(gaps)]
    origins.append(tiling.grid * places)
    handovers = [(one + other + side) // 2 - RAMP // 2 for one, other in pairwise(origins)]
    starts = [0, *handovers]
    stops = [*(handover + RAMP for handover in handovers), length]
    found = []
    for index, (origin, start, stop) in enumerate(zip(origins, starts, stops, strict=True)):
        pixels = np.arange(start, stop, dtype=np.float32)
        rise = _ramp(pixels, handovers[index - 1]) if index else np.ones_like(pixels)
        fall = _ramp(pixels, handovers[index]) if index < gaps else np.zeros_like(pixels)
        found.append(Span(origin, start, rise - fall))
    return found


def _ramp(pixels: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """Rise from 0 to 1 over `RAMP` pixels."""
    rising: NDArray[np.float32] = ((pixels - np.float32(start - 0.5)) / np.float32(RAMP)).clip(0, 1)
    return rising
