"""How large tiles are and how far they overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from excision.errors import ImageError, SettingsError

RAMP = 16
"""Pixels over which one tile takes over from the next. A power of two, so that weights are exact numbers."""

_WIDEST_HALO = 32


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image of any size is covered by tiles.

    Attributes:
        size: (H, W) of a tile in pixels.
        grid: tiles begin on multiples of this many pixels, so that cells of the mask and places of the
            networks fall together in all tiles.
        halo: pixels along a border shared with another tile of which a tile is not asked.
    """

    size: tuple[int, int]
    grid: int
    halo: int

    def __post_init__(self) -> None:
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
        tile: what lies farther away changes little.

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
        """Refuse an image that a tile does not fit into.

        Raises:
            ImageError: it is too small.
        """
        if height < self.size[0] or width < self.size[1]:
            raise ImageError(
                f"{what} has {height} x {width} pixels (height x width) and is smaller than a tile of "
                f"{self.size[0]} x {self.size[1]}: leave it out, or train with a smaller --tile"
            )


def reach(stem: int, depth: int) -> int:
    """Return how many pixels away the recovery sees at most: its receptive field to one side.

    Level l has places of stem * 2^l pixels. On the way down each level has two convolutions of 3 x 3, on the
    way up all but the deepest have two more, after an interpolation between neighbours of the level below. A
    place of the deepest level itself is as wide as its stride.
    """
    places = [stem << level for level in range(depth)]
    return sum(4 * place for place in places[:-1]) + sum(places[1:]) + 3 * places[-1]
