"""Where the tiles of a large image lie, and how much each says of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from excision.tiling.geometry import RAMP, Tiling


@dataclass(frozen=True, slots=True)
class Span:
    """What one row or column of tiles says along one axis of the image.

    Attributes:
        origin: first pixel of the tile in the image, on the grid.
        start: first pixel of the image that it has a say in.
        weights: (n,) float32 in 0 to 1, of the pixels from `start` on; those of all spans sum to one.
    """

    origin: int
    start: int
    weights: NDArray[np.float32]

    @property
    def stop(self) -> int:
        """Pixel of the image after the last that it has a say in."""
        return self.start + len(self.weights)

    @property
    def inside(self) -> slice:
        """The same pixels, counted from the first of the tile."""
        return slice(self.start - self.origin, self.stop - self.origin)


def spans(length: int, side: int, tiling: Tiling) -> list[Span]:
    """Cover one axis of an image.

    Tiles are as few as the halo allows and evenly spread. The last may reach beyond the image by less than
    the grid.

    Args:
        length: pixels of the image along the axis.
        side: pixels of a tile along it, at most `length`.
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
