"""The size of tiles and their overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from excision.errors import ImageError, SettingsError

RAMP = 16
"""Pixels over which adjacent tiles are blended. A power of two, so that the weights are exact in binary."""

_WIDEST_HALO = 32


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image of any size is covered by tiles.

    Attributes:
        size: (H, W) of a tile in pixels.
        grid: tiles start at multiples of this many pixels, so that the cells of the mask and the positions of
            the networks coincide in all tiles.
        halo: pixels along an edge shared with another tile in which a tile's output is discarded.
    """

    size: tuple[int, int]
    grid: int
    halo: int

    def __post_init__(self) -> None:
        if self.grid < 1 or self.halo < 0:
            raise SettingsError(f"no tiles have a grid of {self.grid} and a halo of {self.halo} pixels")
        least = self.grid + 2 * self.halo + RAMP
        if min(self.size) < least:
            raise SettingsError(
                f"image.tile is {self.size}: with these networks and cells, each side must be at least "
                f"{least} pixels"
            )

    @classmethod
    def for_networks(
        cls, tile: tuple[int, int], *, patch: int, stem: int, depth: int, attention_stride: int
    ) -> Self:
        """Choose grid and halo to suit the networks.

        The halo is as wide as the receptive field of the recovery, but at most 32 pixels and an eighth of the
        tile, since pixels farther away have little influence.

        Args:
            tile: (H, W) of a tile in pixels.
            patch: side of a cell of the mask in pixels.
            stem: stride of the recovery's first level in pixels.
            depth: number of the recovery's levels.
            attention_stride: stride of the attention network in pixels.

        Raises:
            SettingsError: the tiles are too small for the networks and cells.
        """
        grid = math.lcm(patch, stem * 2 ** (depth - 1), attention_stride)
        return cls(tile, grid, min(reach(stem, depth), min(tile) // 8, _WIDEST_HALO))

    def check(self, height: int, width: int, what: str) -> None:
        """Check that a tile fits into an image.

        Raises:
            ImageError: the image is too small.
        """
        if height < self.size[0] or width < self.size[1]:
            raise ImageError(
                f"{what} has {height} x {width} pixels (height x width) and is smaller than a tile of "
                f"{self.size[0]} x {self.size[1]}: leave it out, or train with a smaller --tile"
            )


def reach(stem: int, depth: int) -> int:
    """Return the one-sided receptive field of the recovery in pixels.

    A position of level l spans stem * 2^l pixels. In the encoder each level has two 3 x 3 convolutions; in
    the decoder all but the deepest have two more, after an interpolation between neighbours of the level
    below. A position of the deepest level itself is as wide as its stride.
    """
    places = [stem << level for level in range(depth)]
    return sum(4 * place for place in places[:-1]) + sum(places[1:]) + 3 * places[-1]
